r"""Data of which only an upper or lower limit is known, with errors correlated in any way.

With the measured data d and the limits c the likelihood is
:math:`p(y_d)\, P(\text{limits} \mid y_d)`; given the former, what would have been measured in
place of the latter is Gaussian again. Its probability is a product of normal cdfs if the limits
are independent, given the measured data; else an integral, done by conditioning one limit on those
before it (Geweke, Hajivassiliou & Keane) over a fixed quasi-random sequence of 512 points: exact
for one limit; its logarithm is good to about 1e-3 for ten and 1e-2 for forty that share an error,
but only to some tenths for ten whose covariance is close to singular.

References
----------
Tobin 1958, doi:10.2307/1907382; Genz 1992, doi:10.1080/10618600.1992.10477010
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import log_ndtr, logsumexp, ndtri_exp
from scipy.stats import qmc

from equatorium.checks import FloatArray
from equatorium.records.covariance import Covariance, Diagonal
from equatorium.records.factor import cholesky

_LOG_NODES = 9  # two to this power
_HELD = 2**22  # numbers in one array


def log_probability(residual: FloatArray, limit: Any, total: Covariance) -> FloatArray:
    """Log-likelihood (m,) of data of which some are limits.

    Parameters
    ----------
    residual : array, shape (m, q)
        Data (or limits) minus predictions.
    limit : array of int, shape (q,)
        0 for measured data, -1 for upper and +1 for lower limits.
    total : Covariance
        Of the residuals.
    """
    seen, bound = np.flatnonzero(limit == 0), np.flatnonzero(limit)
    result = np.zeros(len(residual))
    if seen.size:
        r, S = residual[:, seen], total.marginal(seen)
        result -= 0.5 * (S.mahalanobis(r) + S.logdet() + seen.size * np.log(2 * np.pi))
    if not bound.size:
        return result
    inside = -residual[:, bound]  # from the limits to the predictions
    covariance = total.marginal(bound)
    if isinstance(covariance, Diagonal) and isinstance(total, Diagonal):
        side = limit[bound] * inside * np.sqrt(total.precision_diagonal()[..., bound])
        return np.asarray(result + log_ndtr(side).sum(axis=1))
    given = covariance.dense()
    if seen.size:
        across = total.cross(bound, seen)
        weights = S.solve(np.moveaxis(across, -2, 0))  # (c, ..., s)
        inside = inside + (across @ S.solve(r)[..., None])[..., 0]
        given = given - across @ np.moveaxis(weights, 0, -1)
    sign = limit[bound]
    return result + log_orthant(sign * inside, given * np.multiply.outer(sign, sign))


def log_orthant(b: FloatArray, S: FloatArray) -> FloatArray:
    """Log of P(x < b) for x of N(0, S): b (m, c), S (c, c) or (m, c, c) to (m,).

    >>> log_orthant(np.zeros((1, 2)), np.eye(2)).round(4).tolist()  # log(1 / 4)
    [-1.3863]
    """
    S = np.broadcast_to(S, (*b.shape, b.shape[1]))
    found = [separated(b[part], S[part]).log_probability for part in pieces(*b.shape)]
    return np.concatenate(found) if found else np.empty(0)


def pieces(m: int, c: int) -> Iterator[slice]:
    """Split m points with c limits each, so that their nodes fit into memory."""
    size = max(1, _HELD // (c << _LOG_NODES))
    return (slice(start, start + size) for start in range(0, m, size))


@dataclass(frozen=True)
class Separated:
    """The integral over an orthant, one variable after the other.

    Attributes
    ----------
    order : array of int, shape (m, c)
        The tightest limit first: what is drawn given few others then carries most of the
        probability.
    L : array, shape (m, c, c)
        Cholesky factor of the ordered covariance.
    t, y, log_p : array, shape (c, m, n)
        At each of n nodes: the standardised limit of a variable given those before it, what is
        drawn below it, and the log of the probability to be there.
    """

    order: npt.NDArray[np.intp]
    L: FloatArray
    t: FloatArray
    y: FloatArray
    log_p: FloatArray

    @property
    def log_probability(self) -> FloatArray:
        """The log of the integral (m,)."""
        total = self.log_p.sum(axis=0)
        return np.asarray(logsumexp(total, axis=1) - np.log(total.shape[1]))


def separated(b: FloatArray, S: FloatArray) -> Separated:
    """Integrate over x < b, for b (m, c) and S (m, c, c); see `log_orthant`."""
    c = b.shape[1]
    order = np.argsort(b / np.sqrt(np.diagonal(S, axis1=-2, axis2=-1)), axis=1)
    b = np.take_along_axis(b, order, axis=1)
    S = np.take_along_axis(S, order[:, :, None], axis=1)
    L = cholesky(np.take_along_axis(S, order[:, None, :], axis=2))
    log_u = _log_uniform(c)
    t, y, log_p = np.zeros((3, c, len(b), len(log_u)))
    for i in range(c):
        before = np.einsum("mj,jmn->mn", L[:, i, :i], y[:i])
        t[i] = (b[:, i, None] - before) / L[:, i, i, None]
        log_p[i] = log_ndtr(t[i])
        y[i] = ndtri_exp(log_u[:, i] + log_p[i])
    return Separated(order, L, t, y, log_p)


@cache
def _log_uniform(c: int) -> FloatArray:
    """Give logs of a fixed sequence that fills the unit cube evenly, shape (n, c)."""
    if c == 1:
        return np.zeros((1, 1))
    u = qmc.Sobol(c, rng=0).random_base2(_LOG_NODES)
    return np.asarray(np.log(np.maximum(u, 1e-12)))
