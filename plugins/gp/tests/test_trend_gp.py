"""The emulator as users meet it: contract, calibration, noise, degenerate runs, files."""

from functools import partial

import gpytorch
import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from scipy.stats import binom

import equatorium as eq
from equatorium.errors import InputError, NotSavableError, StateError
from equatorium_gp import kernels
from equatorium_gp.sparse_gp import SparseGP
from equatorium_gp.trend_gp import TrendGP


def smooth(X):
    return np.column_stack([np.sin(3 * X[:, 0]) + X[:, 1] ** 2, X[:, 0] * X[:, 2], np.exp(X[:, 1])])


@pytest.fixture
def runs():
    X = np.random.default_rng(0).random((60, 3))
    return X, smooth(X)


def known_process(n, p, nugget, seed, length=0.5):
    """Draws of a Gaussian process at n random points, as X (n, 2) and Y (n, p)."""
    rng = np.random.default_rng(seed)
    X = rng.random((n, 2))
    kernel = kernels.build("matern52", 2)
    kernels.coordinates(kernel)[0].set(np.log([length, 2 * length]))
    K = kernel(torch.from_numpy(X), torch.from_numpy(X)).to_dense().detach().numpy()
    return X, np.linalg.cholesky(K + nugget * np.eye(n)) @ rng.normal(size=(n, p))


def test_accurate_and_correlated(runs):
    X, Y = runs
    new = np.random.default_rng(1).random((200, 3))
    prediction = TrendGP().fit(X, Y).predict_dist(new)
    error = prediction.mean - smooth(new)
    assert np.sqrt((error**2).mean(axis=0) / smooth(new).var(axis=0)).max() < 0.05
    covariance = prediction.cov()
    assert not isinstance(covariance, eq.Diagonal)
    assert_allclose(covariance.diagonal(), prediction.variance)
    plain = TrendGP(output_correlation=False).fit(X, Y).predict_dist(new)
    assert isinstance(plain.cov(), eq.Diagonal)


def covered(model, X, Y, half):
    prediction = model.predict_dist(X)
    return int((np.abs(Y - prediction.mean) < half * prediction.std).sum())


def test_calibrated_on_a_known_process_and_the_wrong_twin_is_not():
    """Of 400 fresh values 95 % lie within 1.96 sd; within sd that are 0.6 as large they do not."""
    inside = {1.0: 0, 0.6: 0}
    for seed in range(20):
        X, Y = known_process(100, 1, 0.01, seed)
        model = TrendGP(kernel="matern52", trend="constant").fit(X[:80], Y[:80])
        for factor in inside:
            inside[factor] += covered(model, X[80:], Y[80:], 1.959964 * factor)
    low, high = binom.interval(0.99, 400, 0.95)
    assert low <= inside[1.0] <= high
    assert not low <= inside[0.6] <= high


def test_nugget_is_recovered():
    X, Y = known_process(300, 8, 0.05, 1)
    model = TrendGP(kernel="matern52", trend="constant").fit(X, 100.0 * Y)
    assert_allclose(model.nugget_variance_, 0.05e4, rtol=0.35)


def test_declared_noise_is_no_part_of_the_prediction():
    rng = np.random.default_rng(3)
    X, Y = known_process(150, 4, 0.0, 2)
    noise = np.outer(rng.uniform(0.5, 2.0, 150), [0.01, 0.02, 0.05, 0.1])
    seen = Y + np.sqrt(noise) * rng.normal(size=Y.shape)
    model = TrendGP(kernel="matern52").fit(X[:120], seen[:120], noise=noise[:120])
    assert model.noise_misfit_ < 1e-6
    z = (Y[120:] - model.predict_dist(X[120:]).mean) / model.predict_dist(X[120:]).std
    assert 0.5 < (z**2).mean() < 1.6  # 120 correlated values: a band, not a test of level
    plain = TrendGP(kernel="matern52").fit(X[:120], seen[:120]).predict_dist(X[120:])
    assert (plain.variance.mean(0) > 1.5 * model.predict_dist(X[120:]).variance.mean(0)).all()


