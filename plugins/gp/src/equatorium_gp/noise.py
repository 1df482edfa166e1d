"""Declared noise as a product, run by output, so that one decomposition serves all outputs."""

import numpy as np

from equatorium.checks import FloatArray

FLOOR = 1e-6  # least relative variance of a run: keeps the whitening a^-1/2 below 1000


def factorise(noise: FloatArray) -> tuple[FloatArray, FloatArray, float]:
    """Approximate variances n_ij by a_i b_j, with a of mean one.

    By least squares in the logarithm, over the entries that are positive: exact where noise is
    constant over runs or over outputs, or is such a product. An output of no noise at all has
    ``b_j = 0``; a run of none gets ``a_i = 1e-6``, so that the nugget sets its precision; single
    zeros among other values are treated as missing.

    Parameters
    ----------
    noise : (n, p) array
        Not all zero.

    Returns
    -------
    a : (n,) array
    b : (p,) array
    misfit : float
        Root mean square of ``log(n_ij / (a_i b_j))`` where n_ij is positive; 0.1 says that
        variances are off by 10 % here and there.

    Examples
    --------
    >>> a, b, misfit = factorise(np.outer([0.5, 1.0, 1.5], [2.0, 4.0]))
    >>> a.round(6).tolist(), b.round(6).tolist(), round(misfit, 6)
    ([0.5, 1.0, 1.5], [2.0, 4.0], 0.0)
    """
    some = noise > 0
    log = np.log(np.where(some, noise, 1.0))
    count_a, count_b = some.sum(axis=1), some.sum(axis=0)
    log_a, log_b = np.zeros(len(noise)), np.zeros(noise.shape[1])
    for _ in range(100):  # alternating means; one round where every entry is positive
        before = log_b
        log_b = np.where(some, log - log_a[:, None], 0.0).sum(axis=0) / np.maximum(count_b, 1)
        log_a = np.where(some, log - log_b, 0.0).sum(axis=1) / np.maximum(count_a, 1)
        if np.allclose(log_b, before, rtol=0.0, atol=1e-10):
            break
    misfit = (log - log_a[:, None] - log_b)[some]
    # The floor is relative to the median: one run of huge noise must not give the others some.
    a = np.exp(log_a - np.median(log_a[count_a > 0]))
    a = np.maximum(np.where(count_a > 0, a, 0.0), FLOOR)
    level = (log_a - np.log(a))[count_a > 0].max() + np.log(a.mean())
    b = np.where(count_b > 0, np.exp(log_b + level), 0.0)
    return a / a.mean(), b, float(np.sqrt((misfit**2).mean()))
