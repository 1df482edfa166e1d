"""What the leave-one-out errors say of size and correlation of the predictions' errors."""

import numpy as np
from scipy.optimize import brentq

from equatorium.checks import FloatArray

LARGEST = 4.0
FOLDS = 5
INTENSITIES = (0.003, 0.01, 0.02, 0.04, 0.08, 0.15, 0.3, 0.5, 0.8, 1.0)


def variance_factor(
    error: FloatArray, variance: FloatArray, declared: FloatArray, least: float = 1.0
) -> float:
    """Factor f on the variance at which ``mean(error^2 / (f variance + declared)) = 1``.

    By default none below one is taken: the kernel was chosen on the same runs, so that their errors
    look a little too small.

    Parameters
    ----------
    error, variance, declared : (n, p) arrays
        Leave-one-out errors, their predicted variance, and the runs' declared noise.
    least : float

    Returns
    -------
    float
        Between `least` and `LARGEST`.
    """

    def excess(log_factor: float) -> float:
        return float(np.mean(error**2 / (np.exp(log_factor) * variance + declared))) - 1.0

    if not excess(np.log(least)) > 0.0:
        return least
    if excess(np.log(LARGEST)) >= 0.0:
        return LARGEST
    return float(np.exp(brentq(excess, np.log(least), np.log(LARGEST))))


def shrunk_correlation(E: FloatArray) -> FloatArray:
    """Estimate the correlation between outputs from their standardised errors.

    A model whose outputs share one kernel would say that its errors are correlated as the outputs
    themselves are; sums of outputs are smoother than their differences, though, and the errors of
    differences are then too small by far. The errors themselves tell. The estimate is shrunk
    towards the identity by the intensity at which five-fold held-out errors are most likely.

    Parameters
    ----------
    E : (n, p) array
        Leave-one-out errors of unit variance, one row a run.

    Returns
    -------
    (p, p) array
        Ones on the diagonal; correlations of exactly one cannot occur.
    """
    E = E / np.maximum(np.sqrt((E**2).mean(axis=0)), 1e-300)
    fold = np.arange(len(E)) % FOLDS
    scores = [
        sum(_log_likelihood(E[fold == k], _shrunk(E[fold != k], s)) for k in range(FOLDS))
        for s in INTENSITIES
    ]
    return _shrunk(E, INTENSITIES[int(np.argmax(scores))])


def _shrunk(E: FloatArray, intensity: float) -> FloatArray:
    C = (1.0 - intensity) * np.clip(E.T @ E / max(len(E), 1), -1.0, 1.0)
    np.fill_diagonal(C, 1.0)
    return C


def _log_likelihood(E: FloatArray, C: FloatArray) -> float:
    try:
        L = np.linalg.cholesky(C)
    except np.linalg.LinAlgError:
        return -np.inf
    white = np.linalg.solve(L, E.T)
    return float(-0.5 * (white**2).sum() - len(E) * np.log(np.diagonal(L)).sum())
