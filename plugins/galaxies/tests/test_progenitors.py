"""One step of the tree algorithm against the rates that define it."""

import numpy as np
import pytest
from scipy.integrate import quad

from equatorium_galaxies import progenitors
from equatorium_galaxies.cosmology import WMAP7
from equatorium_galaxies.massfunction import mass_variance
from equatorium_galaxies.progenitors import smooth_accretion_integral, step_back

G0, G1, G2 = 0.57, 0.38, -0.01


def rate(q, mass, threshold):
    """PCH08, eqs 1-2: dN/dq per unit of w, without the bounding power law of the algorithm."""
    sigma2 = mass_variance(WMAP7).sigma(np.array([mass]))
    sigma1, alpha1 = mass_variance(WMAP7).sigma_alpha(q * mass)
    extended = np.sqrt(2 / np.pi) * alpha1 * sigma1**2 / (sigma1**2 - sigma2**2) ** 1.5 / q**2
    return extended * G0 * (sigma1 / sigma2) ** G1 * (threshold / sigma2) ** G2


def test_smooth_accretion_integral_by_quadrature():
    for u in (0.003, 0.2, 1.0, 7.0, 300.0):
        expected, _ = quad(lambda x: (1 + x**-2.0) ** (G1 / 2), 0, u)
        assert smooth_accretion_integral(np.array([u]))[0] == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("mass", [1e11, 1e13])
def test_fragments_follow_the_conditional_mass_function(mass):
    n, threshold, step, floor = 100_000, 2.0, 0.02, 2e9
    main, parent, fragment = step_back(
        np.full(n, mass),
        threshold,
        step,
        np.full(n, floor),
        mass_variance(WMAP7),
        np.random.default_rng(1),
    )
    assert np.all(np.diff(parent) >= 0)
    assert np.all((fragment >= floor * (1 - 1e-12)) & (fragment <= mass / 2 * (1 + 1e-12)))
    edges = np.geomspace(floor / mass, 0.5, 6)
    counts = np.histogram(fragment / mass, edges)[0]
    q = np.geomspace(edges[:-1], edges[1:], 400)
    expected = np.trapezoid(rate(q, mass, threshold), q, axis=0) * step * n
    assert np.all(np.abs(counts - expected) < 4 * np.sqrt(expected) + 0.01 * expected)
    # What is lost beyond the fragments is the smooth accretion, the same for all halos.
    lost = 1 - main / mass - np.bincount(parent, fragment, n) / mass
    assert np.ptp(lost) < 1e-12
    sigma2, sigma_res = mass_variance(WMAP7).sigma(np.array([mass, floor]))
    below, _ = quad(lambda s: s * (s / sigma2) ** G1 / (s**2 - sigma2**2) ** 1.5, sigma_res, np.inf)
    below *= np.sqrt(2 / np.pi) * G0 * (threshold / sigma2) ** G2
    assert lost[0] == pytest.approx(below * step, rel=1e-3)


def test_a_wrong_rate_is_noticed(monkeypatch):
    monkeypatch.setattr(progenitors, "G0", 0.65)
    with pytest.raises(AssertionError):
        test_fragments_follow_the_conditional_mass_function(1e13)


def test_a_halo_at_its_resolution_vanishes_and_none_gets_negative():
    mass = np.array([1e10, 1.01e10, 1.5e10, 3e10, 1e15])
    main, _, fragment = step_back(
        mass,
        1.686,
        0.5,  # far too long a step
        np.full(5, 1e10),
        mass_variance(WMAP7),
        np.random.default_rng(2),
    )
    assert np.all(np.isfinite(main)) and np.all(main >= 0) and np.all(fragment > 0)
    assert main[0] == 0
