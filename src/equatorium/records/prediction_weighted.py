"""Draws with weights at every point: forests, conformal predictions, flows."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from equatorium.checks import FloatArray, Rng, finite, floats, generator, read_only
from equatorium.errors import InputError, ShapeError
from equatorium.records.covariance import Covariance, Dense, Diagonal, LowRank
from equatorium.records.prediction_base import Prediction, levels
from equatorium.records.prediction_mixture import Mixture, check_weights, pick


@dataclass(frozen=True, eq=False)
class Weighted(Prediction):
    """A discrete distribution: values with probabilities, at each of m points.

    Parameters
    ----------
    values : array_like, shape (s, m, p)
    weights : array_like, shape (s, m) or (s,), or None for equal ones
        Normalised to sum to one at every point.

    Notes
    -----
    Mean, covariance, cdf and quantiles are those of the discrete distribution; a quantile is the
    smallest value whose cdf reaches q. A discrete distribution has no density, so `log_prob` is
    that of `smoothed`, an estimate that a score should name as such.

    References
    ----------
    Silverman, B. W. (1986), Density Estimation, eq. 4.14. Scott, D. W. (2015), Multivariate Density
    Estimation, doi:10.1002/9781118575574.
    """

    values: FloatArray
    weights: FloatArray | None = None

    def __post_init__(self) -> None:
        values = floats(self.values, "values")
        if values.ndim != 3 or not len(values):
            raise ShapeError(f"values must have shape (s, m, p), but it is {values.shape}.")
        finite(values, "values")
        object.__setattr__(self, "values", read_only(values))
        object.__setattr__(self, "weights", check_weights(self.weights, *values.shape[:2]))

    @property
    def _w(self) -> FloatArray:
        return np.asarray(self.weights)

    @cached_property
    def mean(self) -> FloatArray:
        """Weighted mean of the values, shape (m, p)."""
        return np.asarray((self._w[..., None] * self.values).sum(0))

    @property
    def variance(self) -> FloatArray:
        """Weighted variance of the values, shape (m, p)."""
        return np.asarray((self._w[..., None] * np.square(self.values - self.mean)).sum(0))

    def cov(self) -> Covariance:
        """Weighted covariance of the values, batch (m,)."""
        factor = np.moveaxis(np.sqrt(self._w)[..., None] * (self.values - self.mean), 0, -1)
        if len(self.values) < self.p:
            return LowRank(np.zeros((self.m, self.p)), factor)
        return Dense(factor @ factor.swapaxes(-1, -2))

    def sample(self, size: int, rng: Rng = None) -> FloatArray:
        """Draws with replacement, shape (size, m, p)."""
        chosen = pick(self._w, size, generator(rng))
        return np.asarray(self.values[chosen, np.arange(self.m)])

    def quantile(self, q: Any) -> FloatArray:
        """Smallest value whose cdf reaches q."""
        order = np.argsort(self.values, axis=0, kind="stable")
        ranked = np.take_along_axis(self.values, order, axis=0)
        wide = np.broadcast_to(self._w[..., None], self.values.shape)
        reached = np.cumsum(np.take_along_axis(wide, order, axis=0), axis=0)
        level = levels(q)
        # A sum of weights misses a level such as 0.3 by rounding; it counts as reached.
        short = reached < level[..., None, :, :] - 1e-12 if level.ndim else reached < level - 1e-12
        place = np.minimum(short.sum(axis=-3), len(self.values) - 1)
        if place.ndim == 2:
            return np.asarray(np.take_along_axis(ranked, place[None], axis=0)[0])
        return np.asarray(np.take_along_axis(ranked, place, axis=0))

    def cdf(self, y: Any) -> FloatArray:
        """Weight of the values that are at most y."""
        below = self.values <= self._points(y)
        return np.asarray((self._w[..., None] * below).sum(0))

    def smoothed(self) -> Mixture:
        """Put a Gaussian kernel on every value, with Silverman's bandwidth for each output.

        The kernel's variance is h^2 times the output's variance (Bessel-corrected for weights),
        h = (4 / ((p + 2) n_eff))^(1 / (p + 4)), where n_eff = 1 / sum(weights^2).
        """
        squares = np.square(self._w).sum(0)
        n_eff = 1 / squares
        if (n_eff < 1 + 1e-9).any() or not (self.variance > 0).all():
            raise InputError(
                "Draws that are all alike have no density; add the noise with with_noise first."
            )
        h = (4 / ((self.p + 2) * n_eff)) ** (1 / (self.p + 4))
        kernel = Diagonal(self.variance * (np.square(h) / (1 - squares))[:, None])
        return Mixture(self._w, self.values, [kernel] * len(self.values))

    def log_prob(self, y: Any) -> FloatArray:
        """Log density of `smoothed`."""
        return self.smoothed().log_prob(y)

    def marginal(self, j: Any) -> "Weighted":
        """Draws of the outputs j."""
        return Weighted(self.values[..., self._columns(j)], self.weights)

    def project(self, R: Any) -> "Weighted":
        """Draws of R y."""
        return Weighted(self.values @ self._response(R).T, self.weights)

    def with_noise(self, variance: Any) -> Prediction:
        """Mixture with a Gaussian of this variance on every draw: exact."""
        if variance is None:
            return self
        noise = Diagonal(self._points(variance))
        return Mixture(self._w, self.values, [noise] * len(self.values))
