"""Power spectrum, sigma(M) and the halo mass function against colossus and exact integrals."""

from itertools import pairwise

import numpy as np
import pytest
from colossus.cosmology import cosmology as colossus
from colossus.lss import mass_function
from scipy.integrate import quad

from equatorium_galaxies.cosmology import WMAP7
from equatorium_galaxies.massfunction import mass_variance, sheth_tormen, transfer

MASS = 10.0 ** np.arange(9.0, 15.1)


@pytest.fixture(scope="module")
def oracle():
    numbers = {"H0": 70.4, "Om0": 0.272, "Ob0": 0.0455, "sigma8": 0.81, "ns": 0.967}
    return colossus.setCosmology("oracle", flat=True, relspecies=False, persistence="", **numbers)


def test_transfer_function_on_large_and_small_scales():
    assert transfer(WMAP7, np.array([1e-6]))[0] == pytest.approx(1.0, abs=1e-3)
    k = np.array([1e2, 1e3])
    slope = np.diff(np.log(transfer(WMAP7, k)))[0] / np.log(10)
    assert slope == pytest.approx(-1.9, abs=0.05)  # ln(k)/k^2


def test_sigma8_is_recovered_by_adaptive_quadrature():
    # An independent integral over the same spectrum fixes the ratio sigma(10^12) / sigma_8.
    def variance(radius):
        def integrand(log_k):
            k = np.exp(log_k)
            x = k * radius
            window = 3 * (np.sin(x) - x * np.cos(x)) / x**3 if x > 1e-3 else 1.0
            return k ** (3 + WMAP7.n_s) * transfer(WMAP7, k) ** 2 * window**2

        edges = np.log([1e-5, 1e-2, 1.0 / radius, 10 / radius, 100 / radius])
        pieces = [quad(integrand, a, b, limit=400)[0] for a, b in pairwise(edges)]
        return sum(pieces)

    mass = 1e12
    radius = (3 * mass / (4 * np.pi * WMAP7.matter_density)) ** (1 / 3)
    expected = 0.81 * np.sqrt(variance(radius) / variance(8 / WMAP7.h))
    table = mass_variance(WMAP7)
    assert table.sigma(np.array([mass]))[0] == pytest.approx(expected, rel=2e-3)
    mass8 = 4 / 3 * np.pi * (8 / WMAP7.h) ** 3 * WMAP7.matter_density
    assert table.sigma(np.array([mass8]))[0] == pytest.approx(0.81, rel=1e-4)


def test_sigma_agrees_with_colossus(oracle):
    # colossus keeps the baryon wiggles, which are worth 1.3 % at the low end.
    radius = oracle.h * (3 * MASS / (4 * np.pi * WMAP7.matter_density)) ** (1 / 3)
    ours, alpha = mass_variance(WMAP7).sigma_alpha(MASS)
    np.testing.assert_allclose(ours, oracle.sigma(radius), rtol=0.015)
    slope = -oracle.sigma(radius, derivative=True) / 3
    np.testing.assert_allclose(alpha, slope, rtol=0.03)


@pytest.mark.parametrize("z", [0.0, 1.0, 3.0])
def test_mass_function_agrees_with_colossus(oracle, z):
    theirs = mass_function.massFunction(
        MASS * oracle.h, z, q_in="M", q_out="dndlnM", mdef="fof", model="sheth99"
    )
    ratio = sheth_tormen(WMAP7, MASS, z) / (theirs * oracle.h**3 * np.log(10))
    assert np.abs(np.log10(ratio)).max() < 0.02
    if z == 0:
        assert np.abs(np.log10(ratio)).max() < 0.006


def test_mass_in_halos_is_the_integral_over_peak_height():
    log_mass = np.linspace(9, 15.5, 4001)
    per_dex = 10**log_mass * sheth_tormen(WMAP7, 10**log_mass) / WMAP7.matter_density
    found = np.trapezoid(per_dex, log_mass)
    edges = np.sqrt(0.707) * 1.686 / mass_variance(WMAP7).sigma(10 ** log_mass[[0, -1]])
    expected, _ = quad(
        lambda x: 0.3222 * np.sqrt(2 / np.pi) * (1 + x**-0.6) * np.exp(-(x**2) / 2), *edges
    )
    assert found == pytest.approx(expected, rel=1e-3)
    # ... and over all peak heights it is one: all mass is in halos.
    whole, _ = quad(
        lambda x: 0.3222 * np.sqrt(2 / np.pi) * (1 + x**-0.6) * np.exp(-(x**2) / 2), 0, np.inf
    )
    assert whole == pytest.approx(1.0, abs=1e-3)
