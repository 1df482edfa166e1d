"""Emulated against simulated: the panels, the points and the numbers written on them."""

from types import SimpleNamespace

import numpy as np
import pytest

from equatorium import Outputs
from equatorium.errors import InputError
from equatorium.plots import emulated_vs_simulated

N, MASSES, REDSHIFTS = 40, np.array([9.0, 10.0, 11.0]), np.array([0.0, 1.0])


@pytest.fixture(scope="module")
def outputs():
    return Outputs(
        [f"z{z}m{m}" for z in REDSHIFTS for m in MASSES],
        {"log_mstar": np.tile(MASSES, 2), "z": np.repeat(REDSHIFTS, 3)},
        {"log_mstar": "dex(Msun)"},
        label="log10 phi",
        unit="dex(Mpc-3 dex-1)",
    )


@pytest.fixture(scope="module")
def report(outputs):
    rng = np.random.default_rng(0)
    truth = rng.normal(-3, 1, (N, 6))
    std = np.full((N, 6), 0.1)
    return SimpleNamespace(
        names=outputs.names, n=N, truth=truth, mean=truth + std * rng.normal(size=(N, 6)), std=std
    )


@pytest.fixture(scope="module")
def drawn(report, outputs):
    return emulated_vs_simulated(report, outputs)


def points(axes):
    return np.concatenate(
        [np.asarray(c.get_offsets()) for c in axes.collections if c.get_offsets().size > 2]
    )


def test_one_panel_a_redshift_holding_its_points(report, drawn):
    panels = [axes for axes in drawn.axes if axes.get_title()]
    assert [axes.get_title() for axes in panels] == ["z = 0", "z = 1"]
    shown = points(panels[1])
    assert shown[:, 0] == pytest.approx(report.truth[:, 3:6].ravel())
    assert shown[:, 1] == pytest.approx(report.mean[:, 3:6].ravel())


def test_labels_hold_units(drawn):
    assert drawn.get_supxlabel() == r"simulated log$_{10}$($\phi$ / Mpc$^{-3}$ dex$^{-1}$)"
    assert drawn.axes[-1].get_ylabel() == r"log$_{10}$($M_\star$ / $M_\odot$)"  # the colour bar


def test_numbers_on_the_panels(report, drawn):
    text = drawn.axes[0].texts[0].get_text()
    error = report.mean[:, :3] - report.truth[:, :3]
    assert f"RMSE {np.sqrt(np.mean(error**2)):.3g}" in text
    assert f"holds {100 * np.mean(np.abs(error) <= 0.196):.0f} %" in text


def test_residuals_below(report, drawn):
    below = next(axes for axes in drawn.axes if axes.get_ylabel() == "difference")
    assert points(below)[:, 1] == pytest.approx((report.mean - report.truth)[:, :3].ravel())


def test_panels_by_another_coordinate(report, outputs):
    figure = emulated_vs_simulated(report, outputs, by="log_mstar")
    titles = [axes.get_title() for axes in figure.axes if axes.get_title()]
    assert len(titles) == 3
    assert "= 9 " in titles[0]
    assert figure.axes[-1].get_ylabel() == "z"


def test_without_coordinates_one_panel_an_output_the_worst_if_many(report):
    worse = SimpleNamespace(**vars(report) | {"mean": report.truth + np.arange(6) * 0.01})
    figure = emulated_vs_simulated(worse, max_panels=5)
    titles = [axes.get_title() for axes in figure.axes if axes.get_title()]
    assert titles == list(report.names[1:])
    assert "5 of 6" in figure.get_suptitle()
    assert len(figure.axes) == 10  # the grid's sixth cell is removed


def test_an_emulator_without_variance_has_no_bars_and_no_coverage(report):
    unsure = SimpleNamespace(**vars(report) | {"std": np.full((N, 6), np.nan)})
    figure = emulated_vs_simulated(unsure)
    assert figure.axes[0].texts[0].get_text().startswith("RMSE")
    assert "%" not in figure.axes[0].texts[0].get_text()


def test_foreign_outputs_and_unknown_coordinates_raise(report, outputs):
    with pytest.raises(InputError, match="not the outputs of the report"):
        emulated_vs_simulated(report, outputs.subset([0, 1]))
    with pytest.raises(InputError, match="no coordinate 'redshift'"):
        emulated_vs_simulated(report, outputs, by="redshift")
