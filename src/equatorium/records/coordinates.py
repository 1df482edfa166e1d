"""Named coordinates of numbers (a bin's mass, a redshift): how outputs and data are told apart."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from equatorium.checks import FloatArray, floats, read_only, vector
from equatorium.errors import InputError, UnknownNameError, did_you_mean

Coordinates = dict[str, FloatArray]


def check_coordinates(coords: Mapping[str, Any] | None, size: int, of: str) -> Coordinates:
    """Check one number per element for every coordinate, and copy them read-only."""
    return {
        str(name): read_only(vector(values, f"coordinate {name!r} of the {of}", size))
        for name, values in (coords or {}).items()
    }


def check_units(units: Mapping[str, str] | None, coords: Coordinates) -> dict[str, str]:
    """Check that units are given to coordinates that exist."""
    for name in units or {}:
        known_coordinate(name, coords)
    return {name: str(unit) for name, unit in (units or {}).items()}


def known_coordinate(name: str, coords: Mapping[str, Any]) -> None:
    """Raise UnknownNameError unless `name` is one of the coordinates."""
    if name not in coords:
        listed = ", ".join(coords) or "there are none"
        raise UnknownNameError(
            f"There is no coordinate {name!r} (known: {listed}).{did_you_mean(name, coords)}"
        )


def tolerance(values: FloatArray) -> float:
    """How far two values of a coordinate may lie apart and be the same: 1e-8 of the largest."""
    return 1e-8 * float(np.abs(values).max(initial=0.0))


def select_indices(
    coords: Coordinates, size: int, wanted: Mapping[str, Any]
) -> npt.NDArray[np.intp]:
    """Find the elements that satisfy all criteria.

    Parameters
    ----------
    coords : dict of (size,) arrays
    size : int
    wanted : mapping
        Per coordinate a value, a closed range as a tuple (low, high), or a list of values.

    Raises
    ------
    UnknownNameError
        For a coordinate that does not exist.
    InputError
        If nothing is selected; says what range the coordinate covers.
    """
    keep = np.ones(size, dtype=bool)
    for name, criterion in wanted.items():
        known_coordinate(name, coords)
        values, slack = coords[name], tolerance(coords[name])
        if isinstance(criterion, tuple):
            edges = floats(criterion, f"the selection in {name!r}")
            if edges.shape != (2,) or not edges[0] <= edges[1]:
                raise InputError(
                    f"A range for {name!r} must be (low, high) with low <= high, but it is "
                    f"{criterion}. For several separate values give a list."
                )
            low, high = edges
            matched = (values >= low - slack) & (values <= high + slack)
        else:
            accepted = np.atleast_1d(floats(criterion, f"the selection in {name!r}"))
            matched = (np.abs(values[:, None] - accepted) <= slack).any(1)
        if not matched.any():
            raise InputError(
                f"No element has {name!r} at {criterion!r}; it runs from {values.min():.6g} "
                f"to {values.max():.6g}."
            )
        keep &= matched
    if not keep.any():
        raise InputError(f"No element satisfies all of {dict(wanted)!r} at once.")
    return np.flatnonzero(keep)
