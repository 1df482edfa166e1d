"""The trend spans what its name says; the active inputs are those that matter."""

from math import comb

import numpy as np
import pytest
from numpy.testing import assert_allclose

from equatorium.errors import InputError
from equatorium_gp.trend import TRENDS, Basis, active_inputs, terms


@pytest.mark.parametrize(
    ("trend", "degree"), [("constant", 0), ("linear", 1), ("quadratic", 2), ("cubic", 3)]
)
def test_number_of_terms_is_the_binomial(trend, degree):
    assert len(terms(trend, range(4))) == comb(4 + degree, degree)


@pytest.mark.parametrize("trend", TRENDS)
def test_spans_the_monomials(trend):
    X = np.random.default_rng(0).random((80, 3))
    listed = terms(trend, range(3))
    monomials = np.column_stack([np.prod(X[:, list(t)], axis=1) for t in listed])
    basis = Basis(listed)(X)
    found = basis @ np.linalg.lstsq(basis, monomials, rcond=None)[0]
    assert np.linalg.matrix_rank(basis) == len(listed)
    assert_allclose(found, monomials, atol=1e-12)


def test_values_are_legendre_polynomials():
    x = np.linspace(0.0, 1.0, 7)[:, None]
    values = Basis([(), (0,), (0, 0), (0, 0, 0)])(x)
    for degree in range(4):
        expected = np.polynomial.Legendre.basis(degree)(2 * x[:, 0] - 1)
        assert_allclose(values[:, degree], expected, atol=1e-14)


def test_unknown_trend():
    with pytest.raises(InputError, match="Did you mean 'quadratic'"):
        terms("quadratik", [0])


@pytest.mark.parametrize("n", [40, 300])  # one input at a time; all together
def test_active_inputs_are_found(n):
    rng = np.random.default_rng(1)
    X = rng.random((n, 10))
    Y = np.column_stack([3 * X[:, 2] + (X[:, 7] - 0.5) ** 2 * 8, 2 * X[:, 2]])
    Y = (Y + 0.1 * rng.normal(size=Y.shape)) / Y.std(axis=0)
    assert active_inputs(X, Y, 2) == [2, 7]
    assert active_inputs(X, Y, "auto") == [2, 7]
    assert active_inputs(X, Y, "all") == list(range(10))
    assert active_inputs(X, Y, [4, 1]) == [1, 4]


def test_level_of_the_test_of_activity():
    """With no active input, the family-wise rate of naming two or more stays near 0.01."""
    rng = np.random.default_rng(2)
    named = [
        len(active_inputs(rng.random((60, 5)), rng.normal(size=(60, 1)), "auto")) > 1
        for _ in range(200)
    ]
    assert sum(named) <= 4  # Binomial(200, 0.01) exceeds 4 with probability 0.05 at most


@pytest.mark.parametrize("active", [[5], [], [0, 0], 0, 6, "some", True, 1.5])
def test_bad_choice(active):
    with pytest.raises(InputError, match="active="):
        active_inputs(np.random.default_rng(0).random((30, 5)), np.ones((30, 1)), active)
