"""Files: bit for bit back, never half written, and nothing believed that is not ours."""

import json
import os
import subprocess
import sys
import textwrap

import h5py
import numpy as np
import pytest
from numpy.testing import assert_array_equal

import equatorium as eq
from equatorium import (
    Dense,
    Diagonal,
    Emulator,
    Gaussian,
    LowRank,
    Mixture,
    Outputs,
    Parameter,
    Space,
    Weighted,
    errors,
    registry,
    storage,
)
from equatorium.records.base import Record

ARRAYS = {
    "floats": np.array([[1.5, -0.0], [np.nan, np.inf]]),
    "nan payload": np.array([0x7FF8DEADBEEF0001, 0xFFF0000000000001], dtype="u8").view("f8"),
    "half": np.arange(3, dtype="f2"),
    "bool": np.array([True, False]),
    "int8": np.array([-128, 127], dtype="i1"),
    "uint64": np.array([2**64 - 1], dtype="u8"),
    "complex": np.array([1 + 2j, complex(np.nan, -0.0)]),
    "zero-d": np.array(3.0),
    "empty": np.zeros((0, 3)),
    "big-endian": np.arange(4, dtype=">f4"),
    "fortran": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
    "strided": np.arange(10.0)[::3],
    "broadcast": np.broadcast_to(np.arange(3.0), (4, 3)),
    "large": np.random.default_rng(0).normal(size=(200, 300)),
    "np float": np.float64(0.1),
    "np int": np.int16(-7),
    "np bool": np.bool_(True),
}
VALUES = {
    "none": None,
    "true": True,
    "int": 10**30,
    "float": 0.1 + 0.2,
    "infinity": float("-inf"),
    "text": "naïve \u0000 \ud800 \N{GREEK SMALL LETTER ALPHA}",
    "list": [1, [2.5, None, "x"], {"a": (1, 2)}],
    "tuple": (1, ("a", False)),
    "empty": [{}, [], (), ""],
    "strings": np.array([["a", "bc"], ["", "é"]]),
    "objects": np.array(["a", "bc"], dtype=object),
    "no strings": np.zeros((0, 2), dtype="U1"),
    "dollar": {"$float": "nan"},
    "deep": {"a": {"b": {"c": [np.arange(2), {"d": (np.zeros(1), "e")}]}}},
}


class Line(Emulator):
    def __init__(self, *, order=1, inner=None):
        self.order = order
        self.inner = inner

    def _fit(self, X, Y, noise):
        self.coef_ = np.linalg.lstsq(X, Y, rcond=None)[0]
        self.names_ = np.array(["a", "b"])
        self.inner_ = None if self.inner is None else self.inner.fit(X, Y)

    def _predict_dist(self, X):
        mean = X @ self.coef_
        return Gaussian(mean, Diagonal(np.full(mean.shape, 0.1)))


@pytest.fixture(autouse=True)
def own_names(monkeypatch):
    monkeypatch.setattr(registry._CATALOGUE, "_local", {})
    eq.register("emulator", Line)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "thing.h5"


@pytest.fixture
def fitted():
    rng = np.random.default_rng(1)
    return Line(order=3, inner=Line()).fit(rng.normal(size=(20, 2)), rng.normal(size=(20, 3)))


def beside(path):
    """All other files in the folder."""
    return [other for other in path.parent.iterdir() if other != path]


def same(a, b):
    """Equal in type and in every bit."""
    assert type(a) is type(b)
    if isinstance(a, np.ndarray | np.generic):
        assert a.dtype == b.dtype and a.shape == b.shape
        assert a.tobytes() == b.tobytes() if a.dtype.kind != "O" else a.tolist() == b.tolist()
    elif isinstance(a, dict):
        assert list(a) == list(b)
        for key in a:
            same(a[key], b[key])
    elif isinstance(a, list | tuple):
        assert len(a) == len(b)
        for x, y in zip(a, b, strict=True):
            same(x, y)
    elif isinstance(a, Record):
        same(a.get_state(), b.get_state())
    else:
        assert a == b


# -- there and back ------------------------------------------------------------------------


@pytest.mark.parametrize("value", [*ARRAYS.values(), *VALUES.values()], ids=[*ARRAYS, *VALUES])
def test_values_come_back_bit_for_bit(path, value):
    storage.save(path, {"value": value})
    same(storage.load(path), {"value": value})


