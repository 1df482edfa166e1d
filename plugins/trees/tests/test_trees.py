"""Leaf weights against Meinshausen's formula, sums of trees against their libraries."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import stats
from sklearn.ensemble import (
    AdaBoostRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestRegressor,
)
from sklearn.inspection import permutation_importance
from sklearn.tree import DecisionTreeRegressor

import equatorium as eq
from equatorium.errors import InputError, StateError
from equatorium_trees.additive import Additive
from equatorium_trees.calibration import calibrated, fit_calibration
from equatorium_trees.libraries import boost

BOOST = {
    "n_estimators": 20,
    "learning_rate": 0.1,
    "max_leaf_nodes": 8,
    "min_samples_leaf": 5,
    "l2": 1.0,
    "random_state": 0,
}
STUMP = {"use": "tree-classifier", "options": {"max_depth": 1}}


def runs(n=300, seed=0, missing=False):
    """A curve and a line whose scatter grows with the first input; the third says nothing."""
    rng = np.random.default_rng(seed)
    X = rng.random((n, 3))
    scatter = (0.05 + 0.3 * X[:, 0])[:, None]
    Y = np.stack([np.sin(5 * X[:, 0]) + X[:, 1], 2 * X[:, 1] - X[:, 0]], axis=1)
    Y = Y + scatter * rng.normal(size=Y.shape)
    if missing:
        X[rng.random(X.shape) < 0.1] = np.nan
    return X, Y


def clouds(n=400, seed=0, width=1.5):
    """Three overlapping clouds of points."""
    rng = np.random.default_rng(seed)
    codes = rng.integers(3, size=n)
    centres = np.array([[0.0, 0.0], [3.0, 0.0], [0.0, 3.0]])
    return centres[codes] + width * rng.normal(size=(n, 2)), np.array(["a", "b", "c"])[codes]


# -- leaves --------------------------------------------------------------------------------


@pytest.mark.parametrize("missing", [False, True])
def test_the_forest_is_that_of_scikit_learn(missing):
    X, Y = runs(missing=missing)
    Z = X.astype(np.float32)  # the inputs' scaling must not change a split
    ours = eq.emulator("forest", n_estimators=10, random_state=3).fit(X, Y)
    theirs = RandomForestRegressor(10, min_samples_leaf=3, max_features=0.7, random_state=3)
    unit = 2.0 ** np.floor(np.log2(Y.std(axis=0)))  # of several outputs the widest would decide
    theirs.fit((Z - ours.center_) / ours.scale_, Y / unit)
    query = runs(50, seed=1, missing=missing)[0]
    expected = unit * theirs.predict((query - ours.center_) / ours.scale_)
    assert_allclose(ours.predict_mean(query), expected, atol=1e-12)
    assert_allclose(ours.predict(query), expected, atol=1e-12)
    assert_allclose(ours.importances_, theirs.feature_importances_)


def test_leaf_weights_are_meinshausens():
    """Against loops over trees and runs, on the draws of scikit-learn."""
    X, Y = runs(60)
    y = Y[:, 0]
    model = eq.emulator("forest", n_estimators=8, random_state=0).fit(X, y)
    query = runs(7, seed=1)[0]
    Z = model._scaled(query)
    weights = np.zeros((7, 60))
    for t, tree in enumerate(model.members_):
        for i, leaf in enumerate(tree.apply(Z)):
            inside = (model.leaf_[t] == leaf) * model.count_[t]
            weights[i] += inside / inside.sum() / 8
    ((_, found),) = model._leaves.weights(model._nodes(query))
    dense = np.zeros_like(weights)
    dense[:, model._leaves.order] = found.toarray()
    assert_allclose(dense, weights, atol=1e-14)
    prediction = model.predict_dist(query)
    assert_allclose(prediction.mean[:, 0], weights @ y, atol=1e-12)
    # 200 draws of equal weight stand for the weights: their cdf is off by 1/400 at most.
    levels = (0.2, 0.9)
    exact, wrong = (
        [[(w * (y <= level)).sum() for level in levels] for w in ww]
        for ww in (weights, weights[::-1])
    )
    got = np.stack([prediction.cdf([[level]])[:, 0] for level in levels], axis=1)
    assert np.abs(got - exact).max() < 0.0026 < np.abs(got - np.array(wrong)).max()


def test_a_forest_of_one_bag_is_left_out_by_its_leaf_mates():
    """Where no tree lacks a run, its own weight is taken out: brute force."""
    X, Y = runs(40)
    model = eq.emulator("tree", min_samples_leaf=4).fit(X, Y)
    same = model.leaf_[0][:, None] == model.leaf_[0]
    np.fill_diagonal(same, False)
    assert_allclose(model._leaves.held_out_mean(), same @ Y / same.sum(1)[:, None], atol=1e-12)
    assert_allclose(model._leaves.held_out().mean, same @ Y / same.sum(1)[:, None], atol=1e-12)
    few = eq.emulator("forest", n_estimators=3, random_state=0).fit(X, Y)
    assert not few._leaves.out.any(axis=0).all()
    assert_allclose(few.loo().mean, few.oob_prediction_, atol=1e-12)


def test_out_of_bag_errors_are_those_of_new_runs():
    X, Y = runs(600)
    fresh, truth = runs(4000, seed=1)
    for name in ("forest", "extra-trees"):
        model = eq.emulator(name, n_estimators=60, random_state=0).fit(X, Y)
        assert_allclose(model.loo().mean, model.oob_prediction_, atol=1e-10)
        oob = np.sqrt(((model.oob_prediction_ - Y) ** 2).mean(axis=0))
        held_out = np.sqrt(((model.predict(fresh) - truth) ** 2).mean(axis=0))
        fitted = np.sqrt(((model.predict(X) - Y) ** 2).mean(axis=0))  # the wrong twin
        assert_allclose(oob, held_out, rtol=0.08)
        assert (fitted < 0.85 * held_out).all()


def test_the_scatter_that_is_predicted_grows_where_it_does():
    X, Y = runs(1000)
    y = Y[:, 1]  # straight: the other's slope widens leaves where it is steep
    query = np.array([[0.1, 0.5, 0.5], [0.9, 0.5, 0.5]])
    for name in ("forest", "extra-trees", "gradient-boosting"):
        model = eq.emulator(name, n_estimators=40, random_state=0)
        std = model.fit(X, y).predict(query, return_std=True)[1]
        assert_allclose(std[1] / std[0], 0.32 / 0.08, rtol=0.6)


def test_permutations_find_the_input_that_says_nothing():
    X, Y = runs()
    model = eq.emulator("forest", n_estimators=20, random_state=0).fit(X, Y)
    found = permutation_importance(model, *runs(seed=1), n_repeats=3, random_state=0)
    assert found.importances_mean[:2].min() > 0.1 > found.importances_mean[2]
    assert model.importances_.argmin() == 2


@pytest.mark.parametrize("name", ["tree", "forest", "gradient-boosting", "bagging"])
def test_the_outputs_units_do_not_matter(name):
    """Fluxes of 1e-17 have variances that scikit-learn takes for none."""
    X, Y = runs(60)
    options = {} if name == "tree" else {"n_estimators": 4}
    near = eq.emulator(name, random_state=0, **options).fit(X, Y).predict_dist(X)
    for unit in (2.0**-450, 2.0**450):
        far = eq.emulator(name, random_state=0, **options).fit(X, unit * Y).predict_dist(X)
        assert_allclose(far.mean / unit, near.mean, rtol=1e-6)
        assert_allclose(far.std / unit, near.std, rtol=1e-6)
    theirs = DecisionTreeRegressor(min_samples_leaf=10).fit(X, 2.0**-450 * Y)
    assert theirs.get_n_leaves() == 1


def test_many_leaf_mates_are_thinned_to_values_with_their_mean():
    rng = np.random.default_rng(0)
    X, y = rng.random((2000, 1)), rng.gamma(2.0, size=2000)
    prediction = eq.emulator("tree", max_leaf_nodes=2).fit(X, y).predict_dist([[0.0]])
    theirs = DecisionTreeRegressor(max_leaf_nodes=2, min_samples_leaf=10).fit(X, y)
    inside = y[X[:, 0] <= theirs.tree_.threshold[0]]
    assert len(inside) > 256 == len(prediction.values)
    assert_allclose(prediction.mean, inside.mean(), rtol=1e-12)
    levels = [0.05, 0.5, 0.95]
    found = prediction.quantile(levels)[:, 0, 0]
    assert_allclose(found, np.quantile(inside, levels), atol=0.03)


def test_a_column_without_any_value_is_no_use_and_no_harm():
    X, Y = runs(60)
    holes = np.column_stack([X, np.full(60, np.nan)])
    for name in ("forest", "gradient-boosting", "bagging", "adaboost"):
        model = eq.emulator(name, n_estimators=4, random_state=0)
        mean = model.fit(holes, Y).predict(holes)
        assert ((mean - Y) ** 2).mean() < 0.8 * Y.var(axis=0).mean(), name


def test_inputs_far_from_zero_lose_no_digits():
    X, Y = runs()
    near = eq.emulator("forest", n_estimators=5, random_state=0).fit(X, Y)
    far = eq.emulator("forest", n_estimators=5, random_state=0).fit(X + 2450000.0, Y)
    assert np.abs(near.predict(X) - far.predict(X + 2450000.0)).max() < 0.05
    theirs = RandomForestRegressor(5, random_state=0).fit(X + 2450000.0, Y)
    assert np.abs(theirs.predict(X + 2450000.0) - near.predict(X)).max() > 0.5


# -- damaged trees -------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["forest", "gradient-boosting"])
def test_trees_that_are_none_are_refused(name):
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


# -- boosting ------------------------------------------------------------------------------


@pytest.mark.parametrize("missing", [False, True])
def test_sums_of_trees_are_what_the_library_predicts(missing):
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
def test_lightgbms_trees_are_the_same_without_it(missing):
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


def test_an_unknown_library_is_named():
    with pytest.raises(InputError, match="xgboost"):
        eq.emulator("gradient-boosting", library="xgboost").fit(*runs(30))


# -- calibration ---------------------------------------------------------------------------


def ks(pit):
    return stats.kstest(pit, "uniform").statistic


def test_predicted_distributions_are_calibrated():
    """PIT of fresh runs; a distribution twice too narrow fails."""
    X, Y = runs(1200)
    fresh, truth = runs(1000, seed=1)
    limit = stats.kstwo.ppf(0.9999, 1000) + 0.03  # of chance, and of what 1200 runs leave unknown
    for name, options in (
        ("forest", {"n_estimators": 50}),
        ("gradient-boosting", {"n_estimators": 40, "learning_rate": 0.1}),
        ("bagging", {}),
    ):
        model = eq.emulator(name, random_state=0, **options).fit(X, Y[:, 0])
        prediction = model.predict_dist(fresh)
        y = truth[:, :1]
        assert ks(prediction.cdf(y)[:, 0]) < limit, name
        assert ks(prediction.cdf(prediction.mean + 2 * (y - prediction.mean))[:, 0]) > limit, name


def test_calibration_restores_probabilities_that_were_sharpened():
    rng = np.random.default_rng(0)
    true = rng.dirichlet([1.0, 1.0, 1.0], 4000)
    codes = (true.cumsum(axis=1) < rng.random((4000, 1))).sum(axis=1)
    sharp = true**3 / (true**3).sum(axis=1, keepdims=True)
    found = calibrated(sharp, fit_calibration(sharp, codes))
    assert np.abs(found - true).mean() < 0.02 < np.abs(sharp - true).mean()


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("forest-classifier", {"n_estimators": 60}),
        ("extra-trees-classifier", {"n_estimators": 60}),
        ("gradient-boosting-classifier", {"n_estimators": 15, "max_leaf_nodes": 6}),
        ("bagging-classifier", {"n_estimators": 15}),
        ("adaboost-classifier", {"n_estimators": 15, "member": STUMP}),
    ],
)
def test_probabilities_are_as_good_as_the_best_ones(name, options):
    """Log loss beside that of the clouds' true probabilities; sharpened ones are worse."""
    X, y = clouds(700)
    fresh, labels = clouds(2000, seed=1)
    model = eq.classifier(name, random_state=0, **options).fit(X, y)
    centres = np.array([[0.0, 0.0], [3.0, 0.0], [0.0, 3.0]])
    logs = -((fresh[:, None] - centres) ** 2).sum(axis=2) / (2 * 1.5**2)
    true = np.exp(logs - np.logaddexp.reduce(logs, axis=1, keepdims=True))
    codes = np.searchsorted(model.classes_, labels)

    def loss(P):
        return -np.log(np.maximum(P[np.arange(len(P)), codes], 1e-12)).mean()

    P = model.predict_proba(fresh)
    sharp = P**3 / (P**3).sum(axis=1, keepdims=True)
    assert loss(true) - 0.02 < loss(P) < loss(true) + 0.1
    assert loss(sharp) > loss(P) + 0.05


