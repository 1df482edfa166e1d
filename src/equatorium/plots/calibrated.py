"""Is a posterior calibrated? Ranks of known truths, and the coverage of regions around points."""

from typing import TYPE_CHECKING

import numpy as np

from equatorium.checks import FloatArray
from equatorium.inference.ranks import ecdf_band, ecdf_points
from equatorium.plots.style import BACKGROUND, MODEL, REFERENCE, blank, grid, styled

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from equatorium.inference.calibrated import Calibration

_LEVEL = 0.99


@styled
def rank_differences(calibration: "Calibration") -> "Figure":
    """Draw the distribution functions of the truths' ranks, less the uniform one.

    One panel for each judged quantity. Posteriors that are too narrow rise above the band on the
    left and fall below it on the right, too wide ones the other way; a bias is a hump to one side.
    Grey bands hold a whole function with a probability of 99 %.

    Parameters
    ----------
    calibration : Calibration

    Returns
    -------
    matplotlib.figure.Figure
    """
    quantities = calibration.quantities
    rows, columns = grid(len(quantities), 3)
    figure = blank(1.0 + 2.6 * columns, 0.8 + 2.1 * rows)
    panels = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False).ravel()
    low, high, points = *ecdf_band(calibration.n, _LEVEL), ecdf_points(calibration.n)
    for axes, (name, ranks) in zip(panels, quantities.items(), strict=False):
        axes.fill_between(points, low - points, high - points, color=BACKGROUND, alpha=0.35, lw=0)
        axes.axhline(0, color=REFERENCE, lw=1)
        _steps(axes, ranks, difference=True)
        axes.set_title(f"{name}\np = {calibration.p_values[name]:.2g}", fontsize=9)
        axes.set_xlim(0, 1)
    for axes in panels[len(quantities) :]:
        axes.set_axis_off()
    figure.supxlabel("rank of the truth among independent draws", fontsize=11)
    figure.supylabel("share below, minus uniform", fontsize=11)
    figure.suptitle(_title(calibration), fontsize=11)
    return figure


@styled
def expected_coverage(calibration: "Calibration") -> "Figure":
    """Draw how often regions of a nominal probability hold the truth (TARP).

    The regions are balls around points that depend on the data. Below the diagonal on the right
    and above it on the left, posteriors are too narrow. The grey band holds the whole curve with a
    probability of 99 %.

    Parameters
    ----------
    calibration : Calibration

    Returns
    -------
    matplotlib.figure.Figure

    References
    ----------
    Lemos et al. 2023, PMLR 202, 19256, doi:10.48550/arXiv.2302.03026
    """
    figure = blank(3.8, 3.8)
    axes = figure.add_subplot()
    low, high, points = *ecdf_band(calibration.n, _LEVEL), ecdf_points(calibration.n)
    axes.fill_between(points, low, high, color=BACKGROUND, alpha=0.35, lw=0)
    axes.plot([0, 1], [0, 1], color=REFERENCE, lw=1)
    _steps(axes, calibration.coverage)
    axes.set(xlim=(0, 1), ylim=(0, 1), xlabel="nominal probability of the region")
    axes.set_ylabel("share of truths inside")
    axes.text(0.05, 0.92, f"p = {calibration.coverage_p:.2g}", transform=axes.transAxes)
    axes.set_title(_title(calibration))
    return figure


def _steps(axes: "Axes", ranks: FloatArray, difference: bool = False) -> None:
    x = np.concatenate([[0.0], np.sort(ranks), [1.0]])
    y = np.concatenate([np.arange(len(ranks) + 1) / len(ranks), [1.0]])
    if not difference:
        axes.step(x, y, where="post", color=MODEL)
        return
    # Between ranks the difference falls: each step has two ends.
    x, y = np.repeat(x, 2)[1:], np.repeat(y, 2)[:-1]
    axes.plot(x, y - x, color=MODEL)


def _title(calibration: "Calibration") -> str:
    verdict = "calibrated" if calibration.passed else "NOT calibrated"
    return f"{calibration.n} replicates: {verdict}"
