"""Methods that place rows: beside scikit-learn and openTSNE, with new rows and ways back."""

import numpy as np
import openTSNE
import pytest
from openTSNE.affinity import PerplexityBasedNN
from scipy.spatial.distance import pdist, squareform
from sklearn import manifold
from sklearn.datasets import load_digits, make_s_curve
from sklearn.neighbors import KNeighborsClassifier

import equatorium as eq
from equatorium.errors import InputError
from equatorium_manifold.lle import reliability
from equatorium_manifold.neighbours import barycentric, combine, local_linear

SMALL = {"tsne": {"n_iter": 150}, "mds": {"max_iter": 50}, "umap": {"n_epochs": 60}}


@pytest.fixture(scope="module")
def curve():
    return make_s_curve(400, noise=0.02, random_state=0)


@pytest.fixture(scope="module", params=["lle", "isomap", "mds", "spectral", "tsne", "umap"])
def fitted(request, curve):
    return eq.embedder(request.param, **SMALL.get(request.param, {})).fit(curve[0][:300])


def test_training_rows_are_put_where_they_were(fitted, curve):
    Z = fitted.transform(curve[0][:300])
    size = np.abs(fitted.embedding_).max()
    np.testing.assert_allclose(Z, fitted.embedding_, atol=1e-6 * size)


def test_a_row_alone_is_put_where_it_is_in_a_batch(fitted, curve):
    new = curve[0][300:310]
    alone = np.concatenate([fitted.transform(row[None]) for row in new])
    np.testing.assert_allclose(alone, fitted.transform(new), rtol=0, atol=1e-10)


def test_what_is_a_fallback_says_so(fitted):
    kinds = {"MDS", "Spectral", "UMAP"}
    assert ("fallback:transform" in fitted.capabilities_) is (type(fitted).__name__ in kinds)
    assert "fallback:inverse" in fitted.capabilities_


def test_the_way_back_is_as_wrong_as_it_says(fitted, curve):
    new = curve[0][300:]
    off = fitted.inverse_transform(fitted.transform(new)) - new
    true, said = (np.sqrt(np.mean(e**2)) for e in (off, fitted.inverse_error_))
    assert said / 3 < true < 3 * said < 0.9 * np.sqrt((new**2).mean())


@pytest.mark.parametrize("method", ["modified", "hessian", "ltsa"])
def test_lle_is_scikit_learns_and_other_forms_are_flagged(curve, method):
    X = curve[0]
    ours = eq.embedder("lle", n_neighbors=12, method=method).fit(X)
    theirs = manifold.LocallyLinearEmbedding(
        n_neighbors=12, n_components=2, method=method, random_state=0
    ).fit_transform(X)
    np.testing.assert_array_equal(ours.embedding_, theirs)
    assert "fallback:transform" in ours.capabilities_
    assert eq.trustworthiness(X, ours.embedding_) > 0.85


def test_isomap_places_new_rows_as_scikit_learn_does(curve):
    X = curve[0]
    theirs = manifold.Isomap(n_neighbors=10).fit(X[:300])
    ours = eq.embedder("isomap").fit(X[:300])
    np.testing.assert_allclose(ours.transform(X[300:]), theirs.transform(X[300:]), atol=1e-8)


def test_robust_lle_leaves_outliers_out():
    X, along = make_s_curve(600, noise=0.02, random_state=1)
    rng = np.random.default_rng(1)
    X[:30] += rng.choice([-1, 1], size=(30, 1)) * rng.uniform(0.4, 0.8, size=(30, 3))
    score = reliability(X, 12, 2)
    assert np.median(score[:30]) < 0.5 < np.quantile(score[30:], 0.05)
    model = eq.embedder("lle", n_neighbors=12, robust=True).fit(X)
    np.testing.assert_array_equal(model.reliability_, score)
    good = score >= 0.5
    alone = eq.embedder("lle", n_neighbors=12).fit(X[good])
    np.testing.assert_array_equal(model.embedding_[good], alone.embedding_)
    np.testing.assert_allclose(model.embedding_[~good], alone.transform(X[~good]))
    assert max(abs(np.corrcoef(z, along[good])[0, 1]) for z in alone.embedding_.T) > 0.9


def test_new_digits_are_told_by_their_neighbours():
    X, y = load_digits(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(X))
    fit, new = order[:1200], order[1200:]
    for name, least in (("lle", 0.78), ("tsne", 0.95)):
        model = eq.embedder(name)
        Z = model.fit_transform(X[fit])
        score = KNeighborsClassifier(5).fit(Z, y[fit]).score(model.transform(X[new]), y[new])
        assert score >= least, name


