"""Noise as a product: exact where it is one, and honest where it is not."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from equatorium_gp.noise import FLOOR, factorise


@pytest.mark.parametrize("a", [np.ones(5), np.array([1.0, 2.0, 3.0, 4.0, 5.0])])
@pytest.mark.parametrize("b", [np.ones(3), np.array([1e-8, 1.0, 1e4]), np.array([0.0, 1.0, 2.0])])
def test_products_are_exact(a, b):
    noise = np.outer(a, b)
    found_a, found_b, misfit = factorise(noise)
    assert_allclose(np.outer(found_a, found_b), noise, rtol=1e-8)
    assert_allclose(found_a.mean(), 1.0)
    assert misfit < 1e-8


def test_misfit_measures_the_scatter_about_a_product():
    rng = np.random.default_rng(0)
    scatter = rng.normal(0.0, 0.2, (400, 30))
    noise = np.outer(rng.uniform(0.5, 2.0, 400), rng.uniform(0.1, 1.0, 30)) * np.exp(scatter)
    assert_allclose(factorise(noise)[2], 0.2, rtol=0.05)


def test_runs_of_no_noise_get_the_floor():
    noise = np.outer([0.0, 1.0, 1.0], [0.5, 0.2])
    a, b, _ = factorise(noise)
    assert 0 < a[0] <= 2 * FLOOR
    assert_allclose(np.outer(a, b)[1:], noise[1:], rtol=1e-5)
