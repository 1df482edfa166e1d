"""What replicates of known truths say about a posterior: ranks, errors, coverage, a verdict."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from equatorium.checks import FloatArray, matrix, read_only, vector
from equatorium.errors import InputError, ShapeError, UnknownNameError, did_you_mean
from equatorium.inference.ranks import ecdf_p_value, holm
from equatorium.records.base import Record
from equatorium.records.outputs import unique_names

LEAST_P = 0.01
"""Least p-value that passes: of the ranks after Holm's correction, and of the coverage."""

WIDTH = 2.6
"""How far the mean square error may lie from one, in units of sqrt(2 / n)."""


@dataclass(frozen=True, eq=False)
class Calibration(Record):
    """What n replicates gave, and whether the posterior is calibrated.

    Parameters
    ----------
    names : sequence of str
        The d parameters.
    judged : sequence of str
        Those whose ranks and errors are judged.
    ranks : array, shape (n, d)
        Rank of the truth among independent draws, in (0, 1).
    errors : array, shape (n, d)
        (truth - posterior mean) / posterior sd.
    shrinkage : array, shape (n, d)
        Posterior sd over prior sd.
    log_likelihood : array, shape (n,)
        Rank of the truth's log-likelihood.
    coverage : array, shape (n,)
        Share of the draws that are nearer to a reference point than the truth is.
    draws : array, shape (n,)
        How many draws counted as independent.
    converged : array, shape (n,)
        1 where the sampler's own criteria were met.
    failed : int
        Replicates that gave nothing.
    first_failure : str
        Why the first of them did not.

    Raises
    ------
    ShapeError, InputError
        If the arrays do not fit each other or ranks lie outside 0 to 1.
    """

    names: tuple[str, ...]
    judged: tuple[str, ...]
    ranks: FloatArray
    errors: FloatArray
    shrinkage: FloatArray
    log_likelihood: FloatArray
    coverage: FloatArray
    draws: FloatArray
    converged: FloatArray
    failed: int = 0
    first_failure: str = ""

    def __post_init__(self) -> None:
        names = unique_names(self.names, "parameters")
        n = len(np.atleast_1d(self.log_likelihood))
        for field in ("ranks", "errors", "shrinkage"):
            array = matrix(getattr(self, field), field, len(names))
            if len(array) != n:
                raise ShapeError(f"{field} must have one row for each of {n} replicates.")
            object.__setattr__(self, field, read_only(array))
        for field in ("log_likelihood", "coverage", "draws", "converged"):
            object.__setattr__(self, field, read_only(vector(getattr(self, field), field, n)))
        for field in ("ranks", "log_likelihood", "coverage"):
            array = getattr(self, field)
            if not ((array >= 0) & (array <= 1)).all():
                raise InputError(f"{field} must lie between 0 and 1.")
        if n < 2 or not self.judged:
            raise InputError(f"{n} replicates and {len(self.judged)} parameters judge nothing.")
        object.__setattr__(self, "names", names)
        object.__setattr__(self, "judged", tuple(self.judged))
        for name in self.judged:
            check_known(name, names)

    @property
    def n(self) -> int:
        """Number of replicates."""
        return len(self.log_likelihood)

    @property
    def quantities(self) -> dict[str, FloatArray]:
        """Ranks (n,) by what is judged: the chosen parameters, and the log-likelihood."""
        ranks = {name: self.ranks[:, self.names.index(name)] for name in self.judged}
        return {**ranks, "log-likelihood": self.log_likelihood}

    @cached_property
    def p_values(self) -> dict[str, float]:
        """p-value of the uniformity of each of these ranks, Holm-corrected."""
        return holm({name: ecdf_p_value(ranks) for name, ranks in self.quantities.items()})

    @cached_property
    def coverage_p(self) -> float:
        """p-value that the expected coverage is the nominal one at all levels (TARP)."""
        return ecdf_p_value(self.coverage)

    @property
    def mean_squares(self) -> dict[str, float]:
        """Mean squared standardised error by judged parameter."""
        squares = np.mean(self.errors**2, axis=0)
        return {name: float(squares[self.names.index(name)]) for name in self.judged}

    @property
    def mean_square(self) -> float:
        """Their mean; one is right."""
        return float(np.mean(list(self.mean_squares.values())))

    @property
    def bound(self) -> float:
        """How far `mean_square` may lie from one: as if all errors of a replicate were the same."""
        return float(WIDTH * np.sqrt(2 / self.n))

    @cached_property
    def reasons(self) -> tuple[str, ...]:
        """What is wrong; empty if nothing."""
        found = [
            f"ranks of {name} are not uniform (p = {p:.2g})"
            for name, p in self.p_values.items()
            if not p > LEAST_P
        ]
        if not self.coverage_p > LEAST_P:
            found.append(f"the expected coverage is not nominal (p = {self.coverage_p:.2g})")
        if not abs(self.mean_square - 1) <= self.bound:
            wrong = "narrow" if self.mean_square > 1 else "wide"
            found.append(
                f"the mean squared standardised error is {self.mean_square:.2f}, not within "
                f"{self.bound:.2f} of 1: posteriors are too {wrong}"
            )
        if self.failed:
            found.append(f"{self.failed} replicates failed, the first: {self.first_failure}")
        return tuple(found)

    @property
    def passed(self) -> bool:
        """Whether every criterion is met."""
        return not self.reasons

    def summary(self) -> str:
        """Give the numbers and the verdict as text."""
        verdict = "passed" if self.passed else "FAILED"
        low, median = np.min(self.draws), np.median(self.draws)
        medians = np.median(self.shrinkage, axis=0)
        lines = [
            f"Simulation-based calibration, {self.n} replicates: {verdict}",
            f"independent draws of a replicate: median {median:.0f}, least {low:.0f}; "
            f"{int(np.sum(self.converged))} converged by the sampler's own criteria",
            f"mean squared standardised error {self.mean_square:.2f} (1 +- {self.bound:.2f})",
            f"expected coverage: p = {self.coverage_p:.3g}",
        ]
        for name, p in self.p_values.items():
            line = f"{name}: ranks uniform with p = {p:.3g} (Holm)"
            if name in self.names:
                shrunk = medians[self.names.index(name)]
                line += f", z2 {self.mean_squares[name]:.2f}, sd / prior sd {shrunk:.2f}"
            lines.append(line)
        return "\n".join([*lines, *(f"- {reason}" for reason in self.reasons)])


def check_known(name: str, names: Sequence[str]) -> None:
    """Raise UnknownNameError unless there is such a parameter."""
    if name not in names:
        raise UnknownNameError(
            f"There is no parameter {name!r} to judge; there are {', '.join(names)}."
            f"{did_you_mean(name, names)}"
        )
