"""Members of any method: made from a spec or a model, checked, and given seeds of their own."""

import numpy as np
from sklearn.base import clone
from sklearn.utils import check_random_state

import equatorium as eq
from equatorium import errors
from equatorium_trees.nodes import whole_number


def given(method, member, kind, within):
    """Return the member, made from its spec if it is given so.

    Parameters
    ----------
    method : str
        Who asks, for the errors.
    member : Model, str or mapping
    kind : type
        `Emulator` or `Classifier`.
    within : Model
        The ensemble, which must not be a part of itself.
    """
    word = kind.__name__.lower()
    if isinstance(member, str):
        member = getattr(eq, word)(member)
    elif isinstance(member, dict):
        if not {"use"} <= set(member) <= {"use", "options"}:
            raise errors.InputError(
                f"{method}: a member is written {{'use': name, 'options': {{...}}}}, not "
                f"{member!r}."
            )
        member = getattr(eq, word)(member["use"], **member.get("options", {}))
    if not isinstance(member, kind):
        raise errors.InputError(f"{method} needs a {word} as member, not {member!r:.80}.")
    _refuse_loops(member, within)
    return member


def _refuse_loops(part, whole):
    if part is whole:
        raise errors.InputError(f"this {type(whole).__name__} is a member of itself.")
    if isinstance(part, list | tuple):
        for one in part:
            _refuse_loops(one, whole)
    elif hasattr(part, "get_params") and not isinstance(part, type):
        for one in part.get_params(deep=False).values():
            _refuse_loops(one, whole)


def seeded(model):
    """Return the RandomState of a model's ``random_state``, or raise InputError."""
    try:
        return check_random_state(model.random_state)
    except ValueError as error:
        raise errors.InputError(f"random_state of {type(model).__name__}: {error}") from error


def fresh(member, rng):
    """Return a clone with seeds drawn from a RandomState, in the way that scikit-learn does."""
    twin = clone(member)
    names = sorted(
        name
        for name in twin.get_params()
        if name == "random_state" or name.endswith("__random_state")
    )
    return twin.set_params(**{name: int(rng.randint(2**31 - 1)) for name in names})


def mean(member, X):
    """Mean of a fitted emulator, (m, p): of trees by themselves, without the distribution."""
    if hasattr(member, "predict_mean"):
        return member.predict_mean(X)
    return member.predict_dist(X).mean


def check(members, kind, state):
    """Refuse a state whose members are none, or of other data.

    Raises
    ------
    StateError
    """
    if not isinstance(members, list) or not members:
        raise errors.StateError("the state needs a list 'members_'.")
    names = ("n_features_in_", "n_outputs_") if kind is eq.Emulator else ("n_features_in_",)
    for name in names:
        whole_number(state, name)
    for i, member in enumerate(members):
        for name in names:
            found = getattr(member, name, None)
            if not isinstance(member, kind) or found is None or found != state.get(name):
                raise errors.StateError(
                    f"'members_' {i} must be a fitted {kind.__name__} with {name} "
                    f"{state.get(name)}, but it is {member!r:.80} with {found}."
                )


def check_codes(members, c):
    """Refuse members whose classes are not numbers below c.

    Raises
    ------
    StateError
    """
    for i, member in enumerate(members):
        codes = np.asarray(member.classes_)
        if codes.dtype.kind not in "iu" or (codes < 0).any() or (codes >= c).any():
            raise errors.StateError(f"'members_' {i} must tell classes 0 to {c - 1} apart.")
