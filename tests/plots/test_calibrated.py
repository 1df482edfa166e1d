"""Figures of a calibration: the curves are the ranks' distribution functions, with their band."""

import numpy as np
import pytest
from scipy import stats

import equatorium as eq
from equatorium.inference.ranks import ecdf_band, ecdf_points
from equatorium.plots import expected_coverage, rank_differences


def calibration(width=1.0, n=80):
    z = np.random.default_rng(1).standard_normal((n, 3))
    other = np.random.default_rng(2).random((2, n))
    return eq.Calibration(
        ("a", "b", "c"),
        ("b", "a"),
        stats.norm.cdf(z / width),
        z / width,
        np.full((n, 3), 0.5),
        other[0],
        other[1],
        np.full(n, 100.0),
        np.ones(n),
    )


def test_one_panel_for_each_judged_quantity():
    found = calibration()
    figure = rank_differences(found)
    titles = [axes.get_title().split("\n")[0] for axes in figure.axes if axes.get_title()]
    assert titles == ["b", "a", "log-likelihood"]
    assert f"p = {found.p_values['b']:.2g}" in figure.axes[0].get_title()
    assert "80 replicates: calibrated" in figure.get_suptitle()
    assert "NOT calibrated" in rank_differences(calibration(0.5)).get_suptitle()


def test_the_difference_is_that_of_the_ranks():
    found = calibration()
    line = rank_differences(found).axes[0].lines[-1]
    x, y = line.get_xydata().T
    ranks = found.ranks[:, 1]
    for at in (0.105, 0.35, 0.72):
        assert np.interp(at, x, y) == pytest.approx(np.mean(ranks <= at) - at)


def test_the_coverage_is_the_share_of_truths_inside():
    found = calibration()
    axes = expected_coverage(found).axes[0]
    x, y = axes.lines[-1].get_xydata().T
    assert y[np.searchsorted(x, 0.5, side="right") - 1] == pytest.approx(
        np.mean(found.coverage <= 0.5)
    )
    low, high = ecdf_band(found.n, 0.99)
    vertices = axes.collections[0].get_paths()[0].vertices
    k = len(low) // 2
    at = np.isclose(vertices[:, 0], ecdf_points(found.n)[k])
    assert sorted(set(vertices[at, 1])) == pytest.approx([low[k], high[k]])
