r"""Errors that act like errors of the inputs: they move all outputs together, along their slopes.

Where an emulator errs on how far along a steep direction the simulator is, the errors of all
outputs are, in the first order, those of another input. With J(x) the slopes of what is predicted,
and S the covariance of what else errs, both in units of the predicted errors,

.. math:: e(x) \sim \mathrm{N}(0,\; S + w(x)\, J(x)^T A\, J(x)),

A is the covariance of such errors of the inputs, and w(x) how large they are at x. Errors that
parameters can imitate matter most where these are inferred, and a correlation that is the same
everywhere cannot know them, for the slopes turn. A and S are those at which the errors of left-out
runs are most likely, by expectation maximisation, with S drawn to the errors' correlation.

References
----------
- McHutchon A. & Rasmussen C. 2011, NeurIPS 24, 1341
- Dempster, Laird & Rubin 1977, J. R. Stat. Soc. B 39, 1, doi:10.1111/j.2517-6161.1977.tb01600.x
"""

import numpy as np

from equatorium.checks import FloatArray

ROUNDS = 40  # of expectation and maximisation
FIRST = 0.03  # standard deviation of an input's error to begin with, in widths of the box
STRENGTHS = (0.1, 1.0, 10.0)  # of the prior that draws S to the correlation, in runs a run
PROOF = 2.0  # standard errors by which left-out errors must be likelier


def learned(
    errors: FloatArray, slopes: FloatArray, size: FloatArray, correlation: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Learn how inputs err, or that it is not to be seen: from one half of the runs on the other.

    Parameters
    ----------
    errors : (n, k) array
        Of k components, standardised.
    slopes : (n, d, k) array
        Of the components by the inputs, in the same units.
    size : (n,) array
        w.
    correlation : (k, k) array
        Of the errors, which S is drawn to.

    Returns
    -------
    A : (d, d) array
        Zeros if it is not to be seen.
    S : (k, k) array
    """
    half, none = np.arange(len(errors)) % 2 == 0, np.zeros((slopes.shape[1],) * 2)
    one, other = ([part[rows] for part in (errors, slopes, size)] for rows in (half, ~half))
    before = log_density(*other, none, correlation)
    found = [most_likely(*one, correlation, strength) for strength in STRENGTHS]
    gains = [log_density(*other, *each) - before for each in found]
    best = int(np.argmax([gain.mean() for gain in gains]))
    if not gains[best].mean() > PROOF * gains[best].std() / np.sqrt(len(before)):
        return none, correlation
    return most_likely(errors, slopes, size, correlation, STRENGTHS[best])


def most_likely(
    errors: FloatArray,
    slopes: FloatArray,
    size: FloatArray,
    correlation: FloatArray,
    strength: float,
) -> tuple[FloatArray, FloatArray]:
    """Return the most likely A and S; arguments as of `learned`, and how much S is drawn."""
    n, d = slopes.shape[:2]
    A, S = FIRST**2 * np.eye(d), correlation.copy()
    slopes = slopes * np.sqrt(size)[:, None, None]
    for _ in range(ROUNDS):
        precision = np.linalg.inv(_total(slopes, A, S))
        white = np.einsum("ipq,iq->ip", precision, errors)
        # Given the errors, each part has this mean, and its covariance less what they tell of it.
        of_inputs, of_rest = np.einsum("idp,ip->id", slopes, white) @ A, white @ S
        seen = np.einsum("idp,iep->de", slopes @ precision, slopes, optimize=True)
        A = (of_inputs.T @ of_inputs + n * A - A @ seen @ A) / n
        left = n * S - S @ precision.sum(axis=0) @ S
        S = ((of_rest.T @ of_rest + left) / n + strength * correlation) / (1.0 + strength)
    return 0.5 * (A + A.T), 0.5 * (S + S.T)


def log_density(
    errors: FloatArray, slopes: FloatArray, size: FloatArray, A: FloatArray, S: FloatArray
) -> FloatArray:
    """Log density (n,) of errors, but for a constant."""
    root = np.linalg.cholesky(_total(slopes * np.sqrt(size)[:, None, None], A, S))
    white = np.linalg.solve(root, errors[:, :, None])[:, :, 0]
    log_size = np.log(np.diagonal(root, axis1=1, axis2=2)).sum(axis=1)
    return np.asarray(-0.5 * (white**2).sum(axis=1) - log_size)


def _total(slopes: FloatArray, A: FloatArray, S: FloatArray) -> FloatArray:
    """Covariances (n, k, k) of errors."""
    return np.asarray(S + np.swapaxes(slopes, 1, 2) @ (A @ slopes))
