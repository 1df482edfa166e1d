"""A training on disk: what it has reached after an epoch, from which it goes on bit for bit.

The file is HDF5, of numbers and text, and is replaced as a whole: one that is killed while it
writes leaves the epoch before.
"""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from equatorium import load, save
from equatorium.errors import InputError

_SHARE = 0.05  # of the time may go into writing


class Checkpoint:
    """One file of one training.

    Parameters
    ----------
    path : str or Path
    identity : mapping of str to str
        What must be the same for a training to go on: options, checksums of the data.
    """

    def __init__(self, path: str | Path, identity: Mapping[str, str]) -> None:
        if not isinstance(path, str | Path) or not str(path):
            raise InputError(f"checkpoint must be the path of a file or None, not {path!r:.80}.")
        self.path, self.identity = Path(path), dict(identity)
        if not self.path.absolute().parent.is_dir():
            raise InputError(f"checkpoint={str(path)!r} is in a folder that is not there; make it.")
        self._next = 0.0

    def read(self) -> dict[str, Any] | None:
        """Return what was written last, or None if there is no file.

        Raises
        ------
        InputError
            If the file belongs to another training, naming in what they differ.
        FileFormatError
            If it is no file of ours, or damaged.
        """
        if not self.path.exists():
            return None
        found = load(self.path)
        theirs = found.get("identity") if isinstance(found, Mapping) else None
        if not isinstance(theirs, Mapping) or "training" not in found:
            raise InputError(f"checkpoint={str(self.path)!r} holds no training; give another path.")
        other = sorted(
            name
            for name in {*theirs, *self.identity}
            if theirs.get(name) != self.identity.get(name)
        )
        if other:
            raise InputError(
                f"checkpoint={str(self.path)!r} is of a training with other {', '.join(other)}: "
                f"give them as they were, remove the file, or give another path."
            )
        training: dict[str, Any] = found["training"]
        return training

    def write(self, training: Mapping[str, Any]) -> None:
        """Replace the file."""
        start = time.monotonic()
        save(self.path, {"identity": self.identity, "training": dict(training)})
        end = time.monotonic()
        self._next = end + (end - start) / _SHARE

    @property
    def due(self) -> bool:
        """Whether enough has been learned since the last writing, that another is worth it."""
        return time.monotonic() >= self._next
