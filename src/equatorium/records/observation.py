"""What was measured: values, the covariance of their errors, and where they lie."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from os import PathLike
from typing import Any, Self

import numpy as np

from equatorium.checks import FloatArray, floats, read_only, vector
from equatorium.errors import (
    InputError,
    NotFiniteError,
    ShapeError,
)
from equatorium.records.base import Record
from equatorium.records.coordinates import check_coordinates, check_units, select_indices
from equatorium.records.covariance import Covariance, Dense, as_covariance
from equatorium.records.factor import square_root
from equatorium.records.matching import response
from equatorium.records.observation_table import fields_of, table_of
from equatorium.records.outputs import Outputs, unique_names
from equatorium.records.tables import read_table, write_table


@dataclass(frozen=True, eq=False)
class Observation(Record):
    """An observed vector of q data with the covariance of its measurement errors, and no others.

    Parameters
    ----------
    values : array_like, shape (q,)
    covariance : Covariance, or array_like of standard deviations (q,) or a matrix (q, q)
    coords : mapping of str to array_like (q,), optional
        Where each datum lies, in the same coordinates as the simulator's outputs.
    names : sequence of q str, optional
        Names of outputs, for data without coordinates.
    unit, label : str
        Of the values.
    units : mapping of str to str, optional
        Of the coordinates.
    meta : mapping, optional
        References and remarks; JSON values.
    limit : sequence of q int, optional
        0 for a datum that was measured; -1 where its value is an upper limit (what would have been
        measured lies below), +1 where it is a lower limit. The errors of a limit are those that
        the measurement would have had.

    Examples
    --------
    >>> seen = Observation([-1.5, -2.0], [0.1, 0.2], {"mass": [9.0, 9.5]})
    >>> seen.match(Outputs(["low", "high"], {"mass": [9.0, 10.0]})).tolist()
    [[1.0, 0.0], [0.5, 0.5]]
    """

    values: FloatArray
    covariance: Covariance
    coords: Mapping[str, FloatArray] = field(default_factory=dict)
    names: Sequence[str] | None = None
    unit: str = ""
    units: Mapping[str, str] = field(default_factory=dict)
    label: str = ""
    meta: Mapping[str, Any] = field(default_factory=dict)
    limit: Sequence[int] | None = None

    def __post_init__(self) -> None:
        values = floats(self.values, "values")
        if values.ndim != 1 or not values.size:
            raise ShapeError(
                f"values must be a list of q >= 1 data, but its shape is {values.shape}."
            )
        coords = check_coordinates(self.coords, values.size, "observation")
        names = None if self.names is None else unique_names(self.names, "data")
        if names is not None and len(names) != values.size:
            raise ShapeError(f"There are {values.size} values but {len(names)} names.")
        for name, value in {
            "coords": coords,
            "names": names,
            "units": check_units(self.units, coords),
            "meta": dict(self.meta),
            "limit": _limits(self.limit, values.size),
        }.items():
            object.__setattr__(self, name, value)
        bad = ~np.isfinite(values)
        if bad.any():
            i = int(np.argmax(bad))
            raise NotFiniteError(
                f"{self.describe(i)} of the observation is {values[i]}. Leave out data that were "
                "not measured."
            )
        object.__setattr__(self, "values", read_only(values))
        covariance = self.covariance
        if not isinstance(covariance, Covariance):
            given = floats(covariance, "covariance")
            if given.ndim == 1:
                given = vector(given, "the errors of the observation", values.size)
                if (given < 0).any():
                    raise InputError(
                        f"{self.describe(int(np.argmin(given)))} has a negative error."
                    )
            covariance = as_covariance(given)
        if isinstance(covariance, Dense):
            square_root(covariance.matrix)  # other errors, added to it, would hide a wrong one
        if covariance.batch or covariance.p != values.size:
            raise ShapeError(
                f"{values.size} values need errors ({values.size},) or a covariance "
                f"({values.size}, {values.size}), but it is of {covariance.p} data"
                + (f" with batch {covariance.batch}." if covariance.batch else ".")
            )
        object.__setattr__(self, "covariance", covariance)

    def get_state(self) -> dict[str, Any]:
        """Give all that is needed to rebuild it; limits only if there are any."""
        state = super().get_state()
        if self.limit is None:
            del state["limit"]  # as before there were limits: hashes of studies stay
        return state

    @classmethod
    def _rebuild(cls, state: Mapping[str, Any]) -> Self:
        return super()._rebuild({"limit": None, **state})

    @property
    def q(self) -> int:
        """Number of data."""
        return int(np.size(self.values))

    @property
    def errors(self) -> FloatArray:
        """Standard deviations, shape (q,)."""
        return np.asarray(np.sqrt(self.covariance.diagonal()))

    def describe(self, i: int) -> str:
        """Say which datum i is, for messages."""
        at = ", ".join(f"{name} = {values[i]:.6g}" for name, values in self.coords.items())
        named = f" {self.names[i]!r}" if self.names is not None else ""
        return f"Datum {i}{named}" + (f" ({at})" if at else "")

    def match(self, outputs: Outputs) -> FloatArray:
        """Response R (q, p): what outputs y predict for the data is R y.

        Data with coordinates take the output at the same coordinates, or are interpolated linearly
        along one of them; data without are matched by name.

        Raises
        ------
        InputError
            If a datum lies outside the outputs' range, or units differ.
        UnknownNameError
            If a name or coordinate is not one of the outputs'.
        """
        said = [(self.unit, outputs.unit, "values")]
        said += [(u, outputs.units.get(c, ""), f"coordinate {c!r}") for c, u in self.units.items()]
        for ours, theirs, what in said:
            if ours and theirs and ours != theirs:
                raise InputError(
                    f"The {what} of the observation are in {ours!r}, those of the outputs in "
                    f"{theirs!r}. Convert one, or write the same unit alike."
                )
        if self.coords and outputs.coords:
            data = tuple(self.describe(i) for i in range(self.q))
            return response(outputs, dict(self.coords), data)
        if self.names is None:
            raise InputError(
                "The observation cannot be matched: it has no names, and coordinates are "
                f"{'missing from the outputs' if self.coords else 'missing too'}. Give names."
            )
        R = np.zeros((self.q, outputs.p))
        R[np.arange(self.q), [outputs.index(name) for name in self.names]] = 1.0
        return R

    def select(self, **criteria: Any) -> Self:
        """Keep the data at a value, in a closed range (low, high), or at listed values."""
        return self.subset(select_indices(dict(self.coords), self.q, criteria))

    def subset(self, indices: Any) -> Self:
        """Take the data at `indices` (an int, list, slice or mask), in that order."""
        covariance = self.covariance.marginal(indices)
        chosen = np.atleast_1d(np.arange(self.q)[indices])
        return type(self)(
            np.asarray(self.values)[chosen],
            covariance,
            {name: values[chosen] for name, values in self.coords.items()},
            None if self.names is None else [self.names[i] for i in chosen],
            self.unit,
            self.units,
            self.label,
            self.meta,
            None if self.limit is None else [self.limit[i] for i in chosen],
        )

    @classmethod
    def read(cls, path: str | PathLike[str]) -> Self:
        """Read an ECSV (or csv) table of data.

        Columns: `value`; `error` (standard deviation), or `covariance` (q numbers a row), or
        `error` and `factor` (k numbers a row, shared errors); `name`, if data go by names; `limit`
        (-1, 0 or +1), if some are upper or lower limits. All other numeric columns are coordinates;
        other text columns are remarks, and are not read.
        """
        return cls(**fields_of(read_table(path, (".ecsv", ".csv")), str(path)))

    def write(self, path: str | PathLike[str]) -> None:
        """Write an ECSV table that `read` gives back as an equal observation."""
        write_table(table_of(self.get_state()), path, (".ecsv",))


def _limits(given: Any, q: int) -> tuple[int, ...] | None:
    """Check limits; None if there are none."""
    if given is None:
        return None
    limit = vector(given, "limit", q)
    if not np.isin(limit, (-1, 0, 1)).all():
        raise InputError(
            "limit must be -1 (upper limit), 0 (measured) or +1 (lower limit) for each datum, but "
            f"it is {given!r:.80}."
        )
    return tuple(int(value) for value in limit) if limit.any() else None
