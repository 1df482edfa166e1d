"""The methods beside scikit-learn called directly: what the framework costs, how it scales.

    python -m benchmarks.regression [--large METHOD,...]

prints seconds and memory.
"""

import argparse
import resource
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import numpy as np
from sklearn.linear_model import RidgeCV
from sklearn.mixture import GaussianMixture
from sklearn.neighbors import NearestNeighbors
from sklearn.preprocessing import StandardScaler

import equatorium as eq


def data(n, d, seed=0):
    """Inputs (n, d) of which two matter most, and an output of them."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, d))
    return X, np.sin(X[:, 0]) + 0.5 * X[:, 1] ** 2 + 0.1 * X[:, 2:].sum(1) + 0.1 * rng.normal(
        size=n
    )


def seconds(action, repeats):
    """The least of some CPU times: the machine may be busy with other things."""
    times = []
    for _ in range(repeats):
        start = time.process_time()
        action()
        times.append(time.process_time() - start)
    return min(times)


def overhead(repeats=5):
    """The same work through the framework and without it, as (name, ours, theirs)."""
    X, y = data(10_000, 4)
    new, _ = data(20_000, 4, seed=1)
    scaler = StandardScaler().fit(X)
    ours = eq.emulator("knn", neighbours=20, metric="standard").fit(X, y)
    near = NearestNeighbors(algorithm="kd_tree").fit(scaler.transform(X))
    square = np.square(ours.residuals_[:, 0])

    def mean_and_variance():
        index = near.kneighbors(scaler.transform(new), 50, return_distance=False)
        return y[index[:, :20]].mean(axis=1), 1.05 * square[index].mean(axis=1)

    theirs = mean_and_variance()
    prediction = ours.predict_dist(new)
    assert np.allclose(prediction.mean[:, 0], theirs[0], rtol=1e-10)
    assert np.allclose(prediction.variance[:, 0], theirs[1], rtol=0.05)
    yield (
        "knn, predict",
        seconds(lambda: ours.predict_dist(new), repeats),
        seconds(mean_and_variance, repeats),
    )
    alphas = np.geomspace(1e-8, 1e4, 37)
    yield (
        "ridge, fit",
        seconds(lambda: eq.emulator("ridge").fit(X, y), repeats),
        seconds(lambda: RidgeCV(alphas=alphas).fit(scaler.transform(X), y), repeats),
    )
    rows = X[:4000]
    gmm = eq.classifier("gmm", max_components=4)
    one = np.zeros(len(rows), dtype=int)

    def best_mixture():
        found = [GaussianMixture(g, reg_covar=1e-4, random_state=0).fit(rows) for g in range(1, 5)]
        return min(found, key=lambda mixture: mixture.bic(rows))

    yield "gmm, fit", seconds(lambda: gmm.fit(rows, one), 3), seconds(best_mixture, 3)


LARGE = ("ridge", "polynomial", "basis", "knn", "kernel", "local-linear")


def scale(name, n=100_000, d=10):
    """Fit and predict at n rows: the name, seconds to fit, to predict, peak memory in MB."""
    X, y = data(n, d)
    new, _ = data(n, d, seed=1)
    model = eq.emulator(name)
    start = time.process_time()
    model.fit(X, y)
    middle = time.process_time()
    model.predict(new)
    end = time.process_time()
    return (
        name,
        middle - start,
        end - middle,
        resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    )


def main():
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--large", help="which methods learn 1e5 rows, with commas; nothing else")
    large = parser.parse_known_args()[0].large
    for name, ours, theirs in overhead() if large is None else ():
        print(f"{name:14s} ours {ours:7.3f} s  scikit-learn {theirs:7.3f} s  x {ours / theirs:.2f}")
    # Each in a process of its own, whose peak is its own.
    pool = ProcessPoolExecutor(1, get_context("spawn"), max_tasks_per_child=1)
    for name, fit, predict, memory in pool.map(scale, large.split(",") if large else LARGE):
        print(f"{name:14s} fit {fit:7.1f} s  predict {predict:7.1f} s  peak {memory:6.0f} MB")


if __name__ == "__main__":
    main()
