"""Star formation in discs and in bursts.

References
----------
Blitz & Rosolowsky 2006, ApJ 650, 933, doi:10.1086/505417 (molecular fraction from pressure).
Lagos et al. 2011, MNRAS 416, 1566, doi:10.1111/j.1365-2966.2011.19160.x (in GALFORM).
"""

import math
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import roots_genlaguerre

from equatorium_galaxies.arrays import FloatArray
from equatorium_galaxies.constants import GRAVITY, KPC_PER_GYR, PRESSURE
from equatorium_galaxies.discs import HALF_MASS
from equatorium_galaxies.galaxies import Galaxies
from equatorium_galaxies.halo import Halos
from equatorium_galaxies.parameters import Parameters

Floats = npt.NDArray[np.floating[Any]]

__all__ = ["burst_rate", "midplane_pressure", "molecular_fraction"]

_GAS_DISPERSION = 10.0  # km/s
_FLATTENING = 7.3  # scale length over scale height of the stars

# Mean over an exponential disc: int_0^inf x exp(-x) f(x) dx, in 6 nodes. This is the only part of
# the model that works on 6 numbers a galaxy, and single precision halves the time of a whole run;
# its error in the fraction, 1e-6, is far below that of the quadrature.
_NODES, _WEIGHTS = (a.astype(np.float32) for a in roots_genlaguerre(6, 1.0))


def midplane_pressure(gas: Floats, stars: Floats, scale_length: Floats) -> Floats:
    """Hydrostatic pressure P/k_B of the gas in the midplane [K/cm^3].

    P = (pi/2) G Sigma_g [Sigma_g + (sigma_g / sigma_*) Sigma_*], with sigma_g = 10 km/s and
    sigma_* = max(10 km/s, sqrt(pi G h_* Sigma_*)), h_* = r_d / 7.3.

    Parameters
    ----------
    gas, stars : arrays
        Surface densities [Msun/kpc^2].
    scale_length : array
        Scale length r_d of the disc [kpc].
    """
    dispersion = np.sqrt(math.pi * GRAVITY / _FLATTENING * scale_length * stars)
    share = _GAS_DISPERSION / np.maximum(dispersion, _GAS_DISPERSION)
    return PRESSURE * gas * (gas + share * stars)


def molecular_fraction(
    cold: FloatArray,
    stars: FloatArray,
    r50: FloatArray,
    pressure_scale: float,
    slope: float,
) -> FloatArray:
    """Molecular fraction of a disc's gas, the mean of R / (1 + R) with R = (P / P_sf)^beta_sf.

    Parameters
    ----------
    cold, stars : (n,) arrays
        Masses of the disc [Msun], both exponential with r_d = r50 / 1.678.
    r50 : (n,) array
        Half-mass radius [kpc].
    pressure_scale, slope : float
        P_sf/k_B [K/cm^3] and beta_sf.

    Examples
    --------
    >>> one = np.ones(1)
    >>> molecular_fraction(5e9 * one, 5e10 * one, 5.0 * one, 1.7e4, 0.8).round(2)
    array([0.58])
    """
    scale_length = r50 / HALF_MASS
    area = 2.0 * np.pi * scale_length**2
    profile = np.exp(-_NODES)[:, None]
    pressure = midplane_pressure(
        profile * (cold / area).astype(np.float32),
        profile * (stars / area).astype(np.float32),
        scale_length.astype(np.float32),
    )
    # Without gas the fraction is 0; the smallest number only keeps the logarithm finite.
    relative = np.maximum(pressure / float(pressure_scale), 1e-30)
    inverse = np.exp(-float(slope) * np.log(relative))
    return np.asarray(_WEIGHTS @ (1.0 / (1.0 + inverse)), dtype=np.float64)


def burst_rate(galaxies: Galaxies, halos: Halos, parameters: Parameters) -> FloatArray:
    """Inverse star-formation time of bursts [1/Gyr], 1 / max(f_dyn r_b / V_b, tau_min).

    V_b^2 = G M_bulge / (2 r_b) + V_NFW^2(r_b): half of the bulge's mass is within r_b.
    """
    r = np.maximum(galaxies.r_bulge, 1e-3)
    speed = np.sqrt(0.5 * GRAVITY * galaxies.spheroid / r + halos.rotation_squared(r))
    return 1.0 / np.maximum(parameters.f_dyn * r / (KPC_PER_GYR * speed), parameters.tau_min_burst)
