"""One factor against the decomposition, and against differences of its own value."""

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import ConstantKernel, Matern, WhiteKernel

from equatorium_gp import kernels
from equatorium_gp.cholesky import Factor, factor, inverse, restricted
from equatorium_gp.likelihood import log_likelihood
from equatorium_gp.spectral import Contrasts
from equatorium_gp.stationary import Stationary
from equatorium_gp.trend import Basis, terms


@pytest.fixture(params=["constant", "quadratic"])
def problem(request):
    """Kernel matrix with nugget, outputs, and an orthonormal basis of the trend."""
    rng = np.random.default_rng(0)
    X = rng.random((40, 3))
    kernel = kernels.build("matern52", 3)
    K = kernel(torch.from_numpy(X), torch.from_numpy(X)).to_dense().detach()
    H = Basis(terms(request.param, range(3)))(X)
    contrasts = Contrasts.of(H, np.ones(40))
    Y = torch.from_numpy(rng.normal(size=(40, 4)) * [1.0, 10.0, 0.1, 1.0])
    return K + 1e-3 * torch.eye(40, dtype=torch.float64), Y, contrasts


def test_factor_and_inverse(problem):
    K, _, _ = problem
    L = factor(K)
    assert_allclose(L @ L.T, K, atol=1e-14)
    assert (torch.triu(L, 1) == 0).all()
    assert_allclose(inverse(L) @ K, np.eye(40), atol=1e-9)


def test_value_is_that_of_the_decomposition(problem):
    K, Y, contrasts = problem
    spectrum = contrasts.decompose(K)
    Z = spectrum.contrasts(Y)
    scale = np.mean(Z**2 / spectrum.values[:, None], axis=0)
    expected = log_likelihood(spectrum.values, Z, np.zeros(4), scale).sum()
    value, _, _ = restricted(K, Y, contrasts.basis)
    assert value == pytest.approx(expected, rel=1e-11)


def test_gradient_by_central_differences(problem):
    K, Y, contrasts = problem
    _, gradient, _ = restricted(K, Y, contrasts.basis)
    assert_allclose(gradient, gradient.T, atol=1e-9 * float(gradient.abs().max()))
    rng = np.random.default_rng(1)
    for _ in range(4):
        D = rng.normal(size=(40, 40))
        D = torch.from_numpy(D + D.T)
        step = 1e-7
        up, down = (restricted(K + s * D, Y, contrasts.basis)[0] for s in (step, -step))
        assert float((gradient * D).sum()) == pytest.approx((up - down) / (2 * step), rel=1e-5)


@pytest.mark.parametrize("nu", [0.5, 1.5, 2.5, np.inf])
def test_likelihood_and_gradient_are_scikit_learns(nu):
    rng = np.random.default_rng(2)
    X, y, lengths = rng.random((60, 2)), rng.normal(size=60), np.array([0.3, 1.7])
    scale, ratio = 2.5, 0.04
    kernel = kernels.build({0.5: "matern12", 1.5: "matern32", 2.5: "matern52"}.get(nu, "rbf"), 2)
    kernels.coordinates(kernel)[0].set(np.log(lengths))
    K, slopes = Stationary.of(kernel).evaluate(torch.from_numpy(X))
    K.diagonal().add_(ratio)
    none = torch.zeros((60, 0), dtype=torch.float64)
    value, by_matrix, by_scale = restricted(K, torch.from_numpy(y[:, None]), none, scale)
    nugget = ratio * float(by_matrix.trace())
    gradient = [by_scale - nugget, *slopes.gradient(by_matrix)[0], nugget]

    theirs = ConstantKernel(scale) * Matern(lengths, nu=nu) + WhiteKernel(scale * ratio)
    peer = GaussianProcessRegressor(theirs, optimizer=None, alpha=1e-14).fit(X, y)
    expected = peer.log_marginal_likelihood(peer.kernel_.theta, eval_gradient=True)
    assert value == pytest.approx(expected[0], abs=1e-8)
    assert_allclose(gradient, expected[1], atol=1e-8)


def test_a_matrix_that_is_not_positive_is_refused():
    with pytest.raises(np.linalg.LinAlgError):
        factor(-torch.eye(3, dtype=torch.float64))


def test_a_matrix_that_rounding_made_indefinite_is_mended():
    """The kernel of repeated runs without a nugget."""
    X = torch.from_numpy(np.repeat(np.random.default_rng(0).random((10, 2)), 3, axis=0))
    K = kernels.build("rbf", 2)(X, X).to_dense().detach()
    L = factor(K)
    assert_allclose(L @ L.T, K, atol=1e-8)


@pytest.mark.parametrize("noisy", [False, True])
def test_factor_and_spectrum_say_the_same_of_one_ratio(problem, noisy):
    """Likelihood, predictions' weights and leave-one-out precisions, by both roads."""
    K, Y, _ = problem
    a = np.random.default_rng(4).uniform(0.3, 2.0, 40) if noisy else np.ones(40)
    contrasts = Contrasts.of(np.ones((40, 1)), a)
    ratio, scale = np.full(4, 0.02), np.array([0.5, 1.0, 2.0, 1.0])
    precisions, values = [], []
    for parts in (contrasts.decompose(K), Factor.of(contrasts, K, 0.02)):
        V = parts.vectors.numpy()
        weights = parts.weights(ratio)[:, 0]
        precisions.append((V * weights) @ V.T)
        values.append(parts.log_likelihood(parts.contrasts(Y), ratio, scale))
    assert_allclose(*precisions, atol=1e-9 * np.abs(precisions[0]).max())
    assert_allclose(*values, rtol=1e-11)
