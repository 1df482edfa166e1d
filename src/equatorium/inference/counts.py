r"""Counted data, Poisson or binomial, whose rate or probability a model may be unsure of.

The model predicts a latent f of each datum: the logarithm of a rate, or the logit of a probability.
Its uncertainty, with that of discrepancy and simulator, is Gaussian there, and is integrated out:

.. math::
   L(\theta) = \int \prod_i p(n_i \mid f_i)\; N(f;\, R\,\mu(\theta), \Sigma(\theta))\; df

Where :math:`\Sigma` is diagonal this is a product of integrals over single data, each done by
Gauss-Hermite quadrature about its own peak. Else it is Laplace's approximation about the joint
peak, whose relative error falls as one over the counts. Without uncertainty both are exact.

References
----------
Liu & Pierce 1994, doi:10.1093/biomet/81.3.624 (quadrature about the peak); Rasmussen & Williams
2006, Gaussian Processes for Machine Learning, section 3.4 (Laplace's approximation).
"""

from abc import abstractmethod
from typing import Any

import numpy as np
from scipy.special import expit, gammaln, log_expit, logsumexp

from equatorium.checks import FloatArray, finite, floats
from equatorium.errors import InputError, NotFiniteError, ShapeError
from equatorium.inference.likelihood_base import Likelihood
from equatorium.records.covariance import Covariance, Diagonal
from equatorium.records.observation import Observation
from equatorium.records.prediction import Gaussian

_NODES, _WEIGHTS = np.polynomial.hermite.hermgauss(20)
_LOG_WEIGHTS = np.log(_WEIGHTS) + np.square(_NODES)
_STEPS = 100  # of Newton's method, at most: each is safe-guarded, and a handful is the rule


class CountLikelihood(Likelihood):
    """Counts, independent of each other given the latents; see `PoissonLikelihood`."""

    _gradient_free = "the likelihood of counts has none"

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
    def _terms(self, f: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Log p(n | f), its slope and minus its curvature (positive), all of f's shape."""

    def _log_likelihood(self, theta: FloatArray) -> FloatArray:
        own, total = self._spread(theta)
        return _log_integral(self, own, total)

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
        if not (isinstance(base, int | float) and 1 < base < np.inf):
            raise InputError(f"base must be a number above 1, such as 10, but it is {base!r}.")
        self.base = float(base)

    def _terms(self, f: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        n, unit = self.observation.values, np.log(self.base)
        log_mean = unit * f + np.log(self.exposure)
        mean = np.exp(np.minimum(log_mean, 700.0))
        value = n * log_mean - mean - gammaln(n + 1)
        return value, unit * (n - mean), unit**2 * mean


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

    def _terms(self, f: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        n, N = self.observation.values, self.trials
        choices = gammaln(N + 1) - gammaln(n + 1) - gammaln(N - n + 1)
        value = choices + n * log_expit(f) + (N - n) * log_expit(-f)
        p, rest = expit(f), expit(-f)
        return value, n - N * p, N * p * rest


def _log_integral(counts: CountLikelihood, own: Gaussian, latent: Covariance) -> FloatArray:
    """Integrate the latents out, (m,)."""
    f, a, W, S = _peak(counts, own.mean, latent)
    if not isinstance(latent, Diagonal):
        value = counts._terms(f)[0].sum(axis=1)
        # |I + Sigma W| = |Sigma + 1 / W| |W|
        return np.asarray(
            value - 0.5 * (((f - own.mean) * a).sum(axis=1) + S.logdet() + np.log(W).sum(axis=1))
        )
    # Nodes f + sqrt(2) s x, with s the width of the peak, written so that v = 0 does no harm.
    v = np.broadcast_to(latent.variance, f.shape)
    shrink = 1.0 / (1.0 + v * W)
    s = np.sqrt(v * shrink)
    terms = []
    for x, log_weight in zip(_NODES, _LOG_WEIGHTS, strict=True):
        value = counts._terms(f + np.sqrt(2) * s * x)[0]
        prior = v * np.square(a) + 2 * np.sqrt(2) * a * s * x + 2 * np.square(x) * shrink
        terms.append(log_weight + value - 0.5 * prior)
    each = logsumexp(terms, axis=0) + 0.5 * np.log(shrink / np.pi)
    return np.asarray(each.sum(axis=1))


def _peak(
    counts: CountLikelihood, mean: FloatArray, latent: Covariance
) -> tuple[FloatArray, FloatArray, FloatArray, Covariance]:
    r"""Find where the integrand is largest, by Newton's method.

    A step is a Gaussian regression on pseudo-data z = f + g / W with errors 1 / W, for the slope g
    and curvature W at f: :math:`f \leftarrow \mu + \Sigma a` with
    :math:`a = (\Sigma + 1/W)^{-1} (z - \mu)`, which holds for a variance of zero as well.

    Returns
    -------
    f, a, W : arrays, shape (m, q)
        Peak, :math:`\Sigma^{-1} (f - \mu)`, curvature.
    S : Covariance
        :math:`\Sigma + 1 / W`.
    """
    f = np.array(mean)
    a = np.zeros_like(f)
    objective = counts._terms(f)[0].sum(axis=1)
    for _ in range(_STEPS):
        _, slope, W = counts._terms(f)
        W = np.maximum(W, 1e-12)
        S = latent + Diagonal._of(variance=1.0 / W)
        target = S.solve(f - mean + slope / W)
        towards = mean + latent.dot(target)
        step = np.ones((len(f), 1))
        for _ in range(30):  # halve the steps that overshoot
            new_f, new_a = f + step * (towards - f), a + step * (target - a)
            new = counts._terms(new_f)[0].sum(axis=1) - 0.5 * ((new_f - mean) * new_a).sum(axis=1)
            worse = ~(new >= objective - 1e-9 * np.abs(objective))
            if not worse.any():
                break
            step[worse] /= 2
        done = np.abs(new_f - f).max(initial=0.0) < 1e-9
        f, a, objective = new_f, new_a, new
        if done:
            W = np.maximum(counts._terms(f)[2], 1e-12)
            return f, a, W, latent + Diagonal._of(variance=1.0 / W)
    raise NotFiniteError("The most probable latents of some points cannot be found.")
