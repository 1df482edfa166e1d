"""Several data sets: sums of what scipy gives for each, with parameters by name."""

import numpy as np
import pytest
from scipy import stats

import equatorium as eq
from equatorium.errors import InputError

X1, Y1 = np.array([0.0, 1.0, 2.0]), np.array([1.0, 2.9, 5.2])
X2, Y2 = np.array([0.5, 3.0]), np.array([2.1, 8.0])


def part(x, y, error, jitter):
    model = eq.ModelFunction(
        lambda slope, intercept: intercept + slope * x, jacobian=lambda slope, intercept: (x, 1.0)
    )
    return eq.GaussianLikelihood(
        model, eq.Observation(y, np.full(len(y), error)), free={"jitter": jitter}
    )


def joint():
    return eq.JointLikelihood(
        {"harps": part(X1, Y1, 0.1, "jitter_1"), "keck": part(X2, Y2, 0.3, "jitter_2")}
    )


def counts():
    model = eq.ModelFunction(lambda rate: np.log(rate) + np.zeros(2))
    return eq.PoissonLikelihood(model, eq.Observation([4, 6], [0, 0]))


THETA = np.random.default_rng(0).uniform(0.2, 3.0, (5, 4))


def test_parts_take_what_they_need_by_name():
    both = joint()
    assert both.names == ("slope", "intercept", "jitter_1", "jitter_2")
    expected = [
        stats.norm(b + a * X1, np.hypot(0.1, s)).logpdf(Y1).sum()
        + stats.norm(b + a * X2, np.hypot(0.3, t)).logpdf(Y2).sum()
        for a, b, s, t in THETA
    ]
    assert both.log_likelihood(THETA) == pytest.approx(expected, rel=1e-10)
    assert set(both.each(THETA)) == {"harps", "keck"}


def test_gradient_when_all_parts_have_one():
    both = joint()
    values, gradient = both.log_likelihood_and_gradient(THETA)
    assert values == pytest.approx(both.log_likelihood(THETA), rel=1e-12)
    for j in range(4):
        shift = 1e-6 * np.eye(4)[j]
        up, down = both.log_likelihood(THETA + shift), both.log_likelihood(THETA - shift)
        assert gradient[:, j] == pytest.approx((up - down) / 2e-6, rel=1e-5, abs=1e-4)


def test_a_part_without_a_gradient_is_named():
    mixed = eq.JointLikelihood({"line": part(X1, Y1, 0.1, "s"), "counts": counts()})
    assert (
        mixed.why_no_gradient()
        == "part 'counts': The model function <lambda> is given without a jacobian"
    )
    space = eq.Space([eq.Parameter(name, 0.1, 5.0) for name in mixed.names])
    with pytest.raises(InputError, match=r"part 'counts'.*emcee"):
        eq.Posterior(space, mixed).require_gradient()
    assert np.isfinite(eq.Posterior(space, mixed).log_prob(space.sample(3, 0))).all()


def test_budget_by_part(problem):
    other = part(X1, Y1, 0.1, "s")
    both = eq.JointLikelihood({"emulated": problem.likelihood, "line": other})
    theta = np.column_stack([problem.space.sample(4, 0), np.ones((4, 3))])
    budget = both.budget(theta)
    assert budget["emulated"] == pytest.approx(problem.likelihood.budget(theta[:, :3]))
    assert budget["line"] == pytest.approx({"emulator": 0, "observation": 1, "discrepancy": 0})


def test_samplers_take_it(problem):
    """Two independent halves of the data of the linear problem give its exact posterior."""
    whole, y = problem.likelihood, problem.likelihood.observation
    halves = {
        name: eq.GaussianLikelihood(
            whole.surrogate, y.subset(index), whole.discrepancy, override="exact by construction"
        )
        for name, index in {"first": [0, 3], "second": [1, 2, 4]}.items()
    }
    theta = problem.space.sample(20, 0)
    posterior = eq.Posterior(problem.space, eq.JointLikelihood(halves))
    assert posterior.log_prob(theta) == pytest.approx(problem.posterior.log_prob(theta), rel=1e-10)


@pytest.mark.parametrize("parts", [{}, [1], {"a": 3}, {"a": "text"}])
def test_parts_that_are_none_are_refused(parts):
    with pytest.raises(InputError, match="JointLikelihood"):
        eq.JointLikelihood(parts)


def test_what_was_done_against_the_rules_is_told_of_parts_too():
    model, seen = eq.ModelFunction(lambda slope: slope + np.zeros(1)), eq.Observation([1.0], [0.1])
    loose = eq.GaussianLikelihood(model, seen, emulator_covariance=False, override="because")
    both = eq.JointLikelihood({"loose": loose, "strict": eq.GaussianLikelihood(model, seen)})
    assert not both.emulator_covariance
    assert both.override == "loose: because"
    strict = eq.JointLikelihood({"strict": eq.GaussianLikelihood(model, seen)})
    assert strict.emulator_covariance
    assert strict.override == ""
