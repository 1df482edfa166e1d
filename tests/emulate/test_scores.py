"""Scores equal integrals, scikit-learn and published formulas; wrong predictions score worse."""

from itertools import pairwise

import numpy as np
import pytest
from scipy import stats
from scipy.integrate import quad
from sklearn import metrics

import equatorium as eq
from equatorium.emulate.held_out import HeldOut, HeldOutClasses
from equatorium.emulate.ranked_probability import _integrated, crps
from equatorium.emulate.scores import ks_bound, nmad, pit_deviation
from equatorium.errors import InputError, ShapeError, UnknownNameError


def gaussian(n=400, honesty=1.0, seed=0):
    rng = np.random.default_rng(seed)
    mean = rng.normal(size=(n, 1))
    y = mean + 0.3 * rng.normal(size=(n, 1))
    return eq.Gaussian(mean, eq.Diagonal(np.full((n, 1), (0.3 * honesty) ** 2))), y


def test_draws_are_scored_exactly():
    rng = np.random.default_rng(3)
    values, weights = rng.normal(size=(7, 1, 1)), rng.uniform(size=(7, 1))
    w = weights[:, 0] / weights.sum()
    for y in (-5.0, 0.1, 4.0, float(values[2, 0, 0])):
        cdf = lambda t: float(w @ (values[:, 0, 0] <= t))  # noqa: E731
        edges = np.sort([*values[:, 0, 0], y, -6.0, 6.0])
        steps = [(b - a, 0.5 * (a + b)) for a, b in pairwise(edges)]
        expected = sum(width * (cdf(t) - (t >= y)) ** 2 for width, t in steps)
        found = crps(eq.Weighted(values, weights), np.array([[y]]))
        np.testing.assert_allclose(found, [[expected]], rtol=1e-12)


def test_a_mixture_of_very_many_is_integrated():
    rng = np.random.default_rng(1)
    mixture = eq.Mixture(None, rng.normal(size=(6, 3, 2)), [eq.Diagonal([0.04, 0.3])] * 6)
    y = rng.normal(size=(3, 2))
    np.testing.assert_allclose(_integrated(mixture, y), crps(mixture, y), rtol=2e-3)
    noisy = eq.Weighted(rng.normal(size=(260, 3, 2))).with_noise(0.1 * np.ones((3, 2)))
    wide = eq.Gaussian(noisy.mean, eq.Diagonal(noisy.variance))
    np.testing.assert_allclose(crps(noisy, y), crps(wide, y), rtol=0.1)  # 260 draws of a Gaussian


def test_scores_of_numbers_are_their_formulas():
    prediction, y = gaussian()
    found = eq.score(prediction, y[:, 0])
    e, s = prediction.mean - y, 0.3
    assert found["rmse"] == pytest.approx(np.sqrt(np.mean(e**2)))
    assert found["bias"] == pytest.approx(e.mean())
    assert found["nmad"] == pytest.approx(
        float(stats.median_abs_deviation(e, scale="normal")[0]), 1e-4
    )
    assert found["pit"] == pytest.approx(
        stats.kstest(stats.norm.cdf(y, prediction.mean, s)[:, 0], "uniform").statistic
    )
    assert found["coverage"] == np.mean(np.abs(e) <= s * stats.norm.ppf(0.95))
    assert found["log_score"] == pytest.approx(stats.norm.logpdf(y, prediction.mean, s).mean())
    assert found["sharpness"] == pytest.approx(s)
    assert found["outliers"] == np.mean(np.abs(e) > 5 * found["nmad"])
    assert eq.score(prediction, y, "outliers", outlier=0.3)["outliers"] == np.mean(np.abs(e) > 0.3)


def test_a_scale_divides_errors_and_no_score_of_a_distribution():
    prediction, y = gaussian()
    plain = eq.score(prediction, y)
    scaled = eq.score(prediction, y, scale=lambda z: 2 + 0 * z)
    for name in ("rmse", "nmad", "bias"):
        assert scaled[name] == pytest.approx(plain[name] / 2)
    for name in ("crps", "pit", "coverage", "log_score", "sharpness"):
        assert scaled[name] == plain[name]
    with pytest.raises(InputError, match="must be positive"):
        eq.score(prediction, y, scale=lambda z: z)
    with pytest.raises(InputError, match="function of the true values"):
        eq.score(prediction, y, scale=2.0)


