"""One replicate of a calibration: a known truth, its data, their posterior, and how they compare.

It has the form of a simulator, so that many replicates run as a design does: on any executor, each
with its own seed, kept in a ledger, resumed where it stopped.
"""

import warnings
from copy import copy
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from equatorium.checks import FloatArray, Rng, generator
from equatorium.emulate.surrogate import Surrogate
from equatorium.errors import InputError, NotConvergedWarning, NotSavableError
from equatorium.inference.calibration import standardised_errors
from equatorium.inference.convergence import autocorrelation_time
from equatorium.inference.draws import Draws
from equatorium.inference.joint import JointLikelihood
from equatorium.inference.mock_data import complete_for, require_data, simulated_data
from equatorium.inference.posterior import Posterior
from equatorium.inference.ranks import randomised_rank
from equatorium.interfaces.sampler import Sampler
from equatorium.interfaces.simulator import Simulated, Simulator
from equatorium.records.outputs import Outputs
from equatorium.storage import load, save

APART = 2.0
"""Autocorrelation times between draws that count as independent."""

_CANDIDATES = 32  # prior draws, the most likely of which is the reference point of the coverage
_PRIOR = 20_000  # prior draws that give its standard deviations
_DIGITS = 6  # of a likelihood, by which it is known again


class Replicate(Simulator):
    """What becomes of a truth: its ranks among independent draws, and its errors.

    Parameters
    ----------
    posterior : Posterior
        Its prior gives truths, its likelihood says how data come about; its data are replaced.
    sampler : Sampler
    simulator : Simulator, optional
        The true one, in place of the emulator.

    Raises
    ------
    InputError
        If the posterior has a region or a joint prior, or not the simulator's parameters.
    """

    name = "calibration"
    version = "1"

    def __init__(
        self, posterior: Posterior, sampler: Sampler, simulator: Simulator | None = None
    ) -> None:
        for what in ("region", "prior"):
            if getattr(posterior, what) is not None:
                raise InputError(
                    f"The posterior has a {what} of its own, of which no truths can be drawn. "
                    "Calibrate Posterior(space, likelihood), whose prior is the space's."
                )
        require_data(posterior.likelihood, simulator)
        self.posterior, self.sampler, self.truth = posterior, sampler, simulator
        self.space = space = posterior.space
        centre = space.sample(1, 0)
        if simulator is not None:
            complete_for(simulator, space, centre[0])
        known = float(posterior.log_likelihood(centre)[0])
        self.options = {
            "posterior": posterior.identity,
            "likelihood": f"{known:.{_DIGITS}g}",
            "sampler": repr(sampler),
            "simulator": None if simulator is None else simulator.identity(),
        }
        self._prior_std = space.to_unit(space.sample(_PRIOR, 0)).std(axis=0)
        kinds = ("rank", "error", "shrinkage")
        names = [f"{kind} of {name}" for kind in kinds for name in space.names]
        self.outputs = Outputs([*names, "rank of log-likelihood", "coverage", "draws", "converged"])

    def __call__(self, theta: FloatArray, *, rng: Rng) -> Simulated:
        """Compare truth and posterior.

        Parameters
        ----------
        theta : array, shape (D,)
            All parameters of the space.
        rng : int, Generator or None
        """
        rng, space = generator(rng), self.space
        free = np.asarray(theta)[[space.all_names.index(name) for name in space.names]]
        data = simulated_data(self.posterior.likelihood, free, rng, self.truth, space)
        posterior = Posterior(space, self.posterior.likelihood.with_data(data))
        with warnings.catch_warnings():
            # How many replicates converged is told of all of them together.
            warnings.simplefilter("ignore", NotConvergedWarning)
            draws = self.sampler.run(posterior, rng=rng, progress=False)
        draws = draws if draws.space is not None else replace(draws, space=space)
        return Simulated(self._compared(draws, posterior, free, rng))

    def _compared(
        self, draws: Draws, posterior: Posterior, theta: FloatArray, rng: np.random.Generator
    ) -> FloatArray:
        space, d = self.space, self.space.d
        own = independent(draws)
        truth = np.append(theta, posterior.log_likelihood(theta[None])[0])
        ranks = [randomised_rank(own[:, j], truth[j], rng) for j in range(d + 1)]
        reference = _reference(posterior, rng)
        near, true = (
            np.square(space.to_cube(x) - reference).sum(axis=1) for x in (own[:, :d], theta[None])
        )
        inside = randomised_rank(near, true[0], rng)
        errors = standardised_errors(draws, theta)
        shrinkage = space.to_unit(draws.flat).std(axis=0) / self._prior_std
        told = [ranks[d], inside, len(own), float(draws.converged)]
        return np.concatenate([ranks[:d], errors, shrinkage, told])

    def __getstate__(self) -> dict[str, Any]:
        """Give what other processes need: the surrogate as its file, for its tensors stay here."""
        posterior = copy(self.posterior)
        posterior.likelihood = _packed(posterior.likelihood)
        return {**vars(self), "posterior": posterior}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        _unpack(self.posterior.likelihood)


