"""Kernels shared or apart; and what comes after a fit: updates, joint draws, slopes."""

from functools import partial

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import ConstantKernel, Matern, WhiteKernel

import equatorium as eq
from equatorium.errors import InputError
from equatorium_gp import devices, groups, kernels, trend_gp
from equatorium_gp.gp import GP
from equatorium_gp.shared import Shared
from equatorium_gp.sharing import better_of_both
from equatorium_gp.trend_gp import TrendGP


def unlike(n, seed=0):
    """Two outputs that want different length-scales, and their inputs."""
    X = np.random.default_rng(seed).random((n, 2))
    return X, np.column_stack([np.sin(9 * X[:, 0]), 10 * np.cos(2 * X[:, 1] + X[:, 0])])


@pytest.fixture(scope="module")
def fitted():
    X, Y = unlike(50)
    return TrendGP(kernel="matern52", sharing="each").fit(X, Y)


def test_each_output_is_as_if_alone():
    X, Y = unlike(60)
    query, options = unlike(20, 1)[0], {"kernel": "matern52", "trend": "linear"}
    both = TrendGP(sharing="each", **options).fit(X, Y).predict_dist(query)
    for j in range(2):
        alone = TrendGP(**options).fit(X, Y[:, j]).predict_dist(query)
        assert_allclose(both.mean[:, j], alone.mean[:, 0], atol=2e-3 * Y[:, j].std())
        assert_allclose(both.std[:, j], alone.std[:, 0], rtol=0.2)  # they are drawn together


def test_declared_noise_of_each_output():
    """One of two outputs has noise, larger for some runs, and it is told from the signal."""
    X, Y = unlike(80)
    noise = np.zeros((80, 2))
    noise[:, 0] = np.where(np.arange(80) % 2, 1e-4, 0.09)
    rng = np.random.default_rng(3)
    noisy = Y + np.sqrt(noise) * rng.standard_normal(Y.shape)
    model = TrendGP(kernel="rbf", sharing="each").fit(X, noisy, noise=noise)
    query, truth = unlike(200, 1)
    z2 = (((model.predict(query) - truth) / model.predict_dist(query).std) ** 2).mean(axis=0)
    assert 0.15 < z2[0] < 2.5  # one design
    blind = TrendGP(kernel="rbf", sharing="each").fit(X, noisy)
    errors = [np.sqrt(((m.predict(query) - truth)[:, 0] ** 2).mean()) for m in (model, blind)]
    assert errors[0] < 0.8 * errors[1]


def test_kernels_apart_are_drawn_together():
    """Five outputs of one process: what they share is known better than what each says."""
    lengths, found = np.array([0.4, 1.5]), {}
    kernel = kernels.build("matern52", 2)
    kernels.coordinates(kernel)[0].set(np.log(lengths))
    X = np.random.default_rng(5).random((40, 2))
    K = kernel(torch.from_numpy(X), torch.from_numpy(X)).to_dense().detach().numpy()
    Y = np.linalg.cholesky(K + 1e-6 * np.eye(40)) @ np.random.default_rng(6).normal(size=(40, 5))
    together = TrendGP(kernel="matern52", sharing="each").fit(X, Y)
    found["together"] = np.log(shared_lengths(together) / lengths)
    alone = [TrendGP(kernel="matern52").fit(X, y) for y in Y.T]
    found["alone"] = np.log(np.concatenate([shared_lengths(m) for m in alone]) / lengths)
    error = {how: np.sqrt((off**2).mean()) for how, off in found.items()}
    assert error["together"] < 0.7 * error["alone"]


def shared_lengths(model):
    """Length-scales in the inputs' units, one row a kernel."""
    parts = [s.posterior.kernel.lengthscale.detach().numpy()[0] for s in model._process.shared]
    return np.array(parts) * model.width_


