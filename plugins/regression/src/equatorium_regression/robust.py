"""Straight lines that a few wild runs do not move."""

import warnings

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import HuberRegressor, RANSACRegressor, TheilSenRegressor

from equatorium import errors, state_array
from equatorium_regression.design import Design, Solution
from equatorium_regression.ridge import Scaled

_NORMAL = 1.4826  # of the median absolute deviation of a normal distribution
_FAR = 3.0  # standard deviations
_METHODS = ("huber", "theil-sen", "ransac")


class Robust(Scaled):
    r"""Linear regression by scikit-learn's robust estimators, one output after the other.

    - ``huber``: squares of small errors, sizes of those beyond ``threshold`` standard deviations;
    - ``theil-sen``: the spatial median of the lines through subsets of the runs;
    - ``ransac``: least squares on the runs that agree with a line through a few of them.

    The scatter is 1.4826 times the median absolute error, with n / (n - d - 1) for the degrees of
    freedom, and the line's own error is that of least squares on the runs within three times the
    scatter: predictions are of *good* runs.

    Parameters
    ----------
    method : str
    threshold : float
        Of ``huber``, above 1: 1.35 keeps 95 % of the efficiency on normal errors.
    random_state : int or None
        Of the subsets of ``theil-sen`` and ``ransac``.

    Attributes
    ----------
    inlier_ : ndarray of bool, shape (n, p)
        The runs within three times the scatter (and their declared noise) of the line.

    References
    ----------
    Huber P. J. 1964, Ann. Math. Statist. 35, 73, doi:10.1214/aoms/1177703732.
    Dang X., Peng H., Wang X. & Zhang H. 2008, Theil-Sen estimators in a multiple linear regression
    model. Fischler M. A. & Bolles R. C. 1981, Commun. ACM 24, 381, doi:10.1145/358669.358692
    """

    degree = 1

    def __init__(self, *, method="huber", threshold=1.35, random_state=0):
        self.method = method
        self.threshold = threshold
        self.random_state = random_state

    @property
    def capabilities_(self):
        """What this object can do: Theil and Sen's estimator knows no weights."""
        able = super().capabilities_
        return able - {"noise"} if self.method == "theil-sen" else able

    def _fit(self, X, Y, noise):
        n, d = X.shape
        if n < d + 2:
            raise errors.InputError(
                f"a line in {d} inputs needs {d + 2} runs to see its errors, but n_samples={n}."
            )
        if self.method not in _METHODS:
            raise errors.InputError(f"method must be one of {_METHODS}, not {self.method!r}.")
        self._prepare(X)
        self._learn_best(X, Y, noise, [{}])
        error = (Y - self._predict_dist(X).mean) / np.sqrt(_above_zero(self._variance(noise)))
        self.inlier_ = np.abs(error) < _FAR
        kept = np.clip(error, -_FAR, _FAR)
        size = np.sqrt(_above_zero(np.square(kept).sum(axis=0)))
        self.correlation_ = (kept / size).T @ (kept / size)
        np.fill_diagonal(self.correlation_, 1.0)

    def _variance(self, noise):
        return self.scatter_ + (0.0 if noise is None else noise)

    def _solve(self, design, y):
        y = y[:, 0]
        middle = np.median(y)
        size = float(_NORMAL * np.median(np.abs(y - middle))) or float(y.std()) or 1.0
        slopes, intercept = self._estimate(design, (y - middle) / size)
        slopes, intercept = slopes * size, intercept * size + middle
        errors_ = y - intercept - design.features @ slopes
        white = np.abs(errors_) * design.root[:, 0]
        good = white <= _FAR * _NORMAL * np.median(white)
        some = Design(design.features[good], design.weight[good])
        leverage = np.zeros(len(y))  # a run that is left aside anyway has no say
        leverage[good] = some.solve(y[good, None], 0.0).leverage
        found = Solution(
            slopes[:, None], np.array([intercept]), errors_[:, None], leverage, 1.0 + some.rank
        )
        return 0.0, found, some.covariance_root(0.0)

    def _estimate(self, design, y):
        """Return slopes (d,) and intercept, by scikit-learn."""
        Z, weight = design.features, design.weight
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            if self.method == "theil-sen":
                model = TheilSenRegressor(random_state=self.random_state).fit(Z, y)
                return model.coef_, model.intercept_
            model = HuberRegressor(epsilon=self.threshold, alpha=0.0, max_iter=1000)
            model.fit(Z, y, sample_weight=weight)
            if self.method == "huber":
                return model.coef_, model.intercept_
            white = np.abs(y - model.predict(Z)) * design.root[:, 0]
            near = _FAR * _NORMAL * np.median(white) + 1e-9
            finder = RANSACRegressor(residual_threshold=near, random_state=self.random_state)
            model = finder.fit(Z, y, sample_weight=weight).estimator_
            return model.coef_, model.intercept_

    def _scale(self, design, solution, alpha):
        white = np.square(solution.errors[:, 0]) * design.weight
        left = len(white) - solution.freedom
        return float(np.median(white)) * _NORMAL**2 * len(white) / left if left > 0 else 0.0

    def _surplus(self, ratio, left):
        return float(np.median(ratio)) * _NORMAL**2 * len(ratio) - left

    def set_state(self, state):
        """Take on what was learned, checked."""
        if state:
            shape = np.shape(state_array(state, "loo_mean_", (None, None)))
            state_array(state, "inlier_", shape, "b")
        return super().set_state(state)


def _above_zero(values):
    return np.where(values > 0, values, 1.0)
