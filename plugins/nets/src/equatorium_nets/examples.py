"""The examples of a training, scaled: in memory, or read block by block from an HDF5 file.

A file larger than memory is read in pieces of neighbouring rows. Every epoch takes the pieces in
another order, several at once, and every member shuffles the rows of these, so that a file sorted
by class does no harm.
"""

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt

from equatorium.checks import FloatArray
from equatorium.errors import InputError, NotFiniteError, ShapeError

Rows = npt.NDArray[np.intp]
_PIECE = 2**20  # numbers read at one place
_PIECES = 16  # places at once
_VAST = 1e30  # an error beyond which single precision ends
_HELD = 2**25  # numbers that are held out of a file, and stay in memory, at most


class Examples(ABC):
    """Rows of inputs, scaled.

    Attributes
    ----------
    n, d : int
    center, scale : ndarray, shape (d,)
        What is taken off the inputs, and what they are divided by; nothing unless it is set.
    errors : ndarray of float32, shape (n, d) or (1, d), or None
        Standard deviations of the inputs, scaled; 0 where they are not observed.
    """

    n: int
    d: int
    center: FloatArray
    scale: FloatArray
    errors: npt.NDArray[np.float32] | None = None

    def __init__(self, X: Any, fit: Rows, missing: bool = False) -> None:
        self.n, self.d = X.shape
        self.X, self.fit, self.missing = X, fit, missing
        self.center, self.scale = np.zeros(self.d), np.ones(self.d)

    def scaled(self, X: FloatArray) -> FloatArray:
        """Return rows in units of the spread."""
        return (X - self.center) / self.scale

    def with_errors(self, ivar: FloatArray | None) -> None:
        """Take note of the inverse variances of the inputs, (n, d) or (d,)."""
        if ivar is not None:
            std = np.zeros_like(ivar)
            np.divide(1.0, np.sqrt(ivar), out=std, where=ivar > 0)
            self.errors = np.atleast_2d(np.minimum(std / self.scale, _VAST)).astype(np.float32)

    @abstractmethod
    def take(self, rows: Rows) -> FloatArray:
        """Return the rows of these (sorted) numbers, scaled."""

    @abstractmethod
    def blocks(self, rng: np.random.Generator) -> Iterator[tuple[Rows, npt.NDArray[np.float32]]]:
        """Yield all rows to learn from, scaled, with their numbers; files in an order of `rng`."""

    @abstractmethod
    def learned(self) -> Iterator[FloatArray]:
        """Yield the rows to learn from as they come, in pieces."""

    @abstractmethod
    def digest(self) -> str:
        """Return a checksum of all rows."""


class InMemory(Examples):
    """Rows of an array."""

    def take(self, rows: Rows) -> FloatArray:
        """Return the rows of these numbers, scaled."""
        return self.scaled(self.X[rows])

    def blocks(self, rng: np.random.Generator) -> Iterator[tuple[Rows, npt.NDArray[np.float32]]]:
        """Yield all rows to learn from at once."""
        if not hasattr(self, "_all"):
            self._all = self.take(self.fit).astype(np.float32)
        yield self.fit, self._all

    def learned(self) -> Iterator[FloatArray]:
        """Yield the rows to learn from at once."""
        yield self.X[self.fit]

    def digest(self) -> str:
        """Return a checksum of all rows."""
        return checksum(self.X)


