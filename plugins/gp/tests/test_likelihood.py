"""Values against textbook formulae, optima against a scalar optimiser, gradients by differences."""

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose
from scipy.linalg import null_space
from scipy.optimize import minimize_scalar
from scipy.stats import multivariate_normal

from equatorium_gp import kernels
from equatorium_gp.fit import Objective, Problem
from equatorium_gp.likelihood import log_likelihood, profile
from equatorium_gp.posterior import Decomposed, Hyperparameters, Posterior
from equatorium_gp.trend import Basis, terms


def problem(noise=None, n=25, p=2, trend="linear", seed=0):
    rng = np.random.default_rng(seed)
    X, Y = rng.random((n, 3)), rng.normal(size=(n, p))
    a = np.ones(n) if noise is None else rng.uniform(0.3, 2.0, n)
    H = Basis(terms(trend, range(3)))(X)
    return Problem(torch.from_numpy(X), torch.from_numpy(Y), H, a, noise)


def matrix(kernel, given):
    K = kernel(given.X, given.X).to_dense().detach().numpy()
    return K / np.diagonal(K).mean()


@pytest.mark.parametrize("noisy", [False, True])
def test_restricted_likelihood_is_the_textbook_one(noisy):
    noise = np.array([0.1, 0.4]) if noisy else None
    given = problem(noise)
    kernel = kernels.build("matern52", 3)
    ratio, scale, delta = np.array([0.05, 0.3]), np.array([2.0, 0.7]), 0.01 if noisy else 0.0
    learned = Hyperparameters(ratio, scale, delta)
    posterior = Posterior(kernel, given, learned, Decomposed.of(kernel, given, delta))
    H, Y, n = given.H, given.Y.numpy(), len(given.a)
    for j in range(2):
        K = scale[j] * (matrix(kernel, given) + delta * np.eye(n) + ratio[j] * np.diag(given.a))
        Ki = np.linalg.inv(K)
        G = H.T @ Ki @ H
        P = Ki - Ki @ H @ np.linalg.solve(G, H.T @ Ki)
        logdets = [np.linalg.slogdet(M)[1] for M in (K, G, H.T @ H)]
        textbook = -0.5 * (
            (n - 4) * np.log(2 * np.pi)
            + logdets[0]
            + logdets[1]
            - logdets[2]
            + Y[:, j] @ P @ Y[:, j]
        )
        assert_allclose(posterior.log_likelihood()[j], textbook, rtol=1e-10)
        # The same as the normal density of any orthonormal contrasts of the data.
        N = null_space(H.T)
        density = multivariate_normal(np.zeros(n - 4), N.T @ K @ N).logpdf(N.T @ Y[:, j])
        assert_allclose(posterior.log_likelihood()[j], density, rtol=1e-10)


def test_profile_finds_the_best_scale_and_nugget():
    rng = np.random.default_rng(1)
    values = np.sort(rng.gamma(0.3, 5.0, 60))
    Z = np.sqrt(np.array([3.0, 0.5]) * (values[:, None] + [0.05, 1.0])) * rng.normal(size=(60, 2))
    found = profile(values, Z, None)
    for j in range(2):

        def minus(t, j=j):
            ratio = np.exp(t)
            scale = (Z[:, j] ** 2 / (values + ratio)).mean()
            variance = scale * (values + ratio)
            return 0.5 * (np.log(2 * np.pi * variance) + Z[:, j] ** 2 / variance).sum()

        best = minimize_scalar(
            minus, bounds=(-20.0, 9.0), method="bounded", options={"xatol": 1e-9}
        )
        assert_allclose(found.log_likelihood[j], -best.fun, rtol=1e-9)
        assert_allclose(np.log(found.ratio[j]), best.x, atol=1e-4)


def test_profile_with_declared_noise():
    rng = np.random.default_rng(2)
    values, noise = np.sort(rng.gamma(0.3, 5.0, 60)), np.array([0.2, 0.0])
    Z = np.sqrt(np.array([3.0, 0.5]) * values[:, None] + noise) * rng.normal(size=(60, 2))
    found = profile(values, Z, noise)

    def minus(t):
        variance = np.exp(t) * values + 0.2
        return 0.5 * (np.log(2 * np.pi * variance) + Z[:, 0] ** 2 / variance).sum()

    best = minimize_scalar(minus, bounds=(-8.0, 8.0), method="bounded", options={"xatol": 1e-9})
    assert_allclose(found.log_likelihood[0], -best.fun, rtol=1e-9)
    assert_allclose(found.scale[0] * found.ratio[0], 0.2, rtol=1e-12)  # the noise is as declared
    assert found.ratio[1] == 0.0
    assert_allclose(found.scale[1], (Z[:, 1] ** 2 / values).mean(), rtol=1e-9)


def test_profile_of_nothing_is_finite():
    found = profile(np.ones(5), np.zeros((5, 1)), None)
    assert np.isfinite(found.log_likelihood).all() and (found.scale > 0).all()


@pytest.mark.parametrize(
    "specification",
    [
        "matern52",
        "scale(rbf) + linear",
        "scale(rbf[0,1] * periodic[2]) + matern32",
        "rq",
        "polynomial2 + cosine[0]",
    ],
)
@pytest.mark.parametrize("noise", [None, np.array([0.2, 0.5])])
def test_gradient_by_differences(specification, noise):
    kernel = kernels.build(specification, 3)
    objective = Objective(kernel, problem(noise))
    point = objective.read(0.02) + np.random.default_rng(0).normal(0.0, 0.2, objective.mean.size)
    gradient = objective(point)[1]
    for k in range(point.size):
        step = np.zeros(point.size)
        step[k] = 1e-5
        slope = (objective(point + step)[0] - objective(point - step)[0]) / 2e-5
        assert_allclose(gradient[k], slope, rtol=1e-4, atol=2e-7)


def test_log_likelihood_of_unit_contrasts():
    Z = np.array([[1.0], [2.0]])
    expected = multivariate_normal(np.zeros(2), 2.0 * np.eye(2)).logpdf([1.0, 2.0])
    found = log_likelihood(np.array([0.5, 0.5]), Z, np.array([0.5]), np.array([2.0]))
    assert_allclose(found, [expected])
