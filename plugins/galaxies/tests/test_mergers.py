"""Mergers: what goes where, by the mass ratio."""

import numpy as np
import pytest

from equatorium_galaxies.galaxies import BARYONS, Galaxies
from equatorium_galaxies.halo import Halos
from equatorium_galaxies.mergers import merge, remnant_radius
from equatorium_galaxies.parameters import Parameters
from equatorium_galaxies.timeline import Interval


def scene(satellite_mass, n_satellites=1):
    """One central of 1e10 in a disc, and satellites that merge with it."""
    n = 1 + n_satellites
    galaxies = Galaxies.empty(n)
    galaxies.hot, galaxies.ejected, galaxies.black_hole = 1e11, 3e10, 1e6
    galaxies.v_disc, galaxies.spin = 150.0, 500.0
    galaxies.disc[0], galaxies.cold[0], galaxies.disc_z[0] = 7e9, 3e9, 1e8
    galaxies.disc[1:], galaxies.cold[1:], galaxies.bulge[1:] = (
        0.5 * satellite_mass,
        0.3 * satellite_mass,
        0.2 * satellite_mass,
    )
    galaxies.r_bulge[1:] = 1.0
    ones = np.ones(n)
    interval = Interval(
        end=0,
        start_time=0.0,
        end_time=1.0,
        members=np.arange(n, dtype=np.int32),
        n_centrals=1,
        accretion=0 * ones,
        halos=Halos(150 * ones, 200 * ones, 10 * ones, 0.04 * ones),
        host=np.zeros(n_satellites, np.intp),
        infalling=np.zeros(0, np.intp),
        merging=np.arange(1, n),
    )
    return galaxies, interval


def merged(satellite_mass, n_satellites=1, **parameters):
    galaxies, interval = scene(satellite_mass, n_satellites)
    before = {name: getattr(galaxies, name).sum() for name in BARYONS}
    merge(galaxies, interval, Parameters(**{"f_ellip": 0.3, "f_burst": 0.1, **parameters}))
    assert not galaxies.array[:, 1:].any()
    assert galaxies.baryons.sum() == pytest.approx(sum(before.values()), rel=1e-14)
    for name in ("hot", "ejected", "black_hole"):
        assert getattr(galaxies, name)[0] == pytest.approx(before[name])
    return galaxies


def test_a_minor_merger_adds_stars_to_the_bulge_and_gas_to_the_disc():
    g = merged(0.5e9)
    assert g.disc[0] == 7e9 and g.bulge[0] == pytest.approx(0.35e9)
    assert g.cold[0] == pytest.approx(3e9 + 0.15e9) and g.burst[0] == 0
    assert g.spin[0] == 500.0


def test_above_f_burst_the_gas_bursts_but_the_disc_survives():
    g = merged(2e9)
    assert g.disc[0] == 7e9 and g.cold[0] == 0
    assert g.burst[0] == pytest.approx(3e9 + 0.6e9)


def test_above_f_ellip_nothing_is_left_of_the_disc():
    g = merged(5e9)
    assert g.disc[0] == g.cold[0] == g.spin[0] == 0
    assert g.bulge[0] == pytest.approx(7e9 + 3.5e9) and g.bulge_z[0] == 1e8
    # A major merger bursts whatever f_burst says.
    assert merged(5e9, f_burst=0.9).burst[0] == pytest.approx(3e9 + 1.5e9)


def test_the_largest_of_several_decides():
    # Three satellites of a fifth are no major merger, together or not.
    g = merged(2e9, n_satellites=3)
    assert g.disc[0] == 7e9 and g.bulge[0] == pytest.approx(3 * 1.4e9)


def test_remnants_conserve_energy():
    m1, r1, m2, r2 = 3.0, 2.0, 1.0, 0.5
    r = remnant_radius(*(np.array([x]) for x in (m1, r1, m2, r2)))[0]
    orbit = 2 * m1 * m2 / (r1 + r2)
    assert (m1 + m2) ** 2 / r == pytest.approx(m1**2 / r1 + m2**2 / r2 + orbit)
    one, none = np.ones(1), np.zeros(1)
    assert remnant_radius(one, 3 * one, none, none)[0] == pytest.approx(3.0)
    assert remnant_radius(none, none, none, none)[0] == 0.0


def test_empty_galaxies_merge_quietly():
    galaxies, interval = scene(0.0)
    galaxies.disc, galaxies.cold = 0.0, 0.0
    merge(galaxies, interval, Parameters())
    assert np.isfinite(galaxies.array).all() and galaxies.stars.sum() == 0


def test_a_central_without_baryons_is_merged_with_as_in_a_major_merger():
    galaxies, interval = scene(1e9)
    galaxies.disc[0] = galaxies.cold[0] = galaxies.disc_z[0] = 0.0
    merge(galaxies, interval, Parameters())  # an overflow would warn, and warnings are errors
    assert galaxies.disc[0] == 0.0 and galaxies.bulge[0] == pytest.approx(0.7e9)
    assert galaxies.burst[0] == pytest.approx(0.3e9)
    assert np.isfinite(galaxies.array).all()
