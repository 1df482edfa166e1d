"""Hot gas: how fast it cools, and when the black hole keeps it from cooling.

The gas has the density profile rho_0 / (1 + x^2), x = r / r_c, with a core of r_c = 0.1 R: the mass
within x goes as g(x) = x - atan(x).

References
----------
Cole et al. 2000, MNRAS 319, 168, doi:10.1046/j.1365-8711.2000.03879.x (cooling radius).
Sutherland & Dopita 1993, ApJS 88, 253, doi:10.1086/191823 (cooling function).
Bower et al. 2006, MNRAS 370, 645, doi:10.1111/j.1365-2966.2006.10519.x (AGN feedback).
Benson et al. 2002, MNRAS 333, 156, doi:10.1046/j.1365-8711.2002.05387.x (reionisation).
"""

from typing import NamedTuple

import numpy as np

from equatorium_galaxies.arrays import FloatArray
from equatorium_galaxies.constants import (
    COOLING_CONSTANT,
    EDDINGTON_LUMINOSITY,
    HYDROSTATIC_FACTOR,
    LIGHT_SPEED,
    SOLAR_METALLICITY,
)
from equatorium_galaxies.galaxies import Galaxies
from equatorium_galaxies.halo import Halos
from equatorium_galaxies.parameters import Parameters

__all__ = ["Atmosphere", "Cooling", "atmosphere", "cool", "cooling_flow", "cooling_function"]

_CORE = 0.1  # core radius of the gas over R
_EDGE = 1.0 / _CORE
_ALL = _EDGE - np.arctan(_EDGE)  # g at the edge, 8.5289
_FREE_FALL = np.sqrt(np.pi / 2.0)  # free-fall time in an isothermal sphere, over r/V

_LOG_T = np.arange(4.0, 8.51, 0.25)
# fmt: off
_PRIMORDIAL = np.array([
    -25.75, -21.70, -22.18, -22.44, -22.13, -22.56, -22.85, -23.03, -23.12, -23.14,
    -23.12, -23.05, -22.97, -22.88, -22.77, -22.66, -22.55, -22.43, -22.31,
])
_METALS = np.array([
    -24.78, -22.55, -21.82, -21.32, -20.99, -20.88, -21.22, -21.61, -21.86, -21.89,
    -22.42, -22.59, -22.61, -22.89, -23.08, -23.15, -23.15, -23.13, -23.09,
])
# fmt: on


