"""Sums of trees, as boosting makes them: plain arrays, whichever library has grown them.

The trees of scikit-learn's histogram gradient boosting and of LightGBM become the same arrays, and
one short walk evaluates both: files need neither library, and nothing compiled reads them.
"""

import numpy as np

from equatorium import errors, state_array

_NODES = ("feature_", "threshold_", "left_", "right_", "missing_left_", "leaf_value_")
_AT_ONCE = 4_000_000  # places of points in trees


class Additive:
    r"""Sums of trees in K columns, :math:`f_k(x) = b_k + \sum_{t \in k} v_t(x)`.

    Parameters
    ----------
    arrays : mapping
        ``feature_``, ``threshold_``, ``left_``, ``right_``, ``missing_left_``, ``leaf_value_`` of
        all N nodes (children counted from the tree's first node, -1 in a leaf), ``offset_``
        (T + 1,), ``column_`` (T,), not falling, and ``base_`` (K,).
    """

    def __init__(self, arrays):
        self.arrays = arrays
        offset = arrays["offset_"]
        own = np.arange(offset[-1])
        first = np.repeat(offset[:-1], np.diff(offset))
        self.leaf = arrays["left_"] < 0
        self.feature = np.where(self.leaf, 0, arrays["feature_"]).astype(np.intp)
        self.threshold = arrays["threshold_"]
        self.missing_left = arrays["missing_left_"]
        # A leaf leads to itself, so that all walks are of the same length.
        self.left = np.where(self.leaf, own, arrays["left_"] + first)
        self.right = np.where(self.leaf, own, arrays["right_"] + first)
        self.value = arrays["leaf_value_"]
        self.root = offset[:-1]
        self.base = arrays["base_"]
        self.start = np.searchsorted(arrays["column_"], np.arange(len(self.base)))

    def __call__(self, X):
        """Evaluate at X (m, d); NaN is missing. Returns (m, K)."""
        rows = max(1, _AT_ONCE // len(self.root))
        parts = [self._sum(X[i : i + rows]) for i in range(0, len(X), rows)]
        return self.base + np.concatenate(parts)

    def split(self, columns):
        """Return the sums of every so many columns, apart."""
        whole, found = self.arrays, []
        for k in range(0, len(self.base), columns):
            trees = (whole["column_"] >= k) & (whole["column_"] < k + columns)
            size = np.diff(whole["offset_"])
            part = {name: whole[name][np.repeat(trees, size)] for name in _NODES}
            part["offset_"] = np.concatenate([[0], np.cumsum(size[trees])])
            part["column_"] = whole["column_"][trees] - k
            part["base_"] = whole["base_"][k : k + columns]
            found.append(Additive(part))
        return found

    def _sum(self, X):
        node = np.broadcast_to(self.root, (len(X), len(self.root))).copy()
        row = np.arange(len(X))[:, None]
        holes = np.isnan(X).any()
        while not self.leaf[node].all():
            x = X[row, self.feature[node]]
            low = x <= self.threshold[node]
            if holes:
                low |= np.isnan(x) & self.missing_left[node]
            node = np.where(low, self.left[node], self.right[node])
        return np.add.reduceat(self.value[node], self.start, axis=1)


def joined(sums):
    """Put several sums of trees side by side: their arrays as those of one.

    Parameters
    ----------
    sums : sequence of dict
        The arrays of `Additive`, of one column or more each.
    """
    out = {name: np.concatenate([one[name] for one in sums]) for name in (*_NODES, "base_")}
    sizes = [np.diff(one["offset_"]) for one in sums]
    out["offset_"] = np.concatenate([[0], np.cumsum(np.concatenate(sizes))])
    shift = np.cumsum([0] + [len(one["base_"]) for one in sums])
    columns = [one["column_"] + s for one, s in zip(sums, shift, strict=False)]
    out["column_"] = np.concatenate(columns)
    return out


def check(state, d, columns):
    """Refuse arrays that are no sums of trees over d inputs in so many columns.

    Raises
    ------
    StateError
        Naming the array.
    """
    offset = state_array(state, "offset_", (None,), "i")
    if len(offset) < 2 or offset[0] != 0 or (np.diff(offset) < 1).any():
        raise errors.StateError("'offset_' of the state must count up from 0, one tree at least.")
    size = (offset[-1],)
    left, right = (state_array(state, name, size, "i") for name in ("left_", "right_"))
    feature = state_array(state, "feature_", size, "i")
    threshold = state_array(state, "threshold_", size, "f", finite=False)
    state_array(state, "missing_left_", size, "b")
    state_array(state, "leaf_value_", size)
    state_array(state, "base_", (columns,))
    column = state_array(state, "column_", (len(offset) - 1,), "i")
    many = np.repeat(np.diff(offset), np.diff(offset))
    place = np.arange(offset[-1]) - np.repeat(offset[:-1], np.diff(offset))
    leaf = (left == -1) & (right == -1)
    # Children stand after their parent and within its tree, so that every walk ends in a leaf.
    if not all((leaf | ((c > place) & (c < many))).all() for c in (left, right)):
        raise errors.StateError(
            "'left_' and 'right_' of the state must name later nodes of the same tree, or be -1."
        )
    if ((feature < 0) | (feature >= d)).any() or np.isnan(threshold).any():
        raise errors.StateError(f"'feature_' and 'threshold_' must split one of {d} inputs.")
    if not np.array_equal(np.unique(column), np.arange(columns)) or (np.diff(column) < 0).any():
        raise errors.StateError(f"'column_' of the state must count up through {columns} columns.")
