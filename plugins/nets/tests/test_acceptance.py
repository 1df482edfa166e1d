"""Real data, in part: the numbers of `benchmarks/nets.py` hold with the methods' own settings."""

import os
from pathlib import Path

import numpy as np
import pytest
from scipy import stats
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.model_selection import GroupShuffleSplit, KFold

import equatorium as eq
from equatorium.emulate.validate import crps
from equatorium_nets.adversarial import sensitivity
from equatorium_nets.cnn import CNNClassifier

DATA = Path(os.environ.get("EQUATORIUM_DATA", Path(__file__).parents[4] / "shared" / "data"))
pytestmark = pytest.mark.slow
needs_data = pytest.mark.skipif(not DATA.is_dir(), reason="EQUATORIUM_DATA is not set")


def split(X, y, test):
    order = np.random.default_rng(0).permutation(len(X))
    return X[order[test:]], y[order[test:]], X[order[:test]], y[order[:test]]


def test_digits_are_read_but_not_under_attack_unless_trained_for_it():
    X, y = load_digits(return_X_y=True)
    X, y, query, truth = split(X / 16, y, 450)
    plain, trained = (
        [
            sensitivity(one, query, truth, (0.1,))
            for one in CNNClassifier(
                shape=(1, 8, 8), n_members=5, adversarial=adversarial, random_state=0
            )
            .fit(X, y)
            .members_
        ]
        for adversarial in (0.0, 0.1 / X.std())
    )
    assert min(found.attacked[0] for found in plain) >= 0.98
    assert max(found.attacked[1] for found in plain) <= 0.75
    assert min(found.noisy[1] for found in plain) >= 0.97
    attacked = [found.attacked[1] for found in trained]
    assert min(attacked) >= 0.85
    assert np.mean(attacked) >= 0.87


@pytest.mark.realdata
@needs_data
def test_mnist_is_read():
    with np.load(DATA / "images" / "mnist_10k.npz") as file:
        X, y = file["image"].reshape(10000, -1) / 255.0, file["label"]
    X, y, query, truth = split(X, y, 2000)
    model = CNNClassifier(shape=(1, 28, 28), n_members=1, random_state=0).fit(X, y)
    assert (model.predict(query) == truth).mean() >= 0.975


@pytest.mark.realdata
@needs_data
def test_redshifts_of_galaxies_have_honest_densities():
    table = np.loadtxt(DATA / "tables" / "photoz_sdss_mgs_train.txt.gz")
    X, y = table[:, 1:10], table[:, 0]
    error, score, pit = np.empty((3, len(X)))
    for learn, test in KFold(5, shuffle=True, random_state=0).split(X):
        prediction = eq.network("mdn", random_state=0).fit(X[learn], y[learn]).predict_dist(X[test])
        error[test] = (prediction.mean[:, 0] - y[test]) / (1 + y[test])
        score[test] = crps(prediction, y[test, None])[:, 0]
        pit[test] = prediction.cdf(y[test, None])[:, 0]
    assert error.std() <= 0.0178
    assert score.mean() <= 0.0102
    assert stats.kstest(pit, "uniform").statistic <= 0.04


@pytest.mark.realdata
@needs_data
def test_supernova_types_are_told_better_than_by_a_forest():
    with np.load(DATA / "spectra" / "supernovae.npz") as file:
        X, group = np.clip(file["flux"].astype(float), -3.0, 3.0), file["group"]
        y = np.array([name[:2] for name in file["type"]])
    gains = []
    for learn, test in list(GroupShuffleSplit(10, random_state=0).split(X, y, group))[:4]:
        pca = PCA(40, random_state=0).fit(X[learn])
        right = [
            (model.fit(pca.transform(X[learn]), y[learn]).predict(pca.transform(X[test])))
            == y[test]
            for model in (
                eq.classifier("mlp-classifier", random_state=0),
                eq.classifier("forest-classifier", random_state=0),
            )
        ]
        gains.append(right[0].mean() - right[1].mean())
    assert np.mean(gains) > 2.0 * stats.sem(gains)
