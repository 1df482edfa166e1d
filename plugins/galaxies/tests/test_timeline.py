"""The trees read forwards: membership, hosts, accretion and mergers."""

from itertools import pairwise

import numpy as np
import pytest

from equatorium_galaxies.forest import snapshots
from equatorium_galaxies.timeline import intervals


@pytest.fixture(scope="module")
def walk(forest):
    return list(intervals(forest))


def test_time_runs_from_redshift_twelve_to_today(forest, walk):
    assert [i.end for i in walk] == list(range(52, -1, -1))
    assert walk[-1].end_time == pytest.approx(13.760, abs=1e-3)
    for earlier, later in pairwise(walk):
        assert earlier.end_time == later.start_time


def test_who_is_alive(forest, walk):
    satellites = set()
    for interval in walk:
        centrals = interval.members[: interval.n_centrals]
        there, _ = forest.nodes(interval.end)
        born = forest.birth[there] == interval.end
        assert set(centrals) == set(there[~born])
        falling = set(interval.members[interval.infalling])
        assert all(forest.infall[list(falling)] == interval.end + 1)
        satellites |= falling
        assert set(interval.members[interval.n_centrals :]) == satellites
        satellites -= set(interval.members[interval.merging])
    # Of all galaxies ever born, each is alive at the end, or merged, or a halo at z = 0.
    assert len(satellites) > 0


def test_hosts_are_centrals_of_the_same_tree_and_follow_the_halos(forest, walk):
    for interval in walk[::4]:
        satellites = np.arange(interval.n_centrals, len(interval.members))
        host = interval.host_of(satellites)
        assert np.all(host < interval.n_centrals)
        tree = forest.tree[interval.members]
        assert np.all(tree[satellites] == tree[host])
        # Climbing from host to host ends at the branch that is a central now.
        climbed = forest.host[interval.members[satellites]]
        while np.any(gone := forest.infall[climbed] > interval.end):
            climbed = np.where(gone, forest.host[climbed], climbed)
        np.testing.assert_array_equal(interval.members[host], climbed)


def test_accreted_mass_is_what_the_trees_gain(forest, walk):
    baryons = forest.cosmology.baryon_fraction
    gained = np.zeros(forest.n_trees)
    for interval in walk:
        step = interval.end_time - interval.start_time
        tree = forest.tree[interval.members]
        gained += np.bincount(tree, interval.accretion * step, minlength=forest.n_trees)
        assert np.all(interval.accretion >= 0)
        assert np.all(interval.accretion[interval.n_centrals :] == 0)
    leaves = np.bincount(forest.tree, forest.leaf_mass, minlength=forest.n_trees)
    np.testing.assert_allclose(gained + baryons * leaves, baryons * forest.root_mass, rtol=1e-10)


def test_halos_are_reset_when_their_mass_has_doubled(forest, walk):
    velocity = {}
    for interval in walk:
        start = interval.end + 1
        branch, mass = forest.nodes(start)
        now = dict(zip(interval.members, interval.halos.velocity, strict=True))
        for b, m in zip(branch[::50], mass[::50], strict=True):
            formed, _ = velocity.get(b, (0.0, None))
            if m >= 2 * formed:
                density = forest.cosmology.virial_density(snapshots()[start])
                radius = (3 * m / (4 * np.pi * density)) ** (1 / 3)
                velocity[b] = m, np.sqrt(4.30091e-6 * m / radius)
            if b in velocity and forest.birth[b] == start:
                assert now[b] == pytest.approx(velocity[b][1])


def test_satellites_keep_their_halo(forest, walk):
    first, second = walk[30], walk[31]
    old = dict(zip(first.members, first.halos.radius, strict=True))
    for place in range(second.n_centrals, len(second.members)):
        branch = second.members[place]
        if branch in old and place not in second.infalling:
            assert second.halos.radius[place] == old[branch]
