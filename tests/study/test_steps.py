"""The hash of a step's inputs and the file that keeps its results."""

import subprocess
import sys

import numpy as np
import pytest

from equatorium import Diagonal, errors
from equatorium.simulate.journal import RunRecord
from equatorium.simulate.ledger import Ledger
from equatorium.study.steps import Steps, digest


def test_digest_sees_every_change_and_no_order():
    base = {"a": 1, "b": [1.5, "x"], "c": np.arange(3.0), "d": Diagonal(np.ones(2))}
    assert digest(base) == digest(dict(reversed(base.items())))
    changes = [{"a": 2}, {"b": ["x", 1.5]}, {"c": np.arange(3)}, {"d": Diagonal(2 * np.ones(2))}]
    assert len({digest(base), *(digest(base | change) for change in changes)}) == 5


def test_digest_is_the_same_in_every_process():
    code = "from equatorium.study.steps import digest; print(digest({'a': [1, 'x'], 'b': {2.5}}))"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == digest({"a": [1, "x"], "b": {2.5}})


def test_digest_refuses_what_has_no_state():
    with pytest.raises(errors.EquatoriumError, match="cannot hash a object"):
        digest(object())


def test_results_stay_under_their_hash(tmp_path):
    store = Steps(tmp_path / "study.h5")
    assert store.fetch("wave-1/runs", "aa") is None and store.current() == {}
    store.keep("wave-1/runs", "aa", {"x": np.arange(3.0)})
    store.keep("wave-1/runs", "bb", {"x": np.arange(4.0)})
    store.keep("posterior", "cc", {"n": 3})
    fresh = Steps(tmp_path / "study.h5")
    assert fresh.current() == {"wave-1/runs": "bb", "posterior": "cc"}
    np.testing.assert_array_equal(fresh.fetch("wave-1/runs", "aa")["x"], np.arange(3.0))
    np.testing.assert_array_equal(fresh.latest("wave-1/runs")["x"], np.arange(4.0))
    fresh.point_to("wave-1/runs", "aa")
    assert Steps(tmp_path / "study.h5").current()["wave-1/runs"] == "aa"


def test_a_step_never_overwrites_the_runs_of_another_process(tmp_path):
    """A copy made before their fold must not replace the file after it."""
    steps, ledger = Steps(tmp_path / "study.h5"), Ledger(tmp_path / "study.h5")
    steps.keep("design", "aa", {"x": np.arange(3.0)})
    ledger.append(RunRecord(key="k", simulator="s", theta=np.ones(1), values=np.ones(1)))
    with steps._change(), pytest.raises(errors.EquatoriumError, match="being written by"):
        ledger.fold()
    ledger.fold()
    with ledger, pytest.raises(errors.EquatoriumError, match="being written by"):
        steps.keep("design", "bb", {"x": np.arange(3.0)})
    steps.keep("design", "bb", {"x": np.arange(3.0)})
    assert list(Ledger(ledger.path).records()) == ["k"]


def test_a_step_runs_once_and_again_when_its_inputs_change(tmp_path, capsys):
    calls = []

    def compute(rng):
        calls.append(rng.random())
        return {"x": calls[-1]}

    steps = Steps(tmp_path / "s.h5", seed=1, progress=True)
    first, key = steps.run("a", {"n": 1}, compute)
    assert Steps(tmp_path / "s.h5", seed=1).run("a", {"n": 1}, compute) == (first, key)
    assert len(calls) == 1
    steps.run("a", {"n": 2}, compute)
    assert len(calls) == 2 and "its inputs changed" in capsys.readouterr().err
    # The same step draws the same numbers, another step others.
    assert calls[0] == calls[1]
    assert steps.run("b", {}, compute)[0]["x"] != calls[0]
    assert steps.run("a", {"n": 1}, compute)[1] == key == steps.current()["a"]


def test_a_folder_that_cannot_be_made_is_named_with_the_remedy(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OSError, match=r"folder .*file for the study.* choose another place"):
        Steps(tmp_path / "file" / "study.h5").prepare()
