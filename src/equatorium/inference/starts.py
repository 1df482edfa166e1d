"""Where ensembles start: each in its own part of what is plausible, so that they can disagree."""

from typing import Any

import numpy as np

from equatorium.checks import FloatArray, matrix
from equatorium.errors import InputError
from equatorium.inference.posterior import Posterior, View

_BATCHES = 50  # of prior draws, before giving up
_CHOICE = 8  # candidates for each starting point


def starting_points(
    posterior: Posterior,
    view: View,
    ensembles: int,
    walkers: int,
    rng: np.random.Generator,
    starts: Any = None,
    spanning: bool = True,
) -> tuple[FloatArray, FloatArray]:
    """Choose disjoint starting points of finite log-probability for each ensemble.

    All candidates are sorted along their longest axis and cut into one slab per ensemble: the
    ensembles start apart where they have the farthest to travel, so that a small nested R-hat
    shows that they have met. (Random quarters of the same cloud would agree from the first step.)
    Of each slab the most likely points are taken: walkers far out in a tail, which is where a
    draw from the prior usually lies, need thousands of steps to come in.

    Parameters
    ----------
    posterior : Posterior
    view : View
        The sampler's coordinates of it.
    ensembles, walkers : int
    rng : numpy.random.Generator
    starts : array, shape (n, d), optional
        Physical parameters, such as a region's particles. Prior draws fill up what is missing.

    spanning : bool
        Whether those of an ensemble must span the space, as where walkers propose by differences.

    Returns
    -------
    tuple of array
        Coordinates (ensembles, walkers, d) and their log-probabilities (ensembles, walkers).

    Raises
    ------
    InputError
        If there are too few points of finite log-probability, or they do not span the space.
    """
    need = ensembles * walkers
    theta, score, tried = np.empty((0, view.d)), np.empty(0), 0
    if starts is not None:
        given = np.unique(matrix(starts, "starts", columns=view.d), axis=0)
        given = given[rng.permutation(len(given))[: _CHOICE * need]]
        theta, score = _possible(posterior, given)
        tried = len(given)
    for batch in range(_BATCHES):
        if len(theta) >= need and (starts is not None or batch >= _CHOICE):
            break
        more, values = _possible(posterior, posterior.space.sample(need, rng))
        theta, score = np.concatenate([theta, more]), np.concatenate([score, values])
        tried += need
    if len(theta) < need:
        raise InputError(_too_few(posterior, len(theta), need, tried))
    x = view.from_theta(theta)
    _, axes = np.linalg.eigh(np.atleast_2d(np.cov(x, rowvar=False)))
    slabs = np.array_split(np.argsort(x @ axes[:, -1], kind="stable"), ensembles)
    # Shuffled first, so that among equally likely points chance decides.
    slabs = [rng.permutation(slab) for slab in slabs]
    best = [slab[np.argsort(-score[slab], kind="stable")[:walkers]] for slab in slabs]
    chosen = x[np.stack(best)]
    for k, own in enumerate(chosen if spanning else ()):
        # Proposals are differences of walkers: what these do not span is never explored.
        spread = own - own.mean(axis=0)
        width = np.abs(spread).max(axis=0)
        if (width == 0).any() or np.linalg.matrix_rank(spread / width) < view.d:
            raise InputError(
                f"The {walkers} starting points of ensemble {k} lie in a plane and do not span the "
                f"{view.d} parameters. Give starts that differ in every parameter."
            )
    log_prob = view.log_prob(chosen.reshape(-1, view.d))
    return chosen, log_prob.reshape(ensembles, walkers)


def _possible(posterior: Posterior, theta: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Possible points, with their likelihood: how good a point is must not depend on the view."""
    score = posterior.log_likelihood(theta)
    good = np.isfinite(score)
    good[good] = posterior._joint(theta[good]) > -np.inf  # which may rule out more than the space
    return theta[good], score[good]


def _too_few(posterior: Posterior, found: int, need: int, tried: int) -> str:
    text = (
        f"{need} different starting points of finite log-posterior are needed (ensembles x "
        f"walkers), but {found} were found among {tried} tried (starts and prior draws)."
    )
    if posterior.n_nan:
        first = dict(zip(posterior.names, posterior.first_nan.tolist(), strict=True))  # type: ignore[union-attr]
        text += f" At {posterior.n_nan} of them the likelihood was NaN, the first at {first}."
    remedy = (
        "Give points of the region as starts (region.sample(n, rng).particles), or fewer walkers."
        if posterior.region is not None
        else "Check the likelihood there, or give starts where it is finite."
    )
    return f"{text} {remedy}"
