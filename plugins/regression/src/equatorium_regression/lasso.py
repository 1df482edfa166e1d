"""Linear regression with few coefficients: the lasso."""

import warnings

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import Lasso as OneLasso
from sklearn.linear_model import LassoCV
from sklearn.model_selection import KFold

from equatorium import errors
from equatorium_regression.choices import number
from equatorium_regression.design import Design, Solution
from equatorium_regression.ridge import Scaled

_SWEEPS = 10_000


class Lasso(Scaled):
    r"""Least squares with a penalty on the size of the coefficients, the intercept exempt.

    .. math:: \min_{b, w} \frac{1}{2n} \sum_i (y_i - b - w^T \phi_i)^2 + \alpha \sum_k |w_k|

    By scikit-learn's coordinate descent. Coefficients of features that do not help are zero. The
    features are the inputs in units of their standard deviation, or with ``degree`` above 1 all
    polynomial terms. The predicted variance is that of least squares on the features that are left,
    around the residuals' scatter; it knows nothing of the choice.

    Parameters
    ----------
    alpha : float or None
        None takes, for each output, the best of a path in five-fold cross-validation that leaves
        fewer coefficients than go through all runs.
    degree : int

    References
    ----------
    Tibshirani R. 1996, J. R. Statist. Soc. B 58, 267, doi:10.1111/j.2517-6161.1996.tb02080.x
    """

    def __init__(self, *, alpha=None, degree=1):
        self.alpha = alpha
        self.degree = degree

    def _fit(self, X, Y, noise):
        self._prepare(X)
        self._learn_best(X, Y, noise, [{}])

    def _solve(self, design, y):
        slopes, alpha = self._descend(design, y[:, 0])
        active = slopes != 0
        k = len(slopes)
        some = Design(design.features[:, active], design.weight)
        leverage = some.solve(y, 0.0).leverage
        root = np.zeros((k, k))
        root[np.ix_(active, active)] = some.covariance_root(0.0)
        intercept = (design.weight @ y - design.weight @ design.features @ slopes) / design.total
        errors_ = y - intercept - (design.features @ slopes)[:, None]
        found = Solution(slopes[:, None], intercept, errors_, leverage, len(y) - 1 - some.rank)
        return alpha, found, root, design

    def _descend(self, design, y):
        """Return the coefficients (k,), and alpha."""
        n = len(y)
        size = float(np.sqrt(design.weight @ np.square(y - np.average(y, weights=design.weight))))
        size = size / np.sqrt(design.total) or 1.0  # the descent's tolerances expect numbers near 1
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            if self.alpha is not None:
                alpha = number(self.alpha, "alpha") / size
                one = OneLasso(alpha=alpha, max_iter=_SWEEPS)
            elif n < 4:
                raise errors.InputError(
                    f"Lasso needs 4 runs to choose its alpha, but n_samples={n}: give alpha."
                )
            else:
                folds = KFold(min(5, n), shuffle=True, random_state=0)
                one = LassoCV(cv=folds, max_iter=_SWEEPS)
            one.fit(design.features, y / size, sample_weight=design.weight)
            if self.alpha is None:
                alpha = one.alpha_
                for larger in one.alphas_[one.alphas_ > alpha][::-1]:
                    if np.count_nonzero(one.coef_) < n - 1:
                        break  # there are errors left to see
                    alpha = larger
                    one = OneLasso(alpha=alpha, max_iter=_SWEEPS)
                    one.fit(design.features, y / size, sample_weight=design.weight)
        return one.coef_ * size, float(alpha) * size

    def loo(self):
        """Predict every run from all others, as if the same features stayed: approximate.

        Returns
        -------
        Gaussian
            Of the n runs.

        References
        ----------
        Rad K. R. & Maleki A. 2020, J. R. Statist. Soc. B 82, 965, doi:10.1111/rssb.12374
        """
        return super().loo()
