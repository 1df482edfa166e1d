"""Leaves of one tree and of forests, against Meinshausen's formula and scikit-learn."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.ensemble import RandomForestRegressor
from sklearn.inspection import permutation_importance
from sklearn.tree import DecisionTreeRegressor

import equatorium as eq


@pytest.mark.parametrize("missing", [False, True])
def test_the_forest_is_that_of_scikit_learn(runs, missing):
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


def test_leaf_weights_are_meinshausens(runs):
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


def test_a_forest_of_one_bag_is_left_out_by_its_leaf_mates(runs):
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


def test_out_of_bag_errors_are_those_of_new_runs(runs):
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


def test_the_scatter_that_is_predicted_grows_where_it_does(runs):
    X, Y = runs(1000)
    y = Y[:, 1]  # straight: the other's slope widens leaves where it is steep
    query = np.array([[0.1, 0.5, 0.5], [0.9, 0.5, 0.5]])
    for name in ("forest", "extra-trees", "gradient-boosting"):
        model = eq.emulator(name, n_estimators=40, random_state=0)
        std = model.fit(X, y).predict(query, return_std=True)[1]
        assert_allclose(std[1] / std[0], 0.32 / 0.08, rtol=0.6)


def test_permutations_find_the_input_that_says_nothing(runs):
    X, Y = runs()
    model = eq.emulator("forest", n_estimators=20, random_state=0).fit(X, Y)
    found = permutation_importance(model, *runs(seed=1), n_repeats=3, random_state=0)
    assert found.importances_mean[:2].min() > 0.1 > found.importances_mean[2]
    assert model.importances_.argmin() == 2


@pytest.mark.parametrize("name", ["tree", "forest", "gradient-boosting", "bagging"])
def test_the_outputs_units_do_not_matter(runs, name):
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


def test_a_column_without_any_value_is_no_use_and_no_harm(runs):
    X, Y = runs(60)
    holes = np.column_stack([X, np.full(60, np.nan)])
    for name in ("forest", "gradient-boosting", "bagging", "adaboost"):
        model = eq.emulator(name, n_estimators=4, random_state=0)
        mean = model.fit(holes, Y).predict(holes)
        assert ((mean - Y) ** 2).mean() < 0.8 * Y.var(axis=0).mean(), name


def test_inputs_far_from_zero_lose_no_digits(runs):
    X, Y = runs()
    near = eq.emulator("forest", n_estimators=5, random_state=0).fit(X, Y)
    far = eq.emulator("forest", n_estimators=5, random_state=0).fit(X + 2450000.0, Y)
    assert np.abs(near.predict(X) - far.predict(X + 2450000.0)).max() < 0.05
    theirs = RandomForestRegressor(5, random_state=0).fit(X + 2450000.0, Y)
    assert np.abs(theirs.predict(X + 2450000.0) - near.predict(X)).max() > 0.5


@pytest.mark.parametrize("name", ["forest-classifier", "extra-trees-classifier"])
def test_classes_that_count_alike_do_so_once(name):
    """Without an input that says anything both are as likely; one of them has a tenth of the runs.

    scikit-learn 1.9 draws runs by their weights: weighted again, the rare would be the common one.
    """
    X, y = np.zeros((300, 1)), np.arange(300) < 30
    options = {"n_estimators": 50, "random_state": 0}
    assert_allclose(eq.classifier(name, **options).fit(X, y).predict_proba(X[:1])[0, 1], 0.1, 0.1)
    alike = eq.classifier(name, balanced=True, **options).fit(X, y)
    assert_allclose(alike.predict_proba(X[:1])[0, 1], 0.5, 0.1)
    assert_allclose(alike.count_[:, y].mean(), 1.0, rtol=0.1)
    wrong = alike.count_ * alike.weight_**2
    assert wrong[:, y].sum() > 5 * wrong[:, ~y].sum()


def test_odd_numbers_of_trees_are_refused(runs):
    X, Y = runs(20)
    for number in (0, 2.5, True):
        with pytest.raises(eq.errors.InputError, match="n_estimators"):
            eq.emulator("forest", n_estimators=number).fit(X, Y)
    with pytest.raises(eq.errors.InputError, match="min_samples_leaf"):
        eq.emulator("forest", min_samples_leaf=0).fit(X, Y)


def test_threads_grow_the_same_trees(runs):
    X, Y = runs(80)
    one, two = (eq.emulator("forest", n_estimators=6, random_state=0, n_jobs=n) for n in (None, 2))
    assert_allclose(one.fit(X, Y).predict(X), two.fit(X, Y).predict(X), rtol=0, atol=0)


def test_runs_that_say_nothing_hinder_no_forest(runs):
    """Among them alone a leaf's impurity is 0 / 0."""
    X, Y = runs(60)
    noise = np.where(np.arange(60) < 30, 1e30, 0.0)
    model = eq.emulator("forest", n_estimators=20, random_state=0).fit(X, Y[:, 0], noise=noise)
    assert_allclose(model.importances_.sum(), 1.0)
    error = model.predict_mean(X[30:])[:, 0] - Y[30:, 0]
    assert np.mean(error**2) < 0.5 * Y[30:, 0].var()


def test_a_refused_state_leaves_the_model_as_it_was(runs):
    X, Y = runs(40)
    model = eq.emulator("forest", n_estimators=3, random_state=0).fit(X, Y)
    before, state = model.predict(X), model.get_state()
    with pytest.raises(eq.errors.StateError, match="no leaf empty"):
        model.set_state({**state, "count_": np.zeros_like(state["count_"])})
    assert_allclose(model.predict(X), before, rtol=0, atol=0)