def test_a_kernel_starts_where_that_of_the_output_most_like_it_ended(monkeypatch):
    """The third output is the first in other units; the second is another function."""
    starts, learned = [], Shared.learned

    def spy(kernel, *rest):
        starts.append(np.concatenate([p.detach().numpy().ravel() for p in kernel.parameters()]))
        return learned(kernel, *rest)

    monkeypatch.setattr(groups.Shared, "learned", spy)
    X, Y = unlike(40)
    Y = np.column_stack([Y, -3.0 * Y[:, 0]])
    found = TrendGP(kernel="matern52", sharing="each").fit(X, Y).kernel_parameters_
    assert_allclose(starts[2], found[0], atol=1e-9)
    assert np.abs(starts[0] - found[0]).max() > 0.1  # the first started with what all share


@pytest.mark.parametrize("noise", [None, 1e-5])
def test_an_output_that_is_smooth_is_not_taken_for_noise_beside_a_rough_one(noise):
    rng = np.random.default_rng(0)
    X, at = rng.random((60, 3)), rng.random((300, 3))

    def truth(X):
        smooth = np.cos(3 * X[:, 1]) + X[:, 2] ** 2
        return np.column_stack([np.sin(9 * X[:, 0]), smooth, np.exp(X[:, 0] * X[:, 2])])

    declared = None if noise is None else np.full((60, 3), noise)
    model = TrendGP(kernel="matern52", sharing="each").fit(X, truth(X), noise=declared)
    assert (np.sqrt(np.mean((model.predict(at) - truth(at)) ** 2, axis=0)) < 0.01).all()


def test_auto_takes_kernels_apart_where_outputs_are_unlike_and_not_where_they_are_alike():
    X, Y = unlike(60)
    assert TrendGP(kernel="matern52").fit(X, Y).sharing_ == "each"
    rng = np.random.default_rng(2)
    alike = np.sin(3 * X[:, :1] + X[:, 1:]) @ rng.normal(size=(1, 2))
    alike = alike + 0.3 * np.cos(4 * X) @ rng.normal(size=(2, 2))
    noisy = alike + 0.1 * rng.standard_normal(Y.shape)
    assert TrendGP(kernel="matern52").fit(X, noisy).sharing_ == "components"


@pytest.mark.parametrize(("trend", "n_subset"), [("quadratic", 80), ("auto", 40)])
def test_what_is_shared_is_told_with_the_trend_of_all_runs(trend, n_subset, monkeypatch):
    """Of half of `n_subset` runs, 45 terms could not be told, and "auto" would be constant."""
    seen = []

    def spy(model, few):
        seen.append(better_of_both(model, few))
        return seen[-1]

    monkeypatch.setattr(trend_gp, "better_of_both", spy)
    X = np.random.default_rng(0).random((120, 8))
    Y = np.column_stack([X.sum(axis=1), X[:, 0] * X[:, 1]])
    options = {"n_subset": n_subset, "full_evaluations": 0, "random_state": 0}
    model = TrendGP(kernel="rbf", trend=trend, **options).fit(X, Y)
    wanted = {"quadratic": "quadratic", "auto": "linear"}[trend]
    assert (model.trend_, seen[0].trend_, model.trend) == (wanted, wanted, trend)
    assert 2 * len(model.terms_) <= len(seen[0].X_) < 120


def test_scikit_learn_at_the_parameters_found():
    """The Cholesky path of a single output; universal kriging aside, by a trend of zero mean."""
    X, Y = unlike(40)
    y = Y[:, 0] + 0.1 * np.random.default_rng(1).standard_normal(40)
    query = unlike(15, 1)[0]
    model = TrendGP(kernel="matern52", trend="constant").fit(X, y)
    assert model.one_ratio_.tolist() == [1]
    (shared,) = model._process.shared
    lengths = shared.posterior.kernel.lengthscale.detach().numpy()[0] * model.width_
    sd2 = model.scale_[0] * model.mixing_[0, 0] ** 2
    kernel = ConstantKernel(sd2) * Matern(lengths, nu=2.5) + WhiteKernel(sd2 * model.ratio_[0])
    # A flat prior on the constant is the limit of a very broad one.
    peer = GaussianProcessRegressor(kernel + ConstantKernel(1e4), optimizer=None, alpha=1e-14)
    mean, std = peer.fit(X, y).predict(query, return_std=True)
    own = model.predict_dist(query)
    assert_allclose(own.mean[:, 0], mean, atol=1e-4)
    assert_allclose(own.std[:, 0], std * np.sqrt(model.variance_factor_[0]), rtol=1e-3)


