"""How far a study has come: the region, emulators and volumes that the next step needs."""

from dataclasses import dataclass

from equatorium.checks import FloatArray
from equatorium.history.region import Region, Wave
from equatorium.records.discrepancy import Discrepancy
from equatorium.records.runs import Runs


@dataclass(frozen=True)
class Volume:
    """What a wave leaves: its share of the prior, and points drawn from it."""

    fraction: float
    error: float
    particles: FloatArray


@dataclass(frozen=True)
class Stage:
    """How far a study has come: everything that the next step needs."""

    region: Region
    discrepancy: Discrepancy
    key: str
    runs: tuple[Runs, ...] = ()
    waves: tuple[Wave, ...] = ()
    volumes: tuple[Volume, ...] = ()

    @property
    def particles(self) -> FloatArray | None:
        """Points of the region that is left; None for the whole prior."""
        return self.volumes[-1].particles if self.volumes else None
