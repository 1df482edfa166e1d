"""Locally linear embedding beside t-SNE on handwritten digits; a quarter of them is placed later.

python digits.py  ->  a table of measures, digits.png and digits_map.png
"""

from sklearn.datasets import load_digits

import equatorium as eq

X, y = load_digits(return_X_y=True)
comparison = eq.compare_embedders({"LLE": "lle", "t-SNE": "tsne"}, X, labels=y)
print(comparison)
eq.plots.compared_embeddings(comparison, label="digit").savefig("digits.png")

# Three digits that are least like all others, by ten components and what these leave out.
pca = eq.embedder("pca", n_components=10).fit(X)
Z = pca.transform(X)
left = ((X - pca.inverse_transform(Z)) ** 2).mean(axis=1)
strange = eq.rank_unusual(Z, left).order[:3]
print("most unusual:", *(f"row {row}, a {y[row]}" for row in strange))
figure = eq.plots.embedding_map(
    comparison["t-SNE"].Z,
    y,
    label="digit",
    spectra=X,
    select=strange,
    axes=("t-SNE 1", "t-SNE 2"),
    spectrum_axes=("pixel", "brightness"),
)
figure.savefig("digits_map.png")