class Stored(Examples):
    """Rows of an `h5py.Dataset`."""

    def take(self, rows: Rows) -> FloatArray:
        """Return the rows of these sorted numbers, scaled."""
        found = [x[_among(rows, start, len(x))] for start, x in self._pieces(self._starts())]
        return self.scaled(np.concatenate(found))

    def blocks(self, rng: np.random.Generator) -> Iterator[tuple[Rows, npt.NDArray[np.float32]]]:
        """Yield the rows to learn from, of several pieces at a time."""
        starts = rng.permutation(self._starts())
        for first in range(0, len(starts), _PIECES):
            rows, found = [], []
            for start, x in self._pieces(starts[first : first + _PIECES]):
                inside = _among(self.fit, start, len(x))
                rows.append(start + inside)
                found.append(self.scaled(x[inside]).astype(np.float32))
            yield np.concatenate(rows), np.concatenate(found)

    def learned(self) -> Iterator[FloatArray]:
        """Yield the rows to learn from, piece by piece, after all of them are checked."""
        for start, x in self._pieces(self._starts()):
            wild = np.isinf(x) if self.missing else ~np.isfinite(x)
            if wild.any():
                row = start + int(np.argwhere(wild)[0, 0])
                raise NotFiniteError(
                    f"row {row} of the dataset {self.X.name} holds "
                    f"{'' if self.missing else 'NaN or '}infinity; remove it."
                )
            yield x[_among(self.fit, start, len(x))]

    def digest(self) -> str:
        """Return a checksum of all rows."""
        return checksum(*(x for _, x in self._pieces(self._starts())))

    def _starts(self) -> Rows:
        return np.arange(0, self.n, max(1, _PIECE // self.d))

    def _pieces(self, starts: Rows) -> Iterator[tuple[int, FloatArray]]:
        size = max(1, _PIECE // self.d)
        for start in starts:
            yield int(start), np.asarray(self.X[start : start + size], dtype=np.float64)


def examples(X: Any, fit: Rows, missing: bool = False) -> Examples:
    """Return the rows of an array, or of a dataset of an open HDF5 file; NaN if it may be."""
    return (Stored if isinstance(X, h5py.Dataset) else InMemory)(X, fit, missing)


def checked_dataset(X: h5py.Dataset) -> None:
    """Raise what a dataset deserves that is no table of numbers."""
    if not X:
        raise InputError("the HDF5 file of the dataset is closed; keep it open during fit.")
    if X.ndim != 2 or 0 in X.shape:
        raise ShapeError(
            f"the dataset {X.name} must be 2-D, (rows, columns), but its shape is {X.shape}."
        )
    if X.dtype.kind not in "biuf":
        raise InputError(f"the dataset {X.name} must hold real numbers, not {X.dtype}.")


def most_held(X: Any) -> int:
    """Return how many rows may be held out."""
    n, d = X.shape
    return max(1, _HELD // d) if isinstance(X, h5py.Dataset) else n


def checksum(*arrays: npt.NDArray[Any] | None) -> str:
    """Return 32 hexadecimal digits that change with any bit of the arrays."""
    found = hashlib.blake2b(digest_size=16)
    for array in arrays:
        found.update(b"-" if array is None else np.ascontiguousarray(array).tobytes())
    return found.hexdigest()


def input_units(X: Iterable[FloatArray], shape: Sequence[int]) -> tuple[FloatArray, FloatArray]:
    """Return centre and spread (d,) of rows in pieces: of each column, or each channel of maps."""
    with np.errstate(over="ignore", invalid="ignore"):
        center, variance = _moments(X)
    if not np.isfinite(variance).all():
        column = int(np.flatnonzero(~np.isfinite(variance))[0])
        raise InputError(
            f"column {column} of X is so large that squares overflow: give it in other units."
        )
    if len(shape) > 1:
        means, variances = (a.reshape(shape[0], -1) for a in (center, variance))
        size = means.shape[1]
        variance = np.repeat(variances.mean(axis=1) + means.var(axis=1), size)
        center = np.repeat(means.mean(axis=1), size)
    return center, positive(np.sqrt(variance), center)


def positive(spread: FloatArray, center: FloatArray) -> FloatArray:
    """Return the spread, but 1 where there is none but that of rounding."""
    return np.where(spread > 1e-12 * np.abs(center), spread, 1.0)


def _moments(pieces: Iterable[FloatArray]) -> tuple[FloatArray, FloatArray]:
    """Return mean and variance of each column without its NaN, joining those of the pieces.

    Chan T. F., Golub G. H. & LeVeque R. J. 1983, Am. Stat. 37, 242,
    doi:10.1080/00031305.1983.10483115
    """
    n, mean, squares = (np.zeros(1) for _ in range(3))
    for x in pieces:
        seen = np.isfinite(x)
        more = seen.sum(axis=0)
        own = np.sum(x, axis=0, where=seen) / np.maximum(more, 1)
        apart, total = own - mean, np.maximum(n + more, 1)
        within = np.sum((x - own) ** 2, axis=0, where=seen)
        squares = squares + within + apart**2 * n * more / total
        mean, n = mean + apart * more / total, n + more
    return mean, squares / np.maximum(n, 1)


def _among(rows: Rows, start: int, size: int) -> Rows:
    """Return which places from `start` on are among sorted rows."""
    low, high = np.searchsorted(rows, (start, start + size))
    return rows[low:high] - start
