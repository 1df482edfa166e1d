"""What users hand over for spectra and bands: with or without units, for one or for all."""

from typing import Any

import numpy as np

from equatorium.checks import FloatArray, finite, floats
from equatorium.errors import InputError, ShapeError


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
    from astropy import units

    try:
        source = units.Unit(given)
        if hasattr(source, "physical_unit"):  # no factor converts magnitudes, dex or decibels
            raise ValueError(f"it is logarithmic; convert before, {name}.physical is linear")
        factor = source.to(units.Unit(unit) ** power)
    except (TypeError, ValueError) as error:  # not convertible, or unknown
        wanted = f"{unit or 'numbers without a unit'}" + (f" to the {power}" if power != 1 else "")
        raise InputError(
            f"{name} is in '{given}', but {wanted} is needed, and it cannot be converted: {error}"
        ) from error
    # Factors are powers of ten, but for the last digit: 502 nm is not 5019.999999999999.
    return np.asarray(floats(getattr(x, "value", x), name) * float(f"{factor:.15g}"))


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
