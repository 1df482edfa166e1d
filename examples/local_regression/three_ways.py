"""One curve, three local methods: nearest points, a kernel's mean, a straight line at each point.

A light curve of a pulsating star (made up), with gaps at both ends of the phase range: means of
neighbours flatten the edges and cut the peak, local lines do not. Errors grow with faintness, and
so do the predicted ones.
"""

import matplotlib.pyplot as plt
import numpy as np

import equatorium as eq


def magnitude(phase):
    """A steep rise and a slow fall, as RR Lyrae stars have them."""
    angle = 2 * np.pi * phase
    return 15.0 - 0.45 * np.sin(angle + 0.7 * np.sin(angle)) - 0.1 * np.cos(2 * angle)


rng = np.random.default_rng(3)
phase = np.sort(rng.uniform(0.04, 0.96, 160))
scatter = 0.02 + 0.10 * (magnitude(phase) - 14.5) ** 2
seen = magnitude(phase) + scatter * rng.normal(size=phase.size)

grid = np.linspace(0, 1, 400)[:, None]
truth = magnitude(grid[:, 0])
figure, panels = plt.subplots(1, 3, figsize=(11, 3.9), sharey=True, layout="constrained")
titles = {"knn": "mean of nearest points", "kernel": "kernel mean", "local-linear": "local lines"}
for axes, (name, title) in zip(panels, titles.items(), strict=True):
    model = eq.emulator(name).fit(phase[:, None], seen)
    mean, std = model.predict(grid, return_std=True)
    inside = (grid[:, 0] > 0.04) & (grid[:, 0] < 0.96)
    error = np.sqrt(np.mean((mean - truth)[inside] ** 2))
    print(f"{name}: rms error {error:.4f} mag, {model.neighbours_} neighbours")
    axes.fill_between(grid[:, 0], mean - std, mean + std, color="C0", alpha=0.25, lw=0)
    axes.plot(phase, seen, ".", color="0.45", ms=4)
    axes.plot(grid, truth, color="k", lw=1, ls="--", label="truth")
    axes.plot(grid, mean, color="C0", label="prediction, $\\pm 1\\,\\sigma$ of a new point")
    axes.set(title=title, xlabel="phase", xlim=(0, 1))
    axes.text(0.03, 0.04, f"rms error {1000 * error:.0f} mmag", transform=axes.transAxes)
panels[0].set_ylabel("magnitude")
panels[0].invert_yaxis()
panels[2].legend(loc="upper right", frameon=False, fontsize=8)
figure.savefig("local_regression.png", dpi=120)