@pytest.mark.parametrize("honesty", [0.5, 2.0])
def test_dishonest_widths_score_worse(honesty):
    honest, wrong = (eq.score(*gaussian(5000, h)) for h in (1.0, honesty))
    assert honest["crps"] < wrong["crps"] and honest["log_score"] > wrong["log_score"]
    assert honest["pit"] < ks_bound(5000, 0.99) < wrong["pit"]
    band = stats.binom.interval(0.99, 5000, 0.9)
    assert band[0] <= 5000 * honest["coverage"] <= band[1]
    assert not band[0] <= 5000 * wrong["coverage"] <= band[1]


def test_all_types_of_prediction_agree_where_they_say_the_same():
    prediction, y = gaussian(200)
    twice = eq.Mixture([0.3, 0.7], np.stack([prediction.mean] * 2), [prediction.covariance] * 2)
    draws = eq.Weighted(prediction.sample(4000, 1))
    first = eq.score(prediction, y)
    assert eq.score(twice, y) == pytest.approx(first, rel=1e-6)
    assert eq.score(draws, y) == pytest.approx(first, rel=0.05, abs=0.01)


def test_draws_that_are_all_alike_have_a_finite_log_score():
    draws = eq.Weighted(np.ones((3, 4, 1)))
    found = eq.score(draws, np.array([1.0, 1.1, 0.9, 1.0]), ["log_score", "crps"])
    assert np.isfinite(found["log_score"]) and found["crps"] == pytest.approx(0.05)


def test_the_density_of_draws_is_that_of_their_smoothed_mixture():
    rng = np.random.default_rng(0)
    draws = eq.Weighted(rng.normal(size=(50, 5, 1)), rng.uniform(size=(50, 5)))
    y = rng.normal(size=(5, 1))
    found = HeldOut.of(draws, y).log_density
    np.testing.assert_allclose(found[:, 0], draws.log_prob(y), rtol=1e-9)


def test_several_outputs_have_a_score_each():
    rng = np.random.default_rng(0)
    prediction = eq.Gaussian(rng.normal(size=(30, 2)), eq.Diagonal([1.0, 4.0]))
    found = eq.score(prediction, rng.normal(size=(30, 2)), ["crps", "rmse"])
    assert found["crps"].shape == found["rmse"].shape == (2,)
    with pytest.raises(ShapeError, match="shape of the prediction"):
        eq.score(prediction, np.zeros(30))


def classes(n=300, seed=0):
    rng = np.random.default_rng(seed)
    logits = rng.normal(size=(n, 3)) * 1.5
    p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    labels = np.array(["qso", "star", "galaxy"])
    truth = np.array([rng.choice(3, p=row) for row in p])
    return eq.Categorical(p, labels.tolist()), labels[truth], truth


def test_scores_of_classes_are_those_of_scikit_learn():
    prediction, y, truth = classes()
    found = eq.score(prediction, y)
    p, called = prediction.probabilities, prediction.predicted
    assert found["accuracy"] == metrics.accuracy_score(y, called)
    assert found["balanced_accuracy"] == pytest.approx(metrics.balanced_accuracy_score(y, called))
    assert found["mcc"] == pytest.approx(metrics.matthews_corrcoef(y, called))
    assert found["auc"] == pytest.approx(metrics.roc_auc_score(truth, p, multi_class="ovr"))
    assert found["log_score"] == pytest.approx(-metrics.log_loss(truth, p))
    one = np.eye(3)[truth]
    each = [metrics.brier_score_loss(one[:, c], p[:, c]) for c in range(3)]
    assert found["brier"] == pytest.approx(sum(each))
    held = HeldOutClasses.of(prediction, y)
    from equatorium.emulate.scores import confusion, roc

    expected = metrics.confusion_matrix(y, called, labels=list(held.classes))
    np.testing.assert_array_equal(confusion(held), expected)
    assert metrics.auc(*roc(held, "star")) == pytest.approx(
        metrics.roc_auc_score(y == "star", p[:, 1])
    )


def test_calibration_error_sees_overconfidence():
    prediction, y, _ = classes(6000)
    p = prediction.probabilities
    sure = p**3 / (p**3).sum(axis=1, keepdims=True)
    found = [eq.score(eq.Categorical(q, prediction.classes), y, "ece")["ece"] for q in (p, sure)]
    assert found[0] < 0.03 < 0.1 < found[1]
    # By hand: two bins, confidence 0.9 and 0.6, right in 1 of 2 and 2 of 2.
    small = eq.Categorical([[0.9, 0.1], [0.9, 0.1], [0.6, 0.4], [0.4, 0.6]], [0, 1])
    expected = 0.5 * abs(0.5 - 0.9) + 0.5 * abs(1 - 0.6)
    assert eq.score(small, [0, 1, 0, 1], "ece")["ece"] == pytest.approx(expected)


