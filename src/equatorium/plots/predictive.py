"""What the posterior predicts, over the data: functions of a coordinate, one panel per group."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from equatorium.checks import FloatArray, matrix, vector
from equatorium.errors import InputError
from equatorium.plots.labels import pretty, pretty_unit, quantity
from equatorium.plots.style import BACKGROUND, DATA, MODEL, blank, grid, styled, warn_on

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from equatorium.inference.predicted import Predictive
    from equatorium.records.observation import Observation
    from equatorium.records.outputs import Outputs

_MAX_LINES = 200
_MAX_NAMES = 40


@styled
def predictive_functions(
    observation: "Observation",
    samples: FloatArray,
    *,
    outputs: "Outputs | None" = None,
    background: FloatArray | None = None,
    coordinate: str | None = None,
    by: str | None = None,
    errors: FloatArray | None = None,
    samples_label: str = "posterior prediction",
    background_label: str = "runs over the prior",
    notice: str = "",
) -> "Figure":
    """Draw predictions (median, 68 and 95 % bands) over the data with their errors.

    Parameters
    ----------
    observation : Observation
        The data, (q,).
    samples : array_like (s, q) or (s, p)
        Draws of the prediction at the data, or at ``outputs`` if they are given.
    outputs : Outputs, optional
        What the columns of ``samples`` and ``background`` are, where not the data.
    background : array_like (b, q) or (b, p), optional
        Faint lines behind, such as the runs of the first wave; at most 200 are drawn.
    coordinate, by : str, optional
        The coordinate along x, and the one that tells the panels apart; by default those with the
        most and, of the others, the fewest values.
    errors : array_like (q,), optional
        Total standard errors, discrepancy included, drawn as thin bars outside the data's own.
    samples_label, background_label : str
        For the legend.
    notice : str
        What the figure must say, such as the ``notice`` of draws that have not converged.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    InputError
        When the columns do not fit, or a coordinate is unknown.
    """
    points: Observation | Outputs = observation if outputs is None else outputs
    count = observation.q if outputs is None else outputs.p
    samples = matrix(samples, "samples", count)
    lines = None if background is None else matrix(background, "background", count, allow_nan=True)
    total = None if errors is None else vector(errors, "errors", observation.q)
    coordinate, by = _roles(observation.coords, coordinate, by)
    groups = [None] if by is None else list(np.unique(observation.coords[by]))
    rows, columns = grid(len(groups), 4)
    figure = blank(max(2.75 * columns, 4.0), 3.3 * rows + 0.4)
    panels = figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=True)
    for axes, group in zip(panels.ravel(), groups, strict=False):
        _prediction(
            axes, points, coordinate, by, group, samples, lines, (samples_label, background_label)
        )
        _data(axes, observation, coordinate, by, group, total)
        if by is not None:
            unit = observation.units.get(by, "")
            axes.set_title(f"{pretty(by)} = {group:g} {pretty_unit(unit)}".strip())
    for axes in panels.ravel()[len(groups) :]:
        axes.remove()
    if coordinate is None and observation.names is not None and observation.q <= _MAX_NAMES:
        turned = 90 if observation.q > 6 else 0
        panels[0, 0].set_xticks(range(observation.q), observation.names, rotation=turned)
    figure.supylabel(quantity(observation.label or "value", observation.unit), fontsize=11)
    unit = "" if coordinate is None else observation.units.get(coordinate, "")
    figure.supxlabel(quantity(coordinate or "datum", unit), fontsize=11)
    panels[0, 0].set_ylim(_limits(observation, total, samples))
    handles, labels = panels[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=len(labels))
    warn_on(figure, notice)
    return figure


def predicted_data(predicted: "Predictive", **options: Any) -> "Figure":
    """Draw what prior or posterior predict for data measured anew, over the observed data.

    Parameters
    ----------
    predicted : Predictive
    **options
        Of `predictive_functions`.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    InputError
        If it is no prediction, as the dictionary of a joint likelihood's is not.
    """
    from equatorium.inference.predicted import Predictive

    if not isinstance(predicted, Predictive):
        raise InputError(
            "predicted_data draws one Predictive, such as one part of a joint likelihood's, but it "
            f"is given {predicted!r:.80}."
        )
    told = {"samples_label": f"{predicted.kind} predictive", "notice": predicted.notice}
    return predictive_functions(predicted.observation, predicted.replicated, **{**told, **options})


def _limits(
    observation: "Observation", total: FloatArray | None, samples: FloatArray
) -> tuple[float, float]:
    """Return limits that show data and predictions, and leave wild background lines outside."""
    error = observation.errors if total is None else total
    low, high = np.quantile(samples, [0.025, 0.975], axis=0)
    bottom = min(low.min(), (observation.values - error).min())
    top = max(high.max(), (observation.values + error).max())
    return bottom - 0.15 * (top - bottom), top + 0.15 * (top - bottom)


def _roles(
    coords: Mapping[str, FloatArray], coordinate: str | None, by: str | None
) -> tuple[str | None, str | None]:
    for name in (coordinate, by):
        if name is not None and name not in coords:
            raise InputError(f"the data have no coordinate {name!r}; they have {sorted(coords)}")
    most_first = sorted(coords, key=lambda name: -np.unique(coords[name]).size)
    if coordinate is None:
        coordinate = next((name for name in most_first if name != by), None)
    if by is None:
        by = next((name for name in reversed(most_first) if name != coordinate), None)
    return coordinate, by


def _members(
    points: Any, coordinate: str | None, by: str | None, group: float | None
) -> tuple[np.ndarray, FloatArray]:
    """Return the indices of a group's points, in order of x, and their x."""
    size = points.p if hasattr(points, "p") else points.q
    keep = np.ones(size, bool)
    if by is not None and group is not None:
        keep = np.isclose(points.coords[by], group)
    x = np.arange(size, dtype=float) if coordinate is None else points.coords[coordinate]
    where = np.flatnonzero(keep)
    where = where[np.argsort(x[where], kind="stable")]
    return where, x[where]


