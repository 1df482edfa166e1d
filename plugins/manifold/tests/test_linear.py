"""The linear embedders against scikit-learn, closed forms, and data whose answer is known."""

import h5py
import numpy as np
import pytest
from scipy.linalg import subspace_angles
from scipy.stats import chi2, multivariate_normal
from sklearn import decomposition
from threadpoolctl import threadpool_info, threadpool_limits

import equatorium as eq
from equatorium.errors import InputError, NotFiniteError, ShapeError, StateError
from equatorium_manifold.hmf import HMF


def low_rank(rng, n=300, p=40, sizes=(5.0, 3.0, 2.0), scatter=0.1):
    V = np.linalg.qr(rng.normal(size=(p, len(sizes))))[0].T
    Z = rng.normal(size=(n, len(sizes))) * sizes
    return 1.0 + Z @ V + scatter * rng.normal(size=(n, p)), Z, V


def test_pca_is_scikit_learns():
    X, *_ = low_rank(np.random.default_rng(1))
    ours = eq.embedder("pca", n_components=3).fit(X)
    theirs = decomposition.PCA(3).fit(X)
    np.testing.assert_allclose(np.abs(ours.transform(X)), np.abs(theirs.transform(X)), atol=1e-8)
    np.testing.assert_allclose(ours.explained_variance_, theirs.explained_variance_)
    fraction = eq.embedder("pca", n_components=0.9).fit(X)
    assert fraction.components_.shape[0] == decomposition.PCA(0.9).fit(X).n_components_


def test_without_errors_and_gaps_hmf_is_pca():
    X, *_ = low_rank(np.random.default_rng(2))
    theirs = decomposition.PCA(3).fit(X)
    for ivar in (None, np.ones_like(X)):
        ours = eq.embedder("hmf", n_components=3).fit(X, ivar=ivar)
        assert subspace_angles(ours.components_.T, theirs.components_.T).max() < 1e-4
    # Scores are shrunk by what probabilistic principal components say (Tipping & Bishop 1999).
    ours = eq.embedder("hmf", n_components=3, tol=1e-9).fit(X)
    noise = theirs.noise_variance_ * (len(X) - 1) / len(X)
    size = theirs.explained_variance_ * (len(X) - 1) / len(X)
    assert ours.scatter_**2 == pytest.approx(noise, rel=1e-4)
    shrunk = np.abs(theirs.transform(X)) * (size - noise) / size
    np.testing.assert_allclose(np.abs(ours.transform(X)), shrunk, rtol=1e-3, atol=1e-4)


def test_the_cost_of_hmf_is_the_likelihood_and_falls():
    rng = np.random.default_rng(3)
    X, *_ = low_rank(rng, n=60, p=12)
    ivar = rng.uniform(1.0, 9.0, X.shape)
    seen = rng.random(X.shape) < 0.7
    model = eq.embedder("hmf", n_components=2, tol=1e-6, max_iter=200)
    model.fit(np.where(seen, X, np.nan), ivar=np.where(seen, ivar, 0.0))
    assert (np.diff(model.costs_) < 1e-9).all() and model.costs_[0] - model.costs_[-1] > 1.0
    S = (model.components_.T * model.spread_) @ model.components_
    logs = [
        multivariate_normal(
            model.mean_[s], S[np.ix_(s, s)] + np.diag(1.0 / w[s] + model.scatter_**2)
        ).logpdf(x[s])
        + 0.5 * s.sum() * np.log(2 * np.pi)
        for x, s, w in zip(X, seen, ivar, strict=True)
    ]
    assert -2 * np.mean(logs) == pytest.approx(model.costs_[-1], abs=1e-4)


