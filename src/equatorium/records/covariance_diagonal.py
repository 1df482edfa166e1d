"""Independent outputs: everything is elementwise."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import numpy as np

from equatorium.checks import FloatArray, Rng, generator
from equatorium.errors import InputError
from equatorium.records.covariance_base import Covariance, variances
from equatorium.records.covariance_dense import Dense


@dataclass(frozen=True, eq=False)
class Diagonal(Covariance):
    """Independent outputs: S = diag(variance), variance of shape (..., p).

    >>> float(Diagonal([1.0, 4.0]).mahalanobis([1.0, 2.0]))
    2.0
    """

    variance: FloatArray
    _axes: ClassVar[Mapping[str, int]] = {"variance": 1}

    def __post_init__(self) -> None:
        object.__setattr__(self, "variance", variances(self.variance))

    def __add__(self, other: Covariance) -> Covariance:
        """Diagonal with diagonal stays so; the richer types know how to take a diagonal in."""
        self._with(other)
        if isinstance(other, Diagonal):
            return Diagonal._of(variance=self.variance + other.variance)
        return other + self

    def diagonal(self) -> FloatArray:
        """Variances, shape (..., p)."""
        return self.variance

    def dense(self) -> FloatArray:
        """S written out, shape (..., p, p)."""
        S = np.zeros((*self.variance.shape, self.p))
        np.einsum("...ii->...i", S)[...] = self.variance
        return S

    def dot(self, r: FloatArray) -> FloatArray:
        """Variance times r."""
        return self.variance * self._vector(r)

    def solve(self, r: FloatArray) -> FloatArray:
        """R / variance."""
        return self._vector(r) / self._positive

    def precision_diagonal(self) -> FloatArray:
        """1 / variance."""
        return np.asarray(1 / self._positive)

    def logdet(self) -> FloatArray:
        """Sum of log variances."""
        return np.asarray(np.log(self._positive).sum(-1))

    def mahalanobis(self, r: FloatArray) -> FloatArray:
        """Sum of r^2 / variance."""
        return np.asarray((np.square(self._vector(r)) / self._positive).sum(-1))

    def sample(self, size: int, rng: Rng = None) -> FloatArray:
        """Draws of N(0, S), shape (size, ..., p)."""
        noise = generator(rng).standard_normal((size, *self.variance.shape))
        return np.sqrt(self.variance) * noise

    def scaled(self, s: FloatArray | float) -> "Diagonal":
        """diag(s) S diag(s)."""
        return Diagonal._of(variance=self.variance * np.square(self._scale(s)))

    def cross(self, rows: Any, columns: Any) -> FloatArray:
        """Zero, but where row and column are the same."""
        same = np.equal.outer(np.asarray(rows), np.asarray(columns))
        return np.asarray(self.variance[..., rows, None] * same)

    @cached_property
    def _positive(self) -> FloatArray:
        if not (self.variance > 0).all():
            j = int(np.argwhere(~(self.variance > 0))[0][-1])
            raise InputError(
                f"The variance of output {j} is zero, so the covariance has no inverse. Give every "
                "output an error, or leave that output out."
            )
        return self.variance

    def _take(self, indices: Any) -> "Diagonal":
        return Diagonal._of(variance=self.variance[..., indices])

    def _project(self, R: FloatArray) -> Covariance:
        if (np.count_nonzero(R, axis=0) <= 1).all():  # no output is shared by two rows
            return Diagonal._of(variance=self.variance @ np.square(R).T)
        return Dense._of(matrix=(R * self.variance[..., None, :]) @ R.T)
