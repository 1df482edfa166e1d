"""Bagging and boosting of any method; what is predicted is honest."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import stats
from scipy.optimize import minimize
from sklearn.ensemble import AdaBoostRegressor
from sklearn.tree import DecisionTreeRegressor

import equatorium as eq
from equatorium.errors import InputError
from equatorium_trees.calibration import calibrated, fit_calibration

STUMP = {"use": "tree-classifier", "options": {"max_depth": 1}}


def ks(pit):
    return stats.kstest(pit, "uniform").statistic


def test_predicted_distributions_are_calibrated(runs):
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
def test_probabilities_are_as_good_as_the_best_ones(clouds, name, options):
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


def test_bagging_takes_any_method(runs):
    X, Y = runs(80)
    for member in (
        "tree",
        {"use": "rbf", "options": {"smoothing": 0.1}},
        eq.emulator("extra-trees", n_estimators=3),
    ):
        model = eq.emulator("bagging", member=member, n_estimators=4, random_state=0).fit(X, Y)
        assert len(model.members_) == 4 and model.oob_score_ > 0.3
        assert model.predict_dist(X).mean.shape == Y.shape


def test_bagging_is_its_members_mean_and_gains_what_the_law_says(runs):
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


def test_adaboost_is_that_of_scikit_learn(runs):
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


def test_methods_that_cannot_be_members_are_refused(runs):
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


def test_a_class_of_one_run_is_learned_all_the_same(clouds):
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


def test_the_calibration_is_the_best_of_its_kind():
    """Against a search without a gradient, with weights and without."""
    rng = np.random.default_rng(0)
    P = rng.dirichlet(np.full(3, 0.5), 300)
    codes = np.array([rng.choice(3, p=p) for p in calibrated(P, [0.8, 0.01])])
    for weight in (np.ones(300), 2 * rng.random(300)):

        def loss(v, weight=weight):
            q = np.log(calibrated(P, np.exp(v)))
            return -(weight @ q[np.arange(300), codes] + q.mean())

        best = minimize(loss, [0.0, -4.0], method="Nelder-Mead", options={"xatol": 1e-8}).x
        found = np.log(fit_calibration(P, codes, weight))
        assert_allclose(found, best, atol=0.02)
        assert loss(found) < loss(best) + 1e-4
