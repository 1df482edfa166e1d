"""A distribution from errors on runs that were held out: their shape, times a local scale."""

import numpy as np

from equatorium import Weighted, errors, state_array
from equatorium_trees.leaves import position

FOLDS = 5
_MOST = 200  # errors that stand for all
_FAR = 1e12  # in units of the local scale: no error is so large


def folds(n, method, codes=None):
    """Deal n runs to at most five folds, always the same; those of a class evenly.

    A run that is alone in its class gets the fold -1: it is never left out.

    >>> sorted(folds(7, "An example").tolist())
    [0, 0, 1, 1, 2, 3, 4]
    """
    if n < 2:
        raise errors.InputError(f"{method} must leave runs out, but n_samples={n}.")
    shuffled = np.random.default_rng(0).permutation(n)
    order = shuffled if codes is None else shuffled[np.argsort(codes[shuffled], kind="stable")]
    fold = np.empty(n, dtype=np.int64)
    fold[order] = np.arange(n) % min(FOLDS, n)
    if codes is not None:
        fold[np.bincount(codes)[codes] < 2] = -1
    if fold.max() < 0:
        raise errors.InputError(f"{method} must leave runs out, but every class has one run only.")
    return fold


def shape_of(z):
    """Standardised errors that stand for all, at most 200 rows of (n, p), with mean zero."""
    order = np.argsort(position(z), kind="stable")
    n = len(z)
    some = z[order[((np.arange(min(_MOST, n)) + 0.5) * n / min(_MOST, n)).astype(int)]]
    return some - some.mean(axis=0)


def around(mean, scale, shape):
    """Distribution of mean (m, p) plus scale (m, p) times every row of the shape (s, p)."""
    return Weighted(mean + scale * shape[:, None])


def check_shape(state, p):
    """Refuse a shape that is none."""
    shape = state_array(state, "shape_", (None, p))
    if not len(shape) or (np.abs(shape) > _FAR).any():
        raise errors.StateError(
            f"'shape_' of the state must hold an error at least, each within {_FAR:.0e}."
        )
