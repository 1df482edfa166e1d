"""A known correlation is found, also through independent noise, and nothing is found in noise."""

import numpy as np
from numpy.testing import assert_allclose

from equatorium_gp.correlation import shrunk_correlation

TRUE = np.array([[1.0, 0.9, 0.3], [0.9, 1.0, 0.0], [0.3, 0.0, 1.0]])


def test_recovers():
    E = np.random.default_rng(0).multivariate_normal(np.zeros(3), TRUE, 5000)
    assert_allclose(shrunk_correlation(E, np.ones_like(E)), TRUE, atol=0.05)


def test_recovers_through_noise_where_the_plain_estimate_fails():
    rng = np.random.default_rng(1)
    signal = rng.uniform(0.1, 0.9, (20000, 3))
    own = rng.multivariate_normal(np.zeros(3), TRUE, 20000)
    E = np.sqrt(signal) * own + np.sqrt(1 - signal) * rng.normal(size=own.shape)
    assert_allclose(shrunk_correlation(E, signal), TRUE, atol=0.05)
    assert shrunk_correlation(E, np.ones_like(E))[0, 1] < 0.6


def test_noise_is_shrunk_to_the_identity():
    E = np.random.default_rng(2).normal(size=(30, 40))
    plain = np.corrcoef(E.T)
    found = shrunk_correlation(E, np.ones_like(E))
    assert np.abs(found - np.eye(40)).max() < 0.3 * np.abs(plain - np.eye(40)).max()


def test_always_a_correlation_matrix():
    rng = np.random.default_rng(3)
    one = rng.normal(size=(50, 1))
    for E in (np.hstack([one, one, -one]), np.zeros((5, 2)), rng.normal(size=(1, 4)), one):
        C = shrunk_correlation(E, np.ones_like(E))
        assert_allclose(np.diagonal(C), 1.0)
        assert_allclose(C, C.T)
        assert np.linalg.eigvalsh(C).min() > 0
