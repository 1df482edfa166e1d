"""Leave-one-out and WAIC against posteriors fitted anew without each datum, in closed form."""

import dataclasses

import numpy as np
import pytest
from scipy import stats

from equatorium.errors import InputError, ShapeError
from equatorium.inference.information import waic
from equatorium.inference.loo import LeaveOneOut, leave_one_out
from equatorium.inference.pointwise import pointwise_log_likelihood
from equatorium.inference.psis import largest_k, smoothed
from equatorium.records.covariance import Dense

Q = 14
STEPS = np.abs(np.subtract.outer(np.arange(Q), np.arange(Q)))
SHARED = 0.5 * 0.7**STEPS


def solved(problem, S):
    """Give the problem the posterior of a total covariance S."""
    y = problem.likelihood.observation.values
    covariance = np.linalg.inv(problem.A.T @ np.linalg.solve(S, problem.A))
    mean = covariance @ problem.A.T @ np.linalg.solve(S, y)
    return dataclasses.replace(problem, S=S, mean=mean, covariance=covariance)


@pytest.fixture(scope="module")
def correlated(tools):
    """Fourteen data with errors that go together."""
    problem = tools.build(q=Q, extra=Dense(SHARED), emulator=tools.Linear(dense=True))
    return solved(problem, 0.29 * np.eye(Q) + SHARED + 0.01 * 0.5**STEPS)


@pytest.fixture(scope="module")
def independent(tools):
    return tools.build(q=Q)


def conditional(i, S):
    """Weights b and variance of datum i given the others: E = m_i + b (y - m)_others."""
    rest = np.delete(np.arange(Q), i)
    b = np.linalg.solve(S[np.ix_(rest, rest)], S[rest, i])
    return rest, b, S[i, i] - S[i, rest] @ b


def fitted_anew(problem):
    """Log p(y_i | y_-i) of each datum, from the posterior of the others."""
    y, A, S = problem.likelihood.observation.values, problem.A, problem.S
    out = []
    for i in range(Q):
        rest, b, variance = conditional(i, S)
        S_rest, A_rest = S[np.ix_(rest, rest)], A[rest]
        cov = np.linalg.inv(A_rest.T @ np.linalg.solve(S_rest, A_rest))
        mean = cov @ A_rest.T @ np.linalg.solve(S_rest, y[rest])
        slope = A[i] - b @ A_rest
        sd = np.sqrt(variance + slope @ cov @ slope)
        out.append(stats.norm(slope @ mean + b @ y[rest], sd).logpdf(y[i]))
    return np.array(out)


def test_density_of_a_datum_given_the_others(correlated):
    theta = np.random.default_rng(0).uniform(-1, 1, (3, 3))
    found = pointwise_log_likelihood(correlated.likelihood, theta)
    y = correlated.likelihood.observation.values
    for row, x in zip(found, theta, strict=True):
        mean = correlated.A @ x
        for i in range(Q):
            rest, b, variance = conditional(i, correlated.S)
            exact = stats.norm(mean[i] + b @ (y - mean)[rest], np.sqrt(variance)).logpdf(y[i])
            assert row[i] == pytest.approx(exact, rel=1e-6)


@pytest.mark.parametrize("kind", ["independent", "correlated"])
def test_leave_one_out_is_what_fitting_anew_gives(tools, request, kind):
    problem = request.getfixturevalue(kind)
    found = leave_one_out(tools.exact_draws(problem, steps=500, seed=2), problem.likelihood, 20_000)
    exact = fitted_anew(problem)
    assert found.pareto_k.max() < 0.7 and not found.unreliable
    assert found.pointwise == pytest.approx(exact, abs=0.06)
    assert found.elpd == pytest.approx(exact.sum(), abs=0.1)
    assert found.error == pytest.approx(np.sqrt(Q * exact.var(ddof=1)), rel=0.05)
    assert 1.5 < found.excess.sum() < 6  # three parameters


