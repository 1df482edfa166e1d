"""Where methods are made: by name, or from the one written form that files and studies use.

Plugins are read on the first look-up, never at ``import equatorium``. A name that two plugins offer
is never resolved silently: ``distribution/name`` always works, and is what files store.
"""

import inspect
import math
from collections.abc import Callable, Mapping
from typing import Any

from equatorium.catalogue import Catalogue
from equatorium.entry import home
from equatorium.errors import (
    ConfigurationError,
    InputError,
    NotSavableError,
    UnknownNameError,
    did_you_mean,
)
from equatorium.plugin import ROLES

_CATALOGUE = Catalogue()
get = _CATALOGUE.get
methods = _CATALOGUE.methods
problems = _CATALOGUE.problems
timings = _CATALOGUE.timings
collisions = _CATALOGUE.collisions
load = _CATALOGUE.load
refresh = _CATALOGUE.refresh
register = _CATALOGUE.register
withdraw = _CATALOGUE.withdraw
entry_of = _CATALOGUE.entry_of


def name_of(cls: type) -> str:
    """Return the ``distribution/name`` of a registered class.

    Raises
    ------
    NotSavableError
        If the class is not registered; files and studies name methods, never modules.
    """
    entry = entry_of(cls)
    if entry is None:
        bases = {home(base) for base in cls.__mro__}
        role = next((role for role, base in ROLES.items() if base in bases), None)
        remedy = (
            "It is no method of this library, so it cannot be registered: keep the model in "
            "memory, or take a registered method in its place (equatorium plugins list)."
            if role is None
            else f"In a script: equatorium.register({role!r}, {cls.__name__}); in a package: list "
            f"it in a plugin."
        )
        raise NotSavableError(f"{home(cls)} is not registered, so a file cannot name it. {remedy}")
    return entry.qualname


def create(kind: str | None, name: str, /, **options: Any) -> Any:
    """Make the method ``name``; nested ``{"use": name, "options": {...}}`` become methods too.

    Raises
    ------
    UnknownMethodError, NameCollisionError, PluginLoadError
        As `get` and `Entry.load` do.
    UnknownNameError
        If the method has no option of a name.
    """
    entry = get(kind, name)
    cls = load(entry)
    accepted = inspect.signature(cls).parameters.values()
    if not any(p.kind is p.VAR_KEYWORD for p in accepted):
        known = [p.name for p in accepted]
        for option in options:
            if option not in known:
                raise UnknownNameError(
                    f"{entry.name} has no option {option!r}.{did_you_mean(option, known)} "
                    f"Its options: {', '.join(known) or 'none'}."
                )
    for p in accepted:
        catches_all = p.kind in (p.VAR_POSITIONAL, p.VAR_KEYWORD)
        if p.default is p.empty and not catches_all and p.name not in options:
            raise InputError(f"{entry.name} needs the option {p.name!r}.")
    return cls(**{name: _unfold(value, name) for name, value in options.items()})


def _unfold(value: Any, option: str) -> Any:
    """Make the methods that an option names, however deep in lists they are."""
    if isinstance(value, Mapping) and "use" in value:
        return from_spec(option if option in ROLES else None, value)
    if isinstance(value, list | tuple):
        return type(value)(_unfold(item, option) for item in value)
    return value


def from_spec(kind: str | None, spec: Any) -> Any:
    """Make a method from its one written form.

    Parameters
    ----------
    kind : str or None
        What it must be usable as; None for anything.
    spec : str, mapping or object
        A name, or ``{"use": name, "options": {...}}``; a method that is made already is returned.

    Raises
    ------
    ConfigurationError
        If the mapping has no ``use`` or another key.
    """
    if isinstance(spec, str):
        return create(kind, spec)
    if not isinstance(spec, Mapping):
        return spec
    for key in spec:
        if key not in ("use", "options"):
            hint = did_you_mean(key, ("use", "options"))
            raise ConfigurationError(f"a method has 'use' and 'options', not {key!r}.{hint}")
    options = spec.get("options", {})
    named = isinstance(options, Mapping) and all(isinstance(key, str) for key in options)
    if "use" not in spec or not named:
        raise ConfigurationError(
            f"a method is written {{'use': name, 'options': {{...}}}}, but this is {spec!r}."
        )
    try:
        return create(kind, spec["use"], **options)
    except RecursionError as error:
        raise ConfigurationError("this method is nested too deeply, or in itself.") from error


def to_spec(method: Any) -> dict[str, Any]:
    """Return the written form of a method, ``{"use": "distribution/name", "options": {...}}``.

    Raises
    ------
    NotSavableError
        If an option is neither JSON nor a registered method.
    """
    name = name_of(type(method))
    params = getattr(method, "get_params", None)
    options = params(deep=False) if params else method.options
    try:
        written = {key: _plain(value, key, name) for key, value in options.items()}
    except RecursionError as error:
        raise NotSavableError(f"{name} is nested too deeply, or in itself.") from error
    return {"use": name, "options": written}


def _plain(value: Any, option: str, name: str) -> Any:
    if getattr(value, "shape", None) == () and hasattr(value, "item"):
        value = value.item()  # a numpy scalar, as grid searches give them
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float) and math.isfinite(value):
        return value
    if isinstance(value, list | tuple):
        return [_plain(item, option, name) for item in value]
    if isinstance(value, Mapping) and all(isinstance(key, str) for key in value):
        return {key: _plain(item, option, name) for key, item in value.items()}
    if entry_of(type(value)) is not None or hasattr(value, "get_params"):
        return to_spec(value)
    raise NotSavableError(
        f"the option {option!r} of {name} is {value!r}, which has no written form: options are "
        f"finite numbers, text, lists, tables, or registered methods."
    )


def _lookup(kind: str) -> Callable[..., Any]:
    """Make the public look-up function of a kind, such as ``equatorium.emulator``."""

    def lookup(name: str, /, **options: Any) -> Any:
        return create(kind, name, **options)

    lookup.__name__ = lookup.__qualname__ = kind
    lookup.__doc__ = f"""Make the {kind} called ``name`` with its options.

    Parameters
    ----------
    name : str
        A name that ``equatorium.methods({kind!r})`` lists, or ``"distribution/name"``.
    **options
        Its hyperparameters; a nested method is written ``{{"use": name, "options": {{...}}}}``.

    Raises
    ------
    UnknownMethodError, NameCollisionError, PluginLoadError, UnknownNameError
    """
    return lookup


emulator = _lookup("emulator")
classifier = _lookup("classifier")
embedder = _lookup("embedder")
ensemble = _lookup("ensemble")
network = _lookup("network")
simulator = _lookup("simulator")
sampler = _lookup("sampler")
