"""One writer at a time, and no lock outlives its process."""

import os
import subprocess
import sys

import pytest

from equatorium.errors import EquatoriumError
from equatorium.simulate import lock
from equatorium.simulate.lock import WriterLock

HOLDER = """
import sys
from pathlib import Path
from equatorium.simulate.lock import WriterLock
with WriterLock(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def holder(tmp_path):
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(tmp_path / "study.h5")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.communicate()


def test_another_process_is_named_and_its_death_frees_the_lock(tmp_path, holder):
    mine = WriterLock(tmp_path / "study.h5")
    with (
        pytest.raises(EquatoriumError, match=rf"written by process {holder.pid} on .* since "),
        mine,
    ):
        pass
    holder.kill()
    holder.wait()
    with mine:
        assert mine.file.exists()
    assert not mine.file.exists()


def test_a_full_disk_leaves_the_lock_without_a_name_and_releases_it(tmp_path, monkeypatch):
    def full(handle, data):
        raise OSError(28, "No space left on device")

    mine, other = WriterLock(tmp_path / "s.h5"), WriterLock(tmp_path / "s.h5")
    monkeypatch.setattr(os, "write", full)
    with mine, pytest.raises(EquatoriumError, match="written by another process"), other:
        pass
    with other:
        pass


def test_a_second_object_of_this_process_is_refused_but_the_same_enters_again(tmp_path):
    mine, other = WriterLock(tmp_path / "s.h5"), WriterLock(tmp_path / "s.h5")
    with mine:
        with mine:
            pass
        with pytest.raises(EquatoriumError, match="another object of this same process"), other:
            pass
    with other:
        pass


def test_a_lock_file_that_was_replaced_meanwhile_is_not_trusted(tmp_path, monkeypatch):
    """Between opening and locking, the owner removes its file: the lock would be on nothing."""
    mine = WriterLock(tmp_path / "s.h5")
    honest, calls = WriterLock._lock, []

    def remove_first(self, handle):
        honest(self, handle)
        calls.append(handle)
        if len(calls) == 1:
            self.file.unlink()

    monkeypatch.setattr(WriterLock, "_lock", remove_first)
    with mine:
        assert len(calls) == 2
        assert os.fstat(mine._handle).st_ino == mine.file.stat().st_ino


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    with pytest.raises(EquatoriumError, match=r"cannot write beside .*missing"):
        WriterLock(tmp_path / "missing" / "s.h5").__enter__()


def test_without_locks_there_is_a_warning(tmp_path, monkeypatch):
    monkeypatch.setattr(lock, "fcntl", None)
    with pytest.warns(UserWarning, match="offers no locks"), WriterLock(tmp_path / "s.h5"):
        pass
