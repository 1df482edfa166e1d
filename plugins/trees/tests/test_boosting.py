"""Sums of trees against their libraries; trees of a file that are none."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

import equatorium as eq
from equatorium.errors import InputError, StateError
from equatorium_trees.additive import Additive
from equatorium_trees.libraries import boost

BOOST = {
    "n_estimators": 20,
    "learning_rate": 0.1,
    "max_leaf_nodes": 8,
    "min_samples_leaf": 5,
    "l2": 1.0,
    "random_state": 0,
}


@pytest.mark.parametrize("name", ["forest", "gradient-boosting"])
def test_trees_that_are_none_are_refused(runs, name):
    X, Y = runs(80)
    model = eq.emulator(name, n_estimators=4, random_state=0).fit(X, Y)
    state = model.get_state()
    inner = int(np.flatnonzero(state["left_"] > 0)[0])

    def damaged(key, value):
        array = state[key].copy()
        array[inner] = value
        return {**state, key: array}

    loops = damaged("left_", 0)
    beyond = damaged("right_", 10**6)
    half = damaged("left_", -1)
    column = damaged("feature_", 3)
    for bad in (loops, beyond, half, column, damaged("threshold_", np.nan)):
        with pytest.raises(StateError):
            eq.emulator(name, n_estimators=4).set_state(bad)


@pytest.mark.parametrize("missing", [False, True])
def test_sums_of_trees_are_what_the_library_predicts(runs, missing):
    X, Y = runs(missing=missing)
    query = runs(100, seed=1, missing=missing)[0]
    how = {
        "max_iter": 20,
        "max_leaf_nodes": 8,
        "min_samples_leaf": 5,
        "l2_regularization": 1.0,
        "random_state": 0,
    }
    theirs = HistGradientBoostingRegressor(**how).fit(X, Y[:, 0])
    ours = Additive(boost("scikit-learn", X, Y[:, 0], None, "squared", BOOST))
    assert_allclose(ours(query)[:, 0], theirs.predict(query), rtol=1e-12)
    codes = np.digitize(Y[:, 0], [0.5, 1.0])
    theirs = HistGradientBoostingClassifier(**how).fit(X, codes)
    ours = Additive(boost("scikit-learn", X, codes, None, "classes", BOOST))
    assert_allclose(ours(query), theirs.decision_function(query), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("missing", [False, True])
def test_lightgbms_trees_are_the_same_without_it(runs, missing):
    lightgbm = pytest.importorskip("lightgbm")
    X, Y = runs(missing=missing)
    query = runs(100, seed=1, missing=True)[0]
    codes = np.digitize(Y[:, 0], [0.5, 1.0])
    how = {"num_leaves": 8, "min_data_in_leaf": 5, "lambda_l2": 1.0, "seed": 0, "verbosity": -1}
    how |= {"deterministic": True, "num_threads": 1}
    for y, objective, loss in (
        (Y[:, 0], {"objective": "regression"}, "squared"),
        (codes, {"objective": "multiclass", "num_class": 3}, "classes"),
        (codes > 0, {"objective": "binary"}, "classes"),
    ):
        data = lightgbm.Dataset(X, y, params={"verbosity": -1})
        theirs = lightgbm.train({**how, **objective}, data, 20).predict(query, raw_score=True)
        ours = Additive(boost("lightgbm", X, y, None, loss, BOOST))(query)
        assert_allclose(ours.reshape(theirs.shape), theirs, rtol=1e-9, atol=1e-12)


def test_an_unknown_library_is_named(runs):
    with pytest.raises(InputError, match="xgboost"):
        eq.emulator("gradient-boosting", library="xgboost").fit(*runs(30))


@pytest.mark.parametrize(
    ("kind", "name", "key", "value"),
    [
        ("emulator", "gradient-boosting", "shape_", np.full((9, 2), 1e308)),
        ("emulator", "adaboost", "shape_", np.full((9, 2), 1e308)),
        ("emulator", "adaboost", "constant_", np.full(2, 1e308)),
        ("emulator", "adaboost", "slope_", np.full(2, 1e308)),
        ("emulator", "bagging", "n_outputs_", True),
        ("classifier", "bagging-classifier", "n_features_in_", True),
    ],
)
def test_numbers_that_no_fit_leaves_are_refused(runs, kind, name, key, value):
    X, Y = runs(60)
    make = getattr(eq, kind)
    y = Y[:, 0] > 0 if kind == "classifier" else Y
    if value is True:  # which equals 1
        X, y = X[:, :1], y[:, :1] if y.ndim > 1 else y
    state = make(name, n_estimators=4, random_state=0).fit(X, y).get_state()
    make(name, n_estimators=4).set_state(state)
    with pytest.raises(StateError, match=key):
        make(name, n_estimators=4).set_state({**state, key: value})
