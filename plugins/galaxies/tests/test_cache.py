"""Arrays kept on disk: same bits, and never trusted when damaged."""

import h5py
import numpy as np
import pytest

from equatorium_galaxies.cache import Recent, cache_folder, cached


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("EQUATORIUM_CACHE", str(tmp_path / "a" / "b"))
    return tmp_path / "a" / "b"


class Builder:
    """Counts how often it is asked."""

    def __init__(self):
        self.calls = 0

    def __call__(self):
        self.calls += 1
        rng = np.random.default_rng(1)
        return {
            "x": rng.random(20_000),
            "i": rng.integers(0, 9, (3, 4)).astype(np.int32),
            "none": np.zeros(0),
        }


def same(a, b):
    assert list(a) == list(b)
    for name in a:
        assert a[name].dtype == b[name].dtype and a[name].tobytes() == b[name].tobytes()


def test_loaded_is_what_was_built(folder):
    build = Builder()
    first = cached("forest", {"seed": 1}, build)
    second = cached("forest", {"seed": 1}, build)
    same(first, second)
    assert build.calls == 1
    cached("forest", {"seed": 2}, build)
    assert build.calls == 2 and len(list(folder.iterdir())) == 2


def garbage(path):
    path.write_bytes(b"no HDF5 at all")


def empty(path):
    path.write_bytes(b"")


def truncated(path):
    path.write_bytes(path.read_bytes()[:-30_000])


def flipped(path):
    # Somewhere in the middle of the 160 kB of numbers: only the checksum can notice.
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0x10
    path.write_bytes(bytes(data))


def missing_array(path):
    with h5py.File(path, "a") as file:
        del file["x"]


def text_array(path):
    with h5py.File(path, "a") as file:
        del file["x"]
        file["x"] = "hello"


def external_link(path):
    with h5py.File(path.with_name("other.h5"), "w") as file:
        file["x"] = np.ones(20_000)
    with h5py.File(path, "a") as file:
        del file["x"]
        file["x"] = h5py.ExternalLink("other.h5", "x")


def other_key(path):
    with h5py.File(path, "a") as file:
        file.attrs["key"] = '{"seed": 99}'


def folder_instead(path):
    path.unlink()
    path.mkdir()


@pytest.mark.parametrize(
    "damage",
    [
        garbage,
        empty,
        truncated,
        flipped,
        missing_array,
        text_array,
        external_link,
        other_key,
        folder_instead,
    ],
)
def test_a_damaged_file_is_built_again(folder, damage, caplog):
    build = Builder()
    good = cached("forest", {"seed": 1}, build)
    (path,) = folder.glob("forest-*.h5")
    damage(path)
    same(cached("forest", {"seed": 1}, build), good)
    assert build.calls == 2
    assert "it is built again" in caplog.text
    if damage is not folder_instead:
        same(cached("forest", {"seed": 1}, build), good)
        assert build.calls == 2


def test_an_unwritable_folder_leaves_it_in_memory(tmp_path, monkeypatch):
    blocked = tmp_path / "file"
    blocked.write_text("not a folder")
    monkeypatch.setenv("EQUATORIUM_CACHE", str(blocked / "cache"))
    build = Builder()
    same(cached("forest", {"seed": 1}, build), cached("forest", {"seed": 1}, build))
    assert build.calls == 2 and blocked.read_text() == "not a folder"


def test_a_failing_build_leaves_no_file(folder):
    def build():
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        cached("forest", {"seed": 1}, build)
    with pytest.raises(TypeError):
        cached("forest", {"seed": 1}, lambda: {"x": np.array([object()])})
    assert not folder.exists() or not list(folder.iterdir())


def test_default_folder(monkeypatch, tmp_path):
    monkeypatch.delenv("EQUATORIUM_CACHE")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_folder() == tmp_path / ".cache" / "equatorium"


def test_recent_holds_the_last_used_within_its_limit():
    recent, made = Recent(limit=100), []

    def get(key, size=40):
        return recent.get(key, lambda: made.append(key) or key.upper(), lambda _: size)

    assert get("a") == "A" and get("b") == "B" and get("a") == "A"
    assert made == ["a", "b"]
    get("c")  # pushes out b, which was used longer ago than a
    get("a")
    assert made == ["a", "b", "c"]
    get("b")
    assert made == ["a", "b", "c", "b"]
    get("huge", size=1000)
    get("huge", size=1000)
    assert made.count("huge") == 1
