"""An embedder of a few lines keeps the contract; covariance is carried back exactly."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.decomposition import PCA as PCAOfSklearn  # noqa: N811
from sklearn.utils.estimator_checks import parametrize_with_checks

from equatorium import Dense, Diagonal, Embedder, Gaussian, Mixture, errors


class PCA(Embedder):
    """All that a third party writes."""

    def __init__(self, *, n_components=1):
        self.n_components = n_components

    def _fit(self, X, ivar):
        self.mean_ = X.mean(axis=0)
        _, _, V = np.linalg.svd(X - self.mean_, full_matrices=False)
        V = V[: self.n_components]
        self.components_ = V * np.sign(V[np.arange(len(V)), np.abs(V).argmax(axis=1)])[:, None]

    def _transform(self, X, ivar):
        return (X - self.mean_) @ self.components_.T

    def _inverse_transform(self, Z):
        return Z @ self.components_ + self.mean_

    def _inverse_jacobian(self, Z):
        return self.components_.T


class Numeric(PCA):
    """The same without saying that it is linear."""

    _inverse_jacobian = Embedder._inverse_jacobian


class Curve(Numeric):
    def _inverse_transform(self, Z):
        return np.column_stack([np.sin(Z[:, 0]), Z[:, 0] ** 2, np.exp(Z[:, 0])])


class OneWay(Embedder):
    def _fit(self, X, ivar):
        self.mean_ = X.mean(axis=0)

    def _transform(self, X, ivar):
        return np.cbrt(X - self.mean_)


class Gappy(OneWay):
    """Uses inverse variances and gaps."""

    capabilities = frozenset({"missing", "noise"})

    def _fit(self, X, ivar):
        weight = np.ones_like(X) if ivar is None else ivar
        self.mean_ = (weight * X).sum(axis=0) / np.maximum(weight.sum(axis=0), 1e-300)


class Weighing(Gappy):
    capabilities = frozenset({"noise"})


@pytest.fixture
def rows():
    return np.random.default_rng(5).normal(size=(30, 4)) @ np.diag([3.0, 2.0, 1.0, 0.1])


@parametrize_with_checks([PCA(), OneWay(), Gappy()])
def test_sklearn_checks(estimator, check):
    check(estimator)


def test_it_is_the_pca_of_scikit_learn(rows):
    ours, theirs = PCA(n_components=2).fit(rows), PCAOfSklearn(2).fit(rows)
    Z = ours.transform(rows)
    assert_allclose(np.abs(Z), np.abs(theirs.transform(rows)), atol=1e-10)
    assert_allclose(
        ours.inverse_transform(Z), theirs.inverse_transform(theirs.transform(rows)), atol=1e-10
    )
    assert_array_equal(ours.fit_transform(rows), Z)


@pytest.mark.parametrize("kind", [PCA, Numeric])
def test_a_linear_map_carries_covariance_exactly(rows, kind):
    pca = kind(n_components=2).fit(rows)
    rng = np.random.default_rng(1)
    root = rng.normal(size=(5, 2, 2))
    sigma = root @ root.swapaxes(-1, -2)
    mean = rng.normal(size=(5, 2))
    carried = pca.inverse_dist(Gaussian(mean, Dense(sigma)))
    W = pca.components_.T
    assert_allclose(carried.mean, mean @ W.T + rows.mean(axis=0), atol=1e-9)
    assert_allclose(carried.cov().dense(), W @ sigma @ W.T, atol=1e-8)


def test_a_latent_mixture_is_carried_by_its_moments(rows):
    pca = PCA(n_components=1).fit(rows)
    means = np.array([[[0.0]], [[2.0]]])
    mixture = Mixture([0.5, 0.5], means, [Diagonal([[1.0]]), Diagonal([[1.0]])])
    carried = pca.inverse_dist(mixture)
    w = pca.components_[0]
    assert_allclose(carried.mean[0], w + rows.mean(axis=0), atol=1e-12)
    # Two unit Gaussians two apart: variance 1 + 1.
    assert_allclose(carried.cov().dense()[0], 2 * np.outer(w, w), atol=1e-12)


def test_a_curved_map_is_carried_to_first_order(rows):
    curve = Curve().fit(rows[:, :3])
    z = np.array([[0.3], [-1.2]])
    J = np.stack([np.cos(z[:, 0]), 2 * z[:, 0], np.exp(z[:, 0])], axis=1)
    carried = curve.inverse_dist(Gaussian(z, Diagonal([[0.04], [0.09]])))
    expected = J[:, :, None] * J[:, None, :] * np.array([0.04, 0.09])[:, None, None]
    assert_allclose(carried.cov().dense(), expected, rtol=1e-8)


def test_one_way_maps_have_no_way_back(rows):
    embedder = OneWay().fit(rows)
    assert not hasattr(embedder, "inverse_transform")
    assert not hasattr(embedder, "inverse_dist")


def test_bad_latent_coordinates(rows):
    pca = PCA().fit(rows)
    with pytest.raises(errors.ShapeError, match="Z must be 2-D"):
        pca.inverse_transform(np.zeros(3))
    with pytest.raises(errors.NotFiniteError, match="Z holds NaN"):
        pca.inverse_transform([[np.nan]])


def test_gaps_and_weights_reach_the_fit(rows):
    gaps = rows.copy()
    gaps[::3, 1] = np.nan
    expected = np.nanmean(gaps, axis=0)
    assert_allclose(Gappy().fit(gaps).mean_, expected, rtol=1e-12)
    ivar = np.isfinite(gaps).astype(float)
    assert_allclose(Gappy().fit(gaps, ivar=ivar).mean_, expected, rtol=1e-12)
    # What has no weight must not matter, whatever stands there.
    junk = np.where(ivar > 0, rows, 1e6)
    assert_allclose(Gappy().fit(junk, ivar=ivar).mean_, expected, rtol=1e-12)
    assert np.isfinite(Gappy().fit_transform(gaps, ivar=ivar)).all()


@pytest.mark.parametrize(
    ("embedder", "ivar", "message"),
    [
        (PCA(), np.ones((30, 4)), "PCA makes no use of ivar"),
        (Gappy(), np.ones(30), r"shape of X, \(30, 4\), not \(30,\)"),
        (Gappy(), -np.ones((30, 4)), "at least 0"),
        (Gappy(), np.full((30, 4), np.nan), "finite"),
        (Weighing(), np.zeros((30, 4)), "cannot leave values out"),
    ],
)
def test_bad_weights_are_refused(rows, embedder, ivar, message):
    with pytest.raises(errors.InputError, match=message):
        embedder.fit(rows, ivar=ivar)


def test_a_gap_with_a_weight_is_refused(rows):
    rows[0, 0] = np.nan
    with pytest.raises(errors.NotFiniteError, match="ivar is above 0"):
        Gappy().fit(rows, ivar=np.ones_like(rows))
    with pytest.raises(errors.InputError, match="NaN"):
        PCA().fit(rows)
