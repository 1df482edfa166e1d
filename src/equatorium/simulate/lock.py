"""One writer at a time: a lock file that says who holds it, released by the system on any death."""

import contextlib
import errno
import json
import os
import socket
import warnings
from datetime import datetime
from pathlib import Path

from equatorium.errors import EquatoriumError

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

_NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP)


class WriterLock:
    """An exclusive lock beside a file, re-entrant, used as a context manager.

    Parameters
    ----------
    path : Path
        What is being written; the lock is ``<path>.lock`` and is gone when nobody writes.

    Raises
    ------
    EquatoriumError
        On entering, when another process (or another object of this one) is writing, or when the
        folder cannot be written to.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.file = path.with_name(path.name + ".lock")
        self._depth = 0
        self._handle: int | None = None

    def __enter__(self) -> "WriterLock":
        if self._depth == 0:
            self._handle = self._acquire()
        self._depth += 1
        return self

    def __exit__(self, *_: object) -> None:
        self._depth -= 1
        if self._depth == 0 and self._handle is not None:
            # Removed while still held: `_acquire` notices that its file is no longer this one.
            self.file.unlink(missing_ok=True)
            os.close(self._handle)
            self._handle = None

    def _acquire(self) -> int:
        while True:
            try:
                handle = os.open(self.file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
            except OSError as error:
                raise EquatoriumError(
                    f"cannot write beside {self.path}: {error.strerror}; "
                    "choose another place for the study's file"
                ) from error
            try:
                self._lock(handle)
                if _is_still(handle, self.file):
                    break
            except BaseException:
                os.close(handle)
                raise
            os.close(handle)
        owner = {
            "pid": os.getpid(),
            "host": socket.gethostname(),
            "since": f"{datetime.now():%F %T}",
        }
        with contextlib.suppress(OSError):  # a full disk: the lock holds without a name in it
            os.ftruncate(handle, 0)
            os.write(handle, json.dumps(owner).encode())
        return handle

    def _lock(self, handle: int) -> None:
        try:
            if fcntl is None:
                raise OSError(errno.ENOSYS, "no fcntl")
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise EquatoriumError(
                f"{self.path} is being written by {self._owner(handle)}. Wait until that is done, "
                "or give this study another file."
            ) from None
        except OSError as error:
            if error.errno not in _NO_LOCKS:
                raise
            warnings.warn(
                f"the file system of {self.path} offers no locks: take care that only one process "
                "writes this study at a time",
                stacklevel=5,
            )

    def _owner(self, handle: int) -> str:
        with contextlib.suppress(ValueError, KeyError, OSError):
            owner = json.loads(os.pread(handle, 4096, 0))
            if owner["pid"] == os.getpid() and owner["host"] == socket.gethostname():
                return "another object of this same process"
            return f"process {owner['pid']} on {owner['host']} since {owner['since']}"
        return "another process"


def _is_still(handle: int, path: Path) -> bool:
    """Whether the path still names the open file, and not one made after its removal."""
    try:
        return os.path.samestat(os.fstat(handle), path.stat())
    except FileNotFoundError:
        return False
