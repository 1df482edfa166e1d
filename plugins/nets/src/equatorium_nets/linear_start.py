r"""Probabilistic principal components of rows with errors and gaps: where the autoencoder starts.

.. math:: x_{ij} = \mu_j + \sum_a z_{ia} W_{aj} + \epsilon_{ij}, \qquad
          z_i \sim N(0, I), \quad \epsilon_{ij} \sim N(0, s^2 + V_{ij}),

with labels, if there are any, as further coordinates that are known.
"""

from dataclasses import dataclass

import numpy as np

from equatorium.checks import FloatArray

_ROUNDS = 60
_GAIN = 1e-3  # of the log-likelihood of a row, below which the rounds end


@dataclass(frozen=True)
class LinearStart:
    """A linear map from coordinates to rows.

    Attributes
    ----------
    axes : ndarray, shape (k + c, p)
        W, and below it what a unit of each label adds.
    mean : ndarray, shape (p,)
    scatter : float
        s.
    """

    axes: FloatArray
    mean: FloatArray
    scatter: float


def linear_start(X: FloatArray, V: FloatArray, C: FloatArray, k: int, least: float) -> LinearStart:
    """Find the likeliest linear map.

    Parameters
    ----------
    X : ndarray, shape (n, p)
    V : ndarray, shape (n, p)
        Variance of the error of every value, infinite where it was not observed.
    C : ndarray, shape (n, c)
        Labels.
    k : int
        Coordinates; those that the rows do not need are zero.
    least : float
        The smallest scatter allowed.

    Returns
    -------
    LinearStart

    References
    ----------
    Tipping M. E. & Bishop C. M. 1999, JRSS B 61, 611, doi:10.1111/1467-9868.00196
    """
    seen = np.isfinite(V)
    known = np.column_stack([C, np.ones(len(X))])
    count = np.maximum(seen.sum(axis=0), 1)
    mean = np.where(seen, X, 0.0).sum(axis=0) / count
    now = _complete(np.where(seen, X, mean), known, k, least)
    if not V.any():
        return now
    cost = np.inf
    for _ in range(_ROUNDS):
        now, last = _round(now, X, V, C, k, least)
        if cost - last < _GAIN:
            break
        cost = last
    return now


def _complete(X: FloatArray, known: FloatArray, k: int, least: float) -> LinearStart:
    """Give the closed form for rows without errors and gaps."""
    n, p = X.shape
    of_known = np.linalg.lstsq(known, X, rcond=None)[0]
    R = X - known @ of_known
    _, size, axes = np.linalg.svd(R, full_matrices=False)
    variance = size**2 / n
    left = variance[k:].sum() / (p - k) if p > k else 0.0
    left = max(left, least**2)
    W = np.zeros((k, p))
    rank = min(k, len(size))
    W[:rank] = np.sqrt(np.maximum(variance[:rank] - left, 0.0))[:, None] * axes[:rank]
    return LinearStart(np.vstack([W, of_known[:-1]]), of_known[-1], float(np.sqrt(left)))


def _round(
    now: LinearStart, X: FloatArray, V: FloatArray, C: FloatArray, k: int, least: float
) -> tuple[LinearStart, float]:
    """Go through expectation and maximisation once; return the cost per row before it, too."""
    n, c = C.shape
    W, B = now.axes[:k], now.axes[k:]
    weight = 1.0 / (now.scatter**2 + V)
    R = X - now.mean - C @ B
    A = np.eye(k) + np.einsum("np,ap,bp->nab", weight, W, W, optimize=True)
    S = np.linalg.inv(A)
    Z = np.einsum("nab,nb->na", S, (weight * R) @ W.T)
    left = R - Z @ W
    inside = np.einsum("nab,ap,bp->np", S, W, W, optimize=True)  # variance of z W
    logs = np.log(weight, where=weight > 0, out=np.zeros_like(weight))
    cost = (weight * left**2).sum() + (Z**2).sum() - logs.sum() + np.linalg.slogdet(A)[1].sum()
    # Rows regress on (z, labels, 1); of z, the second moment is that of its posterior.
    F = np.column_stack([Z, C, np.ones(n)])
    moments = F[:, :, None] * F[:, None, :]
    moments[:, :k, :k] += S
    normal = np.tensordot(weight, moments, axes=(0, 0))
    size = np.trace(normal, axis1=1, axis2=2) / (k + c + 1)
    normal += (1e-10 * size + 1e-140)[:, None, None] * np.eye(k + c + 1)
    right = (weight * X).T @ F
    found = np.linalg.solve(normal, right[..., None])[..., 0].T
    scatter2 = now.scatter**2 * (weight**2 * (left**2 + inside)).sum() / max(weight.sum(), 1e-140)
    scatter = float(np.sqrt(max(scatter2, least**2)))
    return LinearStart(_widened(found[:-1], Z, S), found[-1], scatter), float(cost) / n


def _widened(axes: FloatArray, Z: FloatArray, S: FloatArray) -> FloatArray:
    """Let the axes take over the moments that coordinates have: the rounds are far fewer then.

    Liu C., Rubin D. B. & Wu Y. N. 1998, Biometrika 85, 755, doi:10.1093/biomet/85.4.755
    """
    k = Z.shape[1]
    second = (Z.T @ Z) / len(Z) + S.mean(axis=0)
    root = np.linalg.cholesky(second + 1e-14 * np.trace(second) * np.eye(k))
    return np.vstack([root.T @ axes[:k], axes[k:]])
