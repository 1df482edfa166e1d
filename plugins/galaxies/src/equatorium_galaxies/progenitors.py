"""One step back in time of a merger tree: what a halo was made of a moment earlier.

The conditional mass function of Parkinson, Cole & Helly (2008) as a compound Poisson process: the
number of resolved fragments in a step is a Poisson number with the mean that their algorithm gives
to a single one. The rate is the same, and all halos share one step, so that it is vectorised.

References
----------
Parkinson, Cole & Helly 2008, MNRAS 383, 557, doi:10.1111/j.1365-2966.2007.12517.x (PCH08).
"""

from functools import cache

import numpy as np

from equatorium_galaxies.arrays import FloatArray, IndexArray
from equatorium_galaxies.massfunction import MassVariance

__all__ = ["smooth_accretion_integral", "step_back"]

G0, GAMMA1, GAMMA2 = 0.57, 0.38, -0.01
_LARGEST_LOSS = 0.75  # of a halo's mass in one step: beyond it the step is too long for the halo


@cache
def _integral_table() -> tuple[FloatArray, FloatArray]:
    """J(u) at equally spaced ln(u), by Simpson's rule in ln(u) above an analytic start."""
    log_u = np.linspace(np.log(1e-6), np.log(1e4), 4001)
    middle = 0.5 * (log_u[1:] + log_u[:-1])

    def integrand(x: FloatArray) -> FloatArray:
        return np.asarray(np.exp(x) * (1.0 + np.exp(-2.0 * x)) ** (GAMMA1 / 2.0))

    piece = integrand(log_u[:-1]) + 4.0 * integrand(middle) + integrand(log_u[1:])
    start = np.exp(log_u[0] * (1.0 - GAMMA1)) / (1.0 - GAMMA1)
    step = log_u[1] - log_u[0]
    return log_u, start + np.concatenate([[0.0], np.cumsum(piece) * step / 6.0])


def smooth_accretion_integral(u: FloatArray) -> FloatArray:
    """J(u) = int_0^u (1 + x^-2)^(gamma_1/2) dx, eq. A7 of PCH08.

    Examples
    --------
    >>> np.round(smooth_accretion_integral(np.array([0.01, 1.0])), 4)
    array([0.0928, 1.6734])
    """
    log_u, table = _integral_table()
    return np.asarray(np.interp(np.log(np.clip(u, 1e-6, 1e4)), log_u, table))


def _shrunk(sigma: FloatArray, sigma2: FloatArray) -> FloatArray:
    """V = sigma^2 / (sigma^2 - sigma_2^2)^(3/2), the mass dependence of the Press-Schechter rate.

    Infinite where sigma = sigma_2: a halo of its own resolution mass, of which no fragment is left.
    """
    with np.errstate(divide="ignore"):
        return np.asarray(sigma**2 / np.maximum(sigma**2 - sigma2**2, 0.0) ** 1.5)


def step_back(
    mass: FloatArray,
    threshold: float,
    step: float,
    resolution: FloatArray,
    variance: MassVariance,
    rng: np.random.Generator,
) -> tuple[FloatArray, IndexArray, FloatArray]:
    """Halos a step earlier: what is left of each, and the fragments that it had not yet merged.

    Parameters
    ----------
    mass : (n,) array
        Halo masses [Msun] at the collapse threshold.
    threshold, step : float
        w = 1.686 / D(z) now, and by how much it grows.
    resolution : (n,) array
        Smallest mass that is followed [Msun].
    variance : MassVariance
        sigma(M).
    rng : Generator

    Returns
    -------
    main : (n,) array
        Mass that is left after smooth accretion and the fragments are taken away [Msun].
    parent : (f,) integer array
        Index of the halo that each fragment belongs to, ascending.
    fragment : (f,) array
        Masses of the fragments, each between the resolution and half of its parent [Msun].
    """
    sigma2 = variance.sigma(mass)
    sigma_res = variance.sigma(resolution)
    scaled = G0 * (threshold / sigma2) ** GAMMA2 * np.sqrt(2.0 / np.pi) * step

    # F: mass that arrives below the resolution.
    with np.errstate(divide="ignore"):
        u = sigma2 / np.sqrt(np.maximum(sigma_res**2 - sigma2**2, 0.0))
    smooth = np.minimum(smooth_accretion_integral(u) * scaled / sigma2, 1.0)

    # N: the expected number of fragments under the power law S(q) that bounds the true rate.
    splits = np.flatnonzero(mass > 2.0 * resolution)
    m, s2 = mass[splits], sigma2[splits]
    q_res = resolution[splits] / m
    s_half, a_half = variance.sigma_alpha(0.5 * m)
    v_half = _shrunk(s_half, s2)
    beta = np.log(_shrunk(sigma_res[splits], s2) / v_half) / np.log(2.0 * q_res)
    b_factor = 2.0**beta * v_half
    eta = beta - 1.0 - GAMMA1 * a_half
    low, high = q_res**eta, 2.0**-eta
    number = (
        scaled[splits]
        * b_factor
        * a_half
        * 2.0 ** (-a_half * GAMMA1)
        * (s_half / s2) ** GAMMA1
        * (high - low)
        / eta
    )

    # Draw from S(q) by inversion, keep with the probability R(q) <= 1.
    parent = np.repeat(np.arange(len(splits)), rng.poisson(number))
    q = (low[parent] + (high - low)[parent] * rng.random(len(parent))) ** (1.0 / eta[parent])
    sigma_q, alpha_q = variance.sigma_alpha(q * m[parent])
    keep_probability = (
        alpha_q
        / a_half[parent]
        * _shrunk(sigma_q, s2[parent])
        / (b_factor[parent] * q ** beta[parent])
        * ((2.0 * q) ** a_half[parent] * sigma_q / s_half[parent]) ** GAMMA1
    )
    kept = rng.random(len(parent)) < keep_probability
    parent, q = splits[parent[kept]], q[kept]

    # Where a step is too long for a halo, its largest fragments wait for the next step.
    order = np.lexsort((q, parent))
    parent, q = parent[order], q[order]
    running = np.cumsum(q)
    before = np.concatenate([[0.0], running])[np.searchsorted(parent, parent)]
    fits = running - before + smooth[parent] <= _LARGEST_LOSS
    parent, q = parent[fits], q[fits]
    lost = smooth + np.bincount(parent, weights=q, minlength=len(mass))
    return mass * (1.0 - lost), parent, q * mass[parent]
