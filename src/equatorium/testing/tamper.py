"""Damaged states: every array of a fitted model cut, emptied of sense, or taken away."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

_HUGE = 10**9


def tampered(state: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield what was done to a state, and the state with it done, one thing at a time.

    Parameters
    ----------
    state : mapping
        What `get_state` gave; nested mappings and models are damaged too.
    """
    for name, value in state.items():
        yield f"{name} taken away", {key: item for key, item in state.items() if key != name}
        for what, changed in _spoilt(value):
            yield f"{name} {what}", {**state, name: changed}


def _spoilt(value: Any) -> Iterator[tuple[str, Any]]:
    """Yield what was done to a value of a state, and the value with it done."""
    if isinstance(value, np.ndarray):
        yield from _arrays(value)
    elif isinstance(value, Mapping):
        for what, changed in tampered(value):
            yield f"with {what}", changed
    elif isinstance(value, list | tuple) and value:
        yield "with one item less", value[:-1]
        yield "replaced by text", "x"
    elif hasattr(value, "get_state") and hasattr(value, "set_state"):
        yield "replaced by a number", 3


def _arrays(array: npt.NDArray[Any]) -> Iterator[tuple[str, npt.NDArray[Any]]]:
    if array.ndim and len(array):
        yield "cut short", array[:-1].copy()
    yield "with an axis more", array[None].copy()
    yield "turned to text", np.full(array.shape, "x")
    if array.dtype.kind == "f":
        yield "filled with NaN", np.full_like(array, np.nan)
    if array.dtype.kind in "iu":
        yield "filled with huge numbers", np.full_like(array, _fitting(array.dtype))
        yield "turned to NaN", np.full(array.shape, np.nan)
    if array.dtype.kind == "i":
        yield "filled with negative numbers", np.full_like(array, -_fitting(array.dtype))


def _fitting(dtype: np.dtype[Any]) -> int:
    return int(min(_HUGE, np.iinfo(dtype).max))
