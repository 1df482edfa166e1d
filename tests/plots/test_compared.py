"""Figures of comparisons show the numbers that their tables do."""

import numpy as np
import pytest
from sklearn.linear_model import Ridge
from sklearn.neighbors import KNeighborsClassifier

import equatorium as eq
from equatorium.errors import InputError


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    X = rng.uniform(-1, 1, (60, 2))
    return X, X[:, 0] + 0.1 * rng.normal(size=60)


def test_a_panel_a_score_the_best_on_top(data):
    found = eq.compare(Ridge(), data, simple=False)
    figure = eq.plots.compared_methods(found, unit="dex")
    labels = [axes.get_xlabel() for axes in figure.axes]
    assert labels == ["CRPS [dex]", "RMSE [dex]", "NMAD [dex]", "PIT dev."]
    assert [t.get_text() for t in figure.axes[0].get_yticklabels()] == list(found.labels)
    shown = [bars[0].get_xdata()[0] for bars in figure.axes[1].containers]
    assert shown == [found.value(label, "rmse") for label in found.labels]
    dots = [x for x in figure.axes[1].lines if len(x.get_xdata()) == 5]
    np.testing.assert_array_equal(dots[0].get_xdata(), found.by_fold(found.best, "rmse"))


def test_classes_too(data):
    X, y = data
    found = eq.compare(KNeighborsClassifier(), (X, y > 0), simple=False)
    assert len(eq.plots.compared_methods(found, ["brier", "auc", "ece"]).axes) == 3
    assert len(eq.plots.compared_methods(found, "mcc").axes) == 1


def test_learning_curves_are_drawn_with_their_errors(data):
    curve = eq.learning_curve(Ridge(), data, [10, 40], simple=False)
    axes = eq.plots.learning_curves(curve, "rmse", unit="dex").axes[0]
    assert axes.get_ylabel() == "RMSE [dex]" and axes.get_xscale() == "log"
    assert [t.get_text() for t in axes.get_legend().get_texts()] == list(curve.labels)
    shown = axes.containers[0][0].get_ydata()
    np.testing.assert_array_equal(shown, curve.curve(curve.labels[0], "rmse")[0])
    with pytest.raises(InputError, match="from 1 to 7"):
        eq.plots.learning_curves(curve, most=0)
