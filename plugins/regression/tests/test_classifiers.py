"""Classifiers and densities, against scikit-learn and known truths."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.stats import multivariate_normal, norm
from sklearn.exceptions import NotFittedError
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier

import equatorium as eq
from equatorium.errors import InputError, StateError

ALL = ("naive-bayes", "knn-classifier", "gmm")


def clouds(n=1500, seed=0, shift=1.5):
    """Two correlated clouds with known posterior: (X, labels, probability of 'b')."""
    rng = np.random.default_rng(seed)
    S = np.array([[1.0, 0.9], [0.9, 1.0]])
    label = rng.random(n) < 0.3
    X = rng.multivariate_normal([0.0, 0.0], S, n) + shift * label[:, None]
    ratio = [multivariate_normal([m, m], S).logpdf(X) for m in (shift, 0.0)]
    truth = 1 / (1 + 7 / 3 * np.exp(ratio[1] - ratio[0]))
    return X * [1.0, 1000.0], np.where(label, "b", "a"), truth


def test_uncalibrated_naive_bayes_is_scikit_learns():
    X, y, _ = clouds()
    Z = X / X.std(axis=0)
    ours = eq.classifier("naive-bayes", calibrate=False).fit(X, y).predict_proba(X)
    theirs = GaussianNB(var_smoothing=1e-9).fit(Z, y).predict_proba(Z)
    assert_allclose(ours, theirs, rtol=1e-6, atol=1e-9)


def test_knn_counts_votes_as_scikit_learn_does():
    X, y, _ = clouds()
    model = eq.classifier("knn-classifier", neighbours=9, metric="standard").fit(X, y)
    model.pseudo_ = 1e-9
    Z = X / X.std(axis=0)
    theirs = KNeighborsClassifier(9).fit(Z, y).predict_proba(Z)
    assert_allclose(model.predict_proba(X), theirs, atol=1e-6)


@pytest.mark.parametrize("name", ALL)
def test_probabilities_are_calibrated(name):
    """Where they say 20 to 80 %, the true posterior is as large on average; NB's own is not."""
    X, y, _ = clouds()
    new, y_new, truth = clouds(4000, seed=1)
    P = eq.classifier(name).fit(X, y).predict_proba(new)[:, 1]
    excess = float(-np.log(np.where(y_new == "b", P, 1 - P)).mean())
    excess += float(np.log(np.where(y_new == "b", truth, 1 - truth)).mean())
    assert excess < 0.05  # of the log score of the truth, in nats a row
    for low in np.arange(0.1, 0.9, 0.2):
        here = (low <= P) & (low + 0.2 > P)
        assert abs(P[here].mean() - truth[here].mean()) < 0.08
    if name == "naive-bayes":
        raw = eq.classifier(name, calibrate=False).fit(X, y).predict_proba(new)[:, 1]
        sure = raw > 0.9
        assert raw[sure].mean() - truth[sure].mean() > 0.08  # the wrong twin


@pytest.mark.parametrize("name", ALL)
def test_an_equal_prior_moves_the_probabilities_by_bayes(name):
    X, y, _ = clouds()
    data = eq.classifier(name).fit(X, y).predict_proba(X[:50])
    equal = eq.classifier(name, prior="equal").fit(X, y).predict_proba(X[:50])
    share = np.array([(y == "a").mean(), (y == "b").mean()])
    expected = data / share
    assert_allclose(equal, expected / expected.sum(axis=1, keepdims=True), rtol=1e-9)


