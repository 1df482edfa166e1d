"""Comparisons: the same folds for all, errors that hold, failures that stop nobody."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import stats
from sklearn.base import clone
from sklearn.cluster import KMeans
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import KFold, RepeatedKFold
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
from sklearn.svm import LinearSVC

import equatorium as eq
from equatorium import registry
from equatorium.emulate.candidates import SIMPLE
from equatorium.emulate.scores import LEVEL
from equatorium.errors import InputError, ShapeError, UnknownMethodError, UnknownNameError


class Breaks(eq.Emulator):
    """Fails."""

    def _fit(self, X, Y, noise):
        raise RuntimeError("no luck today")

    def _predict_dist(self, X):
        raise NotImplementedError


class Points(eq.Emulator):
    """States no variance."""

    capabilities = frozenset()

    def _fit(self, X, Y, noise):
        self.mean_ = Y.mean(axis=0)

    def _predict_dist(self, X):
        mean = np.tile(self.mean_, (len(X), 1))
        return eq.Gaussian(mean, eq.Diagonal(np.zeros_like(mean)))


class Knows(eq.Emulator):
    """Knows the slope; says how much noise it learned with."""

    capabilities = frozenset({"variance", "noise"})

    def _fit(self, X, Y, noise):
        self.heard_ = np.float64(0 if noise is None else noise.mean())

    def _predict_dist(self, X):
        mean = np.repeat(X[:, :1], self.n_outputs_, axis=1)
        return eq.Gaussian(mean, eq.Diagonal(np.full(mean.shape, 1e-6)))


@pytest.fixture(autouse=True)
def own_names(monkeypatch):
    monkeypatch.setattr(registry._CATALOGUE, "_local", {})


def line(n=80, seed=0, noise=0.1):
    rng = np.random.default_rng(seed)
    X = rng.uniform(-1, 1, (n, 2))
    return X, X[:, 0] + noise * rng.normal(size=n)


def labels(n=90, seed=0):
    X, y = line(n, seed, 0.3)
    return X, np.where(y > 0.3, "high", np.where(y < -0.3, "low", "middle"))


def test_scores_are_those_of_predictions_made_by_hand():
    X, y = line()
    cv = KFold(4, shuffle=True, random_state=1)
    found = eq.compare({"ridge": Ridge()}, (X, y), cv=cv, simple=False)
    by_hand = []
    for k, (train, test) in enumerate(cv.split(X)):
        held = eq.Conformal(Ridge()).fit(X[train], y[train]).predict_dist(X[test])
        by_hand.append(eq.score(held, y[test]))
        assert_array_equal(found.row[found.fold == k], test)
    for name in ("crps", "rmse", "pit", "log_score"):
        assert_allclose(found.by_fold("ridge", name), [s[name] for s in by_hand], rtol=1e-6)
    assert found.value("ridge", "crps") == pytest.approx(np.mean([s["crps"] for s in by_hand]))
    assert found.value("ridge", "rmse") ** 2 == pytest.approx(
        np.mean([s["rmse"] ** 2 for s in by_hand])
    )
    assert found.best in ("ridge", "linear") and found.labels[-1] == "mean"
    paired = found.by_fold("mean", "crps") - found.by_fold("ridge", "crps")
    size, error = found.difference("mean", "ridge", "crps")
    assert size == pytest.approx(paired.mean())
    assert error == pytest.approx(paired.std(ddof=1) * np.sqrt(1 / 4 + 1 / 3))


def test_methods_are_names_specs_models_or_estimators_of_scikit_learn():
    X, y = line(50)
    given = [
        "rbf",
        {"use": "rbf", "options": {"smoothing": 0.1}},
        eq.emulator("rbf"),
        KNeighborsRegressor(3),
        Points(),
    ]
    found = eq.compare(given, (X, y), cv=2, simple=False)
    expected = {"rbf", "rbf(smoothing=0.1)", "rbf (2)", "KNeighborsRegressor", "Points"}
    assert set(found.labels) == {*expected, "mean", "linear"} and not found.failures
    assert found.value("Points", "sharpness") > 0.3  # wrapped: it states a variance now
    assert set(eq.compare("rbf", (X, y), cv=2, simple=False).labels) == {"rbf", "mean", "linear"}
    with pytest.raises(UnknownMethodError, match="Did you mean 'rbf'"):
        eq.compare("rbff", (X, y))
    with pytest.raises(InputError, match="must be an emulator or a regressor"):
        eq.compare([KMeans()], (X, y))
    for odd in (Ridge, None, [3]):
        with pytest.raises(InputError, match="an object, no class"):
            eq.compare(odd, (X, y))
    with pytest.raises(InputError, match="scale must be a function"):
        eq.compare([], (X, y), scale=3)
    with pytest.raises(InputError, match="compare them apart"):
        eq.compare([Ridge(), LogisticRegression()], (X, y))
    with pytest.raises(InputError, match="CalibratedClassifierCV"):
        eq.compare(LinearSVC(), labels())


def test_registered_simple_methods_join(monkeypatch):
    X, y = line(50)
    monkeypatch.setitem(SIMPLE, "regression", ("rbf", "not-installed"))
    assert "rbf" in eq.compare([], (X, y), cv=2).labels
    assert "rbf" not in eq.compare([], (X, y), cv=2, simple=False).labels
    assert sorted(eq.compare(["rbf"], (X, y), cv=2).labels) == ["linear", "mean", "rbf"]


def test_a_method_that_fails_is_reported_and_stops_nobody():
    X, y = line(40)
    found = eq.compare({"bad": Breaks(), "ridge": Ridge()}, (X, y), cv=2, simple=False)
    assert found.failures == {"bad": "RuntimeError: no luck today"}
    assert "bad failed: RuntimeError: no luck today" in found.summary()
    with pytest.raises(UnknownNameError, match="no luck today"):
        found.value("bad")
    with pytest.raises(UnknownNameError, match="Did you mean 'ridge'"):
        found.value("rigde")


def test_declared_noise_is_learned_with_and_added_before_scoring():
    X, y = line(200, noise=0.5)
    noise = np.full(len(y), 0.25)
    told = eq.compare(Knows(), (X, y, noise), cv=2, simple=False)
    alone = eq.compare(Knows(), (X, y), cv=2, simple=False)
    assert 0.8 < told.value("Knows", "coverage") < 0.97  # 0.9, +- 5 binomial errors
    assert alone.value("Knows", "coverage") < 0.1
    assert told.value("Knows", "sharpness") == pytest.approx(0.5, rel=1e-3)


def test_runs_of_a_simulator_are_compared_in_the_unit_box():
    space = eq.Space([eq.Parameter("a", 1, 100, "log"), eq.Parameter("b", 0, 1)])
    X = space.sample(60, 1)
    Y = np.column_stack([np.log(X[:, 0]), 1000 * X[:, 1]])
    runs = eq.Runs(space, eq.Outputs(["u", "v"]), X, Y)
    found = eq.compare([], runs, cv=3, simple=False)
    # In the scaled coordinate both outputs are straight lines; scores are in standard deviations.
    assert found.best == "linear" and found.value("linear", "rmse") < 1e-6
    assert found.value("mean", "rmse") == pytest.approx(1, abs=0.1)


def test_rows_of_a_group_stay_together():
    X, y = line(60)
    groups = np.repeat(np.arange(12), 5)
    found = eq.compare([], (X, y), cv=3, groups=groups, simple=False)
    for g in range(12):
        assert len(np.unique(found.fold[np.isin(found.row, np.flatnonzero(groups == g))])) == 1
    kinds = labels(60)
    found = eq.compare(KNeighborsClassifier(), kinds, cv=3, groups=groups, simple=False)
    for g in range(12):
        assert len(np.unique(found.fold[np.isin(found.row, np.flatnonzero(groups == g))])) == 1


def test_conformal_methods_of_a_comparison_are_told_of_the_groups():
    """Neighbours find the other spectra of a star: ignoring that, they would be too sure."""
    rng = np.random.default_rng(0)
    star = np.repeat(np.arange(100), 4)
    X = rng.uniform(-1, 1, (100, 2))[star] + 1e-3 * rng.normal(size=(400, 2))
    y = X[:, 0] + 0.3 * rng.normal(size=100)[star]
    near = KNeighborsRegressor(4)
    folds = [(np.flatnonzero(star % 5 != k), np.flatnonzero(star % 5 == k)) for k in range(5)]
    told, blind = (
        eq.compare(near, (X, y), cv=folds, groups=groups, simple=False) for groups in (star, None)
    )
    covered = [found.value("KNeighborsRegressor", "coverage") for found in (told, blind)]
    low, high = stats.binom.ppf([0.005, 0.995], 100, LEVEL) / 100
    assert low < covered[0] < high and covered[1] < low
    with pytest.raises(InputError, match="has group 0 on both sides of fold 0"):
        eq.compare(near, (X, y), cv=[([0, 4], [1, 5])], groups=star)
    with pytest.raises(ShapeError, match="each of 400 rows"):
        eq.compare(near, (X, y), groups=star[:7])
    curve = eq.learning_curve(near, (X, y), [40, 320], groups=star, simple=False)
    honest = [one.value("KNeighborsRegressor", "coverage") for one in curve.comparisons]
    assert covered[1] < low < honest[1]


def test_the_same_seed_gives_the_same_folds_and_scores():
    data = line(30)
    one, two = (eq.compare(Ridge(), data, simple=False, rng=3) for _ in range(2))
    assert_array_equal(one.row, two.row)
    assert one.value("Ridge") == two.value("Ridge")
    assert not np.array_equal(one.row, eq.compare([], data, simple=False, rng=4).row)


def test_gaps_in_the_inputs_go_to_those_that_take_them():
    X, y = line(120)
    X[::7, 1] = np.nan
    given = {"boosting": HistGradientBoostingRegressor(max_iter=20), "ridge": Ridge()}
    found = eq.compare(given, (X, y), cv=2, simple=False)
    assert set(found.labels) == {"boosting", "mean", "linear"}
    assert "NaN" in found.failures["ridge"]


def test_classes_are_compared_with_folds_that_hold_all_of_them():
    X, y = labels(200)
    rare = np.array(y)
    rare[:5] = "odd"
    near, nan = KNeighborsClassifier(9), np.isnan
    found = eq.compare({"near": near}, (X, rare), simple=False)
    assert found.task == "classification" and set(found.labels) == {"near", "mean", "linear"}
    assert not any(nan(found.by_fold("near", "auc")))  # stratified: the five are in five folds
    matrix = found.confusion("near")
    assert matrix.sum() == 200 and matrix.sum(axis=1).tolist() == [
        int(np.sum(rare == c)) for c in found.of("near").classes
    ]
    assert found.value("near", "accuracy") == np.trace(matrix) / 200
    false, true = found.roc("near", "high")
    assert false[0] == 0 and true[-1] == 1
    assert found.value("mean", "balanced_accuracy") == 0.25
    with pytest.raises(UnknownNameError, match="no classes"):
        eq.compare([], line(30), simple=False).confusion("mean")


def test_text_without_methods_means_classes():
    assert eq.compare([], labels(60), simple=False).task == "classification"


def test_the_table_names_the_best_first_and_what_honest_predictions_reach():
    found = eq.compare(Ridge(), line(60), simple=False)
    text = found.summary().splitlines()
    assert "60 values held out in 5 folds" in text[0]
    assert [row.split()[0] for row in text[2:5]] == list(found.labels)
    assert len({len(row) for row in text[1:5]}) == 1
    assert f"{found.honest_pit:.4f}" in text[5] and repr(found) == found.summary()
    assert "+-" not in text[2] and "+-" in text[3]


def test_errors_of_differences_hold_where_naive_ones_do_not():
    """Straight lines in 20 inputs and in one, 400 data sets: the mean lies within the errors."""
    rng = np.random.default_rng(5)
    n, k, t = 60, 5, stats.t.ppf(0.975, 4)
    folds = list(KFold(k).split(np.zeros(n)))
    losses = np.empty((400, k))
    for row in losses:
        X = rng.normal(size=(n, 20))
        y = X[:, 0] + rng.normal(size=n)
        for i, (train, test) in enumerate(folds):
            loss = []
            for columns in (slice(None), slice(1)):
                w = np.linalg.lstsq(X[train, columns], y[train], rcond=None)[0]
                loss.append(np.mean((X[test, columns] @ w - y[test]) ** 2))
            row[i] = loss[0] - loss[1]
    away = np.abs(losses.mean(axis=1) - losses.mean())
    shape = eq.compare([], line(n), cv=k, simple=False)
    ours = np.array([shape.deviation(row) for row in losses])
    naive = losses.std(axis=1, ddof=1) / np.sqrt(k)
    least = stats.binom.ppf(0.005, 400, 0.95) / 400
    assert np.mean(away < t * ours) >= least > np.mean(away < t * naive)


def test_repeated_folds_and_single_splits():
    X, y = line(30)
    many = eq.compare(
        [], (X, y), cv=RepeatedKFold(n_splits=3, n_repeats=2, random_state=0), simple=False
    )
    assert many.folds == 6 and len(many.row) == 60
    assert many.honest_pit == eq.compare([], (X, y), cv=3, simple=False).honest_pit
    single = eq.compare([], (X, y), cv=[(np.arange(20), np.arange(20, 30))], simple=False)
    assert np.isnan(single.error("mean"))


@pytest.mark.parametrize(
    "data, cv, text",
    [
        (np.zeros(3), 5, "data must be Runs"),
        ((np.zeros(3), np.zeros(3)), 5, r"shape \(n, d\)"),
        ((np.zeros((3, 1)), np.zeros(4)), 5, "rows must agree"),
        (line(10), 11, "cv must be from 2 to the 10 rows"),
        (line(10), [([1], [])], "rows on both sides"),
        (line(10), [([1], [99])], "does not give folds"),
        (line(10), "five", "does not give folds"),
        ((np.zeros((3, 1)), [1.0, np.nan, 2.0]), 2, "y must be finite"),
        ((np.full((3, 1), np.inf), np.zeros(3)), 2, "X must be finite"),
        (line(10), [(np.arange(10), np.arange(5))], "5 are on both sides"),
        ((*labels(30), np.ones(30)), 2, "no noise"),
        ((np.zeros((4, 1)), np.full((4, 1), "a")), 2, r"labels y of shape \(n,\)"),
    ],
)
def test_bad_data_and_folds_are_refused(data, cv, text):
    with pytest.raises((InputError, ShapeError), match=text):
        eq.compare([], data, cv=cv, simple=False)


def test_an_estimator_is_not_altered():
    ridge = Ridge(alpha=2)
    eq.compare(ridge, line(20), cv=2, simple=False)
    assert not hasattr(ridge, "coef_") and clone(ridge).alpha == 2


def test_a_learning_curve_is_nested_and_falls():
    X, y = line(200)
    found = eq.learning_curve(KNeighborsRegressor(3), (X, y), [10, 40, 160], simple=False)
    assert found.sizes == (10, 40, 160)
    assert [c.n_train.tolist() for c in found.comparisons] == [[s] * 5 for s in found.sizes]
    assert all(np.array_equal(c.row, found.comparisons[0].row) for c in found.comparisons)
    value, error = found.curve("KNeighborsRegressor", "rmse")
    assert np.all(np.diff(value) < 0) and np.all(error > 0)
    size, error = found.change("KNeighborsRegressor", "rmse")
    assert size < -error
    value, _ = found.curve("linear", "rmse")
    assert value[-1] == pytest.approx(0.1, rel=0.2)  # the noise is all that is left
    with pytest.raises(InputError, match="at least two whole numbers"):
        eq.learning_curve([], (X, y), [10, 500])


def test_iterators_masks_and_numbers_of_numpy_are_taken_as_they_are_meant():
    X, y = line(30)
    once = eq.compare((m for m in [Ridge()]), (X, y), cv=np.int64(2), simple=False)
    assert "Ridge" in once.labels and once.folds == 2
    first = np.arange(30) < 20
    masked = eq.compare([], (X, y), cv=[(first, ~first)], simple=False)
    assert masked.row.tolist() == list(range(20, 30)) and masked.n_train.tolist() == [20]
    names = (name for name in ("rmse", "crps"))
    curve = eq.learning_curve(iter([Ridge()]), (X, y), [10, 20], scores=names, simple=False)
    assert "Ridge" in curve.labels and curve.comparisons[1].scores == ("rmse", "crps")
    with pytest.raises(UnknownNameError, match="Did you mean 'Ridge'"):
        curve.curve("Rigde")
    with pytest.raises(InputError, match="at least two whole numbers"):
        eq.learning_curve([], (X, y), 5)
    assert eq.learning_curve([], (X[:4], y[:4]), cv=4, simple=False).sizes == (2, 3)


def test_one_noise_a_run_is_that_of_all_its_outputs():
    X, y = line(60)
    noise = np.full(60, 0.01)
    Y = np.column_stack([y, 2 * y])
    one, wide = (
        eq.compare(Knows(), (X, Y, given), cv=2, simple=False)
        for given in (noise, np.column_stack([noise, noise]))
    )
    assert "Knows" in one.labels and one.value("Knows") == wide.value("Knows")
