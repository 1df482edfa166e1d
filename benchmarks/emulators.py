"""`gp` and `trend-gp` beside scikit-learn's Gaussian process: same data, same run, one thread.

    python -m benchmarks.emulators [--quick] [--designs 10] [--problems P1_200 borehole_100 ...]

The problems and metrics are those of ``benchmarks/problems.py`` of the project's shared folder:
``../shared/benchmarks``, or ``benchmarks`` beside the folder that EQUATORIUM_DATA names. Scores are
means over designs (splits, for real simulators) with their standard errors, differences of log
density are paired. Times are CPU seconds of one thread. The peer has a constant times an
anisotropic Matern-5/2 kernel and white noise, shared by all outputs (scikit-learn's own way with
many outputs), one start, and is what its users would write; on P1_1000 only one evaluation of its
likelihood with gradient is timed.
"""

import argparse
import importlib.util
import json
import os
import platform
import sys
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sklearn.exceptions import ConvergenceWarning
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import ConstantKernel, Matern, WhiteKernel
from threadpoolctl import threadpool_limits

import equatorium as eq

PROBLEMS = ("borehole_100", "otl_100", "piston_100", "friedman_200", "P1_200", "cardiac1_200")
LARGE = "P1_1000"
COLUMNS = ("cpu_s", "nrmse", "crps", "mse_std", "cov95", "mlpd")


def problems() -> Any:
    """Import the shared definition of the benchmark problems."""
    root = Path(__file__).resolve().parents[1]
    folders = [root.parent / "shared" / "benchmarks"]
    if "EQUATORIUM_DATA" in os.environ:
        folders.insert(0, Path(os.environ["EQUATORIUM_DATA"]).resolve().parent / "benchmarks")
    for folder in folders:
        if (folder / "problems.py").is_file():
            spec = importlib.util.spec_from_file_location("problems", folder / "problems.py")
            module = importlib.util.module_from_spec(spec)
            spec.loader.exec_module(module)
            return module
    raise SystemExit(f"No problems.py in {' or '.join(map(str, folders))}; set EQUATORIUM_DATA.")


def peer(d: int) -> GaussianProcessRegressor:
    """Scikit-learn's Gaussian process with a length-scale per input."""
    matern = Matern(np.ones(d), (1e-2, 1e3), nu=2.5)
    kernel = ConstantKernel(1.0, (1e-3, 1e5)) * matern + WhiteKernel(1e-4, (1e-10, 1.0))
    return GaussianProcessRegressor(kernel, normalize_y=True)


def predictions(model: Any, X: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation, (m, p)."""
    mean, std = model.predict(X, return_std=True)
    return mean.reshape(len(X), -1), std.reshape(len(X), -1)


def row(shared: Any, data: dict[str, np.ndarray], model: Any) -> dict[str, float]:
    """Fit, predict the test set, and score."""
    start = time.process_time()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(data["X"], data["Y"])
    seconds = time.process_time() - start
    mean, std = predictions(model, data["Xt"])
    scores = shared.metrics(data["Yt"], mean, std, data["Y"])
    return {"cpu_s": seconds, **{name: scores[name] for name in COLUMNS[1:]}}


def peer_step(data: dict[str, np.ndarray]) -> float:
    """CPU seconds of one likelihood with gradient of the peer."""
    model = peer(data["X"].shape[1]).set_params(optimizer=None).fit(data["X"], data["Y"])
    start = time.process_time()
    model.log_marginal_likelihood(model.kernel_.theta, eval_gradient=True)
    return time.process_time() - start


def prediction_time(model: Any, X: np.ndarray, repeats: int = 30) -> float:
    """Median CPU milliseconds of the full predictive covariance at the points X."""
    times = []
    for _ in range(repeats):
        start = time.process_time()
        model.predict_dist(X).cov()
        times.append(time.process_time() - start)
    return 1e3 * float(np.median(times))


def methods(d: int) -> dict[str, Any]:
    """Return ours and the peer, unfitted."""
    return {"gp": eq.emulator("gp"), "trend-gp": eq.emulator("trend-gp"), "scikit-learn": peer(d)}


def compare(shared: Any, name: str, designs: int) -> dict[str, Any]:
    """Scores of all methods on one problem, (designs,) arrays as lists."""
    rows: dict[str, list[dict[str, float]]] = {}
    for seed in range(designs):
        data = shared.load(name, seed)
        for method, model in methods(data["X"].shape[1]).items():
            rows.setdefault(method, []).append(row(shared, data, model))
    return {
        method: {column: [each[column] for each in found] for column in COLUMNS}
        for method, found in rows.items()
    }


def show(name: str, found: dict[str, dict[str, list[float]]]) -> None:
    """Print one problem's rows: mean and standard error over designs, log density paired."""
    theirs = np.array(found["scikit-learn"]["mlpd"])
    for method, scores in found.items():
        cells = []
        for column in COLUMNS:
            values = np.array(scores[column])
            error = values.std(ddof=1) / np.sqrt(len(values)) if len(values) > 1 else np.nan
            cells.append(f"{values.mean():9.4g} ({error:.2g})")
        gain = np.array(scores["mlpd"]) - theirs
        error = gain.std(ddof=1) / np.sqrt(len(gain)) if len(gain) > 1 else np.nan
        cells.append(f"{gain.mean():+.3f} ({error:.2g})")
        print(f"{name:14s}{method:14s}" + "  ".join(cells), flush=True)


def large(shared: Any) -> dict[str, Any]:
    """Fit many runs; time one step of the peer, and predictions."""
    data = shared.load(LARGE)
    model = eq.emulator("trend-gp")
    record = {
        "trend-gp": row(shared, data, model),
        "peer_step_cpu_s": peer_step(data),
        "predict_64_cpu_ms": prediction_time(model, data["Xt"][:64]),
    }
    print(f"{LARGE}: {record}", flush=True)
    return record


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="one design each, no P1_1000")
    parser.add_argument("--designs", type=int, default=10)
    parser.add_argument("--problems", nargs="*", default=PROBLEMS)
    parser.add_argument("--out", default="results/emulators.json")
    options = parser.parse_args(arguments)
    designs = 1 if options.quick else options.designs
    torch.set_num_threads(1)
    shared, results = problems(), {}
    print(f"{'problem':14s}{'method':14s}" + "  ".join(f"{c:>9s} (error)" for c in COLUMNS))
    with threadpool_limits(1):
        for name in options.problems:
            results[name] = compare(shared, name, designs)
            show(name, results[name])
        if not options.quick:
            results[LARGE] = large(shared)
    record = {
        "cores": os.cpu_count(),
        "processor": platform.machine(),
        "python": platform.python_version(),
        "threads": 1,
        "designs": designs,
        "results": results,
    }
    out = Path(options.out)
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(record, indent=2) + "\n")
    print(f"written to {out}")


if __name__ == "__main__":
    main(sys.argv[1:])
