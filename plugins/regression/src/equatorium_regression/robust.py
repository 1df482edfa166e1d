"""Straight lines that a few wild runs do not move."""

import warnings

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import (
    HuberRegressor,
    LinearRegression,
    RANSACRegressor,
    TheilSenRegressor,
)

from equatorium import errors, state_array
from equatorium_regression.choices import number, seed
from equatorium_regression.design import Design, Solution
from equatorium_regression.ridge import Scaled

_NORMAL = 1.4826  # of the median absolute deviation of a normal distribution
_FAR = 3.0  # standard deviations
_TRIALS = 300
_METHODS = ("huber", "theil-sen", "ransac")


class Robust(Scaled):
    r"""Linear regression by scikit-learn's robust estimators, one output after the other.

    - ``huber``: squares of small errors, sizes of those beyond ``threshold`` standard deviations;
      wild outputs do little, but runs that are far off in the inputs too still draw the line;
    - ``theil-sen``: the spatial median of the lines through subsets of the runs;
    - ``ransac``: least squares on the most runs that agree with a line through a few of them; it
      withstands the most, and uses the data least well.

    Declared noise puts errors in units of their size.

    The scatter is 1.4826 times the median absolute error, with n / (n - d - 1) for the degrees of
    freedom, and the line's own error is that of least squares on the runs within three times the
    scatter: predictions are of *good* runs.

    Parameters
    ----------
    method : str
    threshold : float
        Of ``huber``, from 1 on: 1.35 keeps 95 % of the efficiency on normal errors.
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
    _start, _rounds = 0.0, 8

    def __init__(self, *, method="huber", threshold=1.35, random_state=0):
        self.method = method
        self.threshold = threshold
        self.random_state = random_state

    def _fit(self, X, Y, noise):
        n, d = X.shape
        if n < d + 2:
            raise errors.InputError(
                f"a line in {d} inputs needs {d + 2} runs to see its errors, but n_samples={n}."
            )
        if self.method not in _METHODS:
            raise errors.InputError(f"method must be one of {_METHODS}, not {self.method!r}.")
        number(self.threshold, "threshold", 1.0, other="")
        seed(self.random_state)
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
        n, y = len(y), y[:, 0]
        middle = np.median(y)
        size = float(_NORMAL * np.median(np.abs(y - middle))) or float(y.std()) or 1.0
        slopes, intercept = self._estimate(design, (y - middle) / size, size)
        slopes, intercept = slopes * size, intercept * size + middle
        errors_ = y - intercept - design.features @ slopes
        white = np.abs(errors_) * design.root[:, 0]
        good = white <= _FAR * _NORMAL * np.median(white)
        some = Design(design.features[good], design.weight[good])
        leverage = np.zeros(n)  # a run that is left aside anyway has no say
        leverage[good] = some.solve(y[good, None], 0.0).leverage
        found = Solution(
            slopes[:, None], np.array([intercept]), errors_[:, None], leverage, n - 1 - some.rank
        )
        return 0.0, found, some.covariance_root(0.0), some

    def _estimate(self, design, y, size):
        """Return slopes (d,) and intercept of y / size, errors in units of their own."""
        root = design.root
        A = root * np.column_stack([np.ones(len(y)), design.features])
        b = root[:, 0] * y
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            if self.method == "huber":
                model = HuberRegressor(
                    epsilon=self.threshold, alpha=0.0, max_iter=1000, fit_intercept=False
                )
                coef = model.fit(A, b).coef_
            else:
                model = TheilSenRegressor(fit_intercept=False, random_state=self.random_state)
                coef = model.fit(A, b).coef_
        if self.method == "ransac":
            known = design.unit is not None
            sd = np.sqrt(design.unit) / size if known else _NORMAL * np.median(np.abs(b - A @ coef))
            coef = self._consensus(A, b, _FAR * sd + 1e-9)
        return coef[1:], coef[0]

    def _consensus(self, A, b, near):
        """Return the coefficients with which most runs agree, to a distance."""
        finder = RANSACRegressor(
            LinearRegression(fit_intercept=False),
            min_samples=A.shape[1],
            residual_threshold=near,
            max_trials=_TRIALS,
            stop_probability=0.999999,
            random_state=self.random_state,
        )
        return finder.fit(A, b).estimator_.coef_

    def _scale(self, design, solution, alpha):
        white = np.square(solution.errors[:, 0]) * design.weight
        return float(np.median(white)) * _NORMAL**2 * len(white) / solution.left

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
