"""Runs survive every crash: torn writes, folds cut short, kill -9, damage, two writers."""

import os
import signal
import subprocess
import sys

import numpy as np
import pytest

from equatorium import storage
from equatorium.errors import EquatoriumError, FileFormatError
from equatorium.simulate.journal import RunRecord, frame
from equatorium.simulate.ledger import Ledger


def record(i, **changes):
    fields = {
        "key": f"{i:032x}",
        "simulator": "abc",
        "theta": np.array([i, np.pi]),
        "values": np.array([i / 3, -1.0, 5e-324]),
    }
    return RunRecord(**fields | changes)


def assert_same(a, b):
    for name in RunRecord.__dataclass_fields__:
        np.testing.assert_array_equal(getattr(a, name), getattr(b, name))


def keys(ledger):
    return [int(key, 16) for key in ledger.records()]


@pytest.fixture
def ledger(tmp_path):
    return Ledger(tmp_path / "study.h5")


VARIED = [
    record(0, variance=np.array([1.0, 2.0, 3.0]), info={"seed": 5, "$odd": [None, "é"]}, wall=2.5),
    record(1, values=np.full(3, np.nan), status="failed: ValueError: no", info={"traceback": "x"}),
    record(2, simulator="def", values=np.ones(7), time=1e9),
    record(3, simulator="abc", theta=np.ones(5)),
]


def test_records_are_the_same_from_the_journal_and_from_the_file(ledger):
    assert ledger.records() == {}
    ledger.append(*VARIED[:2])
    ledger.append(*VARIED[2:])
    assert not ledger.path.exists()
    before = ledger.records()
    ledger.fold()
    assert not ledger.journal.exists() and ledger.path.exists()
    after = Ledger(ledger.path).records()
    assert set(before) == set(after) == {r.key for r in VARIED}
    for original in VARIED:
        assert_same(original, before[original.key])
        assert_same(original, after[original.key])


def test_both_places_are_merged_and_the_latest_word_counts(ledger):
    ledger.append(record(0, status="failed: once", values=np.full(3, np.nan)), record(1))
    ledger.fold()
    ledger.append(record(0), record(2))
    assert ledger.records()[record(0).key].ok and set(keys(ledger)) == {0, 1, 2}
    ledger.fold()
    ledger.fold()
    assert ledger.records()[record(0).key].ok and set(keys(ledger)) == {0, 1, 2}


def test_a_fold_cut_short_before_the_journal_goes_leaves_no_doubles(ledger, monkeypatch):
    ledger.append(record(0), record(1))
    with monkeypatch.context() as patch:
        patch.setattr("equatorium.simulate.ledger._sync_folder", _interrupt)
        with pytest.raises(KeyboardInterrupt):
            ledger.fold()
    assert ledger.journal.exists() and ledger.path.exists()
    assert keys(ledger) == [0, 1]
    ledger.append(record(2))
    ledger.fold()
    assert keys(ledger) == [0, 1, 2]


def test_a_fold_cut_short_before_the_file_is_replaced_loses_nothing(ledger, monkeypatch):
    ledger.append(record(0))
    ledger.fold()
    ledger.append(record(1))
    with monkeypatch.context() as patch:
        patch.setattr(storage, "write_tree", _interrupt)
        with pytest.raises(KeyboardInterrupt):
            ledger.fold()
    assert keys(ledger) == [0, 1]
    with monkeypatch.context() as patch:
        patch.setattr(storage, "write_tree", _disk_full)
        with pytest.raises(EquatoriumError, match=r"safe in .*study\.h5\.journal; make room"):
            ledger.fold()
    assert keys(ledger) == [0, 1]


def _interrupt(*_):
    raise KeyboardInterrupt


def _disk_full(*_):
    raise OSError(28, "No space left on device")


def test_the_rest_of_the_study_file_stays(ledger):
    with storage.atomic(ledger.path) as file:
        storage.write_tree(file.create_group("other"), {"x": np.arange(3.0)})
    ledger.append(record(0))
    ledger.fold()
    with storage.opened(ledger.path) as file:
        np.testing.assert_array_equal(storage.read_tree(file["other"])["x"], np.arange(3.0))


def test_a_torn_tail_is_ignored_and_cut_away_by_the_next_write(ledger):
    ledger.append(record(0))
    with ledger.journal.open("ab") as file:
        file.write(frame(record(1))[:-3])
    assert keys(ledger) == [0]
    ledger.append(record(2))
    assert ledger.journal.read_bytes() == frame(record(0)) + frame(record(2))


