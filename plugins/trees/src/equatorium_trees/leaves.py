r"""What the leaves of trees say: means, and the runs that a point shares its leaves with.

A point x falls into one leaf of every tree. The weight of run i there is

.. math:: w_i(x) = \frac1T \sum_t
          \frac{c_{ti}\, v_i\, 1[i \in L_t(x)]}{\sum_j c_{tj}\, v_j\, 1[j \in L_t(x)]}

with the number of times c that tree t has drawn the run, and its own weight v. The weighted mean of
the runs' outputs is the forest's mean, their weighted distribution its predictive distribution.

References
----------
Meinshausen N. 2006, Journal of Machine Learning Research 7, 983
"""

from functools import cached_property

import numpy as np
from scipy import sparse

from equatorium import Weighted

_MOST = 256  # runs that stand for a distribution
_AT_ONCE = 5_000_000  # entries of a sparse matrix of weights


class Leaves:
    """The runs in the leaves of T trees.

    Parameters
    ----------
    offset : ndarray of int, shape (T + 1,)
        The first node of every tree.
    leaf : ndarray of int, shape (T, n)
        The leaf of every run, counted from its tree's first node.
    count : ndarray of int, shape (T, n)
        How often a tree has drawn a run; 0 is out of bag.
    weight : ndarray, shape (n,)
    values : ndarray, shape (n, p)
    shrink : ndarray, shape (p,), or 1
        What distances from the mean are multiplied by.
    """

    def __init__(self, offset, leaf, count, weight, values, shrink=1.0):
        self.first, self.leaf, self.count, self.weight = offset[:-1, None], leaf, count, weight
        self.values, self.shrink = values, shrink
        self.n = len(values)
        size = int(offset[-1])
        self.mass = np.zeros(size)
        self.mean = np.zeros((size, values.shape[1]))
        for t, (a, b) in enumerate(zip(offset[:-1].tolist(), offset[1:].tolist(), strict=True)):
            drawn = count[t] * weight
            self.mass[a:b] = np.bincount(leaf[t], drawn, b - a)
            for j, column in enumerate(values.T):
                self.mean[a:b, j] = np.bincount(leaf[t], drawn * column, b - a)
        self.mean /= np.where(self.mass > 0, self.mass, 1.0)[:, None]

    @cached_property
    def node(self):
        """The leaf of every run among all nodes, shape (T, n)."""
        return self.leaf + self.first

    @cached_property
    def out(self):
        """Whether a tree has not drawn a run, shape (T, n)."""
        return self.count == 0

    @cached_property
    def share(self):
        """The run's part of its leaf's weight, shape (T, n)."""
        return self.count * self.weight / self.mass[self.node]

    @cached_property
    def order(self):
        """The runs in the order of their outputs."""
        return np.argsort(position(self.values), kind="stable")

    @cached_property
    def members(self):
        """The runs' shares in every node, columns in their `order`: (N, n), sparse."""
        tree, run = np.nonzero(self.share[:, self.order])
        entry = self.share[:, self.order][tree, run]
        node = self.node[:, self.order][tree, run]
        return sparse.csr_array((entry, (node, run)), shape=(len(self.mass), self.n))

    def weights(self, node, trees=None):
        """Weights of the runs, in the order of `order`, where points fall into these nodes.

        Parameters
        ----------
        node : ndarray of int, shape (m, T)
        trees : ndarray of bool, shape (m, T), optional
            The trees that are asked; by default all.

        Yields
        ------
        slice, csr_array of shape (rows, n)
            Some of the points at a time, as many as memory bears.
        """
        typical = len(self.members.data) / max(1, int((self.mass > 0).sum()))
        rows = max(1, int(_AT_ONCE / (node.shape[1] * max(1.0, typical))))
        for start in range(0, len(node), rows):
            part = slice(start, min(start + rows, len(node)))
            asked = np.ones(node[part].shape, bool) if trees is None else trees[part]
            many = asked.sum(axis=1)
            falls = sparse.csr_array(
                (
                    np.repeat(1.0 / np.maximum(many, 1), many),
                    node[part][asked],
                    np.concatenate([[0], np.cumsum(many)]),
                ),
                shape=(len(many), len(self.mass)),
            )
            yield part, falls @ self.members

    def distribution(self, node):
        """Predictive distribution where points fall into the nodes (m, T)."""
        return self._weighted(W for _, W in self.weights(node))

    def held_out(self):
        """Distribution of runs from trees that have not drawn them, or, if none, of leaf-mates.

        A run alone in all its leaves has the distribution of all runs.
        """
        trees = self.out | ~self.out.any(axis=0)
        parts = self.weights(self.node.T, trees.T)
        return self._weighted(self._others(part, W) for part, W in parts)

    def held_out_mean(self):
        """Mean of the same, shape (n, p), without the distribution."""
        asked = self.out | ~self.out.any(axis=0)
        total, weight = np.zeros_like(self.values), np.zeros((self.n, 1))
        for node, trees, share in zip(self.node, asked[..., None], self.share, strict=True):
            own = share[:, None]
            total += np.where(trees, self.mean[node] - own * self.values, 0.0)
            weight += np.where(trees, 1.0 - own, 0.0)
        alone = weight < 1e-9 * asked.sum(axis=0)[:, None]
        return np.where(alone, self.values.mean(axis=0), total / np.where(alone, 1.0, weight))

    def _others(self, runs, W):
        """Take the runs' own weights out of their rows."""
        back = np.argsort(self.order)[runs]
        own = sparse.csr_array(
            (np.ones(len(back)), back, np.arange(len(back) + 1)), shape=(len(back), self.n)
        )
        rest = W - own.multiply(W)
        total = rest.sum(axis=1)
        empty = total < 1e-9
        if empty.any():
            column = sparse.csr_array(empty[:, None].astype(float))
            rest = rest + column @ sparse.csr_array(np.full((1, self.n), 1.0 / self.n))
        return rest.tocsr()

    def _weighted(self, rows):
        """Distribution of the runs by rows of weights, which come some at a time."""
        ranked = self.values[self.order]
        values, weights = zip(*(_listed(W, ranked) for W in rows), strict=True)
        most = max(w.shape[1] for w in weights)
        # What is filled up has no weight, and a value that is there already.
        fill = [((0, 0), (0, most - w.shape[1])) for w in weights]
        values = [np.pad(v, (*f, (0, 0)), "edge") for v, f in zip(values, fill, strict=True)]
        weights = [np.pad(w, f) for w, f in zip(weights, fill, strict=True)]
        found = Weighted(np.concatenate(values).swapaxes(0, 1), np.concatenate(weights).T)
        if np.all(self.shrink == 1.0):
            return found
        return Weighted(found.mean + self.shrink * (found.values - found.mean), found.weights)