def test_keys_keep_their_order_and_spelling(path):
    keys = ["z", "a/b", ".", "..", "", "%2E", "%json", "phi[8.9, z=0]", "é", "$x", "keys", " "]
    tree = {key: (np.array([i]) if i % 2 else i) for i, key in enumerate(keys)}
    arrays = {key: np.array([i]) for i, key in enumerate(keys)}
    for thing in (tree, arrays):
        storage.save(path, thing)
        same(storage.load(path), thing)


def test_many_names_are_no_matter(path):
    names = [f"a rather long name number {i}" for i in range(20_000)]
    storage.save(path, {"names": names})
    assert storage.load(path) == {"names": names}


SPACE = Space([Parameter("a", 0, 1), Parameter("b", 1, 10, "log", unit="Mpc")], {"c": "a"})
MEAN = np.arange(6.0).reshape(2, 3)
RECORDS = [
    SPACE,
    Outputs(["x", "y"], {"z": [0.0, 1.0]}, {"z": "Gyr"}, "phi", "dex"),
    Diagonal(np.ones((2, 3))),
    LowRank(np.ones(3), np.ones((3, 1))),
    Dense(np.eye(3)),
    Gaussian(MEAN, LowRank(np.ones((2, 3)), np.ones((2, 3, 1)))),
    Mixture([0.3, 0.7], [MEAN, MEAN + 1], [Diagonal(np.ones((2, 3)))] * 2),
    Weighted(np.arange(12.0).reshape(2, 2, 3), None),
]


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: type(record).__name__)
def test_records(path, record):
    storage.save(path, {"one": record, "more": [record, {"deep": record}]})
    back = storage.load(path)
    same(back, {"one": record, "more": [record, {"deep": record}]})
    storage.save(path, record)
    assert storage.load(path) == record


def test_every_listed_record_exists():
    for tag in storage.RECORDS:
        cls = storage._class(tag)
        assert callable(cls.from_state) and callable(cls.get_state), tag


def test_a_model_predicts_the_same_numbers(path, fitted):
    X = np.random.default_rng(2).normal(size=(5, 2))
    fitted.save(path)
    back = eq.load(path)
    assert type(back) is Line and back.get_params(deep=False)["order"] == 3
    same(back.predict(X), fitted.predict(X))
    same(back.inner_.predict(X), fitted.inner_.predict(X))
    same(back.names_, fitted.names_)
    assert back.inner.get_params() == {"order": 1, "inner": None}


def test_an_unfitted_model_and_a_simulator(path):
    storage.save(path, {"model": Line(order=2), "simulator": eq.simulator("borehole")})
    back = storage.load(path)
    assert back["model"].order == 2 and not hasattr(back["model"], "coef_")
    assert back["simulator"].identity() == eq.simulator("borehole").identity()


def test_a_loaded_model_is_the_same_in_a_fresh_process(path, tmp_path):
    """What is read depends on the file alone."""
    storage.save(path, {"g": RECORDS[5], "a": ARRAYS["large"]})
    code = (
        "import sys, hashlib; from equatorium import storage; t = storage.load(sys.argv[1])\n"
        "print(hashlib.sha256(t['g'].cov().dense().tobytes() + t['a'].tobytes()).hexdigest())"
    )
    import hashlib

    out = subprocess.run([sys.executable, "-c", code, path], capture_output=True, text=True)
    here = RECORDS[5].cov().dense().tobytes() + ARRAYS["large"].tobytes()
    assert out.stdout.strip() == hashlib.sha256(here).hexdigest(), out.stderr


def test_the_file_says_what_wrote_it_and_names_no_module(path, fitted):
    fitted.save(path)
    with h5py.File(path) as file:
        assert (file.attrs["format"], file.attrs["schema"]) == (b"equatorium", 1)
        assert file.attrs["version"] == eq.__version__.encode()
        assert json.loads(file.attrs["provenance"])["numpy"] == np.__version__
        assert file.attrs["created"].endswith(b"+00:00")
        head = json.loads(file["object/%json"][()])
        assert head["spec"]["use"] == "local/line" and head["state_version"] == 1
    assert b"test_storage" not in path.read_bytes()


# -- what has no form in a file ------------------------------------------------------------


