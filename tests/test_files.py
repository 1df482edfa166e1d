"""Files of every older format are read for ever, and mean what they did when they were written.

``files/schema-1.h5`` holds the first kinds of records, and numbers that they gave when it was
written; what came later has a file of its own.
When a record's form or `hdf5.SCHEMA` changes, the file stays, and one of the new form joins it.
"""

import json
from pathlib import Path

import h5py
import numpy as np
import pytest

import equatorium as eq
from equatorium import hdf5, storage

FILES = Path(__file__).parent / "files"
KEPT = [FILES / f"schema-{version}.h5" for version in range(1, hdf5.SCHEMA + 1)]


@pytest.fixture(params=KEPT, ids=lambda path: path.stem)
def kept(request):
    return request.param


def test_every_kind_of_record_is_kept():
    tags = set()

    def collect(name, item):
        if name.endswith("%json"):
            tags.add(json.loads(item[()]).get("tag"))

    for path in FILES.glob("*.h5"):
        with h5py.File(path) as file:
            file.visititems(collect)
    assert tags >= set(storage.RECORDS)


def test_a_joint_prior_and_dependent_parameters_mean_what_they_meant():
    file = eq.load(FILES / "particle-prior-1.h5")
    found = file["prior"](file["theta"])
    np.testing.assert_allclose(found, file["log_density"], rtol=1e-10)
    np.testing.assert_allclose(file["prior"].space.complete(file["theta"]), file["complete"])


def test_a_calibration_says_what_it_said():
    file = eq.load(FILES / "calibration-1.h5")
    found, told = file["calibration"], file["numbers"]
    assert found.p_values == pytest.approx(told["p_values"], abs=1e-3)
    assert found.coverage_p == pytest.approx(told["coverage_p"], abs=1e-3)
    assert found.mean_square == pytest.approx(told["mean_square"])
    assert found.passed == told["passed"]


def test_records_give_the_numbers_that_they_gave(kept):
    file = eq.load(kept)
    things, numbers = file["things"], file["numbers"]
    theta = numbers["theta"]
    prediction = things["surrogate"].predict(theta).gaussian()
    found = {
        "mean": prediction.mean,
        "std": prediction.std,
        "level": things["region"].level(theta),
        "draws mean": things["draws"].mean,
        "mixture": things["mixture"].gaussian().variance,
        "quantile": things["weighted"].quantile(0.5),
        "discrepancy": things["discrepancy"].covariance(things["observation"]).dense(),
        "crps": things["report"].crps,
    }
    for name, value in found.items():
        # Slopes of a shift were differences of neighbours once; now a smooth curve gives them.
        rtol = 0.01 if name in ("discrepancy", "level") else 1e-7
        np.testing.assert_allclose(value, numbers[name], rtol=rtol, err_msg=name)


def test_records_hold_what_they_held(kept):
    things = eq.load(kept)["things"]
    assert things["space"].fixed == {"bend": 0.5}
    assert [p.unit for p in things["space"].parameters] == ["", "dex"]
    assert things["outputs"].names == ("y0", "y1", "y2")
    assert things["runs"].n == 20
    assert list(things["categorical"].classes) == ["star", "galaxy"]
    np.testing.assert_allclose(things["lowrank"].dense(), np.eye(3) + 1.0)