def test_runs_of_unequal_noise_are_weighted():
    """Two runs at every point, one of them useless: the prediction follows the good one."""
    X, Y = known_process(40, 1, 0.0, 4)
    noise = np.r_[np.full(40, 1e-4), np.full(40, 4.0)]
    both = np.vstack([Y, Y + 2.0])
    model = TrendGP(kernel="matern52").fit(np.vstack([X, X]), both, noise=noise)
    assert np.abs(model.predict_dist(X).mean - Y).max() < 0.1


@pytest.mark.parametrize("noise", [None, 0.2])
def test_loo_is_standard_normal_for_a_known_process(noise):
    rng = np.random.default_rng(9)
    X, Y = known_process(150, 4, 0.05, 5)
    variance = 0.0 if noise is None else noise
    seen = Y + np.sqrt(variance) * rng.normal(size=Y.shape)
    declared = None if noise is None else np.full(150, noise)
    model = TrendGP(kernel="matern52", trend="constant").fit(X, seen, noise=declared)
    loo = model.loo().with_noise(variance)
    z2 = (seen - loo.mean) ** 2 / loo.variance
    assert abs(z2.mean() - 1.0) < 4 * np.sqrt(2 / z2.size)


def test_units_of_outputs_and_inputs_do_not_matter(runs):
    X, Y = runs
    one = TrendGP().fit(X, Y).predict_dist(X[:5])
    two = TrendGP().fit(1e6 * X - 3e5, 1e-4 * Y + 2.0).predict_dist(1e6 * X[:5] - 3e5)
    assert_allclose(two.mean, 1e-4 * one.mean + 2.0, rtol=1e-6)
    assert_allclose(two.std, 1e-4 * one.std, rtol=3e-2)


def test_trend_coefficients_are_those_of_a_polynomial():
    X = np.random.default_rng(5).random((40, 2))
    x, y = 2 * X[:, 0] - 1, 2 * X[:, 1] - 1
    model = TrendGP(trend="quadratic").fit(
        np.vstack([X, [[0, 0], [1, 1]]]), np.r_[1 + 2 * x - y * x, [-2, 2]]
    )
    found = dict(zip(model.terms_, model.coefficients_[:, 0], strict=True))
    expected = {(): 1.0, (0,): 2.0, (1,): 0.0, (0, 0): 0.0, (0, 1): -1.0, (1, 1): 0.0}
    for term, value in expected.items():
        assert_allclose(found[term], value, atol=1e-9)


@pytest.mark.parametrize("sharing", ["all", "each"])
def test_a_constant_kernel_leaves_least_squares(sharing):
    X, Y = known_process(30, 2, 0.01, 0)
    model = TrendGP(kernel="constant", trend="linear", sharing=sharing).fit(X, Y)
    A = np.column_stack([np.ones(30), X])
    assert_allclose(model.predict(X), A @ np.linalg.lstsq(A, Y)[0], atol=1e-5)


def test_inactive_inputs_go_to_the_nugget():
    X = np.random.default_rng(6).random((80, 5))
    y = np.sin(4 * X[:, 1]) + 0.1 * np.sin(9 * X[:, 3])
    model = TrendGP(active=1).fit(X, y)
    assert_array_equal(model.active_, [1])
    moved = X.copy()
    moved[:, [0, 2, 3, 4]] = 0.5
    assert_allclose(model.predict(moved), model.predict(X))
    assert_allclose(np.sqrt(model.nugget_variance_), 0.1 * np.sqrt(0.5), rtol=0.4)


