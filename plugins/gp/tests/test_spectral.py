"""The decomposition has the algebra that the likelihood and the predictions rely on."""

import numpy as np
from numpy.testing import assert_allclose

from equatorium_gp.spectral import Contrasts, array, tensor


def problem(n=30, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.random((n, 2))
    R = np.exp(-0.5 * ((X[:, None] - X[None]) ** 2).sum(-1) / 0.3**2)
    return np.column_stack([np.ones(n), X]), R, rng.uniform(0.2, 3.0, n)


def test_contrasts_are_free_of_trend_and_independent():
    H, R, a = problem()
    spectrum = Contrasts.of(H, a).decompose(tensor(R, "cpu"))
    V = array(spectrum.vectors)
    assert V.shape == (30, 27)
    assert_allclose(V.T @ H, 0.0, atol=1e-12)
    assert_allclose(V.T @ (a[:, None] * V), np.eye(27), atol=1e-12)
    assert_allclose(V.T @ R @ V, np.diag(spectrum.values), atol=1e-12)


def test_gls_matrix():
    H, _, a = problem()
    contrasts = Contrasts.of(H, a)
    C = array(contrasts.gls)
    assert_allclose(C.T @ H @ contrasts.transform, np.eye(3), atol=1e-12)
    oracle = np.linalg.solve(H.T @ (H / a[:, None]), H.T / a)
    assert_allclose(contrasts.transform @ C.T, oracle, atol=1e-11)


def test_dependent_terms_are_dropped():
    H, R, a = problem()
    full, doubled = Contrasts.of(H, a), Contrasts.of(np.hstack([H, 2 * H, 0 * H]), a)
    assert doubled.q == full.q == 3
    one, two = full.decompose(tensor(R, "cpu")), doubled.decompose(tensor(R, "cpu"))
    assert_allclose(one.values, two.values, atol=1e-12)


def test_no_trend():
    _, R, a = problem()
    spectrum = Contrasts.of(np.zeros((30, 0)), a).decompose(tensor(R, "cpu"))
    expected = np.linalg.eigvalsh(R / np.sqrt(np.outer(a, a)))
    assert_allclose(spectrum.values, expected, atol=1e-12)