def _prediction(
    axes: "Axes",
    points: "Observation | Outputs",
    coordinate: str | None,
    by: str | None,
    group: float | None,
    samples: FloatArray,
    background: FloatArray | None,
    labels: tuple[str, str],
) -> None:
    where, x = _members(points, coordinate, by, group)
    if background is not None:
        lines = background[:: -(-len(background) // _MAX_LINES), where]
        drawn = axes.plot(x, lines.T, color=BACKGROUND, lw=0.5, alpha=0.35, zorder=1)
        drawn[0].set_label(labels[1])
    low95, low, middle, high, high95 = np.quantile(
        samples[:, where], [0.025, 0.16, 0.5, 0.84, 0.975], axis=0
    )
    axes.fill_between(x, low95, high95, color=MODEL, alpha=0.22, lw=0, zorder=2)
    axes.fill_between(x, low, high, color=MODEL, alpha=0.45, lw=0, zorder=3)
    axes.plot(x, middle, color=MODEL, zorder=4, label=f"{labels[0]} (median, 68, 95 %)")


def _data(
    axes: "Axes",
    observation: "Observation",
    coordinate: str | None,
    by: str | None,
    group: float | None,
    total: FloatArray | None,
) -> None:
    where, x = _members(observation, coordinate, by, group)
    y, error = observation.values[where], observation.errors[where]
    if total is not None:
        label = "with discrepancy"
        axes.errorbar(
            x,
            y,
            total[where],
            fmt="none",
            ecolor=DATA,
            elinewidth=0.6,
            capsize=2,
            zorder=5,
            label=label,
        )
    limit = np.zeros(observation.q) if observation.limit is None else np.array(observation.limit)
    axes.errorbar(
        x,
        y,
        error,
        uplims=limit[where] < 0,
        lolims=limit[where] > 0,
        fmt="o",
        ms=4,
        color=DATA,
        elinewidth=1.4,
        zorder=6,
        label="data",
        mfc="white",
    )