def test_the_posterior_of_scores_covers_the_truth():
    rng = np.random.default_rng(4)
    X, *_ = low_rank(rng, n=1500, scatter=0.0)
    std = rng.uniform(0.3, 3.0, X.shape)
    seen = rng.random(X.shape) < 0.5
    seen[:, :8] &= (np.arange(len(X)) % 2 == 0)[:, None]
    Y, ivar = X + std * rng.normal(size=X.shape), np.where(seen, std**-2, 0.0)
    model = eq.embedder("hmf", n_components=3).fit(Y[:1000], ivar=ivar[:1000])
    found = model.transform_dist(Y[1000:], ivar=ivar[1000:])
    true = (X[1000:] - model.mean_) @ model.components_.T
    chi = found.cov().mahalanobis(true - found.mean)
    low, high = chi2(3 * 500).ppf([0.005, 0.995])
    assert low < chi.sum() < high
    # The wrong twin: errors declared half as large.
    wrong = model.transform_dist(Y[1000:], ivar=4 * ivar[1000:])
    assert wrong.cov().mahalanobis(true - wrong.mean).sum() > high


def test_hmf_works_on_one_thread_and_hands_the_others_back(monkeypatch):
    seen = []
    own = HMF._maximised

    def watched(self, *args):
        seen.extend(threads("blas"))
        return own(self, *args)

    monkeypatch.setattr(HMF, "_maximised", watched)
    with threadpool_limits(2, "blas"):
        HMF(n_components=1).fit(np.random.default_rng(0).normal(size=(20, 4)))
        assert set(seen) == {1}
        assert set(threads("blas")) == {2}


def threads(api):
    return [part["num_threads"] for part in threadpool_info() if part["user_api"] == api]


def test_inverse_variances_scale_the_latent_covariance():
    rng = np.random.default_rng(5)
    X, *_ = low_rank(rng)
    ivar = rng.uniform(1.0, 4.0, X.shape)
    model = eq.embedder("hmf", n_components=3, prior=False, scatter=0.0).fit(X, ivar=ivar)
    one, four = (model.transform_dist(X, ivar=c * ivar) for c in (1.0, 4.0))
    np.testing.assert_allclose(four.cov().dense(), one.cov().dense() / 4, atol=1e-7)
    np.testing.assert_allclose(four.mean, one.mean, rtol=1e-6, atol=1e-6)


def test_values_under_the_mask_do_not_matter():
    rng = np.random.default_rng(6)
    X, *_ = low_rank(rng)
    ivar = np.where(rng.random(X.shape) < 0.4, 0.0, 4.0)
    ivar[7], ivar[:, 3] = 0.0, 0.0
    wild = np.where(ivar > 0, X, 1e30)
    for name in ("hmf", "nmf"):
        one, other = (eq.embedder(name, n_components=3).fit(x, ivar=ivar) for x in (X, wild))
        assert np.array_equal(one.transform(X, ivar=ivar), other.transform(wild, ivar=ivar))


def test_rows_to_start_from_may_all_be_masked():
    """Every other exposure is lost, as it happens the ones that the first guess would be from."""
    X, *_ = low_rank(np.random.default_rng(7), n=4000, p=12)
    ivar = np.full(X.shape, 1e4)
    ivar[::2] = 0.0
    half = eq.embedder("hmf", n_components=3).fit(X[1::2], ivar=ivar[1::2])
    model = eq.embedder("hmf", n_components=3).fit(X, ivar=ivar)
    assert subspace_angles(half.components_.T, model.components_.T).max() < 1e-3
    np.testing.assert_allclose(model.mean_, half.mean_, atol=1e-3)
    assert abs(half.scatter_ - 0.1) < 0.005 and abs(model.scatter_ - 0.1) < 0.005


def test_smooth_components_fill_pixels_that_no_row_has_seen():
    rng = np.random.default_rng(7)
    t = np.linspace(0, 1, 80)
    V = np.stack([np.sin(3 * t), np.cos(5 * t)])
    X = rng.normal(size=(200, 2)) @ V
    Y = X + 0.05 * rng.normal(size=X.shape)
    Y[:, 30:34] = np.nan
    off = {
        smooth: np.sqrt(np.mean((m.inverse_transform(m.transform(Y)) - X)[:, 30:34] ** 2))
        for smooth in (0.0, 1e-3)
        for m in [eq.embedder("hmf", n_components=2, smooth=smooth).fit(Y)]
    }
    assert off[1e-3] < 0.1 < 0.3 < off[0.0]


