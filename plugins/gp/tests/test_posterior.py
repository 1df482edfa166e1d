"""Predictions against scikit-learn, GPyTorch, dense formulae and sixty digits."""

import gpytorch
import mpmath
import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF, ConstantKernel, Matern, WhiteKernel

from equatorium_gp import devices, kernels
from equatorium_gp.fit import Problem
from equatorium_gp.posterior import Decomposed, Hyperparameters, Posterior
from equatorium_gp.trend import Basis, terms

LENGTHS = np.array([0.6, 1.1])


def kernel_of(specification, lengths=LENGTHS):
    kernel = kernels.build(specification, len(lengths))
    for coordinate in kernels.coordinates(kernel):
        coordinate.set(np.log(lengths))
    return kernel


def data(n=40, p=2, seed=0, trend=None, noise=None):
    rng = np.random.default_rng(seed)
    X, new = rng.random((n, 2)), rng.random((15, 2))
    Y = np.column_stack([np.sin(4 * X[:, 0]) + X[:, 1], np.cos(3 * X.sum(1))])[:, :p]
    basis = Basis(terms(trend, range(2))) if trend else lambda x: np.zeros((len(x), 0))
    a = np.ones(n) if noise is None else rng.uniform(0.3, 2.0, n)
    return Problem(torch.from_numpy(X), torch.from_numpy(Y), basis(X), a, noise), new, basis(new)


def posterior_of(kernel, given, ratio, scale, delta=0.0):
    learned = Hyperparameters(np.asarray(ratio), np.asarray(scale), delta)
    return Posterior(kernel, given, learned, Decomposed.of(kernel, given, delta))


@pytest.mark.parametrize(
    ("name", "theirs"), [("rbf", RBF(LENGTHS)), ("matern52", Matern(LENGTHS, nu=2.5))]
)
def test_scikit_learn(name, theirs):
    given, new, H = data()
    found = posterior_of(kernel_of(name), given, [1e-3, 0.1], [2.0, 0.5])
    mean, variance = found.predict(new, H)
    for j, (ratio, scale) in enumerate([(1e-3, 2.0), (0.1, 0.5)]):
        peer = GaussianProcessRegressor(
            ConstantKernel(scale) * theirs + WhiteKernel(ratio * scale), optimizer=None
        )
        peer.set_params(alpha=1e-14).fit(given.X.numpy(), given.Y.numpy()[:, j])
        peer_mean, peer_std = peer.predict(new, return_std=True)
        assert_allclose(mean[:, j], peer_mean, atol=1e-8)
        assert_allclose(np.sqrt(variance[:, j]), peer_std, rtol=1e-8)
        value = peer.log_marginal_likelihood_value_
        assert_allclose(found.log_likelihood()[j], value, rtol=1e-8)


def test_gpytorch_exact_gp():
    given, new, H = data(p=1)

    class Exact(gpytorch.models.ExactGP):
        def __init__(self, likelihood):
            super().__init__(given.X, given.Y[:, 0], likelihood)
            self.mean_module = gpytorch.means.ZeroMean()
            self.covar_module = gpytorch.kernels.ScaleKernel(kernel_of("matern52"))

        def forward(self, x):
            return gpytorch.distributions.MultivariateNormal(
                self.mean_module(x), self.covar_module(x)
            )

    likelihood = gpytorch.likelihoods.GaussianLikelihood().double().eval()
    peer = Exact(likelihood).double().eval()
    # A Python number would pass through float32.
    likelihood.noise = torch.tensor(0.02, dtype=torch.float64)
    peer.covar_module.outputscale = torch.tensor(2.0, dtype=torch.float64)
    with torch.no_grad():
        theirs = likelihood(peer(torch.from_numpy(new)))
    mean, variance = posterior_of(kernel_of("matern52"), given, [0.01], [2.0]).predict(new, H)
    assert_allclose(mean[:, 0], theirs.mean.numpy(), atol=1e-8)
    assert_allclose(variance[:, 0], theirs.variance.numpy(), rtol=1e-8)


def oracle(kernel, given, new, h, j, ratio, scale, delta, nugget):
    """Universal kriging as in a textbook, with dense inverses."""
    X, Y, H, n = given.X, given.Y.numpy()[:, j], given.H, len(given.a)
    K = kernel(X, X).to_dense().detach().numpy() + delta * np.eye(n) + ratio * np.diag(given.a)
    k = kernel(X, torch.from_numpy(new)).to_dense().detach().numpy()
    Ki = np.linalg.inv(K)
    G = np.linalg.inv(H.T @ Ki @ H)
    beta = G @ H.T @ Ki @ Y
    r = h.T - H.T @ Ki @ k
    mean = h @ beta + k.T @ Ki @ (Y - H @ beta)
    variance = 1.0 + nugget - (k * (Ki @ k)).sum(0) + (r * (G @ r)).sum(0)
    return mean, scale * variance, beta


