"""Merger trees: structure, reproducibility, and the mass function of progenitors."""

import numpy as np
import pytest

from equatorium_galaxies import progenitors
from equatorium_galaxies.cosmology import WMAP7
from equatorium_galaxies.forest import OUTPUT_SNAPSHOTS, grow, sample_roots, snapshots
from equatorium_galaxies.massfunction import sheth_tormen


def test_snapshots():
    z = snapshots()
    assert len(z) == 54 and z[0] == 0 and z[-1] == pytest.approx(12)
    np.testing.assert_allclose(z[list(OUTPUT_SNAPSHOTS)], [0, 0.5, 1, 1.5], atol=1e-14)
    assert np.all(np.diff(z) > 0)


def test_roots_stand_for_the_mass_function():
    mass, weight, stratum = sample_roots(5.0, WMAP7, np.random.default_rng(3))
    assert np.bincount(stratum).min() >= 2
    log_mass = np.linspace(10.4, 15.0, 20001)
    for power in (0, 1):
        truth = np.trapezoid(10 ** (power * log_mass) * sheth_tormen(WMAP7, 10**log_mass), log_mass)
        assert weight @ mass**power == pytest.approx(truth, rel=0.01)


def test_structure(forest):
    n = forest.n_branches
    roots = forest.host < 0
    assert np.count_nonzero(roots) == forest.n_trees and np.all(forest.infall[roots] == 0)
    assert np.all(forest.birth >= forest.infall)
    others = np.flatnonzero(~roots)
    assert np.all(forest.tree[others] == forest.tree[forest.host[others]])
    # A host lives on, at least to the snapshot after.
    assert np.all(forest.infall[forest.host[others]] < forest.infall[others])
    assert np.all(forest.birth[forest.host[others]] >= forest.infall[others])
    resolution = np.maximum(1e10, 2e-4 * forest.root_mass)
    assert np.all(forest.node_mass >= resolution[forest.tree[forest.node_branch]] * (1 - 1e-12))
    # Each branch has one node at every snapshot from its birth to its infall.
    nodes = np.bincount(forest.node_branch, minlength=n)
    np.testing.assert_array_equal(nodes, forest.birth - forest.infall + 1)
    for k in (0, 10, 30):
        branch, mass = forest.nodes(k)
        assert len(set(branch)) == len(branch)
        born = forest.birth[branch] == k
        np.testing.assert_array_equal(forest.leaf_mass[branch[born]], mass[born])


def test_progenitors_never_outweigh_their_descendant(forest):
    for k in (1, 14, 40):
        branch, mass = forest.nodes(k)
        descendant = np.where(forest.infall[branch] == k, forest.host[branch], branch)
        total = np.bincount(descendant, weights=mass, minlength=forest.n_branches)
        below, later = forest.nodes(k - 1)
        assert np.all(total[below] <= later * (1 + 1e-12))


def test_the_main_branch_is_the_most_massive_progenitor(forest):
    for k in (5, 25):
        branch, mass = forest.nodes(k)
        of_branch = np.zeros(forest.n_branches)
        of_branch[branch] = mass
        falls = forest.infall[branch] == k
        assert np.all(mass[falls] <= of_branch[forest.host[branch[falls]]])


def test_spins_and_orbits_follow_their_distributions(forest):
    assert np.median(forest.spin) == pytest.approx(0.039, rel=0.02)
    assert np.std(np.log(forest.spin)) == pytest.approx(0.53, rel=0.03)
    assert np.median(np.log10(forest.orbit)) == pytest.approx(-0.14, abs=0.01)


def test_same_seed_same_bits():
    a, b, c = grow(7, scale=0.02), grow(7, scale=0.02), grow(8, scale=0.02)
    for name in ("node_mass", "node_branch", "spin", "orbit", "weight"):
        assert getattr(a, name).tobytes() == getattr(b, name).tobytes()
    assert a.node_mass.tobytes() != c.node_mass.tobytes()


def progenitor_ratios(scale, seeds):
    """Progenitor mass function over Sheth-Tormen at z = 0.5, 1, 1.5, and its error."""
    edges = np.array([10.5, 11.0, 11.5, 12.0, 12.5, 13.0])
    fine = np.linspace(edges[:-1], edges[1:], 51)
    found = {k: [] for k in OUTPUT_SNAPSHOTS[1:]}
    for seed in seeds:
        forest = grow(seed, scale=scale)
        for k, values in found.items():
            branch, mass = forest.nodes(k)
            weight = forest.weight[forest.tree[branch]]
            counts = np.histogram(np.log10(mass), edges, weights=weight)[0]
            truth = np.mean(sheth_tormen(WMAP7, 10**fine, snapshots()[k]), axis=0) * 0.5
            values.append(counts / truth)
    values = np.array(list(found.values()))  # (3, seeds, bins)
    return values.mean(axis=1), values.std(axis=1, ddof=1) / np.sqrt(len(seeds))


def within_ten_percent(ratio, error):
    return np.all(np.abs(ratio - 1) < 0.10 + 2 * error)


def test_progenitor_mass_function():
    ratio, error = progenitor_ratios(0.2, range(4))
    assert np.median(error) < 0.05
    assert within_ten_percent(ratio, error), ratio


def test_a_wrong_tree_algorithm_is_noticed(monkeypatch):
    # Plain extended Press-Schechter trees lose their massive progenitors too early.
    monkeypatch.setattr(progenitors, "G0", 1.0)
    monkeypatch.setattr(progenitors, "GAMMA1", 0.0)
    assert not within_ten_percent(*progenitor_ratios(0.1, range(3)))


@pytest.mark.slow
def test_progenitor_mass_function_at_full_size():
    ratio, error = progenitor_ratios(2.0, range(6))
    assert np.all(np.abs(ratio - 1) < 0.10 + error), ratio
