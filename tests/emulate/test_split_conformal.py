"""SplitConformal: intervals hold what is promised, and where errors are large they are wide."""

import os
from pathlib import Path

import numpy as np
import pytest
from scipy import stats
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge
from sklearn.model_selection import KFold
from sklearn.neighbors import KNeighborsRegressor
from sklearn.utils.estimator_checks import parametrize_with_checks

import equatorium as eq
from equatorium.errors import InputError, NotSavableError, StateError


def runs(n, seed=0):
    """A line with skewed errors that grow with the first input."""
    rng = np.random.default_rng(seed)
    X = rng.uniform(0, 1, (n, 2))
    return X, X[:, 0] + (0.05 + X[:, 0]) * (rng.exponential(size=n) - 1)


def within(model, X, y, level=0.9):
    prediction = model.predict_dist(X)
    low, high = prediction.quantile([(1 - level) / 2, (1 + level) / 2])[:, :, 0]
    return (low <= y) & (y <= high)


def tail(hits, n, level=0.9):
    """Probability of a count as far out as this, of n calibrating runs (beta-binomial)."""
    alpha = (1 - level) / 2
    l = int(np.ceil((1 - alpha) * n) + 1 - (np.ceil(alpha * n) - 1))  # noqa: E741
    law = stats.betabinom(len(hits), l, n + 1 - l)
    return 2 * min(law.cdf(hits.sum()), law.sf(hits.sum() - 1))


@parametrize_with_checks(
    [
        eq.SplitConformal(Ridge()),
        eq.SplitConformal(Ridge(), scale=KNeighborsRegressor(1)),
        eq.SplitConformal(eq.Conformal(Ridge()), scale="own"),
    ]
)
def test_sklearn_checks(estimator, check):
    check(estimator)


@pytest.mark.parametrize("scale", [None, KNeighborsRegressor(50)])
def test_coverage_keeps_to_the_beta_binomial_band(scale):
    worst = 1.0
    for seed in range(4):
        X, y = runs(5000, seed)
        model = eq.SplitConformal(LinearRegression(), scale).fit(X, y)
        assert len(model.residuals_) == 1250
        worst = min(worst, tail(within(model, *runs(2000, 100 + seed)), 1250))
    assert 4 * worst > 0.01  # Bonferroni


def test_errors_on_runs_that_were_learned_would_break_it():
    X, y = runs(2000)
    model = eq.SplitConformal(KNeighborsRegressor(2)).fit(X, y)
    hits = within(model, *runs(2000, 1))
    assert tail(hits, 500) > 0.01
    seen = KNeighborsRegressor(2).fit(X, y)
    low, high = np.quantile(y - seen.predict(X), [0.05, 0.95])
    Xt, yt = runs(2000, 1)
    error = yt - seen.predict(Xt)
    assert tail((low <= error) & (error <= high), 500) < 1e-6


def test_a_learned_width_serves_every_place_and_a_constant_one_does_not():
    X, y = runs(4000)
    Xt, yt = runs(4000, 1)
    quiet = Xt[:, 0] < 0.25
    plain, local = (
        within(eq.SplitConformal(LinearRegression(), s).fit(X, y), Xt, yt)
        for s in (None, KNeighborsRegressor(100))
    )
    assert abs(local[quiet].mean() - 0.9) < 0.06 < abs(plain[quiet].mean() - 0.9)
    assert abs(local[~quiet].mean() - 0.9) < 0.05


def test_the_predictors_own_width_is_made_honest():
    class TooSure(eq.Emulator):
        def _fit(self, X, Y, noise):
            self.slope_ = np.linalg.lstsq(X, Y, rcond=None)[0]

        def _predict_dist(self, X):
            spread = 0.02 * (0.05 + X[:, :1])  # of the right form, fifty times too narrow
            return eq.Gaussian(X @ self.slope_, eq.Diagonal(spread**2))

    X, y = runs(3000)
    Xt, yt = runs(3000, 1)
    sure = TooSure().fit(X, y)
    model = eq.SplitConformal(TooSure(), scale="own").fit(X, y)
    assert within(sure, Xt, yt).mean() < 0.2
    hits = within(model, Xt, yt)
    assert tail(hits, 750) > 0.01
    assert abs(hits[Xt[:, 0] < 0.3].mean() - 0.9) < 0.04
    assert model.predict_dist(Xt).std[:, 0] == pytest.approx(
        np.maximum(0.02 * (0.05 + Xt[:, 0]), model.floor_) * model.residuals_.std(), rel=1e-9
    )


