"""What the posterior predicts for the data: the model, reality, and data measured anew."""

from dataclasses import dataclass

from equatorium.checks import FloatArray, Rng, generator
from equatorium.errors import InputError
from equatorium.inference.by_name import Columns
from equatorium.inference.draws import Draws
from equatorium.inference.likelihood import GaussianLikelihood
from equatorium.records.covariance import Covariance


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
    rng = generator(rng)
    theta = draws.thinned(n)
    taken = _taken(draws, likelihood.names, theta)
    prediction = likelihood.predict(taken)
    model = prediction.sample(1, rng)[0]
    parts = likelihood.parts_at(taken)
    if "simulator" in parts:
        model = model + _drawn(parts["simulator"], len(theta), rng)
    reality = model + _drawn(parts["discrepancy"], len(theta), rng)
    replicated = reality + _drawn(parts["observation"], len(theta), rng)
    return Predictive(theta, prediction.mean, model, reality, replicated)


def _taken(draws: Draws, names: tuple[str, ...], theta: FloatArray) -> FloatArray:
    """Values of the likelihood's parameters at draws."""
    if draws.space is not None and set(names) <= set(draws.space.all_names):
        return Columns(draws.space, names).take(theta)
    if not set(names) <= set(draws.names):
        raise InputError(
            f"The draws are of {', '.join(draws.names)}, but the likelihood takes "
            f"{', '.join(names)}."
        )
    return theta[:, [draws.names.index(name) for name in names]]


def _drawn(covariance: Covariance, n: int, rng: Rng) -> FloatArray:
    """One draw of N(0, S) for each of n points, shape (n, q)."""
    return covariance.sample(1, rng)[0] if covariance.batch else covariance.sample(n, rng)
