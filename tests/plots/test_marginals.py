"""Corner and trace figures of draws whose distribution is known."""

import numpy as np
import pytest
from scipy import stats

from equatorium import Draws, Parameter, Space
from equatorium.errors import InputError
from equatorium.plots import corner, trace

SPACE = Space(
    [
        Parameter("speed", 0, 100, unit="km/s"),
        Parameter("heat", 1.0, 1e4, scale="log", unit="K", label=r"$T$"),
        Parameter("free", 0, 1),
        Parameter("bent", prior=stats.norm(0.0, 1.0)),
    ]
)


@pytest.fixture(scope="module")
def draws():
    rng = np.random.default_rng(0)
    samples = np.empty((4, 120, 16, 4))
    samples[..., 0] = rng.normal(40, 3, (4, 120, 16))
    samples[..., 1] = 10 ** rng.normal(2, 0.1, (4, 120, 16))
    samples[..., 2] = rng.random((4, 120, 16))
    samples[..., 3] = rng.normal(0, 0.5, (4, 120, 16))
    return Draws(SPACE.names, samples, np.zeros((4, 120, 16)), SPACE)


@pytest.fixture(scope="module")
def drawn(draws):
    return corner(draws)


def test_labels_with_units_and_scales(drawn):
    figure = drawn
    labels = [axes.get_xlabel() for axes in figure.axes[12:]]
    assert labels == ["speed [km/s]", r"log$_{10}$ $T$ [K]", "free", "bent"]
    low, high = figure.axes[13].get_xlim()
    assert 1.5 < low < 1.9
    assert 2.1 < high < 2.5


def test_ranges_stay_inside_the_box(drawn):
    axes = drawn.axes[10]  # the diagonal panel of "free"
    assert axes.get_xlim() == pytest.approx((0, 1), abs=0.01)


def test_prior_densities_on_the_diagonal(draws, drawn):
    figure = drawn
    for panel, density in ((0, 1 / 100), (5, 1 / 4), (10, 1.0)):
        line = next(line for line in figure.axes[panel].lines if line.get_label() == "prior")
        assert line.get_ydata() == pytest.approx(np.full(len(line.get_ydata()), density), rel=0.02)
    line = next(line for line in figure.axes[15].lines if line.get_label() == "prior")
    assert line.get_ydata() == pytest.approx(stats.norm.pdf(line.get_xdata()), abs=2e-3)
    bare = corner(draws, ["free"], prior=False)
    assert all(line.get_label() != "prior" for axes in bare.axes for line in axes.lines)


def test_the_most_constrained_are_chosen(draws):
    figure = corner(draws, max_parameters=2)
    assert [axes.get_xlabel() for axes in figure.axes[2:]] == [
        "speed [km/s]",
        r"log$_{10}$ $T$ [K]",
    ]


def test_marked_values_are_in_view(draws):
    figure = corner(draws, ["speed", "heat"], truths=[70.0, 100.0, 0.5, 0.0])
    assert figure.axes[0].get_xlim()[1] > 70
    marked = [line.get_xdata()[0] for line in figure.axes[3].lines]
    assert any(x == pytest.approx(2.0) for x in marked)
    point = figure.axes[2].lines[-1].get_xydata()
    assert point == pytest.approx(np.array([[70.0, 2.0]]))


def test_no_tick_labels_at_the_ends_where_panels_meet(drawn):
    for axes in drawn.axes:
        for ticks, (low, high) in (
            (axes.get_xticks(), axes.get_xlim()),
            (axes.get_yticks(), axes.get_ylim()),
        ):
            assert np.all((ticks - low) / (high - low) > 0.09)
            assert np.all((ticks - low) / (high - low) < 0.91)


def test_one_parameter_and_draws_without_a_space(draws):
    assert len(corner(draws, ["bent"], truths=[50.0, 10.0, 0.5, 0.2]).axes) == 1
    bare = Draws(draws.names, draws.samples, draws.log_prob)
    figure = corner(bare, ["speed", "free"])
    assert figure.axes[2].get_xlabel() == "speed"


def test_trace_shows_each_ensembles_median(draws):
    figure = trace(draws, ["heat", "speed"])
    assert len(figure.axes) == 2
    assert figure.axes[1].get_ylabel() == "speed\n[km/s]"
    medians = figure.axes[0].lines[2].get_ydata()
    assert medians == pytest.approx(np.median(np.log10(draws.samples[2, :, :, 1]), axis=1))
    assert figure.axes[1].get_xlabel() == "step kept"


def test_unknown_names_raise(draws):
    with pytest.raises(InputError, match=r"\['sped'\]"):
        corner(draws, ["sped"])
    with pytest.raises(InputError, match="the space has"):
        corner(draws, prior=Space([Parameter("other", 0, 1)]))
