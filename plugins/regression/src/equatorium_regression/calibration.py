r"""Probabilities that mean what they say: densities corrected by what rows left out teach.

.. math:: p_k = (1 - \epsilon)\, \frac{e^{b_k} l_k^T}{\sum_j e^{b_j} l_j^T} + \epsilon f_k

with l_k the densities of the classes and f_k their shares. A temperature T below one makes a
classifier less sure, as one must be that takes related inputs for independent ones; b takes the
place of the logarithms of the shares; the doubt epsilon is the share of rows that belong to no
density, so that no odd row decides about T.

References
----------
Guo C., Pleiss G., Sun Y. & Weinberger K. Q. 2017, On calibration of modern neural networks,
arXiv:1706.04599
"""

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit, logit, logsumexp

from equatorium import errors

PRIORS = ("data", "equal")


def log_prior(prior, counts):
    """Return the log probability of each class before anything is seen, (c,).

    >>> np.exp(log_prior("data", np.array([1, 3]))).tolist()
    [0.25, 0.75]

    Raises
    ------
    InputError
        If the prior is neither ``"data"``, ``"equal"`` nor a positive number for each class.
    """
    c = len(counts)
    if isinstance(prior, str) and prior in PRIORS:
        share = counts if prior == "data" else np.ones(c)
    else:
        try:
            share = np.asarray(prior, dtype=np.float64)
        except (TypeError, ValueError):
            share = np.zeros(0)
        if share.shape != (c,) or not np.isfinite(share).all() or (share <= 0).any():
            raise errors.InputError(
                f"prior must be 'data', 'equal' or {c} positive numbers, one for each class, but "
                f"it is {prior!r:.80}."
            )
    return np.log(share / share.sum())


def calibrated(log_density, temperature, bias, doubt, share):
    """Return probabilities (m, c) of classes from their log densities (m, c).

    >>> calibrated(np.zeros((1, 2)), 1.0, np.log([0.5, 0.5]), 0.0, np.array([0.5, 0.5])).tolist()
    [[0.5, 0.5]]
    """
    score = bias + temperature * log_density
    chance = np.exp(score - logsumexp(score, axis=1, keepdims=True))
    return (1.0 - doubt) * chance + doubt * share


def calibration(log_density, codes, share):
    """Return the temperature, bias (c,) and doubt with which rows left out score best.

    Parameters
    ----------
    log_density : ndarray, shape (n, c)
        Of rows that were left out.
    codes : ndarray of int, shape (n,)
        Their classes.
    share : ndarray, shape (c,)
        The classes' shares.
    """
    rows = np.arange(len(codes))

    def unpack(v):
        return np.exp(v[0]), np.log(share) + np.append(v[2:], 0.0), expit(v[1])

    def loss(v):
        chance = calibrated(log_density, *unpack(v), share)[rows, codes]
        # A weak prior keeps classes of a few rows where they are.
        return float(-np.log(chance).sum() + 0.5 * (v[0] ** 2 + np.square(v[2:]).sum()))

    start = np.append([0.0, logit(0.01)], np.zeros(len(share) - 1))
    limits = [(-5.0, 2.0), (-14.0, -0.01)] + [(-10.0, 10.0)] * (len(share) - 1)
    temperature, bias, doubt = unpack(minimize(loss, start, bounds=limits).x)
    return float(temperature), bias, float(doubt)


def folds(codes, k=5):
    """Return the fold (n,) of every row, such that classes are spread over the folds.

    >>> np.bincount(folds(np.array([0, 0, 1, 1]), 2)).tolist()
    [2, 2]
    """
    fold = np.empty(len(codes), dtype=np.int64)
    rng = np.random.default_rng(0)
    for code in np.unique(codes):
        members = np.flatnonzero(codes == code)
        fold[rng.permutation(members)] = np.arange(len(members)) % k
    return fold
