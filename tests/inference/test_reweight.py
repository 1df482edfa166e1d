"""Weights on draws against posteriors in closed form: true runs, and other discrepancies."""

import numpy as np
import pytest

import equatorium as eq
from equatorium.errors import InputError, UnreliableWeightsError
from equatorium.inference.reweight import reweighted
from equatorium.inference.robustness import discrepancy_sensitivity, varied
from equatorium.inference.true_runs import reweighted_by_runs
from equatorium.records.discrepancy import Discrepancy
from equatorium.records.runs import Runs


def closed_form(problem, S, offset=0.0):
    """Posterior of y = A theta + offset + noise of covariance S."""
    y = problem.likelihood.observation.values - offset
    covariance = np.linalg.inv(problem.A.T @ np.linalg.solve(S, problem.A))
    return covariance @ problem.A.T @ np.linalg.solve(S, y), covariance


def agrees(found, problem, mean, covariance, sigmas=4.5):
    sd = np.sqrt(np.diag(problem.covariance))
    error = sd * np.maximum(found.shift_error, 0.01)
    assert (np.abs(found.mean - mean) < sigmas * error).all()
    assert found.std == pytest.approx(np.sqrt(np.diag(covariance)), rel=0.08)


def runs_at(problem, theta, offset=0.0, noise=None):
    outputs = problem.likelihood.surrogate.outputs
    return Runs(problem.space, outputs, theta, theta @ problem.A.T + offset, noise)


def test_true_runs_give_the_simulators_posterior(tools):
    """The simulator lies beside the emulator by 0.15, and has no emulator's error of 0.3."""
    problem = tools.build(q=9, emulator=tools.Linear(covariance=0.09))
    S = (0.25 + 0.04 + 0.09) * np.eye(9)
    mean, covariance = closed_form(problem, S)
    draws = tools.exact_draws(problem, seed=1, mean=mean, covariance=covariance)
    runs = runs_at(problem, draws.thinned(4000), offset=0.15)
    found = reweighted_by_runs(draws, problem.likelihood, runs)
    true = closed_form(problem, 0.29 * np.eye(9), offset=0.15)
    assert found.reliable
    agrees(found, problem, *true)
    # The wrong twin: the emulator's own posterior is not the simulator's.
    with pytest.raises(AssertionError):
        agrees(found, problem, mean, covariance)


def test_an_emulators_variance_that_changes_over_the_space_counts(tools):
    """Weights without the log-determinants would favour where the emulator knows least."""
    problem = tools.build(d=2, q=9, emulator=tools.Linear(covariance=0.05, slope=6.0))
    true = closed_form(problem, 0.29 * np.eye(9))
    rng = np.random.default_rng(0)
    x = rng.multivariate_normal(true[0], 2.5 * true[1], 60_000)
    r = x - true[0]
    proposal = -0.5 * np.einsum("ni,ij,nj->n", r, np.linalg.inv(2.5 * true[1]), r)
    log_weights = problem.likelihood.log_likelihood(x) - proposal
    chosen = rng.choice(len(x), 6400, p=(w := np.exp(log_weights - log_weights.max())) / w.sum())
    samples = x[chosen].reshape(4, 100, 16, 2)
    draws = eq.Draws(problem.space.names, samples, np.zeros(samples.shape[:3]), problem.space)
    theta = draws.thinned(4000)
    found = reweighted_by_runs(draws, problem.likelihood, runs_at(problem, theta))
    agrees(found, problem, *true)
    residual = problem.likelihood.observation.values - theta @ problem.A.T
    own = problem.likelihood.predict(theta).variance
    chi2 = (residual**2 / (0.29 + own)).sum(axis=1) - (residual**2 / 0.29).sum(axis=1)
    forgetful = reweighted(draws, theta, 0.5 * chi2, "no determinants", "")
    with pytest.raises(AssertionError):
        agrees(forgetful, problem, *true)


def test_noise_of_the_runs_is_part_of_their_covariance(tools):
    problem = tools.build(q=9)
    mean, covariance = closed_form(problem, 0.30 * np.eye(9))
    draws = tools.exact_draws(problem, seed=1, mean=mean, covariance=covariance)
    theta = draws.thinned(4000)
    # Declared noise as large as the emulator's variance, and none in truth: nothing moves.
    found = reweighted_by_runs(
        draws, problem.likelihood, runs_at(problem, theta, noise=np.full((len(theta), 9), 0.01))
    )
    assert found.efficiency == pytest.approx(1)
    assert found.shift == pytest.approx(np.zeros(3), abs=1e-6)


def test_weights_that_fail_are_refused_with_the_remedy(tools):
    problem = tools.build(q=9)
    draws = tools.exact_draws(problem)
    found = reweighted_by_runs(draws, problem.likelihood, runs_at(problem, draws.thinned(200), 3.0))
    assert found.pareto_k > 0.57 and not found.reliable
    with pytest.raises(UnreliableWeightsError, match=r"up to 0\.57 only.*sample anew"):
        _ = found.mean
    assert "NOT RELIABLE. The emulator's posterior is not the simulator's" in found.summary()


