r"""Are ranks uniform? One test and one band that belong together, and many p-values made honest.

The test is graphical (Säilynoja et al. 2022): the empirical distribution function of n numbers in
(0, 1) is compared at K points with its binomial distribution, and the least two-sided probability

.. math:: \gamma = 2 \min_i \min\{F_i(c_i),\; 1 - F_i(c_i - 1)\}, \quad F_i = \mathrm{Bin}(n, i/K)

of the counts :math:`c_i` with that of simulated uniform numbers. The band that is drawn holds all
functions whose p-value is larger: what leaves it fails.

References
----------
Säilynoja, Bürkner & Vehtari 2022, Stat. Comput. 32, 32, doi:10.1007/s11222-022-10090-6; Holm 1979,
Scand. J. Stat. 6, 65.
"""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import numpy as np
from scipy import stats

from equatorium.checks import FloatArray, Rng, floats, generator, vector
from equatorium.errors import InputError

_POINTS = 100  # at which distribution functions are compared, at most
_SIMULATED = 20_000


def randomised_rank(values: Any, truth: float, rng: Rng = None) -> float:
    """Rank of a number among s others, in (0, 1), placed at random between its neighbours.

    So that it is uniform, not only on a grid, whatever s is, if all s + 1 come from one
    distribution independently.

    >>> 0.5 < randomised_rank([1.0, 2.0, 3.0], 2.5, rng=0) < 0.75
    True
    """
    values = floats(values, "values").ravel()
    below = np.count_nonzero(values < truth)
    ties = np.count_nonzero(values == truth)
    return float((below + (ties + 1) * generator(rng).random()) / (values.size + 1))


def ecdf_p_value(ranks: Any) -> float:
    """p-value that ranks (n,) are independent and uniform on (0, 1); it sees tails and centre.

    Raises
    ------
    InputError
        If there is none, or one lies outside.

    Examples
    --------
    >>> even = (np.arange(100) + 0.5) / 100
    >>> ecdf_p_value(even) > 0.5, ecdf_p_value(0.5 + 0.6 * (even - 0.5)) < 0.001
    (True, True)
    """
    u = vector(ranks, "ranks")
    if not u.size or not ((u >= 0) & (u <= 1)).all():
        raise InputError(f"ranks must be numbers between 0 and 1, at least one, but they are {u}.")
    grid = ecdf_points(u.size)
    counts = np.searchsorted(np.sort(u), grid, side="right")[None]
    simulated = _null(u.size)
    # Ties count as extreme: the statistic is discrete.
    extreme = np.count_nonzero(simulated <= _least(counts, u.size)[0] * (1 + 1e-9))
    return float((extreme + 1) / (simulated.size + 1))


def ecdf_points(n: int) -> FloatArray:
    """Points in (0, 1) at which the distribution function of n ranks is looked at."""
    points = min(n + 1, _POINTS)
    return np.arange(1, points) / points if points > 1 else np.array([0.5])


def ecdf_band(n: int, probability: float = 0.99) -> tuple[FloatArray, FloatArray]:
    """Give the band that holds the whole distribution function of n uniform ranks.

    Parameters
    ----------
    n : int
    probability : float
        Of being inside at all points together.

    Returns
    -------
    tuple of array
        Lower and upper edge at `ecdf_points(n)`, as shares of n.

    Examples
    --------
    >>> low, high = ecdf_band(200, 0.95)
    >>> bool((low < ecdf_points(200)).all() and (high > ecdf_points(200)).all())
    True
    """
    if not 0 < probability < 1:
        raise InputError(f"probability must lie between 0 and 1, but it is {probability!r}.")
    each = np.quantile(_null(n), 1 - probability) / 2
    grid = ecdf_points(n)
    low, high = stats.binom.ppf(each, n, grid), stats.binom.isf(each, n, grid)
    return low / n, high / n


def holm(p_values: Mapping[str, float]) -> dict[str, float]:
    """Correct p-values of several tests: below a level by chance no oftener than that level says.

    >>> holm({"a": 0.01, "b": 0.03, "c": 0.5})
    {'a': 0.03, 'b': 0.06, 'c': 0.5}
    """
    result, worst = {}, 0.0
    for k, (name, p) in enumerate(sorted(p_values.items(), key=lambda item: item[1])):
        worst = max(worst, min(1.0, (len(p_values) - k) * p))
        result[name] = worst
    return {name: result[name] for name in p_values}


def _least(counts: Any, n: int) -> FloatArray:
    """Least two-sided probability (s,) of counts (s, K) of numbers below each point."""
    table = _two_sided(n)
    return np.asarray(table[np.arange(table.shape[0]), counts].min(axis=1))


@lru_cache(maxsize=8)
def _two_sided(n: int) -> FloatArray:
    """Two-sided probability (K, n + 1) of each count at each point."""
    k, grid = np.arange(n + 1), ecdf_points(n)[:, None]
    below, above = stats.binom.cdf(k, n, grid), stats.binom.sf(k - 1, n, grid)
    return np.asarray(np.minimum(1.0, 2 * np.minimum(below, above)))


@lru_cache(maxsize=8)
def _null(n: int) -> FloatArray:
    """Least two-sided probabilities of simulated uniform numbers, always the same ones."""
    points = len(ecdf_points(n)) + 1
    rng = np.random.default_rng(n)
    counts = rng.multinomial(n, np.full(points, 1 / points), size=_SIMULATED).cumsum(axis=1)
    return _least(counts[:, :-1], n)
