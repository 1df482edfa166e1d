"""Basis functions without and with a prior, and how ridge and lasso shrink coefficients.

Left: fifteen noisy points and thirteen Gaussians. Least squares runs wild between the points; the
posterior, its prior's width chosen by the evidence, does not, and knows where it knows little.
Right: eight inputs, of which three matter and two say nearly the same. Ridge lets these share,
lasso drops one; the penalties chosen are marked.
"""

import matplotlib.pyplot as plt
import numpy as np

import equatorium as eq

rng = np.random.default_rng(4)
x = np.sort(rng.random(15))
y = np.sin(2 * np.pi * x) + 0.2 * rng.normal(size=15)
grid = np.linspace(0, 1, 300)[:, None]
least_squares = eq.emulator("basis", n_functions=13, width=0.25, precision=0.0)
posterior = eq.emulator("basis", n_functions=13, width=0.25)

figure, panels = plt.subplots(1, 3, figsize=(12, 3.9), layout="constrained")
axes = panels[0]
wild = least_squares.fit(x[:, None], y).predict(grid)
mean, std = posterior.fit(x[:, None], y).predict(grid, return_std=True)
axes.plot(grid, np.sin(2 * np.pi * grid), "k--", lw=1, label="truth")
axes.plot(grid, wild, color="C1", lw=1, label="least squares")
axes.plot(grid, mean, color="C0", label="posterior, $\\pm 1\\,\\sigma$")
axes.fill_between(grid[:, 0], mean - std, mean + std, color="C0", alpha=0.25, lw=0)
axes.plot(x, y, "o", color="0.3", ms=4)
axes.set(ylim=(-2.2, 2.2), xlim=(0, 1), xlabel="x", ylabel="y", title="13 Gaussians, 15 points")
axes.legend(frameon=False, fontsize=8, loc="upper right")
for name, value in (("least squares", wild), ("posterior", mean)):
    error = np.sqrt(np.mean((value - np.sin(2 * np.pi * grid[:, 0])) ** 2))
    print(f"{name}: rms error {error:.3f}")

n, d = 60, 8
X = rng.normal(size=(n, d))
X[:, 1] = X[:, 0] + 0.1 * rng.normal(size=n)
target = 2 * X[:, 0] + 1.0 * X[:, 2] - 1.5 * X[:, 3] + 0.5 * rng.normal(size=n)
paths = {"ridge": np.geomspace(1e-3, 1e3, 40), "lasso": np.geomspace(1e-3, 3, 40)}
for axes, (name, penalties) in zip(panels[1:], paths.items(), strict=True):
    slopes = np.array(
        [eq.emulator(name, alpha=float(a)).fit(X, target).line()[1][:, 0] for a in penalties]
    )
    best = eq.emulator(name).fit(X, target)
    print(f"{name}: penalty {best.alpha_[0]:.3g}, {(best.coef_ != 0).sum()} coefficients left")
    for j in range(d):
        matters = j in (0, 1, 2, 3)
        colour, label = (f"C{j}", f"$w_{j + 1}$") if matters else ("0.7", None)
        axes.plot(penalties, slopes[:, j], color=colour, lw=1.6 if matters else 1, label=label)
    axes.plot([], [], color="0.7", label="others")
    chosen = best.alpha_[0] / (n if name == "ridge" else 1)
    axes.axvline(chosen, color="k", ls=":", lw=1)
    axes.set(xscale="log", xlabel="penalty $\\alpha$", title=name, ylim=(-1.9, 2.4))
    axes.axhline(0, color="k", lw=0.5)
panels[1].set_ylabel("coefficient")
panels[1].legend(frameon=False, fontsize=8, loc="lower right", ncols=2)
figure.savefig("shrinkage.png", dpi=120)
