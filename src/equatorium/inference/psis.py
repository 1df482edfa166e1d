r"""Importance weights that say themselves whether they may be used: Pareto smoothing.

The largest of n weights are fitted by a generalised Pareto distribution and replaced by its
quantiles. Its shape k tells how many moments the weights have: beyond

.. math:: k_{max}(n) = \min(1 - 1 / \log_{10} n,\; 0.7)

an average over them does not settle for any n that is practical.

References
----------
Vehtari, Simpson, Gelman, Yao & Gabry 2024, JMLR 25 (72), 1, https://jmlr.org/papers/v25/19-556.html
"""

import numpy as np

from equatorium.checks import FloatArray
from equatorium.errors import InputError

_LEAST = 25  # fewer weights have no tail to fit


def smoothed(log_ratios: FloatArray, efficiency: float = 1.0) -> tuple[FloatArray, FloatArray]:
    """Smooth and normalise importance weights over the last axis.

    Parameters
    ----------
    log_ratios : array, shape (..., n)
        Log of wanted over sampled density at n draws, up to constants.
    efficiency : float
        Effective draws over draws.

    Returns
    -------
    log_weights : array, shape (..., n)
        Whose exponentials sum to one.
    k : array, shape (...)
        Shape of the Pareto tail.

    Raises
    ------
    InputError
        If there are too few draws to fit a tail.
    """
    if log_ratios.shape[-1] < _LEAST:
        raise InputError(
            f"Importance weights need at least {_LEAST} draws, but there are "
            f"{log_ratios.shape[-1]}."
        )
    n = log_ratios.shape[-1]
    rows = log_ratios.reshape(-1, n)
    weights, k = np.full(rows.shape, -np.log(n)), np.full(len(rows), -np.inf)
    uneven = np.ptp(rows, axis=1) > 0  # elsewhere it is the same distribution: no tail to fit
    if uneven.any():
        from arviz_stats.base import array_stats

        # It takes the log-likelihood of what is left out: minus the log of the ratio.
        weights[uneven], k[uneven] = array_stats.psislw(-rows[uneven], r_eff=efficiency)
    return weights.reshape(log_ratios.shape), k.reshape(log_ratios.shape[:-1])


def largest_k(n: int) -> float:
    """Give the Pareto k up to which n weights may be used.

    >>> largest_k(100), largest_k(10_000)
    (0.5, 0.7)
    """
    return float(min(1.0 - 1.0 / np.log10(n), 0.7))
