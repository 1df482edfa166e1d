"""Polynomials far from their runs, and their prior: against least squares and formulas."""

import numpy as np
from numpy.testing import assert_allclose

import equatorium as eq


def cubes(n, seed=0):
    """A smooth function of two inputs, with scatter, and points far beyond where it was seen."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 2))
    truth = lambda X: np.sin(X[:, 0]) + 0.3 * np.cos(X[:, 1])  # noqa: E731
    far = 15.0 * rng.normal(size=(50, 2))
    return X, truth(X) + 0.1 * rng.normal(size=n), far, truth(far)


def test_a_polynomial_does_not_run_away():
    """Beyond the runs the outputs' own distribution is left; least squares says 1e5 there."""
    X, y, far, truth = cubes(500)
    model, twin = (eq.emulator("polynomial", prior=prior).fit(X, y) for prior in (True, False))
    prediction = model.predict_dist(far)
    error = prediction.mean[:, 0] - truth
    assert np.sqrt(np.mean(error**2)) < 1.5 * y.std() and prediction.std.max() < 1.1 * y.std()
    assert 0.5 < np.mean(error**2 / prediction.variance[:, 0]) < 2.0
    assert np.abs(twin.predict(far) - truth).max() > 100 * y.std()
    inside = 0.5 * X
    assert_allclose(model.predict(inside), twin.predict(inside), atol=0.02 * y.std())


def test_a_polynomial_without_scatter_is_exact_at_any_distance():
    X = np.random.default_rng(0).uniform(-1, 1, (60, 2))
    truth = lambda X: 1 + X[:, 0] ** 3 - X[:, 0] * X[:, 1]  # noqa: E731
    model = eq.emulator("polynomial").fit(X, truth(X))
    assert_allclose(model.predict(10 * X), truth(10 * X), rtol=1e-8, atol=1e-8)


def test_a_polynomial_of_before_its_prior_is_read(tmp_path, monkeypatch):
    """A file of state version 1 predicts what it did, which was least squares."""
    X, y, far, _ = cubes(60)
    twin = eq.emulator("polynomial", prior=False).fit(X, y)
    older = eq.emulator("polynomial").fit(X, y)
    state = {name: part for name, part in older.get_state().items() if name != "prior_"}
    with monkeypatch.context() as then:
        then.setattr(type(older), "state_version", 1)
        then.setattr(type(older), "get_state", lambda self: state)
        older.save(tmp_path / "older.h5")
    read = eq.load(tmp_path / "older.h5").predict_dist(far)
    assert_allclose(read.mean, twin.predict_dist(far).mean, rtol=1e-12)
    assert_allclose(read.variance, twin.predict_dist(far).variance, rtol=1e-12)
    assert np.abs(read.mean / older.predict_dist(far).mean).max() > 100  # the wrong twin


def test_the_prior_of_a_run_left_out_is_that_of_the_others():
    X, y, _, _ = cubes(40)
    got, plain = (
        eq.emulator("polynomial", degree=3, prior=prior).fit(X, y) for prior in (True, False)
    )
    gain = plain.loo().variance[:, 0] - plain.scatter_[0]
    for i in range(40):
        others = np.delete(y, i)
        share = others.var() / (others.var() + gain[i])
        mean = others.mean() + share * (plain.loo().mean[i, 0] - others.mean())
        assert_allclose(got.loo().mean[i, 0], mean, rtol=1e-10)
        variance = got.scatter_[0] + share * gain[i]
        assert_allclose(got.loo().variance[i, 0], variance, rtol=1e-10)


def test_slopes_of_a_polynomial_that_is_held_back():
    X, y, far, _ = cubes(60)
    model = eq.emulator("polynomial", degree=3).fit(X, np.column_stack([y, y**2]))
    rng = np.random.default_rng(1)
    x = np.vstack([X[:3], far[:3] / 5])
    bars = rng.normal(size=(6, 2)), rng.normal(size=(6, 2, 2))

    def total(x):
        p = model.predict_dist(x)
        return (bars[0] * p.mean).sum(axis=1) + (bars[1] * p.cov().dense()).sum(axis=(1, 2))

    got, step = model.predict_dist_vjp(x, *bars), 1e-5
    for j in range(2):
        shift = step * np.eye(2)[j]
        slope = (total(x + shift) - total(x - shift)) / (2 * step)
        assert_allclose(got[:, j], slope, rtol=1e-5, atol=1e-6 * np.abs(got).max())
    joint = np.diagonal(model.predict_joint(x, 1))
    assert_allclose(joint, model.predict_dist(x).variance[:, 1], rtol=1e-10)
    same = eq.emulator("polynomial").fit(X, np.ones(60))
    assert_allclose(same.predict_dist_vjp(far, np.ones((50, 1)), np.ones((50, 1, 1))), 0.0)


def test_the_covariance_across_points_far_away_is_that_of_each():
    X, y, _, _ = cubes(60)
    model = eq.emulator("polynomial", degree=4).fit(X, y)
    far = np.array([[1e6, 1e6], [-1e20, 1e20], [1e30, 1e30]])
    joint = model.predict_joint(far, 0)
    assert_allclose(np.diagonal(joint), model.predict_dist(far).variance[:, 0], rtol=1e-8)
