"""The posterior predictive against the closed form of the linear-Gaussian problem."""

import numpy as np
import pytest

from equatorium.errors import InputError
from equatorium.inference.draws import Draws
from equatorium.inference.predictive import posterior_predictive
from equatorium.records.covariance import Diagonal


def exact_draws(problem, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.multivariate_normal(problem.mean, problem.covariance, size=(4, 100, 16))
    return Draws(problem.space.names, x, np.zeros(x.shape[:-1]), problem.space)


def test_mean_and_covariance_of_each_stage(problem):
    predicted = posterior_predictive(exact_draws(problem), problem.likelihood, n=6000, rng=1)
    signal = problem.A @ problem.covariance @ problem.A.T
    stages = {"mean": 0.0, "model": 0.01, "reality": 0.01 + 0.04, "replicated": 0.01 + 0.04 + 0.25}
    for name, added in stages.items():
        values = getattr(predicted, name)
        exact = signal + added * np.eye(5)
        assert values.shape == (6000, 5)
        error = np.sqrt(np.diag(exact) / 6000)
        assert (np.abs(values.mean(axis=0) - problem.A @ problem.mean) < 5 * error).all()
        assert np.cov(values.T) == pytest.approx(exact, abs=0.1 * exact.max())
        # the diagonal tells the stages apart: relative error of a variance is sqrt(2 / n)
        assert np.diag(np.cov(values.T)) == pytest.approx(np.diag(exact), rel=5 * (2 / 6000) ** 0.5)


def test_variance_shared_by_the_runs_belongs_to_the_model(tools):
    problem = tools.build(extra=Diagonal(np.full(5, 4.0)))
    predicted = posterior_predictive(exact_draws(problem), problem.likelihood, n=4000, rng=1)
    gained = np.var(predicted.model, axis=0) - np.var(predicted.mean, axis=0)
    assert gained == pytest.approx(np.full(5, 4.01), rel=0.15)


def test_the_same_seed_gives_the_same_and_theta_are_draws(problem):
    draws = exact_draws(problem)
    a, b = (posterior_predictive(draws, problem.likelihood, n=50, rng=3) for _ in range(2))
    assert np.array_equal(a.replicated, b.replicated)
    assert np.array_equal(a.theta, draws.thinned(50))


def test_draws_of_other_parameters_are_refused(problem):
    draws = Draws(("other",), np.zeros((4, 2, 8, 1)), np.zeros((4, 2, 8)))
    with pytest.raises(InputError, match="draws are of other"):
        posterior_predictive(draws, problem.likelihood)
