"""What a covariance can do, whatever its type; the parts of the work that no type does better.

Every covariance is batched: the last axes are the p outputs, all axes before them the batch.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar, Self

import numpy as np

from equatorium.checks import FloatArray, Rng, finite, floats, read_only
from equatorium.errors import InputError, ShapeError
from equatorium.records.base import Record


class Covariance(Record, ABC):
    """A symmetric positive (semi-)definite matrix S over p outputs, or a batch of them."""

    # The arrays that make up the type, and how many trailing axes of each are not batch.
    _axes: ClassVar[Mapping[str, int]]

    @property
    def p(self) -> int:
        """Number of outputs."""
        return int(self._arrays()[0].shape[-1])

    @property
    def batch(self) -> tuple[int, ...]:
        """Shape of the batch; () for a single matrix."""
        return self._arrays()[0].shape[: -next(iter(self._axes.values()))]

    @abstractmethod
    def diagonal(self) -> FloatArray:
        """Variances, shape (..., p)."""

    @abstractmethod
    def dense(self) -> FloatArray:
        """S written out, shape (..., p, p)."""

    @abstractmethod
    def dot(self, r: FloatArray) -> FloatArray:
        """S r for r of shape (..., p)."""

    @abstractmethod
    def solve(self, r: FloatArray) -> FloatArray:
        """S^-1 r for r of shape (..., p)."""

    @abstractmethod
    def precision_diagonal(self) -> FloatArray:
        """Diagonal of S^-1, shape (..., p): one over each output's variance given all others."""

    @abstractmethod
    def logdet(self) -> FloatArray:
        """``log |S|``, shape of the batch."""

    @abstractmethod
    def mahalanobis(self, r: FloatArray) -> FloatArray:
        """r^T S^-1 r for r of shape (..., p): what chi-squared is made of."""

    @abstractmethod
    def sample(self, size: int, rng: Rng = None) -> FloatArray:
        """Draws of N(0, S), shape (size, ..., p)."""

    @abstractmethod
    def scaled(self, s: FloatArray | float) -> "Covariance":
        """diag(s) S diag(s), s of shape (p,) or (..., p) or a number."""

    @abstractmethod
    def cross(self, rows: Any, columns: Any) -> FloatArray:
        """Part of S, shape (..., len(rows), len(columns)), by arrays of int."""

    @abstractmethod
    def _take(self, indices: Any) -> "Covariance":
        """Covariance of distinct outputs."""

    @abstractmethod
    def _project(self, R: FloatArray) -> "Covariance":
        """R S R^T for any R."""

    @abstractmethod
    def __add__(self, other: "Covariance") -> "Covariance":
        """Covariance of a sum of independent vectors, in the cheapest exact type."""

    def marginal(self, indices: Any) -> "Covariance":
        """Covariance of the outputs at `indices` (an int, list, slice or mask), in that order."""
        try:
            chosen = np.atleast_1d(np.arange(self.p)[indices])
        except IndexError as error:
            raise InputError(f"The outputs are numbered 0 to {self.p - 1}, but {error}.") from error
        if len(np.unique(chosen)) < chosen.size:
            raise InputError(
                f"An output may be chosen once, but the indices are {chosen.tolist()}."
            )
        return self._take(chosen)

    def project(self, R: Any) -> "Covariance":
        """R S R^T for a response R of shape (q, p); a mere selection keeps the type."""
        R = floats(R, "R")
        if R.ndim != 2 or R.shape[1] != self.p:
            raise ShapeError(f"R must have shape (q, {self.p}), but its shape is {R.shape}.")
        finite(R, "R")
        columns = np.argmax(R != 0, axis=1)
        if (np.count_nonzero(R, axis=1) == 1).all() and len(np.unique(columns)) == len(R):
            weights = R[np.arange(len(R)), columns]
            chosen = self._take(columns)
            return chosen if (weights == 1).all() else chosen.scaled(weights)
        return self._project(R)

    def broadcast(self, batch: tuple[int, ...]) -> Self:
        """Repeat along a larger batch shape, without copying."""
        wide = zip(self._axes.items(), self._arrays(), strict=True)
        return self._of(
            **{name: np.broadcast_to(a, batch + a.shape[-axes:]) for (name, axes), a in wide}
        )

    def __getitem__(self, index: Any) -> Self:
        """Part of the batch."""
        if not self.batch:
            raise InputError("This covariance has no batch to index; use marginal for outputs.")
        rows = np.arange(int(np.prod(self.batch))).reshape(self.batch)[index]
        flat = zip(self._axes.items(), self._arrays(), strict=True)
        return self._of(**{name: a.reshape(-1, *a.shape[-axes:])[rows] for (name, axes), a in flat})

    @classmethod
    def _of(cls, **arrays: Any) -> Self:
        """Build from arrays that are known to be sound: no copy and no check in the inner loop."""
        made = object.__new__(cls)
        for name, array in arrays.items():
            array.setflags(write=False)
            object.__setattr__(made, name, array)
        return made

    def _arrays(self) -> tuple[FloatArray, ...]:
        return tuple(getattr(self, name) for name in self._axes)

    def _with(self, other: "Covariance") -> None:
        if not isinstance(other, Covariance):
            raise InputError(f"Only a Covariance can be added to a covariance, not {other!r}.")
        if self.p != other.p:
            raise ShapeError(f"Covariances of {self.p} and {other.p} outputs cannot be added.")

    def _vector(self, r: Any) -> FloatArray:
        vector: FloatArray = np.asarray(r, dtype=np.float64)
        if vector.ndim == 0 or vector.shape[-1] != self.p:
            raise ShapeError(f"Expected vectors of {self.p} outputs, but got shape {vector.shape}.")
        return vector

    def _scale(self, s: Any) -> FloatArray:
        scale = floats(s, "s")
        finite(scale, "s")
        return self._vector(np.broadcast_to(scale, (self.p,)) if scale.ndim == 0 else scale)


def variances(variance: Any) -> FloatArray:
    """Check an array of variances, shape (..., p): finite and not negative."""
    array = floats(variance, "variance")
    if array.ndim == 0:
        raise ShapeError(f"variance must have shape (..., p), but it is the number {array}.")
    finite(array, "variance")
    if (array < 0).any():
        where = tuple(int(i) for i in np.argwhere(array < 0)[0])
        raise InputError(
            f"A variance must not be negative, but variance{list(where)} is {array[where]:.6g}. "
            "Give squares of standard deviations."
        )
    return read_only(array)


def spread(root: FloatArray, size: int, rng: np.random.Generator) -> FloatArray:
    """Draws of N(0, A A^T) for A of shape (..., p, k), shape (size, ..., p)."""
    noise = rng.standard_normal((*root.shape[:-2], root.shape[-1], size))
    return np.moveaxis(root @ noise, -1, 0)
