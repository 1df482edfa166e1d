"""t-SNE, by openTSNE: exact, by trees, or by interpolation, and with places for new rows."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import openTSNE
from openTSNE.affinity import joint_probabilities_nn
from sklearn.metrics import pairwise_distances_chunked

from equatorium.checks import FloatArray
from equatorium_manifold.blocks import check_number
from equatorium_manifold.neighbours import itself, nearest
from equatorium_manifold.placed import Placed

_METHODS = ("auto", "exact", "barnes-hut", "fft")
_MANY = 10_000  # rows above which interpolation on a grid is the faster


class TSNE(Placed):
    r"""Place rows so that neighbours stay neighbours: t-distributed stochastic neighbours.

    .. math:: \min_z \sum_{ij} p_{ij} \log \frac{p_{ij}}{q_{ij}}, \qquad
              q_{ij} \propto \left(1 + |z_i - z_j|^2\right)^{-1},

    with p of Gaussians whose widths give every row the same perplexity. A new row is placed by the
    same criterion, all training rows held where they are and every row by itself: the same alone
    as among others. A training row is put where it was.

    Parameters
    ----------
    n_components : int
        1 or 2.
    perplexity : float
        Effective number of neighbours; lowered to a third of the rows.
    method : {"auto", "exact", "barnes-hut", "fft"}
        How the repulsion is summed: over all pairs, by a tree, or on a grid; auto takes the tree
        up to 10,000 rows.
    exaggeration : float or None
        Factor on the attraction in the main phase, for tighter groups.
    n_iter : int
        Of the main phase, after 250 of early exaggeration.
    random_state : int or None
    n_jobs : int
        Threads.

    Attributes
    ----------
    embedding_, rows_, inverse_error_ : see `Placed`
    divergence_ : float
        What is minimised, of all pairs; above 10,000 rows as openTSNE estimates it.

    References
    ----------
    van der Maaten L. & Hinton G. 2008, Journal of Machine Learning Research 9, 2579; van der
    Maaten L. 2014, JMLR 15, 3221 (trees); Linderman G. C. et al. 2019,
    doi:10.1038/s41592-018-0308-4 (interpolation); Policar P. G., Strazar M. & Zupan B. 2024,
    doi:10.18637/jss.v109.i03 (openTSNE); Policar P. G. et al. 2023, doi:10.1007/s10994-021-06043-1
    (new rows)
    """

    def __init__(
        self,
        n_components=2,
        *,
        perplexity=30.0,
        method="auto",
        exaggeration=None,
        n_iter=500,
        random_state=0,
        n_jobs=1,
    ):
        self.n_components = n_components
        self.perplexity = perplexity
        self.method = method
        self.exaggeration = exaggeration
        self.n_iter = n_iter
        self.random_state = random_state
        self.n_jobs = n_jobs

    @classmethod
    def conformance_options(cls) -> dict[str, Any]:
        """Return few steps."""
        return {"n_iter": 50, "perplexity": 5.0}

    def _embed(self, X: FloatArray) -> FloatArray:
        if self.method not in _METHODS:
            raise ValueError(f"method must be one of {', '.join(_METHODS)}, not {self.method!r}")
        if self.n_components not in (1, 2):
            raise ValueError(f"n_components must be 1 or 2, not {self.n_components!r}")
        found = openTSNE.TSNE(
            n_components=self.n_components,
            perplexity=min(self.perplexity, (len(X) - 1) / 3),
            n_iter=self.n_iter,
            exaggeration=self.exaggeration,
            neighbors="exact" if self.method == "exact" else "auto",
            random_state=self.random_state,
            n_jobs=self.n_jobs,
            **self._repulsion(len(X)),
        ).fit(X)
        few = len(X) <= _MANY
        self.divergence_ = divergence(found) if few else float(found.kl_divergence)
        return np.array(found)

    def _repulsion(self, n: int) -> dict[str, Any]:
        if self.method == "fft" or (self.method == "auto" and n > _MANY):
            return {"negative_gradient_method": "fft"}
        theta = 0.0 if self.method == "exact" else 0.5
        return {"negative_gradient_method": "bh", "theta": theta}

    def _check_state(self, state: Any, n: int) -> None:
        check_number(state, "divergence_")

    def _transform(self, X: FloatArray, ivar: FloatArray | None) -> FloatArray:
        # The settings are those of openTSNE's own transform, which needs the fitted object.
        near, distance = nearest(self.rows_, X, min(25, len(self.rows_)))
        known = itself(self.rows_, X, near)
        few = min(15, near.shape[1])
        P = joint_probabilities_nn(
            near[:, :few],
            distance[:, :few],
            [min(5.0, few / 3)],
            symmetrize=False,
            normalization="point-wise",
            n_reference_samples=len(self.rows_),
            n_jobs=self.n_jobs,
        )
        held = openTSNE.TSNEEmbedding(self.embedding_, SimpleNamespace(P=self.embedding_))
        start = np.median(self.embedding_[near], axis=1)
        theta = 0.0 if self.method == "exact" else 0.5
        how = {"negative_gradient_method": "bh", "theta": theta, "n_jobs": self.n_jobs}
        placed = openTSNE.PartialTSNEEmbedding(start, held, P, dof=1, **how).optimize(
            n_iter=250, learning_rate=0.1, exaggeration=1.5, momentum=0.8, max_grad_norm=0.25
        )
        Z = np.array(placed)
        Z[known >= 0] = self.embedding_[known[known >= 0]]
        return Z


def divergence(found: openTSNE.TSNEEmbedding) -> float:
    """Return the divergence with q summed over all pairs: trees and grids are off by some %."""
    P, Z = found.affinities.P.tocoo(), np.array(found)
    blocks = pairwise_distances_chunked(Z, metric="sqeuclidean")
    total = sum(float((1.0 / (1.0 + block)).sum()) for block in blocks) - len(Z)
    away = ((Z[P.row] - Z[P.col]) ** 2).sum(axis=1)
    return float((P.data * np.log(P.data * (1.0 + away) * total)).sum())
