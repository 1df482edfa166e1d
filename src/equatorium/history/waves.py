"""From runs to a wave, and from a region to the next wave's design."""

from typing import Any

import numpy as np
from scipy.spatial.distance import cdist

from equatorium.checks import FloatArray, Rng, generator, matrix
from equatorium.emulate.report import Gates
from equatorium.emulate.surrogate import Surrogate
from equatorium.emulate.validate import cross_validation_report, holdout_report
from equatorium.errors import InputError, NotValidatedError
from equatorium.history.cutoff import rejection_cutoff
from equatorium.history.implausibility import Implausibility
from equatorium.history.region import Region
from equatorium.history.wave import Wave, check_passed, rank_of
from equatorium.interfaces.emulator import Emulator
from equatorium.records.covariance import Covariance
from equatorium.records.discrepancy import Discrepancy
from equatorium.records.observation import Observation
from equatorium.records.runs import Runs

__all__ = ["fit_wave", "next_design"]

_CANDIDATES = 5  # a design's point is the best of so many
_MOST = 4000  # candidates whose distances fit into memory
_TYPICAL = 200  # points over which the emulator's covariance is looked at


def fit_wave(
    runs: Runs,
    emulator: Emulator,
    observation: Observation,
    discrepancy: Discrepancy | None = None,
    *,
    held_out: Runs | None = None,
    region: Region | None = None,
    particles: Any = None,
    extra: Covariance | None = None,
    rule: str = "maximum",
    probability: float = 0.01,
    folds: int = 5,
    gates: Gates | None = None,
    accept: bool = False,
    drop: bool = False,
    rng: Rng = None,
) -> Wave:
    """Fit an emulator, validate it, and set the cut-off at which it rejects.

    Parameters
    ----------
    runs : Runs
        Inside the region that the waves before have left.
    emulator : Emulator
        Cloned; its covariance over the outputs is used.
    observation, discrepancy, extra
        As in `Implausibility`; `extra` is over the p outputs of the runs.
    held_out : Runs, optional
        Runs that test the emulator; without, it is cross-validated.
    region : Region, optional
        What the waves before have left.
    particles : array_like, shape (m, d), optional
        Points of that region (`RegionSample.particles`), where the emulator's covariance is looked
        at. By default prior draws for a first wave, midpoints between runs for a later one.
    rule : {"maximum", "second", "third"}
        Which of the sorted implausibilities counts.
    probability : float
        With which noise alone rejects the truth; the cut-off follows from it.
    folds : int
        Of the cross-validation.
    gates : Gates, optional
        What counts as passing the validation.
    accept : bool
        Let the emulator judge although it fails; the reasons are kept in `Wave.override`.
    drop : bool
        Leave out, in this wave, data seen through outputs whose error bars are wrong; kept in
        `Wave.dropped`.
    rng : int, Generator or None

    Raises
    ------
    NotValidatedError
        If the emulator fails its validation on the outputs that the data see.
    """
    rng = generator(rng)
    rank = rank_of(rule)
    if held_out is None:
        report = cross_validation_report(emulator, runs, folds, rng, gates)
        surrogate = Surrogate.fitted(runs, emulator, report)
    else:
        surrogate = Surrogate.fitted(runs, emulator)
        report = holdout_report(surrogate, held_out, gates)
        surrogate = surrogate.with_report(report)
    implausibility = Implausibility(surrogate, observation, discrepancy, extra)
    if drop:
        implausibility = _without(implausibility, report.dishonest)
    override = ""
    try:
        check_passed(implausibility)
    except NotValidatedError as error:
        if not accept:
            raise
        override = str(error)
    if particles is None:
        particles = _between(runs, region, rng)
    total = _typical(implausibility, matrix(particles, "particles", runs.space.d), rng)
    return Wave(
        implausibility,
        rule,
        rejection_cutoff(total.dense(), rank, probability, rng),
        probability,
        runs.good.n,
        override,
    )


