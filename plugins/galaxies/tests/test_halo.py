"""Halo structure and orbits against quadrature and root finding."""

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.optimize import brentq, minimize_scalar

from equatorium_galaxies.cosmology import WMAP7
from equatorium_galaxies.halo import (
    Halos,
    concentration,
    merging_time,
    nfw_mass,
    pericentre,
    virial_velocity,
)

ONE = np.ones(1)


def test_virial_velocity_and_radius_belong_to_the_virial_density():
    mass, z = 3e12, 0.7
    v = float(virial_velocity(WMAP7, np.array(mass), z))
    radius = 4.30091e-6 * mass / v**2
    assert mass / (4 / 3 * np.pi * radius**3) == pytest.approx(WMAP7.virial_density(z))


def test_nfw_mass_is_the_integral_of_its_density():
    for x in (0.01, 1.0, 12.0):
        expected, _ = quad(lambda r: r / (1 + r) ** 2, 0, x)
        assert float(nfw_mass(np.array(x))) == pytest.approx(expected, rel=1e-8)


def test_concentration_falls_with_mass_and_redshift_and_is_clipped():
    assert concentration(np.array([1e12]), 0.0)[0] == 10.0
    c = concentration(np.array([1e2, 1e11, 1e13, 1e18]), 1.0)
    assert c[0] == 30 and c[-1] == 3 and np.all(np.diff(c) < 0)


def test_rotation_curve_has_the_stated_maximum_and_virial_velocity():
    halo = Halos(150 * ONE, 200 * ONE, 12 * ONE, 0.03 * ONE)
    assert halo.rotation_squared(200 * ONE)[0] == pytest.approx(150**2)
    best = minimize_scalar(
        lambda r: -halo.rotation_squared(r * ONE)[0], bounds=(1, 200), method="bounded"
    )
    # 0.216 is the textbook's rounded value.
    assert halo.supernova_velocity[0] / 1.55 == pytest.approx(np.sqrt(-best.fun), rel=1e-3)


def test_dynamical_time_in_gyr():
    halo = Halos(100 * ONE, 100 * ONE, 10 * ONE, 0.03 * ONE)
    # 100 kpc at 100 km/s: 1 kpc/(km/s) is 3.0857e16 s.
    assert halo.dynamical_time[0] == pytest.approx(3.0857e16 / 3.15576e16, rel=1e-3)


def test_pericentre_solves_the_orbit_in_an_isothermal_sphere():
    theta = np.array([0.05, 0.3, 0.72, 1.0, 4.0])
    x, speed = pericentre(theta)
    for t, found, v in zip(theta, x, speed, strict=True):
        e = min(0.999, t ** (1 / 0.78))
        root = brentq(lambda y, e=e: e**2 / (2 * y**2) + np.log(y) - 0.5, 1e-4, e)
        assert found == pytest.approx(root, rel=1e-9)
        # Energy: half of the speed squared, and the potential ln x, are those of the circle at R.
        assert v**2 / 2 + np.log(found) == pytest.approx(0.5, rel=1e-9)


def test_merging_time():
    period = np.pi * 200 / (1.022712 * 150)
    found = merging_time(0.7 * ONE, 200 * ONE, 150 * ONE, 10 * ONE)
    assert found[0] == pytest.approx(0.7 * period * 0.3722 * 10 / np.log(11))
    # Massive satellites sink first.
    ratios = np.array([1.0, 3.0, 30.0])
    assert np.all(np.diff(merging_time(0.7, 200.0, 150.0, ratios)) > 0)
