r"""Probabilities that mean what they say: a temperature, found on rows that were left out.

.. math:: p_k \propto \pi_k^{1 - T} \left(\pi_k\, l_k\right)^{T}

with l_k the classes' likelihoods. Below one, T makes a classifier less sure, as one must be that
takes related inputs for independent ones; T = 0 would leave the classes' shares alone.

References
----------
Guo C., Pleiss G., Sun Y. & Weinberger K. Q. 2017, On calibration of modern neural networks,
arXiv:1706.04599
"""

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import logsumexp

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


def tempered(log_likelihood, log_prior, temperature):
    """Return probabilities (m, c) from log-likelihoods (m, c)."""
    score = log_prior + temperature * log_likelihood
    return np.exp(score - logsumexp(score, axis=1, keepdims=True))


def temperature(log_likelihood, codes, counts):
    """Return the T with which rows that were left out score best, from 0.01 to 10.

    Parameters
    ----------
    log_likelihood : ndarray, shape (n, c)
        Of rows that were left out.
    codes : ndarray of int, shape (n,)
        Their classes.
    counts : ndarray, shape (c,)
    """
    if len(counts) < 2:
        return 1.0
    prior, rows = log_prior("data", counts), np.arange(len(codes))

    def loss(log_t):
        score = prior + np.exp(log_t) * log_likelihood
        return float((logsumexp(score, axis=1) - score[rows, codes]).mean())

    found = minimize_scalar(loss, bounds=np.log([0.01, 10.0]), method="bounded")
    return float(np.exp(found.x))


def folds(codes, k=5):
    """Return the fold (n,) of every row, such that classes are spread over the folds.

    >>> folds(np.array([0, 0, 1, 1]), 2).tolist()
    [0, 1, 0, 1]
    """
    fold = np.empty(len(codes), dtype=np.int64)
    for code in np.unique(codes):
        members = np.flatnonzero(codes == code)
        order = np.random.default_rng(0).permutation(len(members)) if len(members) > k else members
        fold[members[order] if len(members) > k else order] = np.arange(len(members)) % k
    return fold
