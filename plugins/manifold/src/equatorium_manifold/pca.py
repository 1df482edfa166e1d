"""Principal components, by scikit-learn."""

from typing import Any, Self

import numpy as np
from sklearn import decomposition

from equatorium import errors, state_array
from equatorium.checks import FloatArray
from equatorium_manifold.blocks import Blocks, Streamed, latent, on_disk


class PCA(Streamed):
    r"""Project rows onto the directions in which they vary most.

    .. math:: z = V (x - \mu), \qquad x \approx \mu + V^T z, \qquad V V^T = 1

    Parameters
    ----------
    n_components : int or float or None
        How many; a fraction below 1 takes as many as explain so much of the variance; None all.
    solver : {"auto", "full", "covariance_eigh", "randomized", "incremental"}
        As in scikit-learn, or incremental, block by block: what ``"auto"`` takes for a table on
        disk (a ``numpy.memmap`` or an HDF5 dataset).
    random_state : int or None
        For ``"randomized"``, which "auto" takes for wide tables and few components.

    Attributes
    ----------
    components_ : ndarray, shape (k, p)
        The directions V, of most variance first.
    mean_ : ndarray, shape (p,)
    explained_variance_, explained_variance_ratio_ : ndarray, shape (k,)

    References
    ----------
    Jolliffe I. T. & Cadima J. 2016, doi:10.1098/rsta.2015.0202; incremental: Ross D. A. et al.
    2008, doi:10.1007/s11263-007-0075-7

    Examples
    --------
    >>> X = np.outer([1.0, 2.0, 4.0], [3.0, 4.0])
    >>> np.abs(PCA(n_components=1).fit(X).components_).round(6).tolist()
    [[0.6, 0.8]]
    """

    def __init__(self, n_components=None, *, solver="auto", random_state=0):
        self.n_components = n_components
        self.solver = solver
        self.random_state = random_state

    def _learn(self, blocks: Blocks) -> None:
        blocks.need_two_rows("PCA")
        if self.solver == "incremental" or (self.solver == "auto" and on_disk(blocks.X)):
            found = self._incremental(blocks)
        else:
            found = self._whole(blocks.take(slice(None))[0])
        for name in ("components_", "mean_", "explained_variance_", "explained_variance_ratio_"):
            # As from a file, to the last bit: how products round depends on the order in memory.
            setattr(self, name, np.array(getattr(found, name), dtype=float, order="C"))

    def _incremental(self, blocks: Blocks) -> Any:
        k = min(blocks.n, blocks.p) if self.n_components is None else self.n_components
        if not isinstance(k, int | np.integer) or not 1 <= k <= min(blocks.n, blocks.p):
            raise errors.InputError(
                f"incremental principal components need n_components as an int from 1 to "
                f"{min(blocks.n, blocks.p)} or None, not {self.n_components!r}."
            )
        found = decomposition.IncrementalPCA(n_components=k)
        rows = max(5 * k, min(blocks.rows, 1000))
        starts = list(range(0, blocks.n, rows))
        if len(starts) > 1 and blocks.n - starts[-1] < k:
            starts.pop()  # a block must hold k rows: the last one takes the rest
        for start, stop in zip(starts, [*starts[1:], blocks.n], strict=True):
            found.partial_fit(blocks.take(slice(start, stop))[0])
        return found

    def _whole(self, X: FloatArray) -> Any:
        if self.n_components == 0:
            raise errors.InputError("PCA: n_components=0 leaves nothing; take at least 1.")
        how = {"svd_solver": self.solver, "random_state": self.random_state}
        try:
            with np.errstate(invalid="ignore"):  # rows that are all the same explain 0 / 0
                return decomposition.PCA(self.n_components, **how).fit(X)
        except ValueError as error:
            raise errors.InputError(f"PCA: {error}") from error

    def _transform(self, X: FloatArray, ivar: FloatArray | None) -> FloatArray:
        return X @ self.components_.T - self.mean_ @ self.components_.T  # no copy of X

    def _inverse_transform(self, Z: FloatArray) -> FloatArray:
        return latent(Z, len(self.components_)) @ self.components_ + self.mean_

    def _inverse_jacobian(self, Z: FloatArray) -> FloatArray:
        return self.components_.T

    def set_state(self, state: Any) -> Self:
        """Take on what was learned, after checking it."""
        if state:
            p = state.get("n_features_in_")
            k = len(state_array(state, "components_", (None, p)))
            state_array(state, "mean_", (p,))
            state_array(state, "explained_variance_", (k,))
            state_array(state, "explained_variance_ratio_", (k,), finite=False)
        return super().set_state(state)
