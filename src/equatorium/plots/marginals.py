"""The posterior's draws: marginals of one and two parameters, and the chains they come from."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from equatorium.checks import FloatArray, vector
from equatorium.errors import InputError
from equatorium.plots.labels import chosen, on_axes, parameter_labels, pretty
from equatorium.plots.style import (
    BACKGROUND,
    MODEL,
    PALETTE,
    REFERENCE,
    WARNING,
    blank,
    inner_ticks,
    styled,
    warn_on,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from equatorium.inference.draws import Draws
    from equatorium.records.space import Space

_MAX_POINTS = 50_000
_PANEL, _MARGIN, _ABOVE = 1.55, 0.85, 0.4  # inches


@styled
def corner(
    draws: "Draws",
    names: Sequence[str] | None = None,
    *,
    truths: FloatArray | Sequence[float] | None = None,
    prior: "Space | Literal[False] | None" = None,
    max_parameters: int = 8,
) -> "Figure":
    """Draw the posterior's marginals of one and two parameters, with 68 and 95 % contours.

    Draws that have not converged say so.

    Parameters
    ----------
    draws : Draws
        Its ``names`` (d,) and flat sample (s, d).
    names : sequence of str, optional
        Which to show; by default those whose spread has shrunk most from the prior's.
    truths : array_like (d,), optional
        Values to mark, in the order of ``draws.names``.
    prior : Space or False, optional
        Whose prior densities are drawn in the panels of one parameter (dashed), by default those of
        ``draws.space``; False for none. The space also gives labels, units and scales.
    max_parameters : int
        How many to choose.

    Returns
    -------
    matplotlib.figure.Figure

    References
    ----------
    Foreman-Mackey 2016, JOSS 1, 24, doi:10.21105/joss.00024 (the corner package).
    """
    from corner import corner as draw_corner

    space = draws.space if prior is None or prior is False else prior
    flat = draws.flat[:: -(-len(draws.flat) // _MAX_POINTS)]
    names = chosen(names, draws.names, _constrained(draws), max_parameters)
    values, labels = _columns(flat, draws.names, space, names)
    marks = None
    if truths is not None:
        truth = vector(truths, "truths", len(draws.names))[None]
        marks = _columns(truth, draws.names, space, names)[0][0]
    k = len(names)
    size = _PANEL * k + _MARGIN + _ABOVE
    figure = blank(size, size, layout=None)
    draw_corner(
        values,
        fig=figure,
        labels=labels,
        color=MODEL,
        levels=(0.68, 0.95),
        quantiles=(0.16, 0.5, 0.84),
        smooth=1.0,
        bins=25,
        max_n_ticks=3,
        plot_datapoints=False,
        fill_contours=True,
        hist_kwargs={"density": True},
        range=_ranges(values, marks, None if space is None else _box(space, names)),
        label_kwargs={"fontsize": 12},
    )
    _arrange(figure, size, k)
    if prior is not False and space is not None:
        _prior_lines(figure, space, names)
    if marks is not None:
        _mark(figure, marks)
    handles, texts = figure.axes[0].get_legend_handles_labels()
    if handles:
        figure.legend(handles, texts, loc="upper right", ncols=2, fontsize=11 if k > 1 else 8)
    # The legend is on the right.
    style: Any = {"color": WARNING, "fontsize": 11 if k > 1 else 8, "fontweight": "bold"}
    figure.text(0.02, 1 - 0.1 / size, draws.notice, ha="left", va="top", **style)
    return figure


@styled
def trace(
    draws: "Draws", names: Sequence[str] | None = None, *, max_parameters: int = 8
) -> "Figure":
    """Draw each ensemble's median and 68 % band over its steps, one panel per parameter.

    Ensembles that started apart and now overlap, without drift, are what convergence looks like.

    Parameters
    ----------
    draws : Draws
        ``samples`` (ensemble, step, walker, d).
    names : sequence of str, optional
        Which to show; by default those whose spread has shrunk most from the prior's.
    max_parameters : int
        How many to choose.

    Returns
    -------
    matplotlib.figure.Figure
    """
    ensembles, steps, walkers, d = draws.samples.shape
    space = draws.space
    names = chosen(names, draws.names, _constrained(draws), max_parameters)
    flat = draws.samples.reshape(-1, d)
    values, labels = _columns(flat, draws.names, space, names)
    values = values.reshape(ensembles, steps, walkers, len(names))
    figure = blank(8.0, 1.25 * len(names) + 0.7)
    panels = figure.subplots(len(names), 1, squeeze=False, sharex=True)[:, 0]
    step = np.arange(steps)
    for axes, column, label in zip(panels, np.moveaxis(values, -1, 0), labels, strict=True):
        for e, chain in enumerate(column):
            low, middle, high = np.quantile(chain, [0.16, 0.5, 0.84], axis=1)
            colour = PALETTE[e % len(PALETTE)]
            axes.fill_between(step, low, high, color=colour, alpha=0.15, lw=0)
            axes.plot(step, middle, color=colour, lw=1, label=f"ensemble {e + 1}")
        axes.set_ylabel(label.replace(" [", "\n["), fontsize=9)
        axes.margins(x=0)
    panels[-1].set_xlabel("step kept")
    handles, texts = panels[0].get_legend_handles_labels()
    figure.legend(handles, texts, loc="outside upper center", ncols=min(len(texts), 6))
    figure.align_ylabels(panels)
    warn_on(figure, draws.notice)
    return figure


def _constrained(draws: "Draws") -> FloatArray:
    """Return how much narrower each posterior is than its prior; zeros where no prior is known."""
    return np.zeros(draws.d) if draws.space is None else 1 - draws.shrinkage


def _columns(
    theta: FloatArray, known: Sequence[str], space: "Space | None", names: Sequence[str]
) -> tuple[FloatArray, list[str]]:
    if space is None:
        return theta[:, [list(known).index(name) for name in names]], [pretty(n) for n in names]
    if tuple(known) != tuple(space.names):
        raise InputError(f"the draws are of {list(known)}, the space has {list(space.names)}")
    return on_axes(space, theta, names), parameter_labels(space, names)


def _box(space: "Space", names: Sequence[str]) -> FloatArray:
    """Return the edges (2, k) of the box on the axes."""
    return on_axes(space, np.stack([space.low, space.high]), names)


def _ranges(
    values: FloatArray, marks: FloatArray | None, box: FloatArray | None
) -> list[tuple[float, float]]:
    """Return the range of each axis: nearly all draws, and the values to mark, within the box."""
    low, high = np.quantile(values, [0.002, 0.998], axis=0)
    if marks is not None:
        low, high = np.minimum(low, marks), np.maximum(high, marks)
    pad = np.maximum(0.04 * (high - low), 1e-9 * np.maximum(np.abs(high), 1.0))
    low, high = low - pad, high + pad
    if box is not None:
        low, high = np.maximum(low, box[0]), np.minimum(high, box[1])
    return list(zip(low.tolist(), high.tolist(), strict=True))


def _arrange(figure: "Figure", size: float, k: int) -> None:
    """Keep tick labels off the corners, where those of two panels meet, and axis labels in view."""
    edge = _MARGIN / size
    figure.subplots_adjust(
        edge, edge, 1 - 0.5 * _ABOVE / size, 1 - _ABOVE / size, wspace=0.06, hspace=0.06
    )
    for i, j in np.ndindex(k, k):
        axes: Any = figure.axes[i * k + j]
        if j > i:
            continue
        inner_ticks(axes.xaxis, axes.get_xlim())
        if j < i:
            inner_ticks(axes.yaxis, axes.get_ylim())
        # Fixed distances, so that the labels of all panels are in line.
        axes.tick_params(labelrotation=0)
        axes.xaxis.set_label_coords(0.5, -0.42 / _PANEL)
        axes.yaxis.set_label_coords(-0.62 / _PANEL, 0.5)


def _mark(figure: "Figure", marks: FloatArray) -> None:
    """Mark one value of each parameter in all panels."""
    k = marks.size
    for i, j in zip(*np.tril_indices(k), strict=True):
        axes = figure.axes[i * k + j]
        axes.axvline(marks[j], color=REFERENCE, lw=1.2, label="marked value" if i == 0 else None)
        if j < i:
            axes.axhline(marks[i], color=REFERENCE, lw=1.2)
            axes.plot(marks[j], marks[i], "s", color=REFERENCE, ms=5)


def _prior_lines(figure: "Figure", space: "Space", names: Sequence[str]) -> None:
    """Add the prior's density over each diagonal panel, and make room for it."""
    k = len(names)
    for i, name in enumerate(names):
        axes: Any = figure.axes[i * (k + 1)]
        x, density = _prior_line(space, name)
        limits = axes.get_xlim()
        axes.plot(x, density, color=BACKGROUND, ls="--", lw=1.3, label="prior")
        axes.set_xlim(limits)
        seen = density[(x > limits[0]) & (x < limits[1])].max(initial=0.0)
        axes.set_ylim(0, max(axes.get_ylim()[1], 1.1 * seen))


def _prior_line(space: "Space", name: str) -> tuple[FloatArray, FloatArray]:
    """Return places on the axis of a parameter, and its prior's density there."""
    j, ends = space.index(name), _box(space, [name])[:, 0]
    if space.conditional:
        own = on_axes(space, space.sample(100_000, 0), [name])[:, 0]
        density, edges = np.histogram(own, 60, (ends[0], ends[1]), density=True)
        return (edges[1:] + edges[:-1]) / 2, np.asarray(density)
    x = np.linspace(ends[0], ends[1], 401)[1:-1]
    points = np.tile(space.defaults, (x.size, 1))
    log = space.parameters[j].scale == "log"
    points[:, j] = 10.0**x if log else x
    # Only the shape along this line matters; d theta = theta ln 10 d(log10 theta).
    logarithm = space.log_prior(points) + (x * np.log(10.0) if log else 0.0)
    density = np.exp(logarithm - logarithm.max())
    return x, density / np.trapezoid(density, x)
