"""Non-detections as inputs: looked and saw nothing is not the same as did not look."""

from typing import Any

import numpy as np

from equatorium.checks import FloatArray, floats, matrix
from equatorium.errors import InputError, ShapeError

__all__ = ["with_limits"]


def with_limits(X: Any, limited: Any, limit: Any = None) -> FloatArray:
    """Write non-detections so that any method can learn from them.

    A value that was not detected becomes its limit, and a further column says for every input
    whether it was detected (0) or not (1). Two numbers hold all that is known, "at the limit or
    beyond", without a model of what lies beyond: a tree splits on the flag, a linear method gives
    it a coefficient, and near neighbours are those with the same flags. (Draws of the undetected
    value from an assumed distribution would lend that assumption to the prediction.) NaN still
    means not observed.

    Parameters
    ----------
    X : array_like, shape (n, d)
        Values; what stands where `limited` is true is not looked at if `limit` is given.
    limited : array_like of bool, shape (n, d)
        Whether this was looked for and not detected.
    limit : array_like, shape (n, d) or (d,), optional
        The limits, such as the magnitude that would have been detected; by default X holds them.

    Returns
    -------
    ndarray, shape (n, 2 d)
        Values, then flags: the same columns for every set, whatever was detected in it. A flag is
        NaN where its value was not observed.

    Raises
    ------
    InputError
        If a limit is not finite.

    Examples
    --------
    >>> with_limits([[21.0, 99.0]], [[False, True]], limit=[24.0, 23.5])
    array([[21. , 23.5,  0. ,  1. ]])
    """
    values = floats(X, "X")
    flags = np.asarray(limited)
    if flags.shape != values.shape or flags.dtype != bool:
        raise ShapeError(
            f"limited must hold bools of the shape of X, {values.shape}, but it is of type "
            f"{flags.dtype} and shape {flags.shape}."
        )
    limits = values if limit is None else floats(limit, "limit")
    if limits.shape not in (values.shape, values.shape[1:]):
        raise ShapeError(
            f"limit must have the shape of X, {values.shape}, or one value a column, not "
            f"{limits.shape}."
        )
    values = np.where(flags, limits, values)
    if not np.isfinite(values[flags]).all():
        raise InputError("every non-detection needs a finite limit.")
    values = matrix(values, "X", allow_nan=True)  # what was replaced need not have been finite
    return np.column_stack([values, np.where(np.isnan(values), np.nan, flags)])
