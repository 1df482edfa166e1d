r"""How large the errors are here, beside elsewhere: a variance function of the inputs.

A stationary kernel has one error everywhere between its runs. Where a simulator is smooth in one
part of the box and steep in another, errors are overstated there and understated here. What the
kernel says of the variance is therefore multiplied by

.. math:: \log s(x) = c_0 + \sum_j a_j P_1(x_j) + b_j P_2(x_j),

Legendre polynomials of the inputs scaled to [-1, 1] (held at the edge outside), with the
coefficients at which the leave-one-out errors are most likely and a normal prior on them. A run
counts once, whatever the number of its outputs, for their errors are large together. The function
is kept only where it predicts the errors of held-out runs better than a constant does, by two
standard errors in five folds.

References
----------
Davidian & Carroll 1987, J. Am. Stat. Assoc. 82, 1079, doi:10.1080/01621459.1987.10478543
"""

from dataclasses import dataclass
from typing import Self

import numpy as np
from scipy.optimize import minimize
from scipy.stats import chi2

from equatorium.checks import FloatArray
from equatorium_gp.correlation import variance_factor

FOLDS = 5
LEAST_RUNS = 30  # fewer tell nothing of a function
PRIOR = 0.5  # standard deviation of a coefficient of log s
PROOF = 2.0  # standard errors by which it must be better
LARGEST = 5.0  # of |log s|
STRANGE = 0.003  # runs whose errors are less probable are cut: one bad run makes no function
ROUNDS = 4  # the first cuts at a constant, each further one at the function of the one before


@dataclass(frozen=True)
class VarianceFunction:
    """The factor s(x) of the variance.

    Attributes
    ----------
    coefficients : (1 + 2 d,) array
        c_0, a and b; zeros if the error is the same everywhere.
    """

    coefficients: FloatArray

    @classmethod
    def constant(cls, d: int) -> Self:
        """Return s = 1 of d inputs."""
        return cls(np.zeros(1 + 2 * d))

    @classmethod
    def learned(
        cls, X: FloatArray, error: FloatArray, variance: FloatArray, declared: FloatArray
    ) -> Self:
        """Learn the function, or that there is none to be seen.

        Parameters
        ----------
        X : (n, d) array
            Inputs of the runs, scaled to [0, 1].
        error, variance, declared : (n, k) arrays
            Leave-one-out errors, the variances predicted for them, and the runs' declared noise.
        """
        n, d = X.shape
        if n < LEAST_RUNS or not (variance > 0).all():
            return cls.constant(d)
        squares = error**2
        size = float(np.mean(squares / (variance + declared)))
        if not 0.0 < size < np.inf:
            return cls.constant(d)
        # Noise declared too large takes nothing from the level of the variance.
        errors = _Errors(squares / size, variance, declared / max(size, 1.0))
        terms = _terms(X)[0]
        fold, gain, held = np.arange(n) % FOLDS, np.empty(n), np.empty(n)
        for k in range(FOLDS):
            out = fold == k
            held[out] = terms[out] @ errors.of(~out).most_likely(terms[~out])
            left = errors.of(out).tamed(np.zeros(out.sum()))
            gain[out] = left.log_density(held[out])[0] - left.log_density(0.0)[0]
        if not gain.mean() > PROOF * gain.std(ddof=1) / np.sqrt(n):
            return cls.constant(d)
        found = errors.most_likely(terms)
        found[0] += errors.excess(held)
        return cls(found)

    @property
    def varies(self) -> bool:
        """Whether it is not one everywhere."""
        return bool(self.coefficients.any())

    def __call__(self, X: FloatArray) -> FloatArray:
        """Values (m,) at scaled inputs X (m, d)."""
        if not self.varies:
            return np.ones(len(X))
        return np.asarray(np.exp(np.clip(_terms(X)[0] @ self.coefficients, -LARGEST, LARGEST)))

    def of_mean_one(self, X: FloatArray) -> Self:
        """Return the same function in units of its mean at X (m, d)."""
        found = self.coefficients.copy()
        found[0] -= np.log(self(X).mean())
        return type(self)(found)

    def log_slope(self, X: FloatArray) -> FloatArray:
        """Gradient (m, d) of log s by X."""
        terms, slopes = _terms(X)
        d = X.shape[1]
        by_input = self.coefficients[1 : 1 + d] * slopes[0] + self.coefficients[1 + d :] * slopes[1]
        inside = np.abs(terms @ self.coefficients) < LARGEST
        return np.asarray(by_input * inside[:, None])


