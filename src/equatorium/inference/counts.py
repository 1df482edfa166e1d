r"""Counted data, Poisson or binomial, whose rate or probability a model may be unsure of.

The model predicts a latent f of each datum: the logarithm of a rate, or the logit of a probability.
Its uncertainty, with that of discrepancy and simulator, is Gaussian there, and is integrated out:

.. math::
   L(\theta) = \int \prod_i p(n_i \mid f_i)\; N(f;\, R\,\mu(\theta), \Sigma(\theta))\; df

How is told in `equatorium.inference.latents`; without uncertainty it is exact.
"""

from abc import abstractmethod
from numbers import Real
from typing import Any

import numpy as np
from scipy.special import expit, gammaln, log_expit

from equatorium.checks import FloatArray, finite, floats
from equatorium.errors import InputError, ShapeError
from equatorium.inference.latents import log_integral, log_integral_and_slopes
from equatorium.inference.likelihood_base import Likelihood
from equatorium.records.observation import Observation


class CountLikelihood(Likelihood):
    """Counts, independent of each other given the latents; see `PoissonLikelihood`."""

    def __init__(self, surrogate: Any, observation: Observation, *args: Any, **options: Any):
        super().__init__(surrogate, observation, *args, **options)
        name, n = type(self).__name__, observation.values
        if observation.covariance.diagonal().any():
            raise InputError(
                f"Counting is the only error of counts, so {name} needs data with errors of zero. "
                "What the model may miss beyond it is a discrepancy of the latent."
            )
        if (n < 0).any() or (n != np.round(n)).any():
            bad = int(np.argmax((n < 0) | (n != np.round(n))))
            raise InputError(
                f"{observation.describe(bad)} is {n[bad]:.6g}, but {name} needs whole numbers that "
                "are not negative. Give what counts are to be divided by apart from them."
            )
        relative = self.discrepancy.fraction or any(self.discrepancy.shift.values())
        if relative or set(options.get("free") or ()) - {"std"}:
            raise InputError(
                "What is uncertain about counts is the latent (log rate or logit): its discrepancy "
                "has a std, a number or free, with length or diagonal=True. A fraction, shift or "
                "jitter of the counts has no meaning there."
            )

    @abstractmethod
    def terms(self, f: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Log p(n | f), its slope and minus its curvature (positive), all of f's shape (m, q)."""

    @abstractmethod
    def skew(self, f: FloatArray) -> FloatArray:
        """Give the slope of minus the curvature, of f's shape (m, q)."""

    def _log_likelihood(self, theta: FloatArray) -> FloatArray:
        own, total = self._spread(theta)
        return log_integral(self, own.mean, total)

    def _value_and_gradient(self, theta: FloatArray) -> tuple[FloatArray, FloatArray]:
        own, total = self._spread(theta)
        values, mean, cov = log_integral_and_slopes(self, own.mean, total)
        return values, self._pull_back(theta, mean, cov if self._covariance_varies else None)

    @abstractmethod
    def _counts(self, f: FloatArray, rng: np.random.Generator) -> Any:
        """Draw counts (m, q) given latents."""

    def measured(
        self, reality: FloatArray, noise: FloatArray, rng: np.random.Generator
    ) -> FloatArray:
        """Draw counts; they have no other errors."""
        return np.asarray(self._counts(reality, rng), dtype=np.float64)

    def _per_datum(self, value: Any, what: str) -> FloatArray:
        """Check a positive number, or one for each datum."""
        array = floats(value, what)
        finite(array, what)
        if array.shape not in ((), (self.q,)) or not (array > 0).all():
            raise ShapeError(
                f"{what} must be a positive number or one for each of {self.q} data, but it is "
                f"{value!r:.80}."
            )
        return np.broadcast_to(array, (self.q,))


class PoissonLikelihood(CountLikelihood):
    r"""Counts :math:`n_i` of events, Poisson with the mean exposure times rate.

    Parameters
    ----------
    surrogate, observation, discrepancy, ... :
        As of every `Likelihood`. The model predicts the logarithm of the rate; data have errors of
        zero; discrepancy and `extra` are in the units of that logarithm.
    exposure : float or array_like, shape (q,)
        What the rate is multiplied by: time, volume times bin width, effective area.
    base : float
        Of the logarithm: e by default, 10 for outputs in dex.

    Raises
    ------
    InputError
        If data are no counts, have errors, or if the discrepancy is relative to them.

    Examples
    --------
    >>> from equatorium.inference.model_function import ModelFunction
    >>> level = ModelFunction(lambda log_rate: log_rate + np.zeros(2))
    >>> seen = Observation([3, 5], [0, 0])
    >>> PoissonLikelihood(level, seen, exposure=2.0).log_likelihood([[np.log(2)]]).round(4)
    array([-3.4889])
    """

    def __init__(
        self,
        surrogate: Any,
        observation: Observation,
        *args: Any,
        exposure: Any = 1.0,
        base: float = np.e,
        **options: Any,
    ) -> None:
        super().__init__(surrogate, observation, *args, **options)
        self.exposure = self._per_datum(exposure, "exposure")
        if not (isinstance(base, Real) and 1 < base < np.inf):
            raise InputError(f"base must be a number above 1, such as 10, but it is {base!r}.")
        self.base: float = float(base)

    def terms(self, f: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Of n log m - m with the mean m = exposure base^f."""
        n, unit = self.observation.values, np.log(self.base)
        log_mean, mean = unit * f + np.log(self.exposure), self.expected(f)
        value = n * log_mean - mean - gammaln(n + 1)
        return value, unit * (n - mean), unit**2 * mean

    def skew(self, f: FloatArray) -> FloatArray:
        """Give that of an exponential: it is its own slope."""
        return np.asarray(np.log(self.base) * self.terms(f)[2])

    def expected(self, predicted: FloatArray) -> FloatArray:
        """Exposure times rate."""
        log_mean = np.log(self.base) * predicted + np.log(self.exposure)
        return np.asarray(np.exp(np.minimum(log_mean, 700.0)))

    def _counts(self, f: FloatArray, rng: np.random.Generator) -> Any:
        return rng.poisson(self.expected(f))


class BinomialLikelihood(CountLikelihood):
    """Successes out of a number of trials; the model predicts the logit of the probability.

    Parameters
    ----------
    surrogate, observation, discrepancy, ... :
        As of every `Likelihood`. The model predicts log(p / (1 - p)); data have errors of zero;
        discrepancy and `extra` are in units of that.
    trials : int or array_like, shape (q,)
        Of which the data are the successes.

    Raises
    ------
    InputError
        If data are no counts, exceed the trials, have errors, or if the discrepancy is relative.

    Examples
    --------
    >>> from equatorium.inference.model_function import ModelFunction
    >>> level = ModelFunction(lambda logit: logit + np.zeros(1))
    >>> BinomialLikelihood(level, Observation([1], [0]), trials=2).log_likelihood([[0.0]]).round(4)
    array([-0.6931])
    """

    def __init__(
        self, surrogate: Any, observation: Observation, *args: Any, trials: Any, **options: Any
    ) -> None:
        super().__init__(surrogate, observation, *args, **options)
        self.trials = self._per_datum(trials, "trials")
        if (self.trials != np.round(self.trials)).any() or (observation.values > self.trials).any():
            raise InputError(
                "trials must be whole numbers, at least as large as the data that are their "
                f"successes, but they are {trials!r:.80}."
            )

    def terms(self, f: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Of n log p + (N - n) log(1 - p) with the logit f of p."""
        n, N = self.observation.values, self.trials
        choices = gammaln(N + 1) - gammaln(n + 1) - gammaln(N - n + 1)
        value = choices + n * log_expit(f) + (N - n) * log_expit(-f)
        p, rest = expit(f), expit(-f)
        return value, n - N * p, N * p * rest

    def skew(self, f: FloatArray) -> FloatArray:
        """N p (1 - p) (1 - 2 p)."""
        return np.asarray(self.terms(f)[2] * (1.0 - 2.0 * expit(f)))

    def expected(self, predicted: FloatArray) -> FloatArray:
        """Trials times probability."""
        return np.asarray(self.trials * expit(predicted))

    def _counts(self, f: FloatArray, rng: np.random.Generator) -> Any:
        return rng.binomial(self.trials.astype(np.int64), expit(f))