# -- bagging and boosting of any method ----------------------------------------------------


def test_bagging_takes_any_method():
    X, Y = runs(80)
    for member in (
        "tree",
        {"use": "rbf", "options": {"smoothing": 0.1}},
        eq.emulator("extra-trees", n_estimators=3),
    ):
        model = eq.emulator("bagging", member=member, n_estimators=4, random_state=0).fit(X, Y)
        assert len(model.members_) == 4 and model.oob_score_ > 0.3
        assert model.predict_dist(X).mean.shape == Y.shape


def test_bagging_is_its_members_mean_and_gains_what_the_law_says():
    """Variance over training sets: sigma^2 (rho + (1 - rho) / T), members of one bag correlated."""
    query = runs(30, seed=99)[0]
    alone, bagged = [], []
    for seed in range(6):
        X, Y = runs(100, seed=seed)
        y = Y[:, 0]
        member = eq.emulator("tree", min_samples_leaf=2)
        model = eq.emulator("bagging", member=member, n_estimators=10, random_state=seed)
        model.fit(X, y)
        each = model.predict_members(query)[..., 0]
        assert_allclose(model.predict(query), each.mean(axis=0), atol=1e-12)
        alone.append(each)
        bagged.append(model.predict(query))
    alone, bagged = np.array(alone), np.array(bagged)  # (sets, T, m), (sets, m)
    sigma2 = alone.var(axis=0, ddof=1).mean()
    rho_sigma2 = np.mean(
        [np.cov(alone[:, i, k], alone[:, i + 1, k])[0, 1] for i in range(9) for k in range(30)]
    )
    law = rho_sigma2 + (sigma2 - rho_sigma2) / 10
    assert bagged.var(axis=0, ddof=1).mean() == pytest.approx(law, rel=0.1)
    assert bagged.var(axis=0, ddof=1).mean() < 0.7 * sigma2


