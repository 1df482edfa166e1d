"""Redshifts from colours by a random forest, each with a distribution instead of a number.

The galaxies are generated, unless EQUATORIUM_DATA names a folder with the table of SDSS main-sample
galaxies of the TPZ demonstration (Carrasco Kind & Brunner 2013, doi:10.1093/mnras/stt574).
"""

import gzip
import os
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

import equatorium as eq

TABLE = Path(os.environ.get("EQUATORIUM_DATA", "")) / "tables/photoz_sdss_mgs_train.txt.gz"


def galaxies(rng, n=3000):
    """Make up a flux-limited sample: a 4000 A break that wanders through five bands."""
    z = rng.gamma(4.0, 0.03, n).clip(0.005, 0.3)
    age = rng.beta(2.0, 2.0, n)[:, None]
    bands = np.log10([3550.0, 4690.0, 6170.0, 7480.0, 8930.0])
    rest = bands - np.log10(1 + z)[:, None]
    fall = (1.0 + 1.5 * age) / (1 + np.exp((rest - 3.6) / 0.035)) - 2.0 * (rest - 3.8)
    bright = 16.9 + 0.7 * rng.normal(size=n) + 5 * np.log10(z / 0.1).clip(-1)
    mags = bright.clip(14, 17.8)[:, None] + fall
    return mags + 0.05 * rng.normal(size=mags.shape), z


if TABLE.is_file():
    with gzip.open(TABLE, "rt") as file:
        rows = np.loadtxt(file)
    mags, z, source = rows[:, 1:6], rows[:, 0], "SDSS main sample"
else:
    mags, z = galaxies(np.random.default_rng(0))
    source = "generated"
print(f"{len(z)} galaxies, {source}")

X = np.column_stack([mags, -np.diff(mags, axis=1)])
learn = np.random.default_rng(1).permutation(len(z)) < 0.7 * len(z)
forest = eq.emulator("forest", n_estimators=100, random_state=0).fit(X[learn], z[learn])
prediction = forest.predict_dist(X[~learn])
true, mean = z[~learn], prediction.mean[:, 0]

error = (mean - true) / (1 + true)
pit = prediction.cdf(true[:, None])[:, 0]
low, high = prediction.quantile([0.05, 0.95])[..., 0]
inside = np.mean((true >= low) & (true <= high))
print(f"sigma of dz/(1+z): {error.std():.4f}, out-of-bag R2 {forest.oob_score_:.3f}")
print(f"90 % intervals hold {100 * inside:.1f} %")

figure, axes = plt.subplots(1, 3, figsize=(11, 3.6), layout="constrained")
limit = np.array([0.0, np.quantile(z, 0.999)])
axes[0].plot(true, mean, ".", ms=2, color="C0", alpha=0.4)
axes[0].plot(limit, limit, color="k", lw=1)
axes[0].set(xlabel="spectroscopic redshift", ylabel="mean of the forest", xlim=limit, ylim=limit)
axes[0].set_title(f"{source}: $\\sigma$ = {error.std():.4f}", fontsize=10)
# Three galaxies, of the narrowest, a middling and the widest distributions.
order = np.argsort(prediction.std[:, 0])
for colour, share in zip(("C0", "C1", "C2"), (0.05, 0.5, 0.97), strict=True):
    i = order[int(share * len(order))]
    values, weights = prediction.values[:, i, 0], prediction.weights[:, i]
    how = {"bins": 30, "range": limit, "density": True, "histtype": "stepfilled", "alpha": 0.5}
    axes[1].hist(values, weights=weights, fc=colour, **how)
    axes[1].axvline(true[i], color=colour, lw=1.5)
axes[1].set(xlabel="redshift", ylabel="predictive density", xlim=limit, yscale="symlog")
axes[1].set_title("three galaxies; lines: their true redshifts", fontsize=10)
axes[2].hist(pit, bins=15, range=(0, 1), density=True, color="0.75", ec="white")
band = 1.96 * np.sqrt(14 / len(pit))
axes[2].axhspan(1 - band, 1 + band, color="C0", alpha=0.2, lw=0)
axes[2].axhline(1.0, color="k", lw=1)
axes[2].set(xlabel="PIT", ylabel="density", xlim=(0, 1), ylim=(0, 1.6))
axes[2].set_title("calibration; band: 95 % by chance", fontsize=10)
figure.savefig("photoz.png", dpi=120)
