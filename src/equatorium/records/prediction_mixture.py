"""A mixture of Gaussians at every point: committees, mixture density networks, noisy draws."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

import numpy as np
from scipy.special import logsumexp

from equatorium.checks import FloatArray, Rng, finite, floats, generator, read_only
from equatorium.errors import InputError, ShapeError
from equatorium.records.base import entries
from equatorium.records.covariance import Covariance, LowRank
from equatorium.records.prediction_base import Gaussian, Prediction, levels


def check_weights(weights: Any, k: int, m: int) -> FloatArray:
    """Check weights (k,) or (k, m), or None for equal ones; give (k, m), summing to one."""
    w = np.full(k, 1 / k) if weights is None else floats(weights, "weights")
    finite(w, "weights")
    if w.shape not in ((k,), (k, m)):
        raise ShapeError(f"weights must have shape ({k},) or ({k}, {m}), but it is {w.shape}.")
    w = np.broadcast_to(w.reshape(k, -1), (k, m))
    total = w.sum(0)
    if (w < 0).any() or not (total > 0).all():
        raise InputError("Weights must not be negative, and some must be positive at every point.")
    # Weights that sum to one already are kept to the last bit: files give back what they got.
    return read_only(w / np.where(np.abs(total - 1) < 1e-12, 1.0, total))


def pick(weights: FloatArray, size: int, rng: np.random.Generator) -> np.ndarray[Any, Any]:
    """Choose among k members by weights (k, m): indices of shape (size, m)."""
    k, m = weights.shape
    return np.stack([rng.choice(k, size, p=weights[:, i]) for i in range(m)], axis=1)


@dataclass(frozen=True, eq=False)
class Mixture(Prediction):
    """Sum over k of weight_k N(mean_k, covariance_k) at each of m points.

    Parameters
    ----------
    weights : array_like, shape (k,) or (k, m), or None for equal ones
        Normalised to sum to one.
    means : array_like, shape (k, m, p)
    covariances : sequence of k Covariance, batch (m,) or ()
    """

    weights: FloatArray
    means: FloatArray
    covariances: Sequence[Covariance]

    def __post_init__(self) -> None:
        means = floats(self.means, "means")
        if means.ndim != 3 or len(means) != len(self.covariances) or not len(means):
            raise ShapeError(
                f"means must have shape (k, m, p) with one covariance for each of the k, but its "
                f"shape is {means.shape} and there are {len(self.covariances)} covariances."
            )
        object.__setattr__(self, "weights", check_weights(self.weights, *means.shape[:2]))
        object.__setattr__(self, "means", read_only(means))
        object.__setattr__(self, "covariances", tuple(self.covariances))
        _ = self.members  # checks every mean against its covariance

    @cached_property
    def members(self) -> tuple[Gaussian, ...]:
        """The k Gaussians."""
        pairs = zip(self.means, self.covariances, strict=True)
        return tuple(Gaussian(mean, covariance) for mean, covariance in pairs)

    @cached_property
    def mean(self) -> FloatArray:
        """Weighted mean of the means, shape (m, p)."""
        return np.asarray((self.weights[..., None] * self.means).sum(0))

    @property
    def variance(self) -> FloatArray:
        """Mean variance plus variance of the means, shape (m, p)."""
        own = np.stack([member.variance for member in self.members])
        return np.asarray(
            (self.weights[..., None] * (own + np.square(self.means - self.mean))).sum(0)
        )

    def cov(self) -> Covariance:
        """Mean covariance plus covariance of the means, batch (m,)."""
        roots = np.sqrt(self.weights)[..., None]
        spread = np.moveaxis(roots * (self.means - self.mean), 0, -1)
        total: Covariance = LowRank(np.zeros((self.m, self.p)), spread)
        for root, member in zip(roots, self.members, strict=True):
            total = total + member.cov().scaled(np.broadcast_to(root, (self.m, self.p)))
        return total

    def sample(self, size: int, rng: Rng = None) -> FloatArray:
        """Draws, shape (size, m, p): a member for every draw and point, then a draw of it."""
        rng = generator(rng)
        chosen = pick(self.weights, size, rng)
        draws = np.empty((size, self.m, self.p))
        for k, member in enumerate(self.members):
            here = chosen == k
            if here.any():
                draws[here] = member.sample(size, rng)[here]
        return draws

    def quantile(self, q: Any) -> FloatArray:
        """Invert the cdf by bisection between the members' extreme quantiles."""
        level = levels(q)
        single = np.stack([member.quantile(q) for member in self.members])
        low, high = single.min(0), single.max(0)
        for _ in range(64):  # halving 64 times exhausts the digits of a double
            with np.errstate(invalid="ignore"):  # q = 0 and q = 1 are at infinity
                middle = np.where(low == high, low, low + (high - low) / 2)
            short = self._cdf(middle) < level
            low, high = np.where(short, middle, low), np.where(short, high, middle)
        return np.asarray(high)

    def cdf(self, y: Any) -> FloatArray:
        """Weighted mean of the members' cdf."""
        return self._cdf(self._points(y))

    def _cdf(self, y: FloatArray) -> FloatArray:
        if y.ndim == 3:
            return np.stack([self._cdf(layer) for layer in y])
        single = np.stack([member.cdf(y) for member in self.members])
        return np.asarray((self.weights[..., None] * single).sum(0))

    def log_prob(self, y: Any) -> FloatArray:
        """Joint log density of all outputs."""
        single = np.stack([member.log_prob(y) for member in self.members])
        return np.asarray(logsumexp(single, axis=0, b=self.weights))

    def marginal(self, j: Any) -> "Mixture":
        """Mixture of the outputs j."""
        return self._each([member.marginal(j) for member in self.members])

    def project(self, R: Any) -> "Mixture":
        """Mixture of R y."""
        return self._each([member.project(R) for member in self.members])

    def with_noise(self, variance: Any) -> "Mixture":
        """Mixture with independent variance added to every member."""
        if variance is None:
            return self
        return self._each([member.with_noise(variance) for member in self.members])

    def _each(self, members: Sequence[Gaussian]) -> "Mixture":
        means = np.stack([member.mean for member in members])
        return Mixture(self.weights, means, [member.covariance for member in members])

    def get_state(self) -> dict[str, Any]:
        """Weights, means and covariances."""
        return {
            "weights": self.weights,
            "means": self.means,
            "covariances": {str(k): c for k, c in enumerate(self.covariances)},
        }

    @classmethod
    def _rebuild(cls, state: Mapping[str, Any]) -> Self:
        weights, means, named = entries(state, "weights", "means", "covariances", of="Mixture")
        return cls(weights, means, [named[key] for key in sorted(named, key=int)])
