"""Linear regression with small coefficients: ridge."""

import numpy as np
from sklearn.utils.validation import check_is_fitted

from equatorium import errors, state_array
from equatorium_regression.box import Terms
from equatorium_regression.choices import number, whole
from equatorium_regression.features import count, terms
from equatorium_regression.metric import spread

_ALPHAS = np.geomspace(1e-8, 1e4, 37)
_MOST_TERMS = 2000


class Scaled(Terms):
    """Base class: polynomial terms, each in units of its standard deviation."""

    def _prepare(self, X):
        degree, d = whole(self.degree, "degree", 1), X.shape[1]
        if count(d, degree) > _MOST_TERMS:
            raise errors.InputError(
                f"degree {degree} in {d} inputs has {count(d, degree)} terms; at most "
                f"{_MOST_TERMS} are of use: lower degree."
            )
        self._measure(X)
        self.powers_ = terms(d, degree)
        self.feature_scale_ = np.ones(len(self.powers_))
        self.feature_scale_ = spread(self._features(X))

    def _features(self, X):
        return super()._features(X) / self.feature_scale_

    def _feature_slopes(self, X):
        return super()._feature_slopes(X) / self.feature_scale_

    def line(self):
        """Return the intercept (p,), where X is 0, and the slopes (d, p), in the units of X and y.

        Raises
        ------
        InputError
            If the degree is above 1.
        """
        check_is_fitted(self)
        if self.powers_.sum(axis=1).max() > 1:
            raise errors.InputError("a polynomial of higher degree is no line: take degree=1.")
        zero = np.zeros((1, self.n_features_in_))
        slopes = self._feature_slopes(zero)[0] @ self.coef_
        return self.intercept_ + (self._features(zero) @ self.coef_)[0], slopes

    def set_state(self, state):
        """Take on what was learned, checked."""
        if state:
            powers = state_array(state, "powers_", (None, None), "i")
            if (state_array(state, "feature_scale_", (len(powers),)) <= 0).any():
                raise errors.StateError("'feature_scale_' of the state must be positive.")
        return super().set_state(state)


class Ridge(Scaled):
    r"""Least squares with a penalty on the squares of the coefficients, the intercept exempt.

    .. math:: \min_{b, w} \sum_i (y_i - b - w^T \phi_i)^2 + \alpha n\, |w|^2

    The features are the inputs in units of their standard deviation, or with ``degree`` above 1 all
    polynomial terms. Collinear inputs share their coefficient. The predicted variance is the
    Bayesian one, of a Gaussian prior of precision alpha n over the scatter.

    Parameters
    ----------
    alpha : float or None
        None takes, for each output, what predicts runs left out best, in closed form.
    degree : int

    References
    ----------
    Hoerl A. E. & Kennard R. W. 1970, Technometrics 12, 55, doi:10.1080/00401706.1970.10488634
    """

    def __init__(self, *, alpha=None, degree=1):
        self.alpha = alpha
        self.degree = degree

    def _fit(self, X, Y, noise):
        self._prepare(X)
        self._learn_best(X, Y, noise, [{}])

    def _penalty(self, design, y):
        if self.alpha is not None:
            return number(self.alpha, "alpha") * design.total
        alphas = _ALPHAS * design.total
        return float(alphas[int(np.argmin(design.left_out_squares(y, alphas)))])
