"""From entry points to entries: plugins are read one by one, so that a broken one hides no other.

pluggy alone stops at the first plugin that fails to import, to register or to answer, and skips a
second plugin of the same name without a word; here each of these becomes a `Problem`.
"""

import functools
import importlib
import inspect
import os
import re
import sys
import time
import traceback
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from importlib.metadata import EntryPoint, PackageNotFoundError, entry_points, version
from importlib.util import find_spec
from types import ModuleType
from typing import Any, NamedTuple, cast

import pluggy

from equatorium import shelf
from equatorium.errors import PluginError, PluginLoadError, did_you_mean
from equatorium.plugin import CAPABILITIES, GROUP, HEAVY, HOOKS, PROJECT, ROLES, Hooks, Method

CORE = "equatorium"


@dataclass(frozen=True)
class Problem:
    """What is wrong with a plugin; the others work."""

    plugin: str
    version: str
    text: str
    trace: str = field(default="", repr=False)

    def __str__(self) -> str:
        return f"{self.plugin} {self.version}: {self.text}"


@dataclass(frozen=True)
class Timing:
    """What it took to import a plugin's registration module.

    Attributes
    ----------
    plugin, version : str
    milliseconds : float
    heavy : tuple of str
        The slow modules (`equatorium.plugin.HEAVY`) that this import was the first to bring in.
    """

    plugin: str
    version: str
    milliseconds: float
    heavy: tuple[str, ...] = ()

    def __str__(self) -> str:
        eagerly = f", imports eagerly: {', '.join(self.heavy)}" if self.heavy else ""
        return f"{self.plugin} {self.version}: {self.milliseconds:.1f} ms{eagerly}"


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
        """The ``pip install`` that brings what is missing."""
        extra = f"'{self.dist}[{self.method.extra}]'"
        return f"pip install {extra if self.method.extra else ' '.join(self.missing)}"

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


def canonical(dist: str) -> str:
    """Spell a distribution's name the one way (PEP 503)."""
    return re.sub(r"[-_.]+", "-", dist).lower()


class Found(NamedTuple):
    """What a reading of all plugins gives: entries in a stable order, problems, and timings."""

    entries: Sequence[Entry]
    problems: Sequence[Problem]
    timings: Sequence[Timing] = ()


def discover() -> Found:
    """Read the core's shelf and all installed plugins.

    The environment variable ``EQUATORIUM_PLUGINS`` (names of distributions with commas between)
    limits which are read; empty means none.
    """
    manager = pluggy.PluginManager(PROJECT)
    manager.add_hookspecs(Hooks)
    try:
        core = version(CORE)
    except PackageNotFoundError:
        core = "unknown"
    entries, problems = _read(manager, shelf, CORE, core)
    timings = []
    for dist, number, point in _points():
        before, start = set(sys.modules), time.perf_counter()
        try:
            module = point.load()
        except (Exception, SystemExit) as error:
            problems.append(_problem(dist, number, f"import of {point.value!r} failed", error))
        else:
            found, wrong = _read(manager, module, dist, number)
            entries += found
            problems += wrong
        took = 1e3 * (time.perf_counter() - start)
        heavy = tuple(name for name in HEAVY if name in sys.modules and name not in before)
        timings.append(Timing(dist, number, took, heavy))
    return Found(_unique(entries, problems), problems, timings)


def _points() -> list[tuple[str, str, EntryPoint]]:
    allowed = os.environ.get("EQUATORIUM_PLUGINS")
    names = None if allowed is None else {canonical(name.strip()) for name in allowed.split(",")}
    points = [
        (canonical(point.dist.name), point.dist.version, point)
        for point in entry_points(group=GROUP)
        if point.dist is not None
    ]
    return sorted(
        (row for row in points if names is None or row[0] in names),
        key=lambda row: (row[0], row[2].name),
    )


def _read(
    manager: pluggy.PluginManager, module: ModuleType, dist: str, number: str
) -> tuple[list[Entry], list[Problem]]:
    """Call a plugin's hooks one by one; what it yields before it fails is kept."""
    entries: list[Entry] = []
    problems: list[Problem] = []
    try:
        manager.register(module, name=f"{dist}:{module.__name__}")
    except Exception as error:  # pluggy leaves a half-registered plugin behind
        if manager.is_registered(module):
            manager.unregister(module)
        return entries, [_problem(dist, number, "its hooks do not fit", error)]
    callers = manager.get_hookcallers(module)
    if not callers:
        text = f"{module.__name__} has no function marked with equatorium.hookimpl"
        problems.append(Problem(dist, number, text))
    for caller in callers or ():
        for implementation in caller.get_hookimpls():
            if implementation.plugin is not module:
                continue
            try:
                _check_hook(caller.name, implementation)
                for item in cast(Iterable[object], implementation.function()):
                    if not isinstance(item, Method):
                        raise PluginError(f"it gave {item!r} instead of a Method")
                    entries.append(Entry(HOOKS[caller.name], item, dist, number))
            except (Exception, SystemExit) as error:
                problems.append(_problem(dist, number, f"hook {caller.name} failed", error))
    return entries, problems


def _check_hook(name: str, implementation: pluggy.HookImpl) -> None:
    if name not in HOOKS:
        raise PluginError(f"there is no such hook.{did_you_mean(name, HOOKS)}")
    if implementation.wrapper or implementation.hookwrapper:
        raise PluginError("a hook that lists methods cannot be a wrapper")


def _unique(entries: Iterable[Entry], problems: list[Problem]) -> list[Entry]:
    """Drop, and report, a name that one distribution offers twice: it would have no full name."""
    taken: set[str] = set()
    kept = []
    for entry in entries:
        full = {f"{entry.dist}/{name}" for name in entry.names}
        if full & taken:
            text = f"offers {' and '.join(sorted(full & taken))} twice; the first is kept"
            problems.append(Problem(entry.dist, entry.version, text))
        else:
            taken |= full
            kept.append(entry)
    return kept


def _problem(dist: str, number: str, text: str, error: BaseException) -> Problem:
    trace = "".join(traceback.format_exception(error))
    line = " ".join(f"{text}: {type(error).__name__}: {error}".split())
    return Problem(dist, number, line, trace)