@pytest.mark.parametrize(
    ("thing", "message"),
    [
        ({"a": {"b": lambda: 0}}, "object/a/b is a function"),
        ({"a": {3: 1}}, "keys of a mapping must be text, not 3"),
        ({"a": np.array([object()])}, "a is a ndarray|array of object"),
        ({"a": np.array(["2020-01-01"], dtype="M8[D]")}, r"array of datetime64\[D\]"),
        ({"a": np.zeros(2, dtype=np.longdouble)}, "array of float128|array of longdouble"),
        ({"a": np.ma.masked_array([1.0, 2.0], [True, False])}, "MaskedArray"),
        ({"a": np.zeros(2, dtype=[("x", "f8")])}, "array of"),
        ({"a": b"bytes"}, "bytes"),
        ({"a": {1, 2}}, "set"),
        (Line(order=np.ones(2)), "option 'order' of local/line"),
        (Line(inner=print), "option 'inner' of local/line"),
    ],
)
def test_what_cannot_be_saved_is_named_and_the_old_file_stays(path, thing, message):
    storage.save(path, {"old": 1})
    with pytest.raises(errors.NotSavableError, match=message):
        storage.save(path, thing)
    assert storage.load(path) == {"old": 1}
    assert beside(path) == []


def test_an_unregistered_model_says_what_to_do(path, monkeypatch):
    monkeypatch.setattr(registry._CATALOGUE, "_local", {})
    with pytest.raises(errors.NotSavableError, match=r"equatorium.register\('emulator', Line\)"):
        Line().save(path)
    assert not path.exists()


# -- whole or not at all -------------------------------------------------------------------


def test_an_exception_leaves_the_old_file(path):
    storage.save(path, {"a": np.arange(3)})
    before = path.read_bytes()
    with pytest.raises(RuntimeError, match="in the middle"), storage.atomic(path) as file:
        del file["object"]
        raise RuntimeError("in the middle")
    assert path.read_bytes() == before and beside(path) == []


def test_a_killed_writer_leaves_the_old_file(path):
    storage.save(path, {"a": 1})
    code = (
        "import os, signal, sys; from equatorium import storage\n"
        "with storage.atomic(sys.argv[1]) as file:\n"
        "    storage.write_tree(file.create_group('b'), {'c': 2}); file.flush()\n"
        "    os.kill(os.getpid(), signal.SIGKILL)"
    )
    assert subprocess.run([sys.executable, "-c", code, path]).returncode == -9
    assert storage.load(path) == {"a": 1}
    (left,) = beside(path)
    os.utime(left, (0, 0))
    storage.save(path, {"a": 2})
    assert beside(path) == []


def test_atomic_adds_to_what_is_there(path):
    for i in range(3):
        with storage.atomic(path) as file:
            storage.write_tree(file.create_group(f"step/{i}"), {"i": i, "x": np.ones(i)})
    with storage.opened(path) as file:
        assert [storage.read_tree(file[f"step/{i}"])["i"] for i in range(3)] == [0, 1, 2]
    with pytest.raises(errors.FileFormatError, match="holds no single object, but step"):
        storage.load(path)


def test_a_reader_is_not_disturbed_by_a_writer(path):
    storage.save(path, {"a": np.arange(9)})
    with storage.opened(path) as file:
        storage.save(path, {"a": np.zeros(1)})
        assert_array_equal(storage.read_tree(file["object"])["a"], np.arange(9))
    assert_array_equal(storage.load(path)["a"], [0.0])


def test_permissions_and_links_are_kept(path, tmp_path):
    storage.save(path, {"a": 1})
    path.chmod(0o640)
    link = tmp_path / "link.h5"
    link.symlink_to(path)
    storage.save(link, {"a": 2})
    assert link.is_symlink() and storage.load(path) == {"a": 2}
    assert path.stat().st_mode & 0o777 == 0o640


def test_a_folder_that_cannot_be_written_is_found_early(tmp_path, monkeypatch):
    with pytest.raises(FileNotFoundError, match=r"no folder .*missing; make it first"):
        storage.check_writable(tmp_path / "missing" / "x.h5")
    with pytest.raises(IsADirectoryError, match="is a folder"):
        storage.check_writable(tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="nothing can be written into"):
        storage.save(tmp_path / "file" / "x.h5", {})

    def deny(self, *args, **kwargs):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("pathlib.Path.open", deny)
    with pytest.raises(PermissionError, match=r"nothing can be written into .*Permission denied"):
        storage.check_writable(tmp_path / "x.h5")
    monkeypatch.undo()
    storage.check_writable(tmp_path / "x.h5")
    assert not (tmp_path / "x.h5").exists()


# -- files that are not ours ---------------------------------------------------------------


