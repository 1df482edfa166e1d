"""One trajectory of many chains at once: the leapfrog, in coordinates that the metric whitens."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from equatorium.checks import FloatArray

Pair = tuple[FloatArray, FloatArray]
Density = Callable[[FloatArray], Pair]

FARTHEST = 60.0
"""Normal scores beyond this do not occur (double precision ends at 38): a trajectory diverged."""

DIVERGENT = 1000.0
"""An energy error that shows a divergence, as elsewhere."""


@dataclass(frozen=True)
class End:
    """Where m trajectories ended.

    Attributes
    ----------
    z, momentum, gradient : (m, d) array
        Position, whitened momentum, and the gradient of the log-density by z.
    log_prob : (m,) array
    log_accept : (m,) array
        Logarithm of the Metropolis ratio; -inf where the density is zero or it was lost.
    divergent, wall : (m,) array of bool
        The energy was not kept; the density at the end is zero.
    """

    z: FloatArray
    momentum: FloatArray
    gradient: FloatArray
    log_prob: FloatArray
    log_accept: FloatArray
    divergent: npt.NDArray[np.bool_]
    wall: npt.NDArray[np.bool_]


def leapfrog(
    density: Density,
    z: FloatArray,
    log_prob: FloatArray,
    gradient: FloatArray,
    momentum: FloatArray,
    root: FloatArray,
    step: float,
    steps: int,
) -> End:
    """Follow Hamilton's equations of H = -log p(z) + |momentum|^2 / 2, with z = root y.

    A trajectory that leaves what double precision can hold is lost and rejected. That depends only
    on the points visited, so that it would be lost on the way back too: detailed balance holds.
    Where the density is zero the force is whatever `density` says; only the end decides.

    Parameters
    ----------
    density : callable
        z (m, d) -> log-density (m,) and gradient (m, d).
    z, gradient, momentum : (m, d) array
        The start; its momentum is standard normal in the whitened coordinates y.
    log_prob : (m,) array
    root : (d, d) array
        The metric: root root^T is about the covariance of z.
    step : float
        Size of a step in y.
    steps : int
    """
    start, lost = np.square(momentum).sum(axis=1), np.zeros(len(z), dtype=bool)
    value, p = log_prob, momentum + 0.5 * step * gradient @ root
    for k in range(steps):
        moved = z + step * p @ root.T
        with np.errstate(invalid="ignore"):
            lost |= ~(np.abs(moved) < FARTHEST).all(axis=1)
        z = np.where(lost[:, None], z, moved)
        value, gradient = density(z)
        p = p + (0.5 if k == steps - 1 else 1.0) * step * gradient @ root
    with np.errstate(over="ignore", invalid="ignore"):
        kinetic = 0.5 * (start - np.square(p).sum(axis=1))
        log_accept = value - log_prob + kinetic
    wall = (value == -np.inf) & ~lost
    divergent = lost | (~(log_accept > -DIVERGENT) & ~wall)
    log_accept = np.where(lost | ~np.isfinite(log_accept), -np.inf, log_accept)
    return End(z, p, gradient, value, log_accept, divergent, wall)
