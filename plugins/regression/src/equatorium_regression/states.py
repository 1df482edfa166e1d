"""Checks that the states of several methods share: files can be damaged, or worse."""

from equatorium import errors, state_array


def outputs(state):
    """Return the number of outputs of an emulator's state.

    >>> outputs({"n_outputs_": 2, "y_ndim_": 2})
    2

    Raises
    ------
    StateError
    """
    p, dimensions = state.get("n_outputs_"), state.get("y_ndim_")
    if type(p) is not int or p < 1 or dimensions not in (1, 2) or (dimensions == 1 and p > 1):
        raise errors.StateError(
            f"'n_outputs_' and 'y_ndim_' of the state cannot be {p!r} and {dimensions!r}."
        )
    return p


def classes(state):
    """Return the number of classes of a classifier's state.

    Raises
    ------
    StateError
    """
    return len(state_array(state, "classes_", (None,), "biufUSO"))


def near(values, name):
    """Refuse coordinates (n, r) so far away that their squares are no numbers.

    Raises
    ------
    StateError
    """
    if (abs(values) > 1e150).any():
        raise errors.StateError(f"{name!r} of the state reaches {abs(values).max():.2g}.")
