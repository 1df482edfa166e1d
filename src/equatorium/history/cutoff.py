r"""Where to cut: the implausibility that noise alone exceeds with a stated probability.

Three sigma for one datum is far too strict a limit for the largest of many: the maximum of 48
independent standard normals exceeds 3 in 12 % of all cases. The cut-off c solves

.. math:: P(|z|_{(n)} > c) = \alpha, \qquad z \sim N(0, C),

with :math:`|z|_{(n)}` the n-th largest of q absolute values and C the correlation of everything
that is uncertain. For q independent data, :math:`P(|z|_{(1)} \le c) = (2\Phi(c) - 1)^q`: c = 3.7
for q = 48 and 1 %.
"""

from typing import Any

import numpy as np
from scipy.special import ndtri

from equatorium.checks import FloatArray, Rng, generator, matrix
from equatorium.errors import InputError, ShapeError
from equatorium.history.implausibility import nth_maximum

__all__ = ["rejection_cutoff"]

_BLOCK = 2_000_000  # numbers drawn at once
_TAIL = 50  # draws that at least must lie beyond the cut-off


def rejection_cutoff(
    correlation: Any,
    rank: int = 1,
    probability: float = 0.01,
    rng: Rng = None,
    draws: int = 200_000,
) -> float:
    """Find the cut-off at which noise alone rejects the truth with the given probability.

    Parameters
    ----------
    correlation : array_like, shape (q, q)
        Of the total covariance; a covariance will do, as it is scaled.
    rank : int
        1 for the maximum over the data, 2 for the second largest, ...
    probability : float
        Of rejecting the truth.
    rng : int, Generator or None
    draws : int
        Of the Monte Carlo: the default knows the cut-off of 1 % to about 0.01. One datum needs
        none.

    Raises
    ------
    InputError
        If the probability or rank is out of range, or the matrix is no covariance.
    """
    C = matrix(correlation, "correlation")
    q = len(C)
    if C.shape != (q, q):
        raise ShapeError(f"correlation must be square, but its shape is {C.shape}.")
    if not 0 < probability < 1:
        raise InputError(f"probability must lie between 0 and 1, but it is {probability!r}.")
    scale = np.sqrt(np.maximum(np.diagonal(C), 0))
    if not (scale > 0).all() or not np.allclose(C, C.T, rtol=1e-8, atol=1e-12 * scale.max() ** 2):
        raise InputError("correlation must be symmetric with a positive diagonal.")
    if q == 1 and rank == 1:
        return float(-ndtri(probability / 2))
    if probability * draws < _TAIL:
        raise InputError(
            f"{draws} draws say nothing about a probability of {probability:g}: give one of "
            f"{_TAIL / draws:g} or more, or draws={_TAIL / probability:.0f}."
        )
    values, vectors = np.linalg.eigh(C / np.outer(scale, scale))
    if values[0] < -1e-8 * q:
        raise InputError(
            f"correlation must be positive semi-definite, but an eigenvalue is {values[0]:.3g}."
        )
    root = np.sqrt(np.maximum(values, 0))[:, None] * vectors.T
    found = _statistics(root, rank, generator(rng), draws)
    return float(np.quantile(found, 1 - probability))


def _statistics(root: FloatArray, rank: int, rng: np.random.Generator, draws: int) -> FloatArray:
    """Draw the n-th largest absolute value of N(0, root^T root), (draws,)."""
    out = np.empty(draws)
    block = max(1, _BLOCK // len(root))
    for start in range(0, draws, block):
        part = out[start : start + block]
        part[:] = nth_maximum(np.abs(rng.standard_normal((len(part), len(root))) @ root), rank)
    return out
