"""Results of a study's steps, each kept in one HDF5 file under the hash of its inputs.

A step with the same inputs is read back, one with other inputs is computed anew, and older
results stay where they are: a study never mixes old and new.
"""

import contextlib
import hashlib
import json
import os
import sys
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from equatorium import storage
from equatorium.errors import EquatoriumError
from equatorium.simulate.lock import WriterLock

_ROOT = "steps"


def digest(thing: Any) -> str:
    """Return a short hash of numbers, text, arrays, records and containers of them.

    Parameters
    ----------
    thing : object
        JSON values, numpy arrays, objects with ``get_state``, and mappings or sequences of these.

    Returns
    -------
    str
        Sixteen hexadecimal digits, the same in every process.

    Examples
    --------
    >>> digest({"a": 1, "b": [2.0]}) == digest({"b": [2.0], "a": 1})
    True
    """
    return hashlib.sha256(_canonical(thing).encode()).hexdigest()[:16]


def _canonical(thing: Any) -> str:
    if thing is None or isinstance(thing, bool | int | float | str):
        return json.dumps(thing)
    if isinstance(thing, np.ndarray | np.generic):
        array = np.ascontiguousarray(thing)
        return f"{array.dtype.str}{array.shape}{hashlib.sha256(array.tobytes()).hexdigest()}"
    if isinstance(thing, Mapping):
        items = sorted((str(key), _canonical(value)) for key, value in thing.items())
        return "{" + ",".join(f"{key}:{value}" for key, value in items) + "}"
    if isinstance(thing, Sequence | set | frozenset):
        parts = [_canonical(value) for value in thing]
        return "[" + ",".join(sorted(parts) if isinstance(thing, set | frozenset) else parts) + "]"
    if hasattr(thing, "get_state"):
        return f"{type(thing).__name__}{_canonical(thing.get_state())}"
    raise EquatoriumError(f"cannot hash a {type(thing).__name__}: {thing!r}")


def entropy(seed: int, step: str) -> int:
    """Return a seed of a step's own, so that a resumed study draws what an unbroken one does."""
    sequence = np.random.SeedSequence(seed, spawn_key=(zlib.crc32(step.encode()),))
    return int(sequence.generate_state(1, np.uint64)[0])


class Steps:
    """The steps of one study file.

    Parameters
    ----------
    path : str or Path
        The study's HDF5 file; made on the first `keep`.
    seed : int
        Where every step's random numbers derive from.
    progress : bool
        Say on the standard error what is done.
    """

    def __init__(self, path: str | Path, *, seed: int = 0, progress: bool = False) -> None:
        self.path = Path(path)
        self.seed = seed
        self.progress = progress
        self._cache: dict[tuple[str, str], Any] = {}

    def prepare(self) -> None:
        """Make the folder, and find out before hours of work whether the file can be written.

        Raises
        ------
        OSError, FileFormatError
            When it cannot, or is a file of something else.
        """
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise type(error)(
                f"the folder {self.path.parent} for the study's file cannot be made "
                f"({error.strerror}); choose another place for it: store."
            ) from error
        storage.check_writable(self.path)

    def run(
        self, step: str, inputs: Mapping[str, Any], compute: Callable[[np.random.Generator], Any]
    ) -> tuple[Any, str]:
        """Return a step's result and hash: read back where its inputs are the same.

        Parameters
        ----------
        step : str
            Name of the step, such as ``wave-1/runs``.
        inputs : mapping
            All that the result depends on.
        compute : callable
            Takes a Generator and returns the result, of a type that `storage` writes.
        """
        key = digest({"step": step, "seed": self.seed, **inputs})
        result = self.fetch(step, key)
        if result is not None:
            self.point_to(step, key)
            self.say(f"{step}: done before, read from {self.path}")
            return result, key
        changed = step in self.current()
        note = " (its inputs changed; the older result is kept)" if changed else ""
        self.say(f"{step}{note} ...")
        result = compute(np.random.default_rng(entropy(self.seed, step)))
        self.keep(step, key, result)
        return result, key

    def say(self, line: str) -> None:
        """Tell the user, unless told to be quiet."""
        if self.progress:
            print(line, file=sys.stderr, flush=True)

    def fetch(self, step: str, key: str) -> Any | None:
        """Return the result of ``step`` whose inputs hash to ``key``, or None."""
        if (step, key) not in self._cache and self.path.exists():
            with storage.opened(self.path) as file:
                name = f"{_ROOT}/{step}/{key}"
                if name in file:
                    self._cache[step, key] = storage.read_tree(file[name])["result"]
        return self._cache.get((step, key))

    def keep(self, step: str, key: str, result: Any) -> None:
        """Store a result as the current one of its step; the file is replaced as a whole."""
        stamp = datetime.now(UTC).isoformat(timespec="seconds")
        with self._change() as file:
            group = file.require_group(f"{_ROOT}/{step}")
            if key in group:
                del group[key]
            storage.write_tree(group.create_group(key), {"result": result, "created": stamp})
            group.attrs["current"] = np.bytes_(key)
        self._cache[step, key] = result

    def point_to(self, step: str, key: str) -> None:
        """Make an older result of a step the current one again."""
        if self.current().get(step) != key:
            with self._change() as file:
                file[f"{_ROOT}/{step}"].attrs["current"] = np.bytes_(key)

    @contextlib.contextmanager
    def _change(self) -> Iterator[Any]:
        """Change the file, as its only writer.

        The file is replaced by a changed copy: without the lock of the ledger, runs that another
        process folds in between copy and replacement would be lost.
        """
        with WriterLock(Path(os.path.realpath(self.path))), storage.atomic(self.path) as file:
            yield file

    def current(self) -> dict[str, str]:
        """Return the hash of the newest result of every step."""
        if not self.path.exists():
            return {}
        found: dict[str, str] = {}

        def visit(name: str, item: Any) -> None:
            if "current" in item.attrs:
                found[name] = bytes(item.attrs["current"]).decode()

        with storage.opened(self.path) as file:
            if _ROOT in file:
                _visit_groups(file[_ROOT], visit)
        return found

    def latest(self, step: str) -> Any | None:
        """Return the newest result of a step, or None."""
        key = self.current().get(step)
        return None if key is None else self.fetch(step, key)


def _visit_groups(root: Any, visit: Any) -> None:
    """Walk two levels (``wave-1/runs``, ``posterior``): results themselves are not entered."""
    for name in root:
        visit(name, root[name])
        if "current" not in root[name].attrs:
            for inner in root[name]:
                visit(f"{name}/{inner}", root[name][inner])
