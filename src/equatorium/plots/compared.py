"""Methods side by side: their scores with errors, and how they grow with the data."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from equatorium.errors import InputError
from equatorium.plots.style import BACKGROUND, MODEL, PALETTE, blank, styled

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from equatorium.emulate.comparison import Comparison
    from equatorium.emulate.learning import LearningCurve

_MARKS = "osD^vP*"
_POOLED = ("pit", "ece")  # of all rows together: those of few rows are larger


@styled
def compared_methods(
    comparison: "Comparison", scores: Sequence[str] | None = None, *, unit: str = ""
) -> "Figure":
    """Draw the scores of all methods with their errors, a panel a score, the best method on top.

    Small dots are single folds (not of ``pit`` and ``ece``, which are larger for few rows; honest
    predictions have a PIT deviation within the grey area in 95 % of cases). The bars are standard
    errors of the differences to the best method, paired over folds: where a bar reaches the line of
    the best, the two cannot be told apart.

    Parameters
    ----------
    comparison : Comparison
    scores : sequence of str, optional
        By default the first three of the comparison, and its ``pit`` if it has one.
    unit : str
        Of the scores that have one.

    Returns
    -------
    matplotlib.figure.Figure
    """
    if scores is None:
        first = list(comparison.scores[:3])
        scores = [*first, *(s for s in comparison.scores if s == "pit" and s not in first)]
    elif isinstance(scores, str):
        scores = [scores]
    labels = comparison.labels
    figure = blank(1.4 + 2.3 * len(scores), 0.9 + 0.3 * len(labels))
    cells = figure.subplots(1, len(scores), squeeze=False, sharey=True)[0]
    for axes, name in zip(cells, scores, strict=True):
        _panel(axes, comparison, name)
        heading = comparison.heading(name)
        axes.set_xlabel(f"{heading} [{unit}]" if unit and comparison.has_unit(name) else heading)
    cells[0].set_yticks(np.arange(len(labels)), labels)
    cells[0].set_ylim(len(labels) - 0.4, -0.6)
    return figure


def _panel(axes: "Axes", comparison: "Comparison", name: str) -> None:
    from matplotlib.ticker import MaxNLocator

    if name not in _POOLED:
        axes.axvline(comparison.value(comparison.best, name), color=BACKGROUND, lw=1)
    for i, label in enumerate(comparison.labels):
        value, error = comparison.value(label, name), 0.0
        if name not in _POOLED:
            folds = comparison.by_fold(label, name)
            axes.plot(folds, np.full(len(folds), i), "o", color=BACKGROUND, ms=2.5, alpha=0.7)
            error = comparison.difference(label, comparison.best, name)[1]
        bar = error if np.isfinite(error) and i else 0.0
        axes.errorbar(value, i, xerr=bar, fmt="o", color=MODEL, ms=5, capsize=2)
    if name == "pit":
        bound = comparison.honest_pit
        axes.axvspan(0, bound, color=BACKGROUND, alpha=0.25, lw=0)
        axes.set_xlim(left=0)
    axes.tick_params(axis="y", length=0)
    axes.xaxis.set_major_locator(MaxNLocator(4))
    axes.grid(axis="y", color="0.92")
    axes.set_axisbelow(True)


@styled
def learning_curves(
    curve: "LearningCurve", score: str | None = None, *, most: int = 7, unit: str = ""
) -> "Figure":
    """Draw a score against the number of rows learned from, with standard errors.

    Parameters
    ----------
    curve : LearningCurve
    score : str, optional
        By default its first.
    most : int
        Draw this many of the methods that end best, at most 7.
    unit : str
        Of the score.

    Returns
    -------
    matplotlib.figure.Figure
    """
    if not 1 <= most <= len(PALETTE):
        raise InputError(f"most must be from 1 to {len(PALETTE)} curves, not {most!r}.")
    figure = blank(6.2, 4.0)
    axes = figure.add_subplot()
    values = []
    for i, label in enumerate(curve.labels[:most]):
        value, error = curve.curve(label, score)
        values.append(value)
        # A little apart, so that bars do not lie upon each other.
        x = np.asarray(curve.sizes) * 1.015 ** (i - most / 2)
        axes.errorbar(
            x, value, error, marker=_MARKS[i], color=PALETTE[i], ms=4.5, capsize=2, label=label
        )
    axes.set_xscale("log")
    if np.nanmin(values) > 0:
        axes.set_yscale("log")
    heading = curve.heading(score)
    axes.set(xlabel="rows learned from", ylabel=f"{heading} [{unit}]" if unit else heading)
    axes.legend(loc="center left", bbox_to_anchor=(1.01, 0.5))
    return figure
