"""Bagging: any method, many times over, each time on a bootstrap sample of the runs."""

import numpy as np

from equatorium import Classifier, Emulator, Ensemble, Mixture, errors, state_array
from equatorium_trees import members
from equatorium_trees.calibration import calibrated, check_calibration, fit_calibration

_ABLE = {"variance", "covariance", "noise", "missing"}


class _Bags:
    """What bagging for numbers and for classes share."""

    def __init__(self, member=None, *, n_estimators=30, random_state=None):
        self.member = member
        self.n_estimators = n_estimators
        self.random_state = random_state

    def _bags(self, n):
        """Yield a RandomState, the runs that a member learns from, and those left out."""
        if not isinstance(self.n_estimators, int | np.integer) or self.n_estimators < 2:
            raise errors.InputError(
                f"{type(self).__name__} needs 2 members at least, not n_estimators="
                f"{self.n_estimators!r}."
            )
        rng = members.seeded(self)
        for _ in range(self.n_estimators):
            rows = rng.randint(n, size=n)
            yield rng, rows, np.bincount(rows, minlength=n) == 0


class Bagging(_Bags, Ensemble, Emulator):
    r"""Bootstrap aggregation of any emulator.

    .. math:: p(y | x) = \frac1T \sum_t \mathcal{N}\left(y; \mu_t(x), f\, \Sigma_t(x)\right)

    Members of variance :math:`\sigma^2` and correlation :math:`\rho` have a mean of variance
    :math:`\sigma^2 (\rho + (1 - \rho) / T)`: much is gained where members change with the runs, as
    trees do, and nothing where they do not. One factor f an output makes the mixture's variance
    that of the errors out of bag: what one member takes for noise may be its own error, which the
    mean does not make.

    Parameters
    ----------
    member : Emulator, its name or spec
        With the capability ``variance``; by default ``tree``.
    n_estimators : int
    random_state : int or None
        Draws the samples, and the members' own seeds.

    Attributes
    ----------
    members_ : list of Emulator
    oob_prediction_ : ndarray, shape (n, p)
        Mean of the members that have not seen a run; NaN where all have.
    oob_score_ : float
        Share of the outputs' variance that these explain; NaN if no run was left out.
    factor_ : ndarray, shape (p,)

    References
    ----------
    Breiman L. 1996, Machine Learning 24, 123, doi:10.1007/BF00058655
    """

    @classmethod
    def conformance_options(cls):
        """Return a few members of the kit's own."""
        return {"member": "local/reference-ridge", "n_estimators": 5}

    @property
    def capabilities_(self):
        """What the member can do."""
        return frozenset(self._given().capabilities_ & _ABLE)

    def _given(self):
        member = "equatorium-trees/tree" if self.member is None else self.member
        found = members.given("Bagging", member, Emulator, self)
        if "variance" not in found.capabilities_:
            raise errors.InputError(
                f"the member of Bagging, {found!r:.80}, predicts without a variance. Wrap it: "
                f"equatorium.Conformal({type(found).__name__}(...))."
            )
        return found

    def _fit(self, X, Y, noise):
        member = self._given()
        self.members_ = []
        own, mean, square = np.zeros_like(Y), np.zeros_like(Y), np.zeros_like(Y)
        many = np.zeros((len(X), 1))
        for rng, rows, out in self._bags(len(X)):
            learn = None if noise is None else noise[rows]
            fitted = members.fresh(member, rng).fit(X[rows], Y[rows], noise=learn)
            self.members_.append(fitted)
            if out.any():
                prediction = fitted.predict_dist(X[out])
                own[out] += prediction.variance
                mean[out] += prediction.mean
                square[out] += prediction.mean**2
                many[out] += 1
        seen = many[:, 0] > 0
        share = np.where(many > 0, 1.0 / np.maximum(many, 1), np.nan)
        own, mean, square = own * share, mean * share, square * share
        self.oob_prediction_ = mean
        error = (Y - mean)[seen]
        spread = np.maximum(square - mean**2, 0.0)[seen]
        known = spread if noise is None else spread + noise[seen]
        self.factor_ = _factor(error, own[seen], known)
        variance = np.maximum(Y[seen].var(axis=0), 1e-300) if seen.any() else 1.0
        explained = 1.0 - (error**2).mean(axis=0) / variance if seen.any() else np.nan
        self.oob_score_ = float(np.mean(explained))

    def predict_members(self, X):
        """Return every member's mean, shape (T, m, p)."""
        X = self._validate_query(X)
        return np.stack([members.mean(member, X) for member in self.members_])

    def _predict_dist(self, X):
        parts = [member.predict_dist(X).gaussian() for member in self.members_]
        root = np.broadcast_to(np.sqrt(self.factor_), (len(X), self.n_outputs_))
        means = np.stack([part.mean for part in parts])
        return Mixture(None, means, [part.cov().scaled(root) for part in parts])

    def set_state(self, state):
        """Take on members that fit together, and a factor."""
        if state:
            fitted, p = state.get("members_"), state.get("n_outputs_")
            members.check(fitted, Emulator, state)
            if len(fitted) < 2:
                raise errors.StateError("'members_' of the state must be 2 at least.")
            if not (state_array(state, "factor_", (p,)) > 0).all():
                raise errors.StateError("'factor_' of the state must be positive.")
            state_array(state, "oob_prediction_", (None, p), finite=False)
        return super().set_state(state)


