"""What embedders share that place every training row by itself: new rows, and ways back."""

from abc import abstractmethod
from typing import Any, Self

import numpy as np

from equatorium import Embedder, state_array
from equatorium.checks import FloatArray
from equatorium.errors import InputError, StateError
from equatorium_manifold.blocks import latent, moderate
from equatorium_manifold.neighbours import barycentric, combine, local_linear, nearest

_MOST = 200  # rows on which the way back is measured


class Placed(Embedder):
    r"""Base class: a row gets a place, but no formula says which.

    A new row is written as the sum of its nearest training rows with weights that sum to one, and
    put at the same sum of their places: the extension of LLE itself. For methods that have no way
    of their own to place new rows this is a fallback, with weights that are not negative, and the
    capability ``fallback:transform`` says so. A training row is put where it was.

    The way back is a fallback for all: the plane fitted to the training rows whose places are
    nearest, flagged ``fallback:inverse``. How far it is off training rows that it is not given
    is ``inverse_error_``.

    Attributes
    ----------
    embedding_ : ndarray, shape (n, k)
        Places of the training rows.
    rows_ : ndarray, shape (n, p)
        The training rows.
    reach_ : int
        Number of places that the plane is fitted to: which of three misses by least.
    inverse_error_ : ndarray, shape (p,)
        Root mean squared error of `inverse_transform`, each row predicted from the others.
    """

    _fewest = 3

    def fit_transform(self, X: Any, y: Any = None, *, ivar: Any = None) -> FloatArray:
        """Learn the map and return the places of the same rows, shape (n, k)."""
        return np.array(self.fit(X, y, ivar=ivar).embedding_)

    def _fit(self, X: FloatArray, ivar: FloatArray | None) -> None:
        name = type(self).__name__
        if len(X) < self._fewest:
            raise InputError(f"{name} needs {self._fewest} rows, but n_samples={len(X)}.")
        k = getattr(self, "n_components", 2)
        if not isinstance(k, int | np.integer) or isinstance(k, bool) or not 1 <= k < len(X):
            raise InputError(
                f"{name}: n_components must be an int from 1 to the number of rows less one, "
                f"{len(X) - 1}, not {k!r}."
            )
        if not (X - X[0]).any():
            raise InputError(f"{name}: all {len(X)} rows are the same; nothing tells them apart.")
        moderate(X)
        try:
            places = self._embed(X)
        except (TypeError, ValueError) as error:
            raise InputError(f"{name}: {error}") from error
        if not np.isfinite(places).all():
            raise InputError(f"{name} found no finite places for these rows; scale X, or try pca.")
        self.rows_, self.embedding_ = X.copy(), np.array(places, dtype=float, order="C")
        tried = self._missed()
        self.reach_ = min(tried, key=lambda reach: float((tried[reach] ** 2).sum()))
        self.inverse_error_ = tried[self.reach_]

    @abstractmethod
    def _embed(self, X: FloatArray) -> FloatArray:
        """Place the training rows, shape (n, k)."""

    def _neighbours(self, n: int) -> int:
        """Return how many neighbours there can be among n rows."""
        k = getattr(self, "n_neighbors", 10)
        if not isinstance(k, int | np.integer) or k < 1:
            raise ValueError(f"n_neighbors must be an int of at least 1, not {k!r}")
        return min(int(k), n - 1)

    def _transform(self, X: FloatArray, ivar: FloatArray | None) -> FloatArray:
        k = self._neighbours(len(self.rows_))
        convex = "fallback:transform" in self.capabilities_
        return combine(self.embedding_, *barycentric(self.rows_, X, k, convex))

    def _inverse_transform(self, Z: FloatArray) -> FloatArray:
        latent(Z, self.embedding_.shape[1])
        return combine(self.rows_, *local_linear(self.embedding_, Z, self.reach_))

    def _reaches(self) -> list[int]:
        """Return the numbers of places to fit a plane to, that there are enough rows for."""
        n, k = self.embedding_.shape
        most = max(n - 2, 1)
        return sorted({min(factor * (k + 1), most) for factor in (2, 4, 8)})

    def _missed(self) -> dict[int, FloatArray]:
        """Return the root mean squared error (p,) of rows from the others, for every reach."""
        some = slice(None, None, -(-len(self.rows_) // _MOST))
        Z, reaches, missed = self.embedding_[some], self._reaches(), {}
        near = nearest(self.embedding_, Z, reaches[-1] + 2)
        for reach in reaches:
            weights = local_linear(self.embedding_, Z, reach, leave_out=near)
            error = combine(self.rows_, *weights) - self.rows_[some]
            missed[reach] = np.asarray(np.sqrt(np.mean(error**2, axis=0)))
        return missed

    def set_state(self, state: Any) -> Self:
        """Take on what was learned, after checking it."""
        if state:
            p = state.get("n_features_in_")
            n = len(state_array(state, "rows_", (None, p)))
            state_array(state, "embedding_", (n, None))
            state_array(state, "inverse_error_", (p,))
            reach = state.get("reach_")
            if not isinstance(reach, int) or not 1 <= reach <= n:
                raise StateError(f"'reach_' must be a number of rows, not {reach!r}.")
            self._check_state(state, n)
        return super().set_state(state)

    def _check_state(self, state: Any, n: int) -> None:
        """Check what a method has learned besides."""
