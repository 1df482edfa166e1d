r"""The Gaussian likelihood with everything that is uncertain in its covariance.

.. math::
   \log L = -\tfrac12 r^T S^{-1} r - \tfrac12 \log |S| - \tfrac q2 \log 2\pi, \quad
   r = y - R\,\mu(\theta), \quad
   S = \Sigma_{obs} + \Sigma_{disc} + R\,(\Sigma_{sim} + \Sigma_{em}(\theta))\,R^T

The log-determinant depends on theta through the emulator: without it a fit is drawn to where the
emulator knows least. With :math:`a = S^{-1} r` the slope, that of the log-determinant included, is

.. math::
   d\log L = a^T R\, d\mu + \tfrac12 \mathrm{tr}\left[(a a^T - S^{-1})\, R\, d\Sigma_{em} R^T\right]
"""

import numpy as np

from equatorium.checks import FloatArray
from equatorium.inference.censoring import log_probability
from equatorium.inference.censoring_gradient import log_probability_and_slopes
from equatorium.inference.likelihood_base import Likelihood


class GaussianLikelihood(Likelihood):
    """Gaussian errors, correlated in any way; data may be upper or lower limits.

    Limits (``Observation(limit=)``) contribute the probability that what would have been measured
    lies beyond them, given the other data, with all of S.

    The parameters are those of every `Likelihood`: ``GaussianLikelihood(surrogate, observation,
    discrepancy=None, extra=None, emulator_covariance=True, override="", chunk=1024, free=None)``.
    """

    _takes_limits = True

    def _log_likelihood(self, theta: FloatArray) -> FloatArray:
        own, total = self._spread(theta)
        residual = self.observation.values - own.mean
        if self.observation.limit is not None:
            return log_probability(residual, np.array(self.observation.limit), total)
        squared = total.mahalanobis(residual)
        return np.asarray(-0.5 * (squared + total.logdet() + self.q * np.log(2 * np.pi)))

    def _value_and_gradient(self, theta: FloatArray) -> tuple[FloatArray, FloatArray]:
        own, total = self._spread(theta)
        r = self.observation.values - own.mean
        if self.observation.limit is not None:
            limit = np.array(self.observation.limit)
            values, by_r, by_S = log_probability_and_slopes(r, limit, total)
            return values, self._pull_back(theta, -by_r, by_S if self._covariance_varies else None)
        a = total.solve(r)
        values = -0.5 * ((a * r).sum(axis=1) + total.logdet() + self.q * np.log(2 * np.pi))
        cov = None
        if self._covariance_varies:
            cov = 0.5 * (a[:, :, None] * a[:, None, :] - np.linalg.inv(total.dense()))
        return values, self._pull_back(theta, a, cov)
