"""Isomap: distances along the manifold, by scikit-learn."""

from typing import Any

import numpy as np
from sklearn import manifold

from equatorium import state_array
from equatorium.checks import FloatArray
from equatorium_manifold.neighbours import nearest
from equatorium_manifold.placed import Placed


class Isomap(Placed):
    r"""Place rows by their shortest paths from neighbour to neighbour.

    Classical scaling of the squared path lengths G: with the centred matrix
    :math:`-H G^2 H / 2 = U L U^T`, places are :math:`U L^{1/2}`; a new row is projected by its
    paths through its neighbours.

    Parameters
    ----------
    n_components : int
    n_neighbors : int
        At most the number of rows less one.

    Attributes
    ----------
    embedding_, rows_, inverse_error_ : see `Placed`
    paths_ : ndarray, shape (n, n)
        Path lengths between training rows: the method is for thousands of rows.

    References
    ----------
    Tenenbaum J. B., de Silva V. & Langford J. C. 2000, doi:10.1126/science.290.5500.2319; new rows:
    Bengio Y. et al. 2004, Advances in Neural Information Processing Systems 16
    """

    def __init__(self, n_components=2, *, n_neighbors=10):
        self.n_components = n_components
        self.n_neighbors = n_neighbors

    @classmethod
    def conformance_options(cls) -> dict[str, Any]:
        """Return neighbourhoods that small tables allow."""
        return {"n_neighbors": 6}

    def _embed(self, X: FloatArray) -> FloatArray:
        found = manifold.Isomap(
            n_neighbors=self._neighbours(len(X)),
            n_components=self.n_components,
            eigen_solver="dense" if len(X) <= 200 else "auto",
        ).fit(X)
        self.paths_ = np.ascontiguousarray(found.dist_matrix_, dtype=float)  # large: no copy
        return found.embedding_

    def _transform(self, X: FloatArray, ivar: FloatArray | None) -> FloatArray:
        index, distance = nearest(self.rows_, X, self._neighbours(len(self.rows_)))
        size = np.maximum((self.embedding_**2).sum(axis=0), 1e-300)
        centre = np.mean(self.paths_**2, axis=0)
        Z = np.empty((len(X), self.embedding_.shape[1]))
        for i, (near, away) in enumerate(zip(index, distance, strict=True)):
            paths = (self.paths_[near] + away[:, None]).min(axis=0)
            Z[i] = -0.5 * (paths**2 - centre) @ self.embedding_ / size
        return Z

    def _check_state(self, state: Any, n: int) -> None:
        state_array(state, "paths_", (n, n))
