"""How the outputs' errors go together: one correlation matrix, shrunk to be safe."""

import numpy as np

from equatorium.checks import FloatArray


def shrunk_correlation(E: FloatArray, signal: FloatArray) -> FloatArray:
    """Estimate the correlation between outputs from their whitened residuals.

    If the part ``signal_ij`` of the variance of residual i of output j is the output's own, and
    the rest is noise that is independent between outputs, ``E[e_ij e_ik] = C_jk sqrt(signal_ij
    signal_ik)``; C follows by least squares over i, is shrunk towards the identity by the
    intensity that minimises the expected squared error, and made positive definite.

    Parameters
    ----------
    E : (N, p) array
        Residuals of unit variance, independent over rows.
    signal : (N, p) array
        Between 0 and 1; all ones without declared noise.

    Returns
    -------
    (p, p) array
        Ones on the diagonal; correlations of exactly one cannot occur.

    References
    ----------
    Schaefer & Strimmer 2005, doi:10.2202/1544-6115.1175
    """
    root = np.sqrt(signal)
    weight = np.maximum(signal.T @ signal, 1e-300)
    E = E / np.maximum(np.sqrt((root**2 * E**2).sum(0) / np.maximum(signal.sum(0), 1e-300)), 1e-300)
    F = root * E
    C = np.clip((F.T @ F) / weight, -1.0, 1.0)
    # Variance of each entry, from the scatter of its own terms about signal_ij * C_jk.
    G = F * signal
    scatter = (F**2).T @ F**2 - 2 * C * (G.T @ G) + C**2 * ((signal**2).T @ signal**2)
    np.fill_diagonal(C, 0.0)
    spread = scatter / weight**2
    np.fill_diagonal(spread, 0.0)
    p, total = len(C), (C**2).sum()
    intensity = min(1.0, spread.sum() / total) if total > 0 else 1.0
    C *= 1.0 - intensity
    np.fill_diagonal(C, 1.0)
    values, vectors = np.linalg.eigh(C)
    C = (vectors * np.maximum(values, 1e-6 * p)) @ vectors.T
    size = np.sqrt(np.diagonal(C))
    return np.asarray(C / np.outer(size, size))
