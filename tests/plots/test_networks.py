"""Figures of networks show the numbers that they are given."""

from types import SimpleNamespace

import numpy as np
import pytest

from equatorium.errors import InputError, ShapeError
from equatorium.plots import attack_curves, saliency_map, training_curves


def test_losses_and_the_best_epoch():
    history = {"loss": np.array([9.0, 3.0, 1.0]), "validation_loss": np.array([8.0, 2.0, 4.0])}
    axes = training_curves(SimpleNamespace(history_=history, best_epoch=lambda: 1)).axes[0]
    learned, held, best = axes.lines
    np.testing.assert_array_equal(learned.get_xydata(), [[1, 9], [2, 3], [3, 1]])
    np.testing.assert_array_equal(held.get_ydata(), [8, 2, 4])
    np.testing.assert_array_equal(best.get_xydata(), [[2, 2]])
    without = training_curves(SimpleNamespace(history_={"loss": np.ones(4)}))
    assert len(without.axes[0].lines) == 1


def test_scores_in_order_of_the_size():
    found = SimpleNamespace(
        epsilon=np.array([0.0, 0.3, 0.1]),
        attacked=np.array([3.0, 9.0, 5.0]),
        noisy=np.array([3.0, 4.0, 3.5]),
        score="rms error",
        unit="their errors",
    )
    axes = attack_curves(found).axes[0]
    np.testing.assert_array_equal(axes.lines[1].get_xydata(), [[0, 3], [0.1, 5], [0.3, 9]])
    assert "their errors" in axes.get_xlabel()
    assert "units of y" in axes.get_ylabel()


def test_images_lie_beneath_their_slopes_and_spectra_above():
    slopes = np.arange(24.0).reshape(2, 12) - 4.0
    images = saliency_map(np.ones((2, 12)), slopes, (3, 2, 2))
    drawn = images.axes[1].images[1].get_array()
    truth = slopes[1].reshape(3, 2, 2).sum(axis=0)
    np.testing.assert_allclose(drawn, truth / np.abs(truth).max())
    spectra = saliency_map(np.ones((2, 12)), slopes, coordinate=np.arange(12) * 10.0)
    assert len(spectra.axes) == 4
    heights = [bar.get_height() for bar in spectra.axes[1].patches]
    np.testing.assert_allclose(np.sum(np.reshape(heights, (2, 12)), axis=0), slopes[0])


def test_what_does_not_fit_is_named():
    with pytest.raises(InputError, match="at most 12"):
        saliency_map(np.ones((13, 2)), np.ones((13, 2)))
    with pytest.raises(ShapeError, match="slopes must have the shape of X"):
        saliency_map(np.ones((2, 2)), np.ones((2, 3)))
    with pytest.raises(InputError, match="a title for each"):
        saliency_map(np.ones((2, 2)), np.ones((2, 2)), titles=["one"])
