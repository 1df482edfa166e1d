"""Structure of dark-matter halos: virial velocity, concentration, rotation curve, orbits.

References
----------
Cole et al. 2000, MNRAS 319, 168, doi:10.1046/j.1365-8711.2000.03879.x.
Navarro, Frenk & White 1997, ApJ 490, 493, doi:10.1086/304888.
Lacey & Cole 1993, MNRAS 262, 627, doi:10.1093/mnras/262.3.627.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.special import lambertw

from equatorium_galaxies.arrays import FloatArray, IndexArray
from equatorium_galaxies.constants import GRAVITY, KPC_PER_GYR, SUPERNOVA_VELOCITY_FACTOR
from equatorium_galaxies.cosmology import Cosmology

__all__ = [
    "Halos",
    "concentration",
    "merging_time",
    "nfw_mass",
    "pericentre",
    "virial_velocity",
]


def virial_velocity(cosmology: Cosmology, mass: FloatArray, z: FloatArray | float) -> FloatArray:
    """Circular velocity at the virial radius [km/s], V^2 = G M / R_vir.

    Parameters
    ----------
    cosmology : Cosmology
    mass : array
        Halo mass [Msun].
    z : float or array
        Redshift of the halo's formation.

    Examples
    --------
    >>> from equatorium_galaxies.cosmology import WMAP7
    >>> round(float(virial_velocity(WMAP7, np.array(1e12), 0.0)))
    128
    """
    radius = (3.0 * mass / (4.0 * np.pi * cosmology.virial_density(z))) ** (1.0 / 3.0)
    return np.asarray(np.sqrt(GRAVITY * mass / radius))


def concentration(mass: FloatArray, z: FloatArray | float) -> FloatArray:
    """NFW concentration at formation, c = 10 (M / 10^12 Msun)^-0.1 (1+z)^-0.6 in [3, 30]."""
    return np.clip(10.0 * (mass / 1e12) ** -0.1 * (1.0 + np.asarray(z)) ** -0.6, 3.0, 30.0)


def nfw_mass(x: FloatArray) -> FloatArray:
    """Mass of an NFW halo within x scale radii, mu = ln(1+x) - x/(1+x), in units of 4 pi rho r^3.

    Examples
    --------
    >>> round(float(nfw_mass(np.array(1.0))), 4)
    0.1931
    """
    return np.asarray(np.log1p(x) - x / (1.0 + x))


def merging_time(
    orbit: FloatArray, radius: FloatArray, velocity: FloatArray, ratio: FloatArray
) -> FloatArray:
    """Time [Gyr] in which dynamical friction brings a satellite to the centre.

    t = Theta_orb (pi R / V) 0.3722 (M / m) / ln(1 + M/m).

    Parameters
    ----------
    orbit : array
        Theta_orb = (J/J_c)^0.78 (r_c/R)^2.
    radius, velocity : arrays
        Virial radius [kpc] and velocity [km/s] of the host.
    ratio : array
        Mass of the host over mass of the satellite, both just before it falls in.
    """
    period = np.pi * radius / (KPC_PER_GYR * velocity)
    return np.asarray(orbit * period * 0.3722 * ratio / np.log1p(ratio))


def pericentre(orbit: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Pericentre, over the host's radius, of an orbit with the energy of the circular one there.

    With e = min(0.999, Theta^(1/0.78)) the circularity, x_p < 1 solves e^2/(2 x^2) + ln x = 1/2 in
    a singular isothermal sphere: x_p = e / sqrt(-W_-1(-e^2 / exp(1))), W_-1 the Lambert function.

    Returns
    -------
    x, speed : arrays
        Pericentre over R, and the speed there over V, which is e / x_p.
    """
    e = np.minimum(0.999, orbit ** (1.0 / 0.78))
    speed = np.sqrt(-lambertw(-(e**2) / np.e, k=-1).real)
    return e / speed, speed


@dataclass(frozen=True, eq=False)
class Halos:
    """The halos that the galaxies of an interval live in; of a satellite, the one it came with.

    Parameters
    ----------
    velocity : (n,) array
        Virial velocity V [km/s].
    radius : (n,) array
        Virial radius R [kpc].
    concentration : (n,) array
        NFW concentration c.
    spin : (n,) array
        Spin parameter lambda.
    """

    velocity: FloatArray
    radius: FloatArray
    concentration: FloatArray
    spin: FloatArray

    def take(self, members: IndexArray) -> "Halos":
        """Copy of some halos."""
        return Halos(
            self.velocity[members],
            self.radius[members],
            self.concentration[members],
            self.spin[members],
        )

    @cached_property
    def dynamical_time(self) -> FloatArray:
        """t_dyn = R / V [Gyr]."""
        return self.radius / (KPC_PER_GYR * self.velocity)

    @cached_property
    def supernova_velocity(self) -> FloatArray:
        """V_SN = F_V V_max [km/s], V_max = V sqrt(0.216 c / mu(c)): what outflows must overcome."""
        c = self.concentration
        v_max = self.velocity * np.sqrt(0.216 * c / nfw_mass(c))
        return np.asarray(SUPERNOVA_VELOCITY_FACTOR * v_max)

    @cached_property
    def _velocity_scale(self) -> FloatArray:
        return np.asarray(self.velocity**2 / nfw_mass(self.concentration))

    def rotation_squared(self, radius: FloatArray) -> FloatArray:
        """V^2 [(km/s)^2] of the NFW halo at a radius [kpc], V_vir^2 mu(cx) / (x mu(c)), x = r/R."""
        x = radius / self.radius
        return self._velocity_scale * nfw_mass(self.concentration * x) / x
