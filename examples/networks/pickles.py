"""Spectral types of Pickles' stars: the committee of Bailer-Jones 1997, a wide network, and ridge.

python pickles.py [repeats]  ->  the numbers, and pickles.png

108 spectra of the library of Pickles 1998 (EQUATORIUM_DATA), 3800 to 7900 Angstrom in 821 pixels;
without it, made-up ones. Each spectrum has unit mean. Types are numbers: O5 is 0.5, G2 4.2.
"""

import os
import re
import sys
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from sklearn.linear_model import RidgeCV
from sklearn.model_selection import RepeatedKFold
from sklearn.pipeline import make_pipeline

import equatorium as eq

REPEATS = int(sys.argv[1]) if len(sys.argv) > 1 else 3
EPOCHS = 150 if REPEATS > 1 else 20
FILE = Path(os.environ.get("EQUATORIUM_DATA", "../shared/data")) / "spectra" / "pickles_1998.npz"


def number(name):
    """Make a number of a spectral type: B57V, between B5 and B7, is 1.6."""
    letter, digits = re.match(r"([OBAFGKM])([\d.]+)", name).groups()
    split = [digits] if "." in digits or digits == "10" else list(digits)
    return "OBAFGKM".index(letter) + np.mean([float(d) for d in split]) / 10


if FILE.is_file():
    file = np.load(FILE)
    used = (file["wave"] >= 3800) & (file["wave"] <= 7900)
    wave, X = file["wave"][used], file["flux"][:, used].astype(float)
    y, source = np.array([number(name) for name in file["sptype"]]), "Pickles 1998"
else:
    rng = np.random.default_rng(0)
    wave, y, source = np.linspace(3800, 7900, 821), rng.uniform(0.5, 7.0, 108), "made up"
    hot = np.exp(-0.6 * y)[:, None]
    lines = np.exp(-0.5 * ((wave - np.linspace(3900, 7800, 12)[:, None]) / 15) ** 2)
    depth = 0.4 * np.exp(-0.5 * (y[:, None] - np.linspace(0, 7, 12)) ** 2)
    X = (wave / 5500) ** (-3 * hot) * (1 - depth @ lines) + 0.01 * rng.normal(size=(108, 821))
X = X / X.mean(axis=1, keepdims=True)
print(f"{X.shape[0]} spectra of {X.shape[1]} pixels, {source}")

small = {"epochs": EPOCHS, "batch_size": 32, "validation": 0.0, "head": "mse"}
METHODS = {
    "committee of ten, 5-5": eq.network(
        "mlp", layers="dense(5) tanh dense(5) tanh", n_members=10, learning_rate=0.01, **small
    ),
    "250-100": eq.network(
        "mlp", layers="dense(250) relu dense(100) relu", n_members=1, learning_rate=1e-3, **small
    ),
    "ridge on 25 components": make_pipeline(
        eq.embedder("pca", n_components=25), RidgeCV(np.logspace(-6, 2, 30))
    ),
}
folds = RepeatedKFold(n_splits=5, n_repeats=REPEATS, random_state=0)
error = {name: np.empty((REPEATS, len(y))) for name in METHODS}
for i, (fit, test) in enumerate(folds.split(X)):
    for name, method in METHODS.items():
        if "random_state" in method.get_params():
            method.set_params(random_state=i)
        error[name][i // 5, test] = method.fit(X[fit], y[fit]).predict(X[test]) - y[test]

base = (error["ridge on 25 components"] ** 2).mean(axis=0)
for name, e in error.items():
    square = (e**2).mean(axis=0)  # of every star, over repeats
    more, spread = np.mean(square - base), np.std(square - base) / np.sqrt(len(y))
    print(
        f"{name}: mean squared error {square.mean():.4f} classes^2 "
        f"(less ridge: {more:+.4f} +- {spread:.4f}), median |error| {np.median(np.abs(e)):.3f}"
    )
print("the lecture's network of 250 and 100, on its own split and pixels: 0.453 classes^2")

figure, axes = plt.subplots(1, 3, figsize=(10, 3.6), layout="constrained", sharey=True)
for axis, (name, e) in zip(axes, error.items(), strict=True):
    axis.plot([0, 8], [0, 8], color="k", lw=1)
    axis.plot(y, y + e[0], ".", color="C0", alpha=0.6)
    axis.set_xticks(np.arange(7), list("OBAFGKM"))
    axis.set_yticks(np.arange(7), list("OBAFGKM"))
    axis.set(xlabel="spectral type", xlim=(0, 8), ylim=(-0.5, 8.5))
    axis.set_title(f"{name}: {np.mean(e**2):.3f}", fontsize=10)
axes[0].set_ylabel("held-out prediction")
figure.savefig("pickles.png", dpi=120)