def test_a_class_missing_from_a_fold_gives_no_area_and_does_not_fail():
    prediction = eq.Categorical([[0.9, 0.1], [0.4, 0.6]], ["a", "b"])
    found = eq.score(prediction, ["a", "a"])
    assert np.isnan(found["auc"]) and found["balanced_accuracy"] == 0.5
    held = HeldOutClasses.of(prediction, ["a", "b"], ["a", "b", "c"])
    np.testing.assert_array_equal(held.probability[:, 2], 0)


def test_the_correlation_coefficient_of_two_classes_is_matthews_formula():
    tp, fn, fp, tn = 60, 8, 11, 540
    y = np.repeat([1, 1, 0, 0], [tp, fn, fp, tn])
    called = np.repeat([1, 0, 1, 0], [tp, fn, fp, tn])
    prediction = eq.Categorical(np.eye(2)[called], [0, 1])
    root = np.sqrt((tp + fp) * (tp + fn) * (tn + fp) * (tn + fn))
    assert eq.score(prediction, y, "mcc")["mcc"] == pytest.approx((tp * tn - fp * fn) / root)


def test_bad_questions_are_answered_with_what_is_known():
    prediction, y = gaussian(10)
    with pytest.raises(UnknownNameError, match="Did you mean 'crps'"):
        eq.score(prediction, y, "crsp")
    with pytest.raises(InputError, match="at least one of"):
        eq.score(prediction, y, [])
    with pytest.raises(UnknownNameError, match="'c' is not one of the classes"):
        eq.score(eq.Categorical([[1.0, 0.0]], ["a", "b"]), ["c"])


def test_the_deviation_of_uniform_values_stays_below_its_bound_as_often_as_said():
    rng = np.random.default_rng(2)
    deviation = pit_deviation(rng.uniform(size=(100, 2000)))
    low, high = stats.binom.interval(0.99, 2000, 0.95)
    assert low <= np.sum(deviation < ks_bound(100)) <= high
    assert (
        not low <= np.sum(pit_deviation(rng.beta(1.3, 1, size=(100, 2000))) < ks_bound(100)) <= high
    )


def test_nmad_of_a_gaussian_is_its_standard_deviation():
    assert nmad(np.random.default_rng(0).normal(0, 2, 200_000)) == pytest.approx(2, rel=0.01)


def test_the_crps_of_a_gaussian_is_its_integral():
    y = 0.7
    below = quad(lambda t: stats.norm.cdf(t) ** 2, -9, y)[0]
    above = quad(lambda t: stats.norm.sf(t) ** 2, y, 9)[0]
    found = eq.score(eq.Gaussian([[0.0]], eq.Diagonal([[1.0]])), [y], "crps")["crps"]
    assert found == pytest.approx(below + above, rel=1e-8)


@pytest.mark.parametrize("tail", ["outliers", "wide", "heavy"])
def test_far_and_wide_members_do_not_spoil_the_integral(tail):
    rng = np.random.default_rng(2)
    means, variance, weights = rng.normal(size=300), np.full(300, 0.01), np.full(300, 1 / 300)
    if tail == "outliers":
        means[:3] = 1e4
    elif tail == "heavy":
        means = rng.standard_t(1.2, 300)
    else:
        variance[0], weights[0] = 1e4, 1.0
        weights /= weights.sum()
    mixture = eq.Mixture(weights, means[:, None, None], [eq.Diagonal([v]) for v in variance])
    y = 0.3

    def distance(mean, s):  # of a normal variable from zero
        return stats.foldnorm(np.abs(mean) / s, scale=s).mean()

    s = np.sqrt(variance)
    pairs = distance(np.subtract.outer(means, means), np.sqrt(np.add.outer(s**2, s**2)))
    exact = weights @ distance(means - y, s) - 0.5 * weights @ pairs @ weights
    assert crps(mixture, np.array([[y]]))[0, 0] == pytest.approx(exact, rel=5e-3)


def test_what_cannot_be_scored_is_refused():
    prediction, y = gaussian(20)
    with pytest.raises(InputError, match="must be a Prediction"):
        eq.score(prediction.mean, y)
    with pytest.raises(ShapeError, match="scale"):
        eq.score(prediction, y, scale=lambda z: np.ones(7))
    for odd in (-1.0, "x", np.nan):
        with pytest.raises(InputError, match="outlier must be a positive error"):
            eq.score(prediction, y, outlier=odd)
