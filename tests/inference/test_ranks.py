"""The test of uniformity rejects as often as it says, sees what is wrong, and fits its band."""

import numpy as np
import pytest
from scipy import stats

from equatorium.errors import InputError
from equatorium.inference.ranks import (
    ecdf_band,
    ecdf_p_value,
    ecdf_points,
    holm,
    randomised_rank,
)


def uniform(rows, n, seed=0):
    return np.random.default_rng(seed).random((rows, n))


@pytest.mark.parametrize("n", [20, 200])
def test_p_values_are_uniform_when_ranks_are(n):
    p = np.array([ecdf_p_value(u) for u in uniform(600, n)])
    for level in (0.05, 0.2, 0.5):
        # The statistic is discrete: it may reject a little less often, never more often.
        assert np.sum(p <= level) <= stats.binom.ppf(0.999, len(p), level)
    assert np.mean(p <= 0.5) > 0.4


@pytest.mark.parametrize("wrong", [0.8, 1.25])
def test_it_has_more_power_against_a_wrong_width_than_kolmogorov_and_smirnov(wrong):
    z = np.random.default_rng(1).standard_normal((100, 500))
    ranks = stats.norm.cdf(z / wrong)
    mine = np.mean([ecdf_p_value(u) < 0.01 for u in ranks])
    theirs = np.mean([stats.kstest(u, "uniform").pvalue < 0.01 for u in ranks])
    assert mine > 0.9 > theirs


def test_the_band_holds_whole_functions_as_often_as_it_says():
    n, probability = 100, 0.95
    low, high = ecdf_band(n, probability)
    grid = ecdf_points(n)
    ecdf = (uniform(4000, n, 2)[:, :, None] <= grid).mean(axis=1)
    inside = ((ecdf >= low - 1e-9) & (ecdf <= high + 1e-9)).all(axis=1).mean()
    assert abs(inside - probability) < 0.015


def test_what_leaves_the_band_has_a_small_p_value():
    n = 150
    low, high = ecdf_band(n, 0.99)
    for u in stats.norm.cdf(np.random.default_rng(3).standard_normal((60, n)) / 0.8):
        ecdf = (u[:, None] <= ecdf_points(n)).mean(axis=0)
        outside = ((ecdf < low - 1e-9) | (ecdf > high + 1e-9)).any()
        assert outside == (ecdf_p_value(u) < 0.01)


def test_randomised_ranks_of_any_length_are_uniform():
    rng = np.random.default_rng(4)
    ranks = []
    for _ in range(1000):
        x = rng.standard_normal(int(rng.integers(1, 12)) + 1)
        ranks.append(randomised_rank(x[1:], x[0], rng))
    assert stats.kstest(ranks, "uniform").pvalue > 0.001


def test_ties_are_broken_at_random():
    rng = np.random.default_rng(5)
    ranks = [randomised_rank(np.ones(9), 1.0, rng) for _ in range(1000)]
    assert stats.kstest(ranks, "uniform").pvalue > 0.001


def test_holm_is_what_was_published():
    # Worked out by hand from Holm (1979), and with a p-value that must not fall below its elder.
    assert holm({"c": 0.04, "a": 0.01, "b": 0.015}) == pytest.approx(
        {"c": 0.04, "a": 0.03, "b": 0.03}
    )
    assert holm({"a": 0.9, "b": 0.8}) == {"a": 1.0, "b": 1.0}


@pytest.mark.parametrize("bad", [[], [0.5, 1.5], [-0.1]])
def test_what_are_no_ranks(bad):
    with pytest.raises(InputError, match="between 0 and 1"):
        ecdf_p_value(bad)


def test_a_band_needs_a_probability():
    with pytest.raises(InputError, match="probability"):
        ecdf_band(10, 1.0)
