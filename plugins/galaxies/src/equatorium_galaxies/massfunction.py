"""How many halos of each mass: the linear power spectrum, sigma(M) and the halo mass function."""

from dataclasses import dataclass
from functools import cache

import numpy as np

from equatorium_galaxies.arrays import FloatArray, IndexArray
from equatorium_galaxies.constants import COLLAPSE_THRESHOLD
from equatorium_galaxies.cosmology import Cosmology

__all__ = ["MassVariance", "mass_variance", "sheth_tormen", "transfer"]

_LOG_MASS = (7.0, 16.5, 1200)  # range and size of the table of sigma(M)
_WAVENUMBERS = 6000


def transfer(cosmology: Cosmology, k: FloatArray) -> FloatArray:
    """Matter transfer function without baryon wiggles.

    Parameters
    ----------
    cosmology : Cosmology
    k : array
        Wavenumber [1/Mpc].

    Returns
    -------
    array
        T(k), 1 on large scales.

    References
    ----------
    Eisenstein & Hu 1998, ApJ 496, 605, eqs 26, 28-31, doi:10.1086/305424.
    """
    om = cosmology.omega_m * cosmology.h**2
    ob = cosmology.omega_b * cosmology.h**2
    fraction = cosmology.baryon_fraction
    sound_horizon = 44.5 * np.log(9.83 / om) / np.sqrt(1.0 + 10.0 * ob**0.75)
    alpha = 1.0 - 0.328 * np.log(431.0 * om) * fraction + 0.38 * np.log(22.3 * om) * fraction**2
    shape = om * (alpha + (1.0 - alpha) / (1.0 + (0.43 * k * sound_horizon) ** 4))
    q = k * (2.7255 / 2.7) ** 2 / shape
    log = np.log(2.0 * np.e + 1.8 * q)
    return np.asarray(log / (log + (14.2 + 731.0 / (1.0 + 62.5 * q)) * q**2))


@dataclass(frozen=True)
class MassVariance:
    """Table of sigma(M) at z = 0 and of its slope, linear in log M between its points.

    Parameters
    ----------
    log_mass : (1200,) array
        Equally spaced natural logarithms of the mass [Msun].
    table_sigma, table_alpha : (1200,) arrays
        sigma(M) and alpha(M) = -dln(sigma)/dlnM.
    """

    log_mass: FloatArray
    table_sigma: FloatArray
    table_alpha: FloatArray

    def _place(self, mass: FloatArray) -> tuple[IndexArray, FloatArray]:
        # The table is equally spaced, so the place follows without a search.
        step = self.log_mass[1] - self.log_mass[0]
        x = (np.log(mass) - self.log_mass[0]) / step
        i = np.clip(x.astype(np.intp), 0, len(self.log_mass) - 2)
        return i, x - i

    def sigma(self, mass: FloatArray) -> FloatArray:
        """Rms linear overdensity in spheres holding `mass` [Msun] on average."""
        i, f = self._place(mass)
        return np.asarray(self.table_sigma[i] * (1.0 - f) + self.table_sigma[i + 1] * f)

    def sigma_alpha(self, mass: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Both sigma(M) and alpha(M) = -dln(sigma)/dlnM, with one look-up."""
        i, f = self._place(mass)
        sigma = self.table_sigma[i] * (1.0 - f) + self.table_sigma[i + 1] * f
        return sigma, self.table_alpha[i] * (1.0 - f) + self.table_alpha[i + 1] * f


def _top_hat_sigma(cosmology: Cosmology, radius: FloatArray) -> FloatArray:
    """Sigma in top-hat spheres of `radius` [Mpc], of the unnormalised P = k^n_s T^2."""
    k = np.geomspace(1e-5, 1e4, _WAVENUMBERS)
    step = np.log(k[1] / k[0])
    power = k ** (3.0 + cosmology.n_s) * transfer(cosmology, k) ** 2 * step / (2.0 * np.pi**2)
    variance = np.empty(len(radius))
    for i, r in enumerate(radius):
        x = k * r
        # For small x the closed form cancels to noise; its series has no such trouble.
        window = np.where(
            x < 1e-2,
            1.0 - x**2 / 10.0,
            3.0 * (np.sin(x) - x * np.cos(x)) / np.maximum(x, 1e-2) ** 3,
        )
        variance[i] = power @ window**2
    return np.sqrt(variance)


@cache
def mass_variance(cosmology: Cosmology) -> MassVariance:
    """Tabulate sigma(M) for a cosmology, normalised to its sigma8.

    sigma^2 = int dlnk k^3 P(k) W(kR)^2 / (2 pi^2), R = (3M / 4 pi rho_m)^(1/3).

    Examples
    --------
    >>> from equatorium_galaxies.cosmology import WMAP7
    >>> mass_8 = 4 / 3 * np.pi * WMAP7.matter_density * (8 / WMAP7.h) ** 3
    >>> round(float(mass_variance(WMAP7).sigma(np.array([mass_8]))[0]), 3)
    0.81
    """
    log10_mass = np.linspace(*_LOG_MASS)
    radius = (3.0 * 10.0**log10_mass / (4.0 * np.pi * cosmology.matter_density)) ** (1.0 / 3.0)
    sigma = _top_hat_sigma(cosmology, radius)
    sigma *= cosmology.sigma8 / _top_hat_sigma(cosmology, np.array([8.0 / cosmology.h]))[0]
    log_mass = log10_mass * np.log(10.0)
    return MassVariance(log_mass, sigma, -np.gradient(np.log(sigma), log_mass))


def sheth_tormen(cosmology: Cosmology, mass: FloatArray, z: float = 0.0) -> FloatArray:
    """Comoving number density of halos, dn/dlog10 M [1/Mpc^3].

    dn/dlog10 M = (rho_m / M) f alpha ln 10, with f = A sqrt(2/pi) nu (1 + nu^-2p) exp(-nu^2/2),
    nu = sqrt(a) 1.686 / (sigma D), A = 0.3222, a = 0.707, p = 0.3.

    Parameters
    ----------
    cosmology : Cosmology
    mass : array
        Halo mass [Msun].
    z : float

    References
    ----------
    Sheth & Tormen 1999, MNRAS 308, 119, doi:10.1046/j.1365-8711.1999.02692.x.
    """
    sigma, alpha = mass_variance(cosmology).sigma_alpha(mass)
    nu = np.sqrt(0.707) * COLLAPSE_THRESHOLD / (sigma * cosmology.growth(z))
    f = 0.3222 * np.sqrt(2.0 / np.pi) * nu * (1.0 + nu**-0.6) * np.exp(-(nu**2) / 2.0)
    return np.asarray(cosmology.matter_density / mass * f * alpha * np.log(10.0))