@pytest.mark.parametrize("noise", [None, 0.01])
def test_update_ends_where_a_fit_of_all_does(noise):
    X, Y = unlike(120)
    noises = {} if noise is None else {"noise": np.full(120, noise)}
    part = {key: value[:70] for key, value in noises.items()}
    rest = {key: value[70:] for key, value in noises.items()}
    model = TrendGP(kernel="matern52", sharing="all").fit(X[:70], Y[:70], **part)
    model.update(X[70:], Y[70:], **rest)
    whole = TrendGP(kernel="matern52", sharing="all").fit(X, Y, **noises)
    query = unlike(40, 1)[0]
    off = np.abs(model.predict(query) - whole.predict(query)) / whole.predict_dist(query).std
    assert off.max() < 0.5
    assert len(model.X_) == 120


@pytest.mark.parametrize("model", [TrendGP, partial(GP, kernels=["rbf"], trends=["linear"])])
def test_an_update_takes_the_box_of_all_runs(model):
    """An input that the first runs held fixed, and that others vary by much."""
    rng = np.random.default_rng(0)
    first, later, new = rng.random((20, 2)), rng.random((20, 2)), rng.random((50, 2))
    first[:, 1] = 0.0
    y = [np.sin(4 * x[:, 0]) + np.sin(3 * x[:, 1]) for x in (first, later, new)]
    units = np.array([1.0, 3e4])
    updated = model().fit(first * units, y[0]).update(later * units, y[1])
    whole = model().fit(np.vstack([first, later]) * units, np.r_[y[0], y[1]])
    errors = [np.sqrt(np.mean((m.predict(new * units) - y[2]) ** 2)) for m in (updated, whole)]
    assert errors[0] < 2 * errors[1] + 1e-3 < 0.1


def test_an_update_that_learns_no_kernel_keeps_it():
    """Lengths are those of the first runs, in the inputs' units, however wide the later ones."""
    X, Y = unlike(40)
    model = TrendGP(kernel="rbf", optimise=False, sharing="all").fit(X[:20], Y[:20])
    before = shared_lengths(model)
    model.update(9.0 * X[20:], Y[20:])
    assert_array_equal(shared_lengths(model), before)


def test_update_of_the_stack():
    X, Y = unlike(90)
    model = GP(kernels=["rbf", "matern52"], trends=["constant"]).fit(X[:50], Y[:50])
    before = model.predict_dist(X[50:])
    z2 = (((Y[50:] - before.mean) / before.std) ** 2).mean()
    model.update(X[50:], Y[50:])
    query, truth = unlike(100, 1)
    assert ((model.predict(query) - truth) ** 2).mean() < 0.01 * truth.var() and z2 < 10.0


def test_updates_that_do_not_fit_are_refused(fitted):
    X, Y = unlike(5)
    with pytest.raises(InputError, match=r"must have shape \(m, 2\)"):
        fitted.update(X, Y[:, 0])
    with pytest.raises(InputError, match="noise must be declared to fit and to update"):
        fitted.update(X, Y, noise=np.ones(5))
    assert len(fitted.X_) == 50


def test_draws_have_the_mean_and_the_covariance_that_are_predicted(fitted):
    query = unlike(6, 4)[0]
    draws = fitted.sample_functions(query, 20_000, 0)
    assert draws.shape == (20_000, 6, 2)
    mean = fitted.predict_dist(query).mean
    scaled = (query - fitted.low_) / fitted.width_
    for j, one in enumerate(fitted._process.shared):
        nugget = fitted.nugget_variance_[j] * one.factor(scaled)  # not in the draws
        expected = fitted.predict_joint(query, j) - np.diag(nugget)
        size = np.sqrt(np.diagonal(expected))
        assert (np.abs(draws[:, :, j].mean(axis=0) - mean[:, j]) < 5 * size / 141).all()
        error = np.cov(draws[:, :, j].T) - expected
        assert np.abs(error / np.outer(size, size)).max() < 0.06


