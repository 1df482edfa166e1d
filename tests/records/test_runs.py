import numpy as np
import pandas as pd
import pytest
from astropy.io import fits
from astropy.table import Table

from equatorium import Outputs, Parameter, Runs, Space
from equatorium.errors import (
    FileFormatError,
    InputError,
    NotFiniteError,
    ShapeError,
    StateError,
    UnknownNameError,
)

SPACE = Space([Parameter("a", 0.0, 2.0, unit="Gyr"), Parameter("b", 1.0, 100.0, "log")], {"c": 3})
OUTPUTS = Outputs(["log phi(m=9.1, z=0)", "size"], {"m": [9.1, 0.1 + 0.2]}, unit="dex")


def make(n=12, noise=True, fail=(3, 7)):
    X = SPACE.sample(n, 0)
    Y = np.column_stack([X.sum(1), X[:, 0] / X[:, 1]])
    status = ["ok"] * n
    for i in fail:
        Y[i], status[i] = np.nan, 'failed: "boom", said, it'
    return Runs(
        SPACE,
        OUTPUTS,
        X,
        Y,
        np.abs(Y) / 7 if noise else None,
        status,
        {"seed": 1, "note": "x" * 200, "nested": {"k": [1, 2]}},
    )


def test_failed_runs_are_kept_but_not_good():
    runs = make()
    assert (runs.n, runs.good.n) == (12, 10)
    assert np.flatnonzero(~runs.ok).tolist() == [3, 7]
    assert np.isnan(runs.Y[3]).all()
    assert np.isfinite(runs.good.Y).all()
    assert runs.good.good == runs.good
    half = np.array([[1.0, np.nan], [1.0, 2.0]])
    partial = Runs(SPACE, OUTPUTS, SPACE.sample(2, 0), half, None, ["failed: late", "ok"])
    assert np.isnan(partial.Y[0]).all()  # what a failed run left behind is not an output


def test_subset_split_concatenate_and_outputs():
    runs = make()
    train, held = runs.split(4, 5)
    assert (train.n, held.n) == (8, 4)
    joined = Runs.concatenate([train, held])
    order = np.lexsort(joined.X.T)
    np.testing.assert_array_equal(joined.X[order], runs.X[np.lexsort(runs.X.T)])
    np.testing.assert_array_equal(runs.split(4, 5)[1].X, held.X)
    assert runs.subset([3, 0]).status.tolist() == ['failed: "boom", said, it', "ok"]
    one = runs.with_outputs([1])
    assert one.outputs.names == ("size",)
    np.testing.assert_array_equal(one.Y[:, 0], runs.Y[:, 1])
    np.testing.assert_array_equal(one.noise[:, 0], runs.noise[:, 1])


@pytest.mark.parametrize("noise", [True, False])
@pytest.mark.parametrize("suffix", ["ecsv", "fits", "csv"])
def test_files_give_back_equal_runs(tmp_path, suffix, noise):
    runs = make(noise=noise)
    path = tmp_path / f"runs.{suffix}"
    runs.write(path)
    if suffix == "csv":  # has no place for space, outputs and meta
        again = Runs.read(path, ["a", "b"], OUTPUTS, space=SPACE)
        again = Runs(SPACE, OUTPUTS, again.X, again.Y, again.noise, again.status, runs.meta)
    else:
        again = Runs.read(path)
    assert again == runs
    assert again.X.dtype == np.float64
    assert [f.name for f in tmp_path.iterdir()] == [path.name]


def test_from_a_table_of_ones_own():
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.uniform(size=(20, 4)), columns=["p", "q", "y", "v"])
    frame.loc[4, "y"] = np.nan
    frame["name"] = "x"
    runs = Runs.from_table(frame, ["q", "p"], ["y"], noise=["v"])
    assert runs.space.names == ("q", "p")
    np.testing.assert_array_equal(runs.space.low, [frame["q"].min(), frame["p"].min()])
    np.testing.assert_array_equal(runs.X, frame[["q", "p"]])
    np.testing.assert_array_equal(runs.good.Y[:, 0], frame["y"].dropna())
    np.testing.assert_array_equal(runs.noise[0], frame["v"][:1])
    assert runs.status[4] == "failed: no value in column 'y'"
    same = Runs.from_table(Table.from_pandas(frame), ["q", "p"], ["y"], ["v"])
    np.testing.assert_array_equal(same.Y, runs.Y)


def test_a_foreign_fits_table_in_single_precision(tmp_path):
    a = np.linspace(0.1, 0.3, 5, dtype=np.float32)
    table = Table({"a": a, "y": np.ma.array([1, 2, 3, 4, 5], mask=[0, 0, 1, 0, 0])})
    table.write(tmp_path / "t.fits")
    space = Space([Parameter("a", 0.1, 0.3)])  # 0.1 in single precision is outside by 1e-9
    runs = Runs.read(tmp_path / "t.fits", ["a"], ["y"], space=space)
    assert (runs.n, runs.good.n) == (5, 4)


