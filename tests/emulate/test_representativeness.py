"""Shifts between sets: nothing is flagged without one, weights are the ratio of densities."""

import os
from pathlib import Path

import numpy as np
import pytest
from scipy import stats
from sklearn.linear_model import LinearRegression
from sklearn.neighbors import KNeighborsRegressor

import equatorium as eq
from equatorium.errors import InputError, ShapeError


def test_without_a_shift_as_many_are_flagged_as_said():
    rng = np.random.default_rng(0)
    shares = [
        eq.covariate_shift(rng.normal(size=(800, 3)), rng.normal(size=(600, 3))).fraction
        for _ in range(12)
    ]
    # Neighbours are flagged together: the spread of the shares is their own.
    assert abs(np.mean(shares) - 0.01) < 4 * np.std(shares, ddof=1) / np.sqrt(12) + 0.002
    moved = eq.covariate_shift(rng.normal(size=(800, 3)), rng.normal(1, 1, size=(600, 3)))
    assert moved.fraction > 0.2


def test_weights_are_the_ratio_of_the_densities():
    rng = np.random.default_rng(1)
    X, new = rng.normal(size=(6000, 1)), rng.normal(0.5, 0.8, size=(6000, 1))
    found = eq.covariate_shift(X, new, k=100)
    expected = stats.norm.pdf(X, 0.5, 0.8) / stats.norm.pdf(X)
    dense = np.abs(X[:, 0]) < 1.5
    ratio = found.weights[dense] / expected[dense, 0]
    assert np.median(np.abs(np.log(ratio))) < 0.15  # of k and of the counts: about 1/10 each
    assert np.average(X[:, 0], weights=found.weights) == pytest.approx(0.5, abs=0.05)
    assert X[found.resample(0), 0].std() == pytest.approx(0.8, abs=0.05)
    assert found.effective_n == pytest.approx(
        6000 * expected.mean() ** 2 / np.mean(expected**2), rel=0.2
    )
    assert "training objects are worth" in found.summary()


def test_a_weighted_set_takes_the_bias_of_a_wrong_model():
    rng = np.random.default_rng(2)
    X, new = rng.normal(size=(2000, 1)), rng.normal(1, 0.7, size=(2000, 1))
    y, truth = X[:, 0] ** 2, new[:, 0] ** 2
    chosen = eq.covariate_shift(X, new).resample(0)
    plain, weighted = (
        np.mean(LinearRegression().fit(X[i], y[i]).predict(new) - truth)
        for i in (slice(None), chosen)
    )
    assert abs(weighted) < 0.3 * abs(plain)


@pytest.mark.parametrize(
    "X, new, options, text",
    [
        (np.zeros((30, 2)), np.zeros((5, 2)), {}, "X_new has 5 rows"),
        (np.zeros((30, 2)), np.zeros((30, 2)), {"level": 2}, "between 0 and 1"),
        (np.arange(60.0).reshape(30, 2), 1e6 + np.zeros((30, 2)), {}, "nothing can be learned"),
    ],
)
def test_what_cannot_be_is_refused(X, new, options, text):
    with pytest.raises(InputError, match=text):
        eq.covariate_shift(X, new, **options)
    with pytest.raises(ShapeError, match="2 columns"):
        eq.covariate_shift(X, new[:, :1])


@pytest.mark.realdata
def test_bright_galaxies_that_are_to_teach_the_redshifts_of_faint_ones():
    """Trained at r < 17, asked at r > 17: noticed at once, and half of the bias can be mended."""
    data = os.environ.get("EQUATORIUM_DATA") or Path(__file__).parents[3] / "shared" / "data"
    path = Path(data) / "tables" / "photoz_sdss_mgs_train.txt.gz"
    if not path.exists():
        pytest.skip("the SDSS galaxies are not at hand: set EQUATORIUM_DATA")
    table = np.loadtxt(path)
    z, r, colours = table[:, 0], table[:, 3], table[:, 6:10]
    inputs = np.column_stack([r, colours])
    half = np.random.default_rng(0).permutation(len(z))[: len(z) // 2]
    rest = np.setdiff1d(np.arange(len(z)), half)
    bright, faint = np.flatnonzero(r < 17), np.flatnonzero(r >= 17)
    control = eq.covariate_shift(inputs[half], inputs[rest])
    shift = eq.covariate_shift(inputs[bright], inputs[faint])
    print(control.fraction, shift.fraction, shift.effective_n)
    assert shift.fraction > 5 * control.fraction
    chosen = bright[shift.resample(0)]
    for model in (LinearRegression(), KNeighborsRegressor(10)):
        before, after = (
            np.mean(
                (model.fit(colours[i], z[i]).predict(colours[faint]) - z[faint]) / (1 + z[faint])
            )
            for i in (bright, chosen)
        )
        print(type(model).__name__, before, after)
        assert abs(after) < 0.5 * abs(before)


def test_few_training_objects_do_not_hide_a_shift():
    """With 100 training objects the 20th of 6000 neighbours is nearer than any of them."""
    rng = np.random.default_rng(0)
    train, like = rng.normal(size=(100, 2)), rng.normal(size=(3000, 2))
    found = eq.covariate_shift(train, np.vstack([like, rng.normal(50, 1, size=(3000, 2))]))
    assert found.flagged[3000:].all() and found.flagged[:3000].mean() < 0.03
    alike = eq.covariate_shift(rng.normal(size=(100, 2)), like)
    assert alike.fraction < 0.03 and np.median(alike.density) == pytest.approx(1, abs=0.25)


@pytest.mark.parametrize("k", [2.5, True, "three"])
def test_a_number_of_neighbours_is_whole(k):
    with pytest.raises(InputError, match="k must be a whole number"):
        eq.covariate_shift(np.zeros((9, 1)), np.zeros((9, 1)), k=k)


@pytest.mark.parametrize("size", [0, -3, 2.5])
def test_a_resampled_set_has_a_size(size):
    rng = np.random.default_rng(0)
    shift = eq.covariate_shift(rng.normal(size=(30, 1)), rng.normal(size=(30, 1)))
    with pytest.raises(InputError, match="size must be"):
        shift.resample(0, size)
