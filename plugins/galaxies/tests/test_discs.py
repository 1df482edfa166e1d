"""Disc sizes and rotation against the exact exponential disc, and stability."""

import numpy as np
import pytest
from scipy.optimize import brentq
from scipy.special import i0, i1, k0, k1

from equatorium_galaxies.discs import HALF_MASS, destabilise, settle, unstable
from equatorium_galaxies.galaxies import Galaxies
from equatorium_galaxies.halo import Halos

ONE = np.ones(1)
G = 4.30091e-6


def halos(n=1):
    one = np.ones(n)
    return Halos(150 * one, 200 * one, 10 * one, 0.04 * one)


def settled(galaxies, passes=200):
    for _ in range(passes):
        r50 = settle(galaxies, halos(), 0 * ONE)
    return r50


def disc(mass=3e10, spin=800.0):
    galaxies = Galaxies.empty(1)
    galaxies.disc, galaxies.cold = 0.7 * mass, 0.3 * mass
    galaxies.spin, galaxies.v_disc = spin, 150.0
    return galaxies


def test_constants_of_the_exponential_disc():
    half = brentq(lambda x: 1 - (1 + x) * np.exp(-x) - 0.5, 0.1, 5)
    assert pytest.approx(half, abs=5e-4) == HALF_MASS
    # Freeman (1970): V^2 = 2 G M / r_d y^2 (I0 K0 - I1 K1) at y = r / (2 r_d).
    y = half / 2
    freeman = 2 * y**2 * (i0(y) * k0(y) - i1(y) * k1(y)) * half
    galaxies = disc()
    r50 = settled(galaxies)
    self_gravity = galaxies.v_disc**2 - halos().rotation_squared(r50)
    assert self_gravity[0] * r50[0] / (G * 3e10) == pytest.approx(freeman, rel=2e-3)


def test_a_settled_disc_satisfies_its_equations():
    galaxies = disc()
    r50 = settled(galaxies)
    assert r50[0] == pytest.approx(galaxies.spin[0] / (1.19 * galaxies.v_disc[0]), rel=1e-10)


def test_a_bulge_pulls_with_its_enclosed_mass():
    galaxies = disc()
    r50 = settled(galaxies)
    galaxies.bulge, galaxies.r_bulge = 1e10, r50
    galaxies.v_disc = 1e9  # makes the disc shrink to its smallest size: evaluate V there
    small = settle(galaxies, halos(), 0 * ONE)
    pull = galaxies.v_disc**2 - halos().rotation_squared(small) - G * 0.6252 * 3e10 / small
    a = r50 / (1 + np.sqrt(2))  # Hernquist's scale for a half-mass radius r50
    assert pull[0] == pytest.approx((G * 1e10 * small / (small + a) ** 2)[0], rel=1e-3)


def test_inflow_brings_the_spin_of_the_halo():
    galaxies = disc(mass=1e10, spin=100.0)
    settle(galaxies, halos(), 1e10 * ONE)
    brought = np.sqrt(2) * 0.04 * 150 * 200
    assert galaxies.spin[0] == pytest.approx((100 + brought) / 2)


def test_heavy_discs_are_unstable_and_more_so_with_f_stab():
    light, heavy = disc(mass=1e8), disc(mass=2e11)
    assert not unstable(light, settled(light), 0.61)[0]
    assert unstable(heavy, settled(heavy), 1.1)[0]
    # A self-gravitating exponential disc alone has V_d^2 = 0.6252 / 1.678 of the critical one.
    borderline = np.sqrt(0.6252 / HALF_MASS)
    galaxies, r50 = disc(), 5.0 * ONE
    galaxies.v_disc = np.sqrt(G * 0.6252 * 3e10 / r50)
    assert unstable(galaxies, r50, borderline * 1.001)[0]
    assert not unstable(galaxies, r50, borderline * 0.999)[0]


def test_an_unstable_disc_becomes_a_bulge_of_the_same_energy():
    galaxies = disc(mass=2e11)
    galaxies.bulge, galaxies.r_bulge, galaxies.disc_z = 5e10, 2.0, 1e9
    r50 = settled(galaxies)
    before = galaxies.baryons[0]
    assert unstable(galaxies, r50, 1.1)[0]
    destabilise(galaxies, halos(), r50, 1.1)
    assert galaxies.disc[0] == galaxies.cold[0] == galaxies.spin[0] == 0
    assert galaxies.bulge[0] == pytest.approx(5e10 + 1.4e11)
    assert galaxies.burst[0] == pytest.approx(6e10) and galaxies.bulge_z[0] == 1e9
    assert galaxies.baryons[0] == pytest.approx(before, rel=1e-15)
    m_b, m_d = 5e10, 2e11
    energy = 0.49 * m_b**2 / 2.0 + 0.45 * m_d**2 / r50[0] + m_b * m_d / (2.0 + r50[0])
    assert galaxies.r_bulge[0] == pytest.approx(0.49 * (m_b + m_d) ** 2 / energy, rel=1e-12)
