"""AdaBoost: one member after the other, each on samples rich in the runs that were ill-fitted."""

from numbers import Real

import numpy as np
from scipy.optimize import nnls

from equatorium import Classifier, Emulator, Ensemble, errors, state_array
from equatorium_trees import members, residuals
from equatorium_trees.calibration import calibrated, check_calibration, fit_calibration

_ENOUGH = 200  # held-out runs
_LARGEST = 1e301  # variance, of outputs as large as `fit` takes them


class _Boosts:
    """What AdaBoost for numbers and for classes share."""

    def __init__(self, member=None, *, n_estimators=100, learning_rate=1.0, random_state=None):
        self.member = member
        self.n_estimators = n_estimators
        self.learning_rate = learning_rate
        self.random_state = random_state

    @classmethod
    def conformance_options(cls):
        """Return a few members."""
        return {"n_estimators": 3}

    @property
    def capabilities_(self):
        """What can be said whatever the member, and NaN where the member bears it."""
        own = {"variance", "covariance"} if isinstance(self, Emulator) else set()
        return frozenset(own | (self._given().capabilities_ & {"missing"}))

    def _check_options(self):
        if not isinstance(self.n_estimators, int | np.integer) or self.n_estimators < 1:
            raise errors.InputError(f"n_estimators must be positive, not {self.n_estimators!r}.")
        if not isinstance(self.learning_rate, Real) or not 0 < self.learning_rate < np.inf:
            raise errors.InputError(f"learning_rate must be positive, not {self.learning_rate!r}.")

    def _held_out(self, X, y, codes=None):
        """Yield runs held out, and members and their log-weights from the rest.

        As many fifths as it takes to see 200 runs: large sets need but one more fit.
        """
        fold = residuals.folds(len(X), type(self).__name__, codes)
        for k in np.unique(fold[fold >= 0])[: -(-residuals.FOLDS * _ENOUGH // len(X))]:
            held = fold == k
            yield held, self._boosted(X[~held], y[~held])

    def _check_members(self, state, kind):
        fitted = state.get("members_")
        members.check(fitted, kind, state)
        weights = state_array(state, "weights_", (len(fitted),))
        if not (weights > 0).all():
            raise errors.StateError("'weights_' of the state must be positive.")


class AdaBoost(_Boosts, Ensemble, Emulator):
    r"""AdaBoost.R2: the weighted median of members that care ever more for what was ill-fitted.

    Every member learns from a sample drawn with the runs' weights. With its losses
    :math:`L_i = |r_i| / \max |r|` (averaged over outputs) and their weighted mean :math:`\bar L`,

    .. math:: \beta = \bar L / (1 - \bar L), \qquad
              w_i \leftarrow w_i\, \beta^{\eta (1 - L_i)}, \qquad
              \alpha = \eta \log(1 / \beta),

    until :math:`\bar L \ge 1/2`. The mean of the prediction is the members' median with weights
    :math:`\alpha`. Around it lie the errors of a twin on runs that it has not seen, scaled by
    :math:`s^2 = a + b\, \mathrm{var}_t f_t(x)`: a and b fit their squares, and their mean is
    moved to zero.

    Parameters
    ----------
    member : Emulator, its name or spec
        By default a tree of depth 4. Only its means are used.
    n_estimators : int
    learning_rate : float
        The eta of the formulas.
    random_state : int or None

    Attributes
    ----------
    members_ : list of Emulator
    weights_ : ndarray
        Their alpha.

    References
    ----------
    Drucker H. 1997, Improving regressors using boosting techniques, Proceedings of the 14th
    International Conference on Machine Learning, 107, ISBN 1-55860-486-3

    Freund Y. & Schapire R. E. 1997, Journal of Computer and System Sciences 55, 119,
    doi:10.1006/jcss.1997.1504
    """

    def _given(self):
        plain = {"max_depth": 4, "min_samples_leaf": 1}
        default = {"use": "equatorium-trees/tree", "options": plain}
        member = default if self.member is None else self.member
        return members.given("AdaBoost", member, Emulator, self)

    def _fit(self, X, Y, noise):
        self._check_options()
        self.members_, self.weights_ = self._boosted(X, Y)
        error, spread = [], []
        for held, (fitted, weights) in self._held_out(X, Y):
            points = _points(fitted, X[held])
            error.append(Y[held] - _median(points, weights))
            spread.append(_variance(points, weights))
        error, spread = np.concatenate(error), np.concatenate(spread)
        size = np.maximum((error**2).mean(axis=0), 1e-18 * (Y**2).mean(axis=0) + 1e-300)
        unit = np.maximum(spread.mean(axis=0), 1e-300)
        columns = zip((error**2 / size).T, (spread / unit).T, strict=True)
        found = np.array([nnls(np.column_stack([0 * s + 1, s]), e)[0] for e, s in columns])
        # Some of the scatter is everywhere, whatever the members say.
        self.constant_ = np.maximum(found[:, 0], 0.05) * size
        self.slope_ = found[:, 1] * size / unit
        self.shape_ = residuals.shape_of(error / self._scale(spread))

    def _boosted(self, X, Y):
        """Return the fitted members and their weights."""
        member, n = self._given(), len(X)
        rng = members.seeded(self)
        weight = np.full(n, 1.0 / n)
        fitted, alphas = [], []
        for _ in range(self.n_estimators):
            one = members.fresh(member, rng)
            rows = rng.choice(n, size=n, replace=True, p=weight)
            error = np.abs(Y - members.mean(one.fit(X[rows], Y[rows]), X))
            largest = error.max(axis=0)
            loss = (error / np.where(largest > 0, largest, 1.0)).mean(axis=1)
            mean = float(weight @ loss)
            if mean <= 0 or (mean >= 0.5 and not fitted):
                return [one], np.ones(1)
            if mean >= 0.5:
                break
            fitted.append(one)
            beta = mean / (1.0 - mean)
            alphas.append(self.learning_rate * np.log(1.0 / beta))
            weight = weight * beta ** ((1.0 - loss) * self.learning_rate)
            weight /= weight.sum()
        return fitted, np.array(alphas)

    def _scale(self, spread):
        return np.sqrt(self.constant_ + self.slope_ * spread)

    def predict_members(self, X):
        """Return every member's mean, shape (T, m, p)."""
        return _points(self.members_, self._validate_query(X))

    def _predict_dist(self, X):
        points = _points(self.members_, X)
        scale = self._scale(_variance(points, self.weights_))
        return residuals.around(_median(points, self.weights_), scale, self.shape_)

    def set_state(self, state):
        """Take on members, weights and a shape that fit together."""
        if state:
            self._check_members(state, Emulator)
            p = state["n_outputs_"]
            residuals.check_shape(state, p)
            constant, slope = (state_array(state, k, (p,)) for k in ("constant_", "slope_"))
            most = np.maximum(constant, slope)
            if not (constant > 0).all() or (slope < 0).any() or (most > _LARGEST).any():
                raise errors.StateError("'constant_' and 'slope_' of the state make no variance.")
        return super().set_state(state)


def _points(fitted, X):
    return np.stack([members.mean(one, X) for one in fitted])


def _median(points, weights):
    """Weighted median over the members, (m, p)."""
    order = np.argsort(points, axis=0, kind="stable")
    reached = np.cumsum(weights[order], axis=0) >= 0.5 * weights.sum()
    place = reached.argmax(axis=0)
    ranked = np.take_along_axis(points, order, axis=0)
    return np.take_along_axis(ranked, place[None], axis=0)[0]


def _variance(points, weights):
    share = (weights / weights.sum())[:, None, None]
    mean = (share * points).sum(axis=0)
    return (share * (points - mean) ** 2).sum(axis=0)


class AdaBoostClassifier(_Boosts, Ensemble, Classifier):
    r"""AdaBoost for classes (SAMME), by resampling: votes of members, calibrated.

    A member that errs on the weighted share e of the runs has the weight
    :math:`\alpha = \eta\, [\log((1 - e) / e) + \log(c - 1)]`, and the runs it errs on are weighted
    up by :math:`\exp \alpha`. Shares of the votes are calibrated on runs that a twin has not seen.

    Parameters
    ----------
    member : Classifier, its name or spec
        By default a tree of depth 4. Only its labels are used.
    n_estimators : int
    learning_rate : float
    random_state : int or None

    Attributes
    ----------
    members_ : list of Classifier
    weights_ : ndarray
        Their alpha.

    References
    ----------
    Zhu J., Zou H., Rosset S. & Hastie T. 2009, Statistics and Its Interface 2, 349,
    doi:10.4310/SII.2009.v2.n3.a8
    """

    @classmethod
    def conformance_options(cls):
        """Return a few stumps: trees of depth 4 would make the kit's clouds out at once."""
        stump = {"use": "equatorium-trees/tree-classifier", "options": {"max_depth": 1}}
        return {"member": stump, "n_estimators": 3}

    def _given(self):
        plain = {"max_depth": 4, "min_samples_leaf": 1, "calibrate": False}
        default = {"use": "equatorium-trees/tree-classifier", "options": plain}
        member = default if self.member is None else self.member
        return members.given("AdaBoostClassifier", member, Classifier, self)

    def _fit(self, X, codes):
        self._check_options()
        if len(self.classes_) < 2:
            raise errors.InputError("AdaBoostClassifier needs 2 classes, y has 1 class.")
        self.members_, self.weights_ = self._boosted(X, codes)
        P, labels = [], []
        for held, (fitted, weights) in self._held_out(X, codes, codes):
            P.append(self._votes(fitted, weights, X[held]))
            labels.append(codes[held])
        self.calibration_ = fit_calibration(np.concatenate(P), np.concatenate(labels))

    def _boosted(self, X, codes):
        member, n, c = self._given(), len(X), len(self.classes_)
        rng = members.seeded(self)
        weight = np.full(n, 1.0 / n)
        fitted, alphas = [], []
        for _ in range(self.n_estimators):
            one = members.fresh(member, rng)
            rows = rng.choice(n, size=n, replace=True, p=weight)
            wrong = one.fit(X[rows], codes[rows]).predict(X) != codes
            error = float(weight @ wrong)
            if error <= 0 or (error >= 1.0 - 1.0 / c and not fitted):
                return [*fitted, one], np.array([*alphas, max([1.0, *alphas])])
            if error >= 1.0 - 1.0 / c:
                break
            alpha = self.learning_rate * (np.log((1.0 - error) / error) + np.log(c - 1.0))
            fitted.append(one)
            alphas.append(alpha)
            weight = weight * np.exp(alpha * wrong)
            weight /= weight.sum()
        return fitted, np.array(alphas)

    def _votes(self, fitted, weights, X):
        """Shares of the weighted votes, (m, c)."""
        P = np.zeros((len(X), len(self.classes_)))
        for one, weight in zip(fitted, weights / weights.sum(), strict=True):
            P[np.arange(len(X)), one.predict(X)] += weight
        return P

    def predict_members(self, X):
        """Return every member's vote: 1 for a class, 0 for the others, shape (T, m, c)."""
        X = self._validate(X, reset=False)
        return np.stack([self._votes([one], np.ones(1), X) for one in self.members_])

    def _predict_proba(self, X):
        return calibrated(self._votes(self.members_, self.weights_, X), self.calibration_)

    def set_state(self, state):
        """Take on members, weights and a calibration that fit together."""
        if state:
            self._check_members(state, Classifier)
            check_calibration(state_array(state, "calibration_", (2,)))
            c = len(state_array(state, "classes_", (None,), "iufbUO", finite=False))
            members.check_codes(state["members_"], c)
        return super().set_state(state)
