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
import numpy.typing as npt

from equatorium.checks import FloatArray

LEAST_RUNS = 30  # fewer tell nothing of how inputs err
MOST = 4_000_000  # numbers of an array of all slopes: beyond, fewer runs do
ROUNDS = 40  # of expectation and maximisation
FIRST = 0.03  # standard deviation of an input's error to begin with, in widths of the box
STRENGTHS = (0.1, 1.0, 10.0)  # of the prior that draws S to the correlation, in runs a run
ROUNDING = 1e-13  # of sums that must stay positive definite
PROOF = 2.0  # standard errors by which left-out errors must be likelier


def chosen(n: int, d: int, k: int) -> npt.NDArray[np.intp]:
    """Choose the runs of n, evenly, whose slopes of k components by d inputs fit into memory."""
    most = max(MOST // (d * max(d, k)), LEAST_RUNS)
    return np.linspace(0, n - 1, min(n, most)).round().astype(np.intp)


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
    n, d = slopes.shape[:2]
    nothing = np.zeros((d, d)), correlation
    if n < LEAST_RUNS or not all(np.isfinite(part).all() for part in (errors, slopes, size)):
        return nothing
    half = np.arange(n) % 2 == 0
    first, rest = ((errors[part], slopes[part], size[part]) for part in (half, ~half))
    densities = [log_density(*rest, *most_likely(*first, correlation, by)) for by in STRENGTHS]
    best = int(np.argmax([density.mean() for density in densities]))
    # Also of another S alone, lest errors that are smaller than predicted pass for those of inputs.
    squares = first[0].T @ first[0]
    for S in (correlation, *(_drawn(squares, len(first[0]), correlation, by) for by in STRENGTHS)):
        gain = densities[best] - log_density(*rest, np.zeros((d, d)), S)
        if not gain.mean() > PROOF * gain.std() / np.sqrt(len(gain)):
            return nothing
    return most_likely(errors, slopes, size, correlation, STRENGTHS[best])


def most_likely(
    errors: FloatArray,
    slopes: FloatArray,
    size: FloatArray,
    correlation: FloatArray,
    strength: float,
) -> tuple[FloatArray, FloatArray]:
    """Return the most likely A and S; arguments as of `learned`, and how much S is drawn."""
    n, d, k = slopes.shape
    A, S = FIRST**2 * np.eye(d), correlation
    slopes = slopes * np.sqrt(size)[:, None, None]
    for _ in range(ROUNDS):
        root = roots(A)
        moved, mean, half = _explained(errors, slopes, root, S)
        # Both are sums of squares: what is found given the errors, and how uncertain that is.
        A = root @ (mean.T @ mean + np.einsum("ide,ife->df", half, half)) @ root.T / n
        rest = errors - np.einsum("idk,id->ik", moved, mean)
        unsure = (np.swapaxes(half, 1, 2) @ moved).reshape(-1, k)
        S = _drawn(rest.T @ rest + unsure.T @ unsure, n, correlation, strength)
    return 0.5 * (A + A.T), 0.5 * (S + S.T)


def log_density(
    errors: FloatArray, slopes: FloatArray, size: FloatArray, A: FloatArray, S: FloatArray
) -> FloatArray:
    """Log density (n,) of errors, but for a constant."""
    slopes = slopes * np.sqrt(size)[:, None, None]
    moved, mean, half = _explained(errors, slopes, roots(A), S)
    root = np.linalg.cholesky(S)
    rest = np.linalg.solve(root, (errors - np.einsum("idk,id->ik", moved, mean)).T)
    log_size = np.log(np.diagonal(root)).sum() - np.linalg.slogdet(half)[1]
    return np.asarray(-0.5 * ((rest**2).sum(axis=0) + (mean**2).sum(axis=1)) - log_size)


def roots(A: FloatArray) -> FloatArray:
    """Independent errors of the inputs (d, d), one a column, whose covariance is A."""
    value, vector = np.linalg.eigh(A)
    return np.asarray(vector * np.sqrt(np.maximum(value, 0.0)))


def _drawn(squares: FloatArray, n: int, correlation: FloatArray, strength: float) -> FloatArray:
    """Covariance of n errors from the sum of their squares (k, k), drawn to a correlation."""
    return np.asarray((squares / n + strength * correlation) / (1.0 + strength))


def _explained(
    errors: FloatArray, slopes: FloatArray, root: FloatArray, S: FloatArray
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Explain errors by independent ones of the inputs, of size one; no (k, k) array a run.

    Returns
    -------
    moved : (n, d, k) array
        What these change.
    mean : (n, d) array
        Of them, given the errors.
    half : (n, d, d) array
        A root of their covariance.
    """
    moved = root.T @ slopes
    told = (moved.reshape(-1, len(S)) @ np.linalg.inv(S)).reshape(moved.shape)
    known = told @ np.swapaxes(moved, 1, 2)
    rounding = ROUNDING * np.trace(known, axis1=1, axis2=2)
    known = known + (1.0 + rounding)[:, None, None] * np.eye(len(root))
    half = np.swapaxes(np.linalg.inv(np.linalg.cholesky(known)), 1, 2)
    by_error = np.einsum("idk,ik->id", told, errors)
    mean = np.einsum("ide,ife,if->id", half, half, by_error, optimize=True)
    return moved, mean, half
