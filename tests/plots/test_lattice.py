"""Implausibility maps against a region whose projections are known."""

from types import SimpleNamespace

import numpy as np
import pytest
from scipy import stats

from equatorium import Parameter, Region, Space
from equatorium.errors import InputError
from equatorium.plots import implausibility_map

SPACE = Space(
    [
        Parameter("a", 0, 1, unit="km/s"),
        Parameter("b", 1.0, 100.0, scale="log", unit="K", label=r"$T_\mathrm{b}$"),
        Parameter("c", -1, 1),
    ]
)


class Box:
    """Plausible where the unit coordinates lie below 0.5, 0.25 and 1: volume 1/8."""

    space = SPACE

    def level(self, theta):
        return (SPACE.to_unit(theta) / [0.5, 0.25, 1.0]).max(axis=1)


def maps(figure):
    """The colours of the k x k cells, by (row, column)."""
    k = int(np.sqrt(len(figure.axes)))
    found = {}
    for index, axes in enumerate(figure.axes[: k * k]):
        meshes = [c for c in axes.collections if hasattr(c, "get_coordinates")]
        if meshes:
            found[divmod(index, k)] = meshes[0].get_array().filled(np.nan).reshape(8, 8)
    return found


@pytest.fixture(scope="module")
def drawn():
    return implausibility_map(Box(), ["a", "b", "c"], bins=8, n=40_000)


def test_least_implausibility_is_the_projected_level(drawn):
    # Over c the least level of (a, b) is max(u_a / 0.5, u_b / 0.25), met near the bin's low corner.
    least = maps(drawn)[1, 0]  # rows b, columns a
    low = np.arange(8) / 8
    expected = np.maximum(low[None, :] / 0.5, low[:, None] / 0.25)
    assert least == pytest.approx(np.maximum(expected, 0.1), abs=0.35)
    assert np.all(least >= expected - 1e-12)


def test_optical_depth_is_the_plausible_share_of_the_line_of_sight(drawn):
    depth = maps(drawn)[0, 1]  # rows a, columns b: over c all is plausible inside
    assert depth[:4, :2] == pytest.approx(np.ones((4, 2)), abs=0.15)
    assert np.isnan(depth[4:]).all()
    assert np.isnan(depth[:, 2:]).all()
    depth = maps(drawn)[0, 2]  # rows a, columns c: over b a quarter is plausible
    assert depth[:4] == pytest.approx(np.full((4, 8), 0.25), rel=0.4)


def test_particles_and_their_volume_give_the_same_depth(drawn):
    u = np.random.default_rng(0).random((40_000, 3)) * [0.5, 0.25, 1.0]
    figure = implausibility_map(
        Box(), ["a", "b", "c"], bins=8, n=500, particles=SPACE.from_unit(u), volume=1 / 8
    )
    assert maps(figure)[0, 2][:4] == pytest.approx(np.full((4, 8), 0.25), rel=0.2)


def test_depth_is_a_share_of_the_prior_not_of_the_box():
    # A prior that is far from flat: where nothing is ruled out, the depth is 1 all the same.
    space = SPACE.replace("a", prior=stats.norm(0.5, 0.2)).replace("c", prior=stats.norm(0.0, 0.5))
    whole = Region(space)
    depth = maps(implausibility_map(whole, ["a", "c"], bins=8, n=60_000))[0, 1]
    assert depth[1:7, 1:7] == pytest.approx(np.ones((6, 6)), abs=0.12)
    drawn = whole.sample(60_000, 0)
    figure = implausibility_map(
        whole, ["a", "c"], bins=8, n=500, particles=drawn.particles, volume=drawn.volume
    )
    assert maps(figure)[0, 1][2:6, 2:6] == pytest.approx(np.ones((4, 4)), abs=0.12)


def test_axes_have_labels_with_units_and_log_scales(drawn):
    labels = [axes.get_xlabel() for axes in drawn.axes[6:9]]
    assert labels == ["a [km/s]", r"log$_{10}$ $T_\mathrm{b}$ [K]", "c"]
    assert drawn.axes[7].get_xlim() == pytest.approx((0, 2))
    assert {axes.get_ylabel() for axes in drawn.axes[9:]} == {
        "optical depth",
        "least implausibility / cut-off",
    }
    assert drawn.axes[10].get_yscale() == "linear"
    assert drawn.axes[9].get_yscale() == "log"


def test_the_most_constrained_parameters_are_chosen():
    figure = implausibility_map(Box(), max_parameters=2, bins=8, n=4000)
    assert [axes.get_xlabel().split()[0] for axes in figure.axes[2:4]] == ["a", "log$_{10}$"]


def test_given_points_are_used_as_they_are():
    theta = SPACE.from_unit(np.random.default_rng(2).random((300, 3)))
    calls = []
    region = SimpleNamespace(space=SPACE, level=lambda t: calls.append(len(t)) or np.ones(len(t)))
    implausibility_map(region, ["a", "b"], theta=theta, level=np.linspace(0.5, 3, 300), bins=8)
    assert calls == []


def test_what_cannot_be_drawn_raises():
    nowhere = SimpleNamespace(space=SPACE, level=lambda theta: np.full(len(theta), 2.0))
    with pytest.raises(InputError, match="none of 200 points"):
        implausibility_map(nowhere, n=200)
    with pytest.raises(InputError, match=r"\['x'\]"):
        implausibility_map(Box(), ["a", "x"], n=200)
    with pytest.raises(InputError, match="two parameters"):
        implausibility_map(Box(), ["a"], n=200)
    with pytest.raises(InputError, match="volume"):
        implausibility_map(Box(), n=200, particles=SPACE.defaults[None])
