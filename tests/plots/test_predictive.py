"""Predictions over data: panels, bands, data, and what is behind them."""

import numpy as np
import pytest

from equatorium import Observation, Outputs
from equatorium.errors import InputError, ShapeError
from equatorium.plots import predictive_functions

MASSES, REDSHIFTS = np.array([10.0, 9.0, 11.0]), (0.0, 0.5)
COORDS = {"log_mstar": np.tile(MASSES, 2), "z": np.repeat(REDSHIFTS, 3)}
UNITS = {"log_mstar": "dex(Msun)", "z": ""}


@pytest.fixture(scope="module")
def observation():
    return Observation(
        -COORDS["log_mstar"] / 4 - 0.2 * COORDS["z"],
        np.full(6, 0.05),
        COORDS,
        unit="dex(Mpc-3 dex-1)",
        units=UNITS,
        label="log10 phi",
    )


@pytest.fixture(scope="module")
def samples(observation):
    return observation.values + 0.1 * np.random.default_rng(0).normal(size=(400, 6))


@pytest.fixture(scope="module")
def drawn(observation, samples):
    return predictive_functions(observation, samples)


def test_a_panel_a_redshift_with_data_in_order_of_mass(observation, drawn):
    assert [axes.get_title() for axes in drawn.axes] == ["z = 0", "z = 0.5"]
    data = drawn.axes[1].containers[-1].lines[0].get_xydata()
    assert data[:, 0].tolist() == [9.0, 10.0, 11.0]
    assert data[:, 1] == pytest.approx(observation.values[[4, 3, 5]])


def test_bands_are_quantiles_of_the_samples(samples, drawn):
    axes = drawn.axes[0]
    line = next(line for line in axes.lines if "posterior" in line.get_label())
    assert line.get_ydata() == pytest.approx(np.median(samples[:, [1, 0, 2]], axis=0))
    outer = axes.collections[0].get_paths()[0].vertices
    low, high = np.quantile(samples[:, 1], [0.025, 0.975])
    assert outer[outer[:, 0] == 9.0][:, 1].min() == pytest.approx(low)
    assert outer[outer[:, 0] == 9.0][:, 1].max() == pytest.approx(high)


def test_labels_hold_units(drawn):
    assert drawn.get_supylabel() == r"log$_{10}$($\phi$ / Mpc$^{-3}$ dex$^{-1}$)"
    assert drawn.get_supxlabel() == r"log$_{10}$($M_\star$ / $M_\odot$)"


def test_wider_outputs_and_background_runs(observation, samples):
    masses = np.array([8.0, 9.0, 10.0, 11.0, 12.0])
    outputs = Outputs(
        [f"{z}-{m}" for z in REDSHIFTS for m in masses],
        {"log_mstar": np.tile(masses, 2), "z": np.repeat(REDSHIFTS, 5)},
    )
    mean = -outputs.coords["log_mstar"] / 4
    background = np.vstack([mean + 30.0, np.full(10, np.nan), mean])
    figure = predictive_functions(
        observation, np.tile(mean, (5, 1)), outputs=outputs, background=background
    )
    line = next(line for line in figure.axes[0].lines if "posterior" in line.get_label())
    assert line.get_xdata().tolist() == masses.tolist()
    assert sum("runs" in line.get_label() for line in figure.axes[0].lines) == 1
    assert figure.axes[0].get_ylim()[1] < 0  # a wild run does not set the scale


def test_total_errors_are_drawn_outside_the_datas_own(observation, samples):
    axes = predictive_functions(observation, samples, errors=np.full(6, 0.3)).axes[0]
    outer, own = (np.array(c.lines[2][0].get_segments())[0, :, 1] for c in axes.containers)
    assert np.ptp(outer) == pytest.approx(0.6)
    assert np.ptp(own) == pytest.approx(0.1)


def test_data_without_coordinates_go_by_number():
    observation = Observation([1.0, 2.0], [0.1, 0.1], names=["a", "b"])
    figure = predictive_functions(observation, np.zeros((10, 2)))
    assert figure.get_supxlabel() == "datum"
    assert [tick.get_text() for tick in figure.axes[0].get_xticklabels()] == ["a", "b"]
    assert figure.axes[0].containers[-1].lines[0].get_xdata().tolist() == [0, 1]


def test_what_the_figure_must_say_is_on_it(observation, samples, drawn):
    figure = predictive_functions(observation, samples, notice="NOT CONVERGED")
    assert figure.legends[0].get_title().get_text() == "NOT CONVERGED"
    assert drawn.legends[0].get_title().get_text() == ""


def test_what_does_not_fit_raises(observation, samples):
    with pytest.raises(ShapeError, match="samples"):
        predictive_functions(observation, samples[:, :5])
    with pytest.raises(InputError, match="no coordinate 'mass'"):
        predictive_functions(observation, samples, coordinate="mass")