@dataclass(frozen=True)
class _Errors:
    """Squared leave-one-out errors (n, k) with what was predicted and declared of them."""

    squares: FloatArray
    variance: FloatArray
    declared: FloatArray

    def of(self, chosen: FloatArray) -> "_Errors":
        return _Errors(self.squares[chosen], self.variance[chosen], self.declared[chosen])

    def log_density(self, log_factor: FloatArray | float) -> tuple[FloatArray, FloatArray]:
        """Log densities (n,), mean over k, and their slopes by the log of the factor (n,)."""
        own = np.exp(np.clip(log_factor, -LARGEST, LARGEST))
        own = np.broadcast_to(own, (len(self.squares),))[:, None] * self.variance
        total = own + self.declared
        ratio = self.squares / total
        slope = (0.5 * own / total * (ratio - 1.0)).mean(axis=1)
        inside = np.abs(log_factor) < LARGEST
        return -0.5 * (np.log(total) + ratio).mean(axis=1), np.where(inside, slope, 0.0)

    def tamed(self, log_factor: FloatArray) -> "_Errors":
        """Cut runs whose errors are too large for a factor (n,) to what they may be at most.

        Without declared noise the means over k come back, which say all.
        """
        own = np.exp(np.clip(log_factor, -LARGEST, LARGEST))[:, None] * self.variance
        k = self.squares.shape[1]
        most = chi2.isf(STRANGE, k) / k
        ratio = (self.squares / (own + self.declared)).mean(axis=1, keepdims=True)
        squares = self.squares * np.minimum(most / np.maximum(ratio, most), 1.0)
        if self.declared.any():
            return _Errors(squares, self.variance, self.declared)
        mean, one = (squares / self.variance).mean(axis=1, keepdims=True), np.ones((len(own), 1))
        return _Errors(mean, one, 0.0 * one)

    def excess(self, log_factor: FloatArray) -> float:
        """Log of how much larger errors are than a factor (n,) found without them says."""
        variance = np.exp(np.clip(log_factor, -LARGEST, LARGEST))[:, None] * self.variance
        return float(np.log(variance_factor(np.sqrt(self.squares), variance, self.declared)))

    def most_likely(self, terms: FloatArray) -> FloatArray:
        """Coefficients of the terms (n, t) with the largest posterior density."""
        found = np.zeros(terms.shape[1])
        precision = np.full(terms.shape[1], PRIOR**-2)
        precision[0] = 0.0
        for _ in range(ROUNDS):
            errors = self.tamed(terms @ found)

            def loss(c: FloatArray, errors: _Errors = errors) -> tuple[float, FloatArray]:
                value, slope = errors.log_density(terms @ c)
                prior = precision * c
                return float(0.5 * prior @ c - value.sum()), prior - terms.T @ slope

            found = minimize(loss, found, jac=True, method="L-BFGS-B").x
        return np.asarray(found)


def _terms(X: FloatArray) -> tuple[FloatArray, tuple[FloatArray, FloatArray]]:
    """Polynomials (m, 1 + 2 d) of X scaled to [0, 1], and slopes (m, d) of first and second."""
    x = np.clip(2.0 * X - 1.0, -1.0, 1.0)
    inside = 2.0 * ((X >= 0.0) & (X <= 1.0))
    return np.hstack([np.ones((len(X), 1)), x, 1.5 * x**2 - 0.5]), (inside, 3.0 * x * inside)