def test_missing_foreign_and_newer_files(path, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no file .*thing.h5"):
        storage.load(path)
    with pytest.raises(errors.FileFormatError, match="is a folder"):
        storage.load(tmp_path)
    path.write_text("a,b\n1,2\n")
    with pytest.raises(errors.FileFormatError, match="not an HDF5 file"):
        storage.load(path)
    with pytest.raises(errors.FileFormatError, match="not an HDF5 file"):
        storage.save(path, {"a": 1})
    assert path.read_text() == "a,b\n1,2\n"
    with h5py.File(path, "w") as file:
        file.create_dataset("x", data=np.zeros(3), dtype="f8")
    for use in (storage.load, lambda p: storage.save(p, {"a": 1})):
        with pytest.raises(errors.FileFormatError, match="not one of equatorium's"):
            use(path)
    path.unlink()
    path.touch()
    storage.save(path, {"a": 1})
    with h5py.File(path, "r+") as file:
        file.attrs["schema"] = 99
        file.attrs["version"] = np.bytes_("9.9")
    with pytest.raises(errors.FileFormatError, match=r"9\.9 in the newer file format 99.*pip"):
        storage.load(path)


def hostile(change):
    """Write a good file, then let `change` spoil it."""

    def make(path):
        storage.save(path, {"x": np.arange(30.0), "g": {"y": np.ones(3)}})
        with h5py.File(path, "r+") as file:
            change(file, file["object"])
        return path

    return make


def replace(name, **how):
    def change(file, group):
        del group[name]
        group.create_dataset(name, **how)

    return change


def external_storage(file, group):
    del group["x"]
    group.create_dataset("x", (30,), "u1", external=[("/etc/passwd", 0, 30)])


def virtual(file, group):
    del group["x"]
    layout = h5py.VirtualLayout((30,), "f8")
    layout[:] = h5py.VirtualSource("/tmp/other.h5", "x", (30,))
    group.create_virtual_dataset("x", layout)


def soft(file, group):
    del group["x"]
    group["x"] = h5py.SoftLink("/object/g/y")


def outside(file, group):
    del group["x"]
    group["x"] = h5py.ExternalLink("/tmp/other.h5", "/x")


def loop(file, group):
    del group["g"]
    group["g"] = group


def twice(file, group):
    del group["x"]
    group["x"] = group["g/y"]


def named_type(file, group):
    del group["x"]
    group["x"] = np.dtype("f8")


def unknown_filter(file, group):
    del group["x"]
    made = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    made.set_chunk((30,))
    made.set_filter(32001, h5py.h5z.FLAG_OPTIONAL, ())
    space = h5py.h5s.create_simple((30,))
    h5py.h5d.create(group.id, b"x", h5py.h5t.IEEE_F64LE, space, made)


def wrong_value(file, group):
    group["x"][3] = 7.0


def document(**changes):
    def change(file, group):
        text = json.dumps({**json.loads(group["%json"][()]), **changes})
        del group["%json"]
        storage.write_text(group, "%json", text)

    return change


HOSTILE = {
    "soft link": (soft, "link to somewhere else"),
    "external link": (outside, "link to somewhere else"),
    "external storage": (external_storage, "numbers lie in another file"),
    "virtual": (virtual, "numbers lie in another file"),
    "loop": (loop, "occurs a second time"),
    "twice": (twice, "occurs a second time"),
    "named type": (named_type, "neither a group nor an array"),
    "unknown filter": (unknown_filter, "filter other than gzip"),
    "objects": (replace("x", shape=(3,), dtype=h5py.string_dtype()), "numbers or text may stand"),
    "references": (replace("x", shape=(3,), dtype=h5py.ref_dtype), "numbers or text may stand"),
    "compound": (
        replace(
            "x", data=np.zeros(2, [("a", "f8"), ("b", "i4")]), dtype=[("a", "f8"), ("b", "i4")]
        ),
        "numbers or text may stand",
    ),
    "2 TiB": (
        replace("x", shape=(2**38,), dtype="f8", chunks=(2**16,), compression="gzip"),
        "claims 2.2e[+]12 bytes, beyond the limit",
    ),
    "unwritten": (replace("x", shape=(2**20,), dtype="f8"), "but the file holds 0 of it"),
    "unwritten chunks": (
        replace("x", shape=(2**20,), dtype="f8", chunks=(2**10,), compression="gzip"),
        "but the file holds 0 of it",
    ),
    "no checksum": (replace("x", data=np.arange(30.0), dtype="f8"), "cannot be read"),
    "wrong value": (wrong_value, "checksum does not fit"),
    "removed": (lambda file, group: group.__delitem__("x"), "not those that it lists"),
    "added": (
        lambda file, group: group.create_dataset("z", data=np.ones(1), dtype="f8"),
        "not those that it lists",
    ),
    "no document": (lambda file, group: group.__delitem__("%json"), "'%json' is missing"),
    "unknown tag": (document(**{"is": "record", "tag": "evil"}), "unknown kind, 'evil'"),
    "unknown kind": (document(**{"is": "module"}), "unknown kind, 'module'"),
    "bad record": (document(**{"is": "record", "tag": "space"}), "cannot be rebuilt"),
    "unknown method": (
        document(**{"is": "method", "spec": {"use": "their-plugin/magic"}}),
        "not installed.*pip install their-plugin",
    ),
    "bad option": (
        document(**{"is": "method", "spec": {"use": "local/line", "options": {"orderr": 1}}}),
        "cannot be rebuilt.*Did you mean 'order'",
    ),
    "bad state": (
        document(**{"is": "method", "spec": {"use": "local/line"}, "state_version": 1}),
        "cannot be rebuilt.*Line learns nothing called",
    ),
    "no state version": (
        document(**{"is": "method", "spec": {"use": "local/line"}}),
        "cannot be read .KeyError",
    ),
    "not a model": (
        document(**{"is": "method", "spec": {"use": "equatorium/borehole"}}),
        "cannot be r",
    ),
    "values": (document(values=3), "cannot be read"),
    "schema": (lambda file, group: file.attrs.__delitem__("schema"), "header"),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_hostile_files_are_refused(path, kind):
    change, message = HOSTILE[kind]
    hostile(change)(path)
    with pytest.raises(errors.FileFormatError, match=f"thing.h5.*{message}") as caught:
        storage.load(path)
    assert "\n" not in str(caught.value).strip()


def test_a_limit_of_the_callers_choice(path):
    storage.save(path, {"x": np.zeros(1000), "y": np.zeros(1000)})
    assert len(storage.load(path, limit=20_000)) == 2
    with pytest.raises(errors.FileFormatError, match="beyond the limit"):
        storage.load(path, limit=12_000)


def test_no_damage_gives_a_wrong_number(tmp_path):
    """A byte changed or a tail cut off anywhere: refused, or the same numbers, and no crash."""
    code = """
    import sys, numpy as np
    from pathlib import Path
    from equatorium import storage, errors
    path = Path(sys.argv[1])
    tree = {"x": np.arange(12.0), "n": {"a": [1, 2.5, "text"], "y": np.array([True])}}
    storage.save(path, tree)
    good = path.read_bytes()
    rng, refused, same = np.random.default_rng(0), 0, 0
    for trial in range(300):
        bad = bytearray(good)
        if trial % 6 == 0:
            bad = bad[: rng.integers(len(good))]
        else:
            bad[rng.integers(len(good))] ^= 1 << rng.integers(8)
        path.write_bytes(bad)
        try:
            got = storage.load(path)
        except errors.FileFormatError:
            refused += 1
            continue
        assert (got["x"] == tree["x"]).all() and got["n"]["a"] == tree["n"]["a"], trial
        assert got["n"]["y"] == tree["n"]["y"], trial
        same += 1
    print(refused, same)
    """
    out = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code), tmp_path / "x.h5"],
        capture_output=True,
        text=True,
    )
    assert out.returncode == 0, out.stderr[-2000:]
    refused, same = map(int, out.stdout.split())
    assert refused > 100 and refused + same == 300


def test_describe(fitted):
    assert storage.describe(SPACE) == "Space (2 parameters)"
    assert storage.describe(fitted) == "Line (2 d)"
    assert storage.describe({"a": None, "b": np.zeros(2)}) == "a: None, b: float64 array (2,)"
    assert storage.describe({"a": "short", "b": "long\n" * 20}) == "a: 'short', b: text of 20 lines"


def test_a_full_disk_keeps_the_old_file_and_says_what_to_do(tmp_path):
    import resource

    path = tmp_path / "runs.h5"
    small = eq.Diagonal([1.0, 2.0])
    eq.save(path, small)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 16, limits[1]))  # no file above 64 kB
    try:
        with pytest.raises(OSError, match="Make room"):
            eq.save(path, eq.Diagonal(np.random.default_rng(0).random(100_000)))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert eq.load(path) == small
    assert [item.name for item in tmp_path.iterdir()] == ["runs.h5"]