def test_it_is_the_predictor_and_its_standardised_errors():
    X, y = runs(41)
    order = np.random.default_rng(0).permutation(41)
    model = eq.SplitConformal(Ridge()).fit(X, y)
    ridge = Ridge().fit(X[order[10:]], y[order[10:]])
    error = np.sort(y[order[:10]] - ridge.predict(X[order[:10]]))
    moved = np.r_[error[0], error[:4], error[6:], error[-1]]
    np.testing.assert_allclose(np.sort(model.residuals_[:, 0]), moved)
    found = np.sort(model.predict_dist(X[:3]).values[..., 0], axis=0)
    np.testing.assert_allclose(found, ridge.predict(X[:3]) + moved[:, None])


def test_gaps_are_the_predictors_affair():
    class Fills(RegressorMixin, BaseEstimator):
        def fit(self, X, y):
            self.n_features_in_, self.mean_ = X.shape[1], np.mean(y)
            return self

        def predict(self, X):
            return np.full(len(X), self.mean_)

        def __sklearn_tags__(self):
            tags = super().__sklearn_tags__()
            tags.input_tags.allow_nan = True
            return tags

    X, y = runs(40)
    X[3, 1] = np.nan
    assert "missing" in eq.SplitConformal(Fills()).fit(X, y).capabilities_
    with pytest.raises(InputError, match="NaN"):
        eq.SplitConformal(Ridge()).fit(X, y)
    assert "missing" in eq.Conformal(Fills()).fit(X, y).capabilities_


def test_one_with_registered_parts_is_saved(tmp_path):
    X, y = runs(60)
    model = eq.SplitConformal("rbf", scale={"use": "rbf", "options": {"smoothing": 1.0}}).fit(X, y)
    model.save(tmp_path / "model.h5")
    again = eq.load(tmp_path / "model.h5")
    np.testing.assert_array_equal(again.predict(X), model.predict(X))
    with pytest.raises(NotSavableError):
        eq.SplitConformal(Ridge()).fit(X, y).save(tmp_path / "other.h5")
    state = model.get_state()
    for broken in (
        {**state, "residuals_": np.zeros((0, 1))},
        {**state, "scale_": None},
        {**state, "predictor_": Ridge()},
        {**state, "floor_": np.zeros(2)},
    ):
        with pytest.raises(StateError):
            eq.SplitConformal("rbf", scale="rbf").set_state(broken)


@pytest.mark.parametrize(
    "options, text",
    [
        ({"held": 0.7}, "between 0 and 0.5"),
        ({"held": "half"}, "between 0 and 0.5"),
        ({"scale": "own"}, "needs a predictor that states a variance"),
        ({"scale": LogisticRegression()}, "scale is LogisticRegression"),
        ({"predictor": 3}, "predictor is 3"),
    ],
)
def test_what_cannot_be_is_refused(options, text):
    X, y = runs(20)
    with pytest.raises(InputError, match=text):
        eq.SplitConformal(**{"predictor": Ridge(), **options}).fit(X, y)


def test_few_held_out_runs_promise_what_the_docstring_says():
    """Three of twelve are held out: no interval holds more than (n - 1) / (n + 1) = 1 / 2."""
    hits = 0
    for seed in range(200):
        X, y = runs(62, seed)
        model = eq.SplitConformal(Ridge(), random_state=seed).fit(X[:12], y[:12])
        hits += within(model, X[12:13], y[12:13]).sum()
    low, high = stats.binom.ppf([0.005, 0.995], 200, 0.5)
    assert low <= hits <= high


@pytest.mark.realdata
@pytest.mark.parametrize("scale", [None, KNeighborsRegressor(50)])
def test_intervals_of_galaxies_hold_what_they_promise(scale):
    """5000 redshifts, held out in five folds."""
    data = os.environ.get("EQUATORIUM_DATA") or Path(__file__).parents[3] / "shared" / "data"
    path = Path(data) / "tables" / "photoz_sdss_mgs_train.txt.gz"
    if not path.exists():
        pytest.skip("the SDSS galaxies are not at hand: set EQUATORIUM_DATA")
    table = np.loadtxt(path)
    X, z, hits = table[:, 1:10], table[:, 0], 0
    for learn, test in KFold(5, shuffle=True, random_state=0).split(X):
        model = eq.SplitConformal(KNeighborsRegressor(20), scale).fit(X[learn], z[learn])
        hits += within(model, X[test], z[test]).sum()
    print(hits / len(z))
    assert 0.885 <= hits / len(z) <= 0.915
