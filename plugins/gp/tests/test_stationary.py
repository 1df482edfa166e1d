"""The closed form against GPyTorch's own kernels and their backward pass."""

import gpytorch.kernels as gk
import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose

from equatorium_gp import kernels
from equatorium_gp.crossed import Crossed
from equatorium_gp.kernels import coordinates
from equatorium_gp.spectral import Contrasts
from equatorium_gp.stationary import Stationary
from equatorium_gp.triangle import Triangle

CLOSED = [
    "rbf",
    "matern12",
    "matern32",
    "matern52",
    "scale(matern52) + scale(rbf)",
    "scale(rbf[0,2] + matern32[1])",
    "scale(scale(matern12))",
]


def moved(text, d=3, seed=0):
    """A kernel at a random place."""
    kernel = kernels.build(text, d)
    rng = np.random.default_rng(seed)
    for c in coordinates(kernel):
        c.set(rng.normal(0.0, 0.5, c.raw.numel()))
    return kernel


@pytest.fixture
def X():  # noqa: N802
    X = torch.from_numpy(np.random.default_rng(1).random((40, 3)))
    X[7] = X[3]  # a repeated run
    return X


@pytest.mark.parametrize("text", CLOSED)
def test_matrix_is_gpytorchs(text, X):
    kernel = moved(text)
    closed = Stationary.of(kernel)
    other = torch.from_numpy(np.random.default_rng(2).random((11, 3)))
    assert_allclose(closed.matrix(X), kernel(X, X).to_dense().detach(), atol=2e-14)
    assert_allclose(closed.matrix(other, X), kernel(other, X).to_dense().detach(), atol=2e-14)
    crossed = Crossed.of(closed, X)
    assert_allclose(crossed.matrix(other), kernel(other, X).to_dense().detach(), atol=2e-14)
    assert_allclose(crossed.matrix(X), kernel(X, X).to_dense().detach(), atol=2e-14)
    own = float(kernel(X[:1], diag=True).detach())
    assert closed.variance() == pytest.approx(own, rel=1e-14)


@pytest.mark.parametrize("text", ["rbf", "matern32", "matern52"])
def test_runs_alike_but_for_a_tiny_length_scale_stay_near(text):
    """Runs on three levels of an input that is 1e5 length-scales wide: the rest still tells."""
    rng = np.random.default_rng(0)
    X = torch.from_numpy(np.column_stack([rng.random(60), rng.integers(0, 3, 60)]))
    kernel = kernels.build(text, 2)
    kernel.lengthscale = torch.tensor([[0.5, 2e-5]], dtype=torch.float64)
    same = X[:, 1:] == X[:, 1]
    alone = kernels.build(text, 1)
    alone.lengthscale = 0.5
    expected = torch.where(same, alone(X[:, :1]).to_dense(), 0.0).detach()
    closed = Stationary.of(kernel)
    for found in (closed.matrix(X), closed.evaluate(X)[0], Crossed.of(closed, X).matrix(X)):
        assert_allclose(found, expected, atol=1e-13)
    Y = torch.from_numpy(rng.random((60, 1)))
    triangle = Triangle(closed, X, Y, Contrasts.of(np.ones((60, 1)), np.ones(60)))
    assert np.isfinite(triangle(1e-6)[0])


@pytest.mark.parametrize("text", CLOSED)
def test_gradient_is_that_of_autograd(text, X):
    kernel = moved(text)
    G = torch.from_numpy(np.random.default_rng(3).normal(size=(40, 40)))
    G = G + G.T
    # Distances of repeated runs have no derivative in GPyTorch's matern12.
    X = X.clone()
    X[7] += 0.1
    found = Stationary.of(kernel).evaluate(X)[1].gradient(G)
    kernel(X, X).to_dense().backward(G)
    for mine, c in zip(found, coordinates(kernel), strict=True):
        # GPyTorch's derivative of the root of a distance is a little off near 0.
        rtol = 1e-5 if "matern12" in text else 1e-9
        assert_allclose(mine, c.gradient(), rtol=rtol, atol=1e-10)


@pytest.mark.parametrize("text", ["scale(matern52) + scale(rbf[0,1])", "scale(matern12)"])
def test_gradient_by_central_differences_with_repeated_runs(text, X):
    kernel = moved(text)
    closed = Stationary.of(kernel)
    G = torch.from_numpy(np.random.default_rng(3).normal(size=(40, 40)))
    G = G + G.T
    found = closed.evaluate(X)[1].gradient(G)
    for mine, c in zip(found, coordinates(kernel), strict=True):
        place = c.get()
        for j in range(len(place)):
            values = []
            for step in (1e-5, -1e-5):
                c.set(place + step * np.eye(len(place))[j])
                values.append(float((closed.matrix(X) * G).sum()))
            c.set(place)
            assert mine[j] == pytest.approx((values[0] - values[1]) / 2e-5, rel=1e-6, abs=1e-7)


def test_one_length_scale_for_all_inputs(X):
    kernel = gk.ScaleKernel(gk.RBFKernel()).double()
    G = torch.eye(40, dtype=torch.float64) + 1.0
    found = Stationary.of(kernel).evaluate(X)[1].gradient(G)
    kernel(X, X).to_dense().backward(G)
    for mine, c in zip(found, coordinates(kernel), strict=True):
        assert_allclose(mine, c.gradient(), rtol=1e-10)


def test_a_parameter_held_fixed_has_no_coordinate(X):
    kernel = moved("scale(rbf)")
    kernel.raw_outputscale.requires_grad_(False)
    found = Stationary.of(kernel).evaluate(X)[1].gradient(torch.ones(40, 40, dtype=torch.float64))
    assert [len(part) for part in found] == [3]


@pytest.mark.parametrize("text", ["rq", "rbf * matern32", "rbf + linear", "periodic"])
def test_others_are_left_to_autograd(text):
    assert Stationary.of(kernels.build(text, 3)) is None


def test_a_subclass_or_a_batch_is_left_to_autograd():
    class Mine(gk.RBFKernel):
        pass

    assert Stationary.of(Mine().double()) is None
    assert Stationary.of(gk.RBFKernel(batch_shape=torch.Size([2])).double()) is None
