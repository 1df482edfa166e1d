r"""Gaussian processes on a Cartesian grid, by Kronecker products of one-dimensional kernels.

With ``K = s K_1 x ... x K_d`` and ``K_a = Q_a Lambda_a Q_a'`` a process on the grid is
``f = Q Lambda^1/2 v`` with independent ``v ~ N(0, 1)``: one eigendecomposition an axis (Saatci
2011; Wilson et al. 2014). For inverse noise variances w of the cells, zero where nothing was
observed, the posterior of v is Gaussian with the precision matrix

    A = 1 + Lambda^1/2 Q' diag(w) Q Lambda^1/2,

which is diagonal where all w are equal, and else is solved by conjugate gradients with the same
matrix for the mean of w as the preconditioner. Draws of ``N(0, A^-1)`` are solutions for the
right-hand sides ``z + Lambda^1/2 Q' w^1/2 z'`` (pathwise conditioning, Wilson et al. 2021, Journal
of Machine Learning Research 22, 105, in these coordinates).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any

import numpy as np
import scipy.linalg

from equatorium.checks import FloatArray
from equatorium.errors import InputError

LEAST = 1e-15  # of an axis's largest eigenvalue: what is below is rounding
CHUNK = 2**22  # numbers that one product of scattered points with the grid may hold

# k(r) of one axis, r in length-scales, and r dk/dr with the sign turned: the slope by log length.
Family = Callable[[FloatArray], tuple[FloatArray, FloatArray]]


def _rbf(r: FloatArray) -> tuple[FloatArray, FloatArray]:
    k = np.exp(-0.5 * r**2)
    return k, r**2 * k


def _matern12(r: FloatArray) -> tuple[FloatArray, FloatArray]:
    k = np.exp(-r)
    return k, r * k


def _matern32(r: FloatArray) -> tuple[FloatArray, FloatArray]:
    a = np.sqrt(3.0) * r
    e = np.exp(-a)
    return (1.0 + a) * e, a**2 * e


def _matern52(r: FloatArray) -> tuple[FloatArray, FloatArray]:
    a = np.sqrt(5.0) * r
    e = np.exp(-a)
    return (1.0 + a + a**2 / 3.0) * e, a**2 * (1.0 + a) / 3.0 * e


FAMILIES: dict[str, Family] = {
    "rbf": _rbf,
    "matern12": _matern12,
    "matern32": _matern32,
    "matern52": _matern52,
}


@dataclass(frozen=True)
class Axis:
    """One axis: its coordinates, and its kernel's eigendecomposition.

    Attributes
    ----------
    points : (n,) array
    family : str
    length : float
    values, vectors : (n,) and (n, n) arrays
    """

    points: FloatArray
    family: str
    length: float
    values: FloatArray
    vectors: FloatArray

    @classmethod
    def of(cls, points: FloatArray, family: str, length: float) -> "Axis":
        """Decompose the kernel of an axis."""
        K, _ = FAMILIES[family](np.abs(points[:, None] - points) / length)
        values, vectors = scipy.linalg.eigh(K, driver="evd", check_finite=False)
        return cls(points, family, length, np.maximum(values, LEAST * values[-1]), vectors)

    def slope(self) -> FloatArray:
        """Slope of the kernel (n, n) by log length, in the eigenvectors' basis."""
        _, D = FAMILIES[self.family](np.abs(self.points[:, None] - self.points) / self.length)
        return np.asarray(self.vectors.T @ D @ self.vectors)

    def features(self, x: FloatArray) -> FloatArray:
        """``Lambda^-1/2 Q' k`` (n, m) at m coordinates, whose products sum to the kernel."""
        k, _ = FAMILIES[self.family](np.abs(self.points[:, None] - x) / self.length)
        return np.asarray((self.vectors.T @ k) / np.sqrt(self.values)[:, None])


def along(tensor: FloatArray, matrices: Sequence[FloatArray]) -> FloatArray:
    """Apply one matrix (r_a, n_a) along each of the last axes of a tensor (..., n_1, ..., n_d)."""
    d = len(matrices)
    for a, matrix in enumerate(matrices):
        axis = tensor.ndim - d + a
        tensor = np.moveaxis(np.moveaxis(tensor, axis, -1) @ matrix.T, -1, axis)
    return np.ascontiguousarray(tensor)


