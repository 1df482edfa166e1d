"""Arrays that are slow to build, kept as HDF5 files between processes and runs.

The folder is that of the environment variable EQUATORIUM_CACHE, or ``~/.cache/equatorium``. It may
be deleted at any time; a file that is damaged or of another version is built again, and where
nothing can be written, the arrays are built in memory.
"""

import hashlib
import json
import logging
import os
import tempfile
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt

__all__ = ["Arrays", "Recent", "cache_folder", "cached"]

Arrays = dict[str, npt.NDArray[Any]]

# h5py raises any of these on damaged files, and pathlib RuntimeError where nobody has a home.
_UNREADABLE = (OSError, RuntimeError, ValueError, KeyError, TypeError, AttributeError)
_LOG = logging.getLogger(__name__)


def cache_folder() -> Path:
    """Folder in which the arrays are kept."""
    named = os.environ.get("EQUATORIUM_CACHE", "")
    return Path(named).expanduser() if named else Path.home() / ".cache" / "equatorium"


def cached(kind: str, key: Mapping[str, Any], build: Callable[[], Arrays]) -> Arrays:
    """Load arrays by the key that determines them, or build and keep them.

    Parameters
    ----------
    kind : str
        First part of the file's name.
    key : mapping of JSON values
        Everything that the arrays depend on, with a version that is raised when `build` changes.
    build : callable
        Makes the arrays, by name; they must be numeric.

    Returns
    -------
    dict of arrays
        The same bits whether built or loaded.
    """
    text = json.dumps(key, sort_keys=True)
    digest = hashlib.sha256(text.encode()).hexdigest()[:20]
    try:
        path = cache_folder() / f"{kind}-{digest}.h5"
        if path.exists():
            return _read(path, text)
    except _UNREADABLE as error:
        _LOG.warning("A cached %s cannot be read (%s); it is built again.", kind, error)
    arrays = build()
    try:
        _write(cache_folder() / f"{kind}-{digest}.h5", text, arrays)
    except (OSError, RuntimeError) as error:
        _LOG.info("A %s stays in memory, for its file cannot be written (%s).", kind, error)
    return arrays


def _read(path: Path, text: str) -> Arrays:
    # Files are replaced, never changed, so that reading needs no lock.
    with h5py.File(path, "r", locking=False) as file:
        if file.attrs["key"] != text:
            raise ValueError("it belongs to another key")
        return {name: _dataset(file, name) for name in json.loads(file.attrs["names"])}


def _dataset(file: h5py.File, name: str) -> npt.NDArray[Any]:
    if not isinstance(file.get(name, getlink=True), h5py.HardLink):
        raise ValueError(f"{name!r} is not stored in it")
    data = file[name]
    if data.dtype.kind not in "biuf" or data.external or data.is_virtual:
        raise ValueError(f"{name!r} is not a plain array of numbers")
    return np.asarray(data[()])


def _write(path: Path, text: str, arrays: Arrays) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(prefix=path.stem, suffix=".tmp", dir=path.parent)
    os.close(handle)
    try:
        with h5py.File(temporary, "w") as file:
            file.attrs["key"] = text
            file.attrs["names"] = json.dumps(list(arrays))
            for name, array in arrays.items():
                # A checksum, so that flipped bits are noticed on reading; it needs chunks.
                chunked = {"chunks": True, "fletcher32": True} if array.size else {}
                file.create_dataset(name, data=array, dtype=array.dtype, **chunked)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


class Recent:
    """The objects used last, as many as fit in a number of bytes; safe to share by threads.

    Parameters
    ----------
    limit : int
        Bytes to hold; the last object is held whatever its size.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._held: OrderedDict[Any, tuple[Any, int]] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: Any, make: Callable[[], Any], size: Callable[[Any], int]) -> Any:
        """Return the object of a key, made if it is not held.

        Parameters
        ----------
        key : hashable
        make : callable
            Makes the object.
        size : callable
            Bytes that an object takes.

        Examples
        --------
        >>> recent = Recent(limit=100)
        >>> recent.get("a", lambda: 1, lambda _: 60), recent.get("a", lambda: 2, lambda _: 60)
        (1, 1)
        >>> recent.get("b", lambda: 3, lambda _: 60), recent.get("a", lambda: 4, lambda _: 60)
        (3, 4)
        """
        with self._lock:
            if key in self._held:
                self._held.move_to_end(key)
                return self._held[key][0]
        made = make()
        with self._lock:
            self._held[key] = made, size(made)
            while len(self._held) > 1 and sum(n for _, n in self._held.values()) > self.limit:
                self._held.popitem(last=False)
        return made
