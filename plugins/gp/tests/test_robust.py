"""Runs that went wrong are found, degenerate ones get an answer, no output takes others down."""

import os
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.stats import binom

from equatorium import Diagonal, Gaussian
from equatorium.errors import InputError, NotFiniteError
from equatorium_gp import posterior, stationary, together
from equatorium_gp.gp import GP
from equatorium_gp.predicting import strange_runs
from equatorium_gp.shared import Shared
from equatorium_gp.trend_gp import TrendGP

DATA = Path(os.environ.get("EQUATORIUM_DATA", Path(__file__).parents[4] / "shared" / "data"))
QUICK = {"kernels": ["matern52"], "trends": ["constant"]}


def truth(X):
    parts = [np.sin(4 * X[:, 0]) * X[:, 1], X[:, 0] - X[:, 2] ** 2, np.exp(X[:, 1] * X[:, 2])]
    return np.stack(parts, axis=1)


def smooth(n=40, seed=0):
    X = np.random.default_rng(seed).random((n, 3))
    return X, truth(X)


# -- outliers ------------------------------------------------------------------------------


def falsely_named(correct, sets=1500, n=30, p=3):
    """Sets of sound runs, their common scale unknown, of which any run is named."""
    rng, count = np.random.default_rng(0), 0
    for _ in range(sets):
        error = 3.0 * rng.normal(size=(n, p))
        left_out = Gaussian(np.zeros((n, p)), Diagonal(np.ones((n, p))))
        count += len(strange_runs(left_out, error, np.zeros((0, p)), 0.05 * correct)) > 0
    return count, sets


def test_sound_runs_are_named_as_rarely_as_is_said_and_the_wrong_twin_names_more():
    count, sets = falsely_named(1.0)
    assert count <= binom.ppf(0.99, sets, 0.05)
    assert count >= binom.ppf(0.01, sets, 0.03)  # nearly exact, for errors hardly depend
    wrong, _ = falsely_named(19.0)  # as if one run were asked
    assert wrong > binom.ppf(0.999, sets, 0.05)


@pytest.mark.parametrize("kind", [TrendGP, GP])
def test_a_corrupt_run_is_found(kind):
    X, Y = smooth()
    Y[17] = Y[4]  # copied from another run
    options = QUICK if kind is GP else {}
    model = kind(**options).fit(X, Y)
    assert model.outliers()[0] == 17
    sound = np.arange(len(X)) != 17
    assert 17 not in kind(**options).fit(X[sound], Y[sound]).outliers()


def test_declared_noise_excuses_a_run():
    X, Y = smooth()
    noise = np.full(len(X), 1e-4)
    y = Y[:, 0] + 0.01 * np.random.default_rng(1).normal(size=len(X))
    y[5] += 2.0
    assert TrendGP().fit(X, y, noise=noise).outliers().tolist() == [5]
    noise[5] = 4.0
    assert TrendGP().fit(X, y, noise=noise).outliers().tolist() == []


def test_errors_of_rounding_are_nobodys_fault():
    X = np.random.default_rng(0).random((20, 2))
    Y = np.stack([X[:, 0], X[:, 0], np.ones(20)], axis=1)  # a line, twice, and a constant
    for sharing in ("components", "each"):
        assert TrendGP(sharing=sharing, trend="linear").fit(X, Y).outliers().tolist() == []


@pytest.mark.parametrize("level", [0.0, 1.0, True, "0.01"])
def test_a_level_that_is_no_probability_is_named(level):
    with pytest.raises(InputError, match="level="):
        TrendGP(optimise=False).fit(*smooth(12)).outliers(level)


@pytest.mark.realdata
@pytest.mark.skipif(not (DATA / "simulations").is_dir(), reason="EQUATORIUM_DATA is not set")
@pytest.mark.parametrize("kind", [TrendGP, pytest.param(GP, marks=pytest.mark.slow)])
def test_the_run_of_hacc_that_copies_another_is_found(kind):
    """Row 5 of the 64 CRK-HACC runs copies the outputs of row 2, at the source."""
    with np.load(DATA / "simulations" / "hacc_subgrid.npz") as file:
        X, Y = file["X"].astype(float), file["GSMF"].astype(float)
    assert kind().fit(X, Y).outliers().tolist() == [5]


# -- degenerate runs -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("X", "y"),
    [
        (np.repeat(np.linspace(0, 1, 8), 2)[:, None], np.repeat(np.arange(8.0) ** 2, 2)),
        (np.linspace(0, 1, 12)[:, None], np.column_stack([np.arange(12.0), np.full(12, 3.0)])),
        (np.random.default_rng(0).random((6, 20)), np.arange(6.0)),
        (
            np.random.default_rng(0).random((15, 2)) * [1e-12, 1e12],
            1e-9 * np.arange(15.0) ** 2 + 1e3,
        ),
    ],
    ids=["repeated runs", "constant output", "fewer runs than inputs", "wild units"],
)
@pytest.mark.parametrize("noise", [None, 1e-12])
def test_the_stack_bears_it(X, y, noise):
    declared = None if noise is None else np.full(len(y), noise)
    model = GP(**QUICK).fit(X, y, noise=declared)
    prediction = model.predict_dist(X)
    spread = np.maximum(np.ptp(np.reshape(y, (len(y), -1)), axis=0), 1e-6)
    assert_allclose(prediction.mean / spread, np.reshape(y, (len(y), -1)) / spread, atol=0.05)
    assert (prediction.variance > 0).all()
    assert np.isfinite(model.loo().std).all()


