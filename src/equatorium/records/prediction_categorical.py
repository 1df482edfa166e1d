"""Class probabilities at every point, as a distribution over indicator vectors."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from equatorium.checks import FloatArray, Rng, matrix, read_only
from equatorium.errors import InputError, ShapeError, UnknownNameError
from equatorium.records.covariance import Covariance
from equatorium.records.prediction_base import Prediction
from equatorium.records.prediction_weighted import Weighted


@dataclass(frozen=True, eq=False)
class Categorical(Prediction):
    """Probabilities of c classes at each of m points.

    As a Prediction it is about the c indicators "is of class j", which are 0 or 1 and sum to one:
    the mean is the probabilities, the covariance diag(pi) - pi pi^T, and p = c.

    Parameters
    ----------
    probabilities : array_like, shape (m, c)
        Not negative, each row summing to one.
    classes : sequence of c distinct labels (text or numbers)

    Examples
    --------
    >>> Categorical([[0.2, 0.8]], ["disc", "bulge"]).predicted.tolist()
    ['bulge']
    """

    probabilities: FloatArray
    classes: Sequence[Any]

    def __post_init__(self) -> None:
        pi = matrix(self.probabilities, "probabilities")
        classes = np.array(self.classes)
        if classes.shape != (pi.shape[1],) or len(np.unique(classes)) < classes.size:
            raise ShapeError(
                f"classes must be {pi.shape[1]} distinct labels, one per column of probabilities, "
                f"but they are {list(self.classes)}."
            )
        if (pi < 0).any() or not np.allclose(pi.sum(1), 1, rtol=0, atol=1e-6):
            row = int(np.argmax((pi < 0).any(1) | (np.abs(pi.sum(1) - 1) > 1e-6)))
            raise InputError(
                f"Probabilities must not be negative and must sum to one, but row {row} is "
                f"{pi[row].tolist()}."
            )
        classes.setflags(write=False)
        object.__setattr__(self, "probabilities", read_only(pi))
        object.__setattr__(self, "classes", classes)

    @cached_property
    def _indicators(self) -> Weighted:
        values = np.eye(self.p)[:, None, :]
        return Weighted(np.broadcast_to(values, (self.p, self.m, self.p)), self.probabilities.T)

    @property
    def mean(self) -> FloatArray:
        """The probabilities, shape (m, c)."""
        return self.probabilities

    @property
    def predicted(self) -> np.ndarray[Any, Any]:
        """Most probable class of each point, shape (m,)."""
        return np.asarray(np.asarray(self.classes)[self.probabilities.argmax(1)])

    @property
    def variance(self) -> FloatArray:
        """Pi (1 - pi), shape (m, c)."""
        return self.probabilities * (1 - self.probabilities)

    def cov(self) -> Covariance:
        """diag(pi) - pi pi^T, batch (m,); singular, as indicators sum to one."""
        return self._indicators.cov()

    def sample(self, size: int, rng: Rng = None) -> FloatArray:
        """Draws of indicators, shape (size, m, c)."""
        return self._indicators.sample(size, rng)

    def quantile(self, q: Any) -> FloatArray:
        """Quantiles of single indicators: 0 or 1."""
        return self._indicators.quantile(q)

    def cdf(self, y: Any) -> FloatArray:
        """Probability of single indicators being at most y."""
        return self._indicators.cdf(y)

    def log_prob(self, y: Any) -> FloatArray:
        """Log probability of the labels y (m,), or of their indicators (m, c), shape (m,)."""
        labels = np.asarray(y)
        if labels.shape == (self.m, self.p):
            hits = labels.astype(np.float64)
            if not (np.isin(hits, (0, 1)).all() and (hits.sum(1) == 1).all()):
                raise InputError("Indicators y must hold a single 1 per row and 0 elsewhere.")
        elif labels.shape == (self.m,):
            hits = (labels[:, None] == np.asarray(self.classes)).astype(np.float64)
            if not hits.any(1).all():
                odd = labels[~hits.any(1)].tolist()[0]
                known = np.asarray(self.classes).tolist()
                raise UnknownNameError(f"{odd!r} is not one of the classes {known}.")
        else:
            raise ShapeError(f"y must hold {self.m} labels, but its shape is {labels.shape}.")
        with np.errstate(divide="ignore"):
            return np.asarray(np.log((hits * self.probabilities).sum(1)))

    def marginal(self, j: Any) -> Weighted:
        """Distribution of the indicators j."""
        return self._indicators.marginal(j)

    def project(self, R: Any) -> Weighted:
        """Distribution of R times the indicators, such as a score per class."""
        return self._indicators.project(R)

    def with_noise(self, variance: Any) -> Prediction:
        """Add Gaussian noise to the indicators; None gives itself."""
        return self if variance is None else self._indicators.with_noise(variance)

    def get_state(self) -> dict[str, Any]:
        """Probabilities, and classes as a list."""
        return {"probabilities": self.probabilities, "classes": np.asarray(self.classes).tolist()}