def test_damage_is_reported_not_fatal_and_kept_for_inspection(ledger):
    ledger.append(*(record(i) for i in range(3)))
    data = bytearray(ledger.journal.read_bytes())
    data[len(data) // 2] ^= 1
    ledger.journal.write_bytes(data)
    with pytest.warns(UserWarning, match=r"\d+ bytes .* are damaged; the runs"):
        assert keys(ledger) == [0, 2]
    with pytest.warns(UserWarning, match="damaged"):
        ledger.fold()
    assert keys(ledger) == [0, 2]
    assert ledger.journal.with_name("study.h5.journal.damaged").read_bytes() == data


def test_foreign_files_are_refused_and_left_alone(ledger, tmp_path):
    ledger.journal.write_text("my diary\n")
    for act in (ledger.records, ledger.fold, lambda: ledger.append(record(0))):
        with pytest.raises(FileFormatError, match="not a journal of runs"):
            act()
    assert ledger.journal.read_text() == "my diary\n"
    other = Ledger(tmp_path / "notes.h5")
    other.path.write_text("not HDF5")
    other.append(record(0))
    for act in (other.records, other.fold):
        with pytest.raises(FileFormatError, match=r"notes\.h5"):
            act()
    assert other.path.read_text() == "not HDF5" and other.journal.exists()


def test_a_damaged_table_of_runs_is_named(ledger):
    with storage.atomic(ledger.path) as file:
        group = file.create_group("ledger/abc-2-3")
        storage.write_tree(group, {"key": ["a", "b"], "theta": np.ones((1, 2))})
    with pytest.raises(FileFormatError, match=r"study\.h5 \(/ledger/abc-2-3\) cannot be read"):
        ledger.records()


def test_a_full_disk_leaves_the_journal_whole(ledger, monkeypatch):
    ledger.append(record(0))
    write = os.write

    def full(handle, data):
        if len(data) > 10:
            return write(handle, data[:10])
        raise OSError(28, "No space left on device")

    with ledger:
        monkeypatch.setattr("equatorium.simulate.ledger.os.write", full)
        with pytest.raises(EquatoriumError, match="No space left on device"):
            ledger.append(record(1))
    monkeypatch.undo()
    assert ledger.journal.read_bytes() == frame(record(0))


def test_only_one_writes_but_all_may_read(ledger):
    other = Ledger(ledger.path)
    with ledger:
        ledger.append(record(0))
        assert keys(other) == [0]
        with pytest.raises(EquatoriumError, match="is being written by"):
            other.append(record(1))
        with pytest.raises(EquatoriumError, match="is being written by"):
            other.fold()
    other.append(record(1))
    assert keys(ledger) == [0, 1]


def test_a_link_to_the_study_shares_its_journal(ledger, tmp_path):
    ledger.append(record(0))
    ledger.fold()
    (tmp_path / "link.h5").symlink_to(ledger.path)
    Ledger(tmp_path / "link.h5").append(record(1))
    assert keys(ledger) == [0, 1]


APPENDER = """
import sys
import numpy as np
from equatorium.simulate.ledger import Ledger
from equatorium.simulate.journal import RunRecord
with Ledger(sys.argv[1]) as ledger:
    for i in range(10**6):
        x = np.full(200, float(i))
        ledger.append(RunRecord(key=f"{i:032x}", simulator="s", theta=x[:2], values=x))
        print(i, flush=True)
        if i % 50 == 49:
            ledger.fold()
"""


def test_kill_nine_loses_nothing_that_append_has_returned_from(ledger):
    process = subprocess.Popen(
        [sys.executable, "-c", APPENDER, str(ledger.path)], stdout=subprocess.PIPE, text=True
    )
    for line in process.stdout:
        if int(line) >= 120:
            break
    process.send_signal(signal.SIGKILL)
    last = int((process.communicate()[0].splitlines() or [line])[-1])
    found = ledger.records()
    assert len(found) in (last + 1, last + 2)  # one more may be written and not yet announced
    for i, r in enumerate(found.values()):
        np.testing.assert_array_equal(r.values, np.full(200, float(i)))
    ledger.append(record(10**7))
    ledger.fold()
    assert len(ledger.records()) == len(found) + 1
