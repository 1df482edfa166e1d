"""One tree and forests as classifiers: shares of the classes in the leaves, calibrated."""

import numpy as np
from sklearn.tree import DecisionTreeClassifier, ExtraTreeClassifier

from equatorium import Classifier, Ensemble, state_array
from equatorium_trees.calibration import calibrated, check_calibration, fit_calibration
from equatorium_trees.grown import Grown, Many


class _LeafyClassifier(Grown, Classifier):
    """A classifier whose probabilities are shares of the runs in leaves.

    The mean share is calibrated on held-out runs: those of trees that have not drawn a run, or,
    where all have, of its leaf-mates.
    """

    def _fit(self, X, codes):
        weight = None
        if getattr(self, "balanced", False):
            weight = len(codes) / (len(self.classes_) * np.bincount(codes)[codes])
        self._grow(X, codes, weight)
        self.values_ = np.eye(len(self.classes_))[codes]
        self.calibration_ = np.array([1.0, 1e-12])
        if getattr(self, "calibrate", True):
            self.calibration_ = fit_calibration(self._held_out(), codes, weight)

    def _held_out(self):
        return np.clip(self._runs().held_out_mean(), 0.0, 1.0)

    def _predict_proba(self, X):
        return calibrated(self._mean(X), self.calibration_)

    def set_state(self, state):
        """Take on trees, runs and a calibration that fit together."""
        if state:
            check_calibration(state_array(state, "calibration_", (2,)))
            labels = state_array(state, "classes_", (None,), "iufbUO", finite=False)
            state_array(state, "values_", (None, len(labels)))
        return super().set_state(state)


class TreeClassifier(_LeafyClassifier):
    """A single decision tree: the shares of the classes in a leaf, calibrated.

    Parameters
    ----------
    max_depth, min_samples_leaf, max_leaf_nodes, random_state
        As of `Tree`.
    calibrate : bool
        Without it, probabilities are the shares: for ensembles, which calibrate themselves.

    References
    ----------
    Breiman L., Friedman J., Olshen R. & Stone C. 1984, Classification and Regression Trees, ISBN
    978-0-412-04841-8
    """

    _kind = DecisionTreeClassifier

    def __init__(
        self,
        *,
        max_depth=None,
        min_samples_leaf=5,
        max_leaf_nodes=None,
        calibrate=True,
        random_state=None,
    ):
        self.max_depth = max_depth
        self.min_samples_leaf = min_samples_leaf
        self.max_leaf_nodes = max_leaf_nodes
        self.calibrate = calibrate
        self.random_state = random_state


class ForestClassifier(Ensemble, Many, _LeafyClassifier):
    """A random forest of classification trees, with calibrated probabilities.

    The mean of the trees' shares of the classes is calibrated on out-of-bag runs.

    Parameters
    ----------
    n_estimators : int
        The number of trees.
    max_features : float, int, "sqrt", "log2" or None
        Inputs that a split may choose from.
    min_samples_leaf : int
    max_depth, max_leaf_nodes : int or None
    balanced : bool
        Let all classes count alike, while trees grow and while they are calibrated: for rare
        classes and balanced accuracy. Probabilities are those of equally common classes. Leave it
        off where new rows come in the runs' proportions, and accuracy or Brier score is asked for.
    n_jobs : int or None
        Threads that grow trees.
    random_state : int or None

    References
    ----------
    Breiman L. 2001, Machine Learning 45, 5, doi:10.1023/A:1010933404324
    """

    _kind = DecisionTreeClassifier

    def __init__(
        self,
        *,
        n_estimators=200,
        max_features="sqrt",
        min_samples_leaf=3,
        max_depth=None,
        max_leaf_nodes=None,
        balanced=False,
        n_jobs=None,
        random_state=None,
    ):
        self.n_estimators = n_estimators
        self.max_features = max_features
        self.min_samples_leaf = min_samples_leaf
        self.max_depth = max_depth
        self.max_leaf_nodes = max_leaf_nodes
        self.balanced = balanced
        self.n_jobs = n_jobs
        self.random_state = random_state

    @classmethod
    def conformance_options(cls):
        """Return a few trees."""
        return {"n_estimators": 8}

    def predict_members(self, X):
        """Return every tree's shares of the classes, shape (T, m, c), not calibrated."""
        X = self._validate(X, reset=False)
        return self._leaves.mean[self._nodes(X)].swapaxes(0, 1)

    @property
    def oob_prediction_(self):
        """Out-of-bag probabilities, calibrated on themselves, shape (n, c)."""
        return calibrated(self._held_out(), self.calibration_)

    @property
    def oob_score_(self):
        """Share of the runs whose out-of-bag label is right."""
        right = self.oob_prediction_.argmax(axis=1) == self.values_.argmax(axis=1)
        return float(right.mean())


class ExtraTreesClassifier(ForestClassifier):
    """Extremely randomised trees of bootstrap samples, with calibrated probabilities.

    Parameters
    ----------
    n_estimators, max_features, min_samples_leaf, max_depth, max_leaf_nodes, balanced
        As of `ForestClassifier`.
    n_jobs, random_state
        As of `ForestClassifier`.

    References
    ----------
    Geurts P., Ernst D. & Wehenkel L. 2006, Machine Learning 63, 3, doi:10.1007/s10994-006-6226-1
    """

    _kind = ExtraTreeClassifier
