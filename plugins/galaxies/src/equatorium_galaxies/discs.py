"""Discs: their size from angular momentum, their rotation, and when they are unstable.

References
----------
Mo, Mao & White 1998, MNRAS 295, 319, doi:10.1046/j.1365-8711.1998.01227.x (sizes).
Efstathiou, Lake & Negroponte 1982, MNRAS 199, 1069, doi:10.1093/mnras/199.4.1069 (stability).
Cole et al. 2000, MNRAS 319, 168, doi:10.1046/j.1365-8711.2000.03879.x (bulges from discs).
Hernquist 1990, ApJ 356, 359, doi:10.1086/168845 (bulge profile).
"""

import numpy as np

from equatorium_galaxies.arrays import BoolArray, FloatArray
from equatorium_galaxies.constants import GRAVITY
from equatorium_galaxies.galaxies import Galaxies
from equatorium_galaxies.halo import Halos

__all__ = ["HALF_MASS", "destabilise", "disc_radius", "settle", "unstable"]

HALF_MASS = 1.678
"""Half-mass radius of an exponential disc in scale lengths."""

_SMALLEST_UNSTABLE = 1e5  # Msun


def disc_radius(galaxies: Galaxies, spin_radius: FloatArray) -> FloatArray:
    """Half-mass radius [kpc] of an exponential disc in a flat rotation curve, j / (1.19 V_d).

    Parameters
    ----------
    galaxies : Galaxies
    spin_radius : (n,) array
        lambda R of their halos [kpc]; discs are not smaller than a hundredth of it.
    """
    return np.maximum(galaxies.spin / (1.19 * galaxies.v_disc), 0.01 * spin_radius)


def settle(galaxies: Galaxies, halos: Halos, inflow: FloatArray) -> FloatArray:
    """Add the angular momentum of the inflow, and find the disc's size and rotation.

    Cooling gas brings j_h = sqrt(2) lambda V R; the disc's j is the mass-weighted mean. At its
    radius r50 = j / (1.19 V_d) it rotates with
    V_d^2 = V_NFW^2(r50) + G [0.6252 M_disc + M_bulge (r50 / (r50 + 0.4142 r_b))^2] / r50
    (self-gravity of the disc at its half-mass radius; a Hernquist bulge). One fixed-point pass in
    each sub-step: V_d is kept between them.

    Parameters
    ----------
    galaxies : Galaxies
        Changed in place: spin, v_disc.
    halos : Halos
    inflow : (n,) array
        Gas that arrives in this sub-step [Msun].

    Returns
    -------
    (n,) array
        Half-mass radius r50 of the discs [kpc].
    """
    mass = galaxies.cold + galaxies.disc
    spin_radius = halos.spin * halos.radius
    brought = np.sqrt(2.0) * spin_radius * halos.velocity
    galaxies.spin = (galaxies.spin * mass + brought * inflow) / np.maximum(mass + inflow, 1e-300)
    r50 = disc_radius(galaxies, spin_radius)
    within = galaxies.spheroid * (r50 / (r50 + 0.4142 * galaxies.r_bulge)) ** 2
    galaxies.v_disc = np.sqrt(
        halos.rotation_squared(r50) + GRAVITY * (0.6252 * mass + within) / r50
    )
    return r50


def unstable(galaxies: Galaxies, r50: FloatArray, f_stab: float) -> BoolArray:
    """Discs dominated by their own gravity, V_d < f_stab sqrt(1.678 G M_disc / r50)."""
    mass = galaxies.cold + galaxies.disc
    critical = f_stab**2 * HALF_MASS * GRAVITY * mass / r50
    return np.asarray((galaxies.v_disc**2 < critical) & (mass > _SMALLEST_UNSTABLE))


def destabilise(galaxies: Galaxies, halos: Halos, r50: FloatArray, f_stab: float) -> None:
    """Turn unstable discs into bulges: their stars join it, their gas feeds its starburst.

    The new half-mass radius conserves energy,
    0.49 (M_b + M_d)^2 / r' = 0.49 M_b^2/r_b + 0.45 M_d^2/r50 + M_b M_d / (r_b + r50),
    within [0.001 kpc, 0.2 R].
    """
    turned = np.flatnonzero(unstable(galaxies, r50, f_stab))
    if not len(turned):
        return
    g = galaxies.take(turned)
    m_b, m_d, r_b, r_d = g.spheroid, g.cold + g.disc, g.r_bulge, r50[turned]
    binding = (
        0.49 * m_b**2 / np.where(m_b > 0.0, r_b, 1.0)
        + 0.45 * m_d**2 / r_d
        + m_b * m_d / (r_b + r_d)
    )
    largest = 0.2 * halos.radius[turned]
    g.r_bulge = np.clip(0.49 * (m_b + m_d) ** 2 / binding, 1e-3, np.maximum(largest, 1e-3))
    everything = np.ones(len(turned))
    g.move("disc", "bulge", everything)
    g.move("cold", "burst", everything)
    g.spin *= 0.0
    galaxies.array[:, turned] = g.array