def cooling_function(temperature: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Cooling function in collisional equilibrium, of primordial gas and of solar metals.

    Lambda(T, Z) = Lambda_0(T) + (Z / Z_sun) Lambda_Z(T): two components that reduce the tables of
    Sutherland & Dopita (1993), linear in logarithms between temperatures 0.25 dex apart.

    Parameters
    ----------
    temperature : array
        Temperature [K], held at the ends of 10^4 ... 10^8.5.

    Returns
    -------
    primordial, metals : arrays
        Both in erg cm^3 / s.

    Examples
    --------
    >>> primordial, metals = cooling_function(np.array([1e6]))
    >>> f"{primordial[0]:.1e} {metals[0]:.1e}"
    '7.6e-24 1.4e-22'
    """
    log_t = np.log10(temperature)
    return (
        10.0 ** np.interp(log_t, _LOG_T, _PRIMORDIAL),
        10.0 ** np.interp(log_t, _LOG_T, _METALS),
    )


class Atmosphere(NamedTuple):
    """Inverse central cooling time per mass of hot gas, ``primordial + metals * Z`` [1/Gyr/Msun].

    With T = 35.9 V^2 K and rho_0 = M_hot / (4 pi r_c^3 g(10)), t_c0 = C_t T / (Lambda rho_0).
    """

    primordial: FloatArray
    metals: FloatArray


def atmosphere(halos: Halos) -> Atmosphere:
    """Cooling properties of halos that do not change within an interval."""
    temperature = 35.9 * halos.velocity**2
    volume = 4.0 * np.pi * (_CORE * halos.radius) ** 3 * _ALL
    per_mass = 1.0 / (COOLING_CONSTANT * temperature * volume)
    primordial, metals = cooling_function(temperature)
    return Atmosphere(primordial * per_mass, metals * per_mass / SOLAR_METALLICITY)


class Cooling(NamedTuple):
    """What the hot gas does.

    Attributes
    ----------
    rate : array
        Rate at which hot gas cools onto the disc, without any feedback [1/Gyr].
    radius : array
        Cooling radius in core radii; beyond 10 where all gas of the halo can cool.
    luminosity : array
        Cooling luminosity [Msun (km/s)^2 / Gyr].
    """

    rate: FloatArray
    radius: FloatArray
    luminosity: FloatArray


def cooling_flow(
    hot: FloatArray,
    hot_z: FloatArray,
    inverse_time: Atmosphere,
    dynamical_time: FloatArray,
    velocity: FloatArray,
) -> Cooling:
    """Cooling radius, rate and luminosity of the hot gas.

    Gas at x cools in t_cool = t_c0 (1 + x^2), and has had the time t_dyn: x_cool^2 = t_dyn/t_c0 - 1
    and x_in = min(x_cool, 10). The mass within, f_in = g(x_in) / g(10), arrives in the longer of
    t_cool(x_in) and t_ff = f_in 2 g(10) 0.12533 t_dyn / ln(1 + x_in^2), of which the inverse is
    the mass-weighted mean of that of the free-fall time 1.2533 r / V in an isothermal sphere.

    Parameters
    ----------
    hot, hot_z : (n,) arrays
        Hot gas and its metals [Msun].
    inverse_time : Atmosphere
    dynamical_time : (n,) array
        t_dyn [Gyr].
    velocity : (n,) array
        V [km/s].
    """
    # 1/t_c0 is proportional to hot * (a + b Z): no division, so that empty halos need no care.
    inverse = inverse_time.primordial * hot + inverse_time.metals * hot_z
    x = np.sqrt(np.maximum(dynamical_time * inverse - 1.0, 0.0))
    x_in = np.minimum(x, _EDGE)
    square = 1.0 + x_in**2
    angle = np.arctan(x_in)
    by_cooling = (x_in - angle) / _ALL * inverse / square
    by_falling = np.log(square) / (2.0 * _ALL * _FREE_FALL * _CORE * dynamical_time)
    luminosity = 0.75 * velocity**2 * hot / _ALL * 0.5 * (angle - x_in / square) * inverse
    return Cooling(np.minimum(by_cooling, by_falling), x, luminosity)


def cool(
    galaxies: Galaxies,
    halos: Halos,
    inverse_time: Atmosphere,
    parameters: Parameters,
    redshift: float,
    step: float,
) -> tuple[FloatArray, FloatArray]:
    """Cool hot gas for a sub-step; what cools is taken out of `galaxies` and returned.

    AGN feedback stops the cooling where the halo is quasi-hydrostatic,
    t_ff(r_cool) < C_A alpha_cool t_dyn, and L_cool < eps_edd L_Edd; the black hole then grows by
    L_cool / (0.2 c^2), out of the hot gas. After reionisation (z < z_cut) gas in halos with
    V < V_cut does not cool.

    Parameters
    ----------
    galaxies : Galaxies
        Changed in place: hot, hot_z, black_hole.
    halos : Halos
    inverse_time : Atmosphere
    parameters : Parameters
    redshift : float
    step : float
        Length of the sub-step [Gyr].

    Returns
    -------
    inflow, inflow_z : (n,) arrays
        Gas and metals that arrive at the disc [Msun].
    """
    p = parameters
    rate, radius, luminosity = cooling_flow(
        galaxies.hot, galaxies.hot_z, inverse_time, halos.dynamical_time, halos.velocity
    )
    # The cooling radius is not capped at R here: else large alpha_cool would always be hydrostatic.
    hydrostatic = _FREE_FALL * _CORE * radius < HYDROSTATIC_FACTOR * p.alpha_cool
    limit = p.eps_edd * EDDINGTON_LUMINOSITY * galaxies.black_hole
    heated = hydrostatic & (luminosity < limit)
    off = heated | (halos.velocity < p.V_cut) if redshift < p.z_cut else heated
    cooled = np.where(off, 0.0, -np.expm1(-rate * step))
    inflow, inflow_z = galaxies.hot * cooled, galaxies.hot_z * cooled
    galaxies.hot -= inflow
    galaxies.hot_z -= inflow_z

    accreted = np.where(heated, luminosity * (step / (0.2 * LIGHT_SPEED**2)), 0.0)
    keeps = 1.0 - accreted / np.maximum(galaxies.hot, 1e-300)
    galaxies.hot_z *= keeps
    galaxies.hot -= accreted
    galaxies.black_hole += accreted
    return inflow, inflow_z
