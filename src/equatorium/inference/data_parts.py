"""What the data's scatter about a prediction is made of, at points: the one place that asks."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from equatorium.checks import FloatArray
from equatorium.errors import InputError
from equatorium.inference.likelihood import GaussianLikelihood
from equatorium.records.covariance import Covariance
from equatorium.records.observation import Observation
from equatorium.records.prediction import Gaussian


def require_gaussian(likelihood: Any) -> GaussianLikelihood:
    """Return the likelihood, or raise InputError where it is not Gaussian with known parts."""
    if not isinstance(likelihood, GaussianLikelihood):
        raise InputError(
            f"This needs the covariances of a GaussianLikelihood, which {type(likelihood).__name__}"
            " does not have."
        )
    return likelihood


def require_names(names: tuple[str, ...], likelihood: Any) -> None:
    """Raise InputError unless the likelihood's emulator takes these parameters."""
    surrogate = getattr(likelihood, "surrogate", None)
    if surrogate is not None and names != surrogate.space.names:
        raise InputError(
            f"The draws are of {', '.join(names)}, but the emulator takes "
            f"{', '.join(surrogate.space.names)}."
        )


def predictions(
    likelihood: GaussianLikelihood, theta: FloatArray
) -> Iterator[tuple[Gaussian, Mapping[str, Covariance]]]:
    """Predict the data at points (m, d), part of them at a time, beside the other covariances."""
    for start in range(0, len(theta), likelihood.chunk):
        yield likelihood.predict(theta[start : start + likelihood.chunk]), likelihood.parts


def total_covariance(
    likelihood: GaussianLikelihood, own: Gaussian, parts: Mapping[str, Covariance]
) -> Covariance:
    """Covariance of the data about predictions: the parts, and the emulator's if it counts."""
    first, *others = parts.values()
    total = first
    for part in others:
        total = total + part
    return total + own.covariance if likelihood.emulator_covariance else total


def residuals(
    likelihood: GaussianLikelihood, theta: FloatArray
) -> Iterator[tuple[FloatArray, Covariance]]:
    """Give data minus predictions (m, q) and their covariance, part of the points at a time."""
    for own, parts in predictions(likelihood, theta):
        yield likelihood.observation.values - own.mean, total_covariance(likelihood, own, parts)


def log_density(residual: FloatArray, total: Covariance) -> FloatArray:
    """Log of N(residual; 0, total), shape (m,)."""
    constant = residual.shape[-1] * np.log(2 * np.pi)
    return np.asarray(-0.5 * (total.mahalanobis(residual) + total.logdet() + constant))


def datum_labels(observation: Observation) -> tuple[str, ...]:
    """Name the q data: by their names, coordinates or numbers.

    >>> datum_labels(Observation([1.0, 2.0], [0.1, 0.1], {"mass": [9.0, 9.5]}))
    ('mass=9', 'mass=9.5')
    """
    if observation.names is not None:
        return tuple(observation.names)
    if observation.coords:
        columns = [[f"{k}={x:.4g}" for x in values] for k, values in observation.coords.items()]
        return tuple(", ".join(row) for row in zip(*columns, strict=True))
    return tuple(str(i) for i in range(observation.q))
