"""A hundred data sets of ten points, each fitted with ten Gaussians: all overfit, the mean hardly.

The lecture's figure of why averages of models win, and the law behind it: the error of a mean falls
with the number of members as far as their errors are independent. Fits to bootstrap samples of one
data set share its errors, and gain less.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.linear_model import Ridge

import equatorium as eq

POINTS, NOISE, WIDTH = 10, 0.2, 0.1
CENTRES = np.linspace(0, 1, 10)


def truth(x):
    return np.sin(2 * np.pi * x)


def basis(x):
    return np.exp(-0.5 * ((x[:, None] - CENTRES) / WIDTH) ** 2)


def draw(rng):
    x = rng.uniform(0, 1, POINTS)
    return basis(x), truth(x) + NOISE * rng.normal(size=POINTS)


x = np.linspace(0, 1, 200)
ten_gaussians = Ridge(alpha=1e-2, fit_intercept=False)
fresh = eq.bias_variance(ten_gaussians, draw, basis(x), truth(x), repeats=100, rng=1)
print("fresh data:", fresh.summary())
print(f"one data set / mean of 100: {fresh.single / fresh.averaged:.0f}")
one = draw(np.random.default_rng(3))
again = eq.bias_variance(ten_gaussians, one, basis(x), truth(x), repeats=100, rng=1)
print("bootstrap of one:", again.summary())

figure, axes = plt.subplots(1, 3, figsize=(11, 3.6), layout="constrained")
axes[0].plot(x, fresh.predicted[:20].T, color="C0", lw=0.8, alpha=0.6)
axes[0].set_title("20 of 100 fits")
axes[1].plot(x, fresh.predicted.mean(axis=0), color="C0", label="mean of the fits")
axes[1].set_title(f"mean of 100: error {fresh.single / fresh.averaged:.0f} times smaller")
for panel in axes[:2]:
    panel.plot(x, truth(x), color="k", ls="--", lw=1.2, label="truth")
    panel.set(xlabel="x", ylabel="y", ylim=(-2, 2))
axes[1].legend(frameon=False, loc="lower left")

members = np.unique(np.geomspace(1, 50, 15).astype(int))
for source, colour, name in ((draw, "C0", "fresh data"), (one, "C3", "bootstrap samples")):
    some, others = (
        eq.bias_variance(ten_gaussians, source, basis(x), truth(x), repeats=600, rng=seed)
        for seed in (2, 3)
    )
    law = eq.error_law(some.predicted - some.truth)
    print(f"{name}: correlation of the members' errors {law.correlation:.3f}")
    means = []
    for b in members:  # what means of other members than those that gave the law do
        groups = others.predicted[: 600 // b * b].reshape(-1, b, x.size).mean(axis=1)
        means.append(np.mean((groups - others.truth) ** 2))
    axes[2].plot(members, means, "o", color=colour, ms=4)
    label = rf"{name}, $\rho$ = {law.correlation:.2f}"
    axes[2].plot(members, law(members), color=colour, label=label)
axes[2].set(xscale="log", yscale="log", xlabel="members averaged", ylabel="mean squared error")
axes[2].set_ylim(top=0.25)
axes[2].set_title(r"$\rho\sigma^2 + (1 - \rho)\sigma^2 / B$")
axes[2].legend(frameon=False, loc="upper right")
figure.savefig("hundred_data_sets.png", dpi=120)
