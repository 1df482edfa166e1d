"""One factor against the decomposition, and against differences of its own value."""

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose

from equatorium_gp import kernels
from equatorium_gp.cholesky import factor, inverse, restricted
from equatorium_gp.likelihood import log_likelihood
from equatorium_gp.spectral import Contrasts
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


def test_a_matrix_that_is_not_positive_is_refused():
    with pytest.raises(np.linalg.LinAlgError):
        factor(-torch.eye(3, dtype=torch.float64))


def test_a_matrix_that_rounding_made_indefinite_is_mended():
    """The kernel of repeated runs without a nugget."""
    X = torch.from_numpy(np.repeat(np.random.default_rng(0).random((10, 2)), 3, axis=0))
    K = kernels.build("rbf", 2)(X, X).to_dense().detach()
    L = factor(K)
    assert_allclose(L @ L.T, K, atol=1e-8)