@pytest.mark.parametrize("name", ["pca", "hmf"])
def test_a_table_on_disk_gives_what_one_in_memory_gives(name, tmp_path, monkeypatch):
    from equatorium_manifold import blocks

    monkeypatch.setattr(blocks, "_VALUES", 40 * 64)  # several blocks
    X, *_ = low_rank(np.random.default_rng(8))
    options = {"n_components": 3} if name == "hmf" else {"n_components": 3, "solver": "incremental"}
    near = eq.embedder(name, **options).fit(X)
    with h5py.File(tmp_path / "rows.h5", "w") as file:
        far = file.create_dataset("X", data=X, chunks=(50, 40), dtype=X.dtype)
        model = eq.embedder(name, **options).fit(far)
        Z = model.transform(far)
    np.testing.assert_allclose(Z, near.transform(X), rtol=1e-9, atol=1e-9)
    saved = np.memmap(tmp_path / "rows.dat", dtype="f4", mode="w+", shape=X.shape)
    saved[:] = X
    np.testing.assert_allclose(eq.embedder(name, **options).fit_transform(saved), Z, atol=1e-4)
    saved[7, 3] = np.inf
    with pytest.raises(InputError, match="infinity"):
        eq.embedder(name, **options).fit(saved)


def test_gaps_raise_with_the_remedy():
    X = np.random.default_rng(9).normal(size=(20, 4))
    X[3, 1] = np.nan
    remedy = r'make_pipeline\(eq.embedder\("hmf"\), eq.embedder\("pca"\)\)'
    with pytest.raises(NotFiniteError, match=remedy):
        eq.embedder("pca").fit(X)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"n_components": 5}, "n_features=4"),
        ({"n_components": 2.0}, "must be an int"),
        ({"n_components": 2, "scatter": -1.0}, "scatter"),
        ({"n_components": 2, "max_iter": 0}, "max_iter"),
    ],
)
def test_hmf_names_bad_options(options, text):
    with pytest.raises(InputError, match=text):
        eq.embedder("hmf", **options).fit(np.random.default_rng(0).normal(size=(9, 4)))


@pytest.mark.parametrize("options", [{}, {"prior": False}, {"scatter": 0.0}, {"smooth": 0.1}])
@pytest.mark.parametrize("size", [0.0, 1.0, 1e-200])
def test_rows_that_are_all_the_same_have_no_spread(options, size):
    X = np.full((12, 5), size)
    model = eq.embedder("hmf", n_components=2, **options).fit(X)
    np.testing.assert_allclose(model.inverse_transform(model.transform(X)), X, atol=1e-15)
    np.testing.assert_allclose(model.components_ @ model.components_.T, np.eye(2), atol=1e-9)
    assert model.spread_.max() < 1e-20 and model.scatter_ < 1e-10


@pytest.mark.parametrize("name", ["hmf", "nmf"])
def test_a_table_without_an_observed_value_is_refused(name):
    for X, ivar in ((np.full((9, 4), np.nan), None), (np.ones((9, 4)), np.zeros((9, 4)))):
        with pytest.raises(InputError, match="no value was observed"):
            eq.embedder(name, n_components=2).fit(X, ivar=ivar)


@pytest.mark.parametrize("name", ["pca", "hmf", "nmf", "lle"])
def test_values_whose_squares_overflow_are_refused(name):
    X = 1e200 * np.random.default_rng(0).random((12, 5))
    with pytest.raises(InputError, match="divide it by a typical value"):
        eq.embedder(name, n_components=2).fit(X)


def test_errors_of_a_table_on_disk_have_its_shape(tmp_path):
    saved = np.memmap(tmp_path / "rows.dat", dtype="f4", mode="w+", shape=(9, 4))
    with pytest.raises(ShapeError, match="shape of X"):
        eq.embedder("hmf", n_components=2).fit(saved, ivar=np.ones((10, 4)))


