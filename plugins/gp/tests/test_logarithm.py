"""Outputs that are emulated by their logarithms: moments, slopes, choice."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.stats import lognorm

import equatorium as eq
from equatorium import Dense, Gaussian
from equatorium.errors import InputError, StateError
from equatorium_gp.gp import GP
from equatorium_gp.logarithm import Logarithm

SMALL = {"kernels": ["matern52"], "trends": ["linear"], "sharing": "all", "random_state": 0}


def product(X):
    """Powers and factors: a straight line of the logarithms, but for a little."""
    return np.exp(1.5 * X[:, 0] - X[:, 1] + 0.2 * np.sin(3 * X[:, 2]))


def added(X):
    return 3.0 + np.sin(3.0 * X[:, 0]) + X[:, 1] + X[:, 2] ** 2


def runs(n=60, seed=0):
    X = np.random.default_rng(seed).random((n, 3))
    return X, np.column_stack([product(X), added(X)])


@pytest.fixture(scope="module")
def model():
    return GP(**SMALL).fit(*runs())


def test_the_moments_are_those_of_log_normal_draws():
    rng = np.random.default_rng(1)
    root = rng.normal(size=(3, 3)) * 0.4
    mean, C = rng.normal(size=3), root @ root.T
    found = Logarithm(np.array([True, False, True])).back(Gaussian(mean[None], Dense(C[None])))
    exact = lognorm(np.sqrt(C[0, 0]), scale=np.exp(mean[0]))
    assert found.mean[0, 0] == pytest.approx(exact.mean())
    assert found.variance[0, 0] == pytest.approx(exact.var())
    draws = rng.multivariate_normal(mean, C, 400_000)
    draws[:, [0, 2]] = np.exp(draws[:, [0, 2]])
    assert_allclose(found.mean[0], draws.mean(axis=0), atol=0.02)
    assert_allclose(found.covariance.dense()[0], np.cov(draws.T), atol=0.05)
    wrong = np.exp(mean[0])  # the median is no mean
    assert abs(wrong - exact.mean()) > 0.02


def test_products_are_found_and_sums_are_not(model):
    assert model.logged_.tolist() == [1, 0]


def test_the_logarithm_of_a_product_is_more_accurate(model):
    X, Y = runs(400, seed=5)
    plain = GP(scale="linear", **SMALL).fit(*runs())
    errors = [np.sqrt(np.mean((m.predict(X)[:, 0] - Y[:, 0]) ** 2)) for m in (model, plain)]
    assert errors[0] < 0.5 * errors[1]
    other = [m.predict(X)[:, 1] for m in (model, plain)]
    assert np.sqrt(np.mean((other[0] - Y[:, 1]) ** 2)) < 0.05
    z2 = np.mean((Y - model.predict(X)) ** 2 / model.predict_dist(X).variance, axis=0)
    assert (z2 < 3.0).all()


def test_the_gradient_is_that_of_differences(model):
    rng = np.random.default_rng(2)
    X, mean_bar, cov_bar = rng.random((4, 3)), rng.normal(size=(4, 2)), rng.normal(size=(4, 2, 2))

    def value(x):
        found = model.predict_dist(x)
        return (mean_bar * found.mean).sum() + (cov_bar * 1e4 * found.covariance.dense()).sum()

    slope = model.predict_dist_vjp(X, mean_bar, 1e4 * cov_bar)
    for i in range(4):
        for j in range(3):
            step = np.zeros_like(X)
            step[i, j] = 1e-5
            numeric = (value(X + step) - value(X - step)) / 2e-5
            assert slope[i, j] == pytest.approx(numeric, rel=1e-4, abs=1e-5)


def test_the_covariance_between_points_agrees_with_the_variance(model):
    X = np.random.default_rng(3).random((5, 3))
    found = model.predict_dist(X)
    for output in range(2):
        joint = model.predict_joint(X, output)
        assert_allclose(np.diagonal(joint), found.variance[:, output], rtol=1e-6)
        assert np.linalg.eigvalsh(joint).min() > 0


def test_left_out_runs_and_scores_are_in_the_units_of_the_outputs(model):
    _, Y = runs()
    left_out = model.loo()
    z = (Y - left_out.mean) / left_out.std
    assert (np.abs(z) < 6).all()
    density = -0.5 * z**2 - np.log(left_out.std * np.sqrt(2 * np.pi))
    best = model.scores_[np.argmax(model.weights_, axis=0), [0, 1]]
    assert_allclose(best, density.mean(axis=0), atol=0.1)


def test_a_run_that_went_wrong_is_named():
    X, Y = runs()
    Y[7, 0] *= 1.1
    assert GP(**SMALL).fit(X, Y).outliers().tolist() == [7]


def test_further_runs_and_files(model, tmp_path):
    X, Y = runs(20, seed=8)
    longer = GP(**SMALL).fit(*runs()).update(X, Y)
    assert longer.logged_.tolist() == [1, 0]
    model.save(tmp_path / "gp.h5")
    np.testing.assert_array_equal(eq.load(tmp_path / "gp.h5").predict(X), model.predict(X))
    with pytest.raises(InputError, match="output 0 is emulated by its logarithm"):
        longer.update(X, -Y)


def test_what_is_not_positive_or_has_declared_noise_is_left_alone():
    X, Y = runs()
    assert not GP(**SMALL).fit(X, Y - 2.0).logged_.any()
    assert not GP(**SMALL).fit(X, Y, noise=np.full_like(Y, 1e-4)).logged_.any()
    given = GP(scale="log", **SMALL).fit(X, Y, noise=np.full_like(Y, 1e-4))
    assert_allclose(given.members_[0].noise_, 1e-4 / Y**2)
    with pytest.raises(InputError, match="must be positive"):
        GP(scale="log", **SMALL).fit(X, Y - 2.0)
    with pytest.raises(InputError, match="scale='sqrt' is not known"):
        GP(scale="sqrt", **SMALL).fit(X, Y)


def test_far_outside_numbers_stay_finite_and_agree(model):
    X = np.full((1, 3), 1e3)
    found = model.predict_dist(X)
    assert np.isfinite(found.mean).all() and np.isfinite(found.variance).all()
    assert_allclose(model.predict_joint(X, 0), found.variance[:, :1], rtol=1e-6)


def test_where_a_logarithm_is_held_it_has_no_slope():
    logarithm, ones = Logarithm(np.array([True, False])), np.ones((1, 2))
    C = np.array([[[60.0, 0.5], [0.5, 1.0]]])
    by_mean, by_cov = logarithm.pulled(Gaussian(400.0 * ones, Dense(C)), ones, np.zeros_like(C))
    assert by_mean.tolist() == [[0.0, 1.0]] and not by_cov.any()


@pytest.mark.parametrize("unit", [1e-100, 1e-30, 1e30, 1e100])
def test_the_unit_of_the_outputs_does_not_matter(model, unit):
    X, Y = runs()
    other, new = GP(**SMALL).fit(X, unit * Y), X[:3] + 0.01
    assert other.logged_.tolist() == [1, 0]
    assert_allclose(other.predict(new), unit * model.predict(new), rtol=1e-6)
    std = model.predict_dist(new).std
    assert_allclose(other.predict_dist(new).std, unit * std, rtol=1e-2)


def test_a_small_subset_does_not_choose_by_a_handful_of_runs():
    assert GP(n_subset=5, **SMALL).fit(*runs()).logged_.tolist() == [1, 0]


def test_a_state_of_the_first_version_has_no_logarithms(model):
    old = {name: value for name, value in model.get_state().items() if name != "logged_"}
    assert not GP.migrate(old, 1)["logged_"].any()
    with pytest.raises(StateError, match="logged_"):
        GP(**SMALL).set_state(old)
    for wrong in (np.array([2, 0]), np.array([1.0, 0.0]), np.array([1])):
        with pytest.raises(StateError, match="logged_"):
            GP(**SMALL).set_state({**old, "logged_": wrong})
