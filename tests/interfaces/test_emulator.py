"""An emulator of a few lines keeps the whole contract, scikit-learn's own checks included."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.linear_model import Ridge as SklearnRidge
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from equatorium import Diagonal, Emulator, Gaussian, errors


def design(X):
    return np.column_stack([np.ones(len(X)), X])


class Ridge(Emulator):
    """All that a third party writes."""

    def __init__(self, *, alpha=1e-8):
        self.alpha = alpha

    def _fit(self, X, Y, noise):
        A = design(X)
        penalty = self.alpha * np.diag([0.0] + [1.0] * X.shape[1])
        self.coef_ = np.linalg.lstsq(A.T @ A + penalty, A.T @ Y, rcond=None)[0]
        self.variance_ = np.mean((Y - A @ self.coef_) ** 2, axis=0)

    def _predict_dist(self, X):
        mean = design(X) @ self.coef_
        return Gaussian(mean, Diagonal(np.broadcast_to(self.variance_, mean.shape)))


class Weighted(Ridge):
    """One that uses the declared noise."""

    capabilities = frozenset({"variance", "noise"})

    def _fit(self, X, Y, noise):
        super()._fit(X, Y, noise)
        self.seen_ = np.zeros(0) if noise is None else noise


class NoVariance(Ridge):
    capabilities = frozenset()


@pytest.fixture
def data():
    rng = np.random.default_rng(3)
    X = rng.uniform(size=(40, 3))
    Y = X @ rng.normal(size=(3, 2)) + 1.0 + 0.1 * rng.normal(size=(40, 2))
    return X, Y


@parametrize_with_checks([Ridge(), Weighted(alpha=0.1)])
def test_sklearn_checks(estimator, check):
    check(estimator)


def test_it_is_the_ridge_of_scikit_learn(data):
    X, Y = data
    ours, theirs = Ridge(alpha=2.0).fit(X, Y), SklearnRidge(alpha=2.0).fit(X, Y)
    assert_allclose(ours.predict(X), theirs.predict(X), rtol=1e-10)
    mean, std = ours.predict(X, return_std=True)
    assert_array_equal(mean, ours.predict_dist(X).mean)
    assert_allclose(std[0] ** 2, np.mean((Y - theirs.predict(X)) ** 2, axis=0), rtol=1e-10)


def test_a_prediction_has_the_dimensions_of_y(data):
    X, Y = data
    for y, shape in ((Y[:, 0], (40,)), (Y[:, :1], (40, 1)), (Y, (40, 2))):
        mean, std = Ridge().fit(X, y).predict(X, return_std=True)
        assert mean.shape == std.shape == shape
        assert Ridge().fit(X, y).predict_dist(X).mean.ndim == 2


def test_it_works_inside_scikit_learn(data):
    X, Y = data
    search = GridSearchCV(Ridge(), {"alpha": [1e-3, 1e5]}, cv=3).fit(X, Y)
    assert search.best_params_ == {"alpha": 1e-3}
    pipe = make_pipeline(StandardScaler(), Ridge())
    assert cross_val_score(pipe, X, Y[:, 0], cv=4).mean() > 0.8


def test_noise_reaches_the_fit_as_a_variance_per_value(data):
    X, Y = data
    per_run = np.linspace(0.1, 1, 40)
    assert_array_equal(Weighted().fit(X, Y, noise=per_run).seen_, np.tile(per_run, (2, 1)).T)
    assert_array_equal(Weighted().fit(X, Y, noise=np.ones((40, 2))).seen_, np.ones((40, 2)))
    assert Weighted().fit(X, Y).seen_.size == 0


@pytest.mark.parametrize(
    ("noise", "error", "message"),
    [
        (np.ones(39), errors.ShapeError, r"\(40,\) or \(40, 2\).*not \(39,\)"),
        (np.ones((40, 1)), errors.ShapeError, r"not \(40, 1\)"),
        (-np.ones(40), errors.InputError, "variance, but its smallest value is -1.0"),
        (np.full(40, np.nan), errors.NotFiniteError, "NaN or infinity"),
        (np.full(40, np.inf), errors.NotFiniteError, "NaN or infinity"),
        ("much", errors.InputError, "noise"),
    ],
)
def test_bad_noise_is_refused(data, noise, error, message):
    with pytest.raises(error, match=message):
        Weighted().fit(*data, noise=noise)


def test_noise_is_never_silently_ignored(data):
    with pytest.raises(errors.InputError, match="Ridge makes no use of the noise"):
        Ridge().fit(*data, noise=np.ones(40))


def test_bad_input_raises_our_errors(data):
    X, Y = data
    bad = X.copy()
    bad[3, 1] = np.nan
    with pytest.raises(errors.InputError, match="NaN"):
        Ridge().fit(bad, Y)
    with pytest.raises(errors.InputError, match="inconsistent numbers of samples"):
        Ridge().fit(X[:-1], Y)
    with pytest.raises(errors.InputError, match="X has 2 features, but Ridge is expecting 3"):
        Ridge().fit(X, Y).predict(X[:, :2])
    with pytest.raises(errors.InputError, match="2D array, got 1D"):
        Ridge().fit(X, Y).predict_dist(X[0])


def test_capabilities(data):
    assert Ridge().capabilities_ == {"variance"}
    assert Weighted().capabilities_ == {"variance", "noise"}
    assert NoVariance().capabilities_ == set()


def test_an_abstract_emulator_cannot_be_made():
    class Half(Emulator):
        def _fit(self, X, Y, noise):
            pass

    with pytest.raises(TypeError, match="_predict_dist"):
        Half()


class Shapely(Ridge):
    """Its predictions are of any shape; where they are used, they would be broadcast."""

    def __init__(self, *, alpha=1.0, rows=None, columns=None, bare=False):
        super().__init__(alpha=alpha)
        self.rows, self.columns, self.bare = rows, columns, bare

    def _predict_dist(self, X):
        told = super()._predict_dist(X).mean[: self.rows, : self.columns]
        return told if self.bare else Gaussian(told, Diagonal(np.ones_like(told)))


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"rows": 1}, r"2 outputs at 4 points, but gave one of shape \(1, 2\)"),
        ({"columns": 1}, r"2 outputs at 4 points, but gave one of shape \(4, 1\)"),
        ({"bare": True}, "must give a Prediction .* but gave ndarray"),
    ],
)
def test_a_prediction_of_another_shape_is_refused(wrong, message):
    X, Y = np.arange(8.0).reshape(4, 2), np.arange(8.0).reshape(4, 2)
    assert Shapely().fit(X, Y).predict(X).shape == (4, 2)
    with pytest.raises(errors.ShapeError, match=f"Shapely .*{message}"):
        Shapely(**wrong).fit(X, Y).predict(X)


@pytest.mark.parametrize("unit", [1e-200, 1e160])
def test_what_no_double_can_square_is_refused(unit):
    X, y = np.arange(4.0)[:, None], np.arange(4.0)
    with pytest.raises(errors.InputError, match="other units"):
        Ridge().fit(X, unit * y)
    with pytest.raises(errors.InputError, match="noise reaches 1e\\+200"):
        Weighted().fit(X, y, noise=[1.0, 1.0, 1.0, 1e200])
    assert Ridge().fit(X, 0 * y).predict(X).tolist() == [0.0] * 4  # a constant is no small number


@pytest.mark.parametrize("wrong", [["a"] * 9, ["1.5"] * 9, [None, *[1.0] * 8], [[0.5, "a"]] * 9])
def test_what_is_no_number_is_refused_by_name(wrong):
    with pytest.raises(errors.InputError, match="y must"):
        Ridge().fit(np.arange(18.0).reshape(9, 2), wrong)


def test_masked_values_are_not_taken_for_numbers():
    X, y = np.arange(18.0).reshape(9, 2), np.arange(9.0)
    with pytest.raises(errors.InputError, match="y has masked values"):
        Ridge().fit(X, np.ma.masked_less(y, 2.0))
    with pytest.raises(errors.InputError, match="NaN"):
        Ridge().fit(np.ma.masked_less(X, 2.0), y)
    masked = np.ma.masked_less(y, -1.0)  # none of them
    assert Ridge().fit(X, masked).predict(X).tolist() == Ridge().fit(X, y).predict(X).tolist()