def test_gmm_is_a_density():
    rng = np.random.default_rng(2)
    means, sd = np.array([-300.0, 200.0]), np.array([50.0, 30.0])
    one = rng.random(3000) < 0.4
    x = np.where(one, *rng.normal(means[:, None], sd[:, None], (2, 3000)))[:, None]
    model = eq.classifier("gmm").fit(x, np.zeros(3000, dtype=int))
    assert len(model.shares_) == 2
    grid = np.linspace(-500, 350, 2000)[:, None]
    density = np.exp(model.log_density(grid)[:, 0])
    assert np.trapezoid(density, grid[:, 0]) == pytest.approx(1.0, abs=1e-3)
    truth = norm.pdf(grid, means, sd) @ [0.4, 0.6]
    assert np.abs(density - truth).max() < 0.1 * truth.max()
    drawn, label = model.sample(20_000, rng=3)
    assert drawn.shape == (20_000, 1) and (label == 0).all()
    assert drawn.mean() == pytest.approx(x.mean(), abs=6.0)
    assert drawn.std() == pytest.approx(x.std(), rel=0.03)


def test_gmm_draws_classes_by_their_prior():
    X, y, _ = clouds()
    _, label = eq.classifier("gmm", prior=[1.0, 3.0]).fit(X, y).sample(4000, rng=0)
    assert (label == "b").mean() == pytest.approx(0.75, abs=0.03)


@pytest.mark.parametrize("name", ALL)
def test_degenerate_rows(name):
    X, y, _ = clouds(60)
    odd = np.column_stack([X, np.full(60, 4.0), X[:, 0] * 2, X[:, 1] * 1e9])
    P = eq.classifier(name).fit(odd, y).predict_proba(odd)
    assert np.isfinite(P).all() and (np.argmax(P, axis=1) == (y == "b")).mean() > 0.7
    lonely = np.where(np.arange(60) == 3, "c", y)
    P = eq.classifier(name).fit(X, lonely).predict_proba(X)
    assert P.shape == (60, 3) and np.isfinite(P).all()
    assert_allclose(eq.classifier(name).fit(X, np.full(60, "a")).predict_proba(X), 1.0)
    far = eq.classifier(name).fit(X, y).predict_proba(np.full((1, 2), 1e9))
    assert np.isfinite(far).all()
    wide = np.random.default_rng(0).normal(size=(60, 80)) + (y == "b")[:, None]
    assert eq.classifier(name).fit(wide, y).predict_proba(wide).shape == (60, 2)
    with pytest.raises(InputError, match="prior must be"):
        eq.classifier(name, prior="flat").fit(X, y)
    with pytest.raises(InputError, match="prior must be"):
        eq.classifier(name, prior=[1.0, 0.0]).fit(X, y)


@pytest.mark.parametrize("name", ALL)
def test_rows_as_far_away_as_doubles_go(name):
    X, y, _ = clouds(60)
    for unit in (1e-200, 1e200):
        P = eq.classifier(name).fit(X * unit, y).predict_proba(X * unit)
        assert_allclose(P, eq.classifier(name).fit(X, y).predict_proba(X), rtol=1e-2)
    far = eq.classifier(name).fit(X, y).predict_proba([[1e300, -1e300], [1e160, 0.0]])
    assert_allclose(far.sum(axis=1), 1.0)


def test_one_odd_label_does_not_end_the_calibration():
    X, y, _ = clouds(400)
    y = np.where(np.arange(400) == 3, "c", y)
    model = eq.classifier("naive-bayes").fit(X, y)
    plain = eq.classifier("naive-bayes").fit(np.delete(X, 3, axis=0), np.delete(y, 3))
    assert model.temperature_ < 0.8  # naive Bayes is too sure of correlated inputs
    assert model.temperature_ == pytest.approx(plain.temperature_, rel=0.1)


def test_gmm_asked_for_nonsense():
    X, y, _ = clouds(60)
    with pytest.raises(NotFittedError):
        eq.classifier("gmm").sample(3)
    model = eq.classifier("gmm").fit(X, y)
    with pytest.raises(InputError, match="size must be a whole number"):
        model.sample(-1)
    with pytest.raises(InputError, match="random_state"):
        eq.classifier("gmm", random_state="a").fit(X, y)
    state = model.get_state()
    with pytest.raises(StateError, match="Cholesky"):
        eq.classifier("gmm").set_state(state | {"roots_": np.ones_like(state["roots_"])})
