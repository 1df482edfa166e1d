"""Designs: where to run the simulator so that few runs cover the whole box.

Every design takes ``(space, n, rng)`` and returns physical points theta (n, d), spread evenly in
the unit box of the scaled coordinates (a log parameter is covered evenly in its logarithm).
"""

from collections.abc import Callable

import numpy as np
from scipy.spatial.distance import cdist
from scipy.stats import qmc

from equatorium.checks import FloatArray, Rng, generator
from equatorium.errors import InputError
from equatorium.records.space import Space

Design = Callable[[Space, int, Rng], FloatArray]


def latin_hypercube(space: Space, n: int, rng: Rng = None) -> FloatArray:
    """Draw a Latin hypercube: each parameter takes one value in each of n equal strata.

    Parameters
    ----------
    space : Space
        The free parameters.
    n : int
        Number of points.
    rng : int, Generator or None
        Source of randomness.

    Returns
    -------
    theta : (n, d) array
        Physical points.

    References
    ----------
    McKay, Beckman & Conover (1979), Technometrics 21, 239, doi:10.2307/1268522.
    """
    return space.spread(_unit_latin_hypercube(space.d, _count(n), generator(rng)))


def maximin_latin_hypercube(space: Space, n: int, rng: Rng = None) -> FloatArray:
    """Draw a Latin hypercube whose closest two points are far apart.

    Starts from `latin_hypercube` and tries ``10 n`` exchanges of one coordinate between the point
    that has the closest neighbour and a random other; an exchange is kept when both points then
    are farther from all others than the closest pair was. The strata stay one point each. Needs
    memory for n^2 distances.

    Parameters
    ----------
    space : Space
        The free parameters.
    n : int
        Number of points.
    rng : int, Generator or None
        Source of randomness.

    Returns
    -------
    theta : (n, d) array
        Physical points.

    References
    ----------
    Morris & Mitchell (1995), J. Stat. Plan. Inference 43, 381, doi:10.1016/0378-3758(94)00035-T.
    """
    rng = generator(rng)
    u = _unit_latin_hypercube(space.d, _count(n), rng)
    _spread(u, 10 * n, rng)
    return space.spread(u)


def sobol(space: Space, n: int, rng: Rng = None) -> FloatArray:
    """Take the first n points of a scrambled Sobol' sequence (best with n a power of two).

    Parameters
    ----------
    space : Space
        The free parameters.
    n : int
        Number of points.
    rng : int, Generator or None
        Source of randomness of the scrambling.

    Returns
    -------
    theta : (n, d) array
        Physical points.

    References
    ----------
    Owen (1998), J. Complexity 14, 466, doi:10.1006/jcom.1998.0487.
    """
    engine = qmc.Sobol(space.d, scramble=True, rng=generator(rng))
    return space.spread(engine.random_base2((_count(n) - 1).bit_length())[:n])


DESIGNS: dict[str, Design] = {
    "latin-hypercube": latin_hypercube,
    "maximin-latin-hypercube": maximin_latin_hypercube,
    "sobol": sobol,
}


def _count(n: int) -> int:
    if isinstance(n, bool) or not isinstance(n, int | np.integer) or n < 1:
        raise InputError(f"a design needs a positive whole number of runs, but n is {n!r}")
    return int(n)


def _unit_latin_hypercube(d: int, n: int, rng: np.random.Generator) -> FloatArray:
    points: FloatArray = qmc.LatinHypercube(d, rng=rng).random(n)
    return points


def _spread(u: FloatArray, trials: int, rng: np.random.Generator) -> None:
    """Move the closest points of a unit design (n, d) apart, in place."""
    n, d = u.shape
    if n < 3 or d < 2:  # nothing can be exchanged that would not be the same design
        return
    distance = cdist(u, u)
    np.fill_diagonal(distance, np.inf)
    nearest = distance.min(axis=1)
    for other, column in zip(
        rng.integers(n, size=trials), rng.integers(d, size=trials), strict=True
    ):
        closest = int(nearest.argmin())
        if other == closest:
            continue
        pair = [closest, other]
        moved = u[pair]
        moved[:, column] = moved[::-1, column]
        rows = cdist(moved, u)
        rows[[0, 1], pair] = np.inf
        rows[[0, 1], pair[::-1]] = np.linalg.norm(moved[0] - moved[1])
        if rows.min() > nearest[closest]:
            u[pair] = moved
            distance[pair] = rows
            distance[:, pair] = rows.T
            nearest = distance.min(axis=1)
