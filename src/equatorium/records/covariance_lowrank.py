"""Independent parts plus a few shared ones, by Woodbury's identity."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import numpy as np

from equatorium.checks import FloatArray, Rng, finite, floats, generator, read_only
from equatorium.errors import ShapeError
from equatorium.records.covariance_base import Covariance, spread, variances
from equatorium.records.covariance_dense import Dense
from equatorium.records.covariance_diagonal import Diagonal
from equatorium.records.factor import cholesky, solve_lower


@dataclass(frozen=True, eq=False)
class LowRank(Covariance):
    r"""Independent parts plus k shared ones: S = D + F F^T, D = diag(variance).

    Inverse and determinant by Woodbury's identity, at k^3 + p k^2 instead of p^3,
    :math:`S^{-1} = D^{-1} - D^{-1} F (I + F^T D^{-1} F)^{-1} F^T D^{-1}`. Where a variance is zero
    or 3 k >= p the full matrix is factorised instead: the same number, safely or faster.

    Parameters
    ----------
    variance : array_like, shape (..., p)
    factor : array_like, shape (..., p, k)
    """

    variance: FloatArray
    factor: FloatArray
    _axes: ClassVar[Mapping[str, int]] = {"variance": 1, "factor": 2}

    def __post_init__(self) -> None:
        variance, factor = variances(self.variance), read_only(floats(self.factor, "factor"))
        finite(factor, "factor")
        if factor.ndim < 2 or factor.shape[-2] != variance.shape[-1]:
            raise ShapeError(
                f"factor must have shape (..., {variance.shape[-1]}, k) to go with the variances, "
                f"but its shape is {factor.shape}."
            )
        batch = np.broadcast_shapes(variance.shape[:-1], factor.shape[:-2])
        wide = np.broadcast_to(variance, batch + variance.shape[-1:])
        object.__setattr__(self, "variance", wide)
        object.__setattr__(self, "factor", np.broadcast_to(factor, batch + factor.shape[-2:]))

    def __add__(self, other: Covariance) -> Covariance:
        """Join the factors, or write the sum out once that is the cheaper to factorise."""
        self._with(other)
        if not isinstance(other, Diagonal | LowRank):
            return other + self
        batch = np.broadcast_shapes(self.batch, other.batch)
        factors = [c.factor for c in (self, other) if isinstance(c, LowRank)]
        wide = [np.broadcast_to(f, batch + f.shape[-2:]) for f in factors]
        variance = np.broadcast_to(self.variance + other.variance, (*batch, self.p))
        joined = LowRank._of(variance=variance, factor=np.concatenate(wide, axis=-1))
        return Dense._of(matrix=joined.dense()) if joined._costly else joined

    def diagonal(self) -> FloatArray:
        """Variances, shape (..., p)."""
        return np.asarray(self.variance + np.square(self.factor).sum(-1))

    def dense(self) -> FloatArray:
        """S written out, shape (..., p, p)."""
        S = self.factor @ self.factor.swapaxes(-1, -2)
        np.einsum("...ii->...i", S)[...] += self.variance
        return np.asarray(S)

    def dot(self, r: FloatArray) -> FloatArray:
        """D r + F F^T r."""
        shared = self.factor.swapaxes(-1, -2) @ self._vector(r)[..., None]
        return np.asarray(self.variance * r + (self.factor @ shared)[..., 0])

    def solve(self, r: FloatArray) -> FloatArray:
        """S^-1 r by Woodbury's identity."""
        if self._full is not None:
            return self._full.solve(r)
        rest, _ = self._split(r)
        return rest / np.sqrt(self.variance)

    def precision_diagonal(self) -> FloatArray:
        """``(1 - |K^-1 w|^2) / variance``, w a row of D^-1/2 F and K K^T = I + F^T D^-1 F."""
        if self._full is not None:
            return self._full.precision_diagonal()
        half = solve_lower(self._inner, self._white.swapaxes(-1, -2))
        return np.asarray((1 - np.square(half).sum(-2)) / self.variance)

    def logdet(self) -> FloatArray:
        """``log |D| + log |I + F^T D^-1 F|``."""
        if self._full is not None:
            return self._full.logdet()
        inner = np.log(np.diagonal(self._inner, axis1=-2, axis2=-1)).sum(-1)
        return np.asarray(np.log(self.variance).sum(-1) + 2 * inner)

    def mahalanobis(self, r: FloatArray) -> FloatArray:
        """Minimum over z of ``|D^-1/2 (r - F z)|^2 + |z|^2``: equal, but nothing cancels."""
        if self._full is not None:
            return self._full.mahalanobis(r)
        rest, z = self._split(r)
        return np.asarray(np.square(rest).sum(-1) + np.square(z).sum(-1))

    def sample(self, size: int, rng: Rng = None) -> FloatArray:
        """Draws of N(0, S), shape (size, ..., p)."""
        rng = generator(rng)
        own = np.sqrt(self.variance) * rng.standard_normal((size, *self.variance.shape))
        return own + spread(self.factor, size, rng)

    def scaled(self, s: FloatArray | float) -> "LowRank":
        """diag(s) S diag(s)."""
        s = self._scale(s)
        return LowRank._of(variance=self.variance * s**2, factor=self.factor * s[..., None])

    def cross(self, rows: Any, columns: Any) -> FloatArray:
        """Part of F F^T, and of D where row and column are the same."""
        shared = self.factor[..., rows, :] @ self.factor[..., columns, :].swapaxes(-1, -2)
        same = np.equal.outer(np.asarray(rows), np.asarray(columns))
        return np.asarray(shared + self.variance[..., rows, None] * same)

    @property
    def _costly(self) -> bool:
        return bool(3 * self.factor.shape[-1] >= self.p)

    @cached_property
    def _full(self) -> "Dense | None":
        if self._costly or not (self.variance > 0).all():
            return Dense._of(matrix=self.dense())
        return None

    @cached_property
    def _white(self) -> FloatArray:
        return self.factor / np.sqrt(self.variance)[..., None]

    @cached_property
    def _inner(self) -> FloatArray:
        return cholesky(np.eye(self.factor.shape[-1]) + self._white.swapaxes(-1, -2) @ self._white)

    def _split(self, r: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Whitened remainder D^-1/2 (r - F z) (..., p) and shared part z (..., k) of a residual."""
        own = (self._vector(r) / np.sqrt(self.variance))[..., None]
        half = solve_lower(self._inner, self._white.swapaxes(-1, -2) @ own)
        z = solve_lower(self._inner, half, transposed=True)
        return (own - self._white @ z)[..., 0], z[..., 0]

    def _take(self, indices: Any) -> "LowRank":
        return LowRank._of(
            variance=self.variance[..., indices], factor=self.factor[..., indices, :]
        )

    def _project(self, R: FloatArray) -> Covariance:
        own = Diagonal._of(variance=self.variance)._project(R)
        shared = R @ self.factor
        return own + LowRank._of(variance=np.zeros(shared.shape[:-1]), factor=shared)
