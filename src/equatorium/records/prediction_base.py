"""What every prediction can answer, and the Gaussian to which each can be reduced."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.special import ndtr, ndtri

from equatorium.checks import FloatArray, Rng, floats, matrix, read_only
from equatorium.errors import InputError, ShapeError
from equatorium.records.base import Record
from equatorium.records.covariance import Covariance, Diagonal


class Prediction(Record, ABC):
    """A distribution over p outputs at each of m points; points are independent of each other."""

    if TYPE_CHECKING:  # at run time a dataclass would take an inherited property for a default

        @property
        def mean(self) -> FloatArray:
            """Expected values, shape (m, p)."""

    @property
    def m(self) -> int:
        """Number of points."""
        return len(self.mean)

    @property
    def p(self) -> int:
        """Number of outputs."""
        return int(self.mean.shape[1])

    @property
    @abstractmethod
    def variance(self) -> FloatArray:
        """Variances of single outputs, shape (m, p)."""

    @property
    def std(self) -> FloatArray:
        """Standard deviations of single outputs, shape (m, p)."""
        return np.asarray(np.sqrt(self.variance))

    @abstractmethod
    def cov(self) -> Covariance:
        """Covariance between outputs, batch (m,)."""

    @abstractmethod
    def sample(self, size: int, rng: Rng = None) -> FloatArray:
        """Draws, shape (size, m, p)."""

    @abstractmethod
    def quantile(self, q: Any) -> FloatArray:
        """Quantiles of single outputs: (m, p) for a number q, (len(q), m, p) for a list."""

    @abstractmethod
    def cdf(self, y: Any) -> FloatArray:
        """Probability of single outputs being at most y (m, p): their PIT values, shape (m, p)."""

    @abstractmethod
    def log_prob(self, y: Any) -> FloatArray:
        """Log density of all p outputs jointly at y (m, p), shape (m,)."""

    @abstractmethod
    def marginal(self, j: Any) -> "Prediction":
        """Prediction of the outputs j (an int, list, slice or mask), in that order."""

    @abstractmethod
    def project(self, R: Any) -> "Prediction":
        """Prediction of R y for a response R of shape (q, p)."""

    @abstractmethod
    def with_noise(self, variance: Any) -> "Prediction":
        """Prediction of y plus independent Gaussian noise of variance (m, p) or (p,), or None."""

    def gaussian(self) -> "Gaussian":
        """Give the Gaussian with the same mean and covariance."""
        return Gaussian(self.mean, self.cov())

    def _points(self, y: Any) -> FloatArray:
        y = floats(y, "y")
        try:
            if y.ndim and y.shape[-1] != self.p:
                raise ValueError("one number must not stand for several outputs")
            return np.broadcast_to(y, (self.m, self.p))
        except ValueError as error:
            raise ShapeError(f"y must have shape ({self.m}, {self.p}), not {y.shape}.") from error

    def _columns(self, j: Any) -> np.ndarray[Any, Any]:
        try:
            return np.atleast_1d(np.arange(self.p)[j])
        except IndexError as error:
            raise InputError(f"The outputs are numbered 0 to {self.p - 1}, but {error}.") from error

    def _response(self, R: Any) -> FloatArray:
        response: FloatArray = floats(R, "R")
        if response.ndim != 2 or response.shape[1] != self.p:
            raise ShapeError(f"R must have shape (q, {self.p}), but it is {response.shape}.")
        return response


def levels(q: Any) -> FloatArray:
    """Check probabilities and give them shape () or (len(q), 1, 1), ready to broadcast."""
    array: FloatArray = floats(q, "q")
    if array.ndim > 1 or not ((array >= 0) & (array <= 1)).all():
        raise InputError(f"Quantiles need probabilities between 0 and 1, but q is {q!r}.")
    return array if array.ndim == 0 else array[:, None, None]


@dataclass(frozen=True, eq=False)
class Gaussian(Prediction):
    """N(mean, covariance) at each of m points.

    Parameters
    ----------
    mean : array_like, shape (m, p)
    covariance : Covariance
        Batch (m,), or () for one that all points share (then factorised once).

    Examples
    --------
    >>> from equatorium.records.covariance import Diagonal
    >>> Gaussian([[0.0, 1.0]], Diagonal([[1.0, 4.0]])).quantile(0.5).tolist()
    [[0.0, 1.0]]
    """

    mean: FloatArray
    covariance: Covariance

    def __post_init__(self) -> None:
        object.__setattr__(self, "mean", read_only(matrix(self.mean, "mean")))
        if not isinstance(self.covariance, Covariance):
            raise InputError(
                f"covariance must be a Covariance such as Diagonal(variance), but it is a "
                f"{type(self.covariance).__name__}."
            )
        if self.covariance.p != self.p or self.covariance.batch not in ((), (self.m,)):
            raise ShapeError(
                f"A mean of shape {self.mean.shape} needs a covariance of {self.p} outputs with "
                f"batch () or ({self.m},), but it has {self.covariance.p} outputs and batch "
                f"{self.covariance.batch}."
            )

    @property
    def variance(self) -> FloatArray:
        """Variances, shape (m, p)."""
        return np.broadcast_to(self.covariance.diagonal(), self.mean.shape)

    def cov(self) -> Covariance:
        """Covariance between outputs, batch (m,)."""
        c = self.covariance
        return c if c.batch == (self.m,) else c.broadcast((self.m,))

    def sample(self, size: int, rng: Rng = None) -> FloatArray:
        """Draws, shape (size, m, p)."""
        return self.mean + self.cov().sample(size, rng)

    def quantile(self, q: Any) -> FloatArray:
        """Mean plus so many standard deviations."""
        level = levels(q)
        score = np.where(self.variance > 0, ndtri(level), 0.0)
        return np.asarray(self.mean + self.std * score)

    def cdf(self, y: Any) -> FloatArray:
        """Evaluate the normal cdf; a step where the variance is zero."""
        y, std = self._points(y), self.std
        safe = np.where(std > 0, std, 1.0)
        return np.asarray(np.where(std > 0, ndtr((y - self.mean) / safe), y >= self.mean))

    def log_prob(self, y: Any) -> FloatArray:
        """Joint log density, with the covariance between outputs."""
        c = self.covariance
        chi2 = c.mahalanobis(self._points(y) - self.mean)
        return np.asarray(-0.5 * (chi2 + c.logdet() + self.p * np.log(2 * np.pi)))

    def marginal(self, j: Any) -> "Gaussian":
        """Gaussian of the outputs j."""
        return Gaussian(self.mean[:, self._columns(j)], self.covariance.marginal(j))

    def project(self, R: Any) -> "Gaussian":
        """Gaussian of R y."""
        return Gaussian(self.mean @ self._response(R).T, self.covariance.project(R))

    def with_noise(self, variance: Any) -> "Gaussian":
        """Gaussian with independent variance added."""
        if variance is None:
            return self
        return Gaussian(self.mean, self.covariance + Diagonal(self._points(variance)))

    def gaussian(self) -> "Gaussian":
        """Give itself."""
        return self
