"""More width, less variance: networks beyond the width at which variance is largest.

python width.py [repeats] [small]  ->  the numbers, and width.png

Left: two linear layers, the first one random. With data without end they project the truth on p
of d directions: bias^2 = (1 - p / d)^2, which only falls, and variance = p / d (1 - p / d), which
is largest at p = d / 2, in units of the truth's square (Yang Z. et al. 2020, ICML,
doi:10.48550/arXiv.2002.11328). Right: `mlp` trained to the end on noisy examples.
"""

import sys

import matplotlib.pyplot as plt
import numpy as np

import equatorium as eq

REPEATS = int(sys.argv[1]) if len(sys.argv) > 1 else 100
SMALL = "small" in sys.argv
D = 60
wave = lambda X: np.sin(2 * X[:, 0]) + X[:, 1] * X[:, 2]  # noqa: E731


class RandomLinear:
    """Two linear layers, y = (x W) b: W random and kept, b learned with a small penalty."""

    def __init__(self, width, seed):
        self.W = np.random.default_rng(seed).normal(size=(D, width)) / np.sqrt(D)

    def fit(self, X, y):
        F = X @ self.W
        self.b = np.linalg.solve(F.T @ F + 1e-3 * np.eye(F.shape[1]), F.T @ y)
        return self

    def predict(self, X):
        return X @ self.W @ self.b


def parts(make, source, X, truth, repeats):
    """Learn anew from fresh data with fresh weights, and take the errors apart."""
    fits = [make(r).fit(*source(np.random.default_rng(r))) for r in range(repeats)]
    found = eq.BiasVariance(np.array([one.predict(X) for one in fits]), truth)
    return np.array([found.bias2.mean(), found.variance.mean()]) / np.mean(truth**2)


def told(widths, found):
    for width, (bias2, variance) in zip(widths, found, strict=True):
        print(f"  width {width:3d}: bias^2 {bias2:.3f}, variance {variance:.3f}")


rng = np.random.default_rng(0)
slope = rng.normal(size=D)


def line(rng):
    X = rng.normal(size=(1200, D))
    return X, X @ slope


at = rng.normal(size=(500, D))
widths = np.array([3, 10, 20, 30, 40, 50, 60, 90, 120])
linear = [parts(lambda r, w=w: RandomLinear(w, r), line, at, at @ slope, REPEATS) for w in widths]
linear = np.array(linear)
print("two linear layers, d = 60")
told(widths, linear)
print(f"largest variance at width {widths[linear[:, 1].argmax()]}")


def waves(rng):
    X = rng.normal(size=(60, 5))
    return X, wave(X) + 0.3 * rng.normal(size=60)


def mlp(width, seed):
    how = {"n_members": 1, "validation": 0.0, "decay": 0.0, "head": "mse", "learning_rate": 0.01}
    how |= {"layers": f"dense({width}) relu", "epochs": 40 if SMALL else 300, "random_state": seed}
    return eq.network("mlp", **how)


there = rng.normal(size=(400, 5))
sizes = np.array([2, 64]) if SMALL else np.array([1, 2, 4, 8, 16, 32, 64, 128, 256])
few = 2 if SMALL else max(2, REPEATS // 10)
curved = np.array([parts(lambda r, w=w: mlp(w, r), waves, there, wave(there), few) for w in sizes])
print(f"mlp of one hidden layer, 60 noisy examples, {few} repeats")
told(sizes, curved)

figure, axes = plt.subplots(1, 2, figsize=(9, 3.6), layout="constrained")
share = np.linspace(0, 1, 100)
axes[0].plot(D * share, (1 - share) ** 2, color="C0", lw=1)
axes[0].plot(D * share, share * (1 - share), color="C1", lw=1)
axes[0].axvline(D / 2, color="0.7", lw=1, ls=":")
for axis, x, found in ((axes[0], widths, linear), (axes[1], sizes, curved)):
    line = "" if axis is axes[0] else "-"
    axis.plot(x, found[:, 0], "o" + line, color="C0", label="bias$^2$")
    axis.plot(x, found[:, 1], "s" + line, color="C1", label="variance")
    axis.set(xlabel="width (hidden units)", ylabel="share of the truth's mean square")
axes[0].set(title="two linear layers, d = 60; lines: theory")
axes[1].set(title="mlp, 60 noisy examples", xscale="log")
axes[0].legend()
figure.savefig("width.png", dpi=120)
