"""Local methods, against brute force, exact cases and other libraries."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.stats import binom
from sklearn.neighbors import KNeighborsRegressor

import equatorium as eq
from equatorium.errors import InputError, StateError
from equatorium_regression.neighbours import Neighbours

LOCAL = ("knn", "kernel", "local-linear")


def waves(n=200, d=2, scatter=0.1, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.random((n, d))
    Y = np.column_stack([np.sin(6 * X[:, 0]), X[:, 0] * X[:, 1]])
    return X, Y + scatter * rng.normal(size=Y.shape)


def test_knn_is_scikit_learns():
    X, Y = waves()
    model = eq.emulator("knn", neighbours=7, metric=[1.0, 2.0]).fit(X, Y)
    peer = KNeighborsRegressor(7).fit(X / [1.0, 2.0], Y)
    new = np.random.default_rng(1).random((50, 2))
    assert_allclose(model.predict(new), peer.predict(new / [1.0, 2.0]), rtol=1e-12)


def test_nadaraya_watson_by_hand():
    X, Y = waves()
    model = eq.emulator("kernel", bandwidth=0.1, metric=[1.0, 1.0]).fit(X, Y)
    new = np.random.default_rng(1).random((50, 2))
    K = np.exp(-0.5 * np.square(new[:, None] - X).sum(axis=2) / 0.1**2)
    assert_allclose(model.predict(new), K @ Y / K.sum(axis=1, keepdims=True), rtol=1e-10)


def test_local_lines_by_least_squares():
    X, Y = waves()
    model = eq.emulator("local-linear", bandwidth=0.2, ridge=0, metric=[1.0, 1.0]).fit(X, Y)
    new = np.random.default_rng(1).random((20, 2))
    for x, got in zip(new, model.predict(new), strict=True):
        root = np.exp(-0.25 * np.square(x - X).sum(axis=1) / 0.2**2)[:, None]
        A = np.column_stack([np.ones(len(X)), X - x])
        coef = np.linalg.lstsq(root * A, root * Y, rcond=None)[0]
        assert_allclose(got, coef[0], rtol=1e-8)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("knn", {"neighbours": 6}),
        ("kernel", {"bandwidth": 0.15}),
        ("kernel", {"neighbours": 12}),
        ("local-linear", {"bandwidth": 0.25, "ridge": 0.01}),
        ("local-linear", {"neighbours": 30, "ridge": 0.0}),
    ],
)
@pytest.mark.parametrize("declared", [False, True])
def test_leave_one_out_is_a_refit_without_the_run(name, options, declared):
    X, Y = waves(n=60)
    X[7] = X[8]  # copies are neighbours of each other, not of themselves
    model = eq.emulator(name, metric=[1.0, 1.0], **options)
    noise = 0.01 * np.random.default_rng(2).random(60) if declared else None
    got = model.fit(X, Y, noise=noise).loo().mean
    for i in (0, 7, 8, 33):
        keep = np.arange(60) != i
        twin = eq.emulator(name, metric=[1.0, 1.0], **options)
        twin.fit(X[keep], Y[keep], noise=None if noise is None else noise[keep])
        twin.weight_ = model.weight_[keep]  # the scatter that weighs them is of all runs
        assert_allclose(got[i], twin.predict(X[i : i + 1])[0], rtol=1e-10, atol=1e-10)


def test_local_linear_is_exact_on_linear_data():
    rng = np.random.default_rng(3)
    X = rng.normal(size=(100, 3)) * [1.0, 100.0, 1e-3]
    Y = X @ np.array([[1.0, 2.0], [0.03, -0.01], [500.0, 100.0]]) + [3.0, -4.0]
    new = 1.5 * rng.normal(size=(30, 3)) * [1.0, 100.0, 1e-3]
    model = eq.emulator("local-linear").fit(X, Y)
    truth = new @ np.array([[1.0, 2.0], [0.03, -0.01], [500.0, 100.0]]) + [3.0, -4.0]
    assert_allclose(model.predict(new), truth, rtol=1e-10, atol=1e-10)
    assert np.abs(eq.emulator("kernel").fit(X, Y).predict(new) - truth).max() > 0.1


def test_the_learned_metric_finds_the_input_that_matters():
    rng = np.random.default_rng(4)
    X = rng.normal(size=(400, 6))
    y = np.sin(2 * X[:, 0] + X[:, 1]) + 0.05 * rng.normal(size=400)
    new = rng.normal(size=(500, 6))
    truth = np.sin(2 * new[:, 0] + new[:, 1])
    error = {}
    for metric in ("learned", "standard"):
        for name in LOCAL:
            model = eq.emulator(name, metric=metric).fit(X, y)
            error[metric, name] = np.sqrt(np.mean((model.predict(new) - truth) ** 2))
    for name in LOCAL:
        assert error["learned", name] < 0.5 * error["standard", name]
    first = model.metric_ if metric == "learned" else eq.emulator("knn").fit(X, y).metric_
    main = first[:, np.argmax(np.square(first).sum(axis=0))]
    assert abs(main @ [2, 1, 0, 0, 0, 0]) / np.linalg.norm(main) / np.sqrt(5) > 0.98


@pytest.mark.parametrize("distribution", ["gaussian", "weighted"])
@pytest.mark.parametrize("name", LOCAL)
def test_the_scatter_is_that_of_the_place(name, distribution):
    """Scatter that grows tenfold along x: each half's errors are as predicted; pooled, neither is.

    Of 1000 values in each half 95 % lie within 1.96 sd, up to the binomial 99 % band widened by
    the tenth by which 50 residuals tell a standard deviation.
    """
    rng = np.random.default_rng(5)
    x, new = rng.random((2000, 1)), rng.random((2000, 1))
    size = np.where(x[:, 0] < 0.5, 0.05, 0.5), np.where(new[:, 0] < 0.5, 0.05, 0.5)
    y = np.sin(3 * x[:, 0]) + size[0] * rng.normal(size=2000)
    y_new = np.sin(3 * new[:, 0]) + size[1] * rng.normal(size=2000)
    model = eq.emulator(name, distribution=distribution).fit(x, y)
    prediction = model.predict_dist(new)
    assert isinstance(prediction, eq.Weighted if distribution == "weighted" else eq.Gaussian)
    away = np.abs(new[:, 0] - 0.5) > 0.05
    for half in (new[:, 0] < 0.5, new[:, 0] > 0.5):
        chosen = half & away
        z = (y_new[chosen] - prediction.mean[chosen, 0]) / prediction.std[chosen, 0]
        n, inside = chosen.sum(), (np.abs(z) < 1.96).sum()
        assert binom.ppf(0.005, n, 0.93) <= inside <= binom.ppf(0.995, n, 0.96)
    pooled = np.abs(y_new - prediction.mean[:, 0]) < 1.96 * np.sqrt(prediction.variance.mean())
    assert pooled[new[:, 0] < 0.5].mean() > 0.99  # the wrong twin


def test_declared_noise_weighs_neighbours_and_is_left_out():
    rng = np.random.default_rng(6)
    X = rng.random((800, 1))
    noise = rng.choice([0.01, 1.0], 800)
    y = np.sin(3 * X[:, 0]) + np.sqrt(0.0025 + noise) * rng.normal(size=800)
    new = np.linspace(0.05, 0.95, 50)[:, None]
    truth = np.sin(3 * new[:, 0])
    for name in LOCAL:
        wise = eq.emulator(name).fit(X, y, noise=noise).predict_dist(new)
        blind = eq.emulator(name).fit(X, y).predict_dist(new)
        off = [np.sqrt(np.mean((p.mean[:, 0] - truth) ** 2)) for p in (wise, blind)]
        assert off[0] < 0.6 * off[1]
        assert np.median(wise.variance) < 0.05 < 0.3 < np.median(blind.variance)


def test_neighbours_by_tree_and_by_brute_force_are_the_same():
    rng = np.random.default_rng(7)
    for d, tree in ((3, True), (12, False)):
        points = rng.normal(size=(500, d))
        near = Neighbours(points)
        assert (near._tree is not None) is tree
        query = rng.normal(size=(40, d))
        all_ = np.linalg.norm(query[:, None] - points, axis=2)
        distance, index = near.nearest(query, 9)
        assert_array_equal(index, np.argsort(all_, axis=1)[:, :9])
        assert_allclose(distance, np.sort(all_, axis=1)[:, :9])
        _, others = near.others(np.arange(500), 5)
        assert (others != np.arange(500)[:, None]).all()


@pytest.mark.parametrize("name", LOCAL)
def test_degenerate_runs(name):
    X, Y = waves(n=40)
    same = eq.emulator(name).fit(np.zeros((10, 2)), Y[:10]).predict_dist(np.ones((2, 2)))
    assert np.isfinite(same.mean).all() and (same.variance > 0).all()
    flat = eq.emulator(name).fit(X, np.full(40, 3.0)).predict_dist(X)
    assert_allclose(flat.mean, 3.0) and assert_allclose(flat.variance, 0.0, atol=1e-20)
    copies = np.repeat(X, 5, axis=0)
    prediction = eq.emulator(name).fit(copies, np.repeat(Y, 5, axis=0)).predict_dist(X)
    assert np.isfinite(prediction.mean).all() and np.isfinite(prediction.variance).all()
    few = eq.emulator(name).fit(np.hstack([X, X, X])[:4], Y[:4])
    assert np.isfinite(few.predict(np.hstack([X, X, X]))).all()
    wide = np.column_stack([X[:, 0] * 1e12, X[:, 1] * 1e-12 + 1.0, np.full(40, 5.0)])
    assert np.isfinite(eq.emulator(name).fit(wide, Y).predict(wide + 0.0)).all()
    far = eq.emulator(name).fit(X, Y).predict_dist(np.full((1, 2), 1e6))
    assert np.isfinite(far.mean).all() and np.isfinite(far.variance).all()
    with pytest.raises(InputError, match="n_samples=2"):
        eq.emulator(name).fit(X[:2], Y[:2])


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("knn", {"neighbours": 0}, "neighbours must be a whole number from 1"),
        ("kernel", {"bandwidth": -1.0}, "bandwidth must be a number from 1e-100"),
        ("kernel", {"bandwidth": 1.0, "neighbours": 3}, "not both"),
        ("local-linear", {"ridge": -1.0}, "ridge must be a number from 0"),
        ("knn", {"metric": "cosine"}, "metric must be 'learned', 'standard' or 2 positive"),
        ("knn", {"metric": [1.0, 0.0]}, "metric must be"),
        ("knn", {"distribution": "t"}, "distribution must be one of"),
        ("knn", {"max_neighbours": 0}, "max_neighbours must be a whole number"),
        ("local-linear", {"bandwidth": 1e200}, "bandwidth must be a number from 1e-100 to"),
    ],
)
def test_options_that_make_no_sense(name, options, message):
    with pytest.raises(InputError, match=message):
        eq.emulator(name, **options).fit(*waves())


def test_a_state_that_points_outside_is_refused():
    model = eq.emulator("knn").fit(*waves(n=40))
    state = model.get_state()
    with pytest.raises(StateError, match="rows_"):
        eq.emulator("knn").set_state(state | {"rows_": state["rows_"] + 5})
    with pytest.raises(StateError, match="neighbours_"):
        eq.emulator("knn").set_state(state | {"neighbours_": -1})
    with pytest.raises(StateError, match="weight_"):
        eq.emulator("knn").set_state(state | {"weight_": 0.0 * state["weight_"]})
    with pytest.raises(StateError, match="points_"):
        eq.emulator("knn").set_state(state | {"points_": 1e200 * state["points_"]})
    del state["y_ndim_"]
    with pytest.raises(StateError, match="y_ndim_"):
        eq.emulator("knn").set_state(state)


@pytest.mark.parametrize("name", LOCAL)
def test_inputs_of_any_size(name):
    X, Y = waves(n=40)
    plain = eq.emulator(name).fit(X, Y)
    for unit in (1e-200, 1e200):
        other = eq.emulator(name).fit(X * unit, Y)
        assert_allclose(other.predict(X * unit), plain.predict(X), rtol=1e-6)
    far = plain.predict_dist(np.array([[1e3, 1e3], [1e20, 0.0], [-1e300, 1e300]]))
    assert np.isfinite(far.mean).all() and np.isfinite(far.variance).all()


def test_local_linear_is_exact_far_from_its_runs():
    X = np.random.default_rng(8).normal(size=(100, 3))
    new = 1e3 * X[:5]
    model = eq.emulator("local-linear", neighbours=30, ridge=0).fit(X, X @ [1.0, 2.0, 3.0])
    assert_allclose(model.predict(new), new @ [1.0, 2.0, 3.0], rtol=1e-8)


def test_options_count_as_given():
    X, Y = waves(n=300)
    assert eq.emulator("knn", neighbours=200).fit(X, Y).neighbours_ == 200
    model = eq.emulator("kernel", bandwidth=np.float32(0.5), max_neighbours=np.int64(20))
    assert type(model.fit(X, Y).neighbours_) is int


@pytest.mark.parametrize("name", LOCAL)
def test_too_large_a_declared_noise_does_not_make_certain(name):
    X, Y = waves(n=40)
    noise = np.where(np.arange(40) < 20, 0.0, 1e6)
    assert (eq.emulator(name).fit(X, Y, noise=noise).predict_dist(X).variance > 0).all()
