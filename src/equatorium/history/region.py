"""What no wave has ruled out: membership, uniform points, and the share of the prior it holds.

A share of the prior, not of the box: points of a region are distributed as the prior restricted to
it, which is uniform in the cube of the parameters' prior probabilities. With flat priors both are
the same.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from equatorium.checks import FloatArray, Rng, matrix
from equatorium.errors import EmptyRegionError, InputError
from equatorium.history.subset import SubsetSample, sample_below_one
from equatorium.history.wave import Wave
from equatorium.records.base import Record
from equatorium.records.space import Space

__all__ = ["Region", "RegionSample", "Wave"]

_BEST = 50  # points that explain why a region is empty
_NAMED = 6  # data that an error lists


@dataclass(frozen=True)
class RegionSample:
    """Points of a region and its volume.

    Attributes
    ----------
    particles : array, shape (n, d)
        Physical parameters, distributed as the prior restricted to the region.
    levels : array, shape (n,)
        Their levels, at most 1.
    volume, volume_error : float
        The share of the prior that the region holds, and its standard error.
    ladder : tuple of (threshold, share)
        The rungs of the subset simulation; empty if the points were found by chance.
    evaluations : int
        Points whose level was computed.
    """

    particles: FloatArray
    levels: FloatArray
    volume: float
    volume_error: float
    ladder: tuple[tuple[float, float], ...] = ()
    evaluations: int = 0

    @property
    def method(self) -> str:
        """How the points were found."""
        return "subset simulation" if self.ladder else "rejection"


@dataclass(frozen=True, eq=False)
class Region(Record):
    """The part of a space that no wave rules out: the intersection over all waves.

    Parameters
    ----------
    space : Space
        Parameters with their priors; outside its box is outside the region.
    waves : sequence of Wave
        In their order; none rules nothing out.
    """

    space: Space
    waves: Sequence[Wave] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "waves", tuple(self.waves))
        for k, wave in enumerate(self.waves, 1):
            theirs = wave.surrogate.space
            if theirs.names != self.space.names:
                raise InputError(
                    f"Wave {k} is over {', '.join(theirs.names)}, but the region over "
                    f"{', '.join(self.space.names)}."
                )
            narrow = (theirs.low > self.space.low) | (theirs.high < self.space.high)
            if narrow.any():
                raise InputError(
                    f"The emulator of wave {k} was trained on a narrower range of "
                    f"{self.space.names[int(np.argmax(narrow))]} than the region's. Give the "
                    "region the space of its waves."
                )

    def extended(self, wave: Wave) -> "Region":
        """Rule out what one more wave rules out."""
        return Region(self.space, (*self.waves, wave))

    def level(self, theta: Any) -> FloatArray:
        """Return the highest level over all waves, (m, d) to (m,); infinite outside the box."""
        return self._level(theta, np.inf)

    def contains(self, theta: Any) -> npt.NDArray[np.bool_]:
        """Whether points (m, d) are inside the box and ruled out by no wave, shape (m,)."""
        return self._level(theta, 1.0) <= 1.0

    def sample(
        self, n: int, rng: Rng = None, *, progress: bool = False, floor: float = 1e-9
    ) -> RegionSample:
        """Draw points of the region, and measure its volume.

        By rejection where the region is large, else by subset simulation, which finds a millionth
        of the prior in twenty dimensions (see `equatorium.history.subset`).

        Parameters
        ----------
        n : int
            Points wanted. The relative error of the volume is about 6 n^-1/2 at a millionth.
        rng : int, Generator or None
        progress : bool
            Show how far the ladder has come.
        floor : float
            A share of the prior below which a region counts as empty.

        Raises
        ------
        EmptyRegionError
            If nothing is left, naming the data that rule out the best points.
        """
        if isinstance(n, bool) or not isinstance(n, int | np.integer) or n < 1:
            raise InputError(f"n must be a positive whole number, but it is {n!r}.")
        if not self.waves:
            theta = self.space.sample(n, rng)
            return RegionSample(theta, np.zeros(n), 1.0, 0.0)
        with _Telling(progress) as tell:
            found = sample_below_one(self._level_in_cube, self.space.d, int(n), rng, floor, tell)
        if not found.reached:
            raise EmptyRegionError(self._why_empty(found))
        volume = float(np.exp(found.log_volume))
        return RegionSample(
            self._from_cube(found.points),
            found.levels,
            volume,
            volume * found.log_error,
            found.ladder,
            found.evaluations,
        )

    def _level(self, theta: Any, threshold: float) -> FloatArray:
        """Levels; those above the threshold may be too low, as later waves are not asked."""
        theta = matrix(theta, "theta", self.space.d)
        inside = self.space.contains(theta)
        levels = np.where(inside, 0.0, np.inf)
        alive = np.flatnonzero(inside)
        # The newest wave knows most and rules out most: the others see what it lets pass.
        for wave in reversed(self.waves):
            if alive.size == 0:
                break
            levels[alive] = np.maximum(levels[alive], wave.level(theta[alive]))
            alive = alive[levels[alive] <= threshold]
        return levels

    def _level_in_cube(self, cube: FloatArray, threshold: float) -> FloatArray:
        return self._level(self._from_cube(cube), threshold)

    def _from_cube(self, cube: FloatArray) -> FloatArray:
        # Rounding in a prior's quantiles must not push a point out of the box.
        return np.clip(self.space.from_cube(cube), self.space.low, self.space.high)

    def _why_empty(self, found: SubsetSample) -> str:
        best = self._from_cube(found.points[np.argsort(found.levels)[:_BEST]])
        named = []
        for k, wave in enumerate(self.waves, 1):
            own = np.median(wave.implausibility(best), axis=0)
            named += [
                (
                    value / wave.cutoff,
                    f"{wave.implausibility.describe(i)}: I = {value:.2f} in wave "
                    f"{k}, whose cut-off is {wave.cutoff:.2f}",
                )
                for i, value in enumerate(own)
            ]
        named.sort(key=lambda item: -item[0])
        guilty = [text for excess, text in named if excess > 1] or [named[0][1]]
        listed = "; ".join(guilty[:_NAMED])
        if len(guilty) > _NAMED:
            listed += f"; and {len(guilty) - _NAMED} more"
        return (
            f"No part of the parameter space is left: the best of {found.evaluations} points has "
            f"{float(found.levels.min()):.3g} times the implausibility that is allowed, and only "
            f"{np.exp(found.log_volume):.1g} of the prior is about as good. What rules out the "
            f"best points (median over {len(best)}): {listed}. Allow the model to miss more with "
            "discrepancy.inflated(factor), which is recorded, or leave these data out with "
            "observation.subset."
        )


class _Telling:
    """A progress line for a ladder of unknown length; nothing at all if not wanted."""

    def __init__(self, wanted: bool) -> None:
        self._wanted = wanted
        self._bar: Any = None

    def __enter__(self) -> Callable[[int, float, float], None] | None:
        if not self._wanted:
            return None
        from tqdm import tqdm

        self._bar = tqdm(unit=" points", unit_scale=True, desc="sampling the region")
        return self._tell

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.close()

    def _tell(self, points: int, threshold: float, volume: float) -> None:
        self._bar.set_postfix_str(f"level {threshold:.3g}, {volume:.1e} of the prior", False)
        self._bar.update(points)
