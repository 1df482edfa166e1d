"""Factors between units."""

from typing import Any

from equatorium.errors import InputError


def conversion_factor(given: Any, wanted: str, name: str, power: int = 1) -> float:
    """Units ``wanted ** power`` in one unit `given`.

    Raises
    ------
    InputError
        If there is no such factor, with the `name` of what is in that unit.

    Examples
    --------
    >>> conversion_factor("km", "m", "The distance")
    1000.0
    """
    from astropy import units

    try:
        source = units.Unit(given)
        if hasattr(source, "physical_unit"):  # no factor converts magnitudes, dex or decibels
            raise ValueError("it is logarithmic; convert before, .physical of it is linear")
        factor = source.to(units.Unit(wanted) ** power)
    except (TypeError, ValueError) as error:  # not convertible, or unknown
        needed = (f"'{wanted}'" if wanted else "numbers without a unit") + (
            f" to the {power}" if power != 1 else ""
        )
        raise InputError(
            f"{name} is in '{given}', but {needed} is needed, and it cannot be converted: {error}"
        ) from error
    # Factors are powers of ten, but for the last digit: 502 nm is not 5019.999999999999.
    return float(f"{factor:.15g}")


def same_unit(one: str, other: str) -> bool:
    """Whether two units are one, however they are written; what nobody knows, by its letters.

    Examples
    --------
    >>> same_unit("km/s", "km s-1"), same_unit("km/s", "m/s"), same_unit("mugs", "mugs")
    (True, False, True)
    """
    if one == other:
        return True
    from astropy import units

    return bool(units.Unit(one, parse_strict="silent") == units.Unit(other, parse_strict="silent"))