def test_the_written_fits_is_plain(tmp_path):
    make().write(tmp_path / "r.fits")
    with fits.open(tmp_path / "r.fits") as hdus:
        assert hdus[1].columns.names[:2] == ["a", "b"]


@pytest.mark.parametrize(
    ("change", "error", "says"),
    [
        ({"X": np.zeros((12, 3))}, ShapeError, "2 columns"),
        ({"X": SPACE.sample(5, 0)}, ShapeError, "X has 5, Y has 12"),
        ({"X": np.full((12, 2), 1e3)}, InputError, r"Run 0 has a = 1000, outside.*\[0, 2\]"),
        ({"Y": np.zeros((12, 3))}, ShapeError, r"\(n, 2\)"),
        ({"status": None}, NotFiniteError, "Run 3 is 'ok', but its output .*nan"),
        ({"status": ["bad"] * 12}, InputError, "'bad'"),
        ({"status": ["ok"]}, ShapeError, "status has 1"),
        ({"noise": np.full((12, 2), -1.0)}, InputError, "variance"),
        ({"noise": np.full((12, 2), np.inf)}, NotFiniteError, "noise"),
    ],
)
def test_bad_runs_are_named(change, error, says):
    with pytest.raises(error, match=says):
        Runs(**{**make().get_state(), **change})


@pytest.mark.parametrize(
    ("call", "error", "says"),
    [
        (lambda t: Runs.from_table(t, ["p"], ["z"]), UnknownNameError, "no column 'z'"),
        (lambda t: Runs.from_table(t, ["pp"], ["y"]), UnknownNameError, "Did you mean 'p'"),
        (lambda t: Runs.from_table(t, ["k"], ["y"]), InputError, "'k' is 1 in all rows"),
        (lambda t: Runs.from_table(t, ["p"], ["y"], ["y", "y"]), ShapeError, "2 columns of noise"),
        (lambda t: Runs.from_table(t, "p", ["y"]), InputError, "lists"),
        (lambda t: Runs.from_table(t, ["p"], ["y"], "y"), InputError, "lists"),
        (lambda t: Runs.from_table(t, ["p"], ["p", "y"]), InputError, "'p' is among both"),
        (lambda t: Runs.from_table(t, ["p"], ["y"], space=SPACE), InputError, "a, b"),
        (lambda t: Runs.from_table(t, ["n"], ["y"]), NotFiniteError, "'n'"),
        (lambda t: Runs.from_table(t, ["s"], ["y"]), InputError, "real numbers"),
        (lambda t: Runs.from_table(3, ["p"], ["y"]), InputError, "named columns"),
        (lambda t: make().split(12), InputError, "1 and 11"),
        (lambda t: Runs.concatenate([]), InputError, "no runs"),
        (lambda t: Runs.concatenate([make(), make(noise=False)]), InputError, "noise"),
        (
            lambda t: Runs.concatenate([make(), make().with_outputs([0])]),
            InputError,
            "same space and outputs",
        ),
        (lambda t: Runs.from_state({}), StateError, "space"),
        (lambda t: Runs.from_state(make().get_state() | {"status": None}), StateError, "valid"),
    ],
)
def test_bad_calls_are_named(call, error, says):
    table = {"p": [1.0, 2.0], "y": [1.0, 2.0], "k": [1, 1], "n": [np.nan, 1], "s": ["a", "b"]}
    with pytest.raises(error, match=says):
        call(table)


def test_bad_files_are_named(tmp_path):
    (tmp_path / "junk.fits").write_bytes(b"nothing")
    Table({"p": [1.0, 2.0]}).write(tmp_path / "own.ecsv")
    damaged = make().to_table()
    damaged.meta["EQRUNS"] = damaged.meta["EQRUNS"][:50]
    damaged.write(tmp_path / "cut.ecsv")
    for name, error, says in [
        ("junk.fits", FileFormatError, "cannot be read as fits"),
        ("own.ecsv", InputError, r"inputs=\[...\], outputs=\[...\]"),
        ("cut.ecsv", FileFormatError, "EQRUNS"),
        ("x.h5", InputError, r"equatorium\.load"),
        ("x.parquet", InputError, "must end in"),
    ]:
        with pytest.raises(error, match=says):
            Runs.read(tmp_path / name)
    named = Runs.read(tmp_path / "cut.ecsv", ["a", "b"], OUTPUTS, space=SPACE)  # the remedy
    np.testing.assert_array_equal(named.Y, make().Y)


def test_state_round_trip_and_frozen():
    runs = make()
    assert Runs.from_state(runs.get_state()) == runs
    assert runs != runs.good
    with pytest.raises(ValueError, match="read-only"):
        runs.X[0, 0] = 1.0
