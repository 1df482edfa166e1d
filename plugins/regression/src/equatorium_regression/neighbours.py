"""The nearest of many points, found by a tree where one helps, by brute force where none does."""

import numpy as np
from scipy.spatial import cKDTree
from sklearn.neighbors import NearestNeighbors

_TREE = 7.0  # with more effective dimensions a tree visits nearly all points


class Neighbours:
    """Search among points (n, r).

    A tree is quick while the points fill few dimensions, (sum of the variances along their axes)^2
    / (sum of their squares); beyond seven, comparing with all of them in chunks is quicker.

    Parameters
    ----------
    points : ndarray, shape (n, r)

    Examples
    --------
    >>> distance, index = Neighbours(np.array([[0.0], [1.0], [3.0]])).nearest(np.array([[0.9]]), 2)
    >>> index.tolist()
    [[1, 0]]
    """

    def __init__(self, points):
        self.points = points
        variance = np.linalg.eigvalsh(np.atleast_2d(np.cov(points.T))) if len(points) > 1 else [0.0]
        total = np.sum(np.square(variance))
        effective = np.sum(variance) ** 2 / total if total > 0 else 0.0
        self._tree = cKDTree(points) if effective < _TREE else None
        if self._tree is None:
            self._brute = NearestNeighbors(algorithm="brute").fit(points)

    def nearest(self, query, k):
        """Return distances and row numbers of the k nearest, (m, k) each, nearest first."""
        k = min(k, len(self.points))
        if self._tree is not None:
            distance, index = self._tree.query(query, np.arange(1, k + 1))
            return distance, index
        # The library's distances depend on the batch by rounding: they are worked out anew.
        index = self._brute.kneighbors(query, k, return_distance=False)
        distance = np.empty(index.shape)
        step = max(1, 2_000_000 // (k * query.shape[1]))
        for at in range(0, len(query), step):
            rows = slice(at, at + step)
            distance[rows] = np.linalg.norm(self.points[index[rows]] - query[rows, None], axis=2)
        order = np.lexsort((index, distance))
        return np.take_along_axis(distance, order, 1), np.take_along_axis(index, order, 1)

    def others(self, rows, k):
        """Return the same for points of the set, each of which is no neighbour of itself."""
        k = min(k, len(self.points) - 1)
        distance, index = self.nearest(self.points[rows], k + 1)
        # Among duplicates a point need not be its own nearest, nor even be found.
        own = index == np.asarray(rows)[:, None]
        own[~own.any(axis=1), -1] = True
        shape = (len(distance), k)
        return distance[~own].reshape(shape), index[~own].reshape(shape)