def test_adaboost_is_that_of_scikit_learn():
    """The same seeds and samples: the same weights, and the same medians."""
    X, Y = runs(120)
    theirs = AdaBoostRegressor(DecisionTreeRegressor(max_depth=4), n_estimators=10, random_state=1)
    theirs.fit(X, Y[:, 0])
    ours = eq.emulator("adaboost", n_estimators=10, random_state=1).fit(X, Y[:, 0])
    assert_allclose(ours.weights_, theirs.estimator_weights_, rtol=1e-6)
    query = runs(50, seed=1)[0]
    assert_allclose(ours.predict(query), theirs.predict(query), atol=1e-6)
    other = eq.emulator("adaboost", n_estimators=10, random_state=2).fit(X, Y[:, 0])
    assert np.abs(other.predict(query) - theirs.predict(query)).max() > 1e-3


def test_methods_that_cannot_be_members_are_refused():
    X, Y = runs(20)
    with pytest.raises(InputError, match="classifier"):
        eq.classifier("bagging-classifier", member=eq.emulator("tree")).fit(X, Y[:, 0] > 0)
    model = eq.emulator("bagging")
    model.member = model
    with pytest.raises(InputError, match="itself"):
        model.fit(X, Y)
    with pytest.raises(InputError, match="use"):
        eq.emulator("adaboost").set_params(member={"name": "tree"}).fit(X, Y)
    with pytest.raises(InputError, match="n_estimators"):
        eq.emulator("bagging", n_estimators=1).fit(X, Y)
    with pytest.raises(InputError, match="random_state"):
        eq.emulator("bagging", random_state=-1).fit(X, Y)
    with pytest.raises(InputError, match="learning_rate"):
        eq.emulator("adaboost", learning_rate="fast").fit(X, Y)


def test_a_class_of_one_run_is_learned_all_the_same():
    X, y = clouds(60)
    y = y.astype("U4")
    y[0], X[0] = "rare", [30.0, 30.0]
    for name in ("gradient-boosting-classifier", "forest-classifier", "bagging-classifier"):
        model = eq.classifier(name, n_estimators=6, random_state=0).fit(X, y)
        assert_array_equal(model.classes_, ["a", "b", "c", "rare"])
        assert_allclose(model.predict_proba(X).sum(axis=1), 1.0)
    for name in ("gradient-boosting-classifier", "adaboost-classifier"):
        with pytest.raises(InputError, match="leave runs out"):
            eq.classifier(name).fit(X[:2], ["a", "b"])
