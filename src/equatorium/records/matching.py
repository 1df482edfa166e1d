"""The response of data to outputs: where each datum lies among the outputs' coordinates."""

import numpy as np

from equatorium.checks import FloatArray
from equatorium.errors import InputError
from equatorium.records.coordinates import Coordinates, known_coordinate, tolerance
from equatorium.records.outputs import Outputs


def response(outputs: Outputs, coords: Coordinates, data: tuple[str, ...]) -> FloatArray:
    """Matrix R (q, p) such that R y is what an output vector y says about each datum.

    A datum whose coordinates are all those of an output takes that output. Otherwise exactly one of
    its coordinates may lie between outputs that share all the others: then it is interpolated
    linearly in that coordinate.

    Parameters
    ----------
    outputs : Outputs
    coords : dict of (q,) arrays
        Coordinates of the data.
    data : tuple of str
        What to call each datum in an error.

    Raises
    ------
    InputError
        For a datum outside the outputs' range, naming it, or for differing sets of coordinates.
    """
    for name in coords:
        known_coordinate(name, outputs.coords)
    missing = [name for name in outputs.coords if name not in coords]
    if missing:
        raise InputError(
            f"The outputs have the coordinate {missing[0]!r}, the observation has not, so its data "
            "cannot be placed. Give it, also where it has one value for all data."
        )
    # One row per coordinate: does output j share this coordinate with datum i?
    slack = {name: tolerance(values) for name, values in outputs.coords.items()}
    shares = {
        name: np.abs(coords[name][:, None] - grid) <= slack[name]
        for name, grid in outputs.coords.items()
    }
    R = np.zeros((len(data), outputs.p))
    for i, datum in enumerate(data):
        equal = np.array([shares[name][i] for name in shares])
        exact = np.flatnonzero(equal.all(0))
        if len(exact) > 1:
            raise InputError(
                f"{datum} matches several outputs: {[outputs.names[int(j)] for j in exact]}. Add a "
                "coordinate that tells them apart, or match by names."
            )
        if len(exact):
            R[i, exact] = 1.0
            continue
        for row, (name, grid) in enumerate(outputs.coords.items()):
            others = np.flatnonzero(np.delete(equal, row, axis=0).all(0))
            order = others[np.argsort(grid[others])]
            x = coords[name][i]
            if len(order) and grid[order[0]] <= x <= grid[order[-1]]:
                above = int(np.searchsorted(grid[order], x))
                left, right = order[above - 1], order[above]
                share = (x - grid[left]) / (grid[right] - grid[left])
                R[i, left], R[i, right] = 1 - share, share
                break
        else:
            raise InputError(_outside(outputs, {k: v[i] for k, v in coords.items()}, datum))
    return R


def _outside(outputs: Outputs, at: dict[str, float], datum: str) -> str:
    ranges = ", ".join(
        f"{name} from {grid.min():.6g} to {grid.max():.6g}" for name, grid in outputs.coords.items()
    )
    where = ", ".join(f"{name} = {value:.6g}" for name, value in at.items())
    return (
        f"{datum} lies at {where}, where no output is and none can be interpolated along a single "
        f"coordinate. The outputs cover {ranges}. Leave the datum out with select, or let the "
        "simulator put out more."
    )
