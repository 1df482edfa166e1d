"""Designs cover the box evenly: strata, distances and discrepancy, measured with scipy."""

import warnings

import numpy as np
import pytest
from scipy.spatial.distance import pdist
from scipy.stats import qmc

from equatorium.errors import InputError
from equatorium.records.space import Parameter, Space
from equatorium.simulate.design import (
    DESIGNS,
    latin_hypercube,
    maximin_latin_hypercube,
    sobol,
)


@pytest.fixture
def space():
    return Space(
        [
            Parameter("a", -3, 5),
            Parameter("b", 1e-3, 1e3, scale="log"),
            Parameter("c", 0, 1),
            Parameter("d", 2, 4),
        ],
        fixed={"d": 3.0},
    )


@pytest.mark.parametrize("design", DESIGNS.values(), ids=DESIGNS)
@pytest.mark.parametrize("n", [1, 2, 7, 64])
def test_points_lie_in_the_box_and_follow_the_seed(design, n, space):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        theta = design(space, n, rng=4)
    assert theta.shape == (n, 3)
    assert space.contains(theta).all()
    np.testing.assert_array_equal(theta, design(space, n, rng=4))
    np.testing.assert_array_equal(theta, design(space, n, rng=np.random.default_rng(4)))
    assert (theta != design(space, n, rng=5)).any()


@pytest.mark.parametrize("design", [latin_hypercube, maximin_latin_hypercube])
@pytest.mark.parametrize("n", [10, 81])
def test_a_latin_hypercube_has_one_point_in_each_stratum(design, n, space):
    strata = np.floor(space.to_unit(design(space, n, rng=0)) * n).astype(int)
    np.testing.assert_array_equal(np.sort(strata, axis=0), np.arange(n)[:, None] * [1, 1, 1])


@pytest.mark.parametrize(("n", "d"), [(30, 2), (80, 8)])
def test_maximin_points_are_farther_apart_than_any_of_many_random_ones(n, d):
    space = Space([Parameter(f"x{j}", 0, 1) for j in range(d)])
    # McKay's random design is the wrong twin: the best of 50 does not reach ours.
    random = [pdist(latin_hypercube(space, n, rng)).min() for rng in range(50)]
    assert pdist(maximin_latin_hypercube(space, n, 0)).min() > 1.2 * max(random)


@pytest.mark.parametrize("design", DESIGNS.values(), ids=DESIGNS)
def test_designs_fill_the_box_better_than_random_points(design, space):
    rng = np.random.default_rng(0)
    random = [qmc.discrepancy(rng.random((100, 3))) for _ in range(20)]
    ours = [qmc.discrepancy(space.to_unit(design(space, 100, seed))) for seed in range(10)]
    assert np.mean(ours) < 0.6 * np.mean(random)


def test_a_longer_sobol_design_begins_with_the_shorter(space):
    np.testing.assert_array_equal(sobol(space, 30, 2), sobol(space, 100, 2)[:30])


@pytest.mark.parametrize("n", [0, -3, 2.5, True, None])
def test_the_number_of_runs_must_be_positive_and_whole(n, space):
    for design in DESIGNS.values():
        with pytest.raises(InputError, match="positive whole number"):
            design(space, n)
