r"""Student's t in place of the Gaussian: errors that are now and then larger than stated.

With :math:`r` and :math:`S` as in the Gaussian likelihood and :math:`\nu` degrees of freedom,

.. math::
   \log L = \log\frac{\Gamma(\frac{\nu + q}{2})}{\Gamma(\frac\nu2)}
   - \tfrac q2 \log(\nu\pi) - \tfrac12 \log |S|
   - \tfrac{\nu + q}{2} \log\left(1 + \frac{r^T S^{-1} r}{\nu}\right)

for all data jointly (the multivariate t), or the sum over data of the same with q = 1. S is the
scale matrix: the covariance is :math:`\nu / (\nu - 2)` times as large.

References
----------
Lange, Little & Taylor 1989, doi:10.2307/2290063; Sellentin & Heavens 2016,
doi:10.1093/mnrasl/slv190 (the multivariate t for a covariance estimated from few simulations).
"""

from collections.abc import Mapping
from numbers import Real
from typing import Any

import numpy as np
from scipy.special import digamma, gammaln

from equatorium.checks import FloatArray, instance
from equatorium.errors import InputError
from equatorium.inference.likelihood_base import Likelihood, _fill
from equatorium.records.covariance import Covariance, Diagonal


class StudentLikelihood(Likelihood):
    """Errors with heavy tails.

    Parameters
    ----------
    surrogate, observation, ... :
        As of every `Likelihood`.
    df : float
        Degrees of freedom; 1 is Cauchy's, infinitely many Gauss's.
    per_datum : bool
        False: one t over all data, whose common scale is in doubt (covariances of any kind). True:
        each datum is a t of its own, so that single outliers are forgiven; the total covariance
        must then be diagonal. In both the emulator's variance is part of the scale S: exact as far
        as that variance is small beside the errors, and on the cautious side otherwise, since its
        tails become heavy too.
    free : mapping of str to str, optional
        As of every likelihood, and ``"df"``.

    Raises
    ------
    InputError
        If df is no positive number, or is given beside a free one; if each datum is to have its
        own t, but discrepancy or errors are correlated.

    Examples
    --------
    >>> from equatorium.inference.model_function import ModelFunction
    >>> from equatorium.records.observation import Observation
    >>> level = ModelFunction(lambda a: a + np.zeros(3))
    >>> seen = Observation([1.0, 1.2, 9.0], [0.1, 0.1, 0.1])
    >>> robust = StudentLikelihood(level, seen, df=2.0, per_datum=True)
    >>> values = robust.log_likelihood([[1.1], [3.7]])
    >>> bool(values[0] > values[1])
    True
    """

    def __init__(
        self,
        surrogate: Any,
        observation: Any,
        *args: Any,
        df: float | None = None,
        per_datum: bool = False,
        free: Mapping[str, str] | None = None,
        **options: Any,
    ) -> None:
        instance(free or {}, Mapping, "free")
        scales = dict(free or {})
        own = [scales.pop("df")] if "df" in scales else []
        if own and df is not None:
            raise InputError(f"df is given as {df!r} and as the free parameter {own[0]!r}.")
        number = isinstance(df, Real) and not isinstance(df, bool) and 0 < df < np.inf
        if not own and not number:
            raise InputError(
                f"df, the degrees of freedom, must be a positive number, but it is {df!r}. Give "
                'one such as df=4, or free={"df": "nu"} with a parameter nu.'
            )
        super().__init__(surrogate, observation, *args, free=scales, own=own, **options)
        self.df = df
        self.per_datum = per_datum
        if per_datum:
            _independent(self._errors.total(np.zeros((1, len(scales)))))

    def _log_likelihood(self, theta: FloatArray) -> FloatArray:
        own, total = self._spread(theta)
        df = self._df(theta)
        r = self.observation.values - own.mean
        if self.per_datum:
            scale = _independent(total)
            each = _log_t(np.square(r) / scale, np.log(scale), df[:, None], 1)
            return np.asarray(each.sum(axis=1))
        return _log_t(total.mahalanobis(r), total.logdet(), df, self.q)

    def pointwise(self, theta: Any) -> FloatArray:
        """Log-density (m, q) of each datum given the others, at points theta (m, d).

        Given the others a datum of a multivariate t is a t again, of df + q - 1 degrees of freedom
        and wider if the others lie far out (Ding 2016, doi:10.1080/00031305.2016.1164756).
        """
        theta = self._points(theta)
        values = np.empty((len(theta), self.q))
        _fill(lambda t: (self._left_out(t),), theta, (values,), self.chunk)
        return values

    def _left_out(self, theta: FloatArray) -> FloatArray:
        own, total = self._spread(theta)
        df = self._df(theta)[:, None]
        r = self.observation.values - own.mean
        if self.per_datum:
            scale = _independent(total)
            return _log_t(np.square(r) / scale, np.log(scale), df, 1)
        precision = total.precision_diagonal()
        squared = np.square(total.solve(r)) / precision
        others = total.mahalanobis(r)[:, None] - squared
        known = df + self.q - 1
        widening = (df + others) / known
        return _log_t(squared / widening, np.log(widening / precision), known, 1)

    def _value_and_gradient(self, theta: FloatArray) -> tuple[FloatArray, FloatArray]:
        own, total = self._spread(theta)
        df = self._df(theta)[:, None]
        r = self.observation.values - own.mean
        a = total.solve(r)
        # What the Gaussian would be with these weights has the same slope.
        size = 1 if self.per_datum else self.q
        squared = a * r if self.per_datum else (a * r).sum(axis=1, keepdims=True)
        weighted = (df + size) / (df + squared) * a
        cov = None
        if self._covariance_varies:
            cov = 0.5 * (weighted[:, :, None] * a[:, None, :] - np.linalg.inv(total.dense()))
            cov = cov * np.eye(self.q) if self.per_datum else cov
        gradient = self._pull_back(theta, weighted, cov)
        if self.df is None:
            by_df = _by_df(squared, df, size).sum(axis=1, keepdims=True)
            gradient = np.concatenate([gradient, by_df], axis=1)
        return self._log_likelihood(theta), gradient

    def stretch(self, theta: FloatArray, rng: np.random.Generator) -> FloatArray:
        """One over the root of chi-squared per degree of freedom: of each datum, or of all."""
        df = self._df(theta)[:, None]
        shape = (len(theta), self.q if self.per_datum else 1)
        return np.asarray(np.sqrt(df / rng.chisquare(df, shape)))

    def _df(self, theta: FloatArray) -> FloatArray:
        """Degrees of freedom (m,) at points."""
        if self.df is not None:
            return np.full(len(theta), float(self.df))
        df = self._split(theta)[2][:, 0]
        if (df <= 0).any():
            raise InputError(
                f"There are no {df.min():.6g} degrees of freedom. Give {self.names[-1]!r} a prior "
                "above 0."
            )
        return df


def _log_t(squared: FloatArray, logdet: FloatArray, df: FloatArray, size: int) -> FloatArray:
    """Log density of a t in `size` dimensions."""
    norm = gammaln((df + size) / 2) - gammaln(df / 2) - size / 2 * np.log(df * np.pi)
    return np.asarray(norm - logdet / 2 - (df + size) / 2 * np.log1p(squared / df))


def _by_df(squared: FloatArray, df: FloatArray, size: int) -> FloatArray:
    """Give the derivative of `_log_t` by df."""
    norm = digamma((df + size) / 2) - digamma(df / 2) - size / df
    tail = np.log1p(squared / df) - (df + size) * squared / (df * (df + squared))
    return np.asarray((norm - tail) / 2)


def _independent(total: Covariance) -> FloatArray:
    """Variances of a covariance that must be diagonal."""
    if not isinstance(total, Diagonal):
        raise InputError(
            "With per_datum=True the errors of all data must be independent, but observation, "
            "discrepancy or emulator correlates them. Use per_datum=False, or Discrepancy(..., "
            "diagonal=True) and an emulator without correlation between outputs."
        )
    return total.variance
