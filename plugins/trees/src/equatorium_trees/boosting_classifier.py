"""Gradient boosting of classes, with probabilities calibrated on runs that were held out."""

import numpy as np
from scipy.special import expit, softmax

from equatorium import Classifier, Ensemble, errors, state_array
from equatorium_trees import additive, residuals
from equatorium_trees.boosting import Boosted
from equatorium_trees.calibration import calibrated, check_calibration, fit_calibration
from equatorium_trees.nodes import whole_number


class GradientBoostingClassifier(Boosted, Ensemble, Classifier):
    """Gradient boosting of the classes' log-odds, cross-fitted and calibrated.

    Five boosters are each fitted without a fifth of the runs, every class dealt out evenly; their
    probabilities are averaged, and calibrated on what each says of the fifth that it has not seen.

    Parameters
    ----------
    n_estimators : int
        The number of rounds; a round grows a tree for each of three classes or more.
    learning_rate : float
    max_leaf_nodes : int
    min_samples_leaf : int
    l2 : float
    library : {"scikit-learn", "lightgbm"}
    random_state : int or None
        As of `GradientBoosting`.

    Attributes
    ----------
    oob_score_ : float
        Share of the runs whose label is right, given by the booster that has not seen them.

    References
    ----------
    Friedman J. H. 2001, Annals of Statistics 29, 1189, doi:10.1214/aos/1013203451
    """

    def _fit(self, X, codes):
        c = len(self.classes_)
        if c < 2:
            raise errors.InputError("GradientBoostingClassifier needs 2 classes, y has 1 class.")
        fold = residuals.folds(len(X), "GradientBoostingClassifier", codes)
        sums, P = [], np.full((len(X), c), np.nan)
        for k in np.unique(fold[fold >= 0]):
            held = fold == k
            sums.append(self._boost(X[~held], codes[~held], None, "classes"))
            P[held] = _probabilities(additive.Additive(sums[-1])(X[held]))
        seen = fold >= 0
        self.calibration_ = fit_calibration(P[seen], codes[seen])
        self.oob_score_ = float((P[seen].argmax(axis=1) == codes[seen]).mean())
        for name, value in additive.joined(sums).items():
            setattr(self, name, value)
        self.folds_ = len(sums)

    def predict_members(self, X):
        """Return the probabilities by every booster, shape (members, m, c), not calibrated."""
        return self._each(self._validate(X, reset=False))

    def _each(self, X):
        raw = self._sums(X).reshape(len(X), self.folds_, -1)
        return np.stack([_probabilities(one) for one in raw.swapaxes(0, 1)])

    def _predict_proba(self, X):
        return calibrated(self._each(X).mean(axis=0), self.calibration_)

    def set_state(self, state):
        """Take on sums of trees and a calibration that fit together."""
        if state:
            d, many = (whole_number(state, name) for name in ("n_features_in_", "folds_"))
            c = len(state_array(state, "classes_", (None,), "iufbUO", finite=False))
            check_calibration(state_array(state, "calibration_", (2,)))
            columns = 1 if c == 2 else c
            if c < 2 or many > residuals.FOLDS:
                raise errors.StateError("the state has too few classes, or too many boosters.")
            additive.check(state, d, many * columns)
        super().set_state(state)
        if state:
            self._sums = additive.Additive(state)
            self._members = self._sums.split(columns)
        return self


def _probabilities(raw):
    """Return probabilities (m, c) from log-odds (m, 1) or logarithms (m, c)."""
    if raw.shape[1] == 1:
        second = expit(raw)
        return np.hstack([1.0 - second, second])
    return softmax(raw, axis=1)
