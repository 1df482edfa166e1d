"""Gaussian processes on a GPU: steps of a fit, and predictions, beside GPyTorch on the same GPU.

    python -m benchmarks.gpu [--quick]

Wall milliseconds, medians, the device synchronised; 20 inputs, 30 outputs, one Matern-5/2 kernel
for all outputs (GPyTorch: a batch of 30, as it has no shared kernel). A step is the likelihood of
all outputs with its gradient, in float64, on the device and on one thread of the CPU up to 3000
runs. A prediction is the mean and the full covariance of the 30 outputs at 64 and 10,000 points
from 1000 runs; GPyTorch gives variances, with its fast predictive variances, in both precisions.
Then one exact fit of 20,000 runs, with its peak memory. --quick is for a machine without a GPU:
small sizes, on the CPU.
"""

import argparse
import json
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gpytorch
import numpy as np
import torch

from benchmarks.gp_steps import Batch
from equatorium_gp.devices import to_device
from equatorium_gp.fit import Objective, Problem
from equatorium_gp.spectral import tensor
from equatorium_gp.trend_gp import TrendGP

D, P = 20, 30
PIECE = 1000  # points at once for GPyTorch, which makes the covariance between them


def runs(n: int, p: int = P) -> tuple[np.ndarray, np.ndarray]:
    """Give inputs in the unit box and smooth outputs of unit variance, with a little noise."""
    rng = np.random.default_rng(0)
    X, W = rng.random((n, D)), rng.normal(size=(D, p)) / np.sqrt(D)
    Y = np.sin(3.0 * X @ W) + X[:, :p] @ np.ones((min(p, D), p)) / D
    return X, (Y - Y.mean(axis=0)) / Y.std(axis=0) + 0.02 * rng.standard_normal(Y.shape)


def milliseconds(call: Callable[[], Any], device: str) -> float:
    """Median wall time of nine calls, or of as many as three seconds allow, after a first one."""
    times: list[float] = []
    began = time.perf_counter()
    while len(times) < 10 and (len(times) < 2 or time.perf_counter() - began < 3.0):
        start = time.perf_counter()
        call()
        if device == "cuda":
            torch.cuda.synchronize()
        times.append(time.perf_counter() - start)
    return 1e3 * float(np.median(times[1:]))


def step(n: int, device: str) -> Callable[[], Any]:
    """Likelihood and gradient of one kernel and nugget, as `trend-gp` climbs them."""
    X, Y = runs(n)
    kernel = gpytorch.kernels.MaternKernel(nu=2.5, ard_num_dims=D).double()
    kernel.lengthscale = 0.5 * D**0.5
    H = np.column_stack([np.ones(n), X])
    problem = Problem(tensor(X, device), tensor(Y, device), H, np.ones(n), None)
    objective = Objective(to_device(kernel, device), problem, True)
    point = objective.read(1e-4)
    return lambda: objective(point)


def batch(X: np.ndarray, Y: np.ndarray, dtype: torch.dtype, device: str) -> tuple[Batch, Any]:
    """Build GPyTorch's batch of outputs on the device."""
    likelihood = gpytorch.likelihoods.GaussianLikelihood(batch_shape=torch.Size([Y.shape[1]]))
    inputs = torch.as_tensor(X, dtype=dtype).expand(Y.shape[1], *X.shape)
    model = Batch(inputs, torch.as_tensor(Y.T.copy(), dtype=dtype), likelihood)
    likelihood.noise = 1e-3
    return model.to(device, dtype), likelihood.to(device, dtype)


def gpytorch_step(n: int, dtype: torch.dtype, device: str) -> Callable[[], Any]:
    """Build one step of GPyTorch's training loop, with Cholesky factors as ours."""
    model, likelihood = batch(*runs(n), dtype, device)
    inputs, targets = (t.to(device) for t in (model.train_inputs[0], model.train_targets))
    model.set_train_data(inputs, targets, strict=False)
    density = gpytorch.mlls.ExactMarginalLogLikelihood(likelihood, model)

    def call() -> None:
        model.zero_grad()
        with gpytorch.settings.max_cholesky_size(10**6):
            (-density(model(inputs), targets).sum()).backward()

    model.train()
    return call


