"""Forests by seed."""

from dataclasses import fields

import numpy as np

from equatorium_galaxies import pool
from equatorium_galaxies.cache import Recent
from equatorium_galaxies.forest import Forest, grow

SMALL = {"scale": 0.02, "mass_floor": 1e11}


def test_loaded_forests_are_the_grown_ones(monkeypatch):
    grown = grow(21, **SMALL)
    first = pool.forest_of(21, **SMALL)
    monkeypatch.setattr(pool, "_RECENT", Recent(2**20))  # as in a new process
    monkeypatch.setattr(pool, "grow", None)  # not even called
    loaded = pool.forest_of(21, **SMALL)
    assert loaded is not first
    for name in (field.name for field in fields(Forest) if field.name != "cosmology"):
        values = [getattr(f, name) for f in (grown, first, loaded)]
        assert values[0].tobytes() == values[1].tobytes() == values[2].tobytes()
        assert values[0].dtype == values[2].dtype


def test_options_and_seeds_are_told_apart():
    a = pool.forest_of(21, **SMALL)
    b = pool.forest_of(22, **SMALL)
    c = pool.forest_of(21, scale=0.02, mass_floor=2e11)
    assert pool.forest_of(21, **SMALL) is a
    assert not np.array_equal(a.root_mass, b.root_mass)
    # Apart from the roots, which are kept whatever their mass.
    assert c.node_mass[c.n_trees :].min() >= 2e11 > a.node_mass[a.n_trees :].min()
