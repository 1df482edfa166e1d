"""Spectral embedding (Laplacian eigenmaps), by scikit-learn."""

from typing import Any

from sklearn import manifold

from equatorium.checks import FloatArray
from equatorium_manifold.placed import Placed


class Spectral(Placed):
    """Place rows by the smoothest functions on the graph of their neighbours.

    The first eigenvectors, after the constant one, of the graph's normalised Laplacian. New rows
    are placed by a fallback, see `Placed`.

    Parameters
    ----------
    n_components : int
    n_neighbors : int
        At most the number of rows less one.
    random_state : int or None

    Attributes
    ----------
    embedding_, rows_, inverse_error_ : see `Placed`

    References
    ----------
    Belkin M. & Niyogi P. 2003, doi:10.1162/089976603321780317
    """

    def __init__(self, n_components=2, *, n_neighbors=10, random_state=0):
        self.n_components = n_components
        self.n_neighbors = n_neighbors
        self.random_state = random_state

    @classmethod
    def conformance_options(cls) -> dict[str, Any]:
        """Return neighbourhoods that small tables allow."""
        return {"n_neighbors": 6}

    def _embed(self, X: FloatArray) -> FloatArray:
        if self.n_components > len(X) - 2:
            raise ValueError(f"n_components={self.n_components} needs 2 more rows than that")
        return manifold.SpectralEmbedding(
            self.n_components,
            n_neighbors=self._neighbours(len(X)),
            random_state=self.random_state,
        ).fit_transform(X)
