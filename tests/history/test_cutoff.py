import numpy as np
import pytest
from scipy import optimize, stats

from equatorium.errors import InputError, ShapeError
from equatorium.history.cutoff import rejection_cutoff
from equatorium.history.implausibility import nth_maximum


def exact(q, rank, probability):
    """At most rank - 1 of q independent |z| exceed c: a binomial probability."""

    def excess(c):
        return stats.binom.sf(rank - 1, q, 2 * stats.norm.sf(c)) - probability

    return optimize.brentq(excess, 0.01, 9)


@pytest.mark.parametrize("rank", [1, 2, 3])
@pytest.mark.parametrize(("q", "probability"), [(48, 0.01), (3, 0.05)])
def test_independent_data_have_a_closed_form(q, rank, probability):
    found = rejection_cutoff(np.eye(q), rank, probability, rng=1)
    # Both ends of the 99 % band of the number of draws beyond, Bonferroni over the six cases.
    beyond = np.array(stats.binom.interval(1 - 0.01 / 6, 200_000, probability)) / 200_000
    assert exact(q, rank, beyond[1]) < found < exact(q, rank, beyond[0])


def test_the_maximum_of_48_is_cut_at_about_3_7_and_not_at_3():
    c = rejection_cutoff(np.eye(48), rng=0)
    assert c == pytest.approx(3.71, abs=0.04)
    assert (2 * stats.norm.cdf(c) - 1) ** 48 == pytest.approx(0.99, abs=0.001)
    # Three sigma for each would reject the truth in 12 % of all studies.
    assert 1 - (2 * stats.norm.cdf(3) - 1) ** 48 > 0.12


def test_one_datum_is_exact():
    assert rejection_cutoff([[4.0]], probability=0.05) == pytest.approx(1.959964, abs=1e-6)


def test_data_that_are_one_are_cut_as_one():
    found = rejection_cutoff(np.ones((10, 10)), probability=0.05, rng=0)
    assert found == pytest.approx(1.96, abs=0.02)


@pytest.mark.parametrize("rank", [1, 2])
def test_correlated_truths_are_rejected_at_the_stated_rate(rank):
    rng = np.random.default_rng(3)
    distance = np.abs(np.subtract.outer(np.arange(20), np.arange(20)))
    V = np.outer(np.linspace(1, 3, 20), np.linspace(1, 3, 20)) * np.exp(-distance / 5)
    c = rejection_cutoff(V, rank, 0.05, rng)
    n = 40_000
    z = np.abs(stats.multivariate_normal(cov=V).rvs(n, random_state=rng)) / np.linspace(1, 3, 20)
    low, high = stats.binom.interval(0.99, n, 0.05)
    # The cut-off itself is known to 200 000 draws: its band is joined.
    slack = 2.6 * np.sqrt(n * n * 0.05 / 200_000)
    assert low - slack <= np.sum(nth_maximum(z, rank) > c) <= high + slack
    # The wrong twin: as if the data were independent.
    wrong = exact(20, rank, 0.05)
    assert not low - slack <= np.sum(nth_maximum(z, rank) > wrong) <= high + slack


def test_the_same_seed_gives_the_same_cutoff():
    assert rejection_cutoff(np.eye(5), rng=4) == rejection_cutoff(np.eye(5), rng=4)


@pytest.mark.parametrize(
    ("options", "error", "match"),
    [
        ({"correlation": np.ones((2, 3))}, ShapeError, "square"),
        ({"correlation": [[1.0, 0.5], [0.1, 1.0]]}, InputError, "symmetric"),
        ({"correlation": [[1.0, 0.0], [0.0, 0.0]]}, InputError, "positive diagonal"),
        ({"correlation": [[1.0, 2.0], [2.0, 1.0]]}, InputError, "eigenvalue is -1"),
        ({"correlation": np.eye(2), "probability": 1.0}, InputError, "between 0 and 1"),
        ({"correlation": np.eye(2), "probability": 1e-5}, InputError, "draws=5000000"),
        ({"correlation": np.eye(2), "probability": 1e-5}, InputError, "of 0.00025 or more"),
        ({"correlation": np.eye(2), "rank": 3}, InputError, "rank"),
    ],
)
def test_wrong_questions_are_refused(options, error, match):
    with pytest.raises(error, match=match):
        rejection_cutoff(**options)
