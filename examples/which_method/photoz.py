"""Which method for photometric redshifts? Measure it; then see whether the answer holds elsewhere.

Galaxies of the SDSS main sample (the demonstration sample of TPZ, Carrasco Kind & Brunner 2013,
doi:10.1093/mnras/stt574), if EQUATORIUM_DATA names the folder that holds them; otherwise galaxies
made up from a toy relation. An argument limits the number of galaxies.
"""

import os
import sys
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from sklearn.ensemble import RandomForestRegressor
from sklearn.neighbors import KNeighborsRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import equatorium as eq


def galaxies():
    """Return inputs (r and four colours) and redshifts."""
    path = Path(os.environ.get("EQUATORIUM_DATA", "")) / "tables/photoz_sdss_mgs_train.txt.gz"
    if path.exists():
        print("galaxies of the SDSS main sample")
        table = np.loadtxt(path)
        return table[:, [3, 6, 7, 8, 9]], table[:, 0]
    print("made-up galaxies")
    rng = np.random.default_rng(0)
    z, kind = rng.gamma(4, 0.025, 5000), rng.uniform(0, 1, 5000)
    bend = np.array([2.0, 4.0, 1.0, 0.5])
    colours = np.array([1.6, 0.6, 0.35, 0.2]) * (0.6 + 0.6 * kind[:, None]) + bend * z[:, None]
    r = 17.2 + 3 * np.log10(z / 0.1) + 0.6 * rng.normal(size=5000)
    return np.column_stack([r, colours + [0.1, 0.03, 0.02, 0.03] * rng.normal(size=(5000, 4))]), z


X, z = galaxies()
if len(sys.argv) > 1:
    X, z = X[: int(sys.argv[1])], z[: int(sys.argv[1])]


def per_1_plus_z(redshift):
    return 1 + redshift


nearest = make_pipeline(StandardScaler(), KNeighborsRegressor(10))
forest = RandomForestRegressor(30, min_samples_leaf=3, random_state=0)
known = {entry.name for entry in eq.methods("emulator")}
methods = {name: name for name in ("local-linear", "forest") if name in known}
methods |= {
    "10 nearest": nearest,
    "10 nearest, local width": eq.SplitConformal(nearest, scale=KNeighborsRegressor(50)),
    "scikit-learn forest": forest,
}
result = eq.compare(methods, (X, z), scale=per_1_plus_z, rng=1)
print(result)
eq.plots.compared_methods(result).savefig("photoz_methods.png")

sizes = np.geomspace(30, 0.8 * len(z), 4).astype(int)
curve = eq.learning_curve({"10 nearest": nearest, "forest": forest}, (X, z), sizes, simple=False)
eq.plots.learning_curves(curve, unit="redshift").savefig("photoz_learning.png")

# Trained on bright galaxies, asked for faint ones: scores of a cross-validation no longer hold.
bright = X[:, 0] < np.median(X[:, 0])
shift = eq.covariate_shift(X[bright], X[~bright])
print(shift.summary())
colours, target = X[:, 1:], z[bright]
model = eq.Conformal(nearest)
biases = {}
for name, chosen in {"as they are": slice(None), "weighted": shift.resample(0)}.items():
    faint = model.fit(colours[bright][chosen], target[chosen]).predict_dist(colours[~bright])
    biases[name] = eq.score(faint, z[~bright], "bias", scale=per_1_plus_z)["bias"]
    print(f"bright ones {name}: bias {biases[name]:+.4f}")

edges = np.linspace(0, np.quantile(z, 0.995), 41)
rows = np.random.default_rng(2).permutation(len(z))
held, rest = rows[: len(z) // 4], rows[len(z) // 4 :]
prediction = model.fit(X[rest], z[rest]).predict_dist(X[held])
stack = eq.stacked_density(prediction, edges)
loss = eq.cde_loss(eq.binned_density(prediction, edges), z[held], edges)
print(f"CDE loss {loss:.2f}; of N(z) for every galaxy {eq.cde_loss(stack, z[held], edges):.2f}")
figure, axes = plt.subplots(figsize=(5.4, 3.6), layout="constrained")
axes.hist(z[held], edges, density=True, color="0.8", label="true redshifts")
axes.stairs(stack, edges, color="C0", lw=1.5, label="stacked predictions")
axes.set(xlabel="redshift", ylabel="density", xlim=(0, edges[-1]))
axes.legend(frameon=False)
figure.savefig("photoz_stack.png", dpi=120)
