"""Prior and posterior predictive against the closed form of the linear-Gaussian problem."""

import numpy as np
import pytest
from scipy import stats

from equatorium.errors import InputError
from equatorium.inference.draws import Draws
from equatorium.inference.likelihood import GaussianLikelihood
from equatorium.inference.particle_prior import ParticlePrior
from equatorium.inference.posterior import Posterior
from equatorium.inference.predictive import posterior_predictive, prior_predictive
from equatorium.records.covariance import Diagonal
from equatorium.records.observation import Observation


def test_mean_and_covariance_of_each_stage(tools, problem):
    predicted = posterior_predictive(tools.exact_draws(problem), problem.likelihood, n=6000, rng=1)
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
    predicted = posterior_predictive(tools.exact_draws(problem), problem.likelihood, n=4000, rng=1)
    gained = np.var(predicted.model, axis=0) - np.var(predicted.mean, axis=0)
    assert gained == pytest.approx(np.full(5, 4.01), rel=0.15)


def test_the_same_seed_gives_the_same_and_theta_are_draws(tools, problem):
    draws = tools.exact_draws(problem)
    a, b = (posterior_predictive(draws, problem.likelihood, n=50, rng=3) for _ in range(2))
    assert np.array_equal(a.replicated, b.replicated)
    assert np.array_equal(a.theta, draws.thinned(50))


def test_draws_of_other_parameters_are_refused(problem):
    draws = Draws(("other",), np.zeros((4, 2, 8, 1)), np.zeros((4, 2, 8)))
    with pytest.raises(InputError, match="draws are of other"):
        posterior_predictive(draws, problem.likelihood)


def test_the_prior_predicts_in_closed_form(problem):
    predicted = prior_predictive(problem.posterior, n=8000, rng=1)
    exact = 27.0 * problem.A @ problem.A.T + problem.S  # uniform on (-9, 9): 18^2 / 12
    error = np.sqrt(np.diag(exact) / 8000)
    assert (np.abs(predicted.replicated.mean(axis=0)) < 5 * error).all()
    variance = np.diag(np.cov(predicted.replicated.T))
    assert variance == pytest.approx(np.diag(exact), rel=5 * (2 / 8000) ** 0.5)
    assert predicted.kind == "prior"


def test_a_joint_prior_counts_if_it_can_be_drawn_from(problem):
    near = problem.mean + 0.01 * np.random.default_rng(0).standard_normal((200, 3))
    known = ParticlePrior.of(problem.space, near)
    posterior = Posterior(problem.space, problem.likelihood, prior=known)
    predicted = prior_predictive(posterior, n=500, rng=1)
    assert predicted.mean.mean(axis=0) == pytest.approx(problem.A @ problem.mean, abs=0.05)
    posterior = Posterior(problem.space, problem.likelihood, prior=problem.space.log_prior)
    with pytest.raises(InputError, match="ParticlePrior"):
        prior_predictive(posterior)
    with pytest.raises(InputError, match="positive whole number of draws, but it is 0"):
        prior_predictive(problem.posterior, n=0)
    with pytest.raises(InputError, match="posterior must be of the type Posterior"):
        prior_predictive(problem.likelihood)


def test_summary_sets_data_beside_predictions(tools, problem):
    predicted = posterior_predictive(tools.exact_draws(problem), problem.likelihood, n=6000, rng=1)
    lines = predicted.summary().splitlines()
    assert lines[0] == "Posterior predictive of the data, 6000 draws"
    mean, sd = (
        problem.A[2] @ problem.mean,
        np.sqrt(problem.A[2] @ problem.covariance @ problem.A[2] + problem.S[2, 2]),
    )
    name, observed, *rest = lines[4].split()
    y = problem.likelihood.observation.values[2]
    assert (name, observed) == ("y2", f"{y:.4g}")
    exact = stats.norm(mean, sd)
    assert [float(v) for v in rest[:3]] == pytest.approx(exact.ppf([0.05, 0.5, 0.95]), abs=0.06)
    assert float(rest[3]) == pytest.approx(exact.cdf(y), abs=0.03)
    assert predicted.notice == ""


def test_draws_that_have_not_converged_pass_it_on(problem):
    x = np.zeros((4, 4, 8, 3))
    draws = Draws(problem.space.names, x, x[..., 0], problem.space)
    predicted = posterior_predictive(draws, problem.likelihood, rng=0)
    assert predicted.summary().endswith("NOT CONVERGED")


def test_another_likelihood_is_refused(tools, problem):
    class Other:
        surrogate = problem.likelihood.surrogate

    with pytest.raises(InputError, match=r"GaussianLikelihood.*Other does not"):
        posterior_predictive(tools.exact_draws(problem), Other())


def test_limits_are_marked_in_the_summary(problem):
    y = problem.likelihood.observation
    seen = Observation(
        [0.0, 1.0, 2.0, 3.0, 4.0], y.covariance, names=y.names, limit=[0, 0, 1, 0, -1]
    )
    limited = GaussianLikelihood(problem.likelihood.surrogate, seen, override="test")
    lines = prior_predictive(Posterior(problem.space, limited), n=50, rng=1).summary().splitlines()
    assert [line.split()[1] for line in lines[2:]] == ["0", "1", ">2", "3", "<4"]
