"""Mock data have the moments that the likelihood states; likelihoods take other data."""

import numpy as np
import pytest

import equatorium as eq
from equatorium.errors import InputError, SimulatorError
from equatorium.inference.likelihood import GaussianLikelihood
from equatorium.inference.mock_data import complete_for, simulated_data


def many(likelihood, theta, n=4000, **options):
    rng = np.random.default_rng(0)
    return np.array([simulated_data(likelihood, theta, rng, **options) for _ in range(n)])


def assert_moments(y, mean, S):
    n = len(y)
    np.testing.assert_allclose(y.mean(axis=0), mean, atol=5 * np.sqrt(np.diag(S).max() / n))
    np.testing.assert_allclose(np.cov(y.T), S, atol=6 * np.diag(S).max() / np.sqrt(n))


def test_through_the_emulator_with_all_that_is_uncertain(tools):
    shared = eq.Dense(0.3 * np.eye(5) + 0.1)
    problem = tools.build(extra=shared)
    theta = np.array([0.3, -0.2, 0.5])
    y = many(problem.likelihood, theta)
    assert_moments(y, problem.A @ theta, problem.S + shared.dense())


def test_an_emulator_that_is_taken_as_exact_has_no_errors_of_its_own(tools):
    problem = tools.build(emulator_covariance=False)
    y = many(problem.likelihood, np.zeros(3))
    assert_moments(y, np.zeros(5), (0.5**2 + 0.2**2) * np.eye(5))


def test_of_a_true_simulator_whose_parameters_have_another_order(tools):
    problem = tools.build()
    names = ["x2", "x0", "x1", "off"]
    space = eq.Space([eq.Parameter(name, -9, 9) for name in names])
    outputs = eq.Outputs(["other", *problem.likelihood.observation.names])
    order = [names.index(name) for name in problem.space.names]

    def true(**theta):
        x = np.array([theta[name] for name in names])
        return [7.0, *(problem.A @ x[order] + x[3])]

    simulator = eq.wrap(lambda x2, x0, x1, off: true(x2=x2, x0=x0, x1=x1, off=off), space, outputs)
    fixed = eq.Space([*problem.space.parameters], {"off": 2.0})
    theta = np.array([0.3, -0.2, 0.5])
    assert complete_for(simulator, fixed, theta).tolist() == [0.5, 0.3, -0.2, 2.0]
    y = many(problem.likelihood, theta, 2000, simulator=simulator, space=fixed)
    assert_moments(y, problem.A @ theta + 2.0, (0.5**2 + 0.2**2) * np.eye(5))
    with pytest.raises(InputError, match="needs the parameters off"):
        complete_for(simulator, problem.space, theta)


def test_a_run_that_fails_makes_no_data(problem):
    outputs = problem.likelihood.surrogate.outputs
    broken = eq.wrap(lambda x0, x1, x2: [np.nan] * 5, problem.space, outputs)
    rng = np.random.default_rng(0)
    with pytest.raises(SimulatorError, match="no data can be made"):
        simulated_data(problem.likelihood, np.zeros(3), rng, broken, problem.space)


def test_the_likelihood_of_other_data_is_that_of_a_new_one(tools):
    problem = tools.build()
    old = problem.likelihood
    discrepancy = eq.Discrepancy(0.2, fraction=0.3, diagonal=True)
    start = GaussianLikelihood(old.surrogate, old.observation, discrepancy, override="exact")
    values = old.observation.values + 1.0
    other = start.with_data(values)
    observation = eq.Observation(values, np.full(5, 0.5), names=old.observation.names)
    new = GaussianLikelihood(old.surrogate, observation, discrepancy, override="exact")
    theta = problem.space.sample(7, 1)
    np.testing.assert_allclose(other.log_likelihood(theta), new.log_likelihood(theta))
    assert not np.allclose(start.log_likelihood(theta), other.log_likelihood(theta))
    np.testing.assert_array_equal(start.observation.values, old.observation.values)


def test_any_likelihood_simulates_at_its_own_parameters():
    class OfB:
        names = ("b",)

        def simulate(self, theta, rng):
            return theta

        def with_data(self, y):
            return self

    space = eq.Space([eq.Parameter("a", 0, 1), eq.Parameter("b", 10, 20)])
    rng = np.random.default_rng(0)
    assert simulated_data(OfB(), np.array([0.5, 15.0]), rng, None, space).tolist() == [15.0]
