"""UMAP, by umap-learn."""

import warnings
from typing import Any

import numpy as np

from equatorium.checks import FloatArray
from equatorium_manifold.placed import Placed


class UMAP(Placed):
    """Place rows so that the fuzzy graph of their neighbours is kept.

    New rows are placed by a fallback, see `Placed`: what umap-learn itself would need for them is
    a search index that has no form in a file, and its places depend on the other rows of a batch.

    Parameters
    ----------
    n_components : int
    n_neighbors : int
        At most the number of rows less one.
    min_dist : float
        How close places may come.
    n_epochs : int or None
        Rounds of optimisation; None lets umap-learn choose.
    random_state : int or None

    Attributes
    ----------
    embedding_, rows_, inverse_error_ : see `Placed`

    References
    ----------
    McInnes L., Healy J. & Melville J. 2018, arXiv:1802.03426
    """

    def __init__(
        self, n_components=2, *, n_neighbors=15, min_dist=0.1, n_epochs=None, random_state=0
    ):
        self.n_components = n_components
        self.n_neighbors = n_neighbors
        self.min_dist = min_dist
        self.n_epochs = n_epochs
        self.random_state = random_state

    @classmethod
    def conformance_options(cls) -> dict[str, Any]:
        """Return neighbourhoods that small tables allow."""
        return {"n_epochs": 200, "n_neighbors": 6}

    def _embed(self, X: FloatArray) -> FloatArray:
        few = len(X) <= self.n_components + 2  # too few for its spectral start
        with warnings.catch_warnings():
            # It tells that tensorflow is not there, and that a seed means one thread: both known.
            warnings.simplefilter("ignore", ImportWarning)
            warnings.filterwarnings("ignore", message="n_jobs value", category=UserWarning)
            import umap

            found = umap.UMAP(
                n_components=self.n_components,
                n_neighbors=max(2, self._neighbours(len(X))),
                min_dist=self.min_dist,
                n_epochs=self.n_epochs,
                random_state=self.random_state,
                init="random" if few else "spectral",
                n_jobs=1 if self.random_state is not None else -1,
            ).fit(X)
        return np.array(found.embedding_)
