"""The journal gives back every intact record, whatever was done to the bytes around it."""

import json
import struct
import zlib

import numpy as np
import pytest

from equatorium.simulate.journal import RunRecord, frame, scan


def record(i, **changes):
    fields = {
        "key": f"{i:032x}",
        "simulator": "abc",
        "theta": np.array([i, np.pi]),
        "values": np.array([i / 3, -0.0, 5e-324]),
        "variance": np.array([0.1, 0.2, 0.3]),
        "info": {"forest": i},
        "wall": 1.5,
        "time": 1e9,
    }
    return RunRecord(**fields | changes)


def assert_same(a, b):
    for name in RunRecord.__dataclass_fields__:
        np.testing.assert_array_equal(getattr(a, name), getattr(b, name))


def keys(data):
    return [int(found.key, 16) for found in scan(data).records]


def test_records_come_back_bit_for_bit():
    written = [
        record(0),
        record(1, variance=None, info={"text": "é\n", "nested": {"x": [1, None]}}),
        record(2, values=np.full(3, np.nan), status="failed: ValueError: eqj1", variance=None),
    ]
    found = scan(b"".join(map(frame, written)))
    assert found.damaged == 0 and found.ours and len(found.records) == 3
    for a, b in zip(written, found.records, strict=True):
        assert_same(a, b)
    assert [r.ok for r in found.records] == [True, True, False]


def test_the_frame_is_what_the_docstring_says():
    data = frame(record(7))
    magic, length, crc = struct.unpack("<4sII", data[:12])
    assert magic == b"eqj1" and length == len(data) - 12
    assert crc == zlib.crc32(struct.pack("<I", length) + data[12:])
    (n,) = struct.unpack("<I", data[12:16])
    assert json.loads(data[16 : 16 + n])["key"] == f"{7:032x}"
    numbers = np.frombuffer(data[16 + n :], "<f8")
    np.testing.assert_array_equal(numbers[:2], [7, np.pi])


def test_a_tail_cut_anywhere_costs_only_the_last_record():
    whole = frame(record(0)) + frame(record(1))
    last = whole + frame(record(2))
    for cut in range(len(whole), len(last)):
        found = scan(last[:cut])
        assert [r.key for r in found.records] == [record(0).key, record(1).key]
        assert (found.end, found.damaged, found.ours) == (len(whole), 0, True)
    for cut in range(12):
        assert scan(frame(record(0))[:cut]).ours


def test_any_damaged_byte_costs_one_record_and_is_reported():
    parts = [frame(record(i)) for i in range(3)]
    for at in range(len(parts[1])):
        damaged = bytearray(parts[1])
        damaged[at] ^= 0x55
        found = scan(parts[0] + bytes(damaged) + parts[2])
        assert [int(r.key, 16) for r in found.records] == [0, 2], at
        assert found.damaged == len(parts[1])


def test_lost_and_inserted_bytes_are_survived():
    parts = [frame(record(i)) for i in range(4)]
    assert keys(parts[0] + parts[1][:-9] + parts[2] + b"eqj1eqj1" + parts[3]) == [0, 2, 3]
    assert keys(b"\0" * 4096 + parts[0]) == [0]


def test_a_claimed_length_beyond_the_file_allocates_nothing():
    assert scan(struct.pack("<4sII", b"eqj1", 2**32 - 1, 0) + b"x" * 100).records == []


@pytest.mark.parametrize(
    ("data", "ours"),
    [(b"", True), (b"\0\0\0", True), (b"eq", True), (b"hello", False), (b"\x89HDF\r\n", False)],
)
def test_foreign_files_are_told_from_torn_ones(data, ours):
    assert scan(data).ours is ours


@pytest.mark.parametrize("header", [[], {"key": "a"}, {"sizes": [1, 2]}, {"sizes": [-1, 2]}, 3])
def test_an_intact_frame_with_foreign_content_is_skipped(header):
    text = json.dumps(header).encode()
    payload = struct.pack("<I", len(text)) + text + b"\0" * 24
    crc = zlib.crc32(struct.pack("<I", len(payload)) + payload)
    odd = struct.pack("<4sII", b"eqj1", len(payload), crc) + payload
    assert keys(odd + frame(record(1))) == [1]
