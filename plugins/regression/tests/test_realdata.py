"""Scores on the lecture's tables, five-fold; the thresholds are those of the issue."""

import os
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, balanced_accuracy_score
from sklearn.model_selection import KFold, StratifiedKFold

import equatorium as eq

ROOT = Path(__file__).parents[3]
DATA = Path(os.environ.get("EQUATORIUM_DATA") or ROOT.parent / "shared" / "data") / "tables"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.realdata,
    pytest.mark.skipif(not DATA.exists(), reason="the tables are not at hand: set EQUATORIUM_DATA"),
]


@pytest.mark.parametrize(
    ("name", "most"), [("knn", 0.0192), ("kernel", 0.0192), ("local-linear", 0.0181)]
)
def test_photometric_redshifts(name, most):
    table = np.loadtxt(DATA / "photoz_sdss_mgs_train.txt.gz")
    z, X = table[:, 0], table[:, 1:10]
    mean, pit = np.empty_like(z), np.empty_like(z)
    for fit, test in KFold(5, shuffle=True, random_state=0).split(X):
        prediction = eq.emulator(name).fit(X[fit], z[fit]).predict_dist(X[test])
        mean[test], pit[test] = prediction.mean[:, 0], prediction.cdf(z[test, None])[:, 0]
    sigma = np.std((mean - z) / (1 + z))
    deviation = np.abs(np.sort(pit) - np.arange(0.5, len(z)) / len(z)).max()
    print(f"{name}: sigma {sigma:.5f}, PIT deviation {deviation:.3f}")
    assert sigma <= most and deviation < 0.05


def probabilities(name, X, y, **options):
    codes = np.unique(y, return_inverse=True)[1]
    P = np.empty((len(X), codes.max() + 1))
    for fit, test in StratifiedKFold(5, shuffle=True, random_state=0).split(X, codes):
        P[test] = eq.classifier(name, **options).fit(X[fit], codes[fit]).predict_proba(X[test])
    return codes, P.argmax(axis=1)


def test_linear_variable_stars():
    table = np.loadtxt(DATA / "linear_variable_stars.dat.gz")
    codes, found = probabilities("knn-classifier", table[:, 2:10], table[:, 12], prior="equal")
    assert balanced_accuracy_score(codes, found) >= 0.94


@pytest.mark.parametrize("name", ["knn-classifier", "gmm"])
def test_stars_galaxies_and_quasars_by_colours_alone(name):
    table = np.genfromtxt(
        DATA / "sdss_star_galaxy_qso.csv.gz", delimiter=",", names=True, dtype=None, encoding=None
    )
    magnitudes = np.column_stack([table[band] for band in "ugriz"])
    good = np.isfinite(magnitudes).all(axis=1)
    colours = -np.diff(magnitudes[good], axis=1)
    codes, found = probabilities(name, colours, table["class"][good])
    assert accuracy_score(codes, found) >= 0.96
