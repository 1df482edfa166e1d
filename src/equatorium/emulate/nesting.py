"""What a composite may hold: anything but itself, however deep, for it would never end."""

from typing import Any

from equatorium.errors import InputError


def refuse_loops(method: Any, above: tuple[Any, ...] = ()) -> None:
    """Refuse a composite that is a part of itself.

    Parameters
    ----------
    method : Model
    above : tuple
        What it is a part of.

    Raises
    ------
    InputError
        If it is among them, or one of its parts is.
    """
    if isinstance(method, list | tuple):
        for part in method:
            refuse_loops(part, above)
    elif hasattr(method, "get_params") and not isinstance(method, type):
        if any(method is one for one in above):
            name = type(method).__name__
            raise InputError(f"this {name} is a part of itself: take it out of its own options.")
        for part in method.get_params(deep=False).values():
            refuse_loops(part, (*above, method))
