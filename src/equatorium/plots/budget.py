"""Whose error it is: shares of each datum's variance."""

from typing import TYPE_CHECKING

import numpy as np

from equatorium.plots.style import PALETTE, blank, styled, warn_on

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from equatorium.inference.budget import ErrorBudget

_MAX_NAMES = 60


@styled
def error_shares(budget: "ErrorBudget") -> "Figure":
    """Draw each error's share of each datum's variance, stacked to one; the emulator is below.

    Parameters
    ----------
    budget : ErrorBudget

    Returns
    -------
    matplotlib.figure.Figure
    """
    q = len(budget.labels)
    figure = blank(min(max(4.5, 1.2 + 0.17 * q), 12.0), 3.9)
    axes = figure.add_subplot()
    x, bottom = np.arange(q), np.zeros(q)
    for k, (name, share) in enumerate(budget.shares.items()):
        label = f"{name} ({budget.overall[name]:.0%} of all)"
        axes.bar(x, share, 0.85, bottom, color=PALETTE[k % len(PALETTE)], label=label)
        bottom = bottom + share
    axes.set(xlim=(-0.6, q - 0.4), ylim=(0, 1), ylabel="share of the variance")
    axes.tick_params(axis="x", which="both", top=False, bottom=False)
    if q <= _MAX_NAMES:
        axes.set_xticks(x, budget.labels, rotation=90 if q > 6 else 0, fontsize=7)
    else:
        axes.set_xlabel("datum")
    figure.legend(loc="outside upper center", ncols=2)
    warn_on(figure, budget.notice)
    return figure
