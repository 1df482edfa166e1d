"""What cheap runs of a lower level add to a few dear ones.

    python -m benchmarks.multifidelity

Power spectra (49 wavenumbers) of 50 cheap and 3 dear simulations in 5 parameters (Ho, Bird &
Shelton 2022, MNRAS 509, 2551, doi:10.1093/mnras/stab3114): every dear one is predicted from the two
others, with the cheap ones nested (the held-out simulation was run cheaply too) or not (the cheap
ones at all three dear points are left out). Relative errors of P(k), mean over k. Then Forrester's
pair: 11 cheap and 4 dear runs. Needs EQUATORIUM_DATA, or the data beside the repository.
"""

import os
import time
from pathlib import Path

import numpy as np

import equatorium as eq

FOLDER = Path(os.environ.get("EQUATORIUM_DATA", Path(__file__).parents[2] / "shared" / "data"))


def levels(*points):
    """X with the level as its last column."""
    return np.vstack([np.column_stack([x, np.full(len(x), t)]) for t, x in enumerate(points)])


def spectra(nested):
    """Errors of every held-out dear simulation, by method."""
    with np.load(FOLDER / "simulations" / "multifidelity_power_spectrum.npz") as data:
        X = [data[f"train_input_fidelity_{t}"] for t in (0, 1)]
        Y = [data[f"train_output_fidelity_{t}"] for t in (0, 1)]
    if not nested:
        apart = ~(X[0][:, None] == X[1]).all(axis=2).any(axis=1)
        X[0], Y[0] = X[0][apart], Y[0][apart]
    for i in range(3):
        rest = np.arange(3) != i
        start = time.process_time()
        model = eq.emulator("multifidelity-gp")
        model.fit(levels(X[0], X[1][rest]), np.vstack([Y[0], Y[1][rest]]))
        found = model.predict_dist(levels(X[0][:0], X[1][[i]]))
        seconds = time.process_time() - start
        cheap = eq.emulator("trend-gp").fit(X[0], Y[0]).predict(X[1][[i]])
        few = eq.emulator("trend-gp").fit(X[1][rest], Y[1][rest]).predict(X[1][[i]])
        offset = (Y[1][rest] - eq.emulator("trend-gp").fit(X[0], Y[0]).predict(X[1][rest])).mean(0)
        error = [
            np.abs(10 ** (mean - Y[1][[i]]) - 1).mean()
            for mean in (found.mean, few, cheap, cheap + offset)
        ]
        z2 = np.mean((found.mean - Y[1][[i]]) ** 2 / found.variance)
        yield [*error, z2, seconds]


def forrester():
    """Rms errors of levels, the dear runs alone and the cheap function; z2; rho."""
    x, cheap, dear = np.linspace(0, 1, 501), np.linspace(0, 1, 11), np.array([0, 0.4, 0.6, 1.0])

    def high(x):
        return (6 * x - 2) ** 2 * np.sin(12 * x - 4)

    def low(x):
        return 0.5 * high(x) + 10 * (x - 0.5) - 5

    model = eq.emulator("multifidelity-gp", kernel="rbf")
    model.fit(levels(cheap, dear), np.r_[low(cheap), high(dear)])
    mean, std = model.predict(levels([], x), return_std=True)
    few = eq.emulator("trend-gp").fit(dear[:, None], high(dear)).predict(x[:, None])
    error = [np.sqrt(np.mean((m - high(x)) ** 2)) for m in (mean, few, low(x))]
    return [*error, np.mean(((mean - high(x)) / std) ** 2), model.rho_[0, 0]]


def main():
    """Print both tables."""
    print("design | held out | levels | dear only | cheap only | cheap + offset | z2 | CPU s")
    for nested in (True, False):
        rows = np.array(list(spectra(nested)))
        for i, row in enumerate([*rows, rows.mean(axis=0)]):
            name = str(i) if i < 3 else "mean"
            print("nested" if nested else "apart", name, *(f"{v:.4f}" for v in row), sep=" | ")
    print("Forrester: levels, dear only, cheap, z2, rho:", *(f"{v:.3f}" for v in forrester()))


if __name__ == "__main__":
    main()
