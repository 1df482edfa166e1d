"""Any covariance, written out and solved by Cholesky factors."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import numpy as np

from equatorium.checks import FloatArray, Rng, finite, floats, generator, read_only
from equatorium.errors import InputError, ShapeError
from equatorium.records.covariance_base import Covariance, spread, variances
from equatorium.records.factor import cholesky, solve_lower, square_root


@dataclass(frozen=True, eq=False)
class Dense(Covariance):
    """Any covariance, by Cholesky factors: matrix of shape (..., p, p), symmetric."""

    matrix: FloatArray
    _axes: ClassVar[Mapping[str, int]] = {"matrix": 2}

    def __post_init__(self) -> None:
        matrix = floats(self.matrix, "matrix")
        if matrix.ndim < 2 or matrix.shape[-1] != matrix.shape[-2]:
            raise ShapeError(f"A covariance must be square, but its shape is {matrix.shape}.")
        finite(matrix, "matrix")
        variances(np.diagonal(matrix, axis1=-2, axis2=-1))
        scale = np.sqrt(np.diagonal(matrix, axis1=-2, axis2=-1))
        twist = np.abs(matrix - matrix.swapaxes(-1, -2))
        if (twist > 1e-8 * scale[..., None] * scale[..., None, :]).any():
            raise InputError(
                "A covariance must be symmetric, but differs from its transpose by up to "
                f"{twist.max():.3g}. If that is rounding, give (matrix + matrix.T) / 2."
            )
        object.__setattr__(self, "matrix", read_only(matrix))

    def __add__(self, other: Covariance) -> "Dense":
        """Add anything: the sum is dense."""
        self._with(other)
        total = other.dense()
        wide = np.broadcast_shapes(total.shape, self.matrix.shape)
        if total.flags.writeable and total.shape == wide:
            # Made for this call: adding in place saves the inner loop a batch of fresh memory.
            total += self.matrix
            return Dense._of(matrix=total)
        return Dense._of(matrix=total + self.matrix)

    def diagonal(self) -> FloatArray:
        """Variances, shape (..., p)."""
        return np.diagonal(self.matrix, axis1=-2, axis2=-1)

    def dense(self) -> FloatArray:
        """S itself."""
        return self.matrix

    def dot(self, r: FloatArray) -> FloatArray:
        """S r."""
        return np.asarray((self.matrix @ self._vector(r)[..., None])[..., 0])

    def solve(self, r: FloatArray) -> FloatArray:
        """S^-1 r by two triangular solves."""
        half = solve_lower(self._factor, self._vector(r)[..., None])
        return solve_lower(self._factor, half, transposed=True)[..., 0]

    def precision_diagonal(self) -> FloatArray:
        """Squared columns of L^-1."""
        return np.asarray(np.square(solve_lower(self._factor, np.eye(self.p))).sum(-2))

    def logdet(self) -> FloatArray:
        """Twice the sum of log pivots."""
        return np.asarray(2 * np.log(np.diagonal(self._factor, axis1=-2, axis2=-1)).sum(-1))

    def mahalanobis(self, r: FloatArray) -> FloatArray:
        """``|L^-1 r|^2``."""
        return np.asarray(
            np.square(solve_lower(self._factor, self._vector(r)[..., None])).sum((-2, -1))
        )

    def sample(self, size: int, rng: Rng = None) -> FloatArray:
        """Draws of N(0, S), shape (size, ..., p); S may be semi-definite."""
        return spread(self._root, size, generator(rng))

    def scaled(self, s: FloatArray | float) -> "Dense":
        """diag(s) S diag(s)."""
        s = self._scale(s)
        return Dense._of(matrix=self.matrix * s[..., :, None] * s[..., None, :])

    def cross(self, rows: Any, columns: Any) -> FloatArray:
        """Part of the matrix."""
        return self.matrix[..., np.asarray(rows)[:, None], np.asarray(columns)]

    @cached_property
    def _factor(self) -> FloatArray:
        return cholesky(self.matrix)

    @cached_property
    def _root(self) -> FloatArray:
        return square_root(self.matrix)

    def _take(self, indices: Any) -> "Dense":
        return Dense._of(matrix=self.matrix[..., indices[:, None], indices])

    def _project(self, R: FloatArray) -> "Dense":
        return Dense._of(matrix=R @ self.matrix @ R.T)
