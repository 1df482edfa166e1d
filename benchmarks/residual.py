"""What a mean that follows a steep layer gains a Gaussian process, and a useless one costs it.

    python -m benchmarks.residual [--quick]

``5 exp(8 (x0 - 1)) + 0.3 sin(4 x1 + 2 x2)`` on Latin hypercubes of 60 and 100 runs, 400 new points;
eight designs, all methods on each. Log densities are paired differences with trend-gp (constant
trend), the standard error over designs behind them.
"""

import argparse
import time

import numpy as np
from scipy.stats import qmc

import equatorium as eq


class Legendre(eq.Emulator):
    """A polynomial of every input by itself, of degree 2 but in the first; no variance of use."""

    capabilities = frozenset({"variance"})

    def __init__(self, degree=6):
        self.degree = degree

    def _basis(self, X):
        parts = [
            np.polynomial.legendre.legvander(2 * x - 1, self.degree if j == 0 else 2)
            for j, x in enumerate(X.T)
        ]
        return np.hstack([parts[0], *(part[:, 1:] for part in parts[1:])])

    def _fit(self, X, Y, noise):
        self.coef_ = np.linalg.lstsq(self._basis(X), Y, rcond=None)[0]

    def _predict_dist(self, X):
        mean = self._basis(X) @ self.coef_
        return eq.Gaussian(mean, eq.Diagonal(np.ones_like(mean)))


class Constant(eq.Emulator):
    """The mean of the runs."""

    capabilities = frozenset({"variance"})

    def _fit(self, X, Y, noise):
        self.mean_ = Y.mean(axis=0)

    def _predict_dist(self, X):
        mean = np.tile(self.mean_, (len(X), 1))
        return eq.Gaussian(mean, eq.Diagonal(np.ones_like(mean)))


def methods():
    return {
        "trend-gp, constant": eq.emulator("trend-gp", trend="constant"),
        "trend-gp, cubic": eq.emulator("trend-gp", trend="cubic", active="all"),
        "gp": eq.emulator("gp"),
        "residual-gp, polynomial": eq.emulator("residual-gp", mean=Legendre()),
        "residual-gp, constant": eq.emulator("residual-gp", mean=Constant()),
        "residual-gp, rbf": eq.emulator("residual-gp", mean="rbf"),
    }


def response(X):
    return 5.0 * np.exp(8.0 * (X[:, 0] - 1.0)) + 0.3 * np.sin(4.0 * X[:, 1] + 2.0 * X[:, 2])


def measured(n, seeds):
    """Log density, rms error over spread, z^2, coverage and CPU seconds of each on each design."""
    found = {name: [] for name in methods()}
    for seed in range(seeds):
        rng = np.random.default_rng(seed)
        X, new = qmc.LatinHypercube(3, rng=rng).random(n), rng.random((400, 3))
        y, truth = response(X), response(new)
        for name, model in methods().items():
            start = time.process_time()
            prediction = model.fit(X, y).predict_dist(new)
            seconds = time.process_time() - start
            square = (truth - prediction.mean[:, 0]) ** 2
            variance = prediction.variance[:, 0]
            density = -0.5 * (np.log(2 * np.pi * variance) + square / variance).mean()
            z2 = square / variance
            error = np.sqrt(square.mean()) / truth.std()
            found[name].append((density, error, z2.mean(), (z2 < 3.8415).mean(), seconds))
    return {name: np.array(values) for name, values in found.items()}


def main():
    """Measure eight designs, or two."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="two designs")
    options, _ = parser.parse_known_args()
    for n in (60, 100):
        found = measured(n, 2 if options.quick else 8)
        plain = found["trend-gp, constant"][:, 0]
        print(f"{n} runs | log density | gain | NRMSE | z2 | in 95 % | CPU s")
        for name, values in found.items():
            gain = values[:, 0] - plain
            error = gain.std(ddof=1) / np.sqrt(len(gain))
            mean = values.mean(axis=0)
            print(
                f"{name} | {mean[0]:.2f} | {gain.mean():+.2f} +- {error:.2f} | {mean[1]:.4f} | "
                f"{mean[2]:.2f} | {mean[3]:.3f} | {mean[4]:.1f}",
                flush=True,
            )


if __name__ == "__main__":
    main()
