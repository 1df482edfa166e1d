"""Molecular fractions against quadrature over the disc, pressure against cgs."""

import numpy as np
import pytest
from scipy.integrate import quad

from equatorium_galaxies.galaxies import Galaxies
from equatorium_galaxies.halo import Halos
from equatorium_galaxies.parameters import Parameters
from equatorium_galaxies.starformation import burst_rate, midplane_pressure, molecular_fraction

ONE = np.ones(1)


def test_pressure_in_cgs():
    # Gas alone, 10 Msun/pc^2: (pi/2) G Sigma^2 / k.
    sigma = 10 * 1.989e33 / 3.0857e18**2
    expected = np.pi / 2 * 6.674e-8 * sigma**2 / 1.38065e-16
    assert midplane_pressure(1e7 * ONE, 0 * ONE, 3 * ONE)[0] == pytest.approx(expected, rel=2e-3)


def test_stars_press_by_the_ratio_of_dispersions():
    gas, stars, r_d = 1e7 * ONE, 4e8 * ONE, 3 * ONE
    dispersion = np.sqrt(np.pi * 4.30091e-6 * 3 / 7.3 * 4e8)
    assert dispersion > 10
    ratio = midplane_pressure(gas, stars, r_d) / midplane_pressure(gas, 0 * stars, r_d)
    assert ratio[0] == pytest.approx(1 + 10 / dispersion * 40, rel=1e-12)
    # Below 10 km/s stars and gas count alike.
    faint = 1e6 * ONE
    ratio = midplane_pressure(gas, faint, r_d) / midplane_pressure(gas, 0 * stars, r_d)
    assert ratio[0] == pytest.approx(1.1, rel=1e-12)


@pytest.mark.parametrize(
    ("cold", "stars", "r50"), [(5e9, 5e10, 5.0), (1e9, 1e8, 3.0), (2e10, 0.0, 2.0), (1e8, 1e8, 8.0)]
)
def test_molecular_fraction_is_the_mean_over_the_disc(cold, stars, r50):
    p = Parameters()
    r_d = r50 / 1.678
    area = 2 * np.pi * r_d**2

    def integrand(x):
        profile = np.exp(-x) * ONE / area
        pressure = midplane_pressure(cold * profile, stars * profile, r_d * ONE)[0]
        ratio = (pressure / p.P_sf) ** p.beta_sf
        return x * np.exp(-x) * ratio / (1 + ratio)

    expected, _ = quad(integrand, 0, 40)
    found = molecular_fraction(cold * ONE, stars * ONE, r50 * ONE, p.P_sf, p.beta_sf)[0]
    assert found == pytest.approx(expected, rel=0.01)


def test_molecular_fraction_at_its_limits():
    fraction = molecular_fraction(
        np.array([0.0, 1e2, 1e13]), np.zeros(3), np.array([5.0, 5.0, 0.5]), 1.7e4, 0.8
    )
    assert fraction[0] == 0 or fraction[0] < 1e-20
    assert 0 < fraction[1] < 1e-6 and 0.99 < fraction[2] <= 1


def test_bursts_take_dynamical_times_of_the_bulge_but_not_less_than_the_minimum():
    galaxies = Galaxies.empty(1)
    galaxies.bulge, galaxies.r_bulge = 2e10, 1.5
    halos = Halos(150 * ONE, 200 * ONE, 10 * ONE, 0.04 * ONE)
    halo_part = halos.rotation_squared(1.5 * ONE)[0]
    speed = np.sqrt(4.30091e-6 * 1e10 / 1.5 + halo_part)
    time = 10 * 1.5 / (1.022712 * speed)
    assert 1 / burst_rate(galaxies, halos, Parameters(tau_min_burst=1e-3))[0] == pytest.approx(time)
    assert 1 / burst_rate(galaxies, halos, Parameters(tau_min_burst=1.0))[0] == 1.0
