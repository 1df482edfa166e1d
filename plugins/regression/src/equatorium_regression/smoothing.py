r"""Weights of neighbours: every local method says :math:`f(x) = \sum_i L_i(x)\, y_i`.

Leave one out is then as cheap as a prediction: the run is no neighbour of itself.
"""

import numpy as np

FLAT = 1e-12  # the least ridge: slopes in directions without neighbours are zero
_TINY = 1e-16


def gaussian(distance, h):
    """Return exp(-d^2 / 2 h^2) for distances (m, k), relative to that of the nearest.

    >>> gaussian(np.array([[0.0, 1.0]]), 1.0).round(3).tolist()
    [[1.0, 0.607]]
    """
    nearest = distance[:, :1]
    return np.exp(-0.5 * (distance - nearest) * (distance + nearest) / h**2)


def tricube(distance):
    """Return (1 - u^3)^3 with u the distance over that of the farthest neighbour.

    >>> tricube(np.array([[0.0, 1.0, 2.0]])).round(2).tolist()
    [[1.0, 0.67, 0.0]]
    """
    farthest = 1.000001 * distance[:, -1:]
    ratio = np.divide(distance, farthest, out=np.zeros_like(distance), where=farthest > 0)
    return (1 - ratio**3) ** 3


def local_lines(points, query, weight, length, ridge):
    r"""Return the weights (m, k) with which a straight line through neighbours gives its value.

    With rows :math:`a_i = (1, (x_i - x) / h)` and weights :math:`w_i`,

    .. math:: L_i = e_1^T \Big(\sum_j w_j a_j a_j^T + r \sum_j w_j\, \mathrm{diag}(0, 1, ..., 1)
              \Big)^{-1} a_i w_i

    the ridge r draws the slopes to zero: without limit, the weighted mean is left.

    Parameters
    ----------
    points : ndarray, shape (m, k, r)
        The neighbours, the nearest first.
    query : ndarray, shape (m, r)
    weight : ndarray, shape (m, k)
    length : ndarray, shape (m,)
        The h of the point, in units of which slopes are taken.
    ridge : float
    """
    share = weight / weight.sum(axis=1, keepdims=True)
    # About the neighbours' own mean: far from them, the matrix above would be singular to rounding.
    nearest = points[:, :1]
    mean = share[:, None] @ (points - nearest)
    A = (points - nearest - mean) / length[:, None, None]
    G = np.swapaxes(A, 1, 2) @ (share[..., None] * A)
    slope = np.arange(A.shape[2])
    size = np.trace(G, axis1=1, axis2=2)[:, None]
    G[:, slope, slope] += ridge + FLAT * np.maximum(size, _TINY)
    away = np.swapaxes(nearest - query[:, None] + mean, 1, 2) / length[:, None, None]
    L = share * (1.0 - (A @ np.linalg.solve(G, away))[..., 0])
    return L / L.sum(axis=1, keepdims=True)  # of equal values, this value to the last digit


def slopes(offset, distance, values, ridge=1e-2):
    """Return the slopes (m, r, p) of straight lines through neighbours, by tricube weights.

    Parameters
    ----------
    offset : ndarray, shape (m, k, r)
    distance : ndarray, shape (m, k)
    values : ndarray, shape (m, k, p)
    """
    length = np.where(distance[:, -1] > 0, distance[:, -1], 1.0)
    weight = tricube(distance)
    A, G = _normal(offset, weight, length, ridge)
    right = np.swapaxes(weight[..., None] * A, 1, 2) @ values
    return np.linalg.solve(G, right)[:, 1:] / length[:, None, None]


def _normal(offset, weight, length, ridge):
    """Return the rows a (m, k, r + 1) and the normal matrix with its ridge."""
    A = np.empty((*offset.shape[:2], offset.shape[2] + 1))
    A[..., 0] = 1.0
    np.divide(offset, length[:, None, None], out=A[..., 1:])
    G = np.swapaxes(A, 1, 2) @ (weight[..., None] * A)
    slope = np.arange(1, A.shape[2])
    G[:, slope, slope] += (ridge + FLAT) * weight.sum(axis=1)[:, None]
    return A, G
