"""What the leave-one-out errors say of size and correlation of the predictions' errors."""

import numpy as np
from scipy.optimize import brentq

from equatorium.checks import FloatArray

LARGEST = 4.0


def variance_factor(error: FloatArray, variance: FloatArray, declared: FloatArray) -> float:
    """Factor f >= 1 on the variance at which ``mean(error^2 / (f variance + declared)) = 1``.

    A factor below one is not taken: the kernel was chosen on the same runs, so that their errors
    look a little too small.

    Parameters
    ----------
    error, variance, declared : (n, p) arrays
        Leave-one-out errors, their predicted variance, and the runs' declared noise.

    Returns
    -------
    float
        Between 1 and `LARGEST`.
    """

    def excess(log_factor: float) -> float:
        return float(np.mean(error**2 / (np.exp(log_factor) * variance + declared))) - 1.0

    if not excess(0.0) > 0.0:
        return 1.0
    if excess(np.log(LARGEST)) >= 0.0:
        return LARGEST
    return float(np.exp(brentq(excess, 0.0, np.log(LARGEST))))


def shrunk_correlation(E: FloatArray) -> FloatArray:
    """Estimate the correlation between outputs from their standardised errors.

    A model whose outputs share one kernel would say that its errors are correlated as the outputs
    themselves are; sums of outputs are smoother than their differences, though, and the errors of
    differences are then too small by far. The errors themselves tell. The estimate is shrunk
    towards the identity by the intensity that minimises the expected squared error, and made
    positive definite.

    Parameters
    ----------
    E : (n, p) array
        Leave-one-out errors of unit variance, one row a run.

    Returns
    -------
    (p, p) array
        Ones on the diagonal; correlations of exactly one cannot occur.

    References
    ----------
    Schaefer & Strimmer 2005, doi:10.2202/1544-6115.1175
    """
    n = len(E)
    E = E / np.maximum(np.sqrt((E**2).mean(axis=0)), 1e-300)
    C = np.clip(E.T @ E / n, -1.0, 1.0)
    # Variance of each entry, from the scatter of its own terms about C_jk.
    spread = ((E**2).T @ E**2 / n - C**2) / n
    np.fill_diagonal(C, 0.0)
    np.fill_diagonal(spread, 0.0)
    p, total = len(C), (C**2).sum()
    intensity = min(1.0, spread.sum() / total) if total > 0 else 1.0
    C *= 1.0 - intensity
    np.fill_diagonal(C, 1.0)
    values, vectors = np.linalg.eigh(C)
    C = (vectors * np.maximum(values, 1e-6 * p)) @ vectors.T
    size = np.sqrt(np.diagonal(C))
    return np.asarray(C / np.outer(size, size))
