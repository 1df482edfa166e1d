"""What every peer's script does: read the runs, fit, predict the test set, measure, write.

    <interpreter of the peer> <script>.py <in.npz> <out> <timings> [variant]

``in.npz`` holds X (n, d), Y (n, p), Xt (m, d). Written are ``out.npz`` with mean and std (m, p),
and ``out.json``: the CPU seconds of first use (imports and a fit of 40 toy runs, which loads what
is loaded late) and of the fit; for batches of 1, 64 and 10,000 points, CPU and wall microseconds a
point (if `timings` is 1); the peak memory of the process. Needs numpy alone.
"""

import json
import resource
import sys
import time
import warnings
from pathlib import Path

import numpy as np

PATIENCE = 20.0  # CPU seconds that the batch of 10,000 points may take, judged by the test set


def cpu():
    """CPU seconds of this process and of those it has started."""
    mine, children = (
        resource.getrusage(w) for w in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    )
    return sum(u.ru_utime + u.ru_stime for u in (mine, children))


def peak():
    """Peak memory of the process, MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def per_point(predict, Xt, size, repeats):
    """Median CPU and wall microseconds a point, for batches of one size."""
    X = np.resize(Xt, (size, Xt.shape[1]))
    found = []
    for _ in range(repeats):
        start, wall = cpu(), time.perf_counter()
        predict(X)
        found.append((cpu() - start, time.perf_counter() - wall))
    return [float(1e6 * t / size) for t in np.median(found, axis=0)]


def run(fit):
    """Measure `fit(X, Y, variant) -> predict`, where `predict(X) -> (mean, std)`, each (m, p)."""
    warnings.simplefilter("ignore")
    source, out, timings, *variant = sys.argv[1:]
    data = np.load(source)
    toy = np.random.default_rng(0).random((40, 2))
    fit(toy, np.sin(toy.sum(axis=1, keepdims=True)), *variant)(toy[:3])
    record = {"first_use_cpu_s": cpu(), "first_use_peak_mb": peak()}
    start = cpu()
    predict = fit(data["X"], data["Y"], *variant)
    record["fit_cpu_s"] = cpu() - start
    record["fit_peak_mb"] = peak()
    start = cpu()
    mean, std = predict(data["Xt"])
    record["predict_cpu_s"] = spent = cpu() - start
    record["peak_mb"] = peak()
    np.savez(out + ".npz", mean=mean, std=std)
    batches = {1: 25, 64: 7} if timings == "1" else {}
    if batches and spent * 10_000 / len(data["Xt"]) < PATIENCE:
        batches[10_000] = 1
    for size, repeats in batches.items():
        record[f"us_cpu_{size}"], record[f"us_wall_{size}"] = per_point(
            predict, data["Xt"], size, repeats
        )
    Path(out + ".json").write_text(json.dumps(record))