@pytest.mark.parametrize(
    ("X", "y"),
    [
        (np.zeros((12, 2)), np.arange(12.0)),  # every input constant
        (np.column_stack([np.linspace(0, 1, 12), np.ones(12)]), np.arange(12.0)),
        (np.repeat(np.linspace(0, 1, 6), 2)[:, None], np.repeat(np.arange(6.0) ** 2, 2)),
        (np.linspace(0, 1, 12)[:, None], np.full(12, -7.0)),
        (np.linspace(0, 1, 12)[:, None], np.zeros(12)),
        (np.linspace(0, 1, 12)[:, None], np.column_stack([np.arange(12.0), np.full(12, 3.0)])),
        (np.linspace(0, 1, 2)[:, None], np.array([1.0, 2.0])),
        (np.random.default_rng(0).random((6, 20)), np.arange(6.0)),
        (1e12 * np.linspace(0, 1, 12)[:, None], 1e-9 * np.arange(12.0) ** 2 + 1e3),
    ],
)
@pytest.mark.parametrize("noise", [None, 0.0, 1e-12, 1e6])
def test_degenerate_runs_give_finite_numbers(X, y, noise):
    declared = None if noise is None else np.full(len(y), noise)
    model = TrendGP().fit(X, y, noise=declared)
    prediction = model.predict_dist(X)
    assert np.isfinite(prediction.mean).all() and (prediction.variance > 0).all()
    assert np.isfinite(model.loo().mean).all()
    if y.ndim == 1:
        assert model.predict(X).shape == y.shape


def test_constant_output_is_predicted_as_it_is():
    X = np.random.default_rng(0).random((20, 2))
    mean, std = TrendGP().fit(X, np.full(20, 5.0)).predict(X, return_std=True)
    assert_allclose(mean, 5.0)
    assert (std > 0).all() and (std < 1e-6).all()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"trend": "cubic"}, "cubic.*terms.*only 15 runs"),
        ({"trend": "linaer"}, "Did you mean 'linear'"),
        ({"kernel": "mattern52"}, "Did you mean 'matern52'"),
        ({"kernel": 3}, "must be text"),
        ({"active": [9]}, "active="),
        ({"device": "abacus"}, "no device"),
    ],
)
def test_bad_options_are_named(options, words):
    X = np.random.default_rng(0).random((15, 3))
    with pytest.raises(InputError, match=words):
        TrendGP(**options).fit(X, X[:, 0])


def test_one_run_is_too_few():
    with pytest.raises(InputError, match="n_samples=1"):
        TrendGP().fit([[0.0, 1.0]], [1.0])


def test_same_seed_same_numbers_and_the_subset_is_near():
    X = np.random.default_rng(7).random((100, 3))
    Y, options = smooth(X), {"kernel": "matern52", "n_subset": 60, "random_state": 1}
    few = TrendGP(**options).fit(X, Y)
    assert_array_equal(few.predict(X), TrendGP(**options).fit(X, Y).predict(X))
    all_of_them = TrendGP(kernel="matern52").fit(X, Y)
    new = np.random.default_rng(8).random((100, 3))
    spread = smooth(new).std(axis=0)
    assert (np.abs(few.predict(new) - all_of_them.predict(new)) / spread).max() < 0.02


@pytest.mark.parametrize("noise", [None, 0.01])
def test_files_bit_for_bit(runs, tmp_path, noise):
    X, Y = runs
    model = TrendGP(kernel="matern52 + linear", trend="linear", active=[0, 1])
    model.fit(X, Y, noise=None if noise is None else np.full(60, noise))
    model.save(tmp_path / "model.h5")
    again = eq.load(tmp_path / "model.h5")
    before, after = model.predict_dist(X), again.predict_dist(X)
    assert_array_equal(before.mean, after.mean)
    assert_array_equal(before.cov().dense(), after.cov().dense())
    assert_array_equal(model.loo().mean, again.loo().mean)


