"""The prior as a chain: each parameter's distribution, given those that its bounds depend on."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from equatorium.checks import FloatArray, matrix
from equatorium.errors import InputError
from equatorium.records.dependence import Dependence
from equatorium.records.prior import Truncated

_CHECKED = 256  # points at which bounds must leave something


def tails(space: Any, theta: Any) -> tuple[FloatArray, FloatArray]:
    """Probabilities (m, d) below and above points of the space, each given those before."""
    theta = matrix(theta, "theta", space.d)
    if not space.contains(theta).all():
        raise InputError(f"{space.outside(theta)}, where the prior has no probability.")
    below = np.clip(space.to_unit(theta), 0.0, 1.0)
    above = 1 - below
    for j, prior in distributions(space, theta):
        below[:, j], above[:, j] = prior.cdf(theta[:, j]), prior.sf(theta[:, j])
    return below, above


def from_tails(
    space: Any, below: FloatArray, above: FloatArray, lower: npt.NDArray[np.bool_]
) -> FloatArray:
    """Points (m, d) by the probability below or, where not `lower`, above them."""
    theta: FloatArray = space.from_unit(below)
    for j, prior in distributions(space, theta):
        theta[:, j] = prior.from_tails(below[:, j], above[:, j], lower[:, j])
    return theta


def distributions(space: Any, theta: FloatArray) -> Iterator[tuple[int, Truncated]]:
    """Give the distributions that are not just flat, in the order in which they can be had.

    Parameters
    ----------
    theta : (m, d) array
        Points. Whoever inverts the distributions fills in each column when its turn has come.

    Yields
    ------
    column, distribution
    """
    parameters, dependence = space.parameters, space.dependence
    wanted = [j for j, p in enumerate(parameters) if not p.flat]
    if not space.conditional:
        yield from ((j, parameters[j].distribution) for j in wanted)
        return
    place = {p.name: j for j, p in enumerate(parameters)}
    columns: dict[str, FloatArray] = {}
    for name in dependence.walk(columns, bounds_only=True):
        j = place[name]
        if name in dependence.bounded:
            yield j, _left(dependence, j, columns)
        elif j in wanted:
            yield j, parameters[j].distribution
        columns[name] = theta[:, j]


def _left(dependence: Dependence, j: int, columns: dict[str, FloatArray]) -> Truncated:
    """Truncate a parameter's prior to what its bounds leave."""
    parameter = dependence.free[j]
    low, high = np.broadcast_arrays(*dependence.bounds(parameter, columns))
    return Truncated(parameter.distribution.base, np.atleast_1d(low), np.atleast_1d(high))


def within(dependence: Dependence, theta: FloatArray) -> npt.NDArray[np.bool_]:
    """Whether points (m, d) of the box keep all conditional bounds, shape (m,).

    A point at which bounds leave nothing is outside, whatever its value: it has no density.
    """
    inside = np.ones(len(theta), dtype=bool)
    for _, x, low, high, possible in _bounded(dependence, theta):
        inside &= possible & (x >= low) & (x <= high)
    return inside


def first_outside(space: Any, theta: FloatArray) -> str:
    """Tell where the first point that is out of bounds breaks them; empty if none is."""
    out = np.flatnonzero(~space.contains(theta))
    if out.size == 0:
        return ""
    i = int(out[0])
    point = theta[i : i + 1]
    box = zip((p.name for p in space.parameters), point[0], space.low, space.high, strict=True)
    broken = [item for item in box if not item[2] <= item[1] <= item[3]]
    if broken:
        name, x, low, high = broken[0]
        return f"Point {i} has {name} = {x:.6g}, outside [{low:.6g}, {high:.6g}]"
    for name, *row in _bounded(space.dependence, point):
        value, low, high, possible = (np.ravel(part)[0] for part in row)
        if not possible:
            return f"Point {i} leaves {name} nothing: its bounds are {low:.6g} and {high:.6g}"
        if not low <= value <= high:
            return f"Point {i} has {name} = {value:.6g}, outside [{low:.6g}, {high:.6g}]"
    return ""


def _bounded(dependence: Dependence, theta: FloatArray) -> Iterator[tuple[str, Any, Any, Any, Any]]:
    """Give the parameters with conditional bounds: name, values, edges, whether these leave any.

    The bounds of fixed, tied and derived ones hold too, though there is nothing to truncate.
    """
    columns = dependence.complete(theta, bounds_only=True)
    for j, parameter in enumerate(dependence.free):
        if parameter.name in dependence.bounded:
            left = _left(dependence, j, columns)
            yield parameter.name, theta[:, j], left.low, left.high, left.possible
    for name in (name for name in dependence.bounded if name in dependence.fixed):
        above, below = dependence.bounded[name]
        low = -np.inf if above is None else above.unchecked(columns)
        high = np.inf if below is None else below.unchecked(columns)
        yield name, columns[name], low, high, True


def check(space: Any) -> None:
    """Check that conditional bounds leave something everywhere, and the defaults inside."""
    if not space.dependence.bounded:
        return
    from scipy.stats import qmc

    cube = qmc.Sobol(space.d, rng=np.random.default_rng(0)).random(_CHECKED)
    theta = space.from_cube(cube)
    space.dependence.check_bounds(theta)
    check_left(space, theta)
    outside = space.outside(space.defaults[None])
    if outside:
        raise InputError(
            f"The default values break the bounds: {outside.replace('Point 0', 'it')}."
        )


def check_left(space: Any, theta: FloatArray) -> None:
    """Check that conditional bounds leave something at points (m, d) that came from the cube.

    Raises
    ------
    InputError
        If the bounds of a parameter leave it nothing at one of them, or not what it is fixed to.
    """
    for name, *row in _bounded(space.dependence, theta):
        value, low, high, possible = np.broadcast_arrays(*row)
        kept = possible & (value >= low) & (value <= high)
        if kept.all():
            continue
        bad = np.unravel_index(np.argmin(kept), kept.shape)
        parameter = next(p for p in space.declared if p.name == name)
        edges = f"[{low[bad]:.6g}, {high[bad]:.6g}]"
        what = f"it nothing at some values of the others: no probability is inside {edges}"
        if name in space.fixed:
            what = f"not what it is fixed to at some: {value[bad]:.6g} is outside {edges}"
        raise InputError(
            f"The bounds of parameter {name!r} (above={parameter.above!r}, "
            f"below={parameter.below!r}) leave {what}. Change them, or the ranges of the others."
        )
