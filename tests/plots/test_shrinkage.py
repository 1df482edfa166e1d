"""The volume left after each wave, with its error bars."""

import numpy as np
import pytest

from equatorium.errors import InputError, ShapeError
from equatorium.plots import volumes


def test_points_start_at_the_whole_prior_on_a_log_axis():
    figure = volumes([0.1, 0.02], [0.01, 0.004])
    axes = figure.axes[0]
    assert axes.get_yscale() == "log"
    path = axes.lines[0].get_xydata()
    assert path == pytest.approx(np.array([[0, 1], [1, 0.1], [2, 0.02]]))
    assert [text.get_text() for text in axes.texts] == ["0.1", "0.02"]
    assert [t.get_text() for t in axes.get_xticklabels()] == ["prior", "1", "2"]
    assert axes.get_ylabel() == "share of the prior volume left"


def test_error_bars_span_the_standard_error_and_never_reach_zero():
    axes = volumes([0.1, 0.02], [0.01, 0.05]).axes[0]
    bars = np.array(axes.containers[0].lines[2][0].get_segments())[:, :, 1]
    assert bars[0] == pytest.approx([0.09, 0.11])
    assert bars[1] == pytest.approx([0.002, 0.07])


def test_own_labels():
    axes = volumes([0.5], labels=["first"]).axes[0]
    assert axes.get_xticklabels()[1].get_text() == "first"


def test_nothing_left_cannot_be_drawn():
    with pytest.raises(InputError, match="positive"):
        volumes([0.1, 0.0])
    with pytest.raises(ShapeError, match="errors"):
        volumes([0.1, 0.01], [0.1])