@pytest.mark.parametrize("kind", [TrendGP, GP])
def test_a_row_that_is_no_number_is_named(kind):
    X, Y = smooth(12)
    for broken in (0, 1):
        given = [X.copy(), Y.copy()]
        given[broken][7, 1] = np.nan
        with pytest.raises((NotFiniteError, ValueError), match=r"7|NaN"):
            kind().fit(*given)


def test_repeated_runs_are_their_mean_with_a_part_of_the_noise():
    X, Y = smooth(15)
    rng = np.random.default_rng(2)
    copies = Y[:, 0] + 0.1 * rng.normal(size=(4, 15))
    query, options = rng.random((6, 3)), {"kernel": "rbf", "trend": "constant", "optimise": False}
    every = TrendGP(**options).fit(np.tile(X, (4, 1)), copies.ravel(), noise=np.full(60, 0.01))
    mean = TrendGP(**options).fit(X, copies.mean(axis=0), noise=np.full(15, 0.01 / 4))
    # Where the noise is declared, its scatter tells nothing of the signal: all is the same.
    assert_allclose(every.predict(query), mean.predict(query), atol=1e-6)
    assert_allclose(every.signal_variance_, mean.signal_variance_, rtol=1e-5)
    wrong = TrendGP(**options).fit(X, copies[0], noise=np.full(15, 0.01))
    assert np.abs(every.predict(query) - wrong.predict(query)).max() > 0.01


# -- one among many ------------------------------------------------------------------------


def test_an_output_that_fails_is_told_of_and_takes_no_other_down(monkeypatch):
    X, Y = smooth(25)
    whole = TrendGP(sharing="each").fit(X, Y)
    learned, calls = Shared.learned.__func__, []

    def failing(cls, kernel, problem, budget, *rest, **options):
        calls.append(budget)
        if len(calls) == 2:
            raise np.linalg.LinAlgError("the second output's matrix is not positive definite")
        return learned(cls, kernel, problem, budget, *rest, **options)

    monkeypatch.setattr(Shared, "learned", classmethod(failing))
    with pytest.warns(UserWarning, match=r"keeps the start.*second output"):
        model = TrendGP(sharing="each").fit(X, Y)
    assert len(calls) == 4 and calls[2] is None  # tried again with the kernel as it started
    query = np.random.default_rng(3).random((5, 3))
    others = model.predict(query)[:, [0, 2]]
    assert_allclose(others, whole.predict(query)[:, [0, 2]], atol=1e-8)
    assert np.abs(model.predict(query) - truth(query)).max() < 0.1


def test_the_general_path_predicts_the_same_numbers(monkeypatch):
    X, Y = smooth()
    query = np.random.default_rng(4).random((7, 3))
    bars = np.ones((7, 3)), np.ones((7, 3, 3))
    options = {"kernel": "scale(rbf) + matern52[0,2]", "optimise": False}
    fast = TrendGP(**options).fit(X, Y)
    expected = fast.predict_dist(query), fast.predict_dist_vjp(query, *bars)
    nothing = classmethod(lambda cls, kernel: None)
    monkeypatch.setattr(stationary.Stationary, "of", nothing)
    slow = TrendGP(**options).fit(X, Y)
    assert not slow._process.shared[0].posterior.runs
    assert posterior.Stationary is stationary.Stationary  # both paths were cut
    found = slow.predict_dist(query), slow.predict_dist_vjp(query, *bars)
    assert_allclose(found[0].mean, expected[0].mean, atol=1e-10)
    assert_allclose(found[0].std, expected[0].std, atol=1e-10)
    assert_allclose(found[1], expected[1], rtol=1e-8, atol=1e-9)


@pytest.mark.parametrize("kernel", ["rbf", "matern52", "scale(matern32)"])
@pytest.mark.parametrize("noisy", [False, True])
def test_a_few_points_are_predicted_together_as_many_are(monkeypatch, kernel, noisy):
    X, Y = smooth()
    query = np.random.default_rng(6).random((9, 3))
    noise = 1e-3 * np.ones_like(Y) if noisy else None
    options = {"kernel": kernel, "sharing": "each", "optimise": False, "domain": "inflate"}
    model = TrendGP(**options).fit(X, Y, noise=noise)
    assert model._process.together.serves(9) and not model._process.together.serves(10_000)
    found = model.predict_dist(query * 1.2)
    monkeypatch.setattr(together, "FEW", 0)
    expected = model.predict_dist(query * 1.2)
    assert_allclose(found.mean, expected.mean, atol=1e-11)
    assert_allclose(found.std, expected.std, rtol=1e-9)
    unlike = TrendGP(**{**options, "kernel": "rbf[0] + rbf[1]"}).fit(X, Y)
    assert unlike._process.together is None
