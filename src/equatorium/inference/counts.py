r"""Counted data, Poisson or binomial, whose rate or probability a model may be unsure of.

The model predicts a latent f of each datum: the logarithm of a rate, or the logit of a probability.
Its uncertainty, with that of discrepancy and simulator, is Gaussian there, and is integrated out:

.. math::
   L(\theta) = \int \prod_i p(n_i \mid f_i)\; N(f;\, R\,\mu(\theta), \Sigma(\theta))\; df

How is told in `equatorium.inference.latents`; without uncertainty it is exact.
"""

from abc import abstractmethod
from numbers import Real
from typing import Any, Self

import numpy as np
from scipy.special import expit, gammaln, log_expit

from equatorium.checks import FloatArray, finite, floats
from equatorium.errors import InputError, ShapeError
from equatorium.inference.latents import log_integral, log_integral_and_slopes, log_left_out
from equatorium.inference.likelihood_base import Likelihood, _fill
from equatorium.records.observation import Observation

_MANY = 2.0**53  # beyond, numpy draws none, and neighbouring counts are the same float


class CountLikelihood(Likelihood):
    """Counts, independent of each other given the latents; see `PoissonLikelihood`."""

    def __init__(self, surrogate: Any, observation: Observation, *args: Any, **options: Any):
        super().__init__(surrogate, observation, *args, **options)
        name = type(self).__name__
        if observation.covariance.diagonal().any():
            raise InputError(
                f"Counting is the only error of counts, so {name} needs data with errors of zero. "
                "What the model may miss beyond it is a discrepancy of the latent."
            )
        self._check_counts()
        relative = self.discrepancy.fraction or any(self.discrepancy.shift.values())
        if relative or set(options.get("free") or ()) - {"std"}:
            raise InputError(
                "What is uncertain about counts is the latent (log rate or logit): its discrepancy "
                "has a std, a number or free, with length or diagonal=True. A fraction, shift or "
                "jitter of the counts has no meaning there."
            )

    def with_data(self, values: Any) -> Self:
        """Give the likelihood of other counts (q,)."""
        other = super().with_data(values)
        other._check_counts()
        return other

    def pointwise(self, theta: Any) -> FloatArray:
        """Log-probability (m, q) of each count given the others, at points theta (m, d)."""
        theta = self._points(theta)
        values = np.empty((len(theta), self.q))

        def each(t: FloatArray) -> tuple[FloatArray]:
            own, total = self._spread(t)
            return (log_left_out(self, own.mean, total),)

        _fill(each, theta, (values,), self.chunk)
        return values

    def budget(self, theta: Any) -> dict[str, float]:
        """Shares of the variance of the counts, in which counting itself is the observation's.

        As of every `Likelihood`; what the latents' variances are for the counts is taken to first
        order: with the curvature W of `terms`, they go with W^2 and counting with W.
        """
        theta = self._points(theta)
        own, W = np.empty((2, len(theta), self.q))

        def both(t: FloatArray) -> tuple[FloatArray, FloatArray]:
            predicted = self.predict(t)
            return predicted.variance, self.terms(predicted.mean)[2]

        _fill(both, theta, (own, W), self.chunk)
        latent = {name: S.diagonal() for name, S in self.parts_at(theta).items()}
        sums = {
            name: (W**2 * variance).sum(axis=1)
            for name, variance in {"emulator": own, **latent}.items()
        }
        sums["observation"] = sums["observation"] + W.sum(axis=1)
        total = sum(sums.values())
        return {name: float(np.mean(part / total)) for name, part in sums.items()}

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

    def _check_counts(self) -> None:
        n = self.observation.values
        wrong = (n < 0) | (n != np.round(n))
        if wrong.any():
            bad = int(np.argmax(wrong))
            raise InputError(
                f"{self.observation.describe(bad)} is {n[bad]:.6g}, but {type(self).__name__} "
                "needs whole numbers that are not negative. Give what counts are to be divided by "
                "apart from them."
            )

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
        mean = self.expected(f)
        many = mean > _MANY
        counts = rng.poisson(np.where(many, 0.0, mean)).astype(np.float64)
        counts[many] = np.round(rng.normal(mean[many], np.sqrt(mean[many])))
        return counts


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
        if (self.trials != np.round(self.trials)).any():
            raise InputError(f"trials must be whole numbers, but they are {trials!r:.80}.")
        self._check_successes()

    def with_data(self, values: Any) -> Self:
        """Give the likelihood of other successes (q,) of the same trials."""
        other = super().with_data(values)
        other._check_successes()
        return other

    def _check_successes(self) -> None:
        n = self.observation.values
        if (n > self.trials).any():
            bad = int(np.argmax(n > self.trials))
            raise InputError(
                f"{self.observation.describe(bad)} is {n[bad]:.6g} successes, but there are "
                f"{self.trials[bad]:.6g} trials."
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
