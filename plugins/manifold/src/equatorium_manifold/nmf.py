"""Non-negative factorisation: by scikit-learn, and with errors and gaps by weighted updates."""

import warnings
from typing import Any, Self

import numpy as np
from sklearn import decomposition
from sklearn.exceptions import ConvergenceWarning

from equatorium import Embedder, errors, state_array
from equatorium.checks import FloatArray
from equatorium_manifold.blocks import check_number, filled, latent, moderate
from equatorium_manifold.nonnegative import first_components, solve_nonnegative

_EVERY = 10  # rounds between two looks at the cost


class NMF(Embedder):
    r"""Write rows as sums, never differences, of components that are nowhere negative.

    .. math:: \min_{Z, H \ge 0} \sum_{ij} \mathrm{ivar}_{ij} \Big(x_{ij} - \sum_a z_{ia} H_{aj}
              \Big)^2

    Without errors and gaps this is scikit-learn's. With them the factors take turns in
    multiplicative updates under which the cost never rises; measured values may then be negative,
    as noise makes them: their part in the numerator moves to the denominator,

    .. math:: H \leftarrow H \, \frac{[Z^T (W X)]^+}{Z^T (W (Z H)) + [Z^T (W X)]^-}.

    New rows are fitted by non-negative least squares.

    Parameters
    ----------
    n_components : int
    max_iter : int
    tol : float
        Stop when the cost falls by less than this share of what it was at first.
    random_state : int or None
        For scikit-learn's.

    Attributes
    ----------
    components_ : ndarray, shape (k, p)
        H, of unit length each.
    n_iter_ : int
    cost_ : float
        What is minimised, at the end.

    References
    ----------
    Lee D. D. & Seung H. S. 2001, Advances in Neural Information Processing Systems 13; Blanton
    M. R. & Roweis S. 2007, doi:10.1086/510127; Zhu G. 2016, arXiv:1612.06037; negative values:
    Green D. & Bailey S. 2024, arXiv:2311.04855
    """

    def __init__(self, n_components=2, *, max_iter=1000, tol=1e-5, random_state=0):
        self.n_components = n_components
        self.max_iter = max_iter
        self.tol = tol
        self.random_state = random_state

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.positive_only = True
        return tags

    def _fit(self, X: FloatArray, ivar: FloatArray | None) -> None:
        k = self.n_components
        if not isinstance(k, int | np.integer) or not 1 <= k <= X.shape[1]:
            raise errors.InputError(
                f"NMF: n_components={k!r} must be an int from 1 to n_features={X.shape[1]}."
            )
        if len(X) < 2:
            raise errors.InputError(f"NMF needs at least 2 rows, but n_samples={len(X)}.")
        if ivar is not None and not ivar.any():
            raise errors.InputError("NMF: no value was observed: X is NaN, or ivar 0, all over.")
        moderate(X)
        H = self._plain(X) if ivar is None else self._updated(X, ivar)
        length = np.linalg.norm(H, axis=1, keepdims=True)
        self.components_ = H / np.where(length > 0, length, 1.0)
        left = X - self._transform(X, ivar) @ self.components_
        self.cost_ = float((left**2 * (1.0 if ivar is None else ivar)).sum())

    def _plain(self, X: FloatArray) -> FloatArray:
        if (X < 0).any():
            raise errors.InputError(
                "Negative values in data passed to NMF: give their inverse variances, "
                "fit(X, ivar=...), if they are noise; take 'pca' if they are not."
            )
        model = decomposition.NMF(
            self.n_components,
            init="nndsvda" if self.n_components <= min(X.shape) else "random",
            max_iter=self.max_iter,
            tol=self.tol,
            random_state=self.random_state,
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # max_iter is the user's
            try:
                model.fit(X)
            except ValueError as error:
                raise errors.InputError(f"NMF: {error}") from error
        self.n_iter_ = int(model.n_iter_)
        return np.asarray(model.components_, dtype=float)

    def _updated(self, X: FloatArray, ivar: FloatArray) -> FloatArray:
        start, mean = filled(X, ivar)
        H = first_components(start, self.n_components)
        weighted = ivar * X
        Z = np.full((len(X), len(H)), max(float(np.abs(mean).mean()), 1e-300))
        Z *= np.sqrt(X.shape[1]) / len(H)
        costs = []
        for n_iter in range(1, self.max_iter + 1):
            Z *= _ratio(weighted @ H.T, (ivar * (Z @ H)) @ H.T)
            H = H * _ratio(Z.T @ weighted, Z.T @ (ivar * (Z @ H)))
            if n_iter % _EVERY == 0:
                costs.append(float((ivar * (X - Z @ H) ** 2).sum()))
                if len(costs) > 1 and costs[-2] - costs[-1] < self.tol * _EVERY * costs[0]:
                    break
        self.n_iter_ = n_iter
        return H

    def _transform(self, X: FloatArray, ivar: FloatArray | None) -> FloatArray:
        H = self.components_
        if ivar is None:
            return solve_nonnegative((H @ H.T)[None], X @ H.T)
        a, b = np.tril_indices(len(H))
        A = np.empty((len(X), len(H), len(H)))
        A[:, a, b] = A[:, b, a] = ivar @ (H[a] * H[b]).T
        return solve_nonnegative(A, (ivar * X) @ H.T)

    def _inverse_transform(self, Z: FloatArray) -> FloatArray:
        return np.asarray(latent(Z, len(self.components_)) @ self.components_)

    def _inverse_jacobian(self, Z: FloatArray) -> FloatArray:
        return np.asarray(self.components_.T)

    def set_state(self, state: Any) -> Self:
        """Take on what was learned, after checking it."""
        if state:
            H = state_array(state, "components_", (None, state.get("n_features_in_")))
            if (H < 0).any():
                raise errors.StateError("'components_' must not be negative.")
            check_number(state, "cost_")
            check_number(state, "n_iter_", int)
        return super().set_state(state)


def _ratio(up: FloatArray, down: FloatArray) -> FloatArray:
    """Return the factor of an update; a negative numerator adds to the denominator instead."""
    total = down + np.maximum(-up, 0.0)
    return np.maximum(up, 0.0) / np.maximum(total, 1e-300)
