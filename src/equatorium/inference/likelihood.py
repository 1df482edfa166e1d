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
from equatorium.inference.likelihood_base import Likelihood


class GaussianLikelihood(Likelihood):
    """Gaussian errors, correlated in any way.

    The parameters are those of every `Likelihood`: ``GaussianLikelihood(surrogate, observation,
    discrepancy=None, extra=None, emulator_covariance=True, override="", chunk=1024, free=None)``.
    """

    def _log_likelihood(self, theta: FloatArray) -> FloatArray:
        own, total = self._spread(theta)
        squared = total.mahalanobis(self.observation.values - own.mean)
        return np.asarray(-0.5 * (squared + total.logdet() + self.q * np.log(2 * np.pi)))

    def _value_and_gradient(self, theta: FloatArray) -> tuple[FloatArray, FloatArray]:
        own, total = self._spread(theta)
        r = self.observation.values - own.mean
        a = total.solve(r)
        values = -0.5 * ((a * r).sum(axis=1) + total.logdet() + self.q * np.log(2 * np.pi))
        cov = 0.5 * (a[:, :, None] * a[:, None, :] - np.linalg.inv(total.dense()))
        return values, self._pull_back(theta, a, cov)
