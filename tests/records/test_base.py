"""A state may come from a damaged file: whatever it holds, only StateError comes out."""

import numpy as np
import pytest

from equatorium import (
    Categorical,
    Dense,
    Diagonal,
    Discrepancy,
    Gaussian,
    LowRank,
    Mixture,
    Observation,
    Outputs,
    Parameter,
    Runs,
    Space,
    Weighted,
)
from equatorium.errors import StateError
from equatorium.records.base import entries, same

SPACE = Space([Parameter("a", 0, 1, prior={"dist": "norm", "loc": 0.5})], {"b": "a"})
OUTPUTS = Outputs(["y"], {"z": [0.0]}, {"z": "m"})
RECORDS = [
    SPACE,
    SPACE.parameters[0],
    OUTPUTS,
    Runs(SPACE, OUTPUTS, [[0.5]], [[1.0]], [[0.1]]),
    Diagonal([1.0]),
    LowRank([1.0], [[1.0]]),
    Dense([[1.0]]),
    Observation([1.0], [0.1], {"z": [0.0]}, ["y"]),
    Discrepancy(0.1, length={"z": 1.0}, shift={"z": 0.1}),
    Gaussian([[1.0]], Diagonal([1.0])),
    Mixture([1.0], [[[1.0]]], [Diagonal([1.0])]),
    Weighted([[[1.0]]]),
    Categorical([[1.0]], ["a"]),
]
JUNK = [
    None,
    3,
    -1.0,
    "x",
    "",
    [],
    [None],
    {},
    {"x": {"y": 1}},
    np.array(["a"]),
    np.ones((2, 2, 2)),
]


@pytest.mark.parametrize("record", RECORDS, ids=lambda r: type(r).__name__)
def test_junk_in_a_state_raises_state_error_or_is_valid(record):
    assert type(record).from_state(record.get_state()) == record
    for key in record.get_state():
        without = {k: v for k, v in record.get_state().items() if k != key}
        with pytest.raises(StateError, match=key):
            type(record).from_state(without)
        for junk in JUNK:
            try:
                made = type(record).from_state({**without, key: junk})
            except StateError:
                continue
            made.get_state()  # junk that happens to be allowed makes a whole record


@pytest.mark.parametrize("junk", [*JUNK, {"dist": "norm", "args": "ab"}, {"dist": 3, "kwds": 3}])
def test_junk_in_a_parameter_of_a_space(junk):
    for key in ("prior", "low", "name", "scale"):
        state = SPACE.get_state()
        state["parameters"][0][key] = junk
        try:
            Space.from_state(state)
        except StateError:
            continue


def test_states_are_compared_by_value():
    nan = np.array([np.nan, 1.0])
    assert same({"a": [nan, "x"]}, {"a": (nan.copy(), "x")})
    assert not same({"a": nan}, {"b": nan})
    assert not same([1], [1, 2])
    assert not same(np.ones(2), np.ones(3))
    assert not same(np.array(["a"]), np.array([1.0]))
    assert Diagonal([1.0]) != Dense([[1.0]])
    assert Diagonal([1.0]) != 1.0
    with pytest.raises(TypeError, match="unhashable"):
        hash(Diagonal([1.0]))


def test_entries_name_what_is_missing():
    assert entries({"a": 1, "b": 2}, "b", "a", of="x") == [2, 1]
    with pytest.raises(StateError, match="state of a x needs a, c, but c is missing"):
        entries({"a": 1}, "a", "c", of="x")