def _listed(W, ranked):
    """Return values (m, s, p) and weights (m, s) of the runs in rows of W, s at most 256.

    Of more runs, values of equal weight are drawn, and moved to the mean of all.
    """
    W.sort_indices()
    start, many = W.indptr[:-1, None], np.diff(W.indptr)[:, None]
    k = np.arange(min(many.max(), _MOST))
    place = start + np.minimum(k, many - 1)
    values, weights = ranked[W.indices[place]], np.where(k < many, W.data[place], 0.0)
    crowded = many[:, 0] > _MOST
    if crowded.any():
        rest = W[crowded]
        drawn = ranked[_equal_draws(rest)]
        mean = (rest @ ranked) / rest.sum(axis=1)[:, None]
        values[crowded] = drawn + (mean - drawn.mean(axis=1))[:, None]
        weights[crowded] = 1.0 / _MOST
    return values, weights


def _equal_draws(W):
    """Return 256 columns for every row of W, so that each stands for the same weight: (m, s)."""
    m, start, end = W.shape[0], W.indptr[:-1], W.indptr[1:]
    row = np.repeat(np.arange(m), end - start)
    total = np.cumsum(W.data)
    before = np.concatenate([[0.0], total])[start]
    reached = (total - before[row]) / (total[end - 1] - before)[row] + row
    wanted = np.arange(m)[:, None] + (np.arange(_MOST) + 0.5) / _MOST
    place = np.searchsorted(reached, wanted.ravel()).reshape(wanted.shape)
    return W.indices[np.clip(place, start[:, None], end[:, None] - 1)]


def position(values):
    """Order runs by their output, or by the direction in which several vary most."""
    if values.shape[1] == 1:
        return values[:, 0]
    spread = values.std(axis=0)
    standard = (values - values.mean(axis=0)) / np.where(spread > 0, spread, 1.0)
    return standard @ np.linalg.svd(standard, full_matrices=False)[2][0]
