"""Neighbours among the training rows, and what they say of a place where nobody has been."""

from collections.abc import Iterator

import numpy as np
from sklearn.neighbors import NearestNeighbors

from equatorium.checks import FloatArray
from equatorium_manifold.nonnegative import solve_nonnegative

_VALUES = 2**22  # in one gathering of neighbours


def nearest(rows: FloatArray, X: FloatArray, k: int) -> tuple[np.ndarray, FloatArray]:
    """Return the k nearest rows of every X and their distances, both (m, k), nearest first."""
    distance, index = NearestNeighbors(n_neighbors=min(k, len(rows))).fit(rows).kneighbors(X)
    return index, distance


def barycentric(
    rows: FloatArray, X: FloatArray, k: int, convex: bool = False
) -> tuple[np.ndarray, FloatArray]:
    r"""Return neighbours and the weights by which they make up every X, both (m, k).

    The weights minimise :math:`|x - \sum_j w_j x_j|^2` with :math:`\sum_j w_j = 1` and a little
    regularisation (Roweis & Saul 2000, doi:10.1126/science.290.5500.2323); a training row is made
    up of itself alone. ``convex`` allows no negative weights: X is put between its neighbours.
    """
    index, _ = nearest(rows, X, k)
    weights = np.empty(index.shape)
    for part in _parts(len(X), index.shape[1] * X.shape[1]):
        away = rows[index[part]] - X[part, None]
        gram = away @ away.swapaxes(1, 2)
        size = np.trace(gram, axis1=1, axis2=2)
        ridge = 1e-3 * np.where(size > 0, size, 1.0)
        np.einsum("mkk->mk", gram)[...] += ridge[:, None]
        one = np.ones(gram.shape[:2])
        w = (
            solve_nonnegative(gram, one)
            if convex
            else np.linalg.solve(gram, one[..., None])[..., 0]
        )
        weights[part] = w / w.sum(axis=1, keepdims=True)
    known = itself(rows, X, index)
    weights[known >= 0] = 0.0
    weights[known >= 0, 0] = 1.0
    index[known >= 0, 0] = known[known >= 0]
    return index, weights


def itself(rows: FloatArray, X: FloatArray, index: np.ndarray) -> np.ndarray:
    """Return which training row, or its value in single precision, every X is, or -1, shape (m,).

    Rows merely as close as single precision tells may be others: those far from zero are.
    """
    found = np.full(len(X), -1)
    for j in range(min(2, index.shape[1]) - 1, -1, -1):  # rounding may swap the two nearest
        near = rows[index[:, j]]
        with np.errstate(over="ignore"):
            single = (near.astype(np.float32) == X).all(axis=1)
        same = single | (np.abs(near - X).max(axis=1) <= 1e-12 * np.abs(X).max(axis=1))
        found[same] = index[same, j]
    return found


def local_linear(
    places: FloatArray,
    Z: FloatArray,
    k: int,
    leave_out: tuple[np.ndarray, FloatArray] | None = None,
) -> tuple[np.ndarray, FloatArray]:
    r"""Return neighbours and the weights of a straight fit through them at every Z, both (m, k).

    A plane is fitted to the k nearest places by least squares with the weights
    :math:`(1 - (d / h)^3)^3`, h the distance of the next one after them, so that what is predicted
    moves without jumps (Cleveland 1979, doi:10.1080/01621459.1979.10481038).

    Parameters
    ----------
    places : ndarray, shape (n, q)
    Z : ndarray, shape (m, q)
    k : int
    leave_out : tuple of ndarray, each (m, k + 2 or more), optional
        Z are places, each to be predicted from the others: itself and the `nearest` of them.
    """
    if leave_out is None:
        index, distance = nearest(places, Z, k + 1)
    else:
        index, distance = (part[:, 1 : k + 2] for part in leave_out)
    h = distance[:, -1:] * (1 + 1e-9) + 1e-300
    w = (1 - (distance / h) ** 3) ** 3 + 1e-12
    w /= w.sum(axis=1, keepdims=True)
    near = places[index]
    centre = (w[:, None] @ near)[:, 0]
    off, target = near - centre[:, None], Z - centre
    S = np.einsum("mk,mkq,mkr->mqr", w, off, off)
    size = np.trace(S, axis1=1, axis2=2)
    np.einsum("mqq->mq", S)[...] += (1e-3 * size + 1e-300)[:, None]
    slope = np.linalg.solve(S, target[..., None])[..., 0]
    # Far off all places the plane says nothing: go no farther than the places reach.
    far = np.sqrt((slope * target).sum(axis=1) / (4.0 * Z.shape[1]))
    slope /= np.maximum(far, 1.0)[:, None]
    return index, w * (1 + np.einsum("mkq,mq->mk", off, slope))


def combine(values: FloatArray, index: np.ndarray, weights: FloatArray) -> FloatArray:
    """Return the weighted sums of values (n, q) at neighbours, shape (m, q)."""
    out = np.empty((len(index), values.shape[1]))
    for part in _parts(len(index), index.shape[1] * values.shape[1]):
        out[part] = (weights[part, None] @ values[index[part]])[:, 0]
    return out


def _parts(m: int, each: int) -> Iterator[slice]:
    rows = max(1, _VALUES // each)
    yield from (slice(start, start + rows) for start in range(0, m, rows))
