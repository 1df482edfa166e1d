"""What comes in by a public door: arrays that are what they claim, seeds that give generators."""

from typing import Any

import numpy as np
import numpy.typing as npt

from equatorium.errors import InputError, NotFiniteError, ShapeError

FloatArray = npt.NDArray[np.float64]
Rng = int | np.random.Generator | None


def generator(rng: Rng) -> np.random.Generator:
    """Turn a seed, a generator or None into a generator; a generator is passed through.

    >>> bool(generator(1).integers(10) == generator(1).integers(10))
    True
    """
    if isinstance(rng, np.random.Generator):
        return rng
    if rng is None or (
        isinstance(rng, int | np.integer) and not isinstance(rng, bool) and rng >= 0
    ):
        return np.random.default_rng(rng)
    raise InputError(
        f"rng must be a non-negative int, a numpy Generator or None, but it is {rng!r}. "
        "Make one with numpy.random.default_rng(seed)."
    )


def floats(x: Any, name: str) -> FloatArray:
    """Convert to a float64 array of any shape (masked becomes NaN), or say why that is impossible.

    Raises
    ------
    InputError
        If `x` holds text, objects, complex or ragged values.
    """
    try:
        if hasattr(x, "mask") and hasattr(x, "filled"):  # of numpy, or of astropy
            x = x.astype(np.float64).filled(np.nan)
        array = np.asarray(x)
        if array.dtype.kind not in "biuf":
            if array.dtype.kind != "O":
                raise TypeError(f"its values are of type {array.dtype}")
            if any(isinstance(value, str | bytes) for value in array.flat):
                raise TypeError("it holds text")
        return np.asarray(array, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InputError(f"{name} must hold real numbers, but {error}.") from error


def finite(x: FloatArray, name: str, allow_nan: bool = False) -> None:
    """Raise NotFiniteError naming the first element that is not a number."""
    bad = np.isinf(x) if allow_nan else ~np.isfinite(x)
    if bad.any():
        where = tuple(int(i) for i in np.argwhere(bad)[0])
        at = f" at {list(where)}" if where else ""
        raise NotFiniteError(
            f"{name} must be finite{' or NaN' if allow_nan else ''}, but {int(bad.sum())} of its "
            f"{x.size} values are not; the first is {x[where]}{at}. Remove or repair these rows."
        )


def matrix(
    X: Any, name: str = "X", columns: int | None = None, allow_nan: bool = False
) -> FloatArray:
    """Check a table of numbers, rows by columns.

    Parameters
    ----------
    X : array_like, shape (n, d)
    name : str
        What to call it in an error.
    columns : int, optional
        The d that is expected.
    allow_nan : bool
        Whether NaN (not observed) may occur.

    Raises
    ------
    ShapeError
        If `X` is not 2-D or has another number of columns.
    NotFiniteError
        If a value is infinite, or NaN where that is not allowed.
    """
    array = floats(X, name)
    if array.ndim != 2:
        hint = " Use x.reshape(1, -1) for one row." if array.ndim == 1 else ""
        raise ShapeError(
            f"{name} must be 2-D (rows, columns), but its shape is {array.shape}.{hint}"
        )
    if columns is not None and array.shape[1] != columns:
        raise ShapeError(f"{name} must have {columns} columns, but it has {array.shape[1]}.")
    finite(array, name, allow_nan)
    return array


def vector(x: Any, name: str, size: int | None = None, allow_nan: bool = False) -> FloatArray:
    """Check a list of numbers, shape (size,); raises as `matrix` does."""
    array = floats(x, name)
    if array.ndim != 1:
        raise ShapeError(f"{name} must be 1-D, but its shape is {array.shape}.")
    if size is not None and array.size != size:
        raise ShapeError(f"{name} must have {size} values, but it has {array.size}.")
    finite(array, name, allow_nan)
    return array


def instance(value: Any, kind: type, name: str) -> None:
    """Raise InputError naming what came, unless `value` is of the kind.

    >>> instance(2, int, "n")
    """
    if not isinstance(value, kind):
        raise InputError(f"{name} must be of the type {kind.__name__}, but it is {value!r:.80}.")


def same_length(**arrays: Any) -> int:
    """Return the common length of the named arrays (None is skipped), or raise ShapeError.

    >>> same_length(X=[[1.0], [2.0]], y=[3.0, 4.0], noise=None)
    2
    """
    lengths = {name: len(array) for name, array in arrays.items() if array is not None}
    if len(set(lengths.values())) > 1:
        listed = ", ".join(f"{name} has {length}" for name, length in lengths.items())
        raise ShapeError(f"The number of rows must agree, but {listed}.")
    return next(iter(lengths.values()), 0)


def read_only(x: Any) -> FloatArray:
    """Copy to a float64 array that cannot be written to: what a frozen record holds."""
    array = np.array(x, dtype=np.float64)
    array.setflags(write=False)
    return array
