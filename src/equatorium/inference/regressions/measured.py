"""Errors of measured points: standard deviations, or a covariance for each point."""

from typing import Any

import numpy as np

from equatorium.checks import FloatArray, finite, floats, read_only
from equatorium.errors import InputError, ShapeError


def covariances(errors: Any, n: int, size: int) -> FloatArray:
    """Take standard deviations (n, size) or covariances (n, size, size) as covariances.

    Raises
    ------
    ShapeError
        If they have neither shape.
    InputError
        If a standard deviation is negative, or a covariance is not symmetric and positive.
    """
    given = floats(errors, "errors")
    finite(given, "errors")
    if given.shape == (n, size):
        if (given < 0).any():
            raise InputError(f"Standard deviations must not be negative; one is {given.min()}.")
        return read_only(given[:, :, None] ** 2 * np.eye(size))
    if given.shape != (n, size, size):
        raise ShapeError(
            f"errors must be standard deviations ({n}, {size}) or covariances ({n}, {size}, "
            f"{size}) of x and y, but their shape is {given.shape}."
        )
    largest = np.abs(given).max(axis=(1, 2))
    skew = np.abs(given - given.transpose(0, 2, 1)).max(axis=(1, 2)) > 1e-8 * largest
    bad = skew | (np.linalg.eigvalsh(given)[:, 0] < -1e-8 * largest)
    if bad.any():
        raise InputError(
            f"Covariances must be symmetric and positive, but that of point {int(bad.argmax())} "
            f"is {given[bad.argmax()].tolist()}. Is a correlation beyond 1?"
        )
    return read_only(given)


def error_covariance(x_err: Any, y_err: Any, correlation: Any = 0.0) -> FloatArray:
    """Covariances (n, 2, 2) of errors in x and y.

    Parameters
    ----------
    x_err, y_err : array, shape (n,)
        Standard deviations; numbers are for all points.
    correlation : array, shape (n,)
        Their correlation coefficients.

    Raises
    ------
    InputError
        If a standard deviation is negative or a correlation beyond -1 or 1.

    Examples
    --------
    >>> error_covariance([1.0, 2.0], 3.0, [0.0, 0.5])[1].tolist()
    [[4.0, 3.0], [3.0, 9.0]]
    """
    sx, sy, r = (
        np.atleast_1d(floats(value, name))
        for value, name in ((x_err, "x_err"), (y_err, "y_err"), (correlation, "correlation"))
    )
    try:
        sx, sy, r = np.broadcast_arrays(sx, sy, r)
    except ValueError:
        raise ShapeError(
            f"x_err, y_err and correlation must have one value a point, but their shapes are "
            f"{sx.shape}, {sy.shape} and {r.shape}."
        ) from None
    if sx.ndim != 1:
        raise ShapeError(f"x_err, y_err and correlation must be 1-D, but they are {sx.ndim}-D.")
    if not ((sx >= 0) & (sy >= 0) & (np.abs(r) <= 1)).all():
        raise InputError(
            "x_err and y_err must not be negative, correlation must lie in [-1, 1], but for point "
            f"{int(np.argmin((sx >= 0) & (sy >= 0) & (np.abs(r) <= 1)))} they do not."
        )
    xy = r * sx * sy
    return np.asarray(np.stack([sx**2, xy, xy, sy**2], axis=-1).reshape(-1, 2, 2))
