"""Are an emulator's error bars right? Coverage, probability integral transforms, scaled errors."""

from typing import TYPE_CHECKING

import numpy as np
from scipy import stats

from equatorium.errors import InputError
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
    what an honest emulator would show, given how many independent numbers the held-out ones are
    worth (`Report.effective_n`: the outputs of one run go wrong together).

    Parameters
    ----------
    report : Report
        Of an emulator that states its variance.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    InputError
        When the emulator states no variance.
    """
    if not report.states_variance:
        raise InputError("coverage cannot be drawn: this emulator states no variance")
    figure = blank(10.5, 3.5)
    left, middle, right = figure.subplots(1, 3)
    _intervals(left, report)
    _transform(middle, report)
    _standardised(right, report.z)
    figure.suptitle(f"{report.n} held-out runs, {report.p} outputs", fontsize=11)
    return figure


def _intervals(axes: "Axes", report: "Report") -> None:
    low, high = np.transpose([report.coverage_band(level) for level in _LEVELS])
    axes.fill_between(_LEVELS, low, high, color=BACKGROUND, alpha=0.35, lw=0)
    axes.plot([0, 1], [0, 1], color=REFERENCE, lw=1)
    shares = [report.pooled_coverage(level) for level in _LEVELS]
    axes.plot(_LEVELS, shares, color=MODEL)
    axes.set(xlim=(0, 1), ylim=(0, 1.02), xlabel="nominal probability of the interval")
    axes.set_ylabel("share of truths inside")


def _transform(axes: "Axes", report: "Report") -> None:
    # One bin of the histogram holds as many truths as a central interval of its probability.
    low, high = np.multiply(report.coverage_band(1 / _BINS), _BINS)
    axes.axhspan(low, high, color=BACKGROUND, alpha=0.35, lw=0)
    axes.axhline(1, color=REFERENCE, lw=1)
    pit = report.pit.ravel()
    axes.hist(pit, bins=_BINS, range=(0, 1), density=True, histtype="step", color=MODEL, lw=1.5)
    axes.set(xlim=(0, 1), xlabel="probability integral transform", ylabel="density")
    axes.set_ylim(0, max(2.0, 1.15 * high, 1.1 * axes.get_ylim()[1]))


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
        f"mean {round(z.mean(), 2) + 0.0:.2f}\nmean square {np.mean(z**2):.2f}",
        transform=axes.transAxes,
        va="top",
    )
    axes.legend(loc="upper right")