def test_prior_draws_do_not_know_the_runs(fitted):
    draws = fitted.sample_functions(fitted.X_[:4], 4000, 0, prior=True)
    assert_allclose(draws.var(axis=0).mean(axis=0), fitted.signal_variance_, rtol=0.1)


@pytest.mark.parametrize("text", ["matern12 + rbf[0]", "linear * matern32 + rq", "scale(matern52)"])
@pytest.mark.parametrize("trend", ["constant", "cubic"])
def test_slopes_by_central_differences(text, trend):
    X, Y = unlike(40)
    model = TrendGP(kernel=text, trend=trend, optimise=False).fit(X * [1.0, 100.0], Y)
    query = unlike(5, 7)[0] * [1.0, 100.0]
    rng = np.random.default_rng(0)
    mean_bar, cov_bar = rng.normal(size=(5, 2)), 10 * rng.normal(size=(5, 2, 2))

    def value(x):
        prediction = model.predict_dist(x)
        parts = (
            (mean_bar * prediction.mean).sum(1),
            (cov_bar * prediction.cov().dense()).sum((1, 2)),
        )
        return sum(parts)

    found = model.predict_dist_vjp(query, mean_bar, cov_bar)
    for j, step in enumerate([1e-5, 1e-3]):
        shift = step * np.eye(2)[j]
        slope = (value(query + shift) - value(query - shift)) / (2 * step)
        assert_allclose(found[:, j], slope, rtol=1e-4, atol=1e-5 * np.abs(slope).max())


def test_the_domain_is_minded():
    X, Y = unlike(30)
    outside = np.array([[0.5, 0.5], [0.5, 2.0]])
    with pytest.raises(InputError, match=r"1 of 2 points .* row 1 .* column 1"):
        TrendGP(domain="raise").fit(X, Y).predict(outside)
    with pytest.warns(UserWarning, match="outside the box"):
        TrendGP(domain="warn").fit(X, Y).predict(outside)
    plain, wide = (TrendGP(domain=policy).fit(X, Y) for policy in ("ignore", "inflate"))
    ratio = wide.predict_dist(outside).std / plain.predict_dist(outside).std
    away = (2.0 - X[:, 1].max()) / np.ptp(X[:, 1])
    assert_allclose(ratio, np.repeat([[1.0], [1.0 + 10 * (away - 0.01)]], 2, axis=1), rtol=1e-5)
    nearest = np.sqrt((((outside[:, None] - X) / np.ptp(X, axis=0)) ** 2).sum(-1)).min(1)
    assert_allclose(plain.distance(outside), nearest)
    with pytest.raises(InputError, match=r"domain='rise' is not known\. Did you mean 'raise'"):
        TrendGP(domain="rise").fit(X, Y)


def test_wrong_sharing_is_named():
    with pytest.raises(InputError, match="sharing='every' is not known"):
        eq.emulator("trend-gp", sharing="every").fit(*unlike(20))


def test_device_auto_is_one_that_is_there():
    X, Y = unlike(20)
    assert np.isfinite(TrendGP(device="auto").fit(X, Y).predict(X)).all()


@pytest.mark.parametrize("sharing", ["each", "components"])
@pytest.mark.parametrize("level", [1e-4, 1e-10])
def test_small_declared_noise_leaves_the_signal(sharing, level):
    rng = np.random.default_rng(0)
    X, query = rng.random((30, 2)), rng.random((300, 2))

    def truth(x):
        return np.stack([np.sin(3 * x[:, 0]) + x[:, 1] ** 2, np.cos(2 * x[:, 0])], axis=1)

    Y = truth(X) + np.sqrt(level) * rng.standard_normal((30, 2))
    options = {"kernel": "matern52", "trend": "linear", "sharing": sharing}
    model = TrendGP(**options).fit(X, Y, noise=np.full((30, 2), level))
    error = np.sqrt(((model.predict(query) - truth(query)) ** 2).mean(axis=0))
    assert (error < 0.03).all()


