"""The chi-squared check against its closed form, and over data that are right and wrong."""

import dataclasses

import numpy as np
import pytest
from scipy import stats

from equatorium.errors import InputError
from equatorium.inference.draws import Draws
from equatorium.inference.goodness import GoodnessOfFit, goodness_of_fit
from equatorium.inference.likelihood import GaussianLikelihood


def test_chi_squared_splits_into_a_fit_and_a_posterior(tools):
    """chi2(y, theta) = chi2 of the best fit + chi-squared of d degrees of freedom."""
    problem = tools.build(q=9)
    fit = goodness_of_fit(tools.exact_draws(problem, steps=200), problem.likelihood, n=10_000)
    r = problem.likelihood.observation.values - problem.A @ problem.mean
    least = r @ np.linalg.solve(problem.S, r)
    assert stats.kstest(fit.chi2 - least, stats.chi2(3).cdf).pvalue > 1e-3
    grid = stats.chi2(3).ppf((np.arange(4000) + 0.5) / 4000)
    assert fit.p_value == pytest.approx(stats.chi2(9).sf(least + grid).mean(), abs=0.01)


def test_each_datum_has_its_own_probability(tools):
    problem = tools.build(q=9)
    fit = goodness_of_fit(tools.exact_draws(problem, steps=200), problem.likelihood, n=10_000)
    spread = problem.A @ problem.covariance @ problem.A.T + problem.S
    y = problem.likelihood.observation.values
    exact = stats.norm(problem.A @ problem.mean, np.sqrt(np.diag(spread))).cdf(y)
    assert fit.below == pytest.approx(exact, abs=0.02)


def judged(problem, truths, rng, error_ratio=1.0):
    """p-values of data drawn from the model, whose errors are `error_ratio` times as stated."""
    gain = problem.covariance @ problem.A.T @ np.linalg.inv(problem.S)
    root = np.linalg.cholesky(problem.covariance)
    stated, out = problem.likelihood, []
    for theta in truths:
        noise = rng.multivariate_normal(np.zeros(len(problem.S)), problem.S)
        y = problem.A @ theta + error_ratio * noise
        observation = dataclasses.replace(stated.observation, values=y)
        likelihood = GaussianLikelihood(
            stated.surrogate, observation, stated.discrepancy, override="exact"
        )
        x = gain @ y + rng.standard_normal((4, 8, 8, 3)) @ root.T
        draws = Draws(problem.space.names, x, np.zeros(x.shape[:3]), problem.space)
        draws.__dict__["convergence"] = tools_convergence
        out.append(goodness_of_fit(draws, likelihood).p_value)
    return np.array(out)


class _Converged:
    converged, reasons = True, ()


tools_convergence = _Converged()


def test_it_is_conservative_and_says_so(tools):
    """Best fits have six degrees of freedom; p is then known, and narrower than uniform."""
    problem = tools.build(q=9)
    rng = np.random.default_rng(3)
    p = judged(problem, rng.uniform(-1, 1, (300, 3)), rng)
    levels = (np.arange(400) + 0.5) / 400
    least, spread = stats.chi2(6).ppf(levels), stats.chi2(3).ppf(levels)
    exact = stats.chi2(9).sf(least[:, None] + spread).mean(axis=1)
    assert stats.ks_2samp(p, exact).pvalue > 1e-3
    assert stats.kstest(p, "uniform").pvalue < 1e-3
    assert np.mean(exact <= 0.05) < 0.03
    assert (
        "2 a of the time"
        in goodness_of_fit(tools.exact_draws(problem), problem.likelihood).summary()
    )


def test_wrong_errors_are_found(tools):
    """The wrong twins: data that scatter twice, and a fifth, as much as their errors say."""
    problem = tools.build(q=25)
    rng = np.random.default_rng(4)
    truths = rng.uniform(-1, 1, (40, 3))
    assert np.mean(judged(problem, truths, rng, 2.0) < 0.0125) > 0.9
    assert np.mean(judged(problem, truths, rng, 0.2) > 1 - 0.0125) > 0.9


def test_the_farthest_datum_is_named():
    fit = GoodnessOfFit(("a", "b", "c"), np.full(100, 30.0), np.array([0.5, 0.999, 0.1]), "NOTE")
    assert fit.p_value == pytest.approx(stats.chi2.sf(30.0, 3))
    assert "Farthest datum: b;" in fit.summary() and fit.summary().endswith("NOTE")
    assert "farther from the model" in fit.verdict
    close = GoodnessOfFit(("a",) * 40, np.full(100, 5.0), np.full(40, 0.5))
    assert "closer to the model" in close.verdict


def test_what_does_not_fit_is_refused(problem, tools):
    draws = Draws(("other",), np.zeros((4, 2, 8, 1)), np.zeros((4, 2, 8)))
    with pytest.raises(InputError, match="draws are of other"):
        goodness_of_fit(draws, problem.likelihood)
    with pytest.raises(InputError, match="which int does not have"):
        goodness_of_fit(tools.exact_draws(problem), 3)
