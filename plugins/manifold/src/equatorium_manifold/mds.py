"""Multidimensional scaling, by scikit-learn."""

from typing import Any

from sklearn import manifold

from equatorium.checks import FloatArray
from equatorium_manifold.blocks import check_number
from equatorium_manifold.placed import Placed


class MDS(Placed):
    r"""Place rows so that their distances are as in the data: least squared stress.

    .. math:: \min_z \sum_{i<j} \left(|z_i - z_j| - |x_i - x_j|\right)^2

    It starts from classical scaling. New rows are placed by a fallback, see `Placed`.

    Parameters
    ----------
    n_components : int
    metric : bool
        False: only the order of the distances counts.
    max_iter : int
    random_state : int or None

    Attributes
    ----------
    embedding_, rows_, inverse_error_ : see `Placed`
    stress_ : float

    References
    ----------
    Kruskal J. B. 1964, doi:10.1007/BF02289565; Borg I. & Groenen P. 2005, Modern Multidimensional
    Scaling, doi:10.1007/0-387-28981-X
    """

    def __init__(self, n_components=2, *, metric=True, max_iter=300, random_state=0):
        self.n_components = n_components
        self.metric = metric
        self.max_iter = max_iter
        self.random_state = random_state

    def _embed(self, X: FloatArray) -> FloatArray:
        found = manifold.MDS(
            self.n_components,
            metric_mds=self.metric,
            n_init=1,
            init="classical_mds",
            max_iter=self.max_iter,
            random_state=self.random_state,
        ).fit(X)
        self.stress_, self.n_iter_ = float(found.stress_), int(found.n_iter_)
        return found.embedding_

    def _check_state(self, state: Any, n: int) -> None:
        check_number(state, "stress_")
        check_number(state, "n_iter_", int)
