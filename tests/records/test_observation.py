import numpy as np
import pytest
from astropy.table import Table
from scipy.interpolate import RegularGridInterpolator

from equatorium import Dense, Diagonal, LowRank, Observation, Outputs
from equatorium.errors import (
    FileFormatError,
    InputError,
    NotFiniteError,
    ShapeError,
    StateError,
    UnknownNameError,
)

Z, MASS = [0.0, 0.5, 1.0], np.array([9.0, 9.2, 9.5, 10.0])


@pytest.fixture
def outputs():
    z, m = (g.ravel() for g in np.meshgrid(Z, MASS, indexing="ij"))
    names = [f"phi{i}" for i in range(z.size)]
    return Outputs(names, {"z": z, "mass": m}, {"mass": "dex"}, unit="Mpc-3")


def observed(coords, **more):
    q = len(next(iter(coords.values())))
    return Observation(np.arange(q, dtype=float), np.full(q, 0.1), coords, **more)


def covariances(q):
    a = np.random.default_rng(0).normal(size=(q, q))
    return {
        "errors": np.full(q, 0.1) * np.sqrt(2),
        "dense": Dense(a @ a.T + np.eye(q)),
        "lowrank": LowRank(np.full(q, 0.1) ** 2, a[:, :2]),
        "one factor": LowRank(np.full(q, 0.25), a[:, :1]),
    }


def test_match_interpolates_along_one_coordinate_like_scipy(outputs):
    # Exact data, data between masses at a grid redshift, between redshifts at a grid mass.
    z = np.array([0.0, 1.0, 0.5, 1.0, 0.25, 0.9])
    m = np.array([9.0, 10.0, 9.1, 9.9, 9.5, 9.2])
    R = observed({"mass": m, "z": z}, unit="Mpc-3", units={"mass": "dex"}).match(outputs)
    y = np.random.default_rng(1).normal(size=outputs.p)
    judge = RegularGridInterpolator((Z, MASS), y.reshape(3, 4))
    np.testing.assert_allclose(R @ y, judge(np.column_stack([z, m])), atol=1e-12)
    np.testing.assert_allclose(R.sum(1), 1.0)
    assert (np.count_nonzero(R, axis=1) == [1, 1, 2, 2, 2, 2]).all()


def test_match_forgives_rounding(outputs):
    R = observed({"z": [0.1 + 0.4], "mass": [9 + 0.1 + 0.1]}).match(outputs)
    assert np.flatnonzero(R[0]).tolist() == [5]
    assert R[0, 5] == 1.0


def test_match_by_names():
    outputs = Outputs(["a", "b", "c"])
    seen = Observation([1.0, 2.0], [0.1, 0.1], names=["c", "a"])
    np.testing.assert_array_equal(seen.match(outputs), [[0, 0, 1], [1, 0, 0]])
    with pytest.raises(UnknownNameError, match="'d'"):
        Observation([1.0], [0.1], names=["d"]).match(outputs)
    with pytest.raises(InputError, match="Give names"):
        Observation([1.0], [0.1]).match(outputs)
    with pytest.raises(InputError, match="Give names"):
        observed({"z": [0.0]}).match(outputs)


@pytest.mark.parametrize(
    ("coords", "error", "says"),
    [
        ({"z": [0, 0], "mass": [9.0, 8.9]}, InputError, r"Datum 1 \(z = 0, mass = 8.9\) lies"),
        ({"z": [0.3], "mass": [9.1]}, InputError, "single coordinate"),
        ({"z": [2.0], "mass": [9.0]}, InputError, "z from 0 to 1"),
        ({"z": [0.0]}, InputError, "'mass', the observation has not"),
        ({"z": [0.0], "mss": [9.0]}, UnknownNameError, "Did you mean 'mass'"),
    ],
)
def test_data_that_cannot_be_matched_are_named(outputs, coords, error, says):
    with pytest.raises(error, match=says):
        observed(coords).match(outputs)


def test_units_that_differ_raise(outputs):
    with pytest.raises(InputError, match=r"coordinate 'mass' .*'Msun'.*'dex'"):
        observed({"z": [0], "mass": [9]}, units={"mass": "Msun"}).match(outputs)
    with pytest.raises(InputError, match=r"values .*'Gpc-3'"):
        observed({"z": [0], "mass": [9]}, unit="Gpc-3").match(outputs)


def test_ambiguous_outputs_raise():
    twins = Outputs(["a", "b"], {"z": [1.0, 1.0]})
    with pytest.raises(InputError, match="several outputs"):
        observed({"z": [1.0]}).match(twins)


