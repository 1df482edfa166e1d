"""HDF5 files that can be trusted: replaced as a whole, checked before a byte of them is believed.

A file is made in memory, written beside the old one, and `os.replace` then puts it in its place, so
that no interruption, and no full disk, loses what was there. A file is opened only if it is one of
ours, not newer than the library, and nothing in it reaches outside: no soft or external link, no
external or virtual storage, no filter that would load foreign code.
"""

import contextlib
import json
import os
import platform
import secrets
import shutil
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from equatorium.errors import FileFormatError

FORMAT = "equatorium"
SCHEMA = 1

_FILTERS = (h5py.h5z.FILTER_DEFLATE, h5py.h5z.FILTER_SHUFFLE)
# From HDF5 1.10 on the file's own structures carry checksums; before, one wrong bit in them could
# hang the library. Text of variable length has none even now, so no attribute of ours is such.
_LIBVER = ("v110", "v110")
_STALE = 3600.0


@contextlib.contextmanager
def atomic(path: str | Path, fresh: bool = False) -> Iterator[h5py.File]:
    """Change a file as a whole or not at all.

    Parameters
    ----------
    path : str or Path
        The file; made if there is none.
    fresh : bool
        Start from an empty file instead of a copy of the present one.

    Yields
    ------
    h5py.File
        Open for writing. On an exception the old file stays as it was.

    Raises
    ------
    FileFormatError
        If there is a file that is not ours: it is neither changed nor replaced.
    OSError
        If the folder is missing or cannot be written to, or the disk is full.
    """
    path = Path(os.path.realpath(path))
    exists = path.exists() and path.stat().st_size > 0
    if exists:
        with opened(path):
            pass
    temporary = _temporary(path)
    try:
        # In memory, since HDF5 on a full disk takes the whole process down.
        mode = "r+" if exists and not fresh else "w"
        memory: dict[str, Any] = {"driver": "core", "backing_store": False}
        with h5py.File(path, mode, **memory, locking=False, libver=_LIBVER) as file:
            _stamp(file)
            yield file
            file.flush()
            _write(temporary, file.id.get_file_image(), path)
        if exists:
            shutil.copymode(path, temporary)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def opened(path: str | Path) -> Iterator[h5py.File]:
    """Open one of our files for reading, after checking that it is one.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    FileFormatError
        If it is damaged, foreign, newer than this library, or reaches outside itself.
    """
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f"there is no file {path} (seen from {Path.cwd()}).")
    if not path.is_file():
        raise FileFormatError(f"{path} is a folder; give the HDF5 file inside it.")
    try:
        file = h5py.File(path, "r", locking=False)
    except PermissionError as error:
        raise PermissionError(f"{path} may not be read: {error.strerror}.") from error
    except (OSError, RuntimeError, ValueError) as error:
        raise FileFormatError(
            f"{path} is not an HDF5 file, or it is damaged ({_first(error)}). If it was cut short "
            f"in copying, copy it again; otherwise remove it and compute it anew."
        ) from error
    with file:
        _check_header(file, path)
        with explained(file):
            _check_links(file, set())
        yield file


def check_writable(path: str | Path) -> None:
    """Raise now, and not after hours of work, if ``path`` could not be written or is not ours.

    Raises
    ------
    OSError, FileFormatError
        As `atomic` does.
    """
    path = Path(os.path.realpath(path))
    if path.is_file() and path.stat().st_size > 0:
        with opened(path):
            pass
    _temporary(path).unlink()


def refusal(item: h5py.Group | h5py.Dataset, text: str) -> FileFormatError:
    """Make the error that names the file, the object in it, and what is wrong."""
    return FileFormatError(
        f"{item.file.filename}: {item.name}: {text}. The file is damaged or was not written by "
        f"this library; take an intact copy, or compute it anew."
    )


@contextlib.contextmanager
def explained(item: h5py.Group | h5py.Dataset) -> Iterator[None]:
    """Turn what h5py raises on a damaged file into one error that says so."""
    try:
        yield
    except (OSError, RuntimeError, LookupError, TypeError, ValueError, OverflowError) as error:
        raise refusal(item, f"it cannot be read ({type(error).__name__}: {error})") from error


