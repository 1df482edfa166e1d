"""What a simulator puts out: named numbers with coordinates and units."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from equatorium.checks import FloatArray
from equatorium.errors import InputError, UnknownNameError, did_you_mean
from equatorium.records.base import Record
from equatorium.records.coordinates import check_coordinates, check_units, select_indices


def unique_names(names: Iterable[Any], of: str) -> tuple[str, ...]:
    """Check that names are non-empty and distinct."""
    if isinstance(names, str) or not isinstance(names, Iterable):
        raise InputError(f"The names of {of} must be a list of text, but they are {names!r}.")
    found = tuple(str(name) for name in names)
    repeated = sorted({name for name in found if found.count(name) > 1})
    if repeated or "" in found:
        what = f"{repeated[0]!r} occurs more than once" if repeated else "one of them is empty"
        raise InputError(f"The names of {of} must be distinct and not empty, but {what}.")
    return found


@dataclass(frozen=True, eq=False)
class Outputs(Record):
    """The p outputs of a simulator.

    Parameters
    ----------
    names : sequence of str
        Distinct names, p of them.
    coords : mapping of str to array_like (p,), optional
        Where each output lies: one number per output for every coordinate.
    units : mapping of str to str, optional
        Units of coordinates.
    label, unit : str
        Of the values, for axes.

    Examples
    --------
    >>> phi = Outputs(["a", "b", "c"], {"z": [0, 0, 1], "mass": [9, 10, 9]})
    >>> phi.select(z=0, mass=(9.5, 11.0)).tolist()
    [1]
    """

    names: Sequence[str]
    coords: Mapping[str, FloatArray] = field(default_factory=dict)
    units: Mapping[str, str] = field(default_factory=dict)
    label: str = ""
    unit: str = ""

    def __post_init__(self) -> None:
        names = unique_names(self.names, "outputs")
        if not names:
            raise InputError("Outputs needs at least one name.")
        coords = check_coordinates(self.coords, len(names), "outputs")
        for name, value in {
            "names": names,
            "coords": coords,
            "units": check_units(self.units, coords),
        }.items():
            object.__setattr__(self, name, value)

    @property
    def p(self) -> int:
        """Number of outputs."""
        return len(self.names)

    def index(self, name: str) -> int:
        """Position of the output called `name`; raises UnknownNameError."""
        if name not in self.names:
            hint = did_you_mean(name, self.names)
            raise UnknownNameError(f"There is no output {name!r} among the {self.p}.{hint}")
        return self.names.index(name)

    def select(self, **criteria: Any) -> npt.NDArray[np.intp]:
        """Find the outputs at a value, in a closed range (low, high), or at listed values."""
        return select_indices(dict(self.coords), self.p, criteria)

    def subset(self, indices: Any) -> Self:
        """Take the outputs at `indices` (an int, list, slice or mask), in that order."""
        chosen = np.atleast_1d(np.arange(self.p)[indices])
        return type(self)(
            [self.names[i] for i in chosen],
            {name: values[chosen] for name, values in self.coords.items()},
            self.units,
            self.label,
            self.unit,
        )
