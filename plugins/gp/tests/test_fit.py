"""The optimiser finds what made the data, from a subset too, and minds the user's priors."""

import gpytorch
import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose

from equatorium.errors import InputError
from equatorium_gp import fit, kernels
from equatorium_gp.fit import Budget, Objective, Problem, learn, maximise, of_the_best_ratio
from equatorium_gp.stationary import BLOCK
from equatorium_gp.trend import Basis, terms

START = (1e-4, 1e-2)  # ratios of nugget and declared noise to signal


def draws(n, p, nugget, lengths=(0.3, 2.0), seed=0, noise=None):
    """Draws of a known Gaussian process with a constant trend."""
    rng = np.random.default_rng(seed)
    X = rng.random((n, 2))
    kernel = kernels.build("matern52", 2)
    kernels.coordinates(kernel)[0].set(np.log(lengths))
    K = kernel(torch.from_numpy(X), torch.from_numpy(X)).to_dense().detach().numpy()
    K += nugget * np.eye(n)
    Y = np.linalg.cholesky(K) @ rng.normal(size=(n, p))
    if noise is not None:
        Y += np.sqrt(noise) * rng.normal(size=(n, p))
    H = Basis(terms("constant", range(2)))(X)
    return Problem(torch.from_numpy(X), torch.from_numpy(Y), H, np.ones(n), noise)


def lengths_of(kernel):
    return kernel.lengthscale.detach().numpy()[0]


def test_finds_the_length_scales():
    kernel = kernels.build("matern52", 2)
    learn(kernel, draws(150, 20, 0.01), Budget(400, 60, 8), np.random.default_rng(0))
    assert_allclose(lengths_of(kernel), [0.3, 2.0], rtol=0.15)


def test_finds_the_nugget_beside_declared_noise():
    kernel, noise = kernels.build("matern52", 2), np.full(20, 0.04)
    delta, _, _ = learn(
        kernel, draws(150, 20, 0.01, noise=noise), Budget(400, 60, 8), np.random.default_rng(0)
    )
    assert_allclose(delta, 0.01, rtol=0.3)


def test_subset_then_all_ends_where_all_does():
    problem = draws(150, 10, 0.01)
    whole, warm = kernels.build("matern52", 2), kernels.build("matern52", 2)
    learn(whole, problem, Budget(400, 60, 0), np.random.default_rng(0))
    learn(warm, problem, Budget(60, 60, 15), np.random.default_rng(0))
    assert_allclose(np.log(lengths_of(warm)), np.log(lengths_of(whole)), atol=0.02)


def test_the_likelihood_is_evaluated_as_often_as_is_said(monkeypatch):
    count, evaluate = [], Objective.__call__
    monkeypatch.setattr(Objective, "__call__", lambda self, x: count.append(x) or evaluate(self, x))
    maximise(kernels.build("matern52", 2), draws(60, 3, 0.01), START, 6, True)
    assert len(count) == 6


@pytest.mark.parametrize(
    ("n_subset", "full", "expected"),
    [(30, 8, [(30, 10), (60, 8)]), (30, 0, [(30, 60)]), (60, 8, [(60, 60)])],
)
def test_a_start_that_is_near_saves_evaluations_where_all_runs_follow(
    monkeypatch, n_subset, full, expected
):
    asked = []

    def spy(kernel, problem, ratios, evaluations, *rest):
        asked.append((len(problem.H), evaluations))
        return np.asarray(ratios)

    monkeypatch.setattr(fit, "maximise", spy)
    monkeypatch.setattr(fit, "nugget_share", lambda *_: 0.0)  # nothing is lost
    budget, rng = Budget(n_subset, 60, full, np.zeros(2)), np.random.default_rng(0)
    learn(kernels.build("matern52", 2), draws(60, 1, 0.01), budget, rng, (1e-3, 1e-2))
    assert asked == expected


def test_gradient_is_small_at_the_end():
    problem, kernel = draws(80, 5, 0.01), kernels.build("scale(matern52) + linear", 2)
    maximise(kernel, problem, START, 200)
    objective = Objective(kernel, problem)
    gradient = objective(objective.read(0.0))[1]
    assert np.abs(gradient).max() < 1e-4


def test_registered_priors_are_honoured():
    """A prior of a live kernel that is all but certain must win over the likelihood."""
    problem = draws(60, 3, 0.01)
    certain = gpytorch.priors.NormalPrior(torch.tensor(0.9), torch.tensor(1e-4))
    kernel = gpytorch.kernels.MaternKernel(2.5, ard_num_dims=2, lengthscale_prior=certain).double()
    maximise(kernel, problem, START, 200)
    assert_allclose(lengths_of(kernel), 0.9, atol=1e-3)


def test_bounds_of_a_constraint_are_kept():
    problem = draws(60, 3, 0.01)
    narrow = gpytorch.constraints.Interval(1.0, 1.5)
    kernel = gpytorch.kernels.RBFKernel(ard_num_dims=2, lengthscale_constraint=narrow).double()
    maximise(kernel, problem, START, 60)
    assert (lengths_of(kernel) >= 1.0).all() and (lengths_of(kernel) <= 1.5).all()


def test_a_kernel_that_gives_nan_is_named():
    class Broken(gpytorch.kernels.RBFKernel):
        def forward(self, x1, x2, **how):
            return super().forward(x1, x2, **how) * float("nan")

    with pytest.raises(InputError, match="not finite"):
        maximise(Broken().double(), draws(20, 1, 0.01), START, 10)


