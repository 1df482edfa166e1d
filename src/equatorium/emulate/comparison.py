r"""Which method is best on these data? Cross-validated scores with errors, for all at once.

All methods see the same folds, so that what makes a fold difficult cancels in differences. The
training sets of k folds overlap, which makes their scores agree better than they should; errors
follow Nadeau & Bengio (2003),

.. math:: s^2 \left(\frac1k + \frac{n_\mathrm{test}}{n_\mathrm{train}}\right),

with the variance s^2 of the k scores, or of their differences to the best method.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from equatorium.checks import FloatArray
from equatorium.emulate.comparison_text import layout
from equatorium.emulate.held_out import HeldOut, HeldOutClasses
from equatorium.emulate.scores import (
    CLASSIFICATION,
    REGRESSION,
    Score,
    choose,
    confusion,
    evaluate,
    ks_bound,
    roc,
)
from equatorium.errors import UnknownNameError, did_you_mean
from equatorium.records.base import Record

__all__ = ["Comparison"]


@dataclass(frozen=True, eq=False, repr=False)
class Comparison(Record):
    """What M methods predicted for the same held-out rows; prints as a table.

    Parameters
    ----------
    task : {"regression", "classification"}
    scores : sequence of str
        What the table shows; the first one ranks.
    held : mapping of str to HeldOut or HeldOutClasses
        By method; rows in the order of the folds.
    fold, row : array_like of int, shape (N,)
        The fold in which each was held out, and its place in the data.
    n_train : array_like of int, shape (K,)
        Rows learned from in every fold.
    seconds : mapping of str to array_like, shape (K, 2)
        For fitting, and for predicting, by method.
    failures : mapping of str to str
        Methods that could not be scored, and why.
    remarks : mapping of str to sequence of str
        What methods warned of.
    outlier : float, optional
        Errors beyond it are outliers; by default 5 times the NMAD of the method.

    References
    ----------
    Nadeau C. & Bengio Y. 2003, Machine Learning 52, 239, doi:10.1023/A:1024068626366
    """

    task: str
    scores: Sequence[str]
    held: Mapping[str, Any]
    fold: npt.NDArray[np.intp]
    row: npt.NDArray[np.intp]
    n_train: npt.NDArray[np.intp]
    seconds: Mapping[str, FloatArray]
    failures: Mapping[str, str]
    remarks: Mapping[str, Sequence[str]]
    outlier: float | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "scores", choose(self._known, self.scores))
        for name in ("fold", "row", "n_train"):
            array = np.array(getattr(self, name), dtype=np.intp)
            array.setflags(write=False)
            object.__setattr__(self, name, array)

    @property
    def labels(self) -> tuple[str, ...]:
        """Methods that could be scored, the best first."""
        values = {label: self._loss(label, self.scores[0]) for label in self.held}
        return tuple(sorted(values, key=lambda label: (np.isnan(values[label]), values[label])))

    @property
    def best(self) -> str:
        """The best method by the first score."""
        return self.labels[0]

    @property
    def folds(self) -> int:
        """Number of folds."""
        return len(self.n_train)

    def value(self, label: str, score: str | None = None) -> float:
        """Score of all held-out rows together, averaged over outputs.

        With several outputs, scores in their unit are divided by the standard deviation of each.
        """
        return float(self._evaluate(self.of(label), self._score(score)))

    def by_fold(self, label: str, score: str | None = None) -> FloatArray:
        """Scores of single folds, shape (K,)."""
        held, one = self.of(label), self._score(score)
        return np.array(
            [self._evaluate(held.subset(self.fold == k), one) for k in range(self.folds)]
        )

    def error(self, label: str, score: str | None = None) -> float:
        """Estimate the standard error of a score; NaN if there is a single fold."""
        return self.deviation(self.by_fold(label, score))

    def difference(self, label: str, other: str, score: str | None = None) -> tuple[float, float]:
        """Difference of two methods' scores, paired over folds, and its standard error."""
        paired = self.by_fold(label, score) - self.by_fold(other, score)
        return float(paired.mean()), self.deviation(paired)

    def deviation(self, values: FloatArray) -> float:
        """Estimate the standard error of a mean over folds (K,); NaN if there is a single one."""
        if len(values) < 2:
            return float("nan")
        held = len(self.row) / self.folds
        rest = max(self.n_train.mean(), len(np.unique(self.row)) - held)
        return float(values.std(ddof=1) * np.sqrt(1 / len(values) + held / rest))

    def confusion(self, label: str) -> npt.NDArray[np.intp]:
        """Objects of class i (rows) that are called j, shape (c, c); for classes alone."""
        return confusion(self._of_classes(label))

    def roc(self, label: str, positive: Any) -> tuple[FloatArray, FloatArray]:
        """Give the false and true positive rates of a class against the rest; for classes alone."""
        return roc(self._of_classes(label), positive)

    @property
    def honest_pit(self) -> float:
        """PIT deviation that honest predictions stay below in 95 % of cases.

        A row that repeated folds hold out several times counts once: its values agree.
        """
        return ks_bound(len(np.unique(self.row)))

    def heading(self, score: str | None = None) -> str:
        """Give what a score is called in tables and figures."""
        return self._score(score).heading

    def has_unit(self, score: str | None = None) -> bool:
        """Whether a score is in the unit of what is predicted."""
        return self._score(score).has_unit and len(self._spread) == 1

    def of(self, label: str) -> Any:
        """Give what a method predicted, and what came."""
        if label in self.held:
            return self.held[label]
        if label in self.failures:
            raise UnknownNameError(f"{label!r} failed: {self.failures[label]}")
        hint = did_you_mean(str(label), self.held)
        raise UnknownNameError(
            f"{label!r} was not compared.{hint} There are: {', '.join(self.held)}."
        )

    def summary(self) -> str:
        """Give the table as text, the best method first."""
        return layout(self)

    __repr__ = summary

    @property
    def _known(self) -> Mapping[str, Score]:
        return REGRESSION if self.task == "regression" else CLASSIFICATION

    def _score(self, name: str | None) -> Score:
        return self._known[choose(self._known, name or self.scores[0])[0]]

    def _loss(self, label: str, score: str) -> float:
        return float(self._score(score).loss(self.value(label, score)))

    @cached_property
    def _spread(self) -> FloatArray:
        """What scores in the outputs' units are divided by, shape (p,)."""
        truth = next(iter(self.held.values())).truth
        if self.task != "regression" or truth.shape[1] == 1:
            return np.ones(1)
        return np.asarray(np.maximum(truth.std(axis=0), 1e-300))

    def _evaluate(self, held: HeldOut | HeldOutClasses, one: Score) -> float:
        found = evaluate(one, held, self.outlier)
        return float(np.mean(found / self._spread if one.has_unit else found))

    def _of_classes(self, label: str) -> HeldOutClasses:
        held = self.of(label)
        if isinstance(held, HeldOutClasses):
            return held
        raise UnknownNameError("there are no classes: these methods predict numbers.")
