"""Coverage figures: the curves are the shares that they claim to be."""

import numpy as np
import pytest
from scipy import stats

from equatorium import Report
from equatorium.errors import InputError
from equatorium.plots import coverage


def report(scale=1.0, shift=0.0):
    rng = np.random.default_rng(1)
    truth, std = rng.normal(size=(80, 6)), np.full((80, 6), 0.5)
    mean = truth - std * (scale * rng.normal(size=(80, 6)) + shift)
    pit = stats.norm.cdf(truth, mean, std)
    return Report([f"y{j}" for j in range(6)], truth, mean, std, pit, crps=np.zeros(6))


def curve(figure):
    return next(line for line in figure.axes[0].lines if len(line.get_xdata()) > 2).get_xydata()


def test_the_curve_is_the_share_of_truths_inside():
    held = report()
    figure = coverage(held)
    level, share = curve(figure).T
    z = np.abs(held.truth - held.mean) / held.std
    expected = [np.mean(z <= stats.norm.ppf(0.5 + a / 2)) for a in level]
    assert share == pytest.approx(expected)


def test_overconfident_errors_lie_below_the_diagonal():
    level, share = curve(coverage(report(scale=2.0))).T
    middle = (level > 0.2) & (level < 0.9)
    assert np.all(share[middle] < level[middle])


def test_labels_and_numbers():
    figure = coverage(report(shift=1.0))
    assert "80 held-out runs, 6 outputs" in figure.get_suptitle()
    assert [axes.get_xlabel() != "" for axes in figure.axes] == [True] * 3
    z = float(figure.axes[2].texts[0].get_text().splitlines()[0].split()[1])
    assert z == pytest.approx(1.0, abs=0.2)


def test_the_histogram_is_a_density_of_the_pit():
    held = report()
    figure = coverage(held)
    outline = figure.axes[1].patches[-1].get_xy()
    heights, _ = np.histogram(held.pit, 10, (0, 1), density=True)
    assert sorted(set(outline[:, 1].round(9)) - {0.0}) == pytest.approx(
        sorted(set(heights.round(9)))
    )


def test_the_band_is_that_of_the_report():
    held = report()
    band = coverage(held).axes[0].collections[0].get_paths()[0].vertices
    low, high = held.coverage_band(0.05)
    first = band[np.isclose(band[:, 0], 0.05), 1]
    assert first.min() == pytest.approx(low)
    assert first.max() == pytest.approx(high)


def test_an_emulator_without_variance_cannot_be_judged():
    held = report()
    blind = np.full(held.truth.shape, np.nan)
    silent = Report(held.names, held.truth, held.mean, blind, blind, crps=np.zeros(6))
    with pytest.raises(InputError, match="no variance"):
        coverage(silent)