@pytest.mark.parametrize(
    ("name", "number"),
    [("hmf", "scatter_"), ("nmf", "cost_"), ("mds", "stress_"), ("nmf", "n_iter_")],
)
def test_a_state_with_a_bad_number_is_refused(name, number):
    model = eq.embedder(name, n_components=2).fit(np.random.default_rng(0).random((12, 5)))
    for bad in (None, "x", np.nan, -1):
        with pytest.raises(StateError, match=number):
            eq.embedder(name).set_state({**model.get_state(), number: bad})


def mixtures(rng, n=150, p=30, noise=0.05):
    H = np.abs(rng.normal(size=(3, p))) * (rng.random((3, p)) < 0.5)
    X = rng.exponential(size=(n, 3)) @ H
    return X, X + noise * rng.normal(size=X.shape)


@pytest.mark.parametrize(("name", "options"), [("nmf", {}), ("hmf", {"nonnegative": True})])
def test_nonnegative_factors_fill_gaps_of_noisy_rows(name, options):
    rng = np.random.default_rng(10)
    X, Y = mixtures(rng)
    ivar = np.where(rng.random(X.shape) < 0.4, 0.0, 400.0)
    assert (Y[ivar > 0] < 0).any()
    model = eq.embedder(name, n_components=3, **options).fit(Y, ivar=ivar)
    Z = model.transform(np.where(ivar > 0, Y, 1e30), ivar=ivar)
    assert (model.components_ >= 0).all() and (Z >= 0).all()
    hidden = (model.inverse_transform(Z) - X)[ivar == 0]
    assert np.sqrt(np.mean(hidden**2)) < 0.06 < 0.3 < np.std(X[ivar == 0])


def test_nmf_without_errors_is_as_good_as_scikit_learns():
    X = np.abs(mixtures(np.random.default_rng(11))[1])
    ours = eq.embedder("nmf", n_components=3).fit(X)
    theirs = decomposition.NMF(3, init="nndsvda", max_iter=1000, tol=1e-5, random_state=0).fit(X)
    assert ours.cost_ <= theirs.reconstruction_err_**2 * 1.001
    weighted = eq.embedder("nmf", n_components=3).fit(X, ivar=np.ones_like(X))
    assert weighted.cost_ < 1.05 * ours.cost_
    with pytest.raises(InputError, match="ivar"):
        eq.embedder("nmf").fit(X - 1.0)


def test_nonnegative_least_squares_are_scipys():
    from scipy.optimize import nnls

    from equatorium_manifold.nonnegative import solve_nonnegative

    rng = np.random.default_rng(12)
    M, y = rng.normal(size=(8, 20, 4)) + 0.5, rng.normal(size=(8, 20))
    ours = solve_nonnegative(np.swapaxes(M, 1, 2) @ M, np.einsum("mpk,mp->mk", M, y))
    np.testing.assert_allclose(ours, [nnls(a, b)[0] for a, b in zip(M, y, strict=True)], atol=1e-8)


@pytest.mark.parametrize("name", ["pca", "nmf", "hmf", "lle"])
def test_coordinates_of_another_map_have_no_way_back(name):
    model = eq.embedder(name, n_components=2).fit(np.random.default_rng(0).random((12, 5)))
    with pytest.raises(ShapeError, match="Z has 3 columns, but the map has 2"):
        model.inverse_transform(np.ones((4, 3)))


def test_no_component_and_no_seed_are_refused():
    X = np.random.default_rng(0).random((12, 5))
    with pytest.raises(InputError, match="leaves nothing"):
        eq.embedder("pca", n_components=0).fit(X)
    with pytest.raises(InputError, match="random_state"):
        eq.embedder("nmf", n_components=2, random_state="x").fit(X)


def test_a_randomised_fit_is_the_same_again():
    X = np.random.default_rng(0).normal(size=(60, 600))
    first, again, other = (
        eq.embedder("pca", n_components=5, **seed).fit(X).components_
        for seed in ({}, {}, {"random_state": 1})
    )
    assert np.array_equal(first, again) and not np.allclose(first, other, atol=1e-12)
