"""A relation between two measured quantities: what errors in x do to its slope.

A Tully-Fisher relation (made up): rotation velocities with errors as large as their spread within
the sample, magnitudes with small ones, and scatter of the relation itself. Least squares of y on x
is too flat, of x on y too steep. LinMix, which takes the true x to come from a clump as they do,
finds the slope; Hyperplane, which takes them to be spread evenly, is a little steep.
"""

import matplotlib.pyplot as plt
import numpy as np

import equatorium as eq

SLOPE, INTERCEPT, SCATTER = -8.0, -21.0, 0.25
BINS = np.linspace(-15, -3, 61)
rng = np.random.default_rng(5)
true = 0.13 * rng.normal(size=60)  # log of the velocity over 160 km/s
x_err, y_err = rng.uniform(0.06, 0.12, 60), rng.uniform(0.05, 0.15, 60)
x = true + x_err * rng.normal(size=60)
y = INTERCEPT + SLOPE * true + np.hypot(SCATTER, y_err) * rng.normal(size=60)

plain, across = np.polyfit(x, y, 1), np.polyfit(y, x, 1)
lines = {
    "least squares, y on x": plain,
    "least squares, x on y": [1 / across[0], -across[1] / across[0]],
}
errors = np.column_stack([x_err, y_err])
found = {}
for name, model in {
    "Hyperplane": eq.Hyperplane(x, y, errors),
    "LinMix": eq.LinMix(x, y, errors, components=1),
}.items():
    posterior = eq.Posterior(model.space, model)
    draws = eq.sampler("emcee", walkers=32).run(posterior, rng=1, progress=False)
    values = model.values(draws)
    found[name] = {key: np.ravel(values[key]) for key in ("slope", "intercept")}
    low, middle, high = np.quantile(found[name]["slope"], [0.16, 0.5, 0.84])
    print(f"{name}: slope {middle:.2f} +{high - middle:.2f} -{middle - low:.2f}")
for name, (slope, _) in lines.items():
    print(f"{name}: slope {slope:.2f}")

figure, axes = plt.subplots(1, 2, figsize=(11, 4.2), layout="constrained")
grid = np.linspace(-0.45, 0.45, 50)
axes[0].errorbar(x, y, y_err, x_err, fmt="o", color="0.35", ms=3, lw=0.8)
for (name, line), colour in zip(lines.items(), ("C1", "C3"), strict=True):
    axes[0].plot(grid, np.polyval(line, grid), color=colour, label=name)
axes[0].plot(grid, INTERCEPT + SLOPE * grid, "k--", lw=1.2, label="truth")
one = found["LinMix"]
band = one["intercept"][:, None] + one["slope"][:, None] * grid
axes[0].fill_between(
    grid, *np.quantile(band, [0.16, 0.84], axis=0), color="C0", alpha=0.35, label="LinMix, 68 %"
)
axes[0].set(xlabel="log (velocity / 160 km/s)", ylabel="absolute magnitude", ylim=(-17.5, -24.5))
axes[0].legend(frameon=False, loc="upper left", fontsize=9)
for (name, values), colour in zip(found.items(), ("C2", "C0"), strict=True):
    axes[1].hist(values["slope"], BINS, density=True, histtype="step", color=colour, label=name)
for (name, (slope, _)), colour in zip(lines.items(), ("C1", "C3"), strict=True):
    axes[1].axvline(slope, color=colour, label=name)
axes[1].axvline(SLOPE, color="k", ls="--", label="truth")
axes[1].set(xlabel="slope (mag per dex)", ylabel="density", xlim=(-15, -3))
axes[1].legend(frameon=False, loc="upper left", fontsize=9)
figure.savefig("tully_fisher.png", dpi=120)
