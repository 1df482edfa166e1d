"""Starting points leave minor summits, which prior draws sit on."""

import numpy as np
import pytest
from scipy import stats

import equatorium as eq
from equatorium.errors import InputError


class Likelihood:
    def __init__(self, function):
        self.log_likelihood = function


SPACE = eq.Space([eq.Parameter("a", -10, 10), eq.Parameter("b", -10, 10)])


def two_summits(theta):
    """A narrow summit of nearly all the mass, and a broad one of e^-20."""
    narrow = stats.multivariate_normal([6, -6], 0.05**2 * np.eye(2)).logpdf(theta)
    broad = stats.multivariate_normal([-4, 4], 2.0**2 * np.eye(2)).logpdf(theta) - 20
    return np.logaddexp(narrow, broad)


def test_points_leave_a_minor_summit():
    posterior = eq.Posterior(SPACE, Likelihood(two_summits))
    starts = eq.annealed_starts(posterior, 500, rng=1)
    assert (np.linalg.norm(starts - [6, -6], axis=1) < 1).all()
    assert starts.std(axis=0) == pytest.approx([0.05, 0.05], rel=0.15)
    # The best eighth of prior draws, by which chains start otherwise, is on the broad one.
    prior = SPACE.sample(4000, 0)
    best = prior[np.argsort(-two_summits(prior))[:500]]
    assert (np.linalg.norm(best - [-4, 4], axis=1) < 8).mean() > 0.9


def test_a_joint_prior_counts():
    rng = stats.multivariate_normal([3, 3], np.eye(2))
    flat = Likelihood(lambda theta: np.zeros(len(theta)))
    posterior = eq.Posterior(SPACE, flat, prior=rng.logpdf)
    starts = eq.annealed_starts(posterior, 2000, rng=1)
    assert starts.mean(axis=0) == pytest.approx([3, 3], abs=0.15)
    assert starts.std(axis=0) == pytest.approx([1, 1], abs=0.1)


def test_the_same_seed_gives_the_same_points():
    posterior = eq.Posterior(SPACE, Likelihood(two_summits))
    a, b = (eq.annealed_starts(posterior, 50, rng=3) for _ in range(2))
    assert (a == b).all()


def test_impossible_problems_are_named():
    nowhere = eq.Posterior(SPACE, Likelihood(lambda theta: np.full(len(theta), -np.inf)))
    with pytest.raises(InputError, match="None of 100 prior draws"):
        eq.annealed_starts(nowhere, 100, rng=0)
    with pytest.raises(InputError, match="n must be a whole number of at least 8"):
        eq.annealed_starts(nowhere, 3, rng=0)
