"""How a posterior moves under other likelihoods, in units of its own width."""

from typing import TYPE_CHECKING, Any

import numpy as np

from equatorium.plots.labels import pretty
from equatorium.plots.style import BACKGROUND, PALETTE, blank, styled, warn_on

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from equatorium.inference.reweight import Reweighted
    from equatorium.inference.robustness import DiscrepancySensitivity


@styled
def posterior_shifts(moved: "DiscrepancySensitivity | Reweighted") -> "Figure":
    """Draw each parameter's mean and standard deviation after the change; grey is before it.

    What weights cannot tell is not drawn, and the legend says so.

    Parameters
    ----------
    moved : DiscrepancySensitivity or Reweighted

    Returns
    -------
    matplotlib.figure.Figure
    """
    cases = getattr(moved, "cases", None) or {getattr(moved, "title", ""): moved}
    names = moved.names
    figure = blank(6.5, 1.2 + 0.32 * len(names) + 0.22 * len(cases))
    axes = figure.add_subplot()
    axes.axvspan(-1, 1, color=BACKGROUND, alpha=0.3, lw=0)
    axes.axvline(0, color=BACKGROUND, lw=1)
    y = np.arange(len(names), dtype=float)
    for k, (label, case) in enumerate(cases.items()):
        style: dict[str, Any] = {
            "color": PALETTE[k % len(PALETTE)],
            "fmt": "o",
            "ms": 4,
            "elinewidth": 1.3,
        }
        off = y + 0.6 * ((k + 0.5) / len(cases) - 0.5)
        if case.reliable:
            axes.errorbar(case.shift, off, xerr=case.stretch, label=label, **style)
        else:
            axes.errorbar([], [], xerr=[], label=f"{label}: re-sample", **style)
    axes.set_yticks(y, [pretty(name) for name in names])
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.tick_params(axis="y", which="both", length=0)
    low, high = axes.get_xlim()
    axes.set_xlim(min(low, -1.5), max(high, 1.5))
    axes.set_xlabel("mean and standard deviation, in units of the posterior's own")
    figure.legend(loc="outside upper center", ncols=2)
    warn_on(figure, moved.notice)
    return figure
