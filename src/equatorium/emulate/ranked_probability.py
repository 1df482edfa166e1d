"""The continuous ranked probability score: how far a predicted distribution is from what came."""

import numpy as np
from scipy.integrate import trapezoid
from scipy.special import ndtr

from equatorium.checks import FloatArray
from equatorium.records.prediction import Categorical, Gaussian, Mixture, Prediction, Weighted

_PAIRS = 250  # members of a mixture up to which all pairs are summed
_NODES = 400
_SPOTS = (-6.0, -3.0, -1.5, 0.0, 1.5, 3.0, 6.0)  # standard deviations


def crps(prediction: Prediction, y: FloatArray) -> FloatArray:
    r"""Continuous ranked probability scores of single outputs at y (m, p), shape (m, p).

    .. math:: \mathrm{CRPS} = \int (F(t) - 1[t \ge y])^2\,dt
              = \mathrm{E}|Y - y| - \tfrac12 \mathrm{E}|Y - Y'|,

    in closed form: for a Gaussian; for a mixture of them, with the expected distance A of a normal
    variable from zero, :math:`\sum_k w_k A(y - \mu_k, s_k^2) - \frac12 \sum_{kl} w_k w_l
    A(\mu_k - \mu_l, s_k^2 + s_l^2)` (beyond 250 members, the integral by the trapezium rule over
    400 nodes); and for draws with weights, sorted, as E|Y - Y'| is
    :math:`2 \sum_i w_i v_i (2 W_i - w_i - 1)` with the running sums W of their weights.

    References
    ----------
    Gneiting & Raftery 2007, JASA 102, 359, doi:10.1198/016214506000001437
    Grimit et al. 2006, Quarterly Journal of the Royal Meteorological Society 132, 2925,
    doi:10.1256/qj.05.235
    """
    y = np.asarray(y)
    if isinstance(prediction, Categorical):
        prediction = prediction.marginal(slice(None))
    if isinstance(prediction, Weighted):
        return _of_draws(prediction.values, np.asarray(prediction.weights), y)
    if isinstance(prediction, Mixture) and len(prediction.weights) > _PAIRS:
        return _integrated(prediction, y)
    if isinstance(prediction, Mixture):
        return _of_mixture(prediction, y)
    own = prediction.gaussian() if not isinstance(prediction, Gaussian) else prediction
    return _distance(y - own.mean, own.variance) - 0.5 * _distance(0 * y, 2 * own.variance)


def _of_draws(values: FloatArray, weights: FloatArray, y: FloatArray) -> FloatArray:
    """Score draws (s, m, p) with weights (s, m)."""
    order = np.argsort(values, axis=0)
    # Distances do not change with the origin, and small numbers cancel less.
    ranked = np.take_along_axis(values, order, axis=0) - y
    wide = np.broadcast_to(weights[..., None], values.shape)
    w = np.take_along_axis(wide, order, axis=0)
    between = (w * ranked * (2 * np.cumsum(w, axis=0) - w - 1)).sum(axis=0)
    return np.asarray(np.maximum((w * np.abs(ranked)).sum(axis=0) - between, 0.0))


def _of_mixture(prediction: Mixture, y: FloatArray) -> FloatArray:
    w, means, variance = _parts(prediction)
    total = (w * _distance(y - means, variance)).sum(axis=0)
    for k in range(len(w)):
        both = (
            w[k]
            * w[: k + 1]
            * _distance(means[k] - means[: k + 1], variance[k] + variance[: k + 1])
        )
        total -= both.sum(axis=0) - 0.5 * both[k]  # every pair stands for two
    return np.asarray(total)


def _integrated(prediction: Mixture, y: FloatArray) -> FloatArray:
    """Integrate (F - step)^2 from either side up to y, so that no node lies across the step.

    Half of the nodes are as dense as the members, so that far ones do not thin them out where the
    others are; half are evenly spaced, for members that are wider than all others.
    """
    w, means, variance = _parts(prediction)
    s = np.maximum(np.sqrt(variance), 1e-12 * prediction.std + 1e-300)
    spots = np.concatenate([means + r * s for r in _SPOTS])
    dense = np.quantile(spots, np.linspace(0, 1, _NODES // 2), axis=0)
    nodes = np.sort(np.vstack([dense, np.linspace(dense[0], dense[-1], _NODES // 2)]), axis=0)
    cdf, own = (
        np.stack([(w * ndtr((t - means) / s)).sum(axis=0) for t in places])
        for places in (nodes, y[None])
    )
    left, below = np.vstack([np.minimum(nodes, y), y[None]]), np.vstack([np.minimum(cdf, own), own])
    right, above = (
        np.vstack([y[None], np.maximum(nodes, y)]),
        np.vstack([own, np.maximum(cdf, own)]),
    )
    parts = trapezoid(below**2, left, axis=0) + trapezoid((1 - above) ** 2, right, axis=0)
    return np.asarray(parts)


def _parts(prediction: Mixture) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Weights (k, m, 1), means and variances (k, m, p)."""
    variance = np.stack([member.variance for member in prediction.members])
    return np.asarray(prediction.weights)[..., None], prediction.means, variance


def _distance(mean: FloatArray, variance: FloatArray) -> FloatArray:
    """Return the expected absolute value of a normal variable."""
    s = np.sqrt(variance)
    z = mean / np.where(s > 0, s, 1.0)
    density = np.exp(-0.5 * z**2) / np.sqrt(2 * np.pi)
    return np.asarray(np.where(s > 0, s * (z * (2 * ndtr(z) - 1) + 2 * density), np.abs(mean)))