def _factor(error, own, known):
    """Factor of the members' own variance (p,) that makes errors as large as predicted."""
    low, high = np.full(error.shape[1], np.log(0.05)), np.full(error.shape[1], np.log(20.0))
    if not len(error):
        return np.ones(error.shape[1])
    for _ in range(40):
        middle = (low + high) / 2
        total = np.maximum(np.exp(middle) * own + known, 1e-300)
        small = (error**2 / total).mean(axis=0) > 1
        low, high = np.where(small, middle, low), np.where(small, high, middle)
    return np.exp(high)


class BaggingClassifier(_Bags, Ensemble, Classifier):
    """Bootstrap aggregation of any classifier: mean probabilities, calibrated out of bag.

    Parameters
    ----------
    member : Classifier, its name or spec
        By default ``tree-classifier``, not calibrated itself.
    n_estimators : int
    random_state : int or None

    Attributes
    ----------
    members_ : list of Classifier
        Their classes are the numbers of ours.
    oob_score_ : float
        Share of the runs whose label is right by members that have not seen it.

    References
    ----------
    Breiman L. 1996, Machine Learning 24, 123, doi:10.1007/BF00058655
    """

    @classmethod
    def conformance_options(cls):
        """Return a few members."""
        return {"n_estimators": 3}

    @property
    def capabilities_(self):
        """What the member can do."""
        return frozenset(self._given().capabilities_ & {"missing"})

    def _given(self):
        default = {"use": "equatorium-trees/tree-classifier", "options": {"calibrate": False}}
        member = default if self.member is None else self.member
        return members.given("BaggingClassifier", member, Classifier, self)

    def _fit(self, X, codes):
        member, c = self._given(), len(self.classes_)
        self.members_ = []
        total, many = np.zeros((len(X), c)), np.zeros(len(X))
        for rng, rows, out in self._bags(len(X)):
            fitted = members.fresh(member, rng).fit(X[rows], codes[rows])
            self.members_.append(fitted)
            if out.any():
                total[out] += _wide(fitted, X[out], c)
                many[out] += 1
        seen = many > 0
        P = total[seen] / many[seen, None]
        self.calibration_ = fit_calibration(P, codes[seen])
        right = P.argmax(axis=1) == codes[seen]
        self.oob_score_ = float(right.mean()) if seen.any() else float("nan")

    def predict_members(self, X):
        """Return every member's probabilities, shape (T, m, c), not calibrated by us."""
        X = self._validate(X, reset=False)
        return np.stack([_wide(member, X, len(self.classes_)) for member in self.members_])

    def _predict_proba(self, X):
        return calibrated(self.predict_members(X).mean(axis=0), self.calibration_)

    def set_state(self, state):
        """Take on members of the same inputs, and a calibration."""
        if state:
            members.check(state.get("members_"), Classifier, state)
            check_calibration(state_array(state, "calibration_", (2,)))
            c = len(state_array(state, "classes_", (None,), "iufbUO", finite=False))
            members.check_codes(state["members_"], c)
        return super().set_state(state)


def _wide(member, X, c):
    """Return probabilities of all c classes by a member that may have seen fewer."""
    P = np.zeros((len(X), c))
    P[:, member.classes_] = member.predict_proba(X)
    return P