def test_live_kernel_is_copied_and_saved_if_it_can_be_written(runs, tmp_path):
    X, Y = runs
    live = gpytorch.kernels.RBFKernel(ard_num_dims=3)
    before = live.raw_lengthscale.detach().clone()
    model = TrendGP(kernel=live).fit(X, Y)
    assert torch.equal(live.raw_lengthscale, before) and live.raw_lengthscale.dtype == torch.float32
    model.save(tmp_path / "model.h5")
    assert_array_equal(eq.load(tmp_path / "model.h5").predict(X), model.predict(X))
    isotropic = TrendGP(kernel=gpytorch.kernels.RBFKernel()).fit(X, Y)
    with pytest.raises(NotSavableError, match="kernel"):
        isotropic.save(tmp_path / "other.h5")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("X_", np.ones((3, 3))),
        ("scale_", np.array([-1.0, 1.0, 1.0])),
        ("kernel_parameters_", np.ones(99)),
        ("ratio_", np.array([np.nan, 1.0, 1.0])),
        ("active_", np.array([7])),
        ("mixing_", None),
        ("error_correlation_", -np.eye(3)),
        ("group_", np.array([0, 3, 0])),
        ("delta_", "x"),
        ("trend_", "bogus"),
        ("trend_", "quadratic"),
        ("kernel_", "bogus"),
        ("coefficients_", np.ones((9, 3))),
    ],
)
def test_damaged_state_is_refused(runs, name, value):
    X, Y = runs
    state = TrendGP(optimise=False).fit(X, Y).get_state()
    with pytest.raises(StateError):
        TrendGP().set_state({**state, name: value})


def test_a_state_of_one_run_is_refused(runs):
    state = TrendGP(optimise=False).fit(*runs).get_state()
    one = {name: state[name][:1] for name in ("X_", "Y_")}
    with pytest.raises(StateError, match="2 runs at least"):
        TrendGP().set_state({**state, **one, "run_noise_": state["run_noise_"][:, :1]})


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_absent_device_is_named(runs):
    with pytest.raises(InputError, match="cuda"):
        TrendGP(device="cuda").fit(*runs)


def test_joint_errors_of_outputs_that_are_no_copies_of_each_other():
    # The outputs share a smooth part that is easy to predict; their differences are rough and
    # noisy, so that the outputs' own correlation says far too much about their errors.
    rng = np.random.default_rng(6)
    X = rng.random((400, 3))
    common = 3.0 * np.sin(2.0 * X[:, :1] + X[:, 1:2])
    rough = np.stack([np.sin(9.0 * X @ rng.normal(size=3) + j) for j in range(6)], axis=1)
    Y = common + 0.3 * rough + 0.05 * rng.normal(size=(400, 6))
    model = TrendGP().fit(X[:250], Y[:250])
    prediction = model.predict_dist(X[250:])
    error = Y[250:] - prediction.mean

    def mean_square(S):
        return np.mean(np.sum(error * np.linalg.solve(S, error[..., None])[..., 0], axis=1)) / 6

    outputs_own = np.corrcoef(Y[:250].T)
    wrong = prediction.std[:, :, None] * outputs_own * prediction.std[:, None, :]
    assert 0.7 < mean_square(prediction.cov().dense()) < 1.4
    assert mean_square(wrong) > 3.0


@pytest.mark.parametrize("n", [22, 60])
@pytest.mark.parametrize("model", [TrendGP, partial(SparseGP, n_inducing=20)])
def test_a_subset_has_runs_to_spare_for_the_trend(model, n):
    """The 20 terms of a cubic trend are the truth; a subset of 20 runs could teach no kernel."""
    rng = np.random.default_rng(0)
    X, new = rng.random((n, 3)), rng.random((50, 3))

    def f(x):
        return x[:, 0] ** 3 - x[:, 0] * x[:, 1] + 2.0 * x[:, 2]

    fitted = model(kernel="rbf", trend="cubic", n_subset=20, random_state=0).fit(X, f(X))
    assert_allclose(fitted.predict(new), f(new), atol=1e-5)