def test_a_simulator_is_run_at_the_draws(tools):
    problem = tools.build(q=9)
    A = problem.A
    function = lambda x0, x1, x2: [np.nan] * 9 if x0 > problem.mean[0] + 0.3 else A @ [x0, x1, x2]  # noqa: E731
    simulator = eq.wrap(function, problem.space, problem.likelihood.surrogate.outputs, version="1")
    draws = tools.exact_draws(problem)
    with pytest.warns(UserWarning, match="one after another"):
        found = reweighted_by_runs(
            draws, problem.likelihood, simulator, n=60, rng=0, progress=False
        )
    failed = int((draws.thinned(60)[:, 0] > problem.mean[0] + 0.3).sum())
    assert failed > 0 and f"({failed} of 60 runs failed)" in found.title
    assert found.n == 60 - failed
    with pytest.raises(InputError, match="come from a Simulator"):
        reweighted_by_runs(draws, problem.likelihood, 3)


def test_other_discrepancies_in_closed_form(tools):
    problem = tools.build(q=12)
    draws = tools.exact_draws(problem, seed=2)
    found = discrepancy_sensitivity(
        draws,
        problem.likelihood,
        {"0.3": Discrepancy(0.3, diagonal=True), "the same": Discrepancy(0.2, diagonal=True)},
        n=4000,
    )
    agrees(found.cases["0.3"], problem, *closed_form(problem, (0.26 + 0.09) * np.eye(12)))
    assert found.cases["0.3"].stretch == pytest.approx(np.sqrt(np.full(3, 0.35 / 0.3)), rel=0.05)
    assert found.shifts[1] == pytest.approx(np.zeros(3), abs=1e-12)
    # The wrong twin: the posterior that was sampled, passed off as the other.
    with pytest.raises(AssertionError):
        agrees(found.cases["the same"], problem, *closed_form(problem, 0.50 * np.eye(12)))


def test_correlated_and_shared_discrepancies_in_closed_form(tools):
    """Lengths along a coordinate, at data that have one."""
    problem = tools.build(q=12)
    seen = problem.likelihood.observation
    x = np.linspace(0, 1, 12)
    outputs = eq.Outputs([f"y{i}" for i in range(12)], {"x": x})
    theta = problem.space.from_unit(np.random.default_rng(0).random((30, 3)))
    surrogate = eq.Surrogate.fitted(
        Runs(problem.space, outputs, theta, theta @ problem.A.T), tools.Linear()
    )
    observation = eq.Observation(seen.values, seen.errors, {"x": x})
    stated = Discrepancy(0.2, length={"x": 0.3})
    likelihood = eq.GaussianLikelihood(surrogate, observation, stated, override="exact")

    def total(d):
        return 0.26 * np.eye(12) + d.covariance(observation).dense()

    mean, covariance = closed_form(problem, total(stated))
    draws = tools.exact_draws(problem, seed=3, mean=mean, covariance=covariance)
    found = discrepancy_sensitivity(draws, likelihood, n=4000)
    assert list(found.cases) == ["sizes x 0.5", "sizes x 2", "length of x x 0.5", "length of x x 2"]
    for name, other in varied(stated).items():
        case = found.cases[name]
        if case.reliable:
            agrees(case, problem, *closed_form(problem, total(other)))
    assert sum(case.reliable for case in found.cases.values()) >= 3


def test_what_weights_cannot_tell_says_resample(tools):
    problem = tools.build(q=30)
    found = discrepancy_sensitivity(
        tools.exact_draws(problem), problem.likelihood, {"3": Discrepancy(3.0, diagonal=True)}
    )
    assert np.isnan(found.shifts).all()
    lines = found.summary().splitlines()
    assert [line.split()[-1] for line in lines[4:7]] == ["re-sample"] * 3
    assert "draw anew" in lines[-1]
    with pytest.raises(UnreliableWeightsError, match="Re-sample"):
        _ = found.cases["3"].std


def test_nothing_to_vary_is_told(tools):
    problem = tools.build()
    bare = eq.GaussianLikelihood(
        problem.likelihood.surrogate, problem.likelihood.observation, override="exact"
    )
    with pytest.raises(InputError, match="no discrepancy to vary"):
        discrepancy_sensitivity(tools.exact_draws(problem), bare)


def test_shifts_are_measured_in_the_scaled_coordinate():
    space = eq.Space([eq.Parameter("rate", 0.01, 1.0, "log")])
    u = np.random.default_rng(0).normal(0.5, 0.05, (4, 100, 16, 1))
    draws = eq.Draws(
        ("rate",), space.from_unit(u.reshape(-1, 1)).reshape(u.shape), u[..., 0], space
    )
    found = reweighted(draws, draws.flat, 0.5 * (u.ravel() - 0.5) / 0.05, "tilted", "")
    assert found.shift == pytest.approx([0.5], abs=0.05)  # of a normal, by completing the square
    assert found.shift_error == pytest.approx([0.5 / np.sqrt(6400)], rel=0.5)
    assert "tilted: 6400 draws" in found.summary()