def test_correlations_that_are_forgotten_are_noticed(tools, correlated):
    """The wrong twin: data that are correlated, as if each stood alone."""
    draws = tools.exact_draws(correlated, steps=500, seed=2)

    class Alone:
        def pointwise(self, theta):
            sd = np.sqrt(np.diag(correlated.S))
            y = correlated.likelihood.observation.values
            return stats.norm(theta @ correlated.A.T, sd).logpdf(y)

    found = leave_one_out(draws, Alone(), 20_000)
    assert np.abs(found.pointwise - fitted_anew(correlated)).max() > 0.3
    assert found.labels[3] == "3"


def test_waic_in_closed_form(tools, independent):
    problem = independent
    found = waic(tools.exact_draws(problem, steps=500, seed=1), problem.likelihood, 20_000)
    y, variance = problem.likelihood.observation.values, problem.S[0, 0]
    mean = problem.A @ problem.mean
    spread = np.einsum("ij,jk,ik->i", problem.A, problem.covariance, problem.A)
    seen = stats.norm(mean, np.sqrt(variance + spread)).logpdf(y)
    penalty = (2 * spread**2 + 4 * (y - mean) ** 2 * spread) / (4 * variance**2)
    assert found.pointwise == pytest.approx(seen - penalty, abs=0.03)
    assert found.penalty == pytest.approx(penalty, rel=0.1, abs=0.005)
    assert f"WAIC {-2 * found.elpd:.2f}" in found.summary()


def test_waic_is_not_for_correlated_data(tools, correlated):
    with pytest.raises(InputError, match="correlated given the parameters"):
        waic(tools.exact_draws(correlated), correlated.likelihood)


def test_a_datum_that_rules_the_posterior_is_named(tools):
    problem = tools.build(q=4, seed=3)
    found = leave_one_out(tools.exact_draws(problem), problem.likelihood)
    assert found.unreliable
    assert f"NOT RELIABLE for {', '.join(found.unreliable)}" in found.summary()
    assert "sample anew" in found.summary()


def test_two_models_are_compared_datum_by_datum():
    a = LeaveOneOut(("x", "y", "z"), np.array([-1.0, -2.0, -4.0]), np.zeros(3), np.zeros(3), 100)
    b = LeaveOneOut(("x", "y", "z"), np.array([-1.5, -2.0, -5.0]), np.zeros(3), np.zeros(3), 100)
    difference, error = a.difference(b)
    assert difference == 1.5
    assert error == pytest.approx(np.sqrt(3 * np.var([0.5, 0, 1], ddof=1)))
    with pytest.raises(InputError, match="same data"):
        a.difference(LeaveOneOut(("x",), np.zeros(1), np.zeros(1), np.zeros(1), 100))


def test_what_has_no_single_data_is_refused(tools, independent):
    draws = tools.exact_draws(independent)

    class Bare:
        def log_likelihood(self, theta):
            return np.zeros(len(theta))

    class Wrong(Bare):
        def pointwise(self, theta):
            return np.zeros(len(theta))

    with pytest.raises(InputError, match="which Bare does not have"):
        leave_one_out(draws, Bare())
    with pytest.raises(ShapeError, match="pointwise of Wrong"):
        leave_one_out(draws, Wrong())


def test_pareto_shape_of_weights_whose_tail_is_known():
    """exp(k E) of a standard exponential E has a Pareto tail of shape k."""
    rng = np.random.default_rng(0)
    for k in (0.3, 0.9):
        shapes = [smoothed(k * rng.standard_exponential(20_000))[1] for _ in range(5)]
        assert np.mean(shapes) == pytest.approx(k, abs=0.08)
    weights, k = smoothed(np.zeros(100))
    assert np.exp(weights).sum() == pytest.approx(1) and k < 0.1
    with pytest.raises(InputError, match="at least 25"):
        smoothed(np.zeros(10))
    assert largest_k(100) == 0.5 and largest_k(10**6) == 0.7


def test_a_datum_that_says_nothing_has_no_tail():
    rng = np.random.default_rng(0)
    uneven = rng.standard_normal(500)
    weights, k = smoothed(np.stack([uneven, np.zeros(500)]))
    alone, k_alone = smoothed(uneven)
    np.testing.assert_array_equal(weights[0], alone)
    np.testing.assert_allclose(weights[1], -np.log(500))
    assert k[0] == k_alone
    assert k[1] == -np.inf
