"""The journal: an append-only file of run records that survives a crash at any byte.

Each record is one frame::

    magic "eqj1" | payload length, uint32 | crc32 of length and payload, uint32 | payload
    payload = header length, uint32 | header, JSON | theta, values, variance, float64

all little-endian. A frame cut off at the end of the file (a crash while writing) is ignored and cut
away by the next write; a damaged frame elsewhere is skipped, and reported by `scan`.
"""

import json
import struct
import zlib
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from equatorium.checks import FloatArray

MAGIC = b"eqj1"
_FRAME = struct.Struct("<4sII")
_LENGTH = struct.Struct("<I")


@dataclass(frozen=True, kw_only=True, eq=False)
class RunRecord:
    """One run of a simulator, done or failed.

    Attributes
    ----------
    key : str
        Hexadecimal hash of all that determines the run.
    simulator : str
        The simulator's identity.
    theta : (D,) array
        All parameters, in the simulator's order.
    values : (p,) array
        Outputs; NaN when the run failed.
    variance : (p,) array or None
        The outputs' noise variance, where the simulator declares it.
    status : str
        ``"ok"`` or ``"failed: reason"``.
    info : dict
        What else the simulator tells, as JSON.
    wall : float
        Seconds the run took.
    time : float
        When it ended, in seconds since 1970.
    """

    key: str
    simulator: str
    theta: FloatArray
    values: FloatArray
    variance: FloatArray | None = None
    status: str = "ok"
    info: dict[str, Any] = field(default_factory=dict)
    wall: float = 0.0
    time: float = 0.0

    @property
    def ok(self) -> bool:
        """Whether the run gave usable outputs."""
        return self.status == "ok"


@dataclass(frozen=True)
class Scan:
    """What a journal holds.

    Attributes
    ----------
    records : list of RunRecord
        The intact records, oldest first.
    end : int
        Where the last intact frame ends: the place to write on.
    damaged : int
        Bytes before `end` that belong to no intact frame.
    ours : bool
        False for a file that cannot have been a journal.
    """

    records: list[RunRecord]
    end: int
    damaged: int
    ours: bool


def frame(record: RunRecord) -> bytes:
    """Encode a record as one frame."""
    arrays = [record.theta, record.values]
    if record.variance is not None:
        arrays.append(record.variance)
    header = {
        "key": record.key,
        "simulator": record.simulator,
        "status": record.status,
        "info": record.info,
        "wall": record.wall,
        "time": record.time,
        "sizes": [len(array) for array in arrays],
    }
    text = json.dumps(header).encode()
    numbers = b"".join(np.ascontiguousarray(array, "<f8").tobytes() for array in arrays)
    payload = _LENGTH.pack(len(text)) + text + numbers
    return _FRAME.pack(MAGIC, len(payload), _checksum(payload)) + payload


def scan(data: bytes) -> Scan:
    """Read all intact records of a journal's bytes, whatever has happened to the others."""
    records, end, damaged, at = [], 0, 0, 0
    while (at := data.find(MAGIC, at)) >= 0:
        payload = _payload(data, at)
        record = None if payload is None else _record(payload)
        if payload is None or record is None:
            at += 1
            continue
        damaged += at - end
        end = at = at + _FRAME.size + len(payload)
        records.append(record)
    # A crash of the machine can leave a first frame cut off, or a tail of zeros.
    ours = bool(records) or data[:4] == MAGIC[: len(data)] or not data.strip(b"\0")
    return Scan(records, end, damaged, ours)


def _checksum(payload: bytes) -> int:
    return zlib.crc32(payload, zlib.crc32(_LENGTH.pack(len(payload))))


def _payload(data: bytes, at: int) -> bytes | None:
    if at + _FRAME.size > len(data):
        return None
    _, length, checksum = _FRAME.unpack_from(data, at)
    payload = data[at + _FRAME.size : at + _FRAME.size + length]
    return payload if len(payload) == length and _checksum(payload) == checksum else None


def _record(payload: bytes) -> RunRecord | None:
    """Decode a payload; None when an intact frame holds something else than a record."""
    try:
        (length,) = _LENGTH.unpack_from(payload)
        header = json.loads(payload[4 : 4 + length])
        sizes = header.pop("sizes")
        numbers = np.frombuffer(payload[4 + length :], "<f8").astype(np.float64)
        if len(sizes) not in (2, 3) or min(sizes) < 0 or sum(sizes) != len(numbers):
            return None
        theta, values, *variance = np.split(numbers, np.cumsum(sizes)[:-1])
        return RunRecord(
            theta=theta, values=values, variance=variance[0] if variance else None, **header
        )
    except (ValueError, TypeError, KeyError, AttributeError, struct.error):
        return None
