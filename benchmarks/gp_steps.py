"""One step of a fit and of a sampler, over what the matrices alone cost, beside two peers.

    python -m benchmarks.gp_steps [--quick]

P1_1000: 1000 runs, 20 inputs, 30 outputs; one thread, CPU milliseconds, medians. A step of a fit
is the likelihood of all outputs with its gradient; its floor is one dpotrf and one dpotri. A step
of a sampler is a prediction at 64 points; its floor is the kernel's block, and the products that
give mean and variance of a kernel shared by all outputs. Scikit-learn and ours have one kernel,
GPyTorch has a batch of 30 in float32 with its default settings. --quick takes 200 runs.
"""

import argparse
import json
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gpytorch
import numpy as np
import torch
from scipy.linalg import lapack
from scipy.spatial.distance import cdist
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import ConstantKernel, Matern, WhiteKernel
from threadpoolctl import threadpool_limits

import equatorium as eq
from benchmarks.gp import problems
from equatorium_gp.fit import Objective, Problem
from equatorium_gp.stationary import Stationary


def milliseconds(repeats: int, *calls: Callable[[], Any]) -> list[float]:
    """Median CPU milliseconds of calls that take turns, after one each that does not count."""
    times = []
    for _ in range(repeats + 1):
        for call in calls:
            start = time.process_time()
            call()
            times.append(time.process_time() - start)
    rounds = np.reshape(times, (-1, len(calls)))[1:]
    return [float(t) for t in 1e3 * np.median(rounds, axis=0)]


def matern(distance: np.ndarray) -> np.ndarray:
    """Matern-5/2 of distances in units of the length-scale."""
    a = np.sqrt(5.0) * distance
    return (1.0 + a + a**2 / 3.0) * np.exp(-a)


def factor_and_invert(K: np.ndarray) -> np.ndarray:
    """Give the floor of a likelihood with gradient: Cholesky factor and inverse."""
    factor, _ = lapack.dpotrf(K, lower=1)
    return lapack.dpotri(factor, lower=1)[0]


def ours_step(X: np.ndarray, Y: np.ndarray) -> Callable[[], Any]:
    """Likelihood and gradient of one kernel and nugget, as `trend-gp` climbs them."""
    kernel = gpytorch.kernels.MaternKernel(nu=2.5, ard_num_dims=X.shape[1]).double()
    kernel.lengthscale = 0.5 * X.shape[1] ** 0.5
    assert Stationary.of(kernel) is not None  # the closed form is what is timed
    H, tensors = np.column_stack([np.ones(len(X)), X]), [torch.as_tensor(Z) for Z in (X, Y)]
    objective = Objective(kernel, Problem(*tensors, H, np.ones(len(X)), None), True)
    point = objective.read(1e-4)
    return lambda: objective(point)


def sklearn_step(X: np.ndarray, Y: np.ndarray) -> Callable[[], Any]:
    """Likelihood and gradient of scikit-learn's regressor."""
    kernel = ConstantKernel() * Matern(np.full(X.shape[1], 2.0), nu=2.5) + WhiteKernel(1e-4)
    model = GaussianProcessRegressor(kernel, optimizer=None).fit(X, Y)
    return lambda: model.log_marginal_likelihood(model.kernel_.theta, eval_gradient=True)


class Batch(gpytorch.models.ExactGP):
    """One Matern-5/2 kernel an output, all with the same inputs."""

    def __init__(self, X: Any, Y: Any, likelihood: Any) -> None:
        super().__init__(X, Y, likelihood)
        shape = torch.Size([len(Y)])
        self.mean_module = gpytorch.means.ConstantMean(batch_shape=shape)
        kernel = gpytorch.kernels.MaternKernel(nu=2.5, ard_num_dims=X.shape[-1], batch_shape=shape)
        kernel.lengthscale = 0.5 * X.shape[-1] ** 0.5
        self.covar_module = gpytorch.kernels.ScaleKernel(kernel, batch_shape=shape)

    def forward(self, X: Any) -> Any:
        return gpytorch.distributions.MultivariateNormal(self.mean_module(X), self.covar_module(X))


