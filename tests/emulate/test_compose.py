"""Embedded: an emulator in the latent space of an embedder, with all its uncertainty."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import stats
from sklearn.base import clone
from sklearn.decomposition import PCA as PCAOfSklearn  # noqa: N811
from sklearn.model_selection import KFold
from sklearn.utils.estimator_checks import parametrize_with_checks

import equatorium as eq
from equatorium import Dense, Diagonal, Embedded, Embedder, Emulator, Gaussian, errors, registry
from equatorium.emulate.compose import truncation


class PCA(Embedder):
    """Principal components; with inverse variances, the errors of the coordinates."""

    capabilities = frozenset({"inverse", "noise"})

    def __init__(self, *, n_components=2):
        self.n_components = n_components

    def _fit(self, X, ivar):
        self.mean_ = X.mean(axis=0)
        self.components_ = np.linalg.svd(X - self.mean_, full_matrices=False)[2][
            : self.n_components
        ]

    def _transform(self, X, ivar):
        return (X - self.mean_) @ self.components_.T

    def _inverse_transform(self, Z):
        return Z @ self.components_ + self.mean_

    def _inverse_jacobian(self, Z):
        return self.components_.T

    def transform_dist(self, X, *, ivar=None):
        variance = 1 / ivar @ (self.components_**2).T
        return Gaussian(self.transform(X, ivar=ivar), Diagonal(variance))


class Plain(PCA):
    """Without the way back, or any use of errors."""

    capabilities = frozenset()
    _inverse_transform = property()
    transform_dist = property()


class Linear(Emulator):
    """Bayesian-flavoured least squares: a full covariance between the outputs."""

    capabilities = frozenset({"variance", "covariance", "noise"})

    def __init__(self, *, jitter=0.0):
        self.jitter = jitter

    def _fit(self, X, Y, noise):
        A = np.column_stack([np.ones(len(X)), X])
        self.coef_ = np.linalg.lstsq(A, Y, rcond=None)[0]
        residual = Y - A @ self.coef_
        self.cov_ = residual.T @ residual / max(1, len(X) - A.shape[1])
        self.cov_ += self.jitter * np.eye(Y.shape[1])
        self.noise_ = np.zeros(0) if noise is None else noise

    def _predict_dist(self, X):
        mean = np.column_stack([np.ones(len(X)), X]) @ self.coef_
        return Gaussian(mean, Dense(np.tile(self.cov_, (len(X), 1, 1))))


class Bare(Linear):
    capabilities = frozenset()


@pytest.fixture(autouse=True)
def own_names(monkeypatch):
    monkeypatch.setattr(registry._CATALOGUE, "_local", {})
    eq.register("embedder", PCA)
    eq.register("emulator", Linear)


def runs(n=60, p=12, seed=4, scatter=0.05):
    """Outputs of three smooth modes, linear in x, and a little scatter."""
    rng = np.random.default_rng(seed)
    X = rng.uniform(size=(n, 3))
    modes = np.random.default_rng(1).normal(size=(3, p)) * [[3.0], [1.5], [0.3]]
    return X, X @ modes + 2.0 + scatter * rng.normal(size=(n, p))


# Through one component of the inputs no line explains the outputs of scikit-learn's data.
@parametrize_with_checks(
    [
        Embedded(PCA(n_components=1), Linear(jitter=0.01)),
        Embedded(PCA(n_components=10), Linear(jitter=0.01), on="X"),
    ]
)
def test_sklearn_checks(estimator, check):
    check(estimator)


def test_mean_and_covariance_are_those_of_the_formula():
    X, Y = runs()
    model = Embedded(PCA(n_components=2), Linear()).fit(X, Y)
    theirs = PCAOfSklearn(2).fit(Y)
    W, mu = theirs.components_.T, theirs.mean_
    Z = theirs.transform(Y)
    A = np.column_stack([np.ones(len(X)), X])
    coef = np.linalg.lstsq(A, Z, rcond=None)[0]
    sigma = (Z - A @ coef).T @ (Z - A @ coef) / (len(X) - 4)
    got = model.predict_dist(X)
    assert_allclose(got.mean, A @ coef @ W.T + mu, atol=1e-10)
    expected = W @ sigma @ W.T + np.diag(model.truncation_)
    assert_allclose(got.cov().dense(), np.tile(expected, (len(X), 1, 1)), atol=1e-10)


def test_the_truncation_is_the_error_on_unseen_rows():
    _, Y = runs(n=200)
    folds = []
    for learn, test in KFold(5, shuffle=True, random_state=0).split(Y):
        theirs = PCAOfSklearn(2).fit(Y[learn])
        folds.append((Y[test] - theirs.inverse_transform(theirs.transform(Y[test]))) ** 2)
    expected = np.concatenate(folds).mean(axis=0)
    # Other folds, the same runs: equal to a few per cent.
    assert_allclose(truncation(PCA(n_components=2), Y), expected, rtol=0.05)
    # The error on rows that were seen is smaller: it would be overconfident.
    seen = PCA(n_components=2).fit(Y)
    inside = (Y - seen.inverse_transform(seen.transform(Y))) ** 2
    assert truncation(PCA(n_components=2), Y).sum() > inside.mean(axis=0).sum()


def test_noise_that_the_coordinates_take_up_is_not_taken_off_twice():
    rng = np.random.default_rng(3)
    Y = rng.normal(size=(2000, 4)) @ rng.normal(size=(4, 12)) + 0.1 * rng.normal(size=(2000, 12))
    noisy, noise = Y + 0.3 * rng.normal(size=Y.shape), np.full(Y.shape, 0.09)
    clean = truncation(PCA(n_components=4), Y).mean()
    assert_allclose(clean, 0.01 * 8 / 12, rtol=0.03)
    error = 0.1 * np.sqrt(2 / Y[:, 4:].size)  # of the mean square of 8 noisy directions
    assert abs(truncation(PCA(n_components=4), noisy, noise).mean() - clean) < 3 * error
    # The wrong twin takes off all noise, of which four directions in twelve were in no error.
    assert abs(truncation(PCA(n_components=4), noisy).mean() - 0.09 - clean) > 10 * error


def test_declared_noise_is_no_truncation():
    X, Y = runs(n=400, scatter=0.0)
    rng = np.random.default_rng(8)
    noise = np.full_like(Y, 0.04)
    noisy = Y + 0.2 * rng.normal(size=Y.shape)
    # Three modes span the outputs, so nothing is left out but noise.
    without = truncation(PCA(n_components=3), noisy)
    taken_off = truncation(PCA(n_components=3), noisy, noise)
    assert without.mean() > 0.02 and taken_off.mean() < 0.004
    model = Embedded(PCA(n_components=3), Linear()).fit(X, noisy, noise=noise)
    # Orthonormal components: the noise of a coordinate is that of the pixels.
    assert_allclose(model.emulator_.noise_, 0.04, rtol=1e-9)
    # Declared and yet zero is the same as not declared.
    zero = Embedded(PCA(n_components=3), Linear()).fit(X, Y, noise=np.zeros(len(X)))
    plain = Embedded(PCA(n_components=3), Linear()).fit(X, Y)
    assert_array_equal(zero.predict(X), plain.predict(X))


@pytest.mark.parametrize("factor", [1.0, 0.3])
def test_intervals_cover_as_they_claim(factor):
    """Fresh runs fall within 90 % intervals that often; with a third of the sd they must not."""
    X, Y = runs(n=80, scatter=0.3)
    fresh_X, fresh_Y = runs(n=400, seed=9, scatter=0.3)
    got = Embedded(PCA(n_components=2), Linear()).fit(X, Y).predict_dist(fresh_X)
    width = stats.norm.ppf(0.95) * got.std * factor
    inside = (np.abs(fresh_Y - got.mean) < width).mean(axis=1)
    # Runs are independent, outputs of a run are not: the band is that of 400 run averages.
    error = 2.58 * inside.std(ddof=1) / np.sqrt(len(inside))
    # The fit itself is known from 80 runs only, which the formula's covariance leaves out.
    assert (abs(inside.mean() - 0.9) < error + 0.02) == (factor == 1.0)


def test_inputs_can_be_embedded():
    X, Y = runs()
    wide = X @ np.random.default_rng(3).normal(size=(3, 8))
    model = Embedded(PCA(n_components=3), Linear(), on="X").fit(wide, Y)
    # The three directions carry all of X: the same as least squares on X itself.
    assert_allclose(model.predict(wide), Linear().fit(X, Y).predict(X), atol=1e-9)
    assert_array_equal(model.truncation_, 0.0)
    one = Embedded(PCA(n_components=3), Linear(), on="X").fit(wide, Y[:, 0])
    assert one.predict(wide).shape == (60,)


@pytest.mark.parametrize("on", ["X", "y"])
def test_it_is_saved_with_its_parts(tmp_path, on):
    X, Y = runs()
    model = Embedded(PCA(n_components=2), Linear(), on=on).fit(X, Y)
    model.save(tmp_path / "m.h5")
    back = eq.load(tmp_path / "m.h5")
    for a, b in ((back, model), (back.emulator_, model.emulator_)):
        assert type(a) is type(b)
    assert back.embedder.get_params() == {"n_components": 2}
    assert_array_equal(back.predict_dist(X).mean, model.predict_dist(X).mean)
    assert_array_equal(back.predict_dist(X).cov().dense(), model.predict_dist(X).cov().dense())


def test_parts_can_be_named():
    X, Y = runs()
    model = eq.emulator(
        "embedded",
        embedder={"use": "local/pca", "options": {"n_components": 2}},
        emulator="linear",
    )
    expected = Embedded(PCA(n_components=2), Linear()).fit(X, Y).predict(X)
    assert_array_equal(clone(model).fit(X, Y).predict(X), expected)
    spec = registry.to_spec(Embedded(PCA(), Linear(), on="X"))
    assert spec["options"]["embedder"]["use"] == "local/pca" and spec["options"]["on"] == "X"


def test_files_of_the_first_version_say_x():
    X, Y = runs()
    old = registry.from_spec("emulator", registry.to_spec(Embedded(PCA(), Linear(), on="x")))
    new = Embedded(PCA(), Linear(), on="X")
    assert old.capabilities_ == new.capabilities_
    assert_array_equal(old.fit(X, Y).predict(X), new.fit(X, Y).predict(X))


def test_one_run_is_too_few():
    X, Y = runs(n=1)
    with pytest.raises(errors.InputError, match="unseen rows needs at least 2 runs"):
        Embedded(PCA(), Linear()).fit(X, Y)


def test_capabilities_are_those_of_the_parts():
    assert Embedded(PCA(), Linear()).capabilities_ == {"variance", "covariance", "noise"}
    assert Embedded(PCA(), Bare()).capabilities_ == set()
    assert Embedded(Plain(), Linear(), on="X").capabilities_ == {"variance", "covariance", "noise"}

    class Silent(PCA):
        capabilities = frozenset({"inverse"})

    assert Embedded(Silent(), Linear()).capabilities_ == {"variance", "covariance"}
    X, Y = runs()
    with pytest.raises(errors.InputError, match="Embedded makes no use of the noise"):
        Embedded(Silent(), Linear()).fit(X, Y, noise=np.ones(60))


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (Embedded(PCA(), Linear(), on="z"), "on must be 'y' .* 'X' .* not 'z'"),
        (Embedded(Linear(), PCA()), "needs an Embedder, but got Linear"),
        (Embedded(PCA(), None), "needs an Emulator, but got None"),
        (Embedded(PCAOfSklearn(2), Linear()), "needs an Embedder, but got PCA"),
        (Embedded(Plain(), Linear()), "Plain knows no way back"),
    ],
)
def test_parts_that_do_not_fit(model, message):
    with pytest.raises(errors.InputError, match=message):
        model.fit(*runs())


def test_a_damaged_state_is_refused():
    state = Embedded(PCA(), Linear()).fit(*runs()).get_state()
    for name, value in {
        "embedder_": Linear(),
        "emulator_": None,
        "truncation_": -np.ones(12),
    }.items():
        with pytest.raises(errors.StateError, match=name):
            Embedded(PCA(), Linear()).set_state({**state, name: value})
    with pytest.raises(errors.StateError, match=r"'truncation_' .*\(12,\), not \(3,\)"):
        Embedded(PCA(), Linear()).set_state({**state, "truncation_": np.ones(3)})
