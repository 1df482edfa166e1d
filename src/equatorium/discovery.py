"""From entry points to entries: plugins are read one by one, so that a broken one hides no other.

pluggy alone stops at the first plugin that fails to import, to register or to answer, and skips a
second plugin of the same name without a word; here each of these becomes a `Problem`.
"""

import os
import re
import sys
import time
import traceback
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from importlib.metadata import (
    Distribution,
    EntryPoint,
    PackageNotFoundError,
    distributions,
    entry_points,
    version,
)
from types import ModuleType
from typing import NamedTuple, cast

import pluggy

from equatorium import shelf
from equatorium.entry import LOCAL, Entry
from equatorium.errors import PluginError, did_you_mean
from equatorium.plugin import GROUP, HEAVY, HOOKS, PROJECT, Hooks, Method

CORE = "equatorium"
_MOST = 1000  # methods of one hook: more are a loop without an end


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
    points, unknown = _points()
    problems += unknown
    for dist, number, point in points:
        before, start = set(sys.modules), time.perf_counter()
        try:
            module = point.load()
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # also SystemExit, and the panics of compiled code
            problems.append(_problem(dist, number, f"import of {point.value!r} failed", error))
        else:
            found, wrong = _read(manager, module, dist, number)
            entries += found
            problems += wrong
        took = 1e3 * (time.perf_counter() - start)
        heavy = tuple(name for name in HEAVY if name in sys.modules and name not in before)
        timings.append(Timing(dist, number, took, heavy))
    return Found(_unique(entries, problems), problems, timings)


def _points() -> tuple[list[tuple[str, str, EntryPoint]], list[Problem]]:
    """Return the entry points that are to be read, and what is wrong before any is."""
    points: list[tuple[str, str, EntryPoint]] = []
    problems: list[Problem] = []
    for point in _installed(problems):
        name = _name(point.dist)
        if point.dist is None or not name:
            text = "its distribution has no name: the METADATA is damaged; install it again"
            problems.append(Problem(point.value, "(unknown)", text))
        elif canonical(name) == LOCAL:
            text = f"no distribution may be called {LOCAL!r}: that is what a script registers"
            problems.append(Problem(name, point.dist.version, text))
        else:
            points.append((canonical(name), point.dist.version, point))
    points.sort(key=lambda row: (row[0], row[2].name))
    allowed = os.environ.get("EQUATORIUM_PLUGINS")
    if allowed is None:
        return points, problems
    names = [canonical(name.strip()) for name in allowed.split(",") if name.strip()]
    problems = [problem for problem in problems if canonical(problem.plugin) in names]
    known = {CORE, *(row[0] for row in points), *(canonical(p.plugin) for p in problems)}
    for name in dict.fromkeys(names):
        if name not in known:
            text = f"EQUATORIUM_PLUGINS names it.{did_you_mean(name, known) or ' Install it.'}"
            problems.append(Problem(name, "(not installed)", text))
    return [row for row in points if row[0] in names], problems


def _installed(problems: list[Problem]) -> list[EntryPoint]:
    """Return all entry points of the group; a file that cannot be read hides no other."""
    try:
        return list(entry_points(group=GROUP))
    except Exception:
        found: dict[str, list[EntryPoint]] = {}
        for dist in distributions():
            try:  # of two of one name the first is the one that is imported
                found.setdefault(str(_name(dist)), list(dist.entry_points.select(group=GROUP)))
            except Exception as error:
                text = "its entry_points.txt cannot be read"
                problems.append(_problem(str(_name(dist)), dist.version, text, error))
        return [point for points in found.values() for point in points]


def _name(dist: Distribution | None) -> str | None:
    """Return a distribution's name; None if its metadata is damaged."""
    try:
        return cast(str | None, dist.name) if dist is not None else None
    except Exception:  # the package importlib_metadata raises where the standard library has None
        return None


def _read(
    manager: pluggy.PluginManager, module: object, dist: str, number: str
) -> tuple[list[Entry], list[Problem]]:
    """Call a plugin's hooks one by one; what it yields before it fails is kept."""
    entries: list[Entry] = []
    problems: list[Problem] = []
    if not isinstance(module, ModuleType):
        text = f"its entry point must name a module, but leads to a {type(module).__name__}"
        return entries, [Problem(dist, number, text)]
    if manager.is_registered(module):
        text = f"two of its entry points lead to {module.__name__}; one is enough"
        return entries, [Problem(dist, number, text)]
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
                for item in _given(implementation.function()):
                    entries.append(Entry(HOOKS[caller.name], item, dist, number))
            except KeyboardInterrupt:
                raise
            except BaseException as error:
                problems.append(_problem(dist, number, f"hook {caller.name} failed", error))
    return entries, problems


def _given(items: object) -> Iterator[Method]:
    """Check what a hook gives, as it gives it."""
    if not isinstance(items, Iterable):
        raise PluginError(f"it gave {items!r:.80} instead of a list of equatorium.Method")
    for number, item in enumerate(items):
        if type(item) is not Method:  # a subclass need not be the checked data that is promised
            raise PluginError(f"it gave {item!r:.80} instead of a Method")
        if number == _MOST:
            raise PluginError(f"it gave more than {_MOST} methods; is its loop without an end?")
        yield item


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
    try:
        why = str(error)
    except Exception:
        why = "(an error that cannot be printed)"
    line = " ".join(f"{text}: {type(error).__name__}: {why}".split())
    return Problem(dist, number, line, trace)
