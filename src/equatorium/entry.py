"""A method on a shelf: what a plugin says of it, and its class, imported and checked on demand."""

import functools
import importlib
import inspect
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

from equatorium.errors import PluginLoadError
from equatorium.plugin import CAPABILITIES, ROLES, Method

LOCAL = "local"  # the distribution of what a running script registers


@dataclass(frozen=True)
class Entry:
    """A method on a shelf: its `Method`, and the distribution that offers it."""

    kind: str
    method: Method
    dist: str
    version: str

    @property
    def name(self) -> str:
        """The short name, such as ``trend-gp``."""
        return self.method.name

    @property
    def qualname(self) -> str:
        """The name that is never ambiguous, ``equatorium-gp/trend-gp``."""
        return f"{self.dist}/{self.name}"

    @property
    def names(self) -> tuple[str, ...]:
        """The name and its aliases."""
        return (self.name, *self.method.aliases)

    @property
    def roles(self) -> tuple[str, ...]:
        """What it can be used as."""
        kind_too = self.kind in ("ensemble", "network")
        given = tuple(self.method.roles) or (self.kind,)
        return given if not kind_too or self.kind in given else (self.kind, *given)

    @property
    def missing(self) -> tuple[str, ...]:
        """The modules that it needs and that are not installed."""
        return tuple(
            name
            for name in self.method.requires
            if name not in sys.modules and find_spec(name) is None
        )

    @property
    def remedy(self) -> str:
        """The ``pip install`` that brings what is missing.

        A module may have another name than what brings it, so that the distribution is asked for:
        pip installs what of its requirements is missing.
        """
        if self.dist == LOCAL:
            return f"pip install {' '.join(self.missing)}"
        return (
            f"pip install '{self.dist}[{self.method.extra}]'"
            if self.method.extra
            else (f"pip install {self.dist}")
        )

    def load(self) -> type[Any]:
        """Import and check the class.

        Raises
        ------
        PluginLoadError
            If a dependency is missing (with the ``pip install`` that brings it), the import
            fails, or the class is not what its `Method` claims.
        """
        if self.missing:
            names = ", ".join(self.missing)
            raise self._failure(f"it needs {names}, not installed here; {self.remedy}")
        try:
            cls = _resolve(self.method.target)
        except Exception as error:
            raise self._failure(f"{type(error).__name__}: {error}") from error
        for complaint in _misfits(cls, self.roles, self.method.capabilities):
            raise self._failure(complaint)
        # Files find a class's name by where it lives.
        if isinstance(self.method.target, str) and self.method.target != home(cls):
            raise self._failure(
                f"its target {self.method.target!r} only leads to where the class lives; write "
                f"{home(cls)!r}"
            )
        return cls  # type: ignore[no-any-return]

    def _failure(self, text: str) -> PluginLoadError:
        return PluginLoadError(
            f"cannot load the {self.kind} {self.name!r} of {self.dist} {self.version}: "
            f"{text.rstrip('.')}."
        )


def _resolve(target: str | type) -> Any:
    """Import ``package.module:Class``."""
    if isinstance(target, type):
        return target
    module, _, path = target.partition(":")
    return functools.reduce(getattr, path.split("."), importlib.import_module(module))


def _misfits(cls: Any, roles: Iterable[str], capabilities: Iterable[str]) -> Iterator[str]:
    """Yield what a class lacks to be what its registration says."""
    where = f"{getattr(cls, '__module__', '?')}.{getattr(cls, '__qualname__', repr(cls))}"
    if not isinstance(cls, type):
        yield f"{where} is not a class"
        return
    for role in roles:
        if not issubclass(cls, _resolve(ROLES[role])):
            yield f"{where} has the role {role!r} but does not derive from {ROLES[role]}"
    if inspect.isabstract(cls):
        missing = sorted(getattr(cls, "__abstractmethods__", ()))
        yield f"{where} does not define {', '.join(missing)}"
    for word in capabilities:
        role, promised = CAPABILITIES.get(word) or ("", "")
        if role in roles and not hasattr(cls, promised):
            yield f"{where} claims the capability {word!r} but has no method {promised!r}"


def home(cls: type) -> str:
    """Return where a class lives, ``package.module:Class``."""
    return f"{cls.__module__}:{cls.__qualname__}"