def test_new_rows_of_tsne_are_those_of_open_tsne(curve):
    X = curve[0]
    theirs = openTSNE.TSNE(
        n_iter=100, random_state=0, negative_gradient_method="bh", neighbors="exact"
    ).fit(X[:300])
    new = np.array(theirs.transform(X[300:]))  # it centres the embedding first
    model = eq.embedder("tsne").fit(X[:300, :])
    model.set_state({**model.get_state(), "embedding_": np.array(theirs)})
    size = np.abs(np.array(theirs)).max()
    np.testing.assert_allclose(model.transform(X[300:]), new, atol=1e-3 * size)


@pytest.mark.parametrize("method", ["exact", "barnes-hut", "fft"])
def test_the_divergence_is_that_of_all_pairs(curve, method):
    X = curve[0][:250]
    model = eq.embedder("tsne", n_iter=20, method=method).fit(X)
    P = PerplexityBasedNN(X, perplexity=30, method="exact").P.toarray()
    q = 1.0 / (1.0 + pdist(model.embedding_) ** 2)
    Q = squareform(q / (2 * q.sum()))
    near = P > 0
    true = float((P[near] * np.log(P[near] / Q[near])).sum())
    assert model.divergence_ == pytest.approx(true, rel=1e-6)


def test_trees_find_a_map_as_good_as_all_pairs_do():
    X = load_digits().data[:300]
    exact, trees = (
        eq.embedder("tsne", n_iter=250, method=method).fit(X).divergence_
        for method in ("exact", "barnes-hut")
    )
    assert trees == pytest.approx(exact, rel=0.02)


def test_neighbours_weights_reproduce_planes():
    rng = np.random.default_rng(2)
    Z = rng.normal(size=(200, 2))
    X, inside = Z @ rng.normal(size=(2, 5)) + 3.0, 0.5 * rng.normal(size=(20, 2))
    true = inside @ np.linalg.lstsq(Z, X - 3.0, rcond=None)[0] + 3.0
    np.testing.assert_allclose(combine(X, *local_linear(Z, inside, 12)), true, atol=0.01)
    for convex in (False, True):
        index, weights = barycentric(X, true, 8, convex)
        assert weights.sum(axis=1) == pytest.approx(1.0) and (not convex or weights.min() >= 0)
        np.testing.assert_allclose(combine(Z, index, weights), inside, atol=0.15)


@pytest.mark.parametrize(
    ("name", "options", "text"),
    [
        ("lle", {"method": "best"}, "method must be"),
        ("lle", {"n_neighbors": 0}, "n_neighbors"),
        ("lle", {"method": "hessian", "n_neighbors": 4}, "n_neighbors"),
        ("spectral", {"n_components": 49}, "2 more rows"),
        ("mds", {"n_components": 50}, "number of rows less one, 49, not 50"),
        ("umap", {"n_components": "x"}, "not 'x'"),
        ("isomap", {"n_components": True}, "not True"),
        ("tsne", {"method": "slow"}, "method must be"),
        ("tsne", {"n_components": 3}, "1 or 2"),
    ],
)
def test_bad_options_are_named(curve, name, options, text):
    with pytest.raises(InputError, match=text):
        eq.embedder(name, **options).fit(curve[0][:50])


@pytest.mark.parametrize("name", ["lle", "isomap", "mds", "spectral", "tsne", "umap"])
def test_rows_that_are_all_the_same_are_refused(name):
    with pytest.raises(InputError, match="all 20 rows are the same"):
        eq.embedder(name).fit(np.ones((20, 3)))


def test_a_training_row_in_single_precision_is_put_where_it_was(curve):
    X = curve[0][:60]
    model = eq.embedder("mds").fit(X)
    np.testing.assert_allclose(model.transform(X.astype("f4")), model.embedding_, atol=1e-9)
    far = np.abs(model.transform(X + 1e-5) - model.embedding_).max()  # and no other row
    assert far > 1e-6


def test_rows_far_from_zero_are_not_taken_for_training_rows(curve):
    """In single precision days of a Julian date are the same to a quarter."""
    X = curve[0][:60] + 2450000.0
    model = eq.embedder("mds").fit(X)
    far = np.abs(model.transform(X + 1e-3) - model.embedding_).max(axis=1)
    assert (far > 1e-6).all()
