"""Would more data help, and which method needs fewest? Scores against the size of the training set.

The rows to predict stay the same, and the rows to learn from are nested, so that differences along
a curve are paired.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from equatorium.checks import FloatArray, Rng, generator, read_only
from equatorium.emulate.candidates import kept, task_of
from equatorium.emulate.comparison import Comparison
from equatorium.emulate.cross_validation import as_table, compare, split
from equatorium.emulate.folds import group_labels
from equatorium.errors import InputError
from equatorium.records.base import Record

_SIZES = 6
_LEAST = 20


@dataclass(frozen=True, eq=False)
class LearningCurve(Record):
    """Scores of methods after learning from more and more rows.

    Parameters
    ----------
    sizes : sequence of S int
        Rows learned from.
    comparisons : sequence of S Comparison
        Methods that failed are missing in those.
    """

    sizes: Sequence[int]
    comparisons: Sequence[Comparison]

    @property
    def labels(self) -> tuple[str, ...]:
        """Methods that could be scored at some size, the best at the largest size first."""
        order = dict.fromkeys(x for c in reversed(self.comparisons) for x in c.labels)
        return tuple(order)

    def heading(self, score: str | None = None) -> str:
        """Give what a score is called in figures."""
        return self.comparisons[0].heading(score)

    def curve(self, label: str, score: str | None = None) -> tuple[FloatArray, FloatArray]:
        """Scores and their standard errors, each (S,); NaN where the method failed."""
        if not any(label in c.held or label in c.failures for c in self.comparisons):
            self.comparisons[-1].of(label)  # raises
        found = [
            (c.value(label, score), c.error(label, score)) if label in c.held else (np.nan, np.nan)
            for c in self.comparisons
        ]
        value, error = np.transpose(found)
        return read_only(value), read_only(error)

    def change(self, label: str, score: str | None = None) -> tuple[float, float]:
        """Last step's change of a score, paired over folds, and its standard error."""
        before, after = (c.by_fold(label, score) for c in self.comparisons[-2:])
        paired = after - before
        return float(paired.mean()), self.comparisons[-1].deviation(paired)


def learning_curve(
    methods: Any,
    data: Any,
    sizes: Iterable[int] | None = None,
    *,
    cv: Any = 5,
    groups: Any = None,
    scores: Iterable[str] | None = None,
    simple: bool = True,
    rng: Rng = 0,
    **options: Any,
) -> LearningCurve:
    """Compare methods that learn from more and more of the rows.

    Parameters
    ----------
    methods, data, cv, groups, scores, simple
        See `compare`.
    sizes : iterable of int, optional
        Rows to learn from; by default six, evenly in the logarithm, from 20 to all of a fold.
    rng : int, Generator or None
        Deals the folds, and orders the rows to learn from.
    **options
        ``scale``, ``outlier`` and ``progress`` of `compare`.

    Returns
    -------
    LearningCurve

    Raises
    ------
    InputError
        If there are fewer than two sizes, or one is larger than the training sets.

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> X = rng.uniform(-1, 1, (100, 3))
    >>> y = X.sum(axis=1) + 0.3 * rng.normal(size=100)
    >>> curve = learning_curve([], (X, y), [10, 80], simple=False, scores="rmse")
    >>> few, many = curve.curve("linear")[0]
    >>> bool(many < few), curve.sizes
    (True, (10, 80))
    """
    rng, methods, scores = generator(rng), kept(methods), kept(scores)
    table = as_table(data)
    groups = group_labels(groups, len(table.X))
    folds = split(table, cv, groups, task_of(methods, table.y), rng)
    folds = [(rng.permutation(train), test) for train, test in folds]
    most = min(len(train) for train, _ in folds)
    if sizes is None:
        chosen = np.unique(np.geomspace(max(2, min(_LEAST, most // 2)), most, _SIZES).astype(int))
    else:
        chosen = np.unique(list(sizes) if isinstance(sizes, Iterable) else sizes)
    if len(chosen) < 2 or chosen.dtype.kind not in "iu" or chosen[0] < 2 or chosen[-1] > most:
        raise InputError(
            f"sizes must be at least two whole numbers from 2 to {most}, the rows that the "
            f"smallest fold leaves to learn from, not {chosen.tolist()}."
        )
    fixed: Mapping[str, Any] = {"groups": groups, "scores": scores, "simple": simple, **options}
    comparisons = [
        compare(methods, data, cv=[(train[:n], test) for train, test in folds], **fixed)
        for n in chosen.tolist()
    ]
    return LearningCurve(tuple(chosen.tolist()), tuple(comparisons))
