"""Digits with noise and with half of their pixels missing: `hmf` first, then t-SNE.

python gappy_digits.py  ->  the numbers, and gappy_digits.png
"""

import numpy as np
from sklearn.datasets import load_digits
from sklearn.impute import SimpleImputer
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline

import equatorium as eq
from equatorium.errors import NotFiniteError

X, y = load_digits(return_X_y=True)
rng = np.random.default_rng(0)
std = 3.0 * np.exp(rng.uniform(np.log(1 / 3), np.log(2), len(X)))[:, None]  # of 16 grey levels
seen = rng.random(X.shape) > 0.5
Y = np.where(seen, X + std * rng.normal(size=X.shape), np.nan)
some = 3 * len(X) // 4
fit, new = slice(0, some), slice(some, None)

try:
    eq.embedder("tsne").fit(Y)
except NotFiniteError as error:
    print("t-SNE alone:", error, "\n")

# With the errors of the pixels: the scores of hmf are weighed by them.
hmf = eq.embedder("hmf", n_components=15).fit(Y[fit], ivar=np.where(seen, std**-2, 0.0)[fit])
Z = hmf.transform(Y, ivar=np.where(seen, std**-2, 0.0))
rows = {"hmf, t-SNE": Z}
# What one would do otherwise.
mean = make_pipeline(SimpleImputer(), eq.embedder("pca", n_components=30)).fit(Y[fit])
rows["mean-fill, pca, t-SNE"] = mean.transform(Y)

back = {
    "hmf": hmf.inverse_transform(Z)[new],
    "mean-fill, pca": mean[1].inverse_transform(rows["mean-fill, pca, t-SNE"])[new],
}
for name, found in back.items():
    error = np.sqrt(np.mean((found - X[new])[~seen[new]] ** 2))
    print(f"pixels not observed, {name}: root mean squared error {error:.2f}")
for name, scores in rows.items():
    tsne = eq.embedder("tsne")
    places = tsne.fit_transform(scores[fit])
    told = KNeighborsClassifier(5).fit(places, y[fit]).score(tsne.transform(scores[new]), y[new])
    print(f"new digits told by their neighbours, {name}: {told:.3f}")
    if name.startswith("hmf"):
        axes = ("t-SNE 1", "t-SNE 2")
        figure = eq.plots.embedding_map(places, y[fit], label="digit", axes=axes)
        figure.savefig("gappy_digits.png")
