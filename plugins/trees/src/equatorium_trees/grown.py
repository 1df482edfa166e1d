"""What trees, forests and extra-trees share: grown by scikit-learn, kept as arrays, asked."""

import warnings
from abc import ABC, abstractmethod

import numpy as np

from equatorium import errors, state_array
from equatorium_trees import nodes
from equatorium_trees.leaves import Leaves

_FAR = 1e30
_HUGE = 1e150  # as `fit` takes y


class Grown(ABC):
    """Mixin of methods whose learned state is trees and the runs in their leaves.

    A class that derives from it defines `_estimator`, which returns scikit-learn's. The runs'
    outputs are ``values_``: numbers, or 1 and 0 for classes.

    Attributes
    ----------
    importances_ : ndarray, shape (d,)
        How much the splits at each input lower the impurity, of all; biased to inputs of many
        values: prefer ``sklearn.inspection.permutation_importance``.
    values_ : ndarray, shape (n, p)
        The runs' outputs that predictions are made of.
    """

    @abstractmethod
    def _estimator(self):
        """Return scikit-learn's estimator, unfitted."""

    def _grow(self, X, target, weight):
        """Fit scikit-learn's estimator; keep its trees and the leaf of every run."""
        low, high = _range(X)
        width = high - low
        self.center_ = low + width / 2
        self.scale_ = np.where((width > 0) & np.isfinite(width), width, 1.0)
        Z = self._scaled(X)
        estimator = self._estimator()
        try:
            estimator.fit(Z, target, sample_weight=weight)
        except ValueError as error:
            raise errors.InputError(f"{type(self).__name__}: {error}") from error
        members = getattr(estimator, "estimators_", [estimator])
        trees = [member.tree_ for member in members]
        for name, value in nodes.take_out(trees).items():
            setattr(self, name, value)
        self.leaf_ = np.stack([tree.apply(Z) for tree in trees]).astype(np.int32)
        self.count_ = _counts(estimator, len(trees), len(X))
        self.weight_ = np.ones(len(X)) if weight is None else weight
        self.importances_ = estimator.feature_importances_

    def set_state(self, state):
        """Take on trees and runs that fit together, and build what predicts."""
        if state:
            _check(state)
        super().set_state(state)
        if state:
            self._trees = nodes.build(state)
            self._leaves = self._runs()
        return self

    def _runs(self):
        """Return the runs in the leaves."""
        args = self.offset_, self.leaf_, self.count_, self.weight_, self.values_
        return Leaves(*args, getattr(self, "shrink_", 1.0))

    @property
    def members_(self):
        """The trees, as scikit-learn's compiled ones, which know the leaf of a scaled row."""
        return tuple(self._trees)

    def _scaled(self, X):
        """Give inputs as the trees see them: single precision, which large offsets would use up."""
        with np.errstate(over="ignore", invalid="ignore"):
            Z = (X - self.center_) / self.scale_
        return np.clip(Z, -_FAR, _FAR).astype(np.float32)

    def _nodes(self, X):
        """Node of every point in every tree, shape (m, T)."""
        Z = self._scaled(X)
        found = [tree.apply(Z) for tree in self._trees]
        return np.stack(found, axis=1) + self.offset_[:-1]

    def _mean(self, X):
        """Mean over the trees, shape (m, p)."""
        Z = self._scaled(X)
        total = np.zeros((len(X), self.values_.shape[1]))
        for tree, first in zip(self._trees, self.offset_.tolist(), strict=False):
            total += self._leaves.mean[tree.apply(Z) + first]
        return total / len(self._trees)


def _counts(estimator, trees, n):
    """How often every tree has drawn every run, shape (T, n)."""
    if not getattr(estimator, "bootstrap", False):
        return np.ones((trees, n), dtype=np.uint8)
    drawn = estimator.estimators_samples_
    return np.stack([np.bincount(rows, minlength=n) for rows in drawn]).astype(np.uint16)


def _range(X):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # a column without any value
        low, high = np.nanmin(X, axis=0), np.nanmax(X, axis=0)
    return np.nan_to_num(low), np.nan_to_num(high)


def _check(state):
    """Refuse trees, leaves and runs that do not fit together."""
    d = nodes.whole_number(state, "n_features_in_")
    nodes.check(state, d)
    for name in ("center_", "scale_", "importances_"):
        state_array(state, name, (d,))
    if not (state["scale_"] > 0).all():
        raise errors.StateError("'scale_' of the state must be positive.")
    values = state_array(state, "values_", (None, None))
    n, offset = len(values), state["offset_"]
    if values.dtype != np.float64 or (np.abs(values) > _HUGE).any():
        raise errors.StateError(f"'values_' of the state must be doubles within {_HUGE:.0e}.")
    weight = state_array(state, "weight_", (n,))
    leaf = state_array(state, "leaf_", (len(offset) - 1, n), "i")
    count = state_array(state, "count_", (len(offset) - 1, n), "u")
    if (weight < 0).any() or (leaf < 0).any() or (leaf >= np.diff(offset)[:, None]).any():
        raise errors.StateError("'weight_' and 'leaf_' of the state must name leaves and weights.")
    node = leaf + offset[:-1, None]
    if (state["left_"][node] >= 0).any():
        raise errors.StateError("'leaf_' of the state must name leaves.")
    mass = np.bincount(node.ravel(), (count * weight).ravel(), len(state["left_"]))
    if not (mass[state["left_"] < 0] > 0).all():
        raise errors.StateError("'leaf_', 'count_' and 'weight_' must leave no leaf empty.")
