"""The flat universe that the halos live in: expansion, age, growth, virial density.

The default is the WMAP7 cosmology of the GALFORM model of Gonzalez-Perez et al. (2014).
"""

from dataclasses import dataclass

import numpy as np
from scipy.special import hyp2f1

from equatorium_galaxies.arrays import FloatArray
from equatorium_galaxies.constants import COLLAPSE_THRESHOLD

_HUBBLE_TIME = 9.778  # Gyr, of h = 1
_CRITICAL_DENSITY = 2.77536627e11  # h^2 Msun/Mpc^3, today

__all__ = ["WMAP7", "Cosmology"]


@dataclass(frozen=True, kw_only=True)
class Cosmology:
    """A flat universe of matter and a cosmological constant.

    Parameters
    ----------
    h, omega_m, omega_b, sigma8, n_s : float
        Hubble constant / (100 km/s/Mpc), matter and baryon density, amplitude and slope of the
        linear power spectrum.

    References
    ----------
    Komatsu et al. 2011, ApJS 192, 18, doi:10.1088/0067-0049/192/2/18 (WMAP7).
    Gonzalez-Perez et al. 2014, MNRAS 439, 264, doi:10.1093/mnras/stt2410.

    Examples
    --------
    >>> round(float(WMAP7.age(0.0)), 2)
    13.76
    """

    h: float = 0.704
    omega_m: float = 0.272
    omega_b: float = 0.0455
    sigma8: float = 0.81
    n_s: float = 0.967

    @property
    def omega_l(self) -> float:
        """Density of the cosmological constant, 1 - Omega_m."""
        return 1.0 - self.omega_m

    @property
    def baryon_fraction(self) -> float:
        """f_b = Omega_b / Omega_m."""
        return self.omega_b / self.omega_m

    @property
    def matter_density(self) -> float:
        """Comoving mean matter density [Msun/Mpc^3]."""
        return _CRITICAL_DENSITY * self.h**2 * self.omega_m

    def expansion_squared(self, z: FloatArray | float) -> FloatArray:
        """E^2 = (H/H_0)^2 = Omega_m (1+z)^3 + Omega_Lambda."""
        return np.asarray(self.omega_m * (1.0 + np.asarray(z)) ** 3 + self.omega_l)

    def age(self, z: FloatArray | float) -> FloatArray:
        """Age [Gyr], t = 2/(3 sqrt(O_L) H_0) asinh(sqrt(O_L/O_m) (1+z)^-3/2)."""
        root = np.sqrt(self.omega_l)
        ratio = np.sqrt(self.omega_l / self.omega_m) * (1.0 + np.asarray(z)) ** -1.5
        return np.asarray(2.0 / (3.0 * root) * np.arcsinh(ratio) * _HUBBLE_TIME / self.h)

    def redshift(self, age: FloatArray | float) -> FloatArray:
        """Redshift at an age [Gyr]; the inverse of `age`."""
        root = np.sqrt(self.omega_l)
        ratio = np.sinh(1.5 * root * np.asarray(age) * self.h / _HUBBLE_TIME)
        return np.asarray((ratio * np.sqrt(self.omega_m / self.omega_l)) ** (-2.0 / 3.0) - 1.0)

    def growth(self, z: FloatArray | float) -> FloatArray:
        """Linear growth factor D(z), D(0) = 1.

        D ~ E(a) int_0^a da' / (a' E)^3, which for a flat universe is
        a 2F1(1/3, 1; 11/6; -a^3 O_L/O_m).
        """
        a = 1.0 / (1.0 + np.asarray(z, dtype=np.float64))
        x = -self.omega_l / self.omega_m
        unscaled = a * hyp2f1(1.0 / 3.0, 1.0, 11.0 / 6.0, x * a**3)
        return np.asarray(unscaled / hyp2f1(1.0 / 3.0, 1.0, 11.0 / 6.0, x))

    def threshold(self, z: FloatArray | float) -> FloatArray:
        """Collapse threshold w(z) = 1.686 / D(z): the time coordinate of merger trees."""
        return np.asarray(COLLAPSE_THRESHOLD / self.growth(z))

    def virial_density(self, z: FloatArray | float) -> FloatArray:
        """Mean physical density within a virialised halo [Msun/kpc^3].

        Delta_vir = 18 pi^2 + 82 x - 39 x^2 times the critical density, x = Omega_m(z) - 1.

        References
        ----------
        Bryan & Norman 1998, ApJ 495, 80, doi:10.1086/305262.
        """
        e2 = self.expansion_squared(z)
        x = self.omega_m * (1.0 + np.asarray(z)) ** 3 / e2 - 1.0
        contrast = 18.0 * np.pi**2 + 82.0 * x - 39.0 * x**2
        return np.asarray(contrast * _CRITICAL_DENSITY * 1e-9 * self.h**2 * e2)


WMAP7 = Cosmology()
"""The cosmology of the model."""
