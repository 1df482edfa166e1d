"""Any mean and a process on its residuals: better where it should be, and never overconfident."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.stats import qmc

import equatorium as eq
from equatorium.errors import InputError, StateError
from equatorium_gp.residual_gp import ResidualGP
from equatorium_gp.trend_gp import TrendGP


class Legendre(eq.Emulator):
    """A polynomial in every input by itself, quadratic but in the first; only its mean is used."""

    capabilities = frozenset({"variance"})

    def __init__(self, degree=6):
        self.degree = degree

    def _basis(self, X):
        degrees = [self.degree, *[min(self.degree, 2)] * (X.shape[1] - 1)]
        parts = [
            np.polynomial.legendre.legvander(2 * x - 1, k)
            for x, k in zip(X.T, degrees, strict=True)
        ]
        return np.hstack([parts[0], *(part[:, 1:] for part in parts[1:])])

    def _fit(self, X, Y, noise):
        self.coef_ = np.linalg.lstsq(self._basis(X), Y, rcond=None)[0]

    def _predict_dist(self, X):
        mean = self._basis(X) @ self.coef_
        return eq.Gaussian(mean, eq.Diagonal(np.ones_like(mean)))


class Nearest(eq.Emulator):
    """The value of the nearest run: no error at its own runs, and much elsewhere."""

    def _fit(self, X, Y, noise):
        self.X_, self.Y_ = X, Y

    def _predict_dist(self, X):
        mean = self.Y_[np.square(X[:, None] - self.X_).sum(axis=2).argmin(axis=1)]
        return eq.Gaussian(mean, eq.Diagonal(np.ones_like(mean)))


@pytest.fixture(autouse=True, scope="module")
def registered():
    eq.register("emulator", Legendre, name="legendre-of-test")
    eq.register("emulator", Nearest, name="nearest-of-residual-test")


def layer(X):
    """A steep boundary layer in the first input, smooth in the others: not stationary."""
    return 5.0 * np.exp(8.0 * (X[:, 0] - 1.0)) + 0.3 * np.sin(4.0 * X[:, 1] + 2.0 * X[:, 2])


def waves(X):
    """A response that is alike everywhere."""
    return np.sin(6.0 * X[:, 0]) + np.cos(5.0 * X[:, 1]) + np.sin(4.0 * X[:, 2] + 3.0 * X[:, 0])


def problem(seed, n=100):
    rng = np.random.default_rng(seed)
    X, new = qmc.LatinHypercube(3, rng=rng).random(n), rng.random((200, 3))
    return X, layer(X), new, layer(new)


def density(model, X, y):
    found = model.predict_dist(X)
    variance = found.variance[:, 0]
    return float(
        -0.5 * (np.log(2 * np.pi * variance) + (y - found.mean[:, 0]) ** 2 / variance).mean()
    )


def test_a_mean_that_follows_the_layer_wins_and_a_useless_one_does_not_harm():
    """Paired over eight designs; a gain of a useless mean is the twin that must not show."""
    gain = {6: [], 0: []}
    for seed in range(8):
        X, y, new, truth = problem(seed)
        plain = density(TrendGP(trend="constant").fit(X, y), new, truth)
        for degree, found in gain.items():
            model = ResidualGP(Legendre(degree)).fit(X, y)
            found.append(density(model, new, truth) - plain)
    mean, error = np.mean(gain[6]), np.std(gain[6], ddof=1) / np.sqrt(8)
    assert mean > 4 * error and mean > 0.3
    mean, error = np.mean(gain[0]), np.std(gain[0], ddof=1) / np.sqrt(8)
    assert -0.02 < mean < 4 * error + 0.02


def test_a_mean_without_errors_at_its_runs_is_seen_through():
    """The nearest run is exact at the runs; taken at its word the variance would be nothing."""
    z2, twin = [], []
    for seed in range(4):
        X, _, new, _ = problem(seed, 80)
        y, truth = waves(X), waves(new)
        model = ResidualGP(Nearest()).fit(X, y)
        assert model.kind_ == "held out"
        found = model.predict_dist(new)
        z2.append(np.mean((truth - found.mean[:, 0]) ** 2 / found.variance[:, 0]))
        mean = Nearest().fit(X, y)
        naive = TrendGP(trend="constant").fit(X, y - mean.predict(X)).predict_dist(new)
        twin.append(
            np.mean((truth - mean.predict(new) - naive.mean[:, 0]) ** 2 / naive.variance[:, 0])
        )
    assert 0.4 < np.mean(z2) < 1.6
    assert np.mean(twin) > 100


def test_a_stiff_mean_is_one_plain_process():
    """A constant is taken off: what is left to say is what the process alone says."""
    X, y, new, _ = problem(1)
    model = ResidualGP(Legendre(0)).fit(X, y)
    assert model.kind_ == "refitted"
    plain = TrendGP(trend="constant").fit(X, y)
    assert_allclose(model.predict(new), plain.predict(new), rtol=1e-5, atol=1e-5)


def test_declared_noise_is_no_part_of_the_prediction():
    """The error that noise gives the mean is, though: without it, the twin is too sure."""
    z2, twin, size = [], [], []
    for seed in range(4):
        rng = np.random.default_rng(seed)
        X, y, new, truth = problem(seed, 120)
        seen = y + 0.3 * rng.normal(size=len(y))
        model = ResidualGP(Legendre()).fit(X, seen, noise=np.full(len(y), 0.09))
        told = model.predict_dist(new)
        size.append(told.variance.mean())
        z2.append(np.mean((truth - told.mean[:, 0]) ** 2 / told.variance[:, 0]))
        alone = model.residual_.predict_dist(new).variance[:, 0]
        twin.append(np.mean((truth - told.mean[:, 0]) ** 2 / alone))
    assert np.mean(size) < 0.04
    assert 0.5 < np.mean(z2) < 2.0
    assert np.mean(twin) > 2.0


def test_outputs_stay_correlated_and_files_keep_both_parts(tmp_path):
    X, y, new, _ = problem(3, 60)
    Y = np.column_stack([y, y + 0.1 * np.sin(9 * X[:, 1])])
    model = eq.emulator("residual-gp", mean={"use": "legendre-of-test", "options": {"degree": 4}})
    model.fit(X, Y)
    model.save(tmp_path / "model.h5")
    again = eq.load(tmp_path / "model.h5")
    assert_array_equal(again.predict_dist(new).mean, model.predict_dist(new).mean)
    assert_array_equal(again.predict_dist(new).cov().dense(), model.predict_dist(new).cov().dense())
    covariance = model.predict_dist(new).cov()
    assert not isinstance(covariance, eq.Diagonal)
    # Formula: the mean's mean plus the process's, and the process's covariance, scaled.
    own = model.residual_.predict_dist(new)
    assert_allclose(model.predict(new), model.mean_.predict(new) + own.mean)
    root = np.sqrt(model.variance_factor_)
    assert_allclose(covariance.dense(), own.cov().dense() * root[:, None] * root)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"mean": 3}, "mean must be an emulator"),
        ({"mean": {"name": "trend-gp"}}, "'use'"),
        ({"mean": Legendre(), "folds": 1}, "folds must be"),
        ({"mean": Legendre(), "residual": Legendre()}, "lacks the capability 'noise'"),
    ],
)
def test_bad_options_are_named(options, words):
    X = np.random.default_rng(0).random((15, 3))
    with pytest.raises(InputError, match=words):
        ResidualGP(**options).fit(X, X[:, 0])


def test_too_few_runs_loops_and_foreign_states_are_refused():
    X = np.random.default_rng(0).random((12, 3))
    with pytest.raises(InputError, match="n_samples=3"):
        ResidualGP(Legendre(0)).fit(X[:3], X[:3, 0])
    loop = ResidualGP(Legendre(0))
    loop.mean = ResidualGP(loop)
    with pytest.raises(InputError, match="part of itself"):
        loop.fit(X, X[:, 0])
    model = ResidualGP(Legendre(0)).fit(X, X[:, 0])
    with pytest.raises(StateError, match="'mean_'"):
        model.set_state({**model.get_state(), "mean_": TrendGP().fit(X[:, :2], X[:, 0])})
    with pytest.raises(StateError, match="'kind_'"):
        model.set_state({**model.get_state(), "kind_": "best"})
    with pytest.raises(StateError, match="'mean_variance_'"):
        model.set_state({**model.get_state(), "mean_variance_": -np.eye(1)})
