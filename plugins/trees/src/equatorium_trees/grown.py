"""What trees, forests and extra-trees share: grown by scikit-learn, kept as arrays, asked."""

import warnings

import numpy as np

from equatorium import errors, state_array
from equatorium_trees import growing, members, nodes
from equatorium_trees.leaves import Leaves

_SHARED = ("max_features", "min_samples_leaf", "max_depth", "max_leaf_nodes")
_FAR = 1e30
_HUGE = 1e150  # as `fit` takes y


class Grown:
    """Mixin of methods whose learned state is trees and the runs in their leaves.

    A class that derives from it names scikit-learn's kind of tree in `_kind`. The runs' outputs are
    ``values_``: numbers, or 1 and 0 for classes.

    Attributes
    ----------
    importances_ : ndarray, shape (d,)
        How much the splits at each input lower the impurity, of all; biased to inputs of many
        values: prefer ``sklearn.inspection.permutation_importance``.
    values_ : ndarray, shape (n, p)
        The runs' outputs that predictions are made of.
    """

    _kind = None

    def _tree(self, seed):
        """Return scikit-learn's tree, not fitted yet."""
        options = {name: getattr(self, name) for name in _SHARED if hasattr(self, name)}
        return self._kind(random_state=seed, **options)

    def _grow(self, X, target, weight):
        """Grow the trees; keep them, the leaf of every run, and how often each was drawn."""
        low, high = _range(X)
        width = high - low
        self.center_ = low + width / 2
        self.scale_ = np.where((width > 0) & np.isfinite(width), width, 1.0)
        self.weight_ = np.ones(len(X)) if weight is None else weight
        try:
            trees, self.leaf_, self.count_ = self._grown(self._scaled(X), target)
        except ValueError as error:
            raise errors.InputError(f"{type(self).__name__}: {error}") from error
        for name, value in nodes.take_out(trees).items():
            setattr(self, name, value)
        self.importances_ = nodes.importances(trees)

    def _grown(self, Z, target):
        """Grow one tree on all runs; forests grow more."""
        tree = growing.grow_one(self._tree(self.random_state), Z, target, self.weight_)
        leaf = tree.apply(Z).astype(np.int32)
        return [tree], leaf[None], np.ones((1, len(Z)), dtype=np.uint8)

    def set_state(self, state):
        """Take on trees and runs that fit together, and build what predicts."""
        if state:
            _check(state)
            leaves = _leaves(state)
            if not (leaves.mass[state["left_"] < 0] > 0).all():
                raise errors.StateError("'leaf_', 'count_' and 'weight_' must leave no leaf empty.")
        super().set_state(state)
        if state:
            self._trees, self._leaves = nodes.build(state), leaves
        return self

    def _runs(self):
        """Return the runs in the leaves."""
        return _leaves(vars(self))

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


def _leaves(state):
    names = "offset_", "leaf_", "count_", "weight_", "values_"
    return Leaves(*(state[name] for name in names), state.get("shrink_", 1.0))


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
    state_array(state, "count_", (len(offset) - 1, n), "u")
    if (weight < 0).any() or (leaf < 0).any() or (leaf >= np.diff(offset)[:, None]).any():
        raise errors.StateError("'weight_' and 'leaf_' of the state must name leaves and weights.")
    inner = state["left_"] >= 0
    for where, first in zip(leaf, offset.tolist(), strict=False):
        if inner[first:][where].any():
            raise errors.StateError("'leaf_' of the state must name leaves.")


class Many(Grown):
    """Mixin of forests: many trees, each of a bootstrap sample."""

    def _grown(self, Z, target):
        rng, many = members.seeded(self), (self.n_estimators, self.n_jobs)
        return growing.grow_many(self._tree, Z, target, self.weight_, rng, *many)
