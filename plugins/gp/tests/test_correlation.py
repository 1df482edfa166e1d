"""A known correlation is found, nothing is found in noise, and errors are as large as they are."""

import numpy as np
from numpy.testing import assert_allclose

from equatorium_gp.correlation import LARGEST, shrunk_correlation, variance_factor

TRUE = np.array([[1.0, 0.9, 0.3], [0.9, 1.0, 0.0], [0.3, 0.0, 1.0]])


def test_recovers():
    E = np.random.default_rng(0).multivariate_normal(np.zeros(3), TRUE, 5000)
    assert_allclose(shrunk_correlation(E), TRUE, atol=0.05)


def test_noise_is_shrunk_to_the_identity():
    E = np.random.default_rng(2).normal(size=(30, 40))
    plain = np.corrcoef(E.T)
    found = shrunk_correlation(E)
    assert np.abs(found - np.eye(40)).max() < 0.3 * np.abs(plain - np.eye(40)).max()


def test_always_a_correlation_matrix():
    rng = np.random.default_rng(3)
    one = rng.normal(size=(50, 1))
    for E in (np.hstack([one, one, -one]), np.zeros((5, 2)), rng.normal(size=(1, 4)), one):
        C = shrunk_correlation(E)
        assert_allclose(np.diagonal(C), 1.0)
        assert_allclose(C, C.T)
        assert np.linalg.eigvalsh(C).min() > 0


def test_the_factor_makes_errors_as_large_as_predicted():
    rng = np.random.default_rng(4)
    variance, declared = rng.uniform(0.5, 2.0, (2, 4000, 5))
    error = rng.normal(size=variance.shape) * np.sqrt(1.7 * variance + declared)
    assert abs(variance_factor(error, variance, declared) - 1.7) < 0.1
    assert variance_factor(0.5 * error, variance, declared) == 1.0
    assert variance_factor(50 * error, variance, declared) == LARGEST
    assert variance_factor(np.zeros((2, 1)), np.zeros((2, 1)) + 1e-300, np.zeros((2, 1))) == 1.0
