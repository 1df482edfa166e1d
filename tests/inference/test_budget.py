"""Shares of the data's variance against numbers written out."""

import numpy as np
import pytest

from equatorium.inference.budget import error_budget
from equatorium.records.covariance import Diagonal


def test_shares_of_each_datum_and_of_all(tools):
    extra = Diagonal(np.array([0.0, 0.0, 0.7, 0.0, 0.0]))
    problem = tools.build(extra=extra)
    found = error_budget(tools.exact_draws(problem), problem.likelihood)
    assert list(found.shares) == ["emulator", "observation", "discrepancy", "simulator"]
    assert found.shares["simulator"] == pytest.approx([0, 0, 0.7, 0, 0])
    assert found.shares["emulator"] == pytest.approx(0.01 / np.array([0.3, 0.3, 1.0, 0.3, 0.3]))
    assert found.std[2] == pytest.approx(1.0)
    assert found.overall["observation"] == pytest.approx(5 * 0.25 / 2.2)
    assert sum(found.overall.values()) == pytest.approx(1)


def test_shares_are_means_over_the_posterior(tools):
    """The emulator's variance grows along x0: the mean share is that of the draws."""
    problem = tools.build(d=2, emulator=tools.Linear(covariance=0.2, slope=3.0))
    draws = tools.exact_draws(problem)
    found = error_budget(draws, problem.likelihood, n=6400)
    variance = 0.2 * np.exp(3.0 * (draws["x0"] + 9) / 18)
    assert found.shares["emulator"][0] == pytest.approx(np.mean(variance / (variance + 0.29)))
    assert found.overall["emulator"] == pytest.approx(
        problem.likelihood.budget(draws.flat)["emulator"]
    )
    # The wrong twin: one share at the posterior's mean is another number.
    at_mean = 0.2 * np.exp(3.0 * (draws["x0"].mean() + 9) / 18)
    assert found.shares["emulator"][0] != pytest.approx(at_mean / (at_mean + 0.29), rel=1e-6)


def test_the_advice_names_the_data(tools):
    problem = tools.build(emulator=tools.Linear(covariance=0.2))
    text = error_budget(tools.exact_draws(problem), problem.likelihood).summary()
    assert "of the variance of y0, y1, y2, y3, y4: runs at draws" in text
    assert (
        "More runs would change little"
        in error_budget(tools.exact_draws(tools.build()), tools.build().likelihood).summary()
    )
