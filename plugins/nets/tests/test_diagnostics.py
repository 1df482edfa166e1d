"""Attacks, slopes and figures: what they say of networks whose answers can be worked out."""

import numpy as np
import pytest
from sklearn.linear_model import LinearRegression

from equatorium.errors import InputError, ShapeError
from equatorium.plots import attack_curves, saliency_map, training_curves
from equatorium_nets.adversarial import attack, sensitivity
from equatorium_nets.mlp import MLP, MLPClassifier
from equatorium_nets.saliency import saliency

RNG = np.random.default_rng(0)
HOW = {"n_members": 2, "epochs": 30, "random_state": 0}


@pytest.fixture(scope="module")
def lines():
    """A class that is decided by two inputs, of which one has large errors; a linear function."""
    X = RNG.normal(size=(300, 3))
    label = np.where(X[:, 0] + X[:, 1] > 0, "late", "early")
    classifier = MLPClassifier(layers="linear", **HOW, learning_rate=0.03).fit(X, label)
    emulator = MLP(layers="linear", head="mse", **HOW, learning_rate=0.03)
    return X, label, classifier, emulator.fit(X, X @ [[1.0, 0.0], [2.0, 0.0], [0.0, -1.0]])


def test_an_attack_moves_every_input_by_its_error_towards_the_other_class(lines):
    X, label, classifier, _ = lines
    std = np.array([0.5, 0.1, 2.0])
    moved = attack(classifier, X, label, 0.3, errors=std) - X
    np.testing.assert_allclose(np.abs(moved), 0.3 * np.broadcast_to(std, X.shape), atol=1e-12)
    away = np.where(label == "late", -1.0, 1.0)
    np.testing.assert_array_equal(np.sign(moved[:, 0]), away)
    np.testing.assert_array_equal(np.sign(moved[:, 1]), away)


def test_the_accuracy_under_attack_is_that_of_a_moved_boundary(lines):
    X, label, classifier, _ = lines
    found = sensitivity(classifier, X, label, (0.1, 0.4), rng=1)
    # Both inputs are moved by epsilon: whoever is nearer than 2 epsilon to the boundary falls.
    margin = np.abs(X[:, 0] + X[:, 1])
    truth = [np.mean(margin > 2.0 * e) for e in (0.0, 0.1, 0.4)]
    np.testing.assert_allclose(found.attacked, truth, atol=0.04)
    assert (found.noisy >= found.attacked).all()
    assert found.noisy[2] > found.attacked[2] + 0.1


def test_the_error_of_a_linear_function_grows_by_its_slopes(lines):
    X, _, _, emulator = lines
    found = sensitivity(emulator, X, emulator.predict(X) + 1e-3, 0.5)
    # |1 e| + |2 e| of the first output, |1 e| of the second: rms of 1.5 and 0.5.
    assert found.score == "rms error"
    np.testing.assert_allclose(found.attacked[1], np.sqrt((1.5**2 + 0.5**2) / 2), rtol=0.05)


def test_values_stay_within_limits(lines):
    X, label, classifier, _ = lines
    inside = np.clip(X, -1, 1)
    moved = attack(classifier, inside, label, 5.0, limits=(-1, 1))
    assert np.abs(moved).max() == 1.0


def test_the_slope_of_a_linear_function_is_its_coefficients(lines):
    X, _, classifier, emulator = lines
    np.testing.assert_allclose(saliency(emulator, X[:9]), [[1.0, 2.0, 0.0]] * 9, atol=0.05)
    np.testing.assert_allclose(saliency(emulator, X[:9], 1), [[0.0, 0.0, -1.0]] * 9, atol=0.05)
    slopes, step = saliency(classifier, X[:9], "late"), 1e-6
    for j in range(3):
        ends = [classifier.predict_proba(X[:9] + s * step * np.eye(3)[j])[:, 1] for s in (1, -1)]
        np.testing.assert_allclose(slopes[:, j], (ends[0] - ends[1]) / (2 * step), atol=1e-7)


def test_what_cannot_be_is_named(lines):
    X, label, classifier, emulator = lines
    with pytest.raises(InputError, match="is no class"):
        saliency(classifier, X, "middle")
    with pytest.raises(InputError, match="is no output"):
        saliency(emulator, X, 2)
    with pytest.raises(InputError, match="other than those learned"):
        attack(classifier, X, np.full(300, "middle"), 0.1)
    with pytest.raises(InputError, match="not negative"):
        sensitivity(classifier, X, label, errors=-np.ones(3))
    with pytest.raises(ShapeError, match="errors must have shape"):
        sensitivity(classifier, X, label, errors=np.ones(4))
    with pytest.raises(InputError, match="epsilon"):
        sensitivity(classifier, X, label, (-1.0,))
    with pytest.raises(ShapeError, match="epsilon"):
        sensitivity(classifier, X, label, [[0.1, 0.2]])
    with pytest.raises(InputError, match="gives no gradients"):
        saliency(LinearRegression(), X)


def test_training_against_attacks_leaves_the_input_that_an_attack_can_turn():
    """A sharp input that an attack reverses, and a blunt one that it cannot."""
    label = RNG.integers(2, size=800)
    sign = 2.0 * label - 1.0
    X = np.column_stack([0.2 * sign, sign + 0.7 * RNG.normal(size=800)])
    X[:, 0] += 0.05 * RNG.normal(size=800)
    ivar = np.array([1.0, 1.0]) / 0.3**2  # errors larger than what the sharp input says
    how = {"layers": "dense(8) tanh", **HOW}
    scores = {}
    for adversarial in (0.0, 1.0):
        model = MLPClassifier(**how, adversarial=adversarial).fit(X, label, ivar=ivar)
        found = sensitivity(model, X, label, (1.0,), errors=np.full(2, 0.3))
        scores[adversarial] = found.attacked
    assert scores[0.0][0] > 0.97 > 0.5 > scores[0.0][1]
    assert scores[1.0][1] > 0.75  # the blunt one alone: Phi(0.7 / 0.7) = 0.84


def test_figures_are_drawn_of_what_was_found(lines):
    X, label, classifier, emulator = lines
    assert len(training_curves(classifier).axes[0].lines) == 3
    assert len(attack_curves(sensitivity(classifier, X, label, (0.3, 0.1))).axes[0].lines) == 2
    assert len(saliency_map(X[:2], saliency(emulator, X[:2])).axes) == 4


def test_the_temperature_of_a_trained_network_makes_it_as_sure_as_it_is_right():
    """Labels are drawn with known chances, so that nobody can be right more often than these."""
    rng = np.random.default_rng(4)
    X = rng.normal(size=(4400, 2))
    y = (rng.random(4400) < 1.0 / (1.0 + np.exp(-2.0 * X[:, 0]))).astype(int)
    model = MLPClassifier(**{**HOW, "n_members": 1}, layers="dense(64) relu", validation=0.5)
    model.fit(X[:1400], y[:1400])
    calibrated, X, y = model.temperature_, X[1400:], y[1400:]

    def surplus(temperature):
        """How much surer than right, in standard errors."""
        model.temperature_ = temperature
        sure = model.predict_proba(X).max(axis=1)
        return (sure - (model.predict(X) == y)).mean() / np.sqrt((sure * (1 - sure)).mean() / 3000)

    # The temperature itself is known to some per cent from 700 held-out labels.
    assert abs(surplus(calibrated)) < 4.0 < surplus(calibrated / 3.0)