def batch(X: np.ndarray, Y: np.ndarray) -> tuple[Batch, Any]:
    """Build GPyTorch's batch in float32, with its likelihood."""
    likelihood = gpytorch.likelihoods.GaussianLikelihood(batch_shape=torch.Size([Y.shape[1]]))
    likelihood.noise = 1e-3
    inputs = torch.as_tensor(X, dtype=torch.float32).expand(Y.shape[1], *X.shape)
    return Batch(inputs, torch.as_tensor(Y.T.copy(), dtype=torch.float32), likelihood), likelihood


def gpytorch_step(X: np.ndarray, Y: np.ndarray) -> Callable[[], Any]:
    """Build one step of GPyTorch's training loop, less the optimiser's own."""
    model, likelihood = batch(X, Y)
    model.train()
    density = gpytorch.mlls.ExactMarginalLogLikelihood(likelihood, model)

    def step() -> None:
        model.zero_grad()
        (-density(model(*model.train_inputs), model.train_targets).sum()).backward()

    return step


def gpytorch_prediction(
    X: np.ndarray, Y: np.ndarray, points: np.ndarray, fast: bool
) -> Callable[[], Any]:
    """Mean and variance, with GPyTorch's caches warm; `fast` is its low-rank approximation."""
    model, _ = batch(X, Y)
    model.eval()
    where = torch.as_tensor(points, dtype=torch.float32).expand(Y.shape[1], *points.shape)

    def predict() -> Any:
        with torch.no_grad(), gpytorch.settings.fast_pred_var(fast):
            found = model(where)
            return found.mean, found.variance

    return predict


def floor_prediction(X: np.ndarray, Y: np.ndarray, points: np.ndarray) -> Callable[[], Any]:
    """Kernel block, mean and variance from a cached inverse factor."""
    scale = 0.5 * X.shape[1] ** 0.5
    K = matern(cdist(X, X) / scale) + 1e-4 * np.eye(len(X))
    inverse_factor = np.linalg.inv(np.linalg.cholesky(K))
    alpha = np.linalg.solve(K, Y)

    def predict() -> Any:
        # Distances by a product, as no faster way is known.
        square = (X**2).sum(axis=1) + (points**2).sum(axis=1)[:, None] - 2.0 * points @ X.T
        k = matern(np.sqrt(np.maximum(square, 0.0)) / scale)
        return k @ alpha, 1.0 - np.square(k @ inverse_factor.T).sum(axis=1)

    return predict


def measure(n: int, repeats: int) -> dict[str, float]:
    """All of it, in milliseconds."""
    data = problems().load(f"P1_{n}", 0)
    X, Y, points = data["X"], data["Y"], data["Xt"][:64]
    Y = (Y - Y.mean(axis=0)) / Y.std(axis=0)
    K = np.asfortranarray(matern(cdist(X, X)) + 1e-4 * np.eye(n))
    found: dict[str, float] = {}
    names = ("floor, potrf + potri", "ours", "scikit-learn", "gpytorch")
    steps = (ours_step(X, Y), sklearn_step(X, Y), gpytorch_step(X, Y))
    times = milliseconds(2 * repeats + 1, lambda: factor_and_invert(K), *steps)
    found |= {f"step: {name}": time for name, time in zip(names, times, strict=True)}
    model = eq.emulator("trend-gp", kernel="matern52").fit(X, Y)
    shared = eq.emulator("trend-gp", kernel="matern52", sharing="all").fit(X, Y)
    names = (
        "64 points: floor",
        "64 points: ours, one kernel, variances",
        "64 points: ours, one kernel, full covariance",
        "64 points: ours, components, full covariance",
    )
    calls = (
        floor_prediction(X, Y, points),
        lambda: shared.predict(points, return_std=True),
        lambda: shared.predict_dist(points).cov(),
        lambda: model.predict_dist(points).cov(),
    )
    found |= zip(names, milliseconds(20 * repeats, *calls), strict=True)
    for name, fast in (("", False), (", fast_pred_var", True)):
        predict = gpytorch_prediction(X, Y, points, fast)
        found |= {f"64 points: gpytorch, variances{name}": milliseconds(3 * repeats, predict)[0]}
    return found


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="200 runs")
    parser.add_argument("--out", type=Path, default=Path("results/gp_steps.json"))
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    with threadpool_limits(1), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = measure(200 if options.quick else 1000, 3)
    for name, value in found.items():
        floor = found["step: floor, potrf + potri" if name[0] == "s" else "64 points: floor"]
        print(f"{name:44s}{value:10.2f} ms  {value / floor:8.2f} floors")
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