@pytest.mark.parametrize("trend", ["constant", "linear", "quadratic"])
@pytest.mark.parametrize("noisy", [False, True])
def test_universal_kriging(trend, noisy):
    given, new, h = data(trend=trend, noise=np.array([0.02, 0.1]) if noisy else None)
    ratio, scale, delta = np.array([0.01, 0.2]), np.array([2.0, 0.5]), 0.003 if noisy else 0.0
    kernel = kernel_of("matern52")
    found = posterior_of(kernel, given, ratio, scale, delta)
    mean, variance = found.predict(new, h)
    for j in range(2):
        nugget = delta if noisy else ratio[j]
        expected = oracle(kernel, given, new, h, j, ratio[j], scale[j], delta, nugget)
        assert_allclose(mean[:, j], expected[0], atol=1e-10)
        assert_allclose(variance[:, j], expected[1], rtol=1e-9)
        assert_allclose(found.coefficients()[:, j], expected[2], atol=1e-9)


@pytest.mark.parametrize("noisy", [False, True])
def test_leave_one_out_is_brute_force(noisy):
    given, _, _ = data(n=20, trend="linear", noise=np.array([0.02, 0.1]) if noisy else None)
    ratio, scale, delta = [0.01, 0.2], [2.0, 0.5], 0.003 if noisy else 0.0
    kernel = kernel_of("matern52")
    mean, variance = posterior_of(kernel, given, ratio, scale, delta).leave_one_out()
    for i in range(20):
        rest = np.delete(np.arange(20), i)
        refit = posterior_of(kernel, given.subset(rest), ratio, scale, delta)
        one, spread = refit.predict(given.X.numpy()[[i]], given.H[[i]])
        assert_allclose(mean[i], one[0], atol=1e-8)
        assert_allclose(variance[i], spread[0], rtol=1e-8)


@pytest.mark.parametrize(("name", "length"), [("rbf", 0.7), ("matern52", 2.0)])
def test_variance_without_noise_in_sixty_digits(name, length):
    given, new, h = data(p=1, trend="linear")
    _, variance = posterior_of(kernel_of(name, [length] * 2), given, [1e-9], [1.0]).predict(new, h)
    with mpmath.workdps(60):

        def k(x, y):
            r = mpmath.sqrt(
                sum((mpmath.mpf(u) - mpmath.mpf(v)) ** 2 for u, v in zip(x, y, strict=True))
            )
            r /= mpmath.mpf(length)
            if name == "rbf":
                return mpmath.exp(-(r**2) / 2)
            r *= mpmath.sqrt(5)
            return (1 + r + r**2 / 3) * mpmath.exp(-r)

        X = given.X.numpy().tolist()
        K = mpmath.matrix([[k(x, y) + (x is y) * mpmath.mpf(1e-9) for y in X] for x in X])
        Ki, H = K**-1, mpmath.matrix(given.H.tolist())
        G = (H.T * Ki * H) ** -1
        for row, x in enumerate(new[:4].tolist()):
            kx = mpmath.matrix([k(x, y) for y in X])
            r = mpmath.matrix(h[row].tolist()) - H.T * (Ki * kx)
            exact = 1 + mpmath.mpf(1e-9) - (kx.T * Ki * kx)[0] + (r.T * G * r)[0]
            assert_allclose(variance[row, 0], float(exact), rtol=1e-5)
    assert variance.min() < 1e-6  # the case is hard: far below the signal variance of one


def test_chunks_change_nothing(monkeypatch):
    given, new, h = data(trend="linear")
    found = posterior_of(kernel_of("matern52"), given, [0.01, 0.2], [2.0, 0.5])
    whole = found.predict(new, h)
    monkeypatch.setattr(devices, "ENTRIES", 160)  # four points at a time
    parts = found.predict(new, h)
    assert_allclose(parts[0], whole[0], atol=1e-12)
    assert_allclose(parts[1], whole[1], rtol=1e-9)


@pytest.mark.parametrize("noise", [None, np.array([0.1, 0.3])])
def test_folds_left_out_are_predicted_by_the_other_runs(noise):
    """By conditioning on the others alone; single runs as `leave_one_out`; means as `predict`."""
    given, new, H = data(trend="linear", noise=noise)
    kernel, numbers, fold = kernel_of("matern52"), ([1e-3, 0.1], [2.0, 0.5]), np.arange(40) % 4
    found = posterior_of(kernel, given, *numbers)
    left_out = found.left_out(fold)
    for f in range(4):
        out, rest = np.flatnonzero(fold == f), np.flatnonzero(fold != f)
        other = posterior_of(kernel, given.subset(rest), *numbers)
        mean, _ = other.predict(given.X[out].numpy(), given.H[out])
        assert_allclose(left_out[out], mean, rtol=1e-7, atol=1e-8)
    assert_allclose(found.left_out(np.arange(40)), found.leave_one_out()[0], atol=1e-9)
    assert_allclose(found.mean(new, H), found.predict(new, H)[0], rtol=1e-9, atol=1e-10)
