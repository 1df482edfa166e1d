"""Maps of rows: coloured by labels, with the spectra of chosen points, for one embedder or many."""

from typing import TYPE_CHECKING, Any

import numpy as np

from equatorium.checks import matrix, same_length
from equatorium.errors import InputError
from equatorium.plots.style import BACKGROUND, PALETTE, SEQUENTIAL, blank, grid, styled

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from equatorium.embed.comparison import EmbedderComparison

_MOST_CLASSES = 10


@styled
def embedding_map(
    Z: Any,
    labels: Any = None,
    *,
    label: str = "",
    spectra: Any = None,
    wavelength: Any = None,
    select: Any = (),
    axes: tuple[str, str] = ("coordinate 1", "coordinate 2"),
    spectrum_axes: tuple[str, str] = ("wavelength", "flux"),
) -> "Figure":
    """Draw the first two coordinates of rows, and beside them the spectra of chosen ones.

    The points are one artist with a picker: in a notebook or window,
    ``figure.canvas.mpl_connect("pick_event", lambda event: print(event.ind))`` tells which row
    was clicked on.

    Parameters
    ----------
    Z : array_like, shape (n, k)
    labels : array_like, shape (n,), optional
        Classes (at most 10), or numbers.
    label : str
        What the labels are.
    spectra : array_like, shape (n, p), optional
    wavelength : array_like, shape (p,), optional
    select : sequence of int
        Rows whose spectra are drawn.
    axes, spectrum_axes : tuple of str
        Names of the axes, with units.

    Returns
    -------
    matplotlib.figure.Figure
    """
    Z = matrix(Z, "Z")
    chosen = [int(row) for row in select]
    same_length(Z=Z, labels=labels, spectra=spectra)
    if Z.shape[1] < 2 or any(not 0 <= row < len(Z) for row in chosen):
        raise InputError(f"A map needs two coordinates and rows from 0 to {len(Z) - 1}: {chosen}.")
    beside = bool(chosen) and spectra is not None
    figure = blank(9.5 if beside else 5.6, 4.6)
    panels = figure.subplots(1, 2 if beside else 1, squeeze=False)[0]
    _scatter(figure, panels[0], Z, labels, label, panels[:1])
    panels[0].set(xlabel=axes[0], ylabel=axes[1])
    for number, row in enumerate(chosen):
        colour = PALETTE[number % len(PALETTE)]
        ring = {"facecolors": "none", "edgecolors": colour, "s": 110, "linewidths": 2}
        panels[0].scatter(Z[row, 0], Z[row, 1], **ring)
    if beside:
        values = np.asarray(spectra, dtype=float)
        x = np.arange(values.shape[1]) if wavelength is None else np.asarray(wavelength)
        step = np.nanpercentile(np.ptp(values[chosen], axis=1), 50) if len(chosen) > 1 else 0.0
        for number, row in enumerate(chosen):
            colour = PALETTE[number % len(PALETTE)]
            panels[1].plot(x, values[row] - number * step, color=colour, lw=1, label=f"row {row}")
        panels[1].set(xlabel=spectrum_axes[0], ylabel=spectrum_axes[1])
        panels[1].legend(loc="lower left", bbox_to_anchor=(0.0, 1.0), ncols=4)
        if len(chosen) > 1:
            panels[1].set_ylabel(f"{spectrum_axes[1]}, shifted")
    return figure


@styled
def compared_embeddings(comparison: "EmbedderComparison", label: str = "") -> "Figure":
    """Draw the maps of all embedders of a comparison side by side.

    Parameters
    ----------
    comparison : EmbedderComparison
    label : str
        What the labels are, with their unit.

    Returns
    -------
    matplotlib.figure.Figure
    """
    shown = [score for score in comparison.scores if score.Z.shape[0] and score.Z.shape[1] >= 2]
    if not shown:
        raise InputError("No embedder of this comparison gave two coordinates.")
    rows, columns = grid(len(shown), 4)
    figure = blank(2.7 * columns + 0.6, 2.8 * rows)
    panels = figure.subplots(rows, columns, squeeze=False).ravel()
    for axis, score in zip(panels, shown, strict=False):
        first = axis is panels[0]
        whole = figure if first else None
        _scatter(whole, axis, score.Z, comparison.labels, label, panels, size=5)
        axis.set(xticks=[], yticks=[])
        numbers = {"trust": score.trustworthiness, "k-NN": score.accuracy}
        said = ", ".join(f"{k} {v:.2f}" for k, v in numbers.items() if np.isfinite(v))
        axis.set_title(f"{score.name}\n{said}", fontsize=9)
    for axis in panels[len(shown) :]:
        axis.set_axis_off()
    return figure


def _scatter(
    figure: "Figure | None",
    axis: Any,
    Z: Any,
    labels: Any,
    label: str,
    beside: Any,
    size: float = 12,
) -> None:
    how: dict[str, Any] = {"s": size, "linewidths": 0, "picker": True}
    if labels is None:
        axis.scatter(Z[:, 0], Z[:, 1], color=PALETTE[0], **how)
        return
    labels = np.asarray(labels)
    classes, code = np.unique(labels, return_inverse=True)
    if len(classes) > _MOST_CLASSES and labels.dtype.kind in "iuf":
        known = np.isfinite(labels)
        if not known.all():
            axis.scatter(*Z[~known, :2].T, color=BACKGROUND, **how)
        points = axis.scatter(*Z[known, :2].T, c=labels[known], cmap=SEQUENTIAL, **how)
        if figure is not None:
            figure.colorbar(points, ax=list(beside), label=label)
        return
    from matplotlib import colormaps

    colours = np.array(colormaps["tab10"].colors)[code % _MOST_CLASSES]  # type: ignore[attr-defined]
    axis.scatter(Z[:, 0], Z[:, 1], color=colours, **how)
    if figure is not None and len(classes) <= _MOST_CLASSES:
        from matplotlib.lines import Line2D

        tab = colormaps["tab10"].colors  # type: ignore[attr-defined]
        dots = [Line2D([], [], ls="", marker="o", color=tab[i]) for i in range(len(classes))]
        names = [str(name) for name in classes]
        figure.legend(dots, names, title=label or None, loc="outside right upper")
