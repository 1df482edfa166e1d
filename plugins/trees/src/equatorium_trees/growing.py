"""Trees grown by scikit-learn on bootstrap samples, and what they have drawn.

Its forests are not asked themselves: how they use weights differs between versions (in 1.9 runs are
drawn by weight, before that trees were given the weights), and what a tree has drawn, and which
leaf a run falls into, would have to be found again. Without weights the trees are theirs, seed by
seed.
"""

import threading

import numpy as np
from sklearn import config_context
from sklearn.utils.parallel import Parallel, delayed

from equatorium import errors


class _Own(threading.local):
    """A RandomState for each thread: to make one takes as long as a small tree."""

    def __init__(self):
        self.state = np.random.RandomState()


def grow_one(tree, Z, target, weight):
    """Grow a tree on all runs.

    Parameters
    ----------
    tree : sklearn.tree.BaseDecisionTree
        Not fitted yet.
    Z : ndarray of float32, shape (n, d)
    target : ndarray, shape (n,) or (n, p)
    weight : ndarray, shape (n,)

    Returns
    -------
    sklearn.tree._tree.Tree
        Its `apply` knows the leaf of every row.
    """
    # Checking an input again costs a tenth of a tree; only if it is does scikit-learn look for NaN.
    return tree.fit(Z, target, sample_weight=weight, check_input=bool(np.isnan(Z).any())).tree_


def grow_many(make, Z, target, weight, rng, n_estimators, n_jobs=None):
    """Grow trees, each on as many runs as there are, drawn with replacement.

    Parameters
    ----------
    make : callable
        Returns an unfitted tree of a RandomState.
    Z, target, weight : ndarray
        As of `grow_one`; drawn runs keep their weights.
    rng : numpy.random.RandomState
    n_estimators : int
    n_jobs : int, optional
        Threads.

    Returns
    -------
    list of T sklearn.tree._tree.Tree
    leaf : ndarray of int32, shape (T, n)
        The leaf of every run.
    count : ndarray of uint16, shape (T, n)
        How often every tree has drawn every run.
    """
    if isinstance(n_estimators, bool) or not isinstance(n_estimators, int | np.integer):
        raise errors.InputError(f"n_estimators must be a whole number, not {n_estimators!r}.")
    if n_estimators < 1:
        raise errors.InputError(f"n_estimators must be 1 at least, not {n_estimators}.")
    n = len(Z)
    leaf, count = np.empty((n_estimators, n), np.int32), np.empty((n_estimators, n), np.uint16)

    own = _Own()

    def grow(t, seed, order, rows):
        own.state.seed(seed)
        count[t] = np.bincount(own.state.randint(n, size=n), minlength=n)
        own.state.seed(seed)
        tree = grow_one(make(own.state), Z, target, count[t] * weight)
        leaf[t, order] = tree.apply(rows)
        return tree

    first, *others = rng.randint(np.iinfo(np.int32).max, size=n_estimators).tolist()
    trees = [grow(0, first, slice(None), Z)]
    alike = np.argsort(leaf[0])  # the leaves of near rows, one after the other, are found faster
    near = Z[alike]
    with config_context(skip_parameter_validation=True):  # they are those of the first
        threads = Parallel(n_jobs=n_jobs, require="sharedmem")
        trees += threads(delayed(grow)(t, seed, alike, near) for t, seed in enumerate(others, 1))
    return trees, leaf, count
