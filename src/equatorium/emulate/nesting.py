"""What a composite may hold: anything but itself, and in its state members that fit it."""

from collections.abc import Mapping
from typing import Any

from equatorium.errors import InputError, StateError
from equatorium.interfaces.emulator import Emulator


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


def checked_members(state: Mapping[str, Any], of: str) -> list[Emulator]:
    """Return ``members_`` of a composite's state, each an emulator of its inputs and outputs.

    Raises
    ------
    StateError
        Naming the member that is none.
    """
    members = state.get("members_")
    if not isinstance(members, list) or not members:
        raise StateError(f"the state of {of} needs a list 'members_'.")
    for i, member in enumerate(members):
        for name in ("n_features_in_", "n_outputs_"):
            found = getattr(member, name, None)
            if not isinstance(member, Emulator) or found != state.get(name):
                raise StateError(
                    f"'members_' {i} must be an emulator fitted on {state.get(name)} "
                    f"({name}), but it is {member!r:.80} with {found}."
                )
    return members
