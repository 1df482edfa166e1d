"""Expansion, age, growth and virial density against colossus and the defining integrals."""

import numpy as np
import pytest
from colossus.cosmology import cosmology as colossus
from colossus.halo import mass_so
from scipy.integrate import quad

from equatorium_galaxies.cosmology import WMAP7

Z = np.array([0.0, 0.5, 1.0, 1.5, 3.0, 8.0, 12.0])


@pytest.fixture(scope="module")
def oracle():
    numbers = {"H0": 70.4, "Om0": 0.272, "Ob0": 0.0455, "sigma8": 0.81, "ns": 0.967}
    # Without radiation, as in the model; nothing is stored on disk.
    return colossus.setCosmology("oracle", flat=True, relspecies=False, persistence="", **numbers)


def test_published_numbers():
    assert WMAP7.age(0.0) == pytest.approx(13.760, abs=5e-4)
    assert WMAP7.growth(0.0) == 1.0
    assert WMAP7.baryon_fraction == pytest.approx(0.0455 / 0.272)


def test_age_and_growth_agree_with_colossus(oracle):
    np.testing.assert_allclose(WMAP7.age(Z), oracle.age(Z), rtol=1e-4)
    np.testing.assert_allclose(WMAP7.growth(Z), oracle.growthFactor(Z), rtol=1e-4)


def test_growth_is_the_integral():
    def unscaled(z):
        integral, _ = quad(
            lambda a: a**-3 * WMAP7.expansion_squared(1 / a - 1) ** -1.5, 0, 1 / (1 + z)
        )
        return np.sqrt(WMAP7.expansion_squared(z)) * integral

    expected = [unscaled(z) / unscaled(0.0) for z in Z]
    np.testing.assert_allclose(WMAP7.growth(Z), expected, rtol=1e-6)
    np.testing.assert_allclose(WMAP7.threshold(Z), 1.686 / np.array(expected), rtol=1e-6)


def test_age_is_the_integral_and_redshift_its_inverse():
    # t = int dz / ((1+z) H), with 1/H_0 = 9.778 Gyr / h.
    for z in Z:
        integral, _ = quad(lambda x: 1 / ((1 + x) * np.sqrt(WMAP7.expansion_squared(x))), z, np.inf)
        assert WMAP7.age(z) == pytest.approx(integral * 9.778 / 0.704, rel=1e-6)
    np.testing.assert_allclose(WMAP7.redshift(WMAP7.age(Z)), Z, atol=1e-12)


def test_virial_radius_agrees_with_colossus(oracle):
    for z in (0.0, 1.0, 5.0):
        mass = 1e12
        ours = (3 * mass / (4 * np.pi * WMAP7.virial_density(z))) ** (1 / 3)
        theirs = mass_so.M_to_R(mass * oracle.h, z, "vir") / oracle.h
        assert ours == pytest.approx(theirs, rel=1e-4)
