r"""How data come about, stage by stage: prediction, model, reality, measurement.

At parameters theta a model predicts a mean. What the simulator would give lies about it as the
emulator's covariance says, and that which all runs share; reality lies about that by the
discrepancy, and data about reality by their errors. Each deviation is Gaussian, times a stretch
that families with heavy tails draw once for all of them.
"""

from collections.abc import Mapping
from typing import Protocol

import numpy as np

from equatorium.checks import FloatArray
from equatorium.records.covariance import Covariance
from equatorium.records.prediction import Gaussian


class Family(Protocol):
    """What a likelihood says of how its q data come about; see `Likelihood`."""

    emulator_covariance: bool

    def predict(self, theta: FloatArray) -> Gaussian:
        """Model's prediction at points theta (m, d)."""

    def parts_at(self, theta: FloatArray) -> Mapping[str, Covariance]:
        """All other covariances there."""

    def parts_about(self, values: FloatArray, theta: FloatArray) -> Mapping[str, Covariance]:
        """Give those about other values of the data or latents (q,)."""

    def stretch(self, theta: FloatArray, rng: np.random.Generator) -> FloatArray | float:
        """Draw what all deviations are multiplied by."""

    def expected(self, predicted: FloatArray) -> FloatArray:
        """Give the data to expect of what a model predicts for them, (m, q)."""

    def measured(
        self, reality: FloatArray, noise: FloatArray, rng: np.random.Generator
    ) -> FloatArray:
        """Give data of reality and drawn errors, (m, q)."""


def all_stages(
    family: Family, theta: FloatArray, rng: np.random.Generator
) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    """Draw mean, model, reality and data (m, q), one each at points theta (m, d)."""
    own, parts, stretch = family.predict(theta), family.parts_at(theta), family.stretch(theta, rng)
    model = own.mean + stretch * _beside(own, parts, rng)
    reality = model + stretch * _each(parts["discrepancy"], own.m, rng)
    noise = stretch * _each(parts["observation"], own.m, rng)
    mean, model, expected = (family.expected(f) for f in (own.mean, model, reality))
    return mean, model, expected, family.measured(reality, noise, rng)


def one_data_set(
    family: Family, theta: FloatArray, rng: np.random.Generator, clean: FloatArray | None = None
) -> FloatArray:
    """Draw data (q,) at a point theta (1, d), of the true simulator's outputs `clean` if given.

    Without, they come of the emulator, which is exact if the family takes it so.
    """
    stretch = family.stretch(theta, rng)
    if clean is None:
        own, parts = family.predict(theta), family.parts_at(theta)
        off = _beside(own, parts, rng, emulator=family.emulator_covariance)
        clean = (own.mean + stretch * off)[0]
    # What the model misses may go with its size: with that of the clean data.
    errors = family.parts_about(clean, theta)
    reality = clean + stretch * _each(errors["discrepancy"], 1, rng)
    noise = stretch * _each(errors["observation"], 1, rng)
    return np.asarray(family.measured(reality, noise, rng)[0])


def _beside(
    own: Gaussian, parts: Mapping[str, Covariance], rng: np.random.Generator, emulator: bool = True
) -> FloatArray:
    """Draw how far from its mean prediction the simulator would be (m, q)."""
    off = _each(own.covariance, own.m, rng) if emulator else np.zeros_like(own.mean)
    return off + _each(parts["simulator"], own.m, rng) if "simulator" in parts else off


def _each(covariance: Covariance, n: int, rng: np.random.Generator) -> FloatArray:
    """One draw of N(0, S) for each of n points, shape (n, q)."""
    return covariance.sample(1, rng)[0] if covariance.batch else covariance.sample(n, rng)
