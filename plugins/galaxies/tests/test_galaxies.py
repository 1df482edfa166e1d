"""The table of reservoirs."""

import numpy as np
import pytest

from equatorium_galaxies.galaxies import BARYONS, RESERVOIRS, Galaxies


def test_attributes_are_rows_of_the_array():
    g = Galaxies.empty(4)
    g.hot = 3.0
    g.disc += np.arange(4.0)
    g.bulge[2] = 7.0
    assert len(RESERVOIRS) == 16
    np.testing.assert_array_equal(g.array[RESERVOIRS.index("hot")], 3.0)
    np.testing.assert_array_equal(g.stars, [0, 1, 9, 3])
    assert g.baryons[2] == 12.0


def test_taking_copies():
    g = Galaxies.empty(3)
    part = g.take(np.array([1]))
    part.hot = 1.0
    assert g.hot.sum() == 0


def test_moving_conserves_mass_and_metals():
    g = Galaxies(np.random.default_rng(1).random((16, 50)))
    before = g.baryons.copy(), g.hot_z + g.cold_z
    fraction = np.linspace(0, 1, 50)
    g.move("hot", "cold", fraction)
    np.testing.assert_allclose(g.baryons, before[0], rtol=1e-15)
    np.testing.assert_allclose(g.hot_z + g.cold_z, before[1], rtol=1e-15)
    assert g.hot[-1] == 0 and g.hot_z[-1] == 0


def test_baryons_are_masses_only():
    assert set(BARYONS) < set(RESERVOIRS)
    assert not any(name.endswith("_z") for name in BARYONS)
    with pytest.raises(ValueError, match="zip"):
        Galaxies(np.zeros((15, 2)))
