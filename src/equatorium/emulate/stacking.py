r"""How much each member of a committee is worth: weights by the out-of-fold log score.

The weights maximise the mean log density of values that the members had not seen,

.. math:: \max_w \; \frac1N \sum_i \log \sum_k w_k\, p_k(y_i), \qquad w_k \ge 0,\; \sum_k w_k = 1,

which is concave. Expectation maximisation, :math:`w_k \leftarrow w_k\, g_k` with the gradient
:math:`g_k = \frac1N \sum_i p_k(y_i) / \sum_l w_l\, p_l(y_i)`, climbs to it, and
:math:`\max_k g_k - 1` bounds what is still to be gained.

References
----------
Yao Y., Vehtari A., Simpson D. & Gelman A. 2018, Bayesian Analysis 13, 917, doi:10.1214/17-BA1091
"""

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import logsumexp
from sklearn.base import clone

from equatorium.checks import FloatArray
from equatorium.emulate.grouped import Labels, told
from equatorium.errors import InputError
from equatorium.records.prediction import Mixture, Prediction

_GAIN = 1e-6
_STEPS = 10_000
_LEAST = 0.05
_FLOOR = 1e-6


def stacking_weights(scores: FloatArray) -> FloatArray:
    """Weights that maximise the mean log density of the mixture.

    Parameters
    ----------
    scores : ndarray, shape (k, N)
        Log densities that k members give to N values.

    Returns
    -------
    ndarray, shape (k,)
        Within 1e-6 of the best mean log density, or, where members that are nearly alike make the
        climb slow, within log(k) / 10 000; the same for members that are the same.

    Examples
    --------
    >>> stacking_weights(np.log([[0.5, 0.5], [0.5, 0.5]])).tolist()
    [0.5, 0.5]
    """
    density = np.exp(scores - scores.max(axis=0))
    weights = np.full(len(density), 1 / len(density))
    for _ in range(_STEPS):
        gradient = (density / (weights @ density)).mean(axis=1)
        if gradient.max() < 1 + _GAIN:
            break
        weights = weights * gradient
    return np.asarray(weights / weights.sum())


def pruned_weights(scores: FloatArray) -> FloatArray:
    """Weights without small ones: members below 0.05 get zero, and the rest are weighed anew.

    Of more than ten members those below half of an equal share get zero.
    """
    kept: npt.NDArray[np.intp] = np.arange(len(scores))
    while True:
        weights = stacking_weights(scores[kept])
        worth = weights >= min(_LEAST, 0.5 / len(kept))
        if worth.all():
            break
        kept = kept[worth]
    full = np.zeros(len(scores))
    full[kept] = weights
    return full


def held_out_scores(
    emulator: Any,
    X: FloatArray,
    Y: FloatArray,
    noise: FloatArray | None,
    fold: npt.NDArray[np.intp],
    groups: Labels = None,
) -> FloatArray:
    """Log density of every value, predicted by a clone that has not seen its fold.

    Parameters
    ----------
    emulator : Emulator
    X, Y : ndarray, shape (n, d) and (n, p)
    noise : ndarray, shape (n, p), optional
        Declared variance: the clones learn with it, and it is added where values are scored.
    fold : ndarray of int, shape (n,)
    groups : ndarray, shape (n,), optional
        Those of a fold lie in it as a whole; the clones are told where they ask.

    Returns
    -------
    ndarray, shape (n, p)
    """
    # A standard deviation of zero would make a score infinite: a millionth of the spread is sure.
    spread = Y.std(axis=0)
    floor = (_FLOOR * np.where(spread > 0, spread, np.maximum(1.0, np.abs(Y[0])))) ** 2
    scores = np.empty_like(Y)
    for k in np.unique(fold):
        held = fold == k
        learn, added = (None, 0.0) if noise is None else (noise[~held], noise[held])
        more = {} if groups is None else told(emulator, groups[~held])
        fitted = clone(emulator).fit(X[~held], Y[~held], noise=learn, **more)
        mixture = as_mixture(fitted.predict_dist(X[held]))
        with np.errstate(over="ignore"):
            scores[held] = _log_densities(mixture, Y[held], added + floor)
    if not np.isfinite(scores).all():
        raise InputError("it is so far off on unseen runs that no double holds the log density.")
    return scores


def as_mixture(prediction: Prediction) -> Mixture:
    """Write a prediction as a mixture of Gaussians: itself, or its Gaussian alone."""
    if isinstance(prediction, Mixture):
        return prediction
    gaussian = prediction.gaussian()
    return Mixture(np.ones(1), gaussian.mean[None], [gaussian.covariance])


def _log_densities(mixture: Mixture, y: FloatArray, added: Any) -> FloatArray:
    """Log densities of single outputs at y (m, p), with variance added, shape (m, p)."""
    variance = np.stack([member.variance for member in mixture.members]) + added
    single = -0.5 * ((y - mixture.means) ** 2 / variance + np.log(2 * np.pi * variance))
    return np.asarray(logsumexp(single, axis=0, b=mixture.weights[..., None]))
