"""Emulated against simulated outputs: points on the diagonal, within their error bars, or not."""

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from equatorium.errors import InputError
from equatorium.plots.labels import pretty, pretty_unit, quantity
from equatorium.plots.style import REFERENCE, SEQUENTIAL, blank, grid, styled

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from equatorium.checks import FloatArray
    from equatorium.emulate.validate import Report
    from equatorium.records.outputs import Outputs


class _Panel(NamedTuple):
    title: str
    columns: np.ndarray


@styled
def emulated_vs_simulated(
    report: "Report",
    outputs: "Outputs | None" = None,
    *,
    by: str | None = None,
    colour: str | None = None,
    max_panels: int = 12,
) -> "Figure":
    """Draw held-out truths against emulated means with 1-sigma bars, residuals below.

    Parameters
    ----------
    report : Report
        ``truth``, ``mean`` and total predictive ``std``, each (n, p).
    outputs : Outputs, optional
        The report's outputs. With coordinates, there is one panel for each value of one coordinate;
        without, one for each output.
    by : str, optional
        The coordinate that tells the panels apart; by default the one with the fewest values.
    colour : str, optional
        The coordinate that colours the points; by default another one.
    max_panels : int
        With more panels than this, those of largest error are drawn, and the title says so.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    InputError
        When the outputs are not those of the report, or a coordinate is unknown.
    """
    if outputs is not None and tuple(outputs.names) != tuple(report.names):
        raise InputError("the outputs given are not the outputs of the report, in its order")
    by, colour = _roles(outputs, by, colour)
    panels = _panels(report, outputs, by)
    total = len(panels)
    if total > max_panels:
        error = [_rmse(report, panel.columns) for panel in panels]
        panels = [panels[i] for i in np.sort(np.argsort(error)[-max_panels:])]
    rows, columns = grid(len(panels), 4)
    figure = blank(max(2.7 * columns + 0.9 * (colour is not None), 3.6), 3.5 * rows + 0.3)
    cells = figure.subplots(
        2 * rows, columns, squeeze=False, sharex=False, height_ratios=[3.2, 1.2] * rows
    )
    shade = None if colour is None or outputs is None else outputs.coords[colour]
    mapped: Any = None
    for i, panel in enumerate(panels):
        row, column = divmod(i, columns)
        above, below = cells[2 * row, column], cells[2 * row + 1, column]
        mapped = _draw(above, below, report, panel, shade)
        if column == 0:
            above.set_ylabel("emulated")
            below.set_ylabel("difference")
    for i in range(len(panels), rows * columns):
        for cell in cells[2 * (i // columns) : 2 * (i // columns) + 2, i % columns]:
            cell.remove()
    figure.align_ylabels(cells[: 2 * rows, 0])
    label, unit = ("", "") if outputs is None else (outputs.label, outputs.unit)
    figure.supxlabel(f"simulated {quantity(label, unit)}".strip(), fontsize=11)
    if total > max_panels:
        figure.suptitle(f"the {max_panels} of {total} with the largest error", fontsize=11)
    if shade is not None and outputs is not None and colour is not None:
        bar = figure.colorbar(mapped, ax=cells.ravel().tolist(), pad=0.01, aspect=40)
        bar.set_label(quantity(colour, outputs.units.get(colour, "")))
    return figure


def _roles(
    outputs: "Outputs | None", by: str | None, colour: str | None
) -> tuple[str | None, str | None]:
    """Return the coordinates that tell panels apart and that colour the points."""
    coords: Any = {} if outputs is None else outputs.coords
    for name in (by, colour):
        if name is not None and name not in coords:
            raise InputError(f"there is no coordinate {name!r} among {sorted(coords)}")
    few_first = sorted(coords, key=lambda name: np.unique(coords[name]).size)
    if by is None and len(few_first) > 1:
        by = next(name for name in few_first if name != colour)
    if colour is None:
        colour = next((name for name in reversed(few_first) if name != by), None)
    return by, colour


def _panels(report: "Report", outputs: "Outputs | None", by: str | None) -> list[_Panel]:
    if outputs is not None and by is not None:
        where, unit = outputs.coords[by], outputs.units.get(by, "")
        return [
            _Panel(
                f"{pretty(by)} = {value:g} {pretty_unit(unit)}".strip(),
                np.flatnonzero(where == value),
            )
            for value in np.unique(where)
        ]
    if outputs is not None and outputs.coords:
        return [_Panel("", np.arange(outputs.p))]
    return [_Panel(pretty(name), np.array([j])) for j, name in enumerate(report.names)]


def _rmse(report: "Report", columns: np.ndarray) -> float:
    return float(np.sqrt(np.mean((report.mean - report.truth)[:, columns] ** 2)))


def _draw(
    above: Any, below: Any, report: "Report", panel: _Panel, shade: "FloatArray | None"
) -> Any:
    from matplotlib import colormaps
    from matplotlib.colors import Normalize

    truth, mean, std = (
        getattr(report, name)[:, panel.columns].ravel() for name in ("truth", "mean", "std")
    )
    if shade is None:
        hues: Any = np.full(truth.size, 0.25)
        scale = Normalize(0, 1)
    else:
        hues = np.tile(shade[panel.columns], len(report.truth))
        scale = Normalize(shade.min(), shade.max())
    colours = colormaps[SEQUENTIAL](scale(hues))
    edges = np.array([min(truth.min(), mean.min()), max(truth.max(), mean.max())])
    edges += np.array([-0.04, 0.04]) * max(np.ptp(edges), 1e-12)
    for axes, centre in ((above, mean), (below, mean - truth)):
        axes.vlines(truth, centre - std, centre + std, colors=colours, lw=0.7, alpha=0.45)
        points = axes.scatter(truth, centre, c=hues, cmap=SEQUENTIAL, norm=scale, s=7, lw=0)
        axes.set_xlim(edges)
    above.set_ylim(edges)
    above.plot(edges, edges, color=REFERENCE, lw=1.2, zorder=3)
    below.axhline(0, color=REFERENCE, lw=1.2, zorder=3)
    stated = np.nan_to_num(std)  # an emulator may state no variance: then there are no bars
    reach = max(1.15 * float(np.quantile(np.abs(mean - truth) + stated, 0.995)), 1e-12)
    below.set_ylim(-reach, reach)
    above.set_title(panel.title)
    above.tick_params(labelbottom=False)
    note = f"RMSE {_rmse(report, panel.columns):.3g}"
    if not np.isnan(std).any():
        inside = np.mean(np.abs(truth - mean) <= 1.96 * std)
        note += f"\n95 % interval holds {100 * inside:.0f} %"
    above.text(0.04, 0.96, note, transform=above.transAxes, va="top", fontsize=8.5)
    return points
