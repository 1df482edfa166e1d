"""Figures of networks: how they learned, how easily they are misled, what they look at."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from equatorium.checks import matrix
from equatorium.errors import InputError, ShapeError
from equatorium.plots.style import BACKGROUND, MODEL, REFERENCE, blank, grid, styled

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_MOST = 12  # examples in one figure
_COLUMNS = 4  # panels in a row


@styled
def training_curves(model: Any) -> "Figure":
    """Draw the losses of a fitted network after every epoch, and the best one.

    A held-out loss that rises while the other falls is overfitting: the weights are those of the
    best epoch. Two that are still falling ask for more epochs.

    Parameters
    ----------
    model : Network
        A fitted one.

    Returns
    -------
    matplotlib.figure.Figure
    """
    from matplotlib.ticker import MaxNLocator

    history = model.history_
    figure = blank(6.2, 4.0)
    axes = figure.add_subplot()
    names = {"loss": ("examples learned from", BACKGROUND), "validation_loss": ("held out", MODEL)}
    for name, (label, color) in names.items():
        if name in history:
            losses = np.asarray(history[name])
            axes.plot(np.arange(1, len(losses) + 1), losses, color=color, label=label)
    if "validation_loss" in history:
        best = model.best_epoch()
        losses = np.asarray(history["validation_loss"])
        axes.plot(best + 1, losses[best], "o", color=REFERENCE, label=f"best, epoch {best + 1}")
    # The first epochs may be far above the rest, which is what one wants to see.
    shown = np.concatenate([np.asarray(v) for v in history.values()])
    low, high = shown.min(), np.quantile(shown, 0.98)
    room = 0.08 * max(high - low, 1e-12)
    axes.set_ylim(low - room, high + room)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set(xlabel="epoch", ylabel="loss per example, mean of the members")
    axes.legend()
    return figure


@styled
def attack_curves(found: Any) -> "Figure":
    """Draw a score against the size of changes: those against a network, and random ones.

    Parameters
    ----------
    found : equatorium_nets.adversarial.Sensitivity

    Returns
    -------
    matplotlib.figure.Figure
    """
    figure = blank(5.4, 4.0)
    axes = figure.add_subplot()
    order = np.argsort(found.epsilon)
    lines = (
        ("random signs", found.noisy, BACKGROUND, "s"),
        ("against the network", found.attacked, REFERENCE, "o"),
    )
    for label, scores, color, mark in lines:
        axes.plot(found.epsilon[order], scores[order], marker=mark, ms=5, color=color, label=label)
    axes.set_ylim(bottom=0, top=1.02 if found.score == "accuracy" else None)
    axes.set_xlim(left=-0.03 * found.epsilon.max())
    unit = " [units of y]" if found.score == "rms error" else ""
    axes.set(xlabel=f"size of the change [units of {found.unit}]", ylabel=f"{found.score}{unit}")
    axes.legend(loc="best")
    return figure


@styled
def saliency_map(
    X: Any,
    slopes: Any,
    shape: Sequence[int] | None = None,
    *,
    coordinate: Any = None,
    titles: Sequence[str] = (),
    axes_names: tuple[str, str] = ("input", "value"),
) -> "Figure":
    """Draw examples, and on what in them the answer hangs.

    Images lie beneath the slope of the answer with each pixel, in units of the largest: red raises
    it, blue lowers it. Spectra and lists of features are lines, with the slopes below; multiply
    these by the spread of each input first if the columns have other units.

    Parameters
    ----------
    X : array_like, shape (m, d)
        At most 12 examples.
    slopes : array_like, shape (m, d)
        Of the answer with every input, such as `equatorium_nets.saliency.saliency` gives.
    shape : sequence of int, optional
        Of one image, (channels, height, width).
    coordinate : array_like, shape (d,), optional
        Of the inputs, such as wavelengths.
    titles : sequence of str
        One an example.
    axes_names : tuple of str
        Of spectra and features, with units.

    Returns
    -------
    matplotlib.figure.Figure
    """
    X, slopes = matrix(X), matrix(slopes, "slopes")
    if slopes.shape != X.shape:
        raise ShapeError(f"slopes must have the shape of X, {X.shape}, not {slopes.shape}.")
    if len(X) > _MOST or (titles and len(titles) != len(X)):
        raise InputError(f"give at most {_MOST} examples, and a title for each or none.")
    if shape is None or len(shape) < 3:
        return _lines(X, slopes, coordinate, titles, axes_names)
    return _images(X.reshape(-1, *shape), slopes.reshape(-1, *shape), titles)


def _images(X: np.ndarray, slopes: np.ndarray, titles: Sequence[str]) -> "Figure":
    rows, columns = grid(len(X), _COLUMNS)
    figure = blank(2.1 * columns + 0.9, 2.2 * rows + 0.2)
    every = figure.subplots(rows, columns, squeeze=False)
    for axes in every.ravel():
        axes.set_axis_off()
    # Each in units of its largest slope: sure answers have slopes that are all small.
    panels = zip(every.ravel()[: len(X)], X, slopes, titles or [""] * len(X), strict=True)
    for axes, image, slope, title in panels:
        part = slope.sum(axis=0)
        part = part / (np.abs(part).max() or 1.0)
        axes.imshow(image.mean(axis=0), cmap="Greys", interpolation="nearest")
        drawn = axes.imshow(part, cmap="RdBu_r", vmin=-1, vmax=1, alpha=0.65)
        axes.set_title(title, fontsize=9)
    figure.colorbar(drawn, ax=every, label="slope of the answer, largest of the image 1")
    return figure


def _lines(
    X: np.ndarray,
    slopes: np.ndarray,
    coordinate: Any,
    titles: Sequence[str],
    names: tuple[str, str],
) -> "Figure":
    rows = len(X)
    figure = blank(7.0, 1.5 * rows + 0.8)
    every = figure.subplots(2 * rows, 1, sharex=True, height_ratios=[2, 1] * rows, squeeze=False)
    d = X.shape[1]
    where = np.arange(d) if coordinate is None else np.asarray(coordinate, dtype=float)
    most = np.abs(slopes).max() or 1.0
    for i in range(rows):
        upper, lower = every[2 * i, 0], every[2 * i + 1, 0]
        upper.plot(where, X[i], color=MODEL, lw=1, marker="o" if d <= 20 else "", ms=4)
        upper.set_title(titles[i] if titles else "", fontsize=9, loc="left")
        _stripes(lower, where, slopes[i], most)
    every[-1, 0].set_xlabel(names[0])
    every[0, 0].set_ylabel(names[1])
    every[1, 0].set_ylabel("slope")
    return figure


def _stripes(axes: "Axes", where: np.ndarray, slopes: np.ndarray, most: float) -> None:
    width = np.gradient(where) if len(where) > 1 else 1.0
    axes.bar(where, np.maximum(slopes, 0), width, color=REFERENCE, lw=0)
    axes.bar(where, np.minimum(slopes, 0), width, color=MODEL, lw=0)
    axes.axhline(0, color=BACKGROUND, lw=0.8)
    axes.set_ylim(-1.1 * most, 1.1 * most)
