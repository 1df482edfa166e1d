"""What prior and posterior predict for the data: the model, reality, and data measured anew."""

from equatorium.checks import Rng, generator
from equatorium.errors import InputError
from equatorium.inference.data_parts import taken
from equatorium.inference.draws import Draws
from equatorium.inference.likelihood import GaussianLikelihood
from equatorium.inference.posterior import Posterior
from equatorium.inference.predicted import Predictive, predict_data


def posterior_predictive(
    draws: Draws, likelihood: GaussianLikelihood, n: int = 500, rng: Rng = None
) -> Predictive:
    """Predict the observed data from n draws of the posterior.

    Parameters
    ----------
    draws : Draws
    likelihood : GaussianLikelihood
        The one behind the draws: emulator, observation and discrepancy.
    n : int
        Number of draws; all if there are fewer.
    rng : int, Generator or None

    Returns
    -------
    Predictive

    Raises
    ------
    InputError
        If the draws are of other parameters than the emulator's.
    """
    theta = taken(draws.thinned(n), draws.names, draws.space, likelihood)
    return predict_data(theta, likelihood, rng, kind="posterior", notice=draws.notice)


def prior_predictive(posterior: Posterior, n: int = 500, rng: Rng = None) -> Predictive:
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

    Raises
    ------
    InputError
        If the joint prior is a function, from which nothing can be drawn.
    """
    rng = generator(rng)
    source = posterior.space if posterior.prior is None else posterior.prior
    if not hasattr(source, "sample"):
        raise InputError(
            "The joint prior of this posterior is a function, which gives no draws. Make an "
            "equatorium.ParticlePrior of points of it."
        )
    theta = taken(source.sample(n, rng), posterior.names, posterior.space, posterior.likelihood)
    return predict_data(theta, posterior.likelihood, rng, kind="prior")
