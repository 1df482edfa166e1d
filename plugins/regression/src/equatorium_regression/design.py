r"""Weighted, penalised least squares, solved once and then known for every penalty.

.. math:: \min_{b, w} \sum_i v_i (y_i - b - w^T (\phi_i - \bar\phi))^2 + \alpha |w|^2

The intercept b is exempt from the penalty. With the singular values s of the centred, weighted
features, the trace, leave-one-out errors and evidence of every alpha cost no further solution.
"""

from typing import NamedTuple

import numpy as np

_EPS = np.finfo(np.float64).eps


class Solution(NamedTuple):
    """Slopes (k, p), intercept (p,), errors (n, p), leverage (n,), degrees of freedom left."""

    slopes: np.ndarray
    intercept: np.ndarray
    errors: np.ndarray
    leverage: np.ndarray
    left: float


class Design:
    """Features (n, k) with weights (n,), decomposed.

    Attributes
    ----------
    mean : ndarray, shape (k,)
    values : ndarray, shape (k,)
        Singular values; zero beyond the rank.
    """

    def __init__(self, features, weight, unit=None):
        self.unit = unit  # the variance of weight 1, where it is known
        self.features, self.weight, self.root = features, weight, np.sqrt(weight)[:, None]
        self.total = weight.sum()
        self.mean = weight @ features / self.total
        n, k = features.shape
        A = np.zeros((max(n, k), k))
        A[:n] = self.root * (features - self.mean)
        U, s, self.V = np.linalg.svd(A, full_matrices=False) if k else (A, np.zeros(0), A.T @ A)
        self.U, self.V = U[:n], self.V.T
        self.values = np.where(s > max(n, k) * _EPS * s.max(initial=0.0), s, 0.0)

    @property
    def rank(self):
        """How many directions the features have."""
        return int((self.values > 0).sum())

    def solve(self, Y, alpha):
        """Return the solution for outputs (n, p)."""
        shrunk = self._shrunk(alpha)
        centre = self.weight @ Y / self.total
        target = self.U.T @ (self.root * (Y - centre))
        slopes = self.V @ (_ratio(shrunk, self.values)[:, None] * target)
        errors = Y - centre - (self.features - self.mean) @ slopes
        leverage = self.weight / self.total + np.square(self.U) @ shrunk
        # Summed up, not n less those that are used: the last ones would drown in rounding.
        square = np.square(self.values[self.values > 0])
        left = len(self.features) - 1 - self.rank + float((alpha / (square + alpha)).sum())
        return Solution(slopes, centre - self.mean @ slopes, errors, leverage, left)

    def left_out_squares(self, y, alphas):
        """Return the weighted squared errors of runs left out, (a,), e_i / (1 - h_i) each.

        Parameters
        ----------
        y : ndarray, shape (n, 1)
        alphas : ndarray, shape (a,)
        """
        shrunk = self._shrunk(alphas[:, None]).T
        target, white = self._project(y)
        leverage = self.weight[:, None] / self.total + np.square(self.U) @ shrunk
        errors = white - self.U @ (shrunk * target)
        return np.square(errors / np.maximum(1.0 - leverage, 1e-12)).sum(axis=0)

    def evidence(self, y, alphas):
        r"""Return the log evidence (a,), with the best scatter, up to a constant.

        .. math:: -\tfrac12 \left[(n - 1) \ln \hat\sigma^2 + \sum_k \ln(1 + s_k^2 / \alpha)\right],
                  \quad (n - 1)\, \hat\sigma^2 = \sum_i v_i e_i^2 + \alpha |w|^2
        """
        target, white = self._project(y)
        beyond = np.square(white - self.U @ target).sum()
        left = 1.0 - self._shrunk(alphas[:, None])
        misfit = beyond + (left @ np.square(target))[:, 0]
        volume = np.log1p(np.square(self.values) / alphas[:, None]).sum(axis=1)
        with np.errstate(divide="ignore"):
            return -0.5 * ((len(y) - 1) * np.log(misfit) + volume)

    def misfit(self, solution, alpha):
        """Return the sum of squares with the penalty, (p,)."""
        squares = self.weight @ np.square(solution.errors)
        return squares + alpha * np.square(solution.slopes).sum(axis=0)

    def _project(self, y):
        """Return the outputs' shares of the singular vectors (k, 1), and they themselves (n, 1)."""
        white = self.root * (y - self.weight @ y / self.total)
        return self.U.T @ white, white

    def covariance_root(self, alpha):
        """Return R (k, k) with R R^T the covariance of the slopes, in units of the scatter."""
        return self.V * _ratio(1.0, np.sqrt(np.square(self.values) + alpha))

    def _shrunk(self, alpha):
        square = np.square(self.values)
        return _ratio(square, square + alpha)


def _ratio(a, b):
    """Return a / b, and 0 where b is 0."""
    a = np.broadcast_to(a, b.shape)
    return np.divide(a, b, out=np.zeros_like(b), where=b > 0)