@pytest.mark.parametrize("noise", [None, np.full(3, 0.04)])
@pytest.mark.parametrize("text", ["matern52", "scale(matern52) + scale(rbf)"])
def test_closed_form_and_autograd_give_the_same_numbers(text, noise):
    problem = draws(60, 3, 0.01, noise=noise)
    objective = Objective(kernels.build(text, 2), problem)
    start = objective.read(0.01)
    value, gradient = objective(start)
    assert objective.closed is not None
    objective.closed = None
    again, by_autograd = objective(start)
    assert value == pytest.approx(again, rel=1e-10)
    assert_allclose(gradient, by_autograd, rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize("noisy", [False, True])
@pytest.mark.parametrize("text", ["matern52", "matern12", "scale(matern32) + scale(rbf[0])"])
def test_triangles_matrices_and_autograd_give_the_same_numbers(text, noisy, monkeypatch):
    """One ratio for all: on triangles, in blocks of a few rows, and on whole matrices."""
    monkeypatch.setitem(BLOCK, "cpu", 7 * 60)
    given, rng = draws(60, 1 if noisy else 3, 0.01), np.random.default_rng(2)
    a, noise = (rng.uniform(0.3, 2.0, 60), np.array([0.3])) if noisy else (np.ones(60), None)
    problem = Problem(given.X, given.Y, given.H, a, noise)
    objective = Objective(kernels.build(text, 2), problem, True)
    point = objective.read(np.array([0.02, 0.3])) + rng.uniform(-0.3, 0.3, len(objective.mean))
    found = [objective(point)]
    assert objective.triangle is not None
    objective.triangle = None
    found.append(objective(point))
    objective.closed = None
    found.append(objective(point))
    for value, gradient in found[1 : 2 if text == "matern12" else 3]:
        # GPyTorch's matern12 is not smooth at a point's distance from itself.
        assert value == pytest.approx(found[0][0], rel=1e-10)
        assert_allclose(gradient, found[0][1], rtol=1e-8, atol=1e-10)


def test_triangles_mend_what_rounding_made_indefinite():
    """Repeated runs, whose noise is declared to be next to none."""
    X = torch.from_numpy(np.repeat(np.random.default_rng(0).random((10, 2)), 3, axis=0))
    Y, H = torch.sin(3.0 * X[:, :1]), np.ones((30, 1))
    problem = Problem(X, Y, H, np.ones(30), np.array([1e-20]))
    objective = Objective(kernels.build("rbf", 2), problem, True)
    value, gradient = objective(np.array([0.0, 0.0, np.log(1e-30), np.log(1e-30)]))
    assert np.isfinite(value) and np.isfinite(gradient).all()


def test_a_valley_of_too_small_nuggets_is_left():
    """A plane and noise, of which a process without nugget makes rough waves."""
    rng = np.random.default_rng(0)
    X = rng.random((60, 3))
    y = 3.0 * X[:, 0] - X[:, 1] + 0.01 * rng.standard_normal(60)
    X, y = (X - X.min(axis=0)) / np.ptp(X, axis=0), (y - y.mean()) / y.std()
    H = Basis(terms("constant", range(3)))(X)
    problem = Problem(torch.from_numpy(X), torch.from_numpy(y[:, None]), H, np.ones(60), None)
    kernel = kernels.build("matern52", 3)
    kernels.coordinates(kernel)[0].set(np.array([0.0, 1.5, 13.6]))  # where it once ended
    objective = Objective(kernel, problem, one_ratio=True)
    before = objective(objective.read(1e-9))[0]
    found = of_the_best_ratio(kernel, problem, np.array([1e-9, 1e-2]), Budget())
    assert objective(objective.read(found))[0] < before - 0.5


@pytest.mark.parametrize("centre", [None, np.array([0.5, -1.0])])
@pytest.mark.parametrize("noise", [None, np.array([0.3])])
def test_gradient_of_one_output_by_differences(noise, centre):
    """With both ratios free, and drawn to a centre or not."""
    rng = np.random.default_rng(1)
    given = draws(40, 1, 0.01, noise=None)
    a = np.ones(40) if noise is None else rng.uniform(0.3, 2.0, 40)
    problem = Problem(given.X, given.Y, given.H, a, noise)
    objective = Objective(kernels.build("matern52", 2), problem, True, centre)
    point = objective.read(np.array([0.02, 0.3])) + 0.1
    _, gradient = objective(point)
    assert len(point) == 2 + (1 if noise is None else 2)
    for i, step in enumerate(1e-5 * np.eye(len(point))):
        slope = (objective(point + step)[0] - objective(point - step)[0]) / 2e-5
        assert gradient[i] == pytest.approx(slope, rel=1e-5, abs=1e-8)


def test_many_runs_have_nuggets_of_their_own_where_these_differ(monkeypatch):
    """Above `FACTOR_FROM` by one decomposition of all runs; above `DECOMPOSED_TO` never."""
    problem = draws(150, 6, 0.001)
    noise = np.repeat([0.0, 3.0], 3) * np.random.default_rng(1).normal(size=(150, 6))
    problem = Problem(problem.X, problem.Y + torch.from_numpy(noise), problem.H, problem.a, None)
    monkeypatch.setattr(fit, "FACTOR_FROM", 100)

    def found(given):
        kernel = kernels.build("matern52", 2)
        return learn(kernel, given, Budget(80, 40, 3), np.random.default_rng(0))[1]

    assert found(problem) is None
    assert found(draws(150, 6, 0.1)) is not None
    monkeypatch.setattr(fit, "DECOMPOSED_TO", 120)
    assert found(problem) is not None
