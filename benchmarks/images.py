"""An image of 256 x 256 pixels with grid-gp: complete, and with gaps and noise that differs.

python -m benchmarks.images [--quick]
"""

import argparse
import time

import numpy as np
from scipy.ndimage import gaussian_filter

import equatorium as eq


def main():
    """Measure one image, or a small one."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="64 x 64 pixels")
    options, _ = parser.parse_known_args()
    n = 64 if options.quick else 256
    rng = np.random.default_rng(0)
    truth = sum(a * gaussian_filter(rng.normal(size=(n, n)), w) for a, w in ((1, 8), (0.3, 4)))
    truth = (truth / truth.std()).ravel()
    X = np.stack(np.meshgrid(np.arange(n), np.arange(n), indexing="ij"), axis=-1).reshape(-1, 2)
    seen = rng.random(n * n) > 0.3
    low, high = (np.array(corner) * n // 256 for corner in ((100, 80), (140, 150)))
    hole = (low <= X) & (high > X)
    seen[hole.all(axis=1)] = False
    sd = rng.choice([0.2, 0.4], size=n * n)
    print("pixels | method | fit CPU s | predict CPU s | z2, inside 95 % of pixels seen | not seen")
    for rows, error in ((seen | True, np.full(n * n, 0.3)), (seen, sd)):
        y = truth + error * rng.normal(size=n * n)
        start = time.process_time()
        model = eq.emulator("grid-gp", random_state=0)
        model.fit(X[rows], y[rows], noise=error[rows] ** 2)
        fitted = time.process_time()
        mean, std = model.predict(X, return_std=True)
        done = time.process_time()
        z2 = ((truth - mean) / std) ** 2
        told = [
            f"{z2[part].mean():.2f} {(z2[part] < 3.8415).mean():.3f}" if part.any() else "-"
            for part in (rows, ~rows)
        ]
        print(
            f"{n} x {n} | {model.method_} | {fitted - start:.1f} | {done - fitted:.2f} | "
            f"{' | '.join(told)}",
            flush=True,
        )


if __name__ == "__main__":
    main()
