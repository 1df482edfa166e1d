r"""The slope of the likelihood of data of which some are limits, by residuals and covariance.

It is that of the very number that `equatorium.inference.censoring` gives, quasi-random integral
included, followed backwards through each of its steps: the integral, the Cholesky factor, the
conditioning on measured data.

References
----------
Murray 2016, doi:10.48550/arXiv.1602.07527 (through the Cholesky factor)
"""

from typing import Any

import numpy as np
from scipy.special import log_ndtr, softmax

from equatorium.checks import FloatArray
from equatorium.inference.censoring import Separated, pieces, separated
from equatorium.records.covariance import Covariance, Diagonal
from equatorium.records.factor import cholesky, solve_lower

Slopes = tuple[FloatArray, FloatArray, FloatArray]

_LOG_ROOT = 0.5 * np.log(2 * np.pi)


def log_probability_and_slopes(residual: FloatArray, limit: Any, total: Covariance) -> Slopes:
    """Log-likelihood (m,), and its slopes by residual (m, q) and by covariance (m, q, q).

    Parameters
    ----------
    residual : array, shape (m, q)
        Data (or limits) minus predictions.
    limit : array of int, shape (q,)
        0 for measured data, -1 for upper and +1 for lower limits.
    total : Covariance
        Of the residuals.
    """
    m, q = residual.shape
    if isinstance(total, Diagonal):
        return _independent(residual, limit, 1.0 / total.precision_diagonal())
    seen, bound = np.flatnonzero(limit == 0), np.flatnonzero(limit)
    S = np.broadcast_to(total.dense(), (m, q, q))
    r, inside, sign = residual[:, seen], -residual[:, bound], limit[bound]
    # Of the limits given what is measured: mean u, covariance G.
    factor = cholesky(S[:, seen[:, None], seen])
    root = solve_lower(factor, np.broadcast_to(np.eye(seen.size), factor.shape))
    precision = np.swapaxes(root, 1, 2) @ root
    a = np.einsum("mij,mj->mi", precision, r)
    across = S[:, bound[:, None], seen]
    K = across @ precision
    u = inside + np.einsum("mij,mj->mi", K, r)
    G = S[:, bound[:, None], bound] - K @ np.swapaxes(across, 1, 2)
    both = np.multiply.outer(sign, sign)
    u, G = sign * u, G * both
    parts = [_orthant(u[part], G[part]) for part in pieces(*u.shape)]
    value, by_u, by_G = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
    by_u, by_G = sign * by_u, both * by_G
    pivots = np.log(np.diagonal(factor, axis1=1, axis2=2)).sum(axis=1)
    value = value - 0.5 * ((a * r).sum(axis=1) + seen.size * np.log(2 * np.pi)) - pivots
    by_r, by_S = np.zeros((m, q)), np.zeros((m, q, q))
    pulled = np.einsum("mij,mi->mj", K, by_u)
    by_r[:, seen], by_r[:, bound] = pulled - a, -by_u
    by_S[:, bound[:, None], bound] = by_G
    mixed = 0.5 * by_u[:, :, None] * a[:, None, :] - by_G @ K
    by_S[:, bound[:, None], seen] = mixed
    by_S[:, seen[:, None], bound] = np.swapaxes(mixed, 1, 2)
    moved = 0.5 * (pulled[:, :, None] * a[:, None, :])
    by_S[:, seen[:, None], seen] = (
        0.5 * (a[:, :, None] * a[:, None, :] - precision)
        + np.swapaxes(K, 1, 2) @ by_G @ K
        - moved
        - np.swapaxes(moved, 1, 2)
    )
    return value, by_r, by_S


def _independent(residual: FloatArray, limit: Any, variance: FloatArray) -> Slopes:
    """Products over data: a density each, or a probability."""
    std = np.sqrt(variance)
    z = residual / std
    side = -limit * z
    log_p = log_ndtr(side)
    density = -0.5 * np.square(z) - _LOG_ROOT
    by_z = np.where(limit == 0, -z, -limit * np.exp(density - log_p))
    each = np.where(limit == 0, density - np.log(std), log_p)
    by_variance = -0.5 * (by_z * z + (limit == 0)) / variance
    return each.sum(axis=1), by_z / std, by_variance[:, :, None] * np.eye(residual.shape[1])


def _orthant(b: FloatArray, S: FloatArray) -> Slopes:
    """Log of P(x < b), x of N(0, S), and its slopes by b (m, c) and by S (m, c, c)."""
    steps = separated(b, S)
    by_b, by_L = _backwards(steps)
    L = steps.L
    P = np.tril(np.swapaxes(L, 1, 2) @ by_L)
    P -= 0.5 * np.eye(L.shape[1]) * P
    left = solve_lower(L, P, transposed=True)
    by_S = np.swapaxes(solve_lower(L, np.swapaxes(left, 1, 2), transposed=True), 1, 2)
    by_S = 0.5 * (by_S + np.swapaxes(by_S, 1, 2))
    back = np.argsort(steps.order, axis=1)
    by_b = np.take_along_axis(by_b, back, axis=1)
    by_S = np.take_along_axis(by_S, back[:, :, None], axis=1)
    return steps.log_probability, by_b, np.take_along_axis(by_S, back[:, None, :], axis=2)


def _backwards(steps: Separated) -> tuple[FloatArray, FloatArray]:
    """Slopes by ordered limits (m, c) and factor (m, c, c), from the last variable to the first."""
    L, t, y, log_p = steps.L, steps.t, steps.y, steps.log_p
    c, m, _ = t.shape
    weight = softmax(log_p.sum(axis=0), axis=1)
    by_b, by_L, by_y = np.zeros((m, c)), np.zeros((m, c, c)), np.zeros_like(y)
    for i in reversed(range(c)):
        by_log_p = weight
        if i + 1 < c:  # the last y bounds nothing, and is infinite where there is just one
            # y = Phi^-1(exp(log u + log p)): dy / d log p is Phi / phi there.
            slope = np.exp(log_ndtr(y[i]) + 0.5 * np.square(y[i]) + _LOG_ROOT)
            by_log_p = weight + by_y[i] * slope
        by_t = by_log_p * np.exp(-0.5 * np.square(t[i]) - _LOG_ROOT - log_p[i])
        by_t /= L[:, i, i, None]
        by_b[:, i] = by_t.sum(axis=1)
        by_L[:, i, i] = -(by_t * t[i]).sum(axis=1)
        by_L[:, i, :i] = -np.einsum("mn,jmn->mj", by_t, y[:i])
        by_y[:i] -= np.einsum("mj,mn->jmn", L[:, i, :i], by_t)
    return by_b, by_L
