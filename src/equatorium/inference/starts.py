"""Where ensembles start: each in its own part of what is plausible, so that they can disagree."""

from typing import Any

import numpy as np

from equatorium.checks import FloatArray, matrix
from equatorium.errors import InputError
from equatorium.inference.posterior import Posterior, View

_BATCHES = 50  # of prior draws, before giving up


def starting_points(
    posterior: Posterior,
    view: View,
    ensembles: int,
    walkers: int,
    rng: np.random.Generator,
    starts: Any = None,
) -> tuple[FloatArray, FloatArray]:
    """Choose disjoint starting points of finite log-probability for each ensemble.

    All candidates are sorted along their longest axis and cut into one slab per ensemble: the
    ensembles start apart where they have the farthest to travel, so that a small nested R-hat
    shows that they have met. (Random quarters of the same cloud would agree from the first step.)

    Parameters
    ----------
    posterior : Posterior
    view : View
        The sampler's coordinates of it.
    ensembles, walkers : int
    rng : numpy.random.Generator
    starts : array, shape (n, d), optional
        Physical parameters, such as a region's particles. Prior draws fill up what is missing.

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
    points, log_prob = np.empty((0, view.d)), np.empty(0)
    tried = 0
    if starts is not None:
        theta = np.unique(matrix(starts, "starts", columns=view.d), axis=0)
        theta = theta[rng.permutation(len(theta))[: 8 * need]]
        theta = theta[posterior.space.contains(theta)]
        points, log_prob = _finite(view, theta)
        tried = len(theta)
    batches = 0
    while len(points) < need and batches < _BATCHES:
        theta = posterior.space.sample(need, rng)
        more, values = _finite(view, theta)
        points, log_prob = np.concatenate([points, more]), np.concatenate([log_prob, values])
        tried += need
        batches += 1
    if len(points) < need:
        raise InputError(_too_few(posterior, len(points), need, tried))
    _, axes = np.linalg.eigh(np.atleast_2d(np.cov(points, rowvar=False)))
    slabs = np.array_split(np.argsort(points @ axes[:, -1], kind="stable"), ensembles)
    chosen = np.stack([rng.choice(slab, walkers, replace=False) for slab in slabs])
    for k, own in enumerate(points[chosen]):
        # Proposals are differences of walkers: what these do not span is never explored.
        spread = own - own.mean(axis=0)
        width = np.abs(spread).max(axis=0)
        if (width == 0).any() or np.linalg.matrix_rank(spread / width) < view.d:
            raise InputError(
                f"The {walkers} starting points of ensemble {k} lie in a plane and do not span the "
                f"{view.d} parameters. Give starts that differ in every parameter."
            )
    return points[chosen], log_prob[chosen]


def _finite(view: View, theta: FloatArray) -> tuple[FloatArray, FloatArray]:
    x = view.from_theta(theta) if len(theta) else np.empty((0, view.d))
    x = x[np.isfinite(x).all(axis=1)]
    log_prob = view.log_prob(x) if len(x) else np.empty(0)
    good = np.isfinite(log_prob)
    return x[good], log_prob[good]


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