def test_one_wild_run_of_declared_huge_noise_harms_no_other():
    rng = np.random.default_rng(0)
    X, query = rng.random((30, 2)), rng.random((300, 2))
    y = np.sin(3 * X[:, 0]) + X[:, 1] ** 2 + 0.01 * rng.standard_normal(30)
    noise = np.full(30, 1e-4)
    y[3], noise[3] = 100.0, 1e8
    model = TrendGP(kernel="matern52", trend="linear").fit(X, y, noise=noise)
    error = model.predict(query) - np.sin(3 * query[:, 0]) - query[:, 1] ** 2
    assert np.sqrt((error**2).mean()) < 0.05


def test_slopes_of_many_points_are_those_of_few(fitted, monkeypatch):
    query, rng = unlike(7, 4)[0], np.random.default_rng(0)
    bars = rng.normal(size=(7, 2)), rng.normal(size=(7, 2, 2))
    whole = fitted.predict_dist_vjp(query, *bars)
    monkeypatch.setattr(devices, "ENTRIES", 300)  # three points of two kernels of fifty runs
    assert_allclose(fitted.predict_dist_vjp(query, *bars), whole, rtol=1e-9)


def test_inflated_variance_has_its_slope_and_its_joint_covariance():
    X, Y = unlike(30)
    model = TrendGP(kernel="matern52", domain="inflate", sharing="all").fit(X, Y)
    query = np.array([[1.2, 1.1], [0.5, 0.5], [-0.3, 0.4]])
    zeros, cov_bar = np.zeros((3, 2)), np.tile(np.diag([1.0, 0.5]), (3, 1, 1))

    def value(x):
        return (model.predict_dist(x).variance * [1.0, 0.5]).sum(axis=1)

    found = model.predict_dist_vjp(query, zeros, cov_bar)
    for j, shift in enumerate(1e-5 * np.eye(2)):
        slope = (value(query + shift) - value(query - shift)) / 2e-5
        assert_allclose(found[:, j], slope, rtol=1e-4, atol=1e-6 * np.abs(slope).max())
    variance = model.predict_dist(query).variance
    assert_allclose(np.diagonal(model.predict_joint(query, 1)), variance[:, 1], rtol=1e-9)
    # A point is worth the same alone and beside others.
    near = np.array([[X[:, 0].max() + 0.009, 0.5]])
    alone = model.predict_dist(near).std
    assert_allclose(model.predict_dist(np.vstack([near, query])).std[0], alone[0], rtol=1e-9)


def test_an_input_that_never_varied_is_known_at_one_value_only():
    X, Y = unlike(30)
    X = np.column_stack([X, np.full(30, 5.0)])
    model = TrendGP(domain="raise").fit(X, Y)
    model.predict(X[:2])
    with pytest.raises(InputError, match="column 2"):
        model.predict([[0.5, 0.5, 5.9]])


def test_update_with_other_active_inputs_and_of_one_column():
    rng = np.random.default_rng(0)
    X = rng.random((60, 5))
    Y = np.stack([np.sin(4 * X[:, 0]), np.cos(3 * X[:, 0] + 0.2)], axis=1)
    Y[30:] += 3 * X[30:, 1:2] ** 2
    model = TrendGP(active="auto", sharing="components", kernel="matern52")
    assert model.fit(X[:30], Y[:30]).update(X[30:], Y[30:]).n_outputs_ == 2
    stack = GP(kernels=["matern52"], trends=["constant"]).fit(X[:30], Y[:30, 0])
    assert stack.update(X[30:], Y[30:, 0]).predict(X[:4]).shape == (4,)


@pytest.mark.parametrize(
    ("call", "word"),
    [
        (lambda m, q: m.predict_joint(q, 2), "output=2 must be a whole number from 0 to 1"),
        (lambda m, q: m.predict_dist_vjp(q, np.ones((5, 1)), np.ones((5, 2, 2))), "mean_bar has"),
        (lambda m, q: m.predict_dist_vjp(q, np.ones((5, 2)), np.ones((1, 2, 2))), "cov_bar has"),
    ],
)
@pytest.mark.parametrize("kind", [TrendGP, GP])
def test_wrong_questions_are_refused(kind, call, word):
    X, Y = unlike(20)
    with pytest.raises(InputError, match=word):
        call(kind(sharing="all").fit(X, Y), X[:5])
