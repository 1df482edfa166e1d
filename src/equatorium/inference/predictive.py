"""What prior and posterior predict for the data: the model, reality, and data measured anew."""

from typing import Any, overload

import numpy as np

from equatorium.checks import FloatArray, Rng, generator, instance
from equatorium.errors import InputError
from equatorium.inference.data_parts import taken
from equatorium.inference.draws import Draws
from equatorium.inference.joint import JointLikelihood
from equatorium.inference.likelihood_base import Likelihood
from equatorium.inference.posterior import Posterior
from equatorium.inference.predicted import Predictive, predict_data
from equatorium.records.space import Space


@overload
def posterior_predictive(
    draws: Draws, likelihood: Likelihood, n: int = 500, rng: Rng = None
) -> Predictive: ...


@overload
def posterior_predictive(
    draws: Draws, likelihood: JointLikelihood, n: int = 500, rng: Rng = None
) -> dict[str, Predictive]: ...


def posterior_predictive(draws: Draws, likelihood: Any, n: int = 500, rng: Rng = None) -> Any:
    """Predict the observed data from n draws of the posterior.

    Parameters
    ----------
    draws : Draws
    likelihood : Likelihood or JointLikelihood
        The one behind the draws: emulator, observation and discrepancy.
    n : int
        Number of draws; all if there are fewer.
    rng : int, Generator or None

    Returns
    -------
    Predictive
        For a joint likelihood one of each part, by name, at the same draws.

    Raises
    ------
    InputError
        If the draws are of other parameters than the emulator's, or the likelihood does not know
        how its data come about.
    """
    told = {"kind": "posterior", "notice": draws.notice}
    return _of_parts(draws.thinned(n), draws.names, draws.space, likelihood, generator(rng), told)


def prior_predictive(posterior: Posterior, n: int = 500, rng: Rng = None) -> Any:
    """Predict the observed data from n draws of the prior.

    Where they all lie far from the data, no posterior of this model will be near them; where they
    spread over much that is impossible, the prior says less than is known.

    Parameters
    ----------
    posterior : Posterior
        Its prior and its likelihood count; what history matching has ruled out is not left out, so
        that the emulator should know the whole space.
    n : int
        Number of draws.
    rng : int, Generator or None

    Returns
    -------
    Predictive
        For a joint likelihood one of each part, by name, at the same draws.

    Raises
    ------
    InputError
        If the joint prior is a function, from which nothing can be drawn; if the likelihood does
        not know how its data come about.
    """
    instance(posterior, Posterior, "posterior")
    if isinstance(n, bool) or not isinstance(n, int | np.integer) or n < 1:
        raise InputError(f"n must be a positive whole number of draws, but it is {n!r}.")
    rng = generator(rng)
    source = posterior.space if posterior.prior is None else posterior.prior
    if not hasattr(source, "sample"):
        raise InputError(
            "The joint prior of this posterior is a function, which gives no draws. Make an "
            "equatorium.ParticlePrior of points of it."
        )
    theta, space = source.sample(n, rng), posterior.space
    return _of_parts(theta, space.names, space, posterior.likelihood, rng, {"kind": "prior"})


def _of_parts(
    theta: FloatArray,
    names: tuple[str, ...],
    space: Space | None,
    likelihood: Any,
    rng: np.random.Generator,
    told: dict[str, str],
) -> Any:
    if isinstance(likelihood, JointLikelihood):
        return {
            name: _of_parts(theta, names, space, part, rng, told)
            for name, part in likelihood.parts.items()
        }
    return predict_data(taken(theta, names, space, likelihood), likelihood, rng, **told)
