"""One wave of history matching: an emulator that was judged, the data, and where to cut."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from equatorium.checks import FloatArray
from equatorium.emulate.report import Report
from equatorium.emulate.surrogate import Surrogate
from equatorium.errors import InputError, NotValidatedError, did_you_mean
from equatorium.history.implausibility import Implausibility, nth_maximum
from equatorium.records.base import Record
from equatorium.records.discrepancy import Discrepancy
from equatorium.records.observation import Observation

__all__ = ["RULES", "Wave", "rank_of"]

RULES = {"maximum": 1, "second": 2, "third": 3}


@dataclass(frozen=True, eq=False)
class Wave(Record):
    """What one wave rules out: points whose n-th largest implausibility exceeds the cut-off.

    Parameters
    ----------
    implausibility : Implausibility
        Its surrogate carries the report of its validation.
    rule : {"maximum", "second", "third"}
        Which of the sorted implausibilities counts.
    cutoff : float
        See `equatorium.history.cutoff.rejection_cutoff`.
    probability : float, optional
        With which noise alone rejects the truth, if the cut-off was set by it.
    n_runs : int
        Runs that trained the emulator.
    override : str
        Why the emulator may judge although it did not pass its validation; empty if it passed.

    Raises
    ------
    NotValidatedError
        If the emulator did not pass, on the outputs that the data see, and there is no override.
    """

    implausibility: Implausibility
    rule: str = "maximum"
    cutoff: float = 3.0
    probability: float | None = None
    n_runs: int = 0
    override: str = ""

    def __post_init__(self) -> None:
        if self.rank > self.implausibility.q:
            raise InputError(
                f"The rule {self.rule!r} needs at least {self.rank} data, but there is "
                f"{self.implausibility.q}."
            )
        if not 0 < self.cutoff < np.inf:
            raise InputError(f"cutoff must be a positive number, but it is {self.cutoff!r}.")
        if not self.override:
            check_passed(self.implausibility)

    @property
    def rank(self) -> int:
        """The rule as a number: 1 for the maximum."""
        return rank_of(self.rule)

    @property
    def surrogate(self) -> Surrogate:
        """The emulator with names."""
        return self.implausibility.surrogate

    @property
    def report(self) -> Report | None:
        """How the emulator did on runs that it had not seen, over all its outputs."""
        return self.surrogate.report

    @property
    def observation(self) -> Observation:
        """The data, with those that were dropped."""
        return self.implausibility.observation

    @property
    def discrepancy(self) -> Discrepancy | None:
        """What the model is allowed to miss."""
        return self.implausibility.discrepancy

    @property
    def dropped(self) -> tuple[str, ...]:
        """Data that this wave does not use."""
        lost = np.setdiff1d(np.arange(self.observation.q), self.implausibility.data)
        return tuple(self.observation.describe(int(i)) for i in lost)

    def level(self, theta: Any) -> FloatArray:
        """Return the n-th largest implausibility over the cut-off, (m, d) to (m,): out if > 1."""
        return nth_maximum(self.implausibility(theta), self.rank) / self.cutoff


def rank_of(rule: str) -> int:
    """Translate a rule to a number: 1 for the maximum.

    >>> rank_of("second")
    2
    """
    if not isinstance(rule, str) or rule not in RULES:
        raise InputError(
            f"There is no rule {rule!r}; there are {', '.join(RULES)}.{did_you_mean(rule, RULES)}"
        )
    return RULES[rule]


def check_passed(implausibility: Implausibility) -> None:
    """Refuse an emulator that has not passed its validation on the outputs that the data see."""
    check_report(implausibility.surrogate.report, implausibility.used)


def check_report(report: Report | None, used: Any = slice(None)) -> None:
    """Refuse a report that is missing, or that does not pass on the outputs `used`."""
    if report is None:
        raise NotValidatedError(
            "The emulator has no report of a validation, so it may not rule anything out. Make one "
            "with cross_validation_report, or say in `override` why it is to be trusted."
        )
    reasons = report.select(used).reasons
    if reasons:
        raise NotValidatedError(
            f"The emulator fails its validation: {'; '.join(reasons)}. Train it on more runs, take "
            "another emulator, leave out the data it cannot predict, or accept it with accept=True "
            "(`override` of a Wave), which is recorded."
        )
