"""Kinds of variable stars from colours and light curves: which classifier, confusing what?

LINEAR variables (Palaversa et al. 2013, doi:10.1088/0004-6256/146/4/101), if EQUATORIUM_DATA names
the folder that holds them; otherwise stars made up after them. Rare kinds are few: a method may
find most stars and miss most kinds, which balanced accuracy shows and accuracy hides. An argument
limits the number of stars.
"""

import os
import sys
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

import equatorium as eq

KINDS = {1: "RR Lyr ab", 2: "RR Lyr c", 4: "Algol", 5: "contact", 6: "δ Scuti"}


def stars():
    """Return u-g, g-i, i-K, J-K, log period, amplitude, skew, kurtosis; and the kinds."""
    path = Path(os.environ.get("EQUATORIUM_DATA", "")) / "tables/linear_variable_stars.dat.gz"
    if path.exists():
        print("LINEAR variables")
        table = np.loadtxt(path)
        return table[:, 2:10], np.array([KINDS[k] for k in table[:, 12].astype(int)])
    print("made-up stars")
    rng = np.random.default_rng(0)
    kinds = np.repeat(list(KINDS.values()), [2200, 700, 350, 2600, 150])
    period = dict(zip(KINDS.values(), (-0.25, -0.47, -0.35, -0.55, -1.1), strict=True))
    amplitude = dict(zip(KINDS.values(), (0.8, 0.45, 0.5, 0.45, 0.45), strict=True))
    redness = dict(zip(KINDS.values(), (0.3, 0.1, 0.6, 0.9, 0.2), strict=True))
    columns = [
        np.array([centre[kind] for kind in kinds]) + width * rng.normal(size=len(kinds))
        for centre, width in ((period, 0.09), (amplitude, 0.15), (redness, 0.25), (redness, 0.3))
    ]
    return np.column_stack(columns), kinds


X, kinds = stars()
some = np.random.default_rng(1).permutation(len(X))
some = some[: int(sys.argv[1])] if len(sys.argv) > 1 else some
X, kinds = X[some], kinds[some]
known = {entry.name for entry in eq.methods("classifier")}
methods = {name: name for name in ("naive-bayes", "knn-classifier") if name in known}
if "forest-classifier" in known:
    methods["forest"] = "forest-classifier"
    methods["forest, kinds alike"] = {"use": "forest-classifier", "options": {"balanced": True}}
result = eq.compare(methods, (X, kinds), scores=["balanced_accuracy", "accuracy", "ece"], rng=1)
print(result)

names = result.of(result.best).classes
figure, axes = plt.subplots(1, 2, figsize=(11, 4.4), layout="constrained")
both = [np.array([result.value(m, s) for m in result.labels]) for s in result.scores[:2]]
place = np.arange(len(result.labels))[::-1]
for values, score, colour in zip(
    both, ("balanced accuracy", "accuracy"), ("C0", "0.6"), strict=True
):
    axes[0].plot(values, place, "o", color=colour, label=score)
axes[0].set_yticks(place, result.labels)
axes[0].set(xlabel="share of stars, or mean share of each kind", title="five folds")
axes[0].legend(frameon=False, loc="upper left")
counts = result.confusion(result.best)
share = counts / counts.sum(axis=1, keepdims=True)
axes[1].imshow(share, cmap="Blues", vmin=0, vmax=1)
for (i, j), value in np.ndenumerate(share):
    axes[1].text(j, i, f"{value:.2f}", ha="center", va="center", color="w" if value > 0.5 else "k")
axes[1].set_xticks(range(len(names)), names)
axes[1].set_yticks(range(len(names)), names)
axes[1].set(xlabel="predicted kind", ylabel="kind", title=result.best)
figure.savefig("variable_stars.png", dpi=120)
