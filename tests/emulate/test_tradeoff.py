"""Bias and variance of straight lines are known; so is what averaging does to correlated errors."""

import numpy as np
import pytest
from sklearn.linear_model import LinearRegression
from sklearn.tree import DecisionTreeRegressor

import equatorium as eq
from equatorium import registry
from equatorium.errors import InputError, ShapeError

X = np.linspace(-1, 1, 20)[:, None]
NOISE = 0.3


def parabola(rng):
    return X, X[:, 0] ** 2 + NOISE * rng.normal(size=20)


def test_bias_and_variance_of_a_line_are_its_projection():
    at = np.linspace(-1, 1, 7)[:, None]
    found = eq.bias_variance(LinearRegression(), parabola, at, at[:, 0] ** 2, repeats=1000)
    A, Q = np.column_stack([np.ones(20), X]), np.column_stack([np.ones(7), at])
    hat = Q @ np.linalg.pinv(A)
    np.testing.assert_allclose(found.variance, NOISE**2 * np.sum(hat**2, axis=1), rtol=0.2)
    bias = hat @ X[:, 0] ** 2 - at[:, 0] ** 2
    np.testing.assert_allclose(found.bias2, bias**2, atol=0.03)
    total = np.mean(found.bias2 + found.variance)
    assert found.single == pytest.approx(total, rel=0.01)  # Var has ddof = 1
    assert "1000 data sets: error" in found.summary()


def test_any_method_by_name_or_with_a_distribution():
    at = X[::5]
    kinds = ["rbf", {"use": "rbf"}, eq.Conformal(LinearRegression()), LinearRegression()]
    found = [eq.bias_variance(k, parabola, at, at[:, 0] ** 2, repeats=5) for k in kinds]
    np.testing.assert_array_equal(found[0].predicted, found[1].predicted)
    assert found[3].variance.mean() > 0
    # The same lines, but for the folds that Conformal leaves out.
    np.testing.assert_allclose(found[2].predicted, found[3].predicted, atol=0.2)


def test_a_table_is_resampled():
    y = parabola(np.random.default_rng(0))[1]
    lines = eq.bias_variance(LinearRegression(), (X, y), X, X[:, 0] ** 2, repeats=60)
    trees = eq.bias_variance(DecisionTreeRegressor(), (X, y), X, X[:, 0] ** 2, repeats=60)
    assert trees.variance.mean() > lines.variance.mean()
    assert trees.bias2.mean() < lines.bias2.mean()
    assert trees.averaged < trees.single


@pytest.mark.parametrize("rho", [0.0, 0.3, 0.9])
def test_the_law_of_correlated_errors(rho):
    """Members share a part of their errors; means of fresh ones are as good as the law says."""
    rng = np.random.default_rng(1)

    def members(count):
        shared = rng.normal(size=20_000)
        own = rng.normal(size=(count, 20_000))
        return 2 * (np.sqrt(rho) * shared + np.sqrt(1 - rho) * own)

    law = eq.error_law(members(6))
    assert law.square == pytest.approx(4, rel=0.05)
    assert law.correlation == pytest.approx(rho, abs=0.02)
    for b in (1, 3, 20):
        measured = np.mean(members(b).mean(axis=0) ** 2)
        assert float(law(b)) == pytest.approx(measured, rel=0.1, abs=4 * 0.02)
    if rho == 0.3:  # members that err together gain less than the naive law promises
        assert np.mean(members(20).mean(axis=0) ** 2) > 3 * law.square / 20


def test_bagged_trees_obey_the_law():
    """Measured on ten trees, it foretells the error of a hundred others within 10 per cent."""
    rng = np.random.default_rng(2)
    inputs = rng.uniform(-1, 1, (300, 3))
    f = lambda x: np.sin(3 * x[:, 0]) + x[:, 1] * x[:, 2]  # noqa: E731
    y, fresh = f(inputs) + 0.3 * rng.normal(size=300), rng.uniform(-1, 1, (2000, 3))

    def errors(count, seed):
        found = eq.bias_variance(
            DecisionTreeRegressor(), (inputs, y), fresh, f(fresh), repeats=count, rng=seed
        )
        return found.predicted - f(fresh)

    law = eq.error_law(errors(10, 0))
    others = errors(100, 1)
    for b in (5, 25, 100):
        measured = np.mean(others[:b].mean(axis=0) ** 2)
        assert float(law(b)) == pytest.approx(measured, rel=0.1)


def gaussian_basis(x):
    return np.exp(-0.5 * ((x - np.linspace(0, 1, 10)) / 0.1) ** 2)


def test_the_lectures_hundred_data_sets():
    """Ten Gaussians through ten points: each overfits, their mean does not."""

    def source(rng):
        x = rng.uniform(0, 1, (10, 1))
        return gaussian_basis(x), np.sin(2 * np.pi * x[:, 0]) + 0.2 * rng.normal(size=10)

    from sklearn.linear_model import Ridge

    x = np.linspace(0, 1, 100)[:, None]
    found = eq.bias_variance(Ridge(0.01), source, gaussian_basis(x), np.sin(2 * np.pi * x[:, 0]))
    assert len(found.predicted) == 100
    assert found.single > 10 * found.averaged


@pytest.mark.parametrize(
    "change, text",
    [
        ({"repeats": 1}, "at least 2"),
        ({"source": 3}, "function of rng"),
        ({"source": (X, np.zeros(3))}, "hold 20 values"),
        ({"truth": np.zeros(3)}, "hold 20 values"),
    ],
)
def test_what_cannot_be_is_refused(change, text):
    given = {"method": LinearRegression(), "source": parabola, "X": X, "truth": X[:, 0]}
    with pytest.raises((InputError, ShapeError), match=text):
        eq.bias_variance(**{**given, **change})
    with pytest.raises(InputError, match="at least 2 members"):
        eq.error_law([[1.0, 2.0]])


class Points(eq.Emulator):
    """States no variance."""

    capabilities = frozenset()

    def _fit(self, X, Y, noise):
        self.mean_ = Y.mean(axis=0)

    def _predict_dist(self, X):
        mean = np.tile(self.mean_, (len(X), 1))
        return eq.Gaussian(mean, eq.Diagonal(np.zeros_like(mean)))


def test_a_method_of_points_given_as_a_spec_is_judged_itself(monkeypatch):
    from equatorium.emulate import tradeoff

    named = {"use": "points"}
    make = registry.from_spec
    monkeypatch.setattr(
        registry, "from_spec", lambda kind, m: Points() if m is named else make(kind, m)
    )
    x = np.linspace(-1, 1, 7)[:, None]
    found = tradeoff.bias_variance(named, parabola, x, x[:, 0], repeats=3, rng=2)
    rng = np.random.default_rng(2)
    means = [parabola(rng)[1].mean() for _ in range(3)]
    np.testing.assert_allclose(found.predicted[:, 0], means)


def test_sources_must_give_inputs_and_one_output():
    x = np.linspace(-1, 1, 7)[:, None]
    with pytest.raises(InputError, match="must give"):
        eq.bias_variance(LinearRegression(), lambda rng: x, x, x[:, 0], repeats=2)
    with pytest.raises(ShapeError, match="single output"):
        eq.bias_variance(
            LinearRegression(), lambda rng: (x, np.hstack([x, x])), x, x[:, 0], repeats=2
        )
