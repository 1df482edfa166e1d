r"""The Gaussian likelihood with everything that is uncertain in its covariance.

.. math::
   \log L = -\tfrac12 r^T S^{-1} r - \tfrac12 \log |S| - \tfrac q2 \log 2\pi, \quad
   r = y - R\,\mu(\theta), \quad
   S = \Sigma_{obs} + \Sigma_{disc} + R\,(\Sigma_{sim} + \Sigma_{em}(\theta))\,R^T

The log-determinant depends on theta through the emulator: without it a fit is drawn to where the
emulator knows least.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from equatorium.checks import FloatArray, matrix
from equatorium.emulate.surrogate import Surrogate
from equatorium.errors import InputError, NotFiniteError
from equatorium.history.implausibility import Implausibility
from equatorium.history.wave import check_passed
from equatorium.records.covariance import Covariance
from equatorium.records.discrepancy import Discrepancy
from equatorium.records.observation import Observation
from equatorium.records.prediction import Gaussian

_Batch = Callable[[FloatArray], FloatArray]


class GaussianLikelihood:
    """How probable the observed data are, given parameters, simulator and emulator.

    Parameters
    ----------
    surrogate : Surrogate
        Its predictions and their covariance over named outputs, with the report of its validation.
    observation : Observation
        The q data; its covariance holds measurement errors only.
    discrepancy : Discrepancy, optional
        What the model is allowed to miss; none by default.
    extra : Covariance, optional
        Variance over the p outputs that all runs of the simulator share.
    emulator_covariance : bool
        False leaves the emulator's covariance out, as if it were exact. It is recorded with all
        that follows; the honest value is True.
    override : str
        Why the emulator may judge although it did not pass its validation; empty if it passed. It
        is recorded likewise.
    chunk : int
        Most points that are predicted at once, to bound memory.

    Raises
    ------
    NotValidatedError
        If the emulator states no variance, or has not passed its validation on the outputs that
        the data see and there is no override.
    ShapeError
        If `extra` is not over the surrogate's outputs.

    Attributes
    ----------
    parts : dict of Covariance
        The constant ones over the data: observation, discrepancy, and simulator (`extra`).
    constant : Covariance
        Their sum.
    """

    def __init__(
        self,
        surrogate: Surrogate,
        observation: Observation,
        discrepancy: Discrepancy | None = None,
        extra: Covariance | None = None,
        emulator_covariance: bool = True,
        override: str = "",
        chunk: int = 1024,
    ) -> None:
        if isinstance(chunk, bool) or not isinstance(chunk, int) or chunk < 1:
            raise InputError(f"chunk must be a positive whole number, but it is {chunk!r}.")
        # The same checks, response and covariances as history matching's, by construction.
        shared = Implausibility(surrogate, observation, discrepancy, extra)
        if not override:
            check_passed(shared)
        self.surrogate = surrogate
        self.observation = observation
        self.discrepancy = discrepancy or Discrepancy.none()
        self.emulator_covariance = emulator_covariance
        self.override = override
        self.chunk = chunk
        self.response = shared.response
        self.constant = shared.constant
        self.parts = {
            "observation": observation.covariance,
            "discrepancy": self.discrepancy.covariance(observation),
        }
        if extra is not None:
            self.parts["simulator"] = extra.project(self.response)

    @property
    def q(self) -> int:
        """Number of data."""
        return int(self.observation.q)

    def predict(self, theta: FloatArray) -> Gaussian:
        """Emulator's prediction of the q data at points theta (m, d), with its own covariance."""
        gaussian: Gaussian = self.surrogate.predict(theta).gaussian()
        return gaussian.project(self.response)

    def log_likelihood(self, theta: Any) -> FloatArray:
        """Log-likelihood of points.

        Parameters
        ----------
        theta : array, shape (m, d)
            Physical parameters, inside the box.

        Returns
        -------
        array, shape (m,)
            NaN where the emulator gives no finite number.
        """
        return self._chunked(self._log_likelihood, matrix(theta, "theta"))

    def budget(self, theta: Any) -> dict[str, float]:
        """Shares of the total variance (trace over the data), averaged over points theta (m, d).

        The emulator's share counts also where `emulator_covariance` is False: it says whether more
        runs would help.
        """
        theta = matrix(theta, "theta")
        own = self._chunked(lambda t: self.predict(t).variance.sum(axis=-1), theta)
        parts = {name: float(part.diagonal().sum()) for name, part in self.parts.items()}
        total = own + sum(parts.values())
        shares = {name: float(np.mean(part / total)) for name, part in parts.items()}
        return {"emulator": float(np.mean(own / total)), **shares}

    def _log_likelihood(self, theta: FloatArray) -> FloatArray:
        own = self.predict(theta)
        total = self.constant + own.covariance if self.emulator_covariance else self.constant
        squared = total.mahalanobis(self.observation.values - own.mean)
        return np.asarray(-0.5 * (squared + total.logdet() + self.q * np.log(2 * np.pi)))

    def _chunked(
        self, function: Callable[[FloatArray], FloatArray], theta: FloatArray
    ) -> FloatArray:
        out = np.empty(len(theta))
        for start in range(0, len(theta), self.chunk):
            part = slice(start, start + self.chunk)
            out[part] = _isolating(function, theta[part])
        return out


def _isolating(function: _Batch, theta: FloatArray) -> FloatArray:
    """Evaluate a batch; points whose prediction is not finite give NaN and do not harm others."""
    try:
        return function(theta)
    except NotFiniteError:
        if len(theta) == 1:
            return np.full(1, np.nan)
        half = len(theta) // 2
        return np.concatenate([_isolating(function, t) for t in (theta[:half], theta[half:])])
