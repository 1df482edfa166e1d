"""Files of every older state are read for ever, and predict what they did when they were written.

To keep today's state, when `state_version` is raised: save a fitted model with its predictions as
these files hold them.
"""

import copy
from pathlib import Path

import numpy as np
import pytest
from threadpoolctl import threadpool_info, threadpool_limits

import equatorium as eq
from equatorium.errors import StateError
from equatorium_gp.grid_gp import GridGP
from equatorium_gp.multifidelity_gp import MultifidelityGP
from equatorium_gp.sparse_gp import SparseGP
from equatorium_gp.trend_gp import TrendGP

FILES = Path(__file__).parent / "files"
VERSIONS = range(1, TrendGP.state_version + 1)


@pytest.mark.parametrize("version", VERSIONS)
def test_files_of_every_state_are_read(version):
    kept = eq.load(FILES / f"trend-gp-state-{version}.h5")
    prediction = kept["model"].predict_dist(kept["query"]).gaussian()
    np.testing.assert_allclose(prediction.mean, kept["mean"], rtol=1e-9)
    covariance = prediction.covariance.dense()
    size = np.abs(kept["covariance"]).max()
    np.testing.assert_allclose(covariance, kept["covariance"], rtol=1e-8, atol=1e-10 * size)


def test_an_older_model_is_saved_in_todays_state(tmp_path):
    kept = eq.load(FILES / "trend-gp-state-1.h5")
    kept["model"].save(tmp_path / "model.h5")
    again = eq.load(tmp_path / "model.h5")
    mean = again.predict_dist(kept["query"]).gaussian().mean
    np.testing.assert_allclose(mean, kept["mean"], rtol=1e-9)


def test_a_damaged_older_state_is_refused():
    with pytest.raises(StateError, match="version 1, is damaged"):
        TrendGP.migrate({"spread_": np.ones(2)}, 1)


def fitted(kind):
    """A small model, and the inputs that it was fitted on."""
    x = np.linspace(0.0, 1.0, 12)
    if kind is MultifidelityGP:
        X = np.column_stack([np.tile(x, 2), np.repeat([0, 1], 12)])[:18]
        return MultifidelityGP(level_column=1).fit(X, np.sin(5 * X[:, 0]) * (1 + X[:, 1])), X
    X = np.column_stack([np.tile(x, 5), np.repeat(x[:5], 12)])
    return kind().fit(X, np.sin(5 * X[:, 0]) + X[:, 1]), X


@pytest.mark.parametrize("kind", [TrendGP, SparseGP, GridGP, MultifidelityGP])
@pytest.mark.parametrize("damage", ["missing", "shape", "not a number"])
def test_a_damaged_state_changes_nothing(kind, damage):
    model, X = fitted(kind)
    before, state = model.predict(X), model.get_state()
    name = "scale_"
    worse = {"shape": state[name][..., None], "not a number": np.full_like(state[name], np.nan)}
    state = {**state, name: worse[damage]} if damage in worse else _without(state, name)
    with pytest.raises(StateError):
        model.set_state({**state, "X_": 2.0 * state["X_"]} if "X_" in state else state)
    np.testing.assert_array_equal(model.predict(X), before)
    assert hasattr(model, name)


def _without(state, name):
    return {key: value for key, value in state.items() if key != name}


@pytest.mark.parametrize("kind", [TrendGP, SparseGP, GridGP, MultifidelityGP])
def test_a_model_is_built_on_as_many_threads_from_a_file_as_in_a_fit(kind, tmp_path, monkeypatch):
    """Sums of other threads differ in their last bits, and with them the predictions."""
    seen = []

    def spy(solve):
        def spied(*arrays, **options):
            seen.append({library["num_threads"] for library in threadpool_info()})
            return solve(*arrays, **options)

        return spied

    with threadpool_limits(2):
        model, _ = fitted(kind)
        model.save(tmp_path / "model.h5")
        build = "_grid_output" if kind is GridGP else "_build"
        monkeypatch.setattr(kind, build, spy(getattr(kind, build)))
        eq.load(tmp_path / "model.h5")
        fitted(kind)
    assert seen and all(threads == {1} for threads in seen)


@pytest.mark.parametrize("column", [None, 0])
def test_runs_of_levels_that_change_later_change_no_model(column):
    x = np.linspace(0.0, 1.0, 12)
    X = np.column_stack([np.repeat([0, 1], 12), np.tile(x, 2)]).astype(float)[:18]
    unchanged(MultifidelityGP(level_column=column), X, np.sin(5 * X[:, [1]]) + X[:, [0]])


def unchanged(model, X, Y):
    """Fit to copies, spoil these, and ask for all that a file would hold."""
    given = X.copy(), Y.copy(), np.full(Y.shape, 1e-4)
    model.fit(given[0], given[1], noise=given[2])
    before, state = model.predict(X), copy.deepcopy(model.get_state())
    for array in given:
        array[:] = 0.3
    assert_same(model.get_state(), state)
    np.testing.assert_array_equal(model.predict(X), before)


def assert_same(found, kept):
    """Compare states, models within states too."""
    if isinstance(kept, eq.Emulator):
        found, kept = found.get_state(), kept.get_state()
    if isinstance(kept, dict):
        assert found.keys() == kept.keys()
        for key, value in kept.items():
            assert_same(found[key], value)
    elif isinstance(kept, list):
        for mine, theirs in zip(found, kept, strict=True):
            assert_same(mine, theirs)
    else:
        np.testing.assert_array_equal(found, kept)
