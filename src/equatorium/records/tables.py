"""Named columns of numbers from mappings, pandas, astropy or structured arrays."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from equatorium.checks import FloatArray, finite, floats
from equatorium.errors import (
    FileFormatError,
    InputError,
    ShapeError,
    UnknownNameError,
    did_you_mean,
)
from equatorium.records.conversion import conversion_factor

_FORMATS = {".ecsv": "ascii.ecsv", ".csv": "ascii.csv", ".fits": "fits"}


def column_names(table: Any) -> tuple[str, ...]:
    """List the columns of a table, or raise InputError if it has none by name."""
    for attribute in ("colnames", "columns", "names"):  # astropy, pandas, recarray
        if hasattr(table, attribute):
            return tuple(str(name) for name in getattr(table, attribute))
    if isinstance(table, Mapping):
        return tuple(str(name) for name in table)
    if getattr(getattr(table, "dtype", None), "names", None):
        return tuple(table.dtype.names)
    raise InputError(
        f"Expected a table with named columns (astropy Table, pandas DataFrame, mapping), but got "
        f"{type(table).__name__}."
    )


def column(table: Any, name: str, unit: str = "", allow_nan: bool = False) -> FloatArray:
    """Read one column as float64, converted to `unit` if both say what they are in.

    Raises
    ------
    UnknownNameError
        If there is no such column; with a did-you-mean.
    InputError
        If it holds text, or its unit cannot be converted.
    """
    known = column_names(table)
    if name not in known:
        hint = did_you_mean(name, known)
        raise UnknownNameError(f"The table has no column {name!r} among {', '.join(known)}.{hint}")
    values = table[name]
    given = getattr(values, "unit", None)
    array = floats(getattr(values, "value", values) if given is not None else values, name)
    if given is not None and unit and str(given) != unit:
        array = array * conversion_factor(given, unit, f"Column {name!r}")
    finite(array, f"column {name!r}", allow_nan)
    return array


def columns(table: Any, names: tuple[str, ...], units: tuple[str, ...], **how: Any) -> FloatArray:
    """Read several columns into an array of shape (n, len(names)); numbers are repeated."""
    read = [column(table, n, u, **how) for n, u in zip(names, units, strict=True)]
    if any(c.ndim > 1 for c in read):
        wide = [n for n, c in zip(names, read, strict=True) if c.ndim > 1]
        raise ShapeError(f"Column {wide[0]!r} must hold one number per row.")
    try:
        return np.stack(np.broadcast_arrays(*(np.atleast_1d(c) for c in read)), axis=1)
    except ValueError as error:
        lengths = {n: c.size for n, c in zip(names, read, strict=True)}
        raise ShapeError(f"The columns differ in length: {lengths}.") from error


def read_table(path: Any, suffixes: tuple[str, ...]) -> Any:
    """Read an astropy Table by the suffix of a path.

    Raises
    ------
    InputError
        For a missing file, or a suffix that is not one of `suffixes`.
    FileFormatError
        If the file cannot be read as what its suffix says.
    """
    from astropy.table import Table

    path = _suffixed(path, suffixes)
    if not path.is_file():
        raise InputError(f"There is no file {path}.")
    try:
        return Table.read(path, format=_FORMATS[path.suffix.lower()])
    except (ValueError, OSError, TypeError, LookupError) as error:
        first = str(error).strip().splitlines()[:1]
        raise FileFormatError(
            f"{path} cannot be read as {path.suffix[1:]}: {first[0] if first else error!r}"
        ) from error


def write_table(table: Any, path: Any, suffixes: tuple[str, ...]) -> None:
    """Write an astropy Table by the suffix of a path, all of it or nothing."""
    path = _suffixed(path, suffixes)
    part = path.with_name(f".{path.name}.part")
    try:
        table.write(part, format=_FORMATS[path.suffix.lower()], overwrite=True)
        part.replace(path)
    except OSError as error:
        raise InputError(f"{path} cannot be written: {error}") from error
    finally:
        part.unlink(missing_ok=True)


def _suffixed(given: Any, suffixes: tuple[str, ...]) -> Path:
    path = Path(given)
    suffix = path.suffix.lower()
    if suffix in (".h5", ".hdf5"):
        raise InputError(
            f"{path}: our HDF5 files go through equatorium.save(path, object) and "
            "equatorium.load(path). A table in a foreign HDF5 file is read with "
            "astropy.table.Table.read and handed on with from_table."
        )
    if suffix not in suffixes:
        raise InputError(f"{path} must end in {', '.join(suffixes)}, but it ends in {suffix!r}.")
    return path