def next_design(
    region: Region, n: int, rng: Rng = None, *, particles: Any = None, progress: bool = False
) -> FloatArray:
    """Choose n points of a region that are well apart: where to run the simulator next.

    Out of five times as many random points, the closest pair loses a member until n are left
    [1]_, by distances in the unit box. The points still follow the region, only more evenly.

    Parameters
    ----------
    region : Region
    n : int
    rng : int, Generator or None
    particles : array_like, shape (m, d), optional
        Points of the region; drawn if there are none, or fewer than n.
    progress : bool

    Returns
    -------
    array, shape (n, d)
        Physical parameters.

    References
    ----------
    .. [1] Yuksel 2015, Computer Graphics Forum 34, 25, doi:10.1111/cgf.12538
    """
    rng = generator(rng)
    if isinstance(n, bool) or not isinstance(n, int | np.integer) or n < 1:
        raise InputError(f"A design needs a positive whole number of points, but n is {n!r}.")
    if particles is None or len(particles) < n:
        particles = region.sample(max(n, min(_CANDIDATES * n, _MOST)), rng, progress=progress)
        particles = particles.particles
    points = np.unique(matrix(particles, "particles", region.space.d), axis=0)
    if len(points) < n:
        raise InputError(f"There are only {len(points)} different particles for {n} runs.")
    most = max(n, min(_CANDIDATES * n, _MOST))
    points = points[rng.permutation(len(points))[:most]]
    return np.asarray(points[_spread(region.space.to_unit(points), int(n))])


def _spread(unit: FloatArray, n: int) -> Any:
    """Find the n points that are left when the closest pair keeps losing a member."""
    distance = cdist(unit, unit)
    np.fill_diagonal(distance, np.inf)
    nearest, whose = distance.min(axis=1), distance.argmin(axis=1)
    alive = np.ones(len(unit), dtype=bool)
    for _ in range(len(unit) - n):
        pair = int(nearest.argmin()), int(whose[nearest.argmin()])
        # Of the two, the one whose next neighbour is closer is missed less.
        second = [np.partition(distance[i], 1)[1] for i in pair]
        out = pair[int(np.argmin(second))]
        alive[out] = False
        distance[out], distance[:, out], nearest[out] = np.inf, np.inf, np.inf
        for i in np.flatnonzero((whose == out) & alive):
            nearest[i], whose[i] = distance[i].min(), distance[i].argmin()
    return np.flatnonzero(alive)


def _without(implausibility: Implausibility, outputs: tuple[str, ...]) -> Implausibility:
    """Leave out the data that are seen through any of these outputs."""
    names = implausibility.surrogate.outputs.names
    bad = np.array([name in outputs for name in names])
    kept = np.flatnonzero(~(implausibility.response[:, bad] != 0).any(axis=1))
    if kept.size == 0:
        raise NotValidatedError(
            f"None of the {implausibility.q} data is left for this wave: the error bars of all "
            "outputs that they see are wrong. Train the emulator on more runs, or take another."
        )
    return Implausibility(
        implausibility.surrogate,
        implausibility.observation,
        implausibility.discrepancy,
        implausibility.extra,
        tuple(int(i) for i in kept),
    )


def _between(runs: Runs, region: Region | None, rng: np.random.Generator) -> FloatArray:
    """Points where an emulator is as unsure as it typically is: never at its own runs."""
    if region is None or not region.waves:
        return runs.space.sample(_TYPICAL, rng)
    # Bounds that depend on other parameters need not be convex in the box; the cube always is.
    space, X = runs.space, runs.good.X
    x = space.to_cube(X) if space.conditional else space.to_unit(X)
    a, b = rng.integers(len(x), size=(2, _TYPICAL))
    middle = (x[a] + x[b]) / 2
    return space.from_cube(middle) if space.conditional else space.from_unit(middle)


def _typical(
    implausibility: Implausibility, theta: FloatArray, rng: np.random.Generator
) -> Covariance:
    """Return the total covariance at the point where the emulator's variance is the median."""
    theta = theta[rng.permutation(len(theta))[:_TYPICAL]]
    total = implausibility.total_covariance(theta)
    size = total.diagonal().sum(axis=-1)
    return total[int(np.argsort(size)[len(size) // 2])]
