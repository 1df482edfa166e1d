"""The ledger: every run of a study, never lost, whatever happens to the processes.

A finished run goes to the journal ``<study>.journal`` at once, and is on the disk when
`Ledger.append` returns; `Ledger.fold` moves the journal into the group ``ledger`` of the study's
HDF5 file. Readers merge both, and may read at any time. A crash between the two halves of folding
leaves runs in both places, which is harmless: they have the same key.
"""

import os
import warnings
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from equatorium import storage
from equatorium.errors import EquatoriumError, FileFormatError, StateError
from equatorium.simulate.journal import RunRecord, Scan, frame, scan
from equatorium.simulate.lock import WriterLock

_GROUP = "ledger"


class Ledger:
    """The runs kept with one study file.

    Used as a context manager it stays the only writer until it is left; `append` and `fold` enter
    by themselves.

    Parameters
    ----------
    path : str or Path
        The study's HDF5 file; it need not exist yet.

    Examples
    --------
    >>> import numpy as np, tempfile
    >>> folder = tempfile.TemporaryDirectory()
    >>> ledger = Ledger(folder.name + "/study.h5")
    >>> ledger.append(RunRecord(key="a1", simulator="s", theta=np.ones(2), values=np.ones(3)))
    >>> ledger.fold()
    >>> list(Ledger(ledger.path).records())
    ['a1']
    >>> folder.cleanup()
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(os.path.realpath(path))
        self.journal = self.path.with_name(self.path.name + ".journal")
        self._lock = WriterLock(self.path)
        self._depth = 0
        self._handle: int | None = None

    def __enter__(self) -> "Ledger":
        self._lock.__enter__()
        self._depth += 1
        return self

    def __exit__(self, *_: object) -> None:
        self._depth -= 1
        if self._depth == 0:
            self._close()
        self._lock.__exit__()

    def records(self) -> dict[str, RunRecord]:
        """Return all runs by their key, oldest first; a repeated run counts as it went last.

        Raises
        ------
        FileFormatError
            When the study file or the journal is not ours.
        """
        # In this order a fold by another process meanwhile hides nothing.
        recent = self._scan().records
        found: dict[str, RunRecord] = {}
        if self.path.exists():
            with storage.opened(self.path) as file:
                for group in file.get(_GROUP, {}).values():
                    found.update((record.key, record) for record in _unpack(self.path, group))
        found.update((record.key, record) for record in recent)
        return found

    def append(self, *records: RunRecord) -> None:
        """Write records to the journal, and wait until they are on the disk.

        Raises
        ------
        EquatoriumError
            When another process writes this study, or when the disk is full.
        """
        if not records:
            return
        with self:
            if self._handle is None:
                self._handle = self._open()
            start = os.lseek(self._handle, 0, os.SEEK_END)
            data = memoryview(b"".join(map(frame, records)))
            try:
                while data:
                    data = data[os.write(self._handle, data) :]
                os.fsync(self._handle)
            except OSError as error:
                os.ftruncate(self._handle, start)
                raise EquatoriumError(
                    f"cannot write to {self.journal}: {error.strerror}. The runs recorded before "
                    "are safe; make room and run again."
                ) from error

    def fold(self) -> None:
        """Move the journal into the study's file; nothing happens when there is no journal."""
        if not self.journal.exists():
            return
        with self:
            self._close()
            found = self._scan()
            blocks: dict[str, dict[str, RunRecord]] = {}
            for record in found.records:
                blocks.setdefault(_block(record), {})[record.key] = record
            if blocks:
                try:
                    self._merge(blocks)
                except OSError as error:
                    raise EquatoriumError(
                        f"cannot write {self.path}: {error}. The runs are safe in {self.journal}; "
                        "make room and run again."
                    ) from error
                _sync_folder(self.path.parent)  # the replacement is final before the journal goes
            if found.damaged:
                self.journal.replace(self.journal.with_name(self.journal.name + ".damaged"))
            else:
                self.journal.unlink(missing_ok=True)

    def _merge(self, blocks: Mapping[str, dict[str, RunRecord]]) -> None:
        with storage.atomic(self.path) as file:
            ledger = file.require_group(_GROUP)
            for name, records in blocks.items():
                old = _unpack(self.path, ledger[name]) if name in ledger else []
                merged = {record.key: record for record in old} | records
                if name in ledger:
                    del ledger[name]
                storage.write_tree(ledger.create_group(name), _pack(merged.values()))

    def _scan(self) -> Scan:
        try:
            data = self.journal.read_bytes()
        except FileNotFoundError:
            data = b""
        found = scan(data)
        if not found.ours:
            raise FileFormatError(
                f"{self.journal} is not a journal of runs; it is in the way of the study "
                f"{self.path.name}. Move it elsewhere, or give the study another file."
            )
        if found.damaged:
            warnings.warn(
                f"{found.damaged} bytes in the middle of {self.journal} are damaged; the runs "
                f"that they held will be repeated, the other {len(found.records)} are intact",
                stacklevel=3,
            )
        return found

    def _open(self) -> int:
        """Open the journal for appending, without the tail that a crash may have left."""
        end = self._scan().end
        handle = os.open(self.journal, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o666)
        os.ftruncate(handle, end)
        _sync_folder(self.journal.parent)
        return handle

    def _close(self) -> None:
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None


def _block(record: RunRecord) -> str:
    """Name the table that a record belongs to: one simulator, one shape."""
    return f"{record.simulator}-{len(record.theta)}-{len(record.values)}"


def _pack(records: Iterable[RunRecord]) -> dict[str, Any]:
    """Turn records of one block into columns."""
    rows = list(records)
    none = np.full(len(rows[0].values), np.nan)
    return {
        "simulator": rows[0].simulator,
        "key": [row.key for row in rows],
        "theta": np.array([row.theta for row in rows]),
        "values": np.array([row.values for row in rows]),
        "variance": np.array([none if row.variance is None else row.variance for row in rows]),
        "has_variance": np.array([row.variance is not None for row in rows]),
        "status": [row.status for row in rows],
        "info": [row.info for row in rows],
        "wall": np.array([row.wall for row in rows]),
        "time": np.array([row.time for row in rows]),
    }


def _unpack(path: Path, group: Any) -> list[RunRecord]:
    try:
        table: Mapping[str, Any] = storage.read_tree(group)
        return [
            RunRecord(
                key=key,
                simulator=table["simulator"],
                theta=table["theta"][i],
                values=table["values"][i],
                variance=table["variance"][i] if table["has_variance"][i] else None,
                status=table["status"][i],
                info=table["info"][i],
                wall=float(table["wall"][i]),
                time=float(table["time"][i]),
            )
            for i, key in enumerate(table["key"])
        ]
    except (KeyError, IndexError, TypeError, AttributeError, StateError) as error:
        raise FileFormatError(
            f"the runs in {path} ({getattr(group, 'name', _GROUP)}) cannot be read: {error!r}. "
            "Restore the file from a copy, or give the study another file."
        ) from error


def _sync_folder(folder: Path) -> None:
    """Make a new file's name survive a power failure (POSIX)."""
    if os.name == "posix":
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
