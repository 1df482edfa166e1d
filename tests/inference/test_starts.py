"""Starting points: possible, different, spanning the space, and apart."""

import numpy as np
import pytest

from equatorium.errors import InputError
from equatorium.inference.posterior import Posterior
from equatorium.inference.starts import starting_points
from equatorium.records.space import Parameter, Space

SPACE = Space([Parameter("a", 0, 1), Parameter("b", 0, 1)])


class Flat:
    """Constant, but for what `bad` says about theta."""

    def __init__(self, bad=None, value=np.nan):
        self.bad, self.value = bad, value

    def log_likelihood(self, theta):
        result = np.zeros(len(theta))
        if self.bad is not None:
            result[self.bad(theta)] = self.value
        return result


def choose(likelihood=None, starts=None, ensembles=4, walkers=16, space=SPACE):
    posterior = Posterior(space, likelihood or Flat())
    view = posterior.view("normal")
    points, log_prob = starting_points(
        posterior, view, ensembles, walkers, np.random.default_rng(0), starts
    )
    assert log_prob == pytest.approx(
        view.log_prob(points.reshape(-1, space.d)).reshape(ensembles, walkers)
    )
    return view, points


def test_starts_come_from_the_given_points_and_are_disjoint():
    starts = SPACE.sample(300, 1)
    view, points = choose(starts=starts)
    theta = view.to_theta(points.reshape(-1, 2))
    distance = np.abs(theta[:, None] - starts).max(axis=2)
    assert distance.min(axis=1).max() < 1e-12
    assert len(np.unique(distance.argmin(axis=1))) == 64


def test_ensembles_start_apart_along_the_longest_axis():
    rng = np.random.default_rng(2)
    starts = 0.5 + np.outer(rng.uniform(-0.3, 0.3, 400), [1, 1]) + 0.01 * rng.random((400, 2))
    view, points = choose(starts=starts)
    along = view.to_theta(points.reshape(-1, 2)).sum(axis=1).reshape(4, 16)
    order = along[np.argsort(along.mean(axis=1))]
    assert (order[:-1].max(axis=1) < order[1:].min(axis=1) + 0.05).all()


def test_the_prior_serves_where_no_starts_are_given():
    view, points = choose()
    theta = view.to_theta(points.reshape(-1, 2))
    assert SPACE.contains(theta).all()
    assert theta.std(axis=0) == pytest.approx([1 / np.sqrt(12)] * 2, rel=0.25)


def test_too_few_or_repeated_starts_are_filled_up_from_the_prior():
    starts = np.repeat(SPACE.sample(10, 1), 40, axis=0)
    _, points = choose(starts=starts)
    assert len(np.unique(points.reshape(-1, 2), axis=0)) == 64


def test_impossible_starts_are_left_out():
    starts = np.concatenate([SPACE.sample(300, 1), [[2.0, 0.5], [-1.0, 0.5]]])
    view, points = choose(Flat(lambda t: t[:, 0] > 0.5), starts)
    assert (view.to_theta(points.reshape(-1, 2))[:, 0] <= 0.5).all()


def test_a_likelihood_that_is_nan_everywhere_is_named():
    with pytest.raises(InputError, match=r"64 different.*0 were found.*NaN, the first at \{'a'"):
        choose(Flat(lambda t: t[:, 0] > -1))


def test_a_likelihood_that_is_impossible_everywhere_is_named():
    with pytest.raises(InputError, match="0 were found") as caught:
        choose(Flat(lambda t: t[:, 0] > -1, -np.inf))
    assert "NaN" not in str(caught.value)
    assert "Check the likelihood" in str(caught.value)


def test_starts_in_a_plane_are_refused():
    line = np.linspace(0.1, 0.9, 200)
    for starts in (np.column_stack([line, line]), np.column_stack([line, 0 * line + 0.5])):
        with pytest.raises(InputError, match="do not span the 2 parameters"):
            choose(starts=starts)


def test_wrong_columns():
    with pytest.raises(InputError, match="2 columns"):
        choose(starts=np.zeros((5, 3)))


def test_the_same_seed_chooses_the_same():
    assert np.array_equal(choose()[1], choose()[1])


def test_the_most_probable_points_of_each_slab_are_taken():
    class Peak:
        def log_likelihood(self, theta):
            return -0.5 * np.sum(((theta - 0.5) / 0.01) ** 2, axis=1)

    view, points = choose(Peak(), SPACE.sample(400, 1))
    taken = view.log_prob(points.reshape(-1, 2))
    assert np.median(taken) > np.median(view.log_prob(view.from_theta(SPACE.sample(400, 2)))) / 2


def test_one_parameter():
    _, points = choose(space=Space([Parameter("a", 0, 1)]))
    assert points.shape == (4, 16, 1)
