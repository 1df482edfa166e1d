"""Locally linear embedding and its kin, by scikit-learn; robust weights in front of it."""

from typing import Any

import numpy as np
from sklearn import manifold

from equatorium import state_array
from equatorium.checks import FloatArray
from equatorium.errors import InputError
from equatorium_manifold.neighbours import barycentric, combine, nearest
from equatorium_manifold.placed import Placed

_METHODS = ("standard", "modified", "hessian", "ltsa")


class LLE(Placed):
    r"""Place rows so that each is the same sum of its neighbours that it is in the data.

    .. math:: \min_w \sum_i \big| x_i - \sum_j w_{ij} x_j \big|^2, \qquad
              \min_z \sum_i \big| z_i - \sum_j w_{ij} z_j \big|^2,
              \qquad \sum_j w_{ij} = 1, \quad Z^T Z = 1

    Parameters
    ----------
    n_components : int
    n_neighbors : int
        At most the number of rows less one.
    method : {"standard", "modified", "hessian", "ltsa"}
        Modified LLE takes several weight vectors in every neighbourhood; the Hessian form
        (``n_neighbors > k (k + 3) / 2``) and local tangent space alignment compare the tangent
        planes. New rows are placed by the neighbours' weights, which for these three is a fallback.
    robust : bool
        Leave rows out of the embedding that lie off the plane of most neighbourhoods that they
        are in, and place them afterwards as if they were new.
    random_state : int or None

    Attributes
    ----------
    embedding_, rows_, inverse_error_ : see `Placed`
    reliability_ : ndarray, shape (n,)
        With ``robust``: the mean weight of a row in local principal components that are fitted
        with weights ``min(1, mean distance / distance)`` off the plane (Huber's); rows below one
        half are left out. Else ones.

    References
    ----------
    Roweis S. T. & Saul L. K. 2000, doi:10.1126/science.290.5500.2323; Zhang Z. & Wang J. 2007,
    Advances in Neural Information Processing Systems 19 (modified); Donoho D. L. & Grimes C. 2003,
    doi:10.1073/pnas.1031596100 (Hessian); Zhang Z. & Zha H. 2004, doi:10.1137/S1064827502419154
    (LTSA); Chang H. & Yeung D.-Y. 2006, doi:10.1016/j.patcog.2005.07.011, and VanderPlas J. &
    Connolly A. 2009, doi:10.1088/0004-6256/138/5/1365 (robust)
    """

    def __init__(
        self,
        n_components=2,
        *,
        n_neighbors=10,
        method="standard",
        robust=False,
        random_state=0,
    ):
        self.n_components = n_components
        self.n_neighbors = n_neighbors
        self.method = method
        self.robust = robust
        self.random_state = random_state

    @classmethod
    def conformance_options(cls) -> dict[str, Any]:
        """Return neighbourhoods that small tables allow."""
        return {"n_neighbors": 6}

    @property
    def capabilities_(self) -> frozenset[str]:
        """What this object can do: only the standard form has a way of its own to new rows."""
        able = super().capabilities_
        return able if self.method == "standard" else able | {"fallback:transform"}

    def _embed(self, X: FloatArray) -> FloatArray:
        if self.method not in _METHODS:
            raise InputError(f"method must be one of {', '.join(_METHODS)}, not {self.method!r}.")
        k = self._neighbours(len(X))
        self.reliability_ = reliability(X, k, self.n_components) if self.robust else np.ones(len(X))
        good = self.reliability_ >= 0.5
        if good.sum() <= k:
            raise InputError(f"only {good.sum()} rows are reliable: take robust=False.")
        places = manifold.LocallyLinearEmbedding(
            n_neighbors=k,
            n_components=self.n_components,
            method=self.method,
            random_state=self.random_state,
        ).fit_transform(X[good])
        everywhere = np.empty((len(X), places.shape[1]))
        everywhere[good] = places
        if not good.all():
            everywhere[~good] = combine(places, *barycentric(X[good], X[~good], k))
        return everywhere

    def _check_state(self, state: Any, n: int) -> None:
        state_array(state, "reliability_", (n,))


def reliability(X: FloatArray, k: int, planes: int, rounds: int = 10) -> FloatArray:
    """Return the mean weight of every row in the robust planes around its neighbours, (n,).

    Parameters
    ----------
    X : ndarray, shape (n, p)
    k : int
        Neighbours of every row.
    planes : int
        Dimension of the planes, less than k.
    rounds : int
        Of reweighting.
    """
    index, _ = nearest(X, X, k + 1)
    total, count = np.zeros(len(X)), np.zeros(len(X))
    for near in index:
        rows, weight = X[near], np.ones(len(near))
        for _ in range(rounds):
            off = rows - weight @ rows / weight.sum()
            # The plane by the small Gram matrix: neighbours are fewer than columns.
            root = np.sqrt(weight)[:, None]
            axes = np.linalg.svd(root * off, full_matrices=False)[2][:planes]
            distance = np.linalg.norm(off - off @ axes.T @ axes, axis=1)
            weight = np.minimum(1.0, distance.mean() / np.maximum(distance, 1e-300))
        # A row is judged by the planes of others, not by the one around itself.
        np.add.at(total, near[1:], weight[1:])
        np.add.at(count, near[1:], 1.0)
    return total / np.maximum(count, 1.0)
