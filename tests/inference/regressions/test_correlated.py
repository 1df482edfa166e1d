"""Correlated noise against scipy and scikit-learn, and calibration that white noise fails."""

import numpy as np
import pytest
from scipy import stats
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF, ConstantKernel, ExpSineSquared, Matern

import equatorium as eq
from equatorium.errors import InputError, UnknownNameError

T, S, P, W = 3.0, 1.7, 2.2, 0.8
THEIRS = {
    "exponential": Matern(T, nu=0.5),
    "matern32": Matern(T, nu=1.5),
    "squared-exponential": RBF(T),
    "quasi-periodic": RBF(T) * ExpSineSquared(2 * W, P),
}


def series(kernel, n=40):
    rng = np.random.default_rng(1)
    t = np.sort(rng.uniform(0, 20, n))
    err = rng.uniform(0.1, 0.3, n)
    y = np.sin(t) + 0.1 * t + err * rng.normal(size=n)
    model = eq.CorrelatedNoise(t, y, err, kernel=kernel)
    theta = [0.9, 0.08, 0.2, S, T] + ([P, W] if kernel == "quasi-periodic" else [])
    return model, np.array([theta])


@pytest.mark.parametrize("kernel", THEIRS)
def test_likelihood_and_prediction_are_those_of_others(kernel):
    model, theta = series(kernel)
    t = model.t[:, None]
    residual = model.y - 0.9 - 0.08 * (model.t - model.t.mean())
    theirs = ConstantKernel(S**2) * THEIRS[kernel]
    K = theirs(t) + np.diag(model.variance + 0.2**2)
    expected = stats.multivariate_normal(np.zeros(len(K)), K).logpdf(residual)
    assert model.log_likelihood(theta)[0] == pytest.approx(expected, rel=1e-9)
    gp = GaussianProcessRegressor(theirs, alpha=model.variance + 0.2**2, optimizer=None)
    where = np.linspace(-2, 25, 13)
    mean, std = gp.fit(t, residual).predict(where[:, None], return_std=True)
    own = model.noise(np.repeat(theta, 2, axis=0), where)
    assert own[0] == pytest.approx(np.stack([mean, mean]), abs=1e-8)
    assert own[1] == pytest.approx(np.stack([std, std]), abs=1e-6)


def test_points_of_a_batch_do_not_mix(monkeypatch):
    from equatorium.inference.regressions import ready

    model, _ = series("quasi-periodic")
    theta = model.space.sample(9, 0)
    whole = model.log_likelihood(theta)
    monkeypatch.setattr(ready, "_HELD", 2 * 40**2)
    assert model.log_likelihood(theta) == pytest.approx(whole, rel=1e-10)
    alone = [model.log_likelihood(point[None])[0] for point in theta]
    assert whole == pytest.approx(alone, rel=1e-10)


def test_without_memory_it_is_least_squares():
    model, theta = series("matern32")
    model = model.with_space(model.space.fix(noise_std=0.0, noise_time=1.0, jitter=0.0))
    level, slope = theta[0, :2]
    mean = level + slope * (model.t - model.t.mean())
    expected = stats.norm(mean, np.sqrt(model.variance)).logpdf(model.y).sum()
    assert model.log_likelihood(theta[:, :2])[0] == pytest.approx(expected, rel=1e-10)


def test_ranks_are_uniform_unless_noise_is_taken_as_white(calibration):
    rng = np.random.default_rng(2)
    t = np.linspace(0, 10, 16)
    centred, lag = t - t.mean(), np.abs(np.subtract.outer(t, t))

    def draw(n):
        line = rng.normal(size=(n, 2)) * [1.0, 0.3]
        noise = np.column_stack([rng.uniform(0.5, 1.5, n), np.exp(rng.uniform(0, 2, n))])
        return np.column_stack([line, np.full(n, 0.3), noise])

    def simulate(truth, rng):
        level, slope, jitter, std, time = truth
        K = std**2 * np.exp(-lag / time) + (jitter**2 + 0.3**2) * np.eye(t.size)
        return rng.multivariate_normal(level + slope * centred, K)

    def right(y, theta):
        return eq.CorrelatedNoise(t, y, 0.3, kernel="exponential").log_likelihood(theta)

    def white(y, theta):
        std = np.sqrt(theta[:, 3:4] ** 2 + 0.18)
        mean = theta[:, :1] + theta[:, 1:2] * centred
        return stats.norm(mean, std).logpdf(y).sum(axis=1)

    truths, prior, judged = draw(120), draw(2000), [0, 1, 3]
    ranks = calibration.ranks(truths, simulate, right, prior, rng)[:, judged]
    assert calibration.uniform_p(ranks).min() > 0.01
    ranks = calibration.ranks(truths, simulate, white, prior, rng)[:, judged]
    assert calibration.uniform_p(ranks).min() < 1e-4


def test_bad_input_is_named():
    t = np.arange(10.0)
    with pytest.raises(UnknownNameError, match=r"no kernel 'matern23'.*Did you mean 'matern32'"):
        eq.CorrelatedNoise(t, np.sin(t), 0.1, kernel="matern23")
    with pytest.raises(InputError, match="three different times"):
        eq.CorrelatedNoise(t % 2, np.sin(t), 0.1)
