"""The restricted marginal likelihood of every output, its scale and noise profiled out.

In the coordinates of :mod:`~equatorium_gp.spectral` the contrasts ``z_ij`` of output j are
independent, ``z_ij ~ N(0, s_j^2 (Lambda_i + lam_j))``, so that

    log L_j = -1/2 sum_i [log 2 pi + log s_j^2 + log(Lambda_i + lam_j)
                          + z_ij^2 / (s_j^2 (Lambda_i + lam_j))].

What is left per output is one unknown, ``t = log lam_j``, found for all outputs at once:
with a *learned* nugget ``s_j^2`` follows in closed form; with *declared* noise of level ``b_j``
``s_j^2 = b_j / lam_j``. The kernel's parameters then see a likelihood maximised over both,
whose gradient is the partial one (envelope theorem).
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from equatorium.checks import FloatArray
from equatorium_gp.spectral import Spectrum, log_likelihood, tensor

LEAST_NUGGET = 1e-9  # of lam: what a noise-free simulator's nugget may fall to
DECADES = 13  # that the search for lam_j covers: 1e-9 to 1e4, or s_j^2 from 1e4 down to 1e-9
TINY = 1e-16  # least signal variance of an output scaled to unit variance: a sd of 1e-8


@dataclass(frozen=True)
class Profile:
    """The best scale and noise ratio of every output, for one kernel.

    Attributes
    ----------
    ratio, scale : (p,) arrays
        ``lam_j`` and ``s_j^2``.
    log_likelihood : (p,) array
        The maximised ``log L_j``.
    """

    ratio: FloatArray
    scale: FloatArray
    log_likelihood: FloatArray


def profile(values: FloatArray, Z: FloatArray, noise: FloatArray | None) -> Profile:
    """Maximise ``log L_j`` over scale and noise ratio, for all outputs together.

    Parameters
    ----------
    values : (N,) array
        ``Lambda``.
    Z : (N, p) array
        The contrasts of outputs.
    noise : (p,) array or None
        Declared noise levels ``b_j``; where 0, an output has no noise but what ``Lambda`` holds.
        None: a nugget is learned for each output.
    """
    Z2 = Z**2
    N, p = Z2.shape
    free = np.ones(p, dtype=bool) if noise is None else noise <= 0
    level = np.ones(p) if noise is None else np.where(free, 1.0, noise)
    lowest = np.where(free, LEAST_NUGGET, level * 1e-4)

    def evaluate(t: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        ratio = np.exp(t)
        weight = 1.0 / (values[:, None] + ratio)
        Q = np.maximum((Z2 * weight).sum(axis=0), N * TINY)
        slope = (Z2 * weight**2).sum(axis=0)
        half = 0.5 * ratio * weight.sum(axis=0)
        learned = 0.5 * N * ratio * slope / Q - half
        declared = 0.5 * N - half - 0.5 * ratio / level * (Q - ratio * slope)
        return np.where(free, learned, declared), Q, weight

    def height(t: FloatArray) -> FloatArray:
        _, Q, weight = evaluate(t)
        learned = -0.5 * N * np.log(Q)
        declared = 0.5 * N * t - 0.5 * np.exp(t) / level * Q
        return np.asarray(np.where(free, learned, declared) + 0.5 * np.log(weight).sum(axis=0))

    step = np.log(10.0)
    grid = np.log(lowest) + step * np.arange(DECADES + 1)[:, None]
    best = grid[np.argmax([height(t) for t in grid], axis=0), np.arange(p)]
    low = np.maximum(best - step, grid[0])
    high = np.minimum(best + step, grid[-1])
    for _ in range(30):  # bisection of the derivative within the best decade: 1e-8 in log lam
        middle = 0.5 * (low + high)
        rising = evaluate(middle)[0] > 0
        low, high = np.where(rising, middle, low), np.where(rising, high, middle)
    ratio = np.exp(0.5 * (low + high))
    if noise is not None:
        ratio[free] = 0.0
    Q = (Z2 / (values[:, None] + np.maximum(ratio, 1e-300))).sum(axis=0)
    scale = np.maximum(np.where(free, Q / N, level / np.maximum(ratio, 1e-300)), TINY)
    return Profile(ratio, scale, log_likelihood(values, Z, np.maximum(ratio, 1e-300), scale))


def kernel_gradient(spectrum: Spectrum, Z: FloatArray, found: Profile) -> Any:
    """Gradient of ``sum_j log L_j`` with respect to the kernel matrix R, an (n, n) tensor.

    ``dL/dR = 1/2 V [sum_j (alpha_j alpha_j' / s_j^2) - diag(sum_j (Lambda + lam_j)^-1)] V'`` with
    ``alpha_j = (Lambda + lam_j)^-1 z_j``: two matrix products for any number of outputs.
    """
    V = spectrum.vectors
    weight = 1.0 / (spectrum.values[:, None] + found.ratio)
    alpha = V @ tensor(Z * weight / np.sqrt(found.scale), V.device)
    trace = tensor(weight.sum(axis=1), V.device)
    return 0.5 * (alpha @ alpha.T - (V * trace) @ V.T)