class Lattice:
    """A grid with a kernel.

    Parameters
    ----------
    axes : list of Axis
    scale : float
        The kernel's variance s.
    """

    def __init__(self, axes: Sequence[Axis], scale: float) -> None:
        self.axes, self.scale = list(axes), scale
        self.shape = tuple(len(axis.points) for axis in axes)
        self.values = scale * outer([axis.values for axis in axes])
        self._root = np.sqrt(self.values)
        self._vectors = [axis.vectors for axis in axes]
        self._transposed = [axis.vectors.T for axis in axes]

    def turned(self, values: FloatArray) -> FloatArray:
        """``Q' values`` of values (..., shape) at the cells."""
        return along(values, self._transposed)

    def back(self, coordinates: FloatArray) -> FloatArray:
        """``Q`` times coordinates."""
        return along(coordinates, self._vectors)

    def function(self, v: FloatArray) -> FloatArray:
        """``f = Q Lambda^1/2 v`` at all cells."""
        return self.back(self._root * v)

    def pulled(self, values: FloatArray) -> FloatArray:
        """``Lambda^1/2 Q'`` times values at the cells."""
        return np.asarray(self._root * self.turned(values))

    def solve(
        self, right: FloatArray, weight: FloatArray, tolerance: float, most: int = 2000
    ) -> FloatArray:
        """Solve ``A v = right`` (..., shape) for inverse noise variances `weight` (shape).

        Raises
        ------
        InputError
            If conjugate gradients do not reach the tolerance, a residual relative to `right` in
            the preconditioner's norm, within `most` steps.
        """
        mean = float(weight.mean())
        inverse = 1.0 / (1.0 + mean * self.values)
        if np.ptp(weight) <= 1e-14 * mean:
            return right * inverse
        places = tuple(range(right.ndim - len(self.shape), right.ndim))
        v, rest = np.zeros_like(right), right.copy()
        step = z = inverse * rest
        size = start = (rest * z).sum(axis=places, keepdims=True)
        for _ in range(most):
            moved = step + self.pulled(weight * self.function(step))
            length = size / np.maximum((step * moved).sum(axis=places, keepdims=True), 1e-300)
            v, rest = v + length * step, rest - length * moved
            z = inverse * rest
            before, size = size, (rest * z).sum(axis=places, keepdims=True)
            if (size <= tolerance**2 * start).all():
                return np.asarray(v)
            step = z + size / np.maximum(before, 1e-300) * step
        left = float(np.sqrt((size / np.maximum(start, 1e-300)).max()))
        raise InputError(
            f"conjugate gradients left {left:.1g} of the residual after {most} steps: the noise of "
            "the pixels spans too many decades, or is far below the signal; declare larger noise."
        )

    def draws(
        self, weight: FloatArray, size: int, rng: np.random.Generator, tolerance: float
    ) -> FloatArray:
        """Draw v (size, shape) from ``N(0, A^-1)``."""
        found = np.empty((size, *self.shape))
        batch = max(CHUNK // self.values.size, 1)
        for start in range(0, size, batch):
            k = min(batch, size - start)
            white, noise = rng.standard_normal((2, k, *self.shape))
            right = white + self.pulled(np.sqrt(weight) * noise)
            found[start : start + k] = self.solve(right, weight, tolerance)
        return found

    def at(
        self, X: FloatArray, linear: FloatArray, squared: FloatArray
    ) -> tuple[FloatArray, FloatArray]:
        """Contract tensors with the features of points, and with their squares.

        Parameters
        ----------
        X : (m, d) array
        linear, squared : (k, shape) and (l, shape) arrays

        Returns
        -------
        (k, m) and (l, m) arrays
            ``sum linear phi(x)`` and ``sum squared phi(x)^2``.
        """
        pairs = [np.unique(x, return_inverse=True) for x in X.T]
        scale = np.sqrt(self.scale)
        if np.prod([float(len(u)) for u, _ in pairs]) <= 4.0 * len(X):
            features = [axis.features(u) for axis, (u, _) in zip(self.axes, pairs, strict=True)]
            place: Any = (slice(None), *(where for _, where in pairs))
            one = along(linear, [f.T for f in features])[place] * scale
            return one, along(squared, [f.T**2 for f in features])[place] * self.scale
        found = np.empty((len(linear) + len(squared), len(X)))
        step = max(CHUNK // (len(found) * max(self.values.size // self.shape[0], 1)), 1)
        for start in range(0, len(X), step):
            piece = slice(start, start + step)
            features = [axis.features(x) for axis, x in zip(self.axes, X[piece].T, strict=True)]
            for tensors, power, rows in (
                (linear, 1, slice(len(linear))),
                (squared, 2, slice(len(linear), None)),
            ):
                left = np.tensordot(tensors, features[0] ** power, axes=(1, 0))
                for feature in features[1:]:
                    left = np.einsum("kn...m,nm->k...m", left, feature**power)
                found[rows, piece] = left
        return found[: len(linear)] * scale, found[len(linear) :] * self.scale


def outer(vectors: Sequence[FloatArray]) -> FloatArray:
    """Outer product of vectors, one an axis."""
    return np.asarray(reduce(np.multiply.outer, vectors))
