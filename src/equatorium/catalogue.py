"""The methods that are known: looked up by name, with no silent winner where two share one.

Plugins are read on the first look-up, under a lock, so that threads see all of them or wait.
"""

import dataclasses
import importlib
import os
import re
import threading
import traceback
import warnings
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from equatorium.discovery import Found, Problem, Timing, canonical, discover
from equatorium.entry import LOCAL, Entry, home
from equatorium.errors import (
    InputError,
    NameCollisionError,
    PluginError,
    PluginLoadError,
    PluginWarning,
    UnknownMethodError,
    UnknownNameError,
    did_you_mean,
)
from equatorium.plugin import CAPABILITIES, ROLES, Method


class Catalogue:
    """All known methods; one instance serves the library, others serve tests.

    Parameters
    ----------
    find : callable, optional
        Returns what `discover` does; the timings may be left out.
    """

    def __init__(self, find: Callable[[], Sequence[Sequence[Any]]] = discover) -> None:
        self._find = find
        self._lock = threading.RLock()
        self._reading = False
        self._found: tuple[Entry, ...] | None = None
        self._problems: tuple[Problem, ...] = ()
        self._timings: dict[str, Timing] = {}
        self._unloadable: dict[str, Problem] = {}
        self._local: dict[str, Entry] = {}

    def entries(self) -> tuple[Entry, ...]:
        """Return all entries, reading the plugins the first time."""
        with self._lock:
            if self._found is None:
                found = self._read()
                _refuse_in_strict_mode(found.problems)
                self._found, self._problems = tuple(found.entries), tuple(found.problems)
                # A second reading imports nothing again: the first one's times are the true ones.
                self._timings = {t.plugin: t for t in found.timings} | self._timings
                for problem in found.problems:
                    text = f"a plugin is broken: {problem}"
                    warnings.warn(text, PluginWarning, stacklevel=3)
            return (*self._found, *self._local.values())

    def _read(self) -> Found:
        if self._reading:  # this thread holds the lock: a plugin asks while it is asked
            raise PluginError(
                "methods are looked up while the plugins are being read; a plugin lists its own, "
                "and looks others up only when one of its own is used."
            )
        self._reading = True
        try:
            return Found(*self._find())
        finally:
            self._reading = False

    def problems(self) -> tuple[Problem, ...]:
        """Return what is wrong with which plugin, as far as it was tried."""
        self.entries()
        return (*self._problems, *self._unloadable.values())

    def timings(self) -> tuple[Timing, ...]:
        """Return what the import of each plugin took, and the heavy modules it brought in."""
        self.entries()
        return tuple(self._timings.values())

    def collisions(self) -> dict[str, tuple[Entry, ...]]:
        """Return the short names that several distributions offer for the same role."""
        shared: dict[tuple[str, str], list[Entry]] = {}
        for entry in self.methods():
            for role in entry.roles:
                for name in entry.names:
                    shared.setdefault((role, name), []).append(entry)
        return {name: tuple(found) for (_, name), found in shared.items() if len(found) > 1}

    def refresh(self) -> None:
        """Read the plugins anew, for instance after a ``pip install`` in a notebook."""
        importlib.invalidate_caches()
        with self._lock:
            self._found = None
            self._unloadable.clear()
            self.entries()

    def methods(
        self, kind: str | None = None, *, capabilities: Iterable[str] = ()
    ) -> tuple[Entry, ...]:
        """Return the entries usable as ``kind`` that have all these capabilities, by name."""
        if kind is not None:
            _need_kind(kind)
        wanted = {capabilities} if isinstance(capabilities, str) else capabilities
        if not isinstance(wanted, Iterable) or not all(isinstance(word, str) for word in wanted):
            raise InputError(f"capabilities must be a list of words, not {capabilities!r}.")
        wanted = set(wanted)
        for word in wanted:
            if word not in CAPABILITIES and ":" not in word:
                raise UnknownNameError(
                    f"there is no capability {word!r}.{did_you_mean(word, CAPABILITIES)} "
                    f"Known: {', '.join(CAPABILITIES)}."
                )
        found = [
            entry
            for entry in self.entries()
            if (kind is None or kind in entry.roles) and wanted <= set(entry.method.capabilities)
        ]
        return tuple(sorted(found, key=lambda entry: (entry.name, entry.dist)))

    def load(self, entry: Entry) -> type[Any]:
        """Import the class of an entry; a failure raises, and stays among the problems."""
        try:
            cls = entry.load()
        except PluginLoadError as error:
            trace = "".join(traceback.format_exception(error))
            self._unloadable[entry.qualname] = Problem(entry.dist, entry.version, str(error), trace)
            raise
        self._unloadable.pop(entry.qualname, None)
        return cls

    def get(self, kind: str | None, name: str) -> Entry:
        """Return the one entry of this name that can be used as ``kind`` (None: as anything).

        Raises
        ------
        UnknownMethodError
            If there is none.
        NameCollisionError
            If several distributions offer it.
        """
        if not isinstance(name, str):
            raise InputError(f"a method is asked for by its name, but this is {name!r}.")
        dist, _, short = name.rpartition("/")
        usable = self.methods(kind)
        found = [e for e in usable if short in e.names and (not dist or e.dist == canonical(dist))]
        if not found:
            raise UnknownMethodError(self._unknown(kind, name, usable))
        if len(found) > 1:
            rows = "".join(f"\n  {e.qualname}  ({e.version}: {e.method.target})" for e in found)
            raise NameCollisionError(
                f"{len(found)} plugins offer the {kind or 'method'} {name!r}:{rows}\n"
                f"Ask for one in full, e.g. {found[0].qualname!r}, or uninstall the other."
            )
        return found[0]

    def _unknown(self, kind: str | None, name: str, usable: tuple[Entry, ...]) -> str:
        others = [e for e in self.methods() if name in (*e.names, e.qualname)]
        known = {short: None for e in usable for short in e.names}
        text = f"no {kind or 'method'} {name!r}."
        if others:
            roles = " and ".join(others[0].roles)
            text += f" It is known as {roles}: use equatorium.{others[0].roles[0]}({name!r})."
        else:
            text += did_you_mean(name, [*known, *(e.qualname for e in usable)])
        text += f" Known: {', '.join(known) or 'none'}."
        broken = "; ".join(map(str, self.problems()))
        return text + (f" These plugins are broken: {broken}." if broken else "")

    def register(self, kind: str, what: Method | type, **fields: Any) -> Entry:
        """Offer a class of the running script under ``local/name``.

        Parameters
        ----------
        kind : str
            The shelf, such as ``"emulator"``.
        what : Method or type
            A class gets its name from ``name=`` or, by default, from its own.
        **fields
            Further fields of `Method`, for a class.

        Raises
        ------
        InputError, UnknownNameError
            If a field, or what is offered, is none that can be.
        PluginLoadError
            If the class is not what its `Method` claims.
        NameCollisionError
            If another class has taken the name; the same class, defined anew, replaces itself.
        """
        _need_kind(kind)
        if isinstance(what, type):
            known = [field.name for field in dataclasses.fields(Method) if field.name != "target"]
            for name in fields:
                if name not in known:
                    raise UnknownNameError(
                        f"a Method has no field {name!r} for a class to be registered with."
                        f"{did_you_mean(name, known)} It has: {', '.join(known)}."
                    )
            fields.setdefault("name", re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "-", what.__name__).lower())
            first = (what.__doc__ or "").strip().split("\n")[0]
            fields.setdefault("summary", " ".join(first.split()))
            fields.setdefault("capabilities", getattr(what, "capabilities", ()))
            what = Method(target=what, **fields)
        elif type(what) is not Method or fields:
            raise InputError(
                f"register takes a class, with fields of its Method, or a whole Method without "
                f"more; but this is {what!r:.80}{', with ' + ', '.join(fields) if fields else ''}."
            )
        entry = Entry(kind, what, LOCAL, "in this process")
        cls = entry.load()
        with self._lock:
            for name in entry.names:
                old = next((e for e in self._local.values() if name in e.names), entry)
                if home(old.load()) != home(cls):
                    raise NameCollisionError(
                        f"{name!r} is registered for {home(old.load())}; give "
                        f"{home(cls)} another name with name=..."
                    )
            self._local[entry.name] = entry
        return entry

    def withdraw(self, name: str) -> None:
        """Take back what `register` offered under ``name``; nothing happens if there is none."""
        with self._lock:
            self._local.pop(name, None)

    def entry_of(self, cls: type) -> Entry | None:
        """Return the entry whose class this is, or None; imports nothing."""
        for entry in self.entries():
            target = entry.method.target
            if target is cls or target == home(cls):
                return entry
        return None


def _need_kind(kind: object) -> None:
    if not isinstance(kind, str) or kind not in ROLES:
        raise UnknownNameError(
            f"there is no kind {kind!r}.{did_you_mean(str(kind), ROLES)} Known: {', '.join(ROLES)}."
        )


def _refuse_in_strict_mode(problems: Sequence[Problem]) -> None:
    """Raise the first problem where CI or a plugin's author asked for that."""
    asked = os.environ.get("EQUATORIUM_PLUGINS_STRICT", "").strip().lower()
    if problems and asked not in ("", "0", "false", "no"):
        raise PluginError(f"{problems[0]}\n{problems[0].trace}")
