"""A line through twenty points, some of which do not belong to it: which, and what line?

Data: Hogg, Bovy & Lang 2010 (arXiv:1008.4686), table 1: x, y, sigma_y. They give, by least squares
through the points that are good, slope 2.24 +- 0.11 and intercept 34 +- 18.
"""

import matplotlib.pyplot as plt
import numpy as np

import equatorium as eq

TABLE = """
201 592 61  244 401 25  47 583 38  287 402 15  203 495 21  58 173 15  210 479 27  202 504 14
198 510 30  158 416 16  165 393 14  201 442 25  157 317 52  131 311 16  166 400 34  160 337 31
186 423 42  125 334 26  218 533 16  146 344 22
"""
x, y, y_err = np.array(TABLE.split(), dtype=float).reshape(20, 3).T

model = eq.OutlierMixture(x, y, y_err)
posterior = eq.Posterior(model.space, model)
starts = eq.annealed_starts(posterior, rng=1)  # chains would be stuck on lines through a few points
draws = eq.sampler("emcee", walkers=32).run(posterior, rng=1, starts=starts, progress=False)
print(draws.summary())

values = model.values(draws)
for name in ("slope", "intercept"):
    low, middle, high = np.quantile(values[name], [0.16, 0.5, 0.84])
    print(f"{name}: {middle:.2f} +{high - middle:.2f} -{middle - low:.2f}")
naive = np.polyfit(x, y, 1, w=1 / y_err)
print(f"least squares through all: slope {naive[0]:.2f}, intercept {naive[1]:.0f}")
bad = model.outlier_probability(draws)
print("outliers: points", ", ".join(str(i + 1) for i in np.flatnonzero(bad > 0.5)))

figure, axes = plt.subplots(figsize=(6.4, 4.6), layout="constrained")
grid = np.linspace(0, 300, 50)
chosen = np.random.default_rng(0).permutation(len(values["slope"]))[:4000]
lines = values["intercept"][chosen, None] + values["slope"][chosen, None] * grid
low, middle, high = np.quantile(lines, [0.16, 0.5, 0.84], axis=0)
axes.fill_between(grid, low, high, color="C0", alpha=0.3, lw=0)
axes.plot(grid, middle, color="C0", label="outlier mixture, 68 %")
axes.plot(grid, np.polyval(naive, grid), color="0.5", ls="--", label="least squares through all")
axes.errorbar(x, y, y_err, fmt="none", ecolor="0.4", lw=1, zorder=2)
points = axes.scatter(x, y, c=bad, cmap="cividis_r", vmin=0, vmax=1, edgecolor="k", zorder=3)
figure.colorbar(points, label="probability to be an outlier")
axes.set(xlabel="x", ylabel="y", xlim=(0, 300), ylim=(0, 700))
axes.legend(loc="lower right", frameon=False)
figure.savefig("line.png", dpi=120)

figure = eq.plots.corner(draws)
figure.savefig("corner.png", dpi=120)
