import numpy as np
import pandas as pd
import pytest

from equatorium import checks
from equatorium.errors import InputError, NotFiniteError, ShapeError


def test_generator_from_a_seed_equals_numpys():
    expected = np.random.default_rng(3).random(4)
    np.testing.assert_array_equal(checks.generator(3).random(4), expected)
    np.testing.assert_array_equal(checks.generator(np.int64(3)).random(4), expected)
    own = np.random.default_rng(5)
    assert checks.generator(own) is own
    assert isinstance(checks.generator(None), np.random.Generator)


@pytest.mark.parametrize("rng", ["1", 1.0, True, -1, np.random.RandomState(0)])
def test_generator_refuses_what_is_no_seed(rng):
    with pytest.raises(InputError, match="rng must be"):
        checks.generator(rng)


def test_matrix_accepts_what_numpy_and_pandas_give():
    frame = pd.DataFrame({"a": [1, 2], "b": [3.5, 4.5]})
    for given in (frame, frame.to_numpy(), [[1, 3.5], [2, 4.5]], frame.to_numpy(dtype=object)):
        out = checks.matrix(given, columns=2)
        assert out.dtype == np.float64
        np.testing.assert_array_equal(out, [[1, 3.5], [2, 4.5]])


@pytest.mark.parametrize(
    ("given", "error", "says"),
    [
        ([1.0, 2.0], ShapeError, r"2-D .*\(2,\).*reshape"),
        (np.zeros((2, 3)), ShapeError, "must have 2 columns, but it has 3"),
        ([[1.0, np.nan]], NotFiniteError, r"first is nan at \[0, 1\]"),
        ([[1.0, np.inf]], NotFiniteError, "inf"),
        ([["a", "b"]], InputError, "real numbers"),
        (np.array([["1", "2"]], dtype=object), InputError, "text"),
        ([[1j, 2.0]], InputError, "real numbers"),
        ([[1.0, 2.0], [3.0]], InputError, "real numbers"),
        ([[None, {}]], InputError, "real numbers"),
    ],
)
def test_matrix_says_what_is_wrong(given, error, says):
    with pytest.raises(error, match=says):
        checks.matrix(given, columns=2)


def test_nan_is_allowed_only_on_request_and_infinity_never():
    assert np.isnan(checks.matrix([[np.nan]], allow_nan=True)[0, 0])
    with pytest.raises(NotFiniteError):
        checks.matrix([[np.inf]], allow_nan=True)


def test_masked_values_are_missing_not_numbers():
    masked = np.ma.array([[1, 999]], mask=[[False, True]])
    assert np.isnan(checks.floats(masked, "x")[0, 1])
    with pytest.raises(NotFiniteError):
        checks.matrix(masked)


def test_vector_checks_its_size():
    np.testing.assert_array_equal(checks.vector((1, 2), "v", 2), [1.0, 2.0])
    with pytest.raises(ShapeError, match="v must have 3 values, but it has 2"):
        checks.vector([1, 2], "v", 3)
    with pytest.raises(ShapeError, match="1-D"):
        checks.vector([[1, 2]], "v")


def test_same_length_names_all_that_differ():
    assert checks.same_length(a=[1], b=None) == 1
    assert checks.same_length() == 0
    with pytest.raises(ShapeError, match="a has 1, b has 2"):
        checks.same_length(a=[1], b=[1, 2])


def test_read_only_copies():
    own = np.zeros(3)
    kept = checks.read_only(own)
    own[0] = 1
    assert kept[0] == 0
    with pytest.raises(ValueError, match="read-only"):
        kept[0] = 1
