"""How much of the prior is left after each wave of history matching."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from equatorium.checks import FloatArray, vector
from equatorium.errors import InputError
from equatorium.plots.style import MODEL, blank, styled

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@styled
def volumes(
    fractions: FloatArray | Sequence[float],
    errors: FloatArray | Sequence[float] | None = None,
    *,
    labels: Sequence[str] | None = None,
) -> "Figure":
    """Draw the share of the prior volume that each wave leaves, on a logarithmic axis.

    Parameters
    ----------
    fractions : array_like (w,)
        Share of the prior that is not ruled out after each wave, in (0, 1].
    errors : array_like (w,), optional
        Standard errors of the shares.
    labels : sequence of str, optional
        Names of the waves; by default their numbers.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    InputError
        When a share is not positive.

    Examples
    --------
    >>> figure = volumes([0.1, 0.01], [0.01, 0.002])
    >>> figure.axes[0].get_yscale()
    'log'
    """
    share = vector(fractions, "fractions")
    error = np.zeros(share.size) if errors is None else vector(errors, "errors", share.size)
    if share.size == 0 or not np.all(share > 0):
        raise InputError(f"fractions must be positive to be drawn on a log axis, but are {share}")
    figure = blank(1.8 + 0.9 * (share.size + 1), 3.6)
    axes = figure.add_subplot()
    wave = np.arange(share.size + 1)
    path = np.concatenate([[1.0], share])
    axes.plot(wave, path, color=MODEL, lw=1, zorder=1)
    # A bar that reaches zero would leave a log axis.
    below = np.minimum(error, 0.9 * share)
    axes.errorbar(wave[1:], share, [below, error], fmt="o", color=MODEL, capsize=3, ms=6)
    axes.plot(0, 1, "o", color=MODEL, mfc="white", ms=6)
    for k, value in enumerate(share, 1):
        axes.annotate(
            f"{value:.2g}", (k, value), (7, 4), textcoords="offset points", ha="left", va="bottom"
        )
    axes.set_yscale("log")
    axes.set_ylim(path.min() / 3, 3)
    axes.set_xlim(-0.3, share.size + 0.6)
    axes.set_xticks(wave, ["prior", *(labels or map(str, wave[1:]))])
    axes.tick_params(axis="x", which="both", top=False)
    axes.set_xlabel("wave")
    axes.set_ylabel("share of the prior volume left")
    return figure
