"""Declared noise as a product, run by output, so that one decomposition serves all outputs."""

import numpy as np

from equatorium.checks import FloatArray

FLOOR = 1e-6  # least relative variance of a run: keeps the whitening a^-1/2 below 1000


def factorise(noise: FloatArray) -> tuple[FloatArray, FloatArray, float]:
    """Approximate variances n_ij by a_i b_j, with a of mean one.

    The factors are alternating means of ratios, ``a_i = mean_j n_ij / b_j`` and
    ``b_j = mean_i n_ij / a_i``: the maximum-likelihood product for gamma scatter, which zeros do
    not upset. Exact where noise is constant over runs or over outputs, or is such a product.
    A run of no noise at all gets ``a_i = 1e-6``; its own nugget is then what sets its precision.

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
    noisy, runs = noise.any(axis=0), noise.any(axis=1)
    a, b = np.ones(len(noise)), noise[runs].mean(axis=0)
    for _ in range(100):
        before = a
        a = (noise[:, noisy] / b[noisy]).mean(axis=1)
        a = np.maximum(a / a.mean(), FLOOR)
        b = (noise / a[:, None])[runs].mean(axis=0)
        if np.allclose(a, before, rtol=1e-10, atol=0.0):
            break
    level = a.mean()
    a, b = a / level, b * level
    some = noise > 0
    misfit = np.log(noise[some] / np.outer(a, b)[some])
    return a, b, float(np.sqrt((misfit**2).mean()))
