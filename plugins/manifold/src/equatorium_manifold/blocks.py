"""Rows taken a block at a time, so that a table on disk never lies in memory as a whole."""

from abc import abstractmethod
from collections.abc import Iterator
from typing import Any, Self

import numpy as np

from equatorium import Embedder
from equatorium.checks import FloatArray
from equatorium.errors import InputError, ShapeError, StateError

_VALUES = 2**22  # in a block: 32 MiB as float64
_LARGEST = 1e70  # fourth powers are finite


def on_disk(X: Any) -> bool:
    """Say whether X is a table in a file: a ``numpy.memmap``, an HDF5 dataset, or one like it."""
    return isinstance(X, np.memmap) or (hasattr(X, "chunks") and hasattr(X, "dtype"))


def moderate(X: FloatArray) -> FloatArray:
    """Return X, or raise InputError if its values are so large that their squares overflow."""
    flat = X.ravel(order="K")
    if np.vdot(flat, flat) <= _LARGEST**2:  # one pass, by BLAS, is all that most tables need
        return X
    largest = max(X.max(initial=0.0), -X.min(initial=0.0))
    if largest > _LARGEST:
        raise InputError(
            f"X reaches {largest:.0e}, where squares overflow: divide it by a typical value."
        )
    return X


def latent(Z: FloatArray, k: int) -> FloatArray:
    """Return Z (m, k), or raise ShapeError if it has not k columns."""
    if Z.shape[1] != k:
        raise ShapeError(f"Z has {Z.shape[1]} columns, but the map has {k} latent coordinates.")
    return Z


def check_number(state: Any, name: str, kind: type = float) -> None:
    """Raise StateError unless a state holds a finite number that is not negative."""
    value = state.get(name)
    if not isinstance(value, kind) or isinstance(value, bool) or not 0 <= value < np.inf:
        raise StateError(f"{name!r} must be a finite number of at least 0, not {value!r}.")


class Blocks:
    """A table (n, p), perhaps with inverse variances, that is read in blocks of rows.

    Parameters
    ----------
    X : array or table on disk, shape (n, p)
    ivar : array or table on disk, shape (n, p), or None
    check : callable, optional
        Given a block of each, returns what may be used: where ivar is 0, X is 0.
    """

    def __init__(self, X: Any, ivar: Any = None, check: Any = None) -> None:
        if ivar is not None and ivar.shape != X.shape:
            raise ShapeError(f"ivar must have the shape of X, {X.shape}, not {ivar.shape}.")
        self.X, self.ivar, self.check = X, ivar, check
        self.n, self.p = map(int, X.shape)
        self.rows = max(1, _VALUES // self.p)

    def __iter__(self) -> Iterator[tuple[FloatArray, FloatArray | None]]:
        for start in range(0, self.n, self.rows):
            yield self.take(slice(start, start + self.rows))

    def need_two_rows(self, name: str) -> None:
        """Raise InputError unless there are two rows to differ."""
        if self.n < 2:
            raise InputError(f"{name} needs at least 2 rows, but n_samples={self.n}.")

    def take(self, rows: slice) -> tuple[FloatArray, FloatArray | None]:
        """Return rows and their inverse variances, or None for complete rows without errors."""
        X, ivar = self.X[rows], None if self.ivar is None else self.ivar[rows]
        if self.check is not None:
            X, ivar = self.check(X, ivar)
        return moderate(X), ivar

    def sample(self, most: int) -> tuple[FloatArray, FloatArray | None]:
        """Return at most so many rows, evenly spaced."""
        return self.take(slice(None, None, -(-self.n // most)))


class Streamed(Embedder):
    """Base class of embedders that learn from blocks: they write `_learn` in place of `_fit`.

    X, and ivar, may be a ``numpy.memmap`` or an HDF5 dataset: one block of it is in memory.
    """

    def fit(self, X: Any, y: Any = None, *, ivar: Any = None) -> Self:
        """Learn the map from X (n, p), in memory or on disk; see `equatorium.Embedder.fit`."""
        if not on_disk(X):
            return super().fit(X, y, ivar=ivar)
        self._validate(X[:1], reset=True)
        self._learn(Blocks(X, ivar, self._checked))
        return self._finish()

    def transform(self, X: Any, *, ivar: Any = None) -> FloatArray:
        """Map rows, in memory or on disk, to their latent coordinates, shape (m, k)."""
        if not on_disk(X):
            return super().transform(X, ivar=ivar)
        blocks = Blocks(X, ivar, self._checked)
        return np.concatenate([self._transform(*block) for block in blocks])

    def fit_transform(self, X: Any, y: Any = None, *, ivar: Any = None) -> FloatArray:
        """Learn the map and return the coordinates of the same rows, in memory or on disk."""
        if not on_disk(X):
            return super().fit_transform(X, y, ivar=ivar)
        return self.fit(X, y, ivar=ivar).transform(X, ivar=ivar)

    def _fit(self, X: FloatArray, ivar: FloatArray | None) -> None:
        self._learn(Blocks(X, ivar))

    def _checked(self, X: Any, ivar: Any) -> Any:
        return self._weighted(self._rows(X, reset=False), ivar)

    @abstractmethod
    def _learn(self, blocks: Blocks) -> None:
        """Learn from rows that come in blocks."""


def filled(X: FloatArray, ivar: FloatArray | None) -> tuple[FloatArray, FloatArray]:
    """Return rows to start from, their values of little or no weight near the mean; the mean."""
    if ivar is None:
        return X, X.mean(axis=0)
    weight = np.where(np.isinf(ivar), 1.0, ivar)
    mean = (weight * X).sum(axis=0) / np.maximum(weight.sum(axis=0), 1e-300)
    typical = np.median(weight[weight > 0]) if weight.any() else 1.0
    return mean + weight / (weight + 0.01 * typical) * (X - mean), mean
