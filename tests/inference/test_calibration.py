"""Truth recovery on a problem whose posterior is exact; wrong posteriors must fail it."""

import numpy as np
import pytest
from scipy import stats

from equatorium.errors import InputError, ShapeError
from equatorium.inference.calibration import (
    log_posterior_rank,
    recovery,
    standardised_errors,
    uniformity,
)
from equatorium.inference.draws import Draws
from equatorium.inference.posterior import Posterior
from equatorium.records.space import Parameter, Space

D = 5
SPACE = Space([Parameter(f"x{j}", -9, 9, prior=stats.norm(0, 1)) for j in range(D)])
ERRORS = np.array([0.2, 0.3, 0.4, 3.0, 30.0])  # three parameters constrained, two hardly


class Direct:
    """Each parameter is measured once, with known error: the posterior is N(w y, w error^2)."""

    def __init__(self, y):
        self.y = y
        self.weight = 1 / (1 + ERRORS**2)

    def log_likelihood(self, theta):
        return stats.norm(theta, ERRORS).logpdf(self.y).sum(axis=1)

    @property
    def mean(self):
        return self.weight * self.y

    @property
    def sd(self):
        return np.sqrt(self.weight) * ERRORS


def mocks(kind, n=20, seed=0):
    """Ranks, errors and shrinkage of n mocks, with exact draws or deliberately wrong ones."""
    rng = np.random.default_rng(seed)
    rows = []
    for _ in range(n):
        truth = rng.standard_normal(D)
        likelihood = Direct(truth + ERRORS * rng.standard_normal(D))
        mean, sd = likelihood.mean, likelihood.sd
        if kind == "prior":
            mean, sd = np.zeros(D), np.ones(D)
        if kind == "narrow":
            sd = 0.6 * sd
        if kind == "wide":
            sd = 1.8 * sd
        if kind == "shifted":
            mean = mean + 1.5 * sd
        samples = mean + sd * rng.standard_normal((4, 25, 16, D))
        posterior = Posterior(SPACE, likelihood)
        log_prob = posterior.log_prob(samples.reshape(-1, D)).reshape(samples.shape[:-1])
        draws = Draws(SPACE.names, samples, log_prob, SPACE)
        rank = log_posterior_rank(draws, posterior, truth, rng)
        rows.append((rank, standardised_errors(draws, truth), draws.shrinkage))
    return [np.array(column) for column in zip(*rows, strict=True)]


@pytest.mark.parametrize("seed", range(2))
def test_the_right_posterior_passes(seed):
    result = recovery(SPACE.names, *mocks("right", seed=seed))
    assert result.passed, result.summary()
    assert result.names == ("x0", "x1", "x2")
    exact = ERRORS[:3] / np.sqrt(1 + ERRORS[:3] ** 2)
    assert result.shrinkage == pytest.approx(exact, rel=0.05)
    assert "passed" in result.summary()


@pytest.mark.parametrize(
    ("kind", "why"),
    [
        ("prior", "constrain too little"),
        ("narrow", "too narrow"),
        ("wide", "too wide"),
        ("shifted", "too narrow"),
    ],
)
def test_wrong_posteriors_fail(kind, why):
    result = recovery(SPACE.names, *mocks(kind))
    assert not result.passed
    assert any(why in reason for reason in result.reasons)
    assert "FAILED" in result.summary()


def test_ranks_of_the_right_posterior_are_uniform_and_of_a_narrow_one_not():
    right, narrow = (mocks(kind, n=60, seed=7)[0] for kind in ("right", "narrow"))
    assert uniformity(right) > 0.001
    assert uniformity(narrow) < 0.001


def test_rank_counts_the_draws_that_are_less_probable():
    rng = np.random.default_rng(0)
    posterior = Posterior(SPACE, Direct(np.zeros(D)))
    samples = 0.3 * rng.standard_normal((4, 10, 8, D))
    log_prob = posterior.log_prob(samples.reshape(-1, D)).reshape(4, 10, 8)
    draws = Draws(SPACE.names, samples, log_prob)
    truth = samples[1, 2, 3] * 1.01
    below = np.sum(log_prob < posterior.log_prob(truth[None])[0])
    rank = log_posterior_rank(draws, posterior, truth, 1)
    assert below / 321 <= rank <= (below + 1) / 321
    assert log_posterior_rank(draws, posterior, np.full(D, 8.9), 1) < 1 / 321
    assert log_posterior_rank(draws, posterior, np.zeros(D), 1) > 320 / 321


def test_an_impossible_truth_has_rank_zero():
    posterior = Posterior(SPACE, Direct(np.zeros(D)))
    samples = np.zeros((4, 2, 8, D))
    draws = Draws(SPACE.names, samples, np.zeros((4, 2, 8)))
    assert log_posterior_rank(draws, posterior, np.full(D, 10.0)) == 0.0


def test_errors_are_standardised_in_the_scaled_coordinate():
    space = Space([Parameter("rate", 0.01, 100, "log")])
    log10 = 0.3 * np.random.default_rng(0).standard_normal((4, 100, 8, 1))
    draws = Draws(("rate",), 10**log10, np.zeros((4, 100, 8)), space)
    exact = (0.6 - log10.mean()) / log10.std()
    assert standardised_errors(draws, [10**0.6]) == pytest.approx([exact])
    plain = Draws(("rate",), log10, np.zeros((4, 100, 8)))
    assert standardised_errors(plain, [0.6]) == pytest.approx([exact])


def test_bad_input():
    ranks, errors, shrinkage = np.full(4, 0.5), np.zeros((4, D)), np.ones((4, D))
    with pytest.raises(ShapeError, match="one row a mock"):
        recovery(SPACE.names, ranks[:3], errors, shrinkage)
    with pytest.raises(InputError, match="1 to 5"):
        recovery(SPACE.names, ranks, errors, shrinkage, constrained=6)