def gpytorch_prediction(
    n: int, points: np.ndarray, dtype: torch.dtype, device: str
) -> Callable[[], Any]:
    """Mean and variance by GPyTorch's fast predictive variances, its caches warm."""
    model, _ = batch(*runs(n), dtype, device)
    inputs, targets = (t.to(device) for t in (model.train_inputs[0], model.train_targets))
    model.set_train_data(inputs, targets, strict=False)
    model.eval()

    def call() -> Any:
        with torch.no_grad(), gpytorch.settings.fast_pred_var():
            for piece in torch.as_tensor(points, dtype=dtype).to(device).split(PIECE):
                found = model(piece.expand(P, *piece.shape))
                found.mean.cpu(), found.variance.cpu()

    return call


def measure(
    device: str, sizes: list[int], n: int, points: tuple[int, ...], large: int
) -> dict[str, Any]:
    """All of it; what fails is written down."""
    found: dict[str, Any] = {}

    def note(name: str, make: Callable[[], Callable[[], Any]], where: str = device) -> None:
        try:
            found[name] = milliseconds(make(), where)
        except (RuntimeError, torch.OutOfMemoryError) as error:
            found[name] = f"{type(error).__name__}: {str(error).splitlines()[0]:.80}"
        if device == "cuda":
            torch.cuda.empty_cache()
        value = found[name]
        print(f"{name:60s}{value if isinstance(value, str) else f'{value:12.2f} ms'}", flush=True)

    for size in sizes:
        note(f"step, {size} runs: ours, {device}", lambda: step(size, device))  # noqa: B023
        if size <= 3000:
            note(f"step, {size} runs: ours, CPU", lambda: step(size, "cpu"), "cpu")  # noqa: B023
    for dtype in (torch.float64, torch.float32):
        name = f"step, {n} runs: gpytorch, 30 kernels, {dtype}"
        note(name, lambda: gpytorch_step(n, dtype, device))  # noqa: B023
    X, Y = runs(n)
    models = {
        where: TrendGP(kernel="matern52", sharing="all", device=where, random_state=0).fit(X, Y)
        for where in dict.fromkeys((device, "cpu"))
    }
    for m in points:
        where_to = np.random.default_rng(1).random((m, D))
        for where, model in models.items():
            for what, call in (
                ("mean and variance", lambda: model.predict(where_to, return_std=True)),  # noqa: B023
                ("full covariance", lambda: model.predict_dist(where_to).cov().dense()),  # noqa: B023
            ):
                note(f"{m} points: ours, {what}, {where}", lambda: call, where)  # noqa: B023
        for dtype in (torch.float32, torch.float64):
            name = f"{m} points: gpytorch, variances, fast_pred_var, {dtype}"
            note(name, lambda: gpytorch_prediction(n, where_to, dtype, device))  # noqa: B023
    found |= exact_fit(large, device)
    return found


def exact_fit(n: int, device: str) -> dict[str, Any]:
    """Time and peak memory of one exact fit, and how near its predictions come."""
    X, Y = runs(n + 1000, 1)
    if device == "cuda":
        torch.cuda.reset_peak_memory_stats()
    start = time.perf_counter()
    model = TrendGP(kernel="matern52", device=device, random_state=0).fit(X[:n], Y[:n])
    seconds = time.perf_counter() - start
    mean, std = model.predict(X[n:], return_std=True)
    peak = torch.cuda.max_memory_allocated() / 1e9 if device == "cuda" else float("nan")
    found = {
        f"exact fit of {n} runs: s": seconds,
        f"exact fit of {n} runs: peak GB": peak,
        f"exact fit of {n} runs: rmse": float(np.sqrt(np.mean((mean - Y[n:]) ** 2))),
        f"exact fit of {n} runs: mean z2": float(np.mean(((mean - Y[n:]) / std) ** 2)),
    }
    print("\n".join(f"{name:60s}{value:12.4g}" for name, value in found.items()), flush=True)
    return found


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="small, on the CPU")
    parser.add_argument("--out", type=Path, default=Path("results/gpu.json"))
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if options.quick:
            found: dict[str, Any] = measure("cpu", [200], 200, (64, 500), 500)
        elif torch.cuda.is_available():
            print(torch.cuda.get_device_name())
            found = measure("cuda", [1000, 3000, 10_000, 20_000], 1000, (64, 10_000), 20_000)
            found["device"] = torch.cuda.get_device_name()
        else:
            raise SystemExit("There is no CUDA device here; --quick runs on the CPU.")
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
