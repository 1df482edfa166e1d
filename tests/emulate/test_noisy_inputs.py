"""Errors of inputs: what they do to a straight line is known in closed form."""

import numpy as np
import pytest
from scipy import stats
from sklearn.linear_model import LinearRegression
from sklearn.utils.estimator_checks import parametrize_with_checks

import equatorium as eq
from equatorium import registry
from equatorium.errors import InputError, ShapeError, StateError
from equatorium.testing.reference import ReferenceRidge

SLOPE, SCATTER, ERROR = 2.0, 0.3, 0.5


@pytest.fixture(autouse=True)
def own_names(monkeypatch):
    monkeypatch.setattr(registry._CATALOGUE, "_local", {})


def clean(n, seed, width=1.0):
    rng = np.random.default_rng(100 + seed)  # not the stream of the model's own noise
    x = width * rng.normal(size=n)
    return x[:, None], SLOPE * x + SCATTER * rng.normal(size=n), rng


@parametrize_with_checks([eq.NoisyInputs(ReferenceRidge(), copies=2, draws=2)])
def test_sklearn_checks(estimator, check):
    check(estimator)


def test_copies_learn_the_relation_to_what_is_observed():
    X, y, rng = clean(3000, 0)
    model = eq.NoisyInputs(ReferenceRidge()).fit(X, y, ivar=[1 / ERROR**2])
    slope = np.diff(model.predict([[0.0], [1.0]]))[0]
    shrunk = SLOPE / (1 + ERROR**2)  # regression dilution, var(x) = 1
    assert slope == pytest.approx(shrunk, abs=0.06)
    Xt, yt, rng = clean(3000, 1)
    seen = Xt + ERROR * rng.normal(size=Xt.shape)
    honest = model.predict_dist(seen)
    plain = eq.NoisyInputs(ReferenceRidge()).fit(X, y).predict_dist(seen)
    band = stats.binom.interval(0.99, 3000, 0.9)
    scores = [eq.score(p, yt, ["coverage", "crps"]) for p in (honest, plain)]
    # Learned parameters differ from the true ones: a little room beyond the binomial band.
    assert band[0] / 3000 - 0.01 < scores[0]["coverage"] < band[1] / 3000 + 0.01
    assert scores[1]["coverage"] < 0.6 and scores[0]["crps"] < scores[1]["crps"]


def test_draws_widen_a_prediction_by_the_slope_times_the_error():
    X, y, _ = clean(2000, 0, width=10.0)  # far wider than the errors: nearly a flat prior
    model = eq.NoisyInputs(ReferenceRidge(), draws=1500).fit(X, y)
    error = np.array([[0.05], [0.5], [1.0]])
    found = model.predict_dist(np.zeros((3, 1)), ivar=error**-2.0)
    expected = np.sqrt(SCATTER**2 + (SLOPE * error) ** 2)
    np.testing.assert_allclose(found.std, expected, rtol=0.05)
    none = model.predict_dist(np.zeros((3, 1)), ivar=np.full(1, np.inf))
    np.testing.assert_allclose(none.std, model.predict_dist(np.zeros((3, 1))).std)


def test_each_object_counts_with_its_own_error():
    X, y, _ = clean(2000, 0, width=10.0)
    model = eq.NoisyInputs(ReferenceRidge(), draws=60).fit(X, y)
    Xt, yt, rng = clean(1500, 1, width=10.0)
    error = rng.uniform(0.1, 1.0, size=Xt.shape)
    seen = Xt + error * rng.normal(size=Xt.shape)
    told, blind = model.predict_dist(seen, ivar=error**-2.0), model.predict_dist(seen)
    scores = [eq.score(p, yt, ["coverage", "log_score"]) for p in (told, blind)]
    assert 0.87 < scores[0]["coverage"] < 0.93 and scores[1]["coverage"] < 0.6
    assert scores[0]["log_score"] > scores[1]["log_score"] + 1


