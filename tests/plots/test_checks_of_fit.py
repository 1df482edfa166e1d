"""Figures of the checks: what is drawn is what the records hold."""

import numpy as np
import pytest
from scipy import stats

from equatorium import Observation
from equatorium.errors import InputError
from equatorium.inference.budget import ErrorBudget
from equatorium.inference.goodness import GoodnessOfFit
from equatorium.inference.loo import LeaveOneOut
from equatorium.inference.predicted import Predictive
from equatorium.inference.reweight import Reweighted
from equatorium.inference.robustness import DiscrepancySensitivity
from equatorium.plots import (
    chi_squared,
    error_shares,
    left_out_data,
    posterior_shifts,
    predicted_data,
)

NOTICE = "NOT CONVERGED"
RNG = np.random.default_rng(0)


def noticed(figure):
    title = "" if figure._suptitle is None else figure._suptitle.get_text()
    return NOTICE in [title, *(legend.get_title().get_text() for legend in figure.legends)]


def weighted(k, shift=0.0, notice=""):
    theta = RNG.standard_normal((2000, 2))
    log = shift * theta[:, 0]
    log -= np.log(np.exp(log).sum())
    return Reweighted(("a", "b"), theta, log, k, "runs", "Sample anew.", None, notice)


def test_chi_squared_beside_its_reference():
    fit = GoodnessOfFit(("y",) * 20, stats.chi2(20).rvs(500, random_state=1), np.full(20, 0.5))
    axes = chi_squared(fit).axes[0]
    low, high = axes.get_xlim()
    assert low < fit.chi2.min() and high > fit.chi2.max()
    assert [text.get_text() for text in axes.texts] == [f"p = {fit.p_value:.2g}"]


def test_each_datum_left_out_has_a_point():
    k = np.array([0.1, 0.9, 0.3])
    left = LeaveOneOut(("x", "y", "z"), np.array([-1.0, -5.0, -2.0]), k, np.zeros(3), 4000)
    upper, lower = left_out_data(left).axes
    good, bad = upper.lines[-2:]
    assert good.get_ydata().tolist() == [0.1, 0.3] and bad.get_xdata().tolist() == [1]
    assert lower.lines[-1].get_ydata().tolist() == [-5.0]
    assert [t.get_text() for t in lower.get_xticklabels()] == ["x", "y", "z"]


def test_shifts_in_units_of_the_posterior():
    case = weighted(0.2, shift=0.8)
    moved = DiscrepancySensitivity(("a", "b"), {"twice": case, "ten times": weighted(1.3)})
    figure = posterior_shifts(moved)
    drawn = figure.axes[0].containers[0].lines[0].get_xdata()
    assert drawn == pytest.approx(case.shift)
    assert drawn[0] == pytest.approx(0.8, abs=0.15) and abs(drawn[1]) < 0.15
    words = [text.get_text() for text in figure.legends[0].get_texts()]
    assert words == ["twice", "ten times: re-sample"]
    assert len(posterior_shifts(case).axes[0].containers) == 1


def test_shares_are_stacked_to_one():
    shares = {"emulator": np.array([0.2, 0.5]), "observation": np.array([0.8, 0.5])}
    budget = ErrorBudget(("u", "v"), np.ones(2), shares, {"emulator": 0.3, "observation": 0.7})
    figure = error_shares(budget)
    tops = [bar.get_y() + bar.get_height() for bar in figure.axes[0].containers[1]]
    assert tops == pytest.approx([1, 1])
    words = [text.get_text() for text in figure.legends[0].get_texts()]
    assert words == ["emulator (30% of all)", "observation (70% of all)"]


def test_predictive_over_the_data():
    observation = Observation([1.0, 2.0], [0.1, 0.1], {"x": [0.0, 1.0]}, unit="K")
    values = observation.values + RNG.standard_normal((300, 2))
    predicted = Predictive(np.zeros((300, 1)), *[values] * 4, observation, "prior")
    line = predicted_data(predicted).axes[0].lines[0]
    assert line.get_ydata() == pytest.approx(np.median(values, axis=0))
    assert line.get_label().startswith("prior predictive")
    with pytest.raises(InputError, match="one part of a joint"):
        predicted_data({"part": predicted})


def test_draws_that_have_not_converged_are_marked_on_every_figure():
    fit = GoodnessOfFit(("y",), np.full(50, 2.0), np.array([0.5]), NOTICE)
    left = LeaveOneOut(("y",), np.zeros(1), np.zeros(1), np.zeros(1), 100, NOTICE)
    budget = ErrorBudget(("y",), np.ones(1), {"emulator": np.ones(1)}, {"emulator": 1.0}, NOTICE)
    for figure in (
        chi_squared(fit),
        left_out_data(left),
        posterior_shifts(weighted(0.1, notice=NOTICE)),
        error_shares(budget),
    ):
        assert noticed(figure)
