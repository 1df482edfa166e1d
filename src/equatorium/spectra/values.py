"""What users hand over for spectra and bands: with or without units, for one or for all."""

from typing import Any

import numpy as np

from equatorium.checks import FloatArray, finite, floats
from equatorium.errors import InputError, ShapeError
from equatorium.records.conversion import conversion_factor


def value_in(x: Any, unit: str, name: str, power: int = 1) -> FloatArray:
    """Numbers in ``unit ** power``: those of a Quantity are converted, others are taken as such.

    Raises
    ------
    InputError
        If `x` is None or no numbers, or in a unit that cannot be converted.
    """
    if x is None:
        raise InputError(f"{name} must hold real numbers, but it is None.")
    given = getattr(x, "unit", None)
    if given is None or (str(given) == unit and power == 1):  # also a unit that nobody knows
        return floats(getattr(x, "value", x), name)
    array = floats(getattr(x, "value", x), name)
    return np.asarray(array * conversion_factor(given, unit, name, power))


def number_in(x: Any, unit: str, name: str) -> float:
    """Give one number in `unit`; see `value_in`."""
    array = value_in(x, unit, name)
    if array.ndim:
        raise ShapeError(f"{name} must be one number, but its shape is {array.shape}.")
    return float(array)


def spread_to(shape: tuple[int, ...], array: Any, name: str) -> Any:
    """Broadcast, or say that the shapes do not fit."""
    try:
        return np.broadcast_to(array, shape)
    except ValueError as error:
        raise ShapeError(
            f"{name} must have the shape {shape}, or one that broadcasts to it, such as "
            f"{shape[-1:]}, not {np.shape(array)}."
        ) from error


def weights_of(flux: FloatArray, ivar: Any, unit: str) -> FloatArray:
    """Inverse variances of flux in `unit`, 0 where it is not finite.

    Raises
    ------
    InputError
        If one is not finite, or negative.
    """
    ivar = spread_to(flux.shape, value_in(ivar, unit, "ivar", -2), "ivar")
    finite(ivar, "ivar")
    if (ivar < 0).any():
        raise InputError("ivar must be at least 0 (0: not observed).")
    return np.where(np.isfinite(flux), ivar, 0.0)
