"""Errors that remember their neighbours along one coordinate, plus a few shared ones."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
from scipy.linalg.lapack import dpbtrf, dtbtrs

from equatorium.checks import FloatArray, Rng, finite, floats, generator, read_only
from equatorium.errors import InputError, ShapeError
from equatorium.records.covariance_base import Covariance, spread, variances
from equatorium.records.covariance_dense import Dense
from equatorium.records.covariance_lowrank import LowRank
from equatorium.records.factor import cholesky, solve_lower


@dataclass(frozen=True, eq=False)
class Banded(Covariance):
    r"""S = B + F F^T, where B is zero further than b places from its diagonal.

    With the banded factor :math:`B = L L^T` and :math:`W = L^{-1} F` it costs p b^2 + p b k, in
    place of p^3: what a spectrum of thousands of pixels needs whose noise is correlated over some
    of them.

    Parameters
    ----------
    bands : array_like, shape (..., b + 1, p)
        ``bands[i, j]`` is B[i + j, j]; the last i of each row mean nothing.
    factor : array_like, shape (..., p, k)
        k may be 0.
    """

    bands: FloatArray
    factor: FloatArray
    _axes: ClassVar[Mapping[str, int]] = {"bands": 2, "factor": 2}

    def __post_init__(self) -> None:
        bands, factor = floats(self.bands, "bands"), floats(self.factor, "factor")
        finite(bands, "bands")
        finite(factor, "factor")
        p = bands.shape[-1]
        if bands.ndim < 2 or factor.ndim < 2 or factor.shape[-2] != p or bands.shape[-2] > p:
            raise ShapeError(
                "bands must have shape (..., b + 1, p), b < p, and factor (..., p, k), but they "
                f"are {bands.shape} and {factor.shape}."
            )
        variances(bands[..., 0, :])
        batch = np.broadcast_shapes(bands.shape[:-2], factor.shape[:-2])
        for name, array in (("bands", bands), ("factor", factor)):
            wide = np.broadcast_to(read_only(array), batch + array.shape[-2:])
            object.__setattr__(self, name, wide)

    @classmethod
    def of(cls, matrix: FloatArray, b: int) -> "Banded":
        """Take the b bands of a matrix (p, p)."""
        p = len(matrix)
        bands = np.zeros((b + 1, p))
        for i in range(b + 1):
            bands[i, : p - i] = np.diagonal(matrix, -i)
        return cls(bands, np.zeros((p, 0)))

    def __add__(self, other: Covariance) -> Covariance:
        """Widen the diagonal, join factors or bands."""
        self._with(other)
        if isinstance(other, Dense):
            return other + self
        batch = np.broadcast_shapes(self.batch, other.batch)
        height = self.bands.shape[-2]
        factors = [self.factor]
        if isinstance(other, Banded):
            height = max(height, other.bands.shape[-2])
        bands = np.zeros((*batch, height, self.p))
        bands[..., : self.bands.shape[-2], :] = self.bands
        if isinstance(other, Banded):
            bands[..., : other.bands.shape[-2], :] += other.bands
            factors.append(other.factor)
        elif isinstance(other, LowRank):
            bands[..., 0, :] += other.variance
            factors.append(other.factor)
        else:
            bands[..., 0, :] += other.diagonal()
        wide = [np.broadcast_to(f, batch + f.shape[-2:]) for f in factors]
        return Banded._of(bands=bands, factor=np.concatenate(wide, axis=-1))

    def diagonal(self) -> FloatArray:
        """Variances, shape (..., p)."""
        return np.asarray(self.bands[..., 0, :] + np.square(self.factor).sum(-1))

    def dense(self) -> FloatArray:
        """S written out, shape (..., p, p)."""
        S = self.factor @ self.factor.swapaxes(-1, -2)
        for i in range(self.bands.shape[-2]):
            j = np.arange(self.p - i)
            S[..., j + i, j] += self.bands[..., i, : self.p - i]
            if i:
                S[..., j, j + i] += self.bands[..., i, : self.p - i]
        return np.asarray(S)

    def dot(self, r: FloatArray) -> FloatArray:
        """B r + F F^T r."""
        r = self._vector(r)
        shared = self.factor @ (self.factor.swapaxes(-1, -2) @ r[..., None])
        total = shared[..., 0] + self.bands[..., 0, :] * r
        for i in range(1, self.bands.shape[-2]):
            band = self.bands[..., i, : self.p - i]
            total[..., i:] += band * r[..., :-i]
            total[..., :-i] += band * r[..., i:]
        return np.asarray(total)

    def solve(self, r: FloatArray) -> FloatArray:
        """S^-1 r by Woodbury's identity."""
        rest, _ = self._split(r)
        return self._triangular(rest[..., None], transposed=True)[..., 0]

    def precision_diagonal(self) -> FloatArray:
        """Squared columns of the whitening, less what is shared."""
        half = self._triangular(np.broadcast_to(np.eye(self.p), (*self.batch, self.p, self.p)))
        taken = solve_lower(self._inner, self._white.swapaxes(-1, -2) @ half)
        return np.asarray(np.square(half).sum(-2) - np.square(taken).sum(-2))

    def logdet(self) -> FloatArray:
        """``log |B| + log |I + W^T W|``."""
        inner = np.log(np.diagonal(self._inner, axis1=-2, axis2=-1)).sum(-1)
        return np.asarray(2 * (np.log(self._factors[..., 0, :]).sum(-1) + inner))

    def mahalanobis(self, r: FloatArray) -> FloatArray:
        """Minimum over z of ``|L^-1 (r - F z)|^2 + |z|^2``."""
        rest, z = self._split(r)
        return np.asarray(np.square(rest).sum(-1) + np.square(z).sum(-1))

    def sample(self, size: int, rng: Rng = None) -> FloatArray:
        """Draws of N(0, S), shape (size, ..., p)."""
        rng = generator(rng)
        noise = rng.standard_normal((size, *self.batch, self.p))
        own = self._factors[..., 0, :] * noise
        for i in range(1, self.bands.shape[-2]):
            own[..., i:] += self._factors[..., i, : self.p - i] * noise[..., :-i]
        return np.asarray(own + spread(self.factor, size, rng))

    def scaled(self, s: FloatArray | float) -> "Banded":
        """diag(s) S diag(s)."""
        s = self._scale(s)
        batch = np.broadcast_shapes(self.batch, s.shape[:-1])
        bands = np.zeros((*batch, *self.bands.shape[-2:]))
        for i in range(bands.shape[-2]):
            part = slice(0, self.p - i)
            bands[..., i, part] = self.bands[..., i, part] * s[..., i:] * s[..., part]
        return Banded._of(bands=bands, factor=self.factor * s[..., None])

    def cross(self, rows: Any, columns: Any) -> FloatArray:
        """Part of B and of F F^T."""
        rows, columns = np.asarray(rows)[:, None], np.asarray(columns)
        lag, first = np.abs(rows - columns), np.minimum(rows, columns)
        inside = lag < self.bands.shape[-2]
        near = self.bands[..., np.where(inside, lag, 0), first] * inside
        shared = self.factor[..., rows[:, 0], :] @ self.factor[..., columns, :].swapaxes(-1, -2)
        return np.asarray(near + shared)

    @cached_property
    def _factors(self) -> FloatArray:
        """Banded Cholesky factors, shape of `bands`."""
        flat = self.bands.reshape(-1, *self.bands.shape[-2:])
        found = np.empty(flat.shape)
        for i, one in enumerate(flat):
            found[i], info = dpbtrf(one, lower=1)
            if info:
                raise InputError(
                    f"A banded covariance is not positive definite at output {info - 1}. Is an "
                    "independent error missing? Nothing is added to the diagonal silently."
                )
        return found.reshape(self.bands.shape)

    @cached_property
    def _white(self) -> FloatArray:
        return self._triangular(self.factor)

    @cached_property
    def _inner(self) -> FloatArray:
        return cholesky(np.eye(self.factor.shape[-1]) + self._white.swapaxes(-1, -2) @ self._white)

    def _triangular(self, B: FloatArray, transposed: bool = False) -> FloatArray:
        """L^-1 B, or L^-T B, for B of shape (..., p, k)."""
        batch = np.broadcast_shapes(self.batch, B.shape[:-2])
        if not B.size:
            return np.broadcast_to(B, batch + B.shape[-2:])
        if not self.batch:  # one factor for all, and one call
            columns = np.moveaxis(B, -2, 0)
            flat = columns.reshape(self.p, -1)
            solved = dtbtrs(self._factors, flat, uplo="L", trans="T" if transposed else "N")[0]
            return np.moveaxis(solved.reshape(columns.shape), 0, -2)
        factors = np.broadcast_to(self._factors, batch + self._factors.shape[-2:])
        sides = np.broadcast_to(B, batch + B.shape[-2:]).reshape(-1, *B.shape[-2:])
        solved = np.empty(sides.shape)
        for i, factor in enumerate(factors.reshape(-1, *factors.shape[-2:])):
            solved[i] = dtbtrs(factor, sides[i], uplo="L", trans="T" if transposed else "N")[0]
        return solved.reshape(batch + B.shape[-2:])

    def _split(self, r: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Whitened remainder L^-1 (r - F z) (..., p) and shared part z (..., k) of a residual."""
        own = self._triangular(self._vector(r)[..., None])
        half = solve_lower(self._inner, self._white.swapaxes(-1, -2) @ own)
        z = solve_lower(self._inner, half, transposed=True)
        return (own - self._white @ z)[..., 0], z[..., 0]

    def _take(self, indices: Any) -> Covariance:
        chosen = np.asarray(indices)
        if (np.diff(chosen) < 0).any():
            return Dense._of(matrix=self.cross(chosen, chosen))
        bands = np.zeros((*self.batch, min(self.bands.shape[-2], chosen.size), chosen.size))
        for i in range(bands.shape[-2]):
            lag = chosen[i:] - chosen[: chosen.size - i]
            inside = lag < self.bands.shape[-2]
            first = chosen[: chosen.size - i]
            bands[..., i, : chosen.size - i] = (
                self.bands[..., np.where(inside, lag, 0), first] * inside
            )
        return Banded._of(bands=bands, factor=self.factor[..., chosen, :])

    def _project(self, R: FloatArray) -> Covariance:
        return Dense._of(matrix=R @ self.dense() @ R.T)
