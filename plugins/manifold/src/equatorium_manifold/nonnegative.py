"""Least squares with solutions that are not negative: many small problems at once."""

import numpy as np

from equatorium.checks import FloatArray

_SWEEPS = 200


def solve_nonnegative(A: FloatArray, b: FloatArray) -> FloatArray:
    """Minimise z^T A z / 2 - b^T z over z >= 0, by cyclic coordinate descent.

    Every problem takes the same number of sweeps, so that none depends on the others.

    Parameters
    ----------
    A : ndarray, shape (m or 1, k, k)
        Positive semi-definite.
    b : ndarray, shape (m, k)

    Returns
    -------
    ndarray, shape (m, k)

    Examples
    --------
    >>> solve_nonnegative(np.eye(2)[None], np.array([[3.0, -1.0]])).tolist()
    [[3.0, 0.0]]
    """
    size = np.maximum(np.einsum("mkk->mk", A), 1e-300)
    z = np.maximum(b / size, 0.0)
    for _ in range(_SWEEPS):
        for a in range(b.shape[1]):
            slope = b[:, a] - (A[:, a] * z).sum(axis=1)
            z[:, a] = np.maximum(z[:, a] + slope / size[:, a], 0.0)
    return z


def first_components(R: FloatArray, k: int) -> FloatArray:
    """Return non-negative components to start from: the larger halves of the singular vectors."""
    axes = np.linalg.svd(R, full_matrices=False)[2][:k]
    up, down = np.maximum(axes, 0), np.maximum(-axes, 0)
    larger = np.linalg.norm(up, axis=1) >= np.linalg.norm(down, axis=1)
    V = np.where(larger[:, None], up, down) + 0.01 / np.sqrt(R.shape[1])
    return np.asarray(V / np.linalg.norm(V, axis=1, keepdims=True))
