"""Every embedder on the S-curve: what unrolls a bent sheet of points, and what does not.

python zoo.py  ->  a table of measures, and zoo.png
"""

from sklearn.datasets import make_s_curve

import equatorium as eq

X, along = make_s_curve(1000, noise=0.02, random_state=0)
embedders = {
    "pca": eq.embedder("pca", n_components=2),
    "mds": eq.embedder("mds"),
    "isomap": eq.embedder("isomap"),
    "lle": eq.embedder("lle", n_neighbors=12),
    "lle, modified": eq.embedder("lle", n_neighbors=12, method="modified"),
    "lle, Hessian": eq.embedder("lle", n_neighbors=12, method="hessian"),
    "lle, LTSA": eq.embedder("lle", n_neighbors=12, method="ltsa"),
    "spectral": eq.embedder("spectral"),
    "t-SNE": eq.embedder("tsne"),
    "UMAP": eq.embedder("umap"),
}
comparison = eq.compare_embedders(embedders, X, labels=along.round().astype(int))
print(comparison)
print(f"intrinsic dimension of the points: {eq.intrinsic_dimension(X):.1f}")
figure = eq.plots.compared_embeddings(comparison, label="distance along the S, rounded")
figure.savefig("zoo.png", dpi=80)
