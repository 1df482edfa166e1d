"""Are an emulator's error bars right? Coverage, probability integral transforms, scaled errors."""

from typing import TYPE_CHECKING

import numpy as np
from scipy import stats

from equatorium.plots.style import BACKGROUND, MODEL, REFERENCE, blank, styled

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from equatorium.emulate.validate import Report

_LEVELS = np.linspace(0.05, 0.99, 48)
_BINS = 10


@styled
def coverage(report: "Report") -> "Figure":
    """Draw three views of a report's held-out predictions, pooled over outputs.

    Left, how often an interval of nominal probability a holds the truth. Middle, the probability
    integral transform F(truth), uniform for honest errors: a hump means error bars too wide, horns
    too narrow, a slope a bias. Right, (truth - mean) / std against N(0, 1). Grey bands hold 99 % of
    what an honest emulator would show if its n held-out runs told independently; the outputs of
    one run are correlated, so the band counts runs, not numbers.

    Parameters
    ----------
    report : Report
        With ``pit``, ``truth``, ``mean``, ``std``, each (n, p).

    Returns
    -------
    matplotlib.figure.Figure
    """
    figure = blank(10.5, 3.5)
    left, middle, right = figure.subplots(1, 3)
    _intervals(left, report.pit)
    _transform(middle, report.pit)
    _standardised(right, (report.truth - report.mean) / report.std)
    figure.suptitle(f"{report.n} held-out runs, {report.pit.shape[1]} outputs", fontsize=11)
    return figure


def _intervals(axes: "Axes", pit: np.ndarray) -> None:
    inside = np.abs(pit[..., None] - 0.5) <= _LEVELS / 2
    low, high = stats.binom.interval(0.99, len(pit), _LEVELS)
    axes.fill_between(_LEVELS, low / len(pit), high / len(pit), color=BACKGROUND, alpha=0.35, lw=0)
    axes.plot([0, 1], [0, 1], color=REFERENCE, lw=1)
    axes.plot(_LEVELS, inside.mean(axis=(0, 1)), color=MODEL)
    axes.set(xlim=(0, 1), ylim=(0, 1.02), xlabel="nominal probability of the interval")
    axes.set_ylabel("share of truths inside")


def _transform(axes: "Axes", pit: np.ndarray) -> None:
    low, high = stats.binom.interval(0.99, len(pit), 1 / _BINS)
    scale = _BINS / len(pit)
    axes.axhspan(low * scale, high * scale, color=BACKGROUND, alpha=0.35, lw=0)
    axes.axhline(1, color=REFERENCE, lw=1)
    axes.hist(
        pit.ravel(), bins=_BINS, range=(0, 1), density=True, histtype="step", color=MODEL, lw=1.5
    )
    axes.set(xlim=(0, 1), xlabel="probability integral transform", ylabel="density")
    axes.set_ylim(0, max(2.0, 1.15 * high * scale, 1.1 * axes.get_ylim()[1]))


def _standardised(axes: "Axes", z: np.ndarray) -> None:
    x = np.linspace(-5, 5, 201)
    edges = np.linspace(-5, 5, 41).tolist()
    axes.plot(x, stats.norm.pdf(x), color=REFERENCE, lw=1, label="N(0, 1)")
    shown = np.clip(z.ravel(), -5, 5)  # the outermost bins hold all that lies beyond
    axes.hist(shown, edges, density=True, histtype="step", color=MODEL, lw=1.5)
    axes.set(xlim=(-5, 5), xlabel="(truth - mean) / standard deviation", ylabel="density")
    axes.set_ylim(0, 1.35 * axes.get_ylim()[1])
    axes.text(
        0.04,
        0.95,
        f"mean {z.mean():.2f}\nmean square {np.mean(z**2):.2f}",
        transform=axes.transAxes,
        va="top",
    )
    axes.legend(loc="upper right")
