"""Is the model as far from the data as its errors say? Chi-squared, and each datum."""

from typing import TYPE_CHECKING

import numpy as np
from scipy import stats

from equatorium.plots.style import BACKGROUND, DATA, MODEL, blank, styled, warn_on

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from equatorium.inference.goodness import GoodnessOfFit


@styled
def chi_squared(fit: "GoodnessOfFit") -> "Figure":
    """Draw the data's chi-squared over the posterior beside that of data measured anew.

    Parameters
    ----------
    fit : GoodnessOfFit

    Returns
    -------
    matplotlib.figure.Figure
    """
    figure = blank(5.0, 3.7)
    axes = figure.add_subplot()
    reference = stats.chi2(fit.q)
    high = max(float(reference.ppf(0.9999)), 1.05 * float(fit.chi2.max()))
    low = min(float(reference.ppf(1e-4)), 0.95 * float(fit.chi2.min()))
    x = np.linspace(low, high, 400)
    label = f"data measured anew ({fit.q} degrees of freedom)"
    axes.fill_between(x, reference.pdf(x), color=BACKGROUND, alpha=0.5, lw=0, label=label)
    axes.hist(
        fit.chi2, 40, density=True, histtype="step", color=MODEL, lw=1.5, label="the observed data"
    )
    axes.set(xlim=(low, high), xlabel="chi-squared over the posterior", ylabel="density")
    axes.set_ylim(bottom=0)
    axes.text(
        0.97,
        0.95,
        f"p = {fit.p_value:.2g}",
        ha="right",
        va="top",
        transform=axes.transAxes,
        color=DATA,
    )
    figure.legend(loc="outside upper center", ncols=2)
    warn_on(figure, fit.notice)
    return figure
