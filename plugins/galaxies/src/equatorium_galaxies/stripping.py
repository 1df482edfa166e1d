"""Ram pressure: a satellite loses hot gas to the halo that it falls into.

References
----------
McCarthy et al. 2008, MNRAS 383, 593, doi:10.1111/j.1365-2966.2007.12577.x (stripping radius).
Font et al. 2008, MNRAS 389, 1619, doi:10.1111/j.1365-2966.2008.13698.x (in GALFORM).
"""

import numpy as np

from equatorium_galaxies.arrays import FloatArray
from equatorium_galaxies.galaxies import Galaxies
from equatorium_galaxies.halo import pericentre
from equatorium_galaxies.timeline import Interval

__all__ = ["kept_fraction", "strip"]


def kept_fraction(
    alpha_rp: float,
    satellite_hot: FloatArray,
    satellite_velocity: FloatArray,
    satellite_radius: FloatArray,
    pressure: FloatArray,
) -> FloatArray:
    """Share of its hot gas that a satellite keeps, min(1, r_str / R).

    Gas beyond r_str = sqrt(alpha_rp V^2 M_hot / (4 pi R P)) is stripped: there, in an isothermal
    halo, the ram pressure P exceeds alpha_rp G M(r) rho(r) / r.

    Parameters
    ----------
    alpha_rp : float
    satellite_hot, satellite_velocity, satellite_radius : (i,) arrays
        M_hot [Msun], V [km/s], R [kpc].
    pressure : (i,) array
        Ram pressure [Msun/kpc^3 (km/s)^2].
    """
    held = alpha_rp * satellite_velocity**2 * satellite_hot / (4.0 * np.pi * satellite_radius**3)
    return np.sqrt(np.minimum(1.0, held / np.maximum(pressure, 1e-300)))


def strip(galaxies: Galaxies, interval: Interval, orbit: FloatArray, alpha_rp: float) -> None:
    """Strip the hot and ejected gas of the satellites that fall in; the host's halo gets it.

    The pressure is that at pericentre, P = rho_h v_p^2 with rho_h = M_hot,h / (4 pi R_h^3 x_p^2).

    Parameters
    ----------
    galaxies : Galaxies
        Changed in place: hot, ejected and their metals.
    interval : Interval
    orbit : (i,) array
        Theta_orb of the satellites at ``interval.infalling``.
    alpha_rp : float
    """
    falling = interval.infalling
    if not len(falling):
        return
    host = interval.host_of(falling)
    halos = interval.halos
    x, speed = pericentre(orbit)
    density = galaxies.hot[host] / (4.0 * np.pi * halos.radius[host] ** 3 * x**2)
    kept = kept_fraction(
        alpha_rp,
        galaxies.hot[falling],
        halos.velocity[falling],
        halos.radius[falling],
        density * (speed * halos.velocity[host]) ** 2,
    )
    for name in ("hot", "hot_z", "ejected", "ejected_z"):
        row = getattr(galaxies, name)
        lost = row[falling] * (1.0 - kept)
        row[falling] -= lost
        row += np.bincount(host, weights=lost, minlength=len(row))
