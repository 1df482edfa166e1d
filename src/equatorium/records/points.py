"""Points of a space, from whatever names their columns."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from equatorium.checks import FloatArray, floats, matrix
from equatorium.errors import InputError
from equatorium.records.fixing import unknown_parameter
from equatorium.records.tables import column_names, columns


def named_points(space: Any, points: Any) -> FloatArray:
    """Read theta (m, d) from a mapping, table or array; see `Space.array`."""
    named = isinstance(points, Mapping) or hasattr(points, "columns")
    if not named and getattr(getattr(points, "dtype", None), "names", None) is None:
        theta = floats(points, "theta")
        return matrix(theta[None] if theta.ndim == 1 else theta, "theta", space.d)
    theta = columns(points, space.names, tuple(p.unit for p in space.parameters))
    if isinstance(points, Mapping):
        for name in column_names(points):
            if name not in space.all_names:
                raise unknown_parameter(name, space.all_names, f"{name!r}")
            if name in space.fixed:
                expected = space.complete(theta)[:, space.all_names.index(name)]
                if not np.allclose(floats(points[name], name), expected, rtol=1e-12, atol=0):
                    raise InputError(
                        f"Parameter {name!r} is fixed to {space.fixed[name]!r}, "
                        f"but the point gives {points[name]!r}."
                    )
    return theta