def _packed(likelihood: Any) -> Any:
    """Give a likelihood, or a joint one, whose surrogates are packed; others as they are."""
    other = copy(likelihood)
    if isinstance(likelihood, JointLikelihood):
        other.parts = {name: _packed(part) for name, part in likelihood.parts.items()}
        return other
    try:
        other.surrogate = _Packed(likelihood.surrogate)
    except (AttributeError, NotSavableError):
        return likelihood
    other._predictor = copy(other._predictor)
    other._predictor.surrogate = None
    return other


def _unpack(likelihood: Any) -> None:
    if isinstance(likelihood, JointLikelihood):
        for part in likelihood.parts.values():
            _unpack(part)
    elif isinstance(packed := getattr(likelihood, "surrogate", None), _Packed):
        likelihood.surrogate = likelihood._predictor.surrogate = packed.opened()


class _Packed:
    """A surrogate as the bytes of its file."""

    def __init__(self, surrogate: Surrogate) -> None:
        with TemporaryDirectory() as folder:
            save(Path(folder, "surrogate.h5"), surrogate)
            self.data = Path(folder, "surrogate.h5").read_bytes()

    def opened(self) -> Any:
        with TemporaryDirectory() as folder:
            Path(folder, "surrogate.h5").write_bytes(self.data)
            return load(Path(folder, "surrogate.h5"))


def independent(draws: Draws) -> FloatArray:
    """Draws (s, d + 1) thinned until they are independent, with their log-likelihoods last.

    Steps are kept that lie two of the longest autocorrelation times apart (of the parameters and
    of the log-likelihood), at least the last one; and of these all walkers, which in equilibrium
    are independent of each other at any one step.
    """
    prior = draws.space.log_prior(draws.flat) if draws.space is not None else 0.0
    log_likelihood = draws.log_prob - np.reshape(prior, draws.log_prob.shape)
    x = np.concatenate([draws.samples, log_likelihood[..., None]], axis=-1)
    steps = np.moveaxis(x, 1, 0).reshape(x.shape[1], -1, x.shape[-1])
    scale = steps.std(axis=(0, 1))
    tau = autocorrelation_time((steps - steps.mean(axis=(0, 1))) / np.where(scale > 0, scale, 1.0))
    stride = int(np.ceil(APART * max(1.0, float(tau.max())))) if tau.max() > 1.2 else 1
    return np.asarray(steps[::-1][::stride].reshape(-1, x.shape[-1]))


def _reference(posterior: Posterior, rng: np.random.Generator) -> FloatArray:
    """Choose a point (d,) of the cube by the data: the most likely of some prior draws.

    With one that does not, a posterior that is the prior would pass.
    """
    candidates = posterior.space.sample(_CANDIDATES, rng)
    best = int(np.argmax(posterior.log_likelihood(candidates)))
    return np.asarray(posterior.space.to_cube(candidates[best : best + 1])[0])
