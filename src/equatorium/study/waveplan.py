"""What one wave of history matching does, as data."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from equatorium.errors import ConfigurationError, did_you_mean
from equatorium.history.wave import rank_of
from equatorium.simulate.design import DESIGNS


@dataclass(frozen=True, kw_only=True)
class WavePlan:
    """What one wave of history matching does.

    Attributes
    ----------
    runs : int
        Simulator runs that train the wave's emulators.
    held_out : int
        Further runs that test them; 0 for cross-validation.
    rule : {"maximum", "second", "third"}
        Which of the sorted implausibilities is compared with the cut-off.
    probability : float
        How often the cut-off may reject the truth by noise alone.
    design : str
        The first wave's design, a name of `equatorium.simulate.design.DESIGNS`.
    particles : int
        Points that represent the region which the wave leaves.
    discrepancy_factor : float
        Inflates the study's discrepancy from this wave on; recorded.
    """

    runs: int = 300
    held_out: int = 0
    rule: str = "maximum"
    probability: float = 0.01
    design: str = "maximin-latin-hypercube"
    particles: int = 2000
    discrepancy_factor: float = 1.0

    def __post_init__(self) -> None:
        rank_of(self.rule)
        if not isinstance(self.design, str) or self.design not in DESIGNS:
            raise ConfigurationError(
                f"unknown design {self.design!r}.{did_you_mean(self.design, DESIGNS)} "
                f"Known: {sorted(DESIGNS)}"
            )
        for name, least in (("runs", 2), ("held_out", 0), ("particles", 100)):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < least:
                raise ConfigurationError(
                    f"a wave's {name} must be a whole number of at least {least}, not {value!r}"
                )
        if self.held_out == 1:
            raise ConfigurationError(
                "a wave's held_out must be 0 (cross-validation) or at least 2, as one run shows "
                "no scatter"
            )
        for name, below in (("probability", 1.0), ("discrepancy_factor", math.inf)):
            value = getattr(self, name)
            if not isinstance(value, int | float) or not 0 < value < below:
                raise ConfigurationError(
                    f"a wave's {name} must be a number between 0 and {below:g}, not {value!r}"
                )


def wave_plans(
    waves: int | Sequence[WavePlan | Mapping[str, Any]], options: Mapping[str, Any]
) -> tuple[WavePlan, ...]:
    """Return one plan a wave, from a number or a list, with options that hold for all."""
    rows = [{}] * waves if isinstance(waves, int) else waves
    if not rows:
        raise ConfigurationError("history matching needs at least one wave")
    if options and any(isinstance(row, WavePlan) for row in rows):
        raise ConfigurationError(
            f"options for all waves ({', '.join(options)}) do not reach a WavePlan, which is "
            "complete: put them into it, or give the waves as mappings"
        )
    return tuple(row if isinstance(row, WavePlan) else _plan({**options, **row}) for row in rows)


def _plan(row: Mapping[str, Any]) -> WavePlan:
    known = tuple(WavePlan.__dataclass_fields__)
    for key in row:
        if key not in known:
            raise ConfigurationError(
                f"a wave has no option {key!r}.{did_you_mean(key, known)} Known: {sorted(known)}"
            )
    return WavePlan(**row)
