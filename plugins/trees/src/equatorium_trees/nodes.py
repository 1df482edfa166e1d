"""Trees of scikit-learn as plain arrays: taken out after the fit, checked, and built again.

Every tree is a run of rows in the same arrays. A compiled tree follows whatever it is told, out of
its memory if need be, so that no array reaches one unchecked.
"""

from functools import cache

import numpy as np
from sklearn.tree import DecisionTreeRegressor

from equatorium import errors, state_array

_NODES = {
    "feature_": "i",
    "threshold_": "f",
    "left_": "i",
    "right_": "i",
    "missing_left_": "b",
}


def take_out(trees):
    """Return the arrays of scikit-learn's low-level trees (`tree_` of a fitted estimator).

    Parameters
    ----------
    trees : sequence of T sklearn.tree._tree.Tree

    Returns
    -------
    dict of ndarray
        ``feature_``, ``threshold_``, ``left_``, ``right_``, ``missing_left_`` of all N nodes, -1
        for the children of a leaf, which count from the tree's first node; ``offset_`` (T + 1,),
        the first node of every tree, and N.
    """
    sizes = [tree.node_count for tree in trees]
    leaf = np.concatenate([tree.children_left for tree in trees]) < 0

    def joined(name, dtype, of_leaves):
        found = np.concatenate([getattr(tree, name) for tree in trees])
        return np.where(leaf, of_leaves, found).astype(dtype)

    return {
        "feature_": joined("feature", np.int32, 0),
        "threshold_": joined("threshold", np.float64, 0.0),
        "left_": joined("children_left", np.int32, -1),
        "right_": joined("children_right", np.int32, -1),
        "missing_left_": joined("missing_go_to_left", np.bool_, False),
        "offset_": np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64),
    }


def importances(trees):
    """How much splits at each input (d,) lower the impurity: shares, averaged over the trees."""
    found = np.mean([_lowered(tree) for tree in trees], axis=0)
    return found / (found.sum() or 1.0)


def _lowered(tree):
    """Shares of the inputs in one tree: as scikit-learn has them, were all impurities finite."""
    # Runs that weigh next to nothing beside others may leave 0 / 0 in a leaf of their own.
    impurity = np.where(np.isfinite(tree.impurity), tree.impurity, 0.0)
    mass, inner = tree.weighted_n_node_samples * impurity, tree.children_left >= 0
    below = mass[tree.children_left[inner]] + mass[tree.children_right[inner]]
    found = np.bincount(tree.feature[inner], mass[inner] - below, tree.n_features)
    return found / (found.sum() or 1.0)


def check(state, d):
    """Refuse arrays that are no trees over d inputs.

    Children stand after their parent and within its tree, so that every walk ends in a leaf.

    Raises
    ------
    StateError
        Naming the array.
    """
    offset = state_array(state, "offset_", (None,), "i")
    if len(offset) < 2 or offset[0] != 0 or (np.diff(offset) < 1).any():
        raise errors.StateError("'offset_' of the state must count up from 0, one tree at least.")
    size = (offset[-1],)
    arrays = {name: state_array(state, name, size, k, finite=False) for name, k in _NODES.items()}
    if np.isnan(arrays["threshold_"]).any():  # infinite ones tell what is missing from the rest
        raise errors.StateError("'threshold_' of the state holds NaN.")
    left, right, feature = arrays["left_"], arrays["right_"], arrays["feature_"]
    leaf = (left == -1) & (right == -1)
    size = np.diff(offset)
    place = np.arange(offset[-1]) - np.repeat(offset[:-1], size)
    for child in (left, right):
        if not (leaf | ((child > place) & (child < np.repeat(size, size)))).all():
            raise errors.StateError(
                "'left_' and 'right_' of the state must name later nodes of the same tree, or be "
                "-1 both."
            )
    if ((feature < 0) | (feature >= d)).any():
        raise errors.StateError(f"'feature_' of the state must name one of {d} inputs.")


def whole_number(state, name):
    """Read a positive whole number of a state, or raise StateError."""
    value = state.get(name)
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < 1:
        raise errors.StateError(f"the state needs a whole number {name!r}, not {value!r:.80}.")
    return int(value)


def build(state):
    """Build scikit-learn's compiled trees from checked arrays; only their `apply` is of use."""
    kind, dtype = _compiled()
    offset = state["offset_"]
    d = int(state["n_features_in_"])
    trees = []
    for first, last in zip(offset[:-1].tolist(), offset[1:].tolist(), strict=True):
        part = slice(first, last)
        nodes = np.zeros(last - first, dtype=dtype)
        nodes["left_child"], nodes["right_child"] = state["left_"][part], state["right_"][part]
        nodes["feature"], nodes["threshold"] = state["feature_"][part], state["threshold_"][part]
        nodes["missing_go_to_left"] = state["missing_left_"][part]
        tree = kind(d, np.ones(1, dtype=np.intp), 1)
        tree.__setstate__(
            {
                "max_depth": 0,
                "node_count": len(nodes),
                "nodes": nodes,
                "values": np.zeros((len(nodes), 1, 1)),
            }
        )
        trees.append(tree)
    return trees


@cache
def _compiled():
    """Return the class of scikit-learn's compiled trees, and what its nodes are made of."""
    stub = DecisionTreeRegressor().fit([[0.0], [1.0]], [0.0, 1.0]).tree_
    return type(stub), stub.__getstate__()["nodes"].dtype
