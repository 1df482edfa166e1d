"""Hot gas against cgs units and integrals over its density profile."""

import numpy as np
import pytest
from scipy.integrate import quad

from equatorium_galaxies.cooling import (
    Atmosphere,
    atmosphere,
    cool,
    cooling_flow,
    cooling_function,
)
from equatorium_galaxies.galaxies import Galaxies
from equatorium_galaxies.halo import Halos
from equatorium_galaxies.parameters import Parameters

ONE = np.ones(1)
G10 = 10 - np.arctan(10)


def flow(dynamical_over_cooling, t_dyn=2.0, velocity=200.0, hot=1e11):
    inverse = dynamical_over_cooling / t_dyn
    return cooling_flow(
        hot * ONE, 0 * ONE, Atmosphere(ONE * inverse / hot, 0 * ONE), t_dyn * ONE, velocity * ONE
    )


def test_cooling_function_at_its_nodes_and_between():
    primordial, metals = cooling_function(np.array([1e4, 1e5, 1e7, 10**8.5, 1e9, 10**5.125]))
    np.testing.assert_allclose(
        np.log10(primordial), [-25.75, -22.13, -22.97, -22.31, -22.31, (-22.13 - 22.56) / 2]
    )
    assert np.log10(metals[1]) == pytest.approx(-20.99)


def test_central_cooling_time_in_cgs():
    # t = 3/2 n k T / (n_H^2 Lambda), with rho_0 = M_hot / (4 pi r_c^3 g(10)).
    hot, hot_z, v, radius = 5e10, 2e8, 150.0, 180.0
    temperature = 35.9 * v**2
    log_t = np.log10(temperature)
    grid = np.arange(4.0, 8.51, 0.25)
    assert grid[8] < log_t < grid[9] or grid[7] < log_t < grid[8]
    density = hot * 1.989e33 / (4 * np.pi * (0.1 * radius * 3.0857e21) ** 3 * G10)
    primordial, metals = cooling_function(np.array([temperature]))
    rate = primordial + hot_z / hot / 0.02 * metals
    n, n_h = density / (0.59 * 1.6726e-24), 0.76 * density / 1.6726e-24
    gyr = 1.5 * n * 1.38065e-16 * temperature / (n_h**2 * rate) / 3.15576e16
    air = atmosphere(Halos(v * ONE, radius * ONE, 10 * ONE, 0.03 * ONE))
    assert 1 / (air.primordial * hot + air.metals * hot_z) == pytest.approx(gyr, rel=2e-3)


@pytest.mark.parametrize("ratio", [1.3, 4.0, 60.0])
def test_rate_is_the_mass_within_over_the_longer_time(ratio):
    t_dyn, velocity, hot = 2.0, 200.0, 1e11
    found = flow(ratio, t_dyn, velocity, hot)
    x = np.sqrt(ratio - 1)
    assert found.radius[0] == pytest.approx(x)
    x_in = min(x, 10)
    whole, _ = quad(lambda y: y**2 / (1 + y**2), 0, 10)
    within, _ = quad(lambda y: y**2 / (1 + y**2), 0, x_in)
    t_cool = t_dyn / ratio * (1 + x_in**2)
    # Free fall from r takes sqrt(pi/2) r/V in an isothermal sphere; r = 0.1 x R.
    falling, _ = quad(lambda y: y**2 / (1 + y**2) / (np.sqrt(np.pi / 2) * 0.1 * y * t_dyn), 0, x_in)
    assert found.rate[0] == pytest.approx(min(within / t_cool, falling) / whole, rel=1e-6)


def test_luminosity_is_the_thermal_energy_radiated_within_the_cooling_radius():
    t_dyn, velocity, hot, ratio = 2.0, 200.0, 1e11, 12.0
    found = flow(ratio, t_dyn, velocity, hot)
    x_in = np.sqrt(ratio - 1)
    # Energy 3/4 V^2 per mass, lost in t_c0 (1 + x^2), of gas with density 1 / (1 + x^2).
    lost, _ = quad(lambda y: y**2 / (1 + y**2) ** 2, 0, x_in)
    expected = 0.75 * velocity**2 * hot / G10 * lost * ratio / t_dyn
    assert found.luminosity[0] == pytest.approx(expected, rel=1e-6)


def test_gas_that_has_not_had_the_time_does_not_cool():
    for ratio in (0.0, 0.5, 1.0):
        found = flow(ratio)
        assert found.rate[0] == 0 and found.luminosity[0] == 0


def state(black_hole=0.0, velocity=200.0, hot=1e11):
    galaxies = Galaxies.empty(1)
    galaxies.hot, galaxies.hot_z, galaxies.black_hole = hot, 0.01 * hot, black_hole
    halos = Halos(velocity * ONE, 250 * ONE, 10 * ONE, 0.03 * ONE)
    return galaxies, halos


def cooled(parameters=None, redshift=0.0, step=0.1, **what):
    galaxies, halos = state(**what)
    p = Parameters(**(parameters or {}))
    inflow, inflow_z = cool(galaxies, halos, atmosphere(halos), p, redshift, step)
    return galaxies, inflow, inflow_z


def test_what_cools_is_taken_from_the_hot_gas():
    galaxies, inflow, inflow_z = cooled()
    assert inflow[0] > 1e8
    assert galaxies.hot[0] + inflow[0] == pytest.approx(1e11, rel=1e-14)
    assert inflow_z[0] / inflow[0] == pytest.approx(0.01)


def test_agn_feedback_needs_a_hydrostatic_halo_and_a_black_hole():
    strong, weak = {"alpha_cool": 2.0}, {"alpha_cool": 0.1}
    assert cooled(strong)[1][0] > 0  # no black hole
    heated, inflow, _ = cooled(strong, black_hole=1e9)
    assert inflow[0] == 0
    assert cooled(weak, black_hole=1e9)[1][0] > 0  # not hydrostatic
    assert cooled({**strong, "eps_edd": 1e-9}, black_hole=1e9)[1][0] > 0  # too bright for it
    # It grows by L_cool / (0.2 c^2), and baryons are conserved.
    halos = state()[1]
    air = atmosphere(halos)
    luminosity = cooling_flow(
        1e11 * ONE, 1e9 * ONE, air, halos.dynamical_time, halos.velocity
    ).luminosity
    grown = heated.black_hole[0] - 1e9
    assert grown == pytest.approx(luminosity[0] * 0.1 / (0.2 * 299792.458**2), rel=1e-6)
    assert heated.hot[0] + heated.black_hole[0] == pytest.approx(1e11 + 1e9, rel=1e-14)


def test_reionisation_stops_slow_halos_after_it():
    cut = {"V_cut": 40.0, "z_cut": 8.0}
    slow = {"velocity": 35.0, "hot": 1e9}
    assert cooled(cut, redshift=9.0, **slow)[1][0] > 0
    assert cooled(cut, redshift=7.0, **slow)[1][0] == 0
    assert cooled(cut, redshift=7.0, velocity=45.0, hot=1e9)[1][0] > 0
