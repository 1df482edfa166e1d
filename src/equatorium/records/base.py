"""What all records share: a state that describes them wholly, hence equality by state."""

from collections.abc import Mapping
from dataclasses import fields
from typing import Any, Self

import numpy as np

from equatorium.errors import StateError


class Record:
    """Immutable data, a frozen dataclass, whose fields are its complete state."""

    def get_state(self) -> dict[str, Any]:
        """Give all that is needed to rebuild the record: arrays, JSON values, nested records."""
        return {f.name: _plain(getattr(self, f.name)) for f in fields(self)}  # type: ignore[arg-type]

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Self:
        """Rebuild a record, with all checks of its construction.

        Raises
        ------
        StateError
            If something is missing or not valid, whatever a damaged file may hold.
        """
        try:
            return cls._rebuild(state)
        except (TypeError, ValueError, LookupError, AttributeError) as error:
            raise StateError(f"The state of a {cls.__name__} is not valid: {error}") from error

    @classmethod
    def _rebuild(cls, state: Mapping[str, Any]) -> Self:
        names = tuple(f.name for f in fields(cls))  # type: ignore[arg-type]
        return cls(*entries(state, *names, of=cls.__name__))

    def __eq__(self, other: object) -> bool:
        """Two records of one class are equal if their states are (NaN equals NaN)."""
        if type(self) is not type(other):
            return NotImplemented
        return same(self.get_state(), other.get_state())

    # Arrays inside: as with numpy, equality goes by value and hashing is not offered.
    __hash__ = None  # type: ignore[assignment]


def _plain(value: Any) -> Any:
    """Give a value the form it has in a state: text and tuples as lists."""
    if isinstance(value, np.ndarray) and value.dtype.kind == "U":
        return value.tolist()
    if isinstance(value, Mapping):
        return dict(value)
    return list(value) if isinstance(value, tuple) else value


def same(a: Any, b: Any) -> bool:
    """Compare two states deeply, arrays by value with NaN equal to NaN."""
    if isinstance(a, np.ndarray) or isinstance(b, np.ndarray):
        x, y = np.asarray(a), np.asarray(b)
        nan = x.dtype.kind == "f" and y.dtype.kind == "f"
        return x.shape == y.shape and bool(np.array_equal(x, y, equal_nan=nan))
    if isinstance(a, Mapping) and isinstance(b, Mapping):
        return a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    if isinstance(a, list | tuple) and isinstance(b, list | tuple):
        return len(a) == len(b) and all(same(x, y) for x, y in zip(a, b, strict=True))
    return bool(a == b)


def entries(state: Mapping[str, Any], *names: str, of: str) -> list[Any]:
    """Take the named entries from a state, or raise StateError naming what is missing."""
    missing = [name for name in names if name not in state]
    if missing:
        raise StateError(
            f"The state of a {of} needs {', '.join(names)}, but {', '.join(missing)} "
            "is missing; the file is damaged or not ours."
        )
    return [state[name] for name in names]
