r"""Uniform points of a tiny region of the unit cube, and its volume, by subset simulation.

A region {level <= 1} with a millionth of the cube is not found by chance, but by a ladder of
regions, each holding about a quarter of the one before: thresholds t_1 > t_2 > ... > 1 are the
lower quartiles of the points' levels, the points below are multiplied and moved about within
{level <= t_k} until they have forgotten where they came from, and

.. math:: V = \prod_k p_k, \qquad \mathrm{Var}(\ln V) = \sum_k \mathrm{Var}(p_k) / p_k^2,

where p_k is the share of the points below t_k. Points that descend from one are correlated, so
Var(p_k) is taken over families, not over points.

Moves are differences of other points of the region, so they have its shape at every scale:
x' = x + gamma (a - b) on the torus (wrapped at the faces of the cube, which keeps the proposal
symmetric for any direction of the step), accepted if level(x') <= t. Now and then gamma = 1, which
leads from one separate part of a region to another.

References
----------
Au & Beck 2001, Prob. Eng. Mech. 16, 263, doi:10.1016/S0266-8920(01)00019-4 (subset simulation);
Cerou, Del Moral, Furon & Guyader 2012, Stat. Comput. 22, 795, doi:10.1007/s11222-011-9231-6
(adaptive levels); ter Braak 2006, Stat. Comput. 16, 239, doi:10.1007/s11222-006-8769-1 (moves).
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from equatorium.checks import FloatArray, Rng, generator

__all__ = ["Level", "SubsetSample", "sample_below_one"]

Level = Callable[[FloatArray, float], FloatArray]
"""Takes points (m, d) of the unit cube and a threshold t, returns levels (m,). A level above t
need not be the right one, as long as it is above t."""

_SIZE = 1000  # fewest points that carry a ladder
_PLENTY = 0.005  # of the cube: found by chance at no more cost than by a ladder
_KEEP = 0.25
_ACCEPT = 0.25  # share of accepted moves that the step length is tuned to
_HOP = 0.05
_SWEEPS = 80  # most moves a point on one rung
_FORGOTTEN, _FORGOTTEN_AT_LAST = 0.4, 0.2  # correlation with where a point started
_STALLS = 3  # rungs in sequence that gain less than
_GAIN = 0.02  # of the way to level 1
_BATCH = 50_000


@dataclass(frozen=True)
class SubsetSample:
    """What was found.

    Attributes
    ----------
    points : array, shape (n, d)
        Uniform in the region, if it was reached; else the points of lowest level.
    levels : array, shape (n,)
        Their levels.
    log_volume, log_error : float
        Natural logarithm of the region's share of the cube, and its standard error.
    ladder : tuple of (threshold, share)
        The rungs; empty if points were found by chance.
    evaluations : int
        How many levels were computed.
    """

    points: FloatArray
    levels: FloatArray
    log_volume: float
    log_error: float
    ladder: tuple[tuple[float, float], ...]
    evaluations: int

    @property
    def reached(self) -> bool:
        """Whether the region was found at all."""
        return not self.ladder or self.ladder[-1][0] <= 1.0


def sample_below_one(
    level: Level,
    d: int,
    n: int,
    rng: Rng = None,
    floor: float = 1e-9,
    tell: Callable[[int, float, float], None] | None = None,
) -> SubsetSample:
    """Draw n points uniform in {level <= 1} within the unit cube, and measure its volume.

    Parameters
    ----------
    level : callable
        See `Level`; NaN counts as infinite.
    d : int
        Dimensions.
    n : int
        Points wanted; the relative error of the volume falls as n^-1/2.
    rng : int, Generator or None
    floor : float
        A region of less than this volume counts as empty.
    tell : callable, optional
        Called after each batch with its number of evaluations, the threshold and the volume so far.
    """
    rng = generator(rng)
    counted = _Counted(level, tell)
    x = rng.random((max(n, _SIZE), d))
    levels = counted(x, np.inf)
    if np.mean(levels <= 1) >= _PLENTY:
        return _by_chance(counted, x, levels, n, rng)
    return _by_ladder(counted, x, levels, n, rng, floor)


class _Counted:
    """The level function, counting, silent about NaN, and telling how far the ladder has come."""

    def __init__(self, level: Level, tell: Callable[[int, float, float], None] | None) -> None:
        self.level, self.tell = level, tell
        self.evaluations, self.log_volume = 0, 0.0

    def __call__(self, x: FloatArray, threshold: float) -> FloatArray:
        found = self.level(x, threshold)
        self.evaluations += len(x)
        if self.tell is not None:
            self.tell(len(x), threshold, float(np.exp(self.log_volume)))
        return np.where(np.isnan(found), np.inf, found)


def _by_chance(
    level: _Counted, x: FloatArray, levels: FloatArray, n: int, rng: np.random.Generator
) -> SubsetSample:
    """Draw from the cube until n points fell into the region: independent, and exact."""
    inside = levels <= 1
    points, found, drawn = [x[inside]], [levels[inside]], len(x)
    hits = int(inside.sum())
    while hits < n:
        more = min(int((n - hits) * drawn / hits * 1.1) + 100, _BATCH)
        y = rng.random((more, x.shape[1]))
        below = level(y, 1.0)
        inside = below <= 1
        points.append(y[inside])
        found.append(below[inside])
        hits, drawn = hits + int(inside.sum()), drawn + more
    share = hits / drawn
    error = np.sqrt((1 - share) / hits)
    return SubsetSample(
        np.concatenate(points)[:n],
        np.concatenate(found)[:n],
        float(np.log(share)),
        float(error),
        (),
        level.evaluations,
    )


def _by_ladder(
    level: _Counted,
    x: FloatArray,
    levels: FloatArray,
    n: int,
    rng: np.random.Generator,
    floor: float,
) -> SubsetSample:
    size, variance, scale, stalled = len(x), 0.0, 1.0, 0
    family = np.arange(size)
    ladder: list[tuple[float, float]] = []
    while True:
        threshold = _next_threshold(levels)
        hit = levels <= threshold
        share = float(hit.mean())
        level.log_volume += np.log(share)
        variance += _family_variance(hit, family)
        before = ladder[-1][0] if ladder else np.inf
        ladder.append((threshold, share))
        gains = before == np.inf or before - threshold > _GAIN * (before - 1)
        stalled = 0 if gains else stalled + 1
        lost = threshold == np.inf or (
            threshold > 1 and (stalled == _STALLS or level.log_volume < np.log(floor))
        )
        if lost:
            break
        rung = _Rung(level, x[hit], levels[hit], threshold)
        # A family is all that descends from one point of the rung above.
        x, levels, family, scale = rung.repopulate(size, scale, rng)
        if threshold == 1:
            break
    chosen = np.argsort(levels)[:n] if lost else rng.permutation(size)[:n]
    return SubsetSample(
        x[chosen],
        levels[chosen],
        float(level.log_volume),
        float(np.sqrt(variance)),
        tuple(ladder),
        level.evaluations,
    )


def _next_threshold(levels: FloatArray) -> float:
    """Lower quartile of the levels, at least 1; the largest finite one where most are infinite."""
    quartile = float(np.quantile(levels, _KEEP, method="higher"))
    finite = levels[np.isfinite(levels)]
    # One point alone cannot be multiplied: where there are not two, all are as bad as each other.
    return max(1.0, quartile if quartile < np.inf or finite.size < 2 else float(finite.max()))


def _family_variance(hit: npt.NDArray[np.bool_], family: npt.NDArray[np.intp]) -> float:
    """Relative variance of the share of hits, with whole families as sampling units."""
    share = hit.mean()
    residuals = np.bincount(family, weights=hit - share)
    return float(np.square(residuals).sum() / (len(hit) * share) ** 2)


@dataclass(frozen=True)
class _Rung:
    """Points (s, d) of {level <= threshold} from which many are to be made."""

    level: _Counted
    pool: FloatArray
    levels: FloatArray
    threshold: float

    def repopulate(
        self, size: int, scale: float, rng: np.random.Generator
    ) -> tuple[FloatArray, FloatArray, npt.NDArray[np.intp], float]:
        """Copy the pool to the given size and move the copies until they have forgotten it.

        Returns points, levels, the index of the copied point, and the tuned scale of the steps.
        """
        s, d = self.pool.shape
        own = np.concatenate([np.repeat(np.arange(s), size // s), rng.permutation(s)[: size % s]])
        x, levels = self.pool[own], self.levels[own]
        start = _standardised(x, levels)
        enough = _FORGOTTEN_AT_LAST if self.threshold == 1 else _FORGOTTEN
        for _ in range(_SWEEPS):
            hop = rng.random(size) < _HOP
            # 2.38 / sqrt(2 d) is best for a Gaussian; the scale adapts it to what is accepted.
            gamma = scale * 2.38 / np.sqrt(2 * d) * np.exp(0.1 * rng.standard_normal(size))
            gamma[hop] = 1.0
            # Never a point's own origin: a step towards or away from itself is no fair proposal.
            a, b = ((own + rng.integers(1, s, size)) % s for _ in range(2))
            y = (x + gamma[:, None] * (self.pool[a] - self.pool[b])) % 1.0
            found = self.level(y, self.threshold)
            moved = found <= self.threshold
            x[moved], levels[moved] = y[moved], found[moved]
            scale = min(scale * np.exp(moved[~hop].mean() - _ACCEPT), 4.0)
            if _memory(start, _standardised(x, levels)) < enough:
                break
        return x, levels, own, scale


def _standardised(x: FloatArray, levels: FloatArray) -> FloatArray:
    features = np.column_stack([x, levels])
    spread = features.std(axis=0)
    return np.asarray((features - features.mean(axis=0)) / np.where(spread > 0, spread, 1.0))


def _memory(start: FloatArray, now: FloatArray) -> float:
    """Largest correlation, over coordinates and level, between where points were and are."""
    return float((start * now).mean(axis=0).max())