def _check_links(group: h5py.Group, seen: set[Any]) -> None:
    """Refuse all that is not a tree of groups and datasets within this file."""
    for name in group:
        if not isinstance(group.get(name, getlink=True), h5py.HardLink):
            raise refusal(group, f"{name!r} is a link to somewhere else")
        item = group[name]
        if not isinstance(item, h5py.Group | h5py.Dataset):
            raise refusal(group, f"{name!r} is neither a group nor an array")
        address = h5py.h5o.get_info(item.id).addr
        if address in seen:
            raise refusal(group, f"{name!r} occurs a second time")
        seen.add(address)
        if isinstance(item, h5py.Group):
            _check_links(item, seen)
        else:
            check_storage(item)


def check_storage(dataset: h5py.Dataset) -> None:
    """Refuse an array whose numbers lie elsewhere or need code that we do not know."""
    made = dataset.id.get_create_plist()
    if made.get_layout() == h5py.h5d.VIRTUAL or made.get_external_count() > 0:
        raise refusal(dataset, "its numbers lie in another file")
    if any(made.get_filter(i)[0] not in _FILTERS for i in range(made.get_nfilters())):
        raise refusal(dataset, "it is packed by a filter other than gzip and shuffle")


def _check_header(file: h5py.File, path: Path) -> None:
    try:
        ours = file.attrs.get("format") == FORMAT.encode()
        schema = int(file.attrs["schema"]) if ours else 0
        writer = bytes(file.attrs.get("version", b"?")).decode()
    except (OSError, RuntimeError, LookupError, TypeError, ValueError) as error:
        raise FileFormatError(f"{path} has a damaged header ({_first(error)}).") from error
    if not ours:
        raise FileFormatError(
            f"{path} is an HDF5 file, but not one of equatorium's. Tables of runs are read with "
            f"equatorium.Runs.read; to write here, choose another name."
        )
    if schema > SCHEMA:
        raise FileFormatError(
            f"{path} was written by equatorium {writer} in the newer file format {schema}; this "
            f"is format {SCHEMA}: pip install -U equatorium."
        )


def _stamp(file: h5py.File) -> None:
    now = datetime.now(UTC).isoformat(timespec="seconds")
    made_by = {
        "python": platform.python_version(),
        "numpy": np.__version__,
        "h5py": h5py.__version__,
        "platform": platform.platform(),
    }
    if "format" not in file.attrs:
        file.attrs["format"] = np.bytes_(FORMAT)
        file.attrs["created"] = np.bytes_(now)
    file.attrs["modified"] = np.bytes_(now)
    file.attrs["schema"] = SCHEMA
    file.attrs["version"] = np.bytes_(version("equatorium"))
    file.attrs["provenance"] = np.bytes_(json.dumps(made_by))


def _write(temporary: Path, image: bytes, path: Path) -> None:
    try:
        with temporary.open("wb") as handle:
            handle.write(image)
            handle.flush()
            os.fsync(handle.fileno())
    except OSError as error:
        raise type(error)(
            error.errno,
            f"{len(image) / 1e6:.3g} MB could not be written to {path.parent} ({error.strerror}). "
            f"Make room and do the same again; {path.name} is as it was before",
        ) from error


def _temporary(path: Path) -> Path:
    """Make an empty file beside ``path``; clear away what killed processes left there."""
    if path.is_dir():
        raise IsADirectoryError(f"{path} is a folder; give the name of a file inside it.")
    try:
        for old in path.parent.glob(f".{path.name}.*.tmp"):
            if time.time() - old.stat().st_mtime > _STALE:
                old.unlink(missing_ok=True)
        temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
        temporary.open("xb").close()
    except FileNotFoundError as error:
        raise FileNotFoundError(f"there is no folder {path.parent}; make it first.") from error
    except OSError as error:
        raise type(error)(
            f"nothing can be written into {path.parent} ({error.strerror}); choose another "
            f"folder, or change its permissions."
        ) from error
    return temporary


def _first(error: BaseException) -> str:
    return str(error).split("\n")[0]
