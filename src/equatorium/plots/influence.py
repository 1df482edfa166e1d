"""Which data rule the posterior: the Pareto shape of leaving each of them out."""

from typing import TYPE_CHECKING

import numpy as np

from equatorium.inference.psis import largest_k
from equatorium.plots.style import BACKGROUND, MODEL, REFERENCE, blank, styled, warn_on

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from equatorium.inference.loo import LeaveOneOut

_MAX_NAMES = 60


@styled
def left_out_data(left_out: "LeaveOneOut") -> "Figure":
    """Draw, for each datum, the shape k of the weights that leave it out, and its log-density.

    Parameters
    ----------
    left_out : LeaveOneOut

    Returns
    -------
    matplotlib.figure.Figure
    """
    q = len(left_out.labels)
    figure = blank(min(max(4.5, 1.2 + 0.17 * q), 12.0), 4.8)
    upper, lower = figure.subplots(2, 1, sharex=True)
    x, limit = np.arange(q), largest_k(left_out.n)
    bad = ~(left_out.pareto_k <= limit)
    upper.axhline(limit, color=BACKGROUND, ls="--", lw=1)
    for axes, values in ((upper, left_out.pareto_k), (lower, left_out.pointwise)):
        axes.plot(x[~bad], values[~bad], "o", color=MODEL, ms=4)
        axes.plot(x[bad], values[bad], "s", color=REFERENCE, ms=5)
    upper.set_ylabel("Pareto k")
    lower.set_ylabel(r"log $p(y_i | y_{-i})$")
    if q <= _MAX_NAMES:
        lower.set_xticks(x, left_out.labels, rotation=90 if q > 6 else 0, fontsize=7)
    else:
        lower.set_xlabel("datum")
    warn_on(figure, left_out.notice)
    return figure
