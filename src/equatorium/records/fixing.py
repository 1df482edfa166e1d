"""Parameters that do not vary: fixed to a number, or tied to the value of another parameter."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from equatorium.errors import InputError, UnknownNameError, did_you_mean

Fixed = dict[str, float | str]


def unknown_parameter(name: str, known: tuple[str, ...], what: str) -> UnknownNameError:
    """Make the error for a name that no parameter has."""
    hint = did_you_mean(name, known)
    return UnknownNameError(f"{what} is not a parameter. Known: {', '.join(known)}.{hint}")


def check_fixed(given: Mapping[str, Any] | None, declared: tuple[str, ...]) -> Fixed:
    """Check fixed values: finite numbers, or names that lead to a free parameter or a number.

    Raises
    ------
    InputError
        For a value that is neither, or for names tied in a circle.
    UnknownNameError
        For a tie to a name that no parameter has.
    """
    fixed = {
        str(name): value if isinstance(value, str) else _number(str(name), value)
        for name, value in (given or {}).items()
    }
    known = declared + tuple(name for name in fixed if name not in declared)
    for name, value in fixed.items():
        if isinstance(value, str) and value not in known:
            raise unknown_parameter(value, known, f"Parameter {name!r} is tied to {value!r}, which")
    for name in fixed:
        resolve(name, fixed)
    return fixed


def resolve(name: str, fixed: Fixed) -> float | str:
    """Follow ties from a name to the number it is fixed to, or to the name of a free parameter."""
    seen: list[str] = []
    at: float | str = name
    while isinstance(at, str) and at in fixed:
        if at in seen:
            raise InputError(f"Parameters are tied in a circle: {' -> '.join([*seen, at])}.")
        seen.append(at)
        at = fixed[at]
    return at


def _number(name: str, value: Any) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError) as error:
        raise InputError(
            f"Parameter {name!r} can be fixed to a number or tied to another parameter's name, "
            f"but it is given {value!r}."
        ) from error
    if not np.isfinite(number):
        raise InputError(f"Parameter {name!r} cannot be fixed to {number}.")
    return number