def test_select_and_subset_keep_the_covariance():
    full = covariances(4)["dense"]
    seen = Observation(np.arange(4.0), full, {"z": [0, 1, 0, 1]}, names=list("abcd"), label="x")
    part = seen.select(z=1)
    np.testing.assert_array_equal(part.values, [1.0, 3.0])
    np.testing.assert_array_equal(part.covariance.dense(), full.dense()[np.ix_([1, 3], [1, 3])])
    np.testing.assert_allclose(part.errors, np.sqrt(np.diag(full.dense()))[[1, 3]])
    assert part.names == ("b", "d")
    assert part.label == "x"
    assert (seen.q, part.q) == (4, 2)
    assert seen.subset([2, 0]).names == ("c", "a")


@pytest.mark.parametrize("kind", covariances(3))
def test_a_file_gives_back_an_equal_observation(tmp_path, kind):
    seen = Observation(
        [1 / 3, -1e-300, 2.0],
        covariances(3)[kind],
        {"z": [0.1, 0.2, 0.3], "mass": [9, 10, 11]},
        names=["a b", "c,d", 'e"f'],
        unit="Mpc-3 furlong-1",
        units={"mass": "dex"},
        label=r"$\phi$",
        meta={"reference": "Author (2020), doi:10/x", "n": 3},
    )
    seen.write(tmp_path / "o.ecsv")
    again = Observation.read(tmp_path / "o.ecsv")
    assert again == seen
    assert type(again.covariance) is type(seen.covariance)
    assert Observation.from_state(seen.get_state()) == seen
    assert [f.name for f in tmp_path.iterdir()] == ["o.ecsv"]


def test_a_table_written_by_hand_is_read(tmp_path):
    table = Table({"z": [0.0, 1.0], "value": [1, 2], "error": [0.1, 0.2], "source": ["a", "b"]})
    table["value"].unit = "km / s"
    table.meta["telescope"] = "none"
    for name in ("hand.ecsv", "hand.csv"):
        table.write(tmp_path / name)
    seen = Observation.read(tmp_path / "hand.ecsv")
    assert seen == Observation(
        [1, 2], [0.1, 0.2], {"z": [0, 1]}, unit="km / s", meta={"telescope": "none"}
    )
    plain = Observation.read(str(tmp_path / "hand.csv"))
    np.testing.assert_array_equal(plain.values, seen.values)


def test_files_that_cannot_be_read_are_named(tmp_path):
    (tmp_path / "junk.ecsv").write_text("not a table at all\n1 2 3\n")
    Table({"value": [1.0]}).write(tmp_path / "no.ecsv")
    Table({"value": [1.0], "error": [1.0], "covariance": [[1.0]]}).write(tmp_path / "two.ecsv")
    for name, error, says in [
        ("junk.ecsv", FileFormatError, "cannot be read as ecsv"),
        ("no.ecsv", FileFormatError, "'error' or 'covariance'"),
        ("two.ecsv", FileFormatError, "both"),
        ("gone.ecsv", InputError, "no file"),
        ("x.txt", InputError, "must end in"),
        ("x.h5", InputError, r"equatorium\.load"),
    ]:
        with pytest.raises(error, match=says):
            Observation.read(tmp_path / name)
    with pytest.raises(InputError, match="cannot be written"):
        Observation([1.0], [1.0]).write(tmp_path / "nowhere" / "o.ecsv")


@pytest.mark.parametrize(
    ("make", "error", "says"),
    [
        (
            lambda: Observation([1, np.nan], [1, 1], {"z": [0, 0.5]}),
            NotFiniteError,
            r"Datum 1 \(z = 0.5\) of the observation is nan",
        ),
        (lambda: Observation([1, np.inf], [1, 1], names=["a", "b"]), NotFiniteError, "1 'b'"),
        (lambda: Observation([1, 2], [1, np.nan]), NotFiniteError, "errors"),
        (lambda: Observation([1, 2], [[1, 2], [2, 1]]), InputError, "smallest eigenvalue is -1"),
        (lambda: Observation([1, 2], [1, -1]), InputError, "Datum 1 has a negative error"),
        (lambda: Observation([1, 2], [1, 1, 1]), ShapeError, "2 values, but it has 3"),
        (lambda: Observation([1, 2], np.eye(3)), ShapeError, r"\(2, 2\)"),
        (lambda: Observation([1, 2], Diagonal(np.ones((4, 2)))), ShapeError, "batch"),
        (lambda: Observation([[1, 2]], [1, 1]), ShapeError, "list of q"),
        (lambda: Observation([1, 2], [1, 1], {"z": [0]}), ShapeError, "'z'"),
        (lambda: Observation([1, 2], [1, 1], names=["a"]), ShapeError, "1 names"),
        (lambda: Observation([1, 2], [1, 1], names=["a", "a"]), InputError, "more than once"),
        (lambda: Observation.from_state({"values": [1.0]}), StateError, "covariance"),
    ],
)
def test_bad_input_is_named(make, error, says):
    with pytest.raises(error, match=says):
        make()
