"""Every number of the model that is neither a parameter nor a cosmology.

Masses are in Msun, lengths in kpc, velocities in km/s, times in Gyr, unless a name says otherwise.
"""

import math

GRAVITY = 4.30091e-6
"""Newton's constant [kpc (km/s)^2 / Msun]."""

KPC_PER_GYR = 1.022712
"""One km/s in kpc/Gyr: a crossing time in Gyr is ``R / (KPC_PER_GYR * V)``."""

LIGHT_SPEED = 299792.458
"""Speed of light [km/s]."""

HYDROGEN_FRACTION = 0.76
MEAN_MOLECULAR_WEIGHT = 0.59
SOLAR_METALLICITY = 0.02

RECYCLED_FRACTION = 0.44
"""Fraction of a forming population's mass that is returned at once (Kennicutt 1983 IMF)."""

COLLAPSE_THRESHOLD = 1.686
"""Linear overdensity of spherical collapse; halos of redshift z are at w = 1.686 / D(z)."""

# The two calibration constants of this model: tuned once, so that the published GALFORM parameters
# (Gonzalez-Perez et al. 2014) give a sensible local mass function, and never changed since.
SUPERNOVA_VELOCITY_FACTOR = 1.55
"""F_V: V_SN / V_max, for the contraction and disc gravity that this model leaves out."""

HYDROSTATIC_FACTOR = 0.5
"""C_A: a halo is quasi-hydrostatic if t_ff(r_cool) < C_A alpha_cool t_dyn."""

_BOLTZMANN = 1.380649e-16  # erg/K
_PROTON_MASS = 1.67262192e-24  # g
_DENSITY = 6.770e-32  # g/cm^3 in one Msun/kpc^3
_GYR = 3.156e16  # s

COOLING_CONSTANT = (
    1.5 * _BOLTZMANN * _PROTON_MASS / (MEAN_MOLECULAR_WEIGHT * HYDROGEN_FRACTION**2)
) / (_DENSITY * _GYR)
"""C_t [Gyr (erg cm^3/s) (Msun/kpc^3) / K]: t_cool = C_t T / (Lambda rho)."""

PRESSURE = 4.904e-6 * math.pi / 2.0 * GRAVITY
"""(pi/2) G / k_B: turns (Msun/kpc^2)^2 into P/k_B [K/cm^3]."""

EDDINGTON_LUMINOSITY = 2.0e11
"""L_Edd per black-hole mass [(km/s)^2/Gyr], 1.26e38 erg/s per Msun."""
