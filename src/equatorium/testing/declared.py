"""The checks there are: each a function, with the role and the capabilities it is about."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

from equatorium.entry import Entry
from equatorium.errors import NameCollisionError, UnknownNameError, did_you_mean
from equatorium.plugin import CAPABILITIES, ROLES
from equatorium.testing.case import MODELS

_Function = TypeVar("_Function", bound=Callable[..., None])
_GROUPS = {"*": tuple(ROLES), "model": MODELS, "estimator": (*MODELS, "sampler")}


@dataclass(frozen=True)
class Check:
    """One thing that a method must do.

    Attributes
    ----------
    name : str
        The function's.
    function : callable
        Given a `Case`, or the `Distribution` if ``once``; raises if the contract is broken.
    roles : tuple of str
        It is about methods of any of these.
    capabilities : frozenset of str
        And of all of these.
    once : bool
        Made once for a distribution.
    installed : bool
        Needs a distribution that a new process finds too.
    """

    name: str
    function: Callable[..., None]
    roles: tuple[str, ...]
    capabilities: frozenset[str]
    once: bool
    installed: bool

    def fits(self, entry: Entry) -> bool:
        """Say whether it is about a method."""
        of_role = not set(self.roles).isdisjoint(entry.roles)
        return of_role and self.capabilities <= set(entry.method.capabilities)


_CHECKS: dict[str, Check] = {}


def check_for(
    role: str, *capabilities: str, once: bool = False, installed: bool = False
) -> Callable[[_Function], _Function]:
    """Add a function to the checks of the conformance kit.

    Parameters
    ----------
    role : str
        ``"emulator"``, ``"classifier"``, ``"embedder"``, ``"ensemble"``, ``"network"``,
        ``"simulator"``, ``"sampler"``; ``"model"`` for the first three, ``"estimator"`` for these
        and samplers, ``"*"`` for all.
    *capabilities : str
        Only methods that are registered with all of them are checked.
    once : bool
        Make the check once for a distribution; it gets the distribution, not a method.
    installed : bool
        Leave methods out that exist in the running process only.

    Returns
    -------
    callable
        The decorator. The function gets a `Case`, whose ``make(**options)`` makes the method with
        its ``conformance_options``, and raises (best by ``expect(condition, text)``) when the
        method is wrong. Its name is the check's, its docstring says what it proves.

    Examples
    --------
    In a plugin's ``conftest.py``::

        @check_for("simulator", "my-plugin:fast")
        def it_has_few_parameters(case):
            '''Ten parameters at most.'''
            expect(case.make().space.d <= 10, "it has more than 10 parameters")
    """
    roles = _GROUPS.get(role, (role,))
    if roles[0] not in ROLES:
        raise UnknownNameError(
            f"there is no role {role!r}.{did_you_mean(role, [*ROLES, *_GROUPS])} "
            f"Known: {', '.join([*ROLES, *_GROUPS])}."
        )
    for word in capabilities:
        if word not in CAPABILITIES and ":" not in word:
            raise UnknownNameError(
                f"there is no capability {word!r}.{did_you_mean(word, CAPABILITIES)} "
                f"Known: {', '.join(CAPABILITIES)}."
            )

    def add(function: _Function) -> _Function:
        name = function.__name__
        old = _CHECKS.get(name)
        # The same function, read anew as notebooks do, takes its own place.
        if old is not None and old.function.__module__ != function.__module__:
            raise NameCollisionError(
                f"there is a check {name!r} already, of {old.function.__module__}; "
                f"give the one of {function.__module__} another name."
            )
        words = frozenset(capabilities)
        _CHECKS[name] = Check(name, function, roles, words, once, installed)
        return function

    return add


def all_checks() -> Iterator[Check]:
    """Yield the checks, in the order in which they were added."""
    yield from tuple(_CHECKS.values())


def summary_of(check: Check) -> str:
    """Return the first line of what a check says of itself."""
    text: Any = check.function.__doc__
    return str(text or "").strip().split("\n")[0]
