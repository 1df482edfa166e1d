"""Parameters that do not vary by themselves: fixed to a number, tied to another, or derived."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from equatorium.errors import InputError, UnknownNameError, did_you_mean
from equatorium.records.expression import Expression
from equatorium.records.parameter import Parameter

Fixed = dict[str, float | str]


def unknown_parameter(name: str, known: tuple[str, ...], what: str) -> UnknownNameError:
    """Make the error for a name that no parameter has."""
    hint = did_you_mean(name, known)
    return UnknownNameError(f"{what} is not a parameter. Known: {', '.join(known)}.{hint}")


def check_fixed(given: Mapping[str, Any] | None, declared: tuple[Parameter, ...]) -> Fixed:
    """Check fixed values: numbers in range, names of other parameters, or arithmetic on them.

    Raises
    ------
    InputError
        For a value that is none of these.
    UnknownNameError
        For a tie to a name that no parameter has.
    """
    fixed = {
        str(name): value.strip() if isinstance(value, str) else _number(str(name), value)
        for name, value in (given or {}).items()
    }
    names = tuple(p.name for p in declared)
    known = names + tuple(name for name in fixed if name not in names)
    for name, value in fixed.items():
        if isinstance(value, str) and value.isidentifier() and value not in known:
            raise unknown_parameter(value, known, f"Parameter {name!r} is tied to {value!r}, which")
        rule(name, value, known)
    for p in declared:
        value = fixed.get(p.name, p.low)
        if not isinstance(value, str) and not p.low <= value <= p.high:
            raise InputError(
                f"Parameter {p.name!r} cannot be fixed to {value:.6g}, outside its range "
                f"[{p.low:.6g}, {p.high:.6g}]. Widen that first, by space.replace({p.name!r}, ...)."
            )
    return fixed


def rule(name: str, value: float | str, known: tuple[str, ...]) -> float | str | Expression:
    """Read what a parameter is fixed to: a number, the name of another, or arithmetic."""
    if not isinstance(value, str) or value in known:
        return value
    return Expression(value, known, f"What parameter {name!r} is fixed to")


def _number(name: str, value: Any) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError) as error:
        raise InputError(
            f"Parameter {name!r} can be fixed to a number, tied to another parameter's name, or "
            f"derived by arithmetic such as '2 * a', but it is given {value!r}."
        ) from error
    if not np.isfinite(number):
        raise InputError(f"Parameter {name!r} cannot be fixed to {number}.")
    return number
