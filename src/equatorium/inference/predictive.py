"""What the posterior predicts for the data: the model, reality, and data measured anew."""

from dataclasses import dataclass

from equatorium.checks import FloatArray, Rng, generator
from equatorium.errors import InputError
from equatorium.inference.draws import Draws
from equatorium.inference.likelihood import GaussianLikelihood


@dataclass(frozen=True)
class Predictive:
    """Draws of the q data from the posterior predictive distribution, each (n, q).

    Attributes
    ----------
    theta : array, shape (n, d)
        The draws of the parameters.
    mean : array
        The emulator's mean at each.
    model : array
        What the simulator would give: the mean plus the emulator's uncertainty (and the variance
        that all runs share).
    reality : array
        The model plus the discrepancy: what the model says about the sky.
    replicated : array
        Reality plus measurement errors: data sets to compare the observed one with.
    """

    theta: FloatArray
    mean: FloatArray
    model: FloatArray
    reality: FloatArray
    replicated: FloatArray


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
    if draws.names != likelihood.surrogate.space.names:
        raise InputError(
            f"The draws are of {', '.join(draws.names)}, but the emulator takes "
            f"{', '.join(likelihood.surrogate.space.names)}."
        )
    rng = generator(rng)
    theta = draws.thinned(n)
    prediction = likelihood.predict(theta)
    model = prediction.sample(1, rng)[0]
    parts = likelihood.parts
    if "simulator" in parts:
        model = model + parts["simulator"].sample(len(theta), rng)
    reality = model + parts["discrepancy"].sample(len(theta), rng)
    replicated = reality + parts["observation"].sample(len(theta), rng)
    return Predictive(theta, prediction.mean, model, reality, replicated)
