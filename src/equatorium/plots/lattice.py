"""The region that history matching leaves, in projections: least implausibility, optical depth."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import stats

from equatorium.checks import FloatArray, Rng, generator, matrix, vector
from equatorium.errors import InputError
from equatorium.plots.labels import chosen, on_axes, parameter_labels
from equatorium.plots.style import MODEL, blank, inner_ticks, styled

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from equatorium.history.region import Region
    from equatorium.records.space import Space

_LEVEL_MAP, _DEPTH_MAP, _UNSEEN = "viridis_r", "magma", "#E4E4E4"


@styled
def implausibility_map(
    region: "Region",
    parameters: Sequence[str] | None = None,
    *,
    theta: FloatArray | None = None,
    level: FloatArray | None = None,
    particles: FloatArray | None = None,
    volume: float | None = None,
    max_parameters: int = 5,
    bins: int = 16,
    n: int = 20_000,
    rng: Rng = 0,
) -> "Figure":
    """Draw the region over pairs of parameters.

    Below the diagonal: the least implausibility, relative to the cut-off, that any setting of the
    other parameters reaches (black line: 1, the region's edge). Above: the optical depth, the
    share of the settings of the other parameters that are not ruled out, by prior probability
    (logarithmic; grey where no point was found). On the diagonal: the region's distribution over
    each parameter. All are over the box of the scaled parameters, log10 for a log scale.

    Parameters
    ----------
    region : Region
        Its ``space``, and ``level(theta)``: implausibility over cut-off, highest of all waves.
    parameters : sequence of str, optional
        Which to show; by default those over which the region is least uniform.
    theta, level : array_like (n, d), (n,), optional
        Points drawn from the prior, and their levels; by default n points of a Latin hypercube.
    particles : array_like (m, d), optional
        Points of the region, distributed as the prior inside it (`Region.sample`). The optical
        depth then comes from them, which resolves regions that draws of the prior would miss.
    volume : float, optional
        The region's share of the prior, needed with ``particles``, whose depth it scales.
    max_parameters, bins, n : int
        How many parameters to choose, bins along an axis, points to draw.
    rng : int, Generator or None
        For the points that are drawn.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    InputError
        For unknown or fewer than two parameters, when nothing of the region was found, or for
        particles without a volume.
    """
    space = region.space
    if theta is None:
        draw = stats.qmc.LatinHypercube(space.d, rng=generator(rng))
        theta = space.from_cube(draw.random(n))
    theta = matrix(theta, "theta", space.d)
    level = region.level(theta) if level is None else vector(level, "level", len(theta))
    if particles is None:
        inside, share = theta[level <= 1], float(np.mean(level <= 1))
    elif volume is None or not 0 < volume <= 1:
        raise InputError(f"particles come with the region's volume, in (0, 1], not {volume}")
    else:
        share = float(volume)
        inside = matrix(particles, "particles", space.d)
        theta = np.concatenate([theta, inside])
        level = np.concatenate([level, region.level(inside)])
    if len(inside) == 0:
        raise InputError(
            f"none of {len(theta)} points lies in the region: pass particles, from region.sample"
        )
    names = chosen(parameters, space.names, _unevenness(space.to_cube(inside)), max_parameters)
    if len(names) < 2:
        raise InputError(f"a map needs at least two parameters, but it was given {names}")
    where = [space.index(name) for name in names]
    edges = space.from_unit(np.tile(np.linspace(0, 1, bins + 1)[:, None], space.d))
    maps = _Maps(
        on_axes(space, theta, names),
        level,
        on_axes(space, inside, names),
        on_axes(space, edges, names),
        _prior_masses(space, edges)[:, where],
        share,
    )
    return _lattice(maps, parameter_labels(space, names))


def _prior_masses(space: "Space", edges: FloatArray) -> FloatArray:
    """Return the prior probability (bins, d) of each parameter between edges (bins + 1, d)."""
    if not space.conditional:
        return np.diff(space.to_cube(edges), axis=0)
    draws = space.sample(100_000, 0)
    counts = [np.histogram(x, e)[0] for x, e in zip(draws.T, edges.T, strict=True)]
    # A bin that no draw met has no share to divide by.
    return np.asarray(np.maximum(np.stack(counts, axis=1), 1) / len(draws))


def _unevenness(cube: FloatArray) -> FloatArray:
    """Return the Kullback-Leibler divergence of each column's histogram from uniform."""
    counts = np.stack([np.histogram(column, 10, (0, 1))[0] for column in cube.T])
    return np.asarray(stats.entropy(counts, np.ones((1, 10)), axis=1))


@dataclass(frozen=True)
class _Maps:
    """Points on the axes (n, k) with levels, the region's own points (m, k), and bins' edges.

    ``prior`` (bins, k) is the prior probability of each bin of a parameter, ``volume`` that of the
    region.
    """

    points: FloatArray
    level: FloatArray
    inside: FloatArray
    edges: FloatArray
    prior: FloatArray
    volume: float

    @property
    def k(self) -> int:
        return int(self.points.shape[1])

    def least(self, i: int, j: int) -> FloatArray:
        """Return the least level in each bin of axes j (columns) and i (rows); NaN where empty."""
        x, y = self.points[:, j], self.points[:, i]
        found = stats.binned_statistic_2d(
            y, x, self.level, "min", [self.edges[:, i], self.edges[:, j]]
        )
        return np.asarray(found.statistic)

    def depth(self, i: int, j: int) -> FloatArray:
        """Return the share of each line of sight inside the region; NaN where none was found."""
        counts, _, _ = np.histogram2d(
            self.inside[:, i], self.inside[:, j], [self.edges[:, i], self.edges[:, j]]
        )
        # P(region | bin) = P(region) P(bin | region) / P(bin).
        share = self.volume * counts / len(self.inside)
        prior = np.outer(self.prior[:, i], self.prior[:, j])
        depth = np.divide(share, prior, out=np.full(prior.shape, np.nan), where=counts > 0)
        return np.asarray(np.minimum(depth, 1.0))


def _lattice(maps: _Maps, labels: list[str]) -> "Figure":
    """Draw k rows and columns of maps, parameter j along column j and parameter i along row i."""
    from matplotlib import colormaps
    from matplotlib.cm import ScalarMappable

    k = maps.k
    levels = {(i, j): maps.least(i, j) for i in range(k) for j in range(i)}
    depths = {(i, j): maps.depth(i, j) for i in range(k) for j in range(i + 1, k)}
    scales = _scales(np.stack(list(levels.values())), np.stack(list(depths.values())))
    side = 1.75 if k > 3 else 2.4  # inches; few panels leave room for the colour bars' labels
    figure = blank(side * k + 1.6, side * k + 0.4)
    cells: Any = figure.subplots(k, k, squeeze=False)
    for (i, j), values in (levels | depths).items():
        name = _LEVEL_MAP if i > j else _DEPTH_MAP
        _paint(cells[i, j], maps.edges[:, j], maps.edges[:, i], values, name, scales[name])
    for i in range(k):
        cells[i, i].hist(maps.inside[:, i], maps.edges[:, i], color=MODEL, alpha=0.75)
        cells[i, i].set_yticks([])
        cells[i, i].set_xlim(maps.edges[0, i], maps.edges[-1, i])
        cells[-1, i].set_xlabel(labels[i])
        cells[i, 0].set_ylabel(labels[i])
    for i, j in np.ndindex(k, k):
        inner_ticks(cells[i, j].xaxis, cells[i, j].get_xlim())
        if i != j:
            inner_ticks(cells[i, j].yaxis, cells[i, j].get_ylim())
        cells[i, j].tick_params(labelbottom=i == k - 1, labelleft=j == 0 < i, color="0.35")
    # The first row's own parameter has its scale at the right: its first panel is a histogram.
    cells[0, -1].tick_params(labelright=True)
    cells[0, 0].set_title("share of the region", fontsize=9)
    for name, text, rows in (
        (_DEPTH_MAP, "optical depth", slice(0, k // 2)),
        (_LEVEL_MAP, "least implausibility / cut-off", slice(k // 2, k)),
    ):
        mapped = ScalarMappable(scales[name], colormaps[name])
        figure.colorbar(mapped, ax=cells[rows].ravel().tolist(), pad=0.02, label=text)
    return figure


def _scales(levels: FloatArray, depths: FloatArray) -> dict[str, Any]:
    """Return the colour scales that all maps of a kind share."""
    from matplotlib.colors import LogNorm, Normalize

    low, high = np.nanmin(levels), np.nanquantile(levels, 0.98)
    thin, thick = np.nanmin(depths), np.nanmax(depths)
    return {
        _LEVEL_MAP: Normalize(min(low, 0.9), max(high, 1.1)),
        _DEPTH_MAP: LogNorm(thin / 1.5, min(1.5 * thick, 1.5)),
    }


def _paint(
    cell: Any, x: FloatArray, y: FloatArray, values: FloatArray, name: str, scale: Any
) -> None:
    """Colour one map by its values (rows along y), with the region's edge on maps of levels."""
    cell.set_facecolor(_UNSEEN)
    cell.pcolormesh(x, y, values, cmap=name, norm=scale, rasterized=True)
    if name == _LEVEL_MAP and np.nanmin(values) < 1 < np.nanmax(values):
        centres = (x[1:] + x[:-1]) / 2, (y[1:] + y[:-1]) / 2
        filled = np.nan_to_num(values, nan=float(np.nanmax(values)))
        cell.contour(*centres, filled, [1.0], colors="black", linewidths=1.2)