def test_draws_of_draws_are_draws():
    X, y, _ = clean(40, 0)
    model = eq.NoisyInputs(eq.Conformal(LinearRegression()), copies=3).fit(X, y, ivar=[4.0])
    one = model.predict_dist(X[:2])
    assert isinstance(one, eq.Weighted) and one.values.shape == (3 * 40, 2, 1)
    parts = [member.predict_dist(X[:2]) for member in model.members_]
    np.testing.assert_allclose(one.mean, np.mean([p.mean for p in parts], axis=0))
    np.testing.assert_array_equal(
        model.predict_dist(X, ivar=[1.0]).mean, model.predict_dist(X, ivar=[1.0]).mean
    )


def test_what_cannot_be_is_refused():
    X, y, _ = clean(20, 0)
    model = eq.NoisyInputs(ReferenceRidge()).fit(X, y)
    with pytest.raises(ShapeError, match="one value a column"):
        model.predict_dist(X, ivar=np.ones(3))
    with pytest.raises(InputError, match="put NaN there"):
        model.predict_dist(X, ivar=np.zeros(1))
    with pytest.raises(InputError, match="Conformal"):
        eq.NoisyInputs(LinearRegression()).fit(X, y)
    with pytest.raises(InputError, match="copies must be"):
        eq.NoisyInputs(ReferenceRidge(), copies=0).fit(X, y)
    with pytest.raises(StateError, match="members_"):
        model.set_state({**model.get_state(), "members_": []})


def test_a_non_detection_is_its_limit_and_a_flag():
    X = np.array([[20.0, 99.0, np.nan], [21.0, 22.0, 23.0]])
    limited = np.array([[False, True, False], [False, False, True]])
    found = eq.with_limits(X, limited, [25.0, 24.0, 23.5])
    expected = [[20, 24, np.nan, 0, 1, np.nan], [21, 22, 23.5, 0, 0, 1]]
    np.testing.assert_array_equal(found, expected)
    np.testing.assert_array_equal(eq.with_limits(X, limited)[:, 1], [99, 22])
    X[0, 1] = np.inf  # the magnitude of no flux
    np.testing.assert_array_equal(eq.with_limits(X, limited, [25.0, 24.0, 23.5]), expected)
    with pytest.raises(InputError, match="finite limit"):
        eq.with_limits(X, limited, [25.0, np.nan, 23.5])
    with pytest.raises(ShapeError, match="hold bools"):
        eq.with_limits(X, limited[:1])
    with pytest.raises(ShapeError, match="one value a column"):
        eq.with_limits(X, limited, [1.0])


def test_limits_serve_better_than_a_code_or_a_loss_of_rows():
    """Two bands; the fainter one is lost beyond 24: colour tells, and so does its loss."""
    rng = np.random.default_rng(0)
    z = rng.uniform(0, 1, 800)
    blue = 21 + 4 * z + 0.3 * rng.normal(size=800)
    red = 20 + 2 * z + 0.3 * rng.normal(size=800)
    lost = blue > 24
    X = np.column_stack([np.where(lost, 99.0, blue), red])
    limited = np.column_stack([lost, np.zeros(800, bool)])
    written = eq.with_limits(X, limited, [24.0, 99.0])
    kinds = {"code": X, "limits": written, "ignored": X[:, 1:]}
    found = {
        name: eq.compare([], (x, z), scores="rmse", simple=False).value("linear")
        for name, x in kinds.items()
    }
    assert found["limits"] < 0.9 * min(found["code"], found["ignored"])


@pytest.mark.parametrize("number", [0, 2.5, True, "two"])
def test_copies_and_draws_are_whole_numbers(number):
    X, y, _ = clean(20, 0)
    with pytest.raises(InputError, match="copies must be a whole number"):
        eq.NoisyInputs("rbf", copies=number).fit(X, y, ivar=np.ones(X.shape[1]))
    fitted = eq.NoisyInputs("rbf", draws=number).fit(X, y)
    with pytest.raises(InputError, match="draws must be a whole number"):
        fitted.predict_dist(X, ivar=np.ones(X.shape[1]))
