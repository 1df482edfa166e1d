"""The emulator as users meet it: contract, calibration, noise, degenerate runs, files."""

import numpy as np
import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

import equatorium as eq
from equatorium_gp.trend_gp import TrendGP


@parametrize_with_checks([TrendGP(), TrendGP(kernel="rbf", trend="constant")])
def test_sklearn_checks(estimator, check):
    check(estimator)


def smooth(X):
    return np.column_stack([np.sin(3 * X[:, 0]) + X[:, 1] ** 2, X[:, 0] * X[:, 2], np.exp(X[:, 1])])


@pytest.fixture
def runs():
    X = np.random.default_rng(0).random((60, 3))
    return X, smooth(X)


def test_found_by_name_and_accurate(runs):
    X, Y = runs
    model = eq.emulator("trend-gp").fit(X, Y)
    new = np.random.default_rng(1).random((200, 3))
    prediction = model.predict_dist(new)
    error = prediction.mean - smooth(new)
    assert np.sqrt((error**2).mean(axis=0) / smooth(new).var(axis=0)).max() < 0.05
    assert type(prediction.cov()).__name__ == "Dense"


def test_files_bit_for_bit(runs, tmp_path):
    X, Y = runs
    model = TrendGP(kernel="matern52 + linear", trend="linear").fit(X, Y, noise=0.01 * np.ones(60))
    model.save(tmp_path / "model.h5")
    again = eq.load(tmp_path / "model.h5")
    before, after = model.predict_dist(X), again.predict_dist(X)
    assert np.array_equal(before.mean, after.mean)
    assert np.array_equal(before.cov().dense(), after.cov().dense())
