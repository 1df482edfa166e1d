"""Inducing points: the exact process where every run is one, a bound below it, honest errors."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.linalg import cho_factor, cho_solve
from scipy.stats import binom

import equatorium as eq
from equatorium.errors import InputError, StateError
from equatorium_gp import bound as bounds
from equatorium_gp import kernels, spectral
from equatorium_gp.inducing import greedy
from equatorium_gp.sparse_gp import SparseGP

NOISE = 0.1


def tensor(values):
    return spectral.tensor(values, "cpu")


def response(X):
    return np.column_stack(
        [np.sin(5 * X[:, 0]) + X[:, 1] ** 2, np.cos(4 * X[:, 1]) + 2 * np.sin(5 * X[:, 0])]
    )


def runs(n, seed=0, noise=NOISE):
    rng = np.random.default_rng(seed)
    X = rng.random((n, 2))
    return X, response(X) + noise * rng.normal(size=(n, 2))


def covariance(model, A, B):
    """Matern 5/2 of a fitted model, by its formula."""
    length = kernel_of(model).lengthscale.detach().numpy()
    r = np.sqrt(5 * (((A[:, None] - B) / model.width_ / length) ** 2).sum(axis=2))
    return (1 + r + r**2 / 3) * np.exp(-r)


def kernel_of(model):
    kernel = kernels.build(model.kernel_, model.n_features_in_)
    kernels.load(kernel, model.kernel_parameters_)
    return kernel


def dense(model, X, y, query, noise, transform=None):
    """Mean, variance without declared noise, restricted log likelihood: linear trend, one output.

    The trend's terms are orthonormalised here, by numpy's QR.
    """
    z = (y - y.mean()) / y.std()
    s, g, k = model.scale_[0], model.nugget_[0], len(X)
    S = s * covariance(model, X, X) + np.diag(g + noise / y.var())
    x, q = (X - model.low_) / model.width_, (query - model.low_) / model.width_
    H, R = np.linalg.qr(np.column_stack([np.ones(k), x]))
    h = np.linalg.solve(R.T, np.column_stack([np.ones(len(q)), q]).T)
    c = cho_factor(S, lower=True)
    cross = s * covariance(model, X, query)
    G = H.T @ cho_solve(c, H)
    beta = np.linalg.solve(G, H.T @ cho_solve(c, z))
    rest = z - H @ beta
    mean = h.T @ beta + cross.T @ cho_solve(c, rest)
    off = h - H.T @ cho_solve(c, cross)
    variance = s + g - (cross * cho_solve(c, cross)).sum(axis=0)
    variance += (off * np.linalg.solve(G, off)).sum(axis=0)
    log = 2 * np.log(np.diagonal(c[0])).sum() + np.linalg.slogdet(G)[1]
    value = -0.5 * (log + rest @ cho_solve(c, rest) + (k - H.shape[1]) * np.log(2 * np.pi))
    return y.mean() + y.std() * mean, y.var() * variance, value


@pytest.mark.parametrize("declared", [False, True])
def test_with_every_run_inducing_it_is_the_exact_process(declared):
    X, Y = runs(150)
    y = Y[:, 0]
    rng = np.random.default_rng(1)
    noise = np.where(rng.random(150) < 0.5, 0.003, 0.03) if declared else None
    options = {"kernel": "matern52", "trend": "linear", "n_inducing": 150, "random_state": 0}
    model = SparseGP(**options).fit(X, y, noise=noise)
    assert len(model.inducing_) > 120  # the others are known to rounding
    query = rng.random((40, 2))
    level = np.zeros(150) if noise is None else noise
    mean, variance, value = dense(model, X, y, query, level)
    found = model.predict_dist(query)
    assert_allclose(found.mean[:, 0], mean, rtol=0, atol=1e-6 * y.std())
    assert_allclose(found.variance[:, 0] / model.variance_factor_[0], variance, rtol=1e-6)
    assert_allclose(model.bound_, value, rtol=1e-6)
    wrong = dense(model, X, y, query, level + 1e-3)[2]  # the twin: noise counted wrongly
    assert abs(wrong - value) > 1e-3


def test_the_bound_rises_towards_the_likelihood_with_more_points():
    X, Y = runs(200)
    model = SparseGP(kernel="matern52", trend="linear", n_inducing=30, random_state=0)
    model.fit(X, Y[:, 0])
    exact = dense(model, X, Y[:, 0], X[:1], 0.0 * X[:, 0])[2]
    kernel, x = kernel_of(model), tensor((X - model.low_) / model.width_)
    rows = rows_of(model, X, Y[:, :1])
    found = []
    for m in (10, 30, 90, 200):
        Z = x[greedy(kernel, x, m)]
        scale, nugget = tensor(model.scale_), tensor(model.nugget_)
        found.append(bounds.bound(kernel, Z, rows, scale, nugget)[0])
        kernel.zero_grad()
    assert (np.diff([*found[:3], exact]) > 0).all()
    assert_allclose(found[-1], exact, rtol=1e-6)


def rows_of(model, X, Y, noise=None):
    x = (X - model.low_) / model.width_
    H = np.linalg.qr(np.column_stack([np.ones(len(x)), x]))[0]
    scores = (Y - Y.mean(axis=0)) / Y.std(axis=0)
    return bounds.Rows(
        tensor(x), tensor(scores), tensor(H), None if noise is None else tensor(noise)
    )


@pytest.mark.parametrize("declared", [False, True])
def test_gradients_are_central_differences_and_chunks_change_nothing(declared, monkeypatch):
    X, Y = runs(60)
    noise = np.random.default_rng(3).random((60, 2)) * 0.02 if declared else None
    model = SparseGP(kernel="scale(rbf) + matern32[0]", n_inducing=12, evaluations=0).fit(X, Y)
    rows, kernel = rows_of(model, X, Y, noise), kernel_of(model)
    Z = rows.X[:12]
    places = kernels.coordinates(kernel)
    start = np.concatenate([*(c.get() for c in places), np.log([0.7, 1.3]), np.log([0.01, 0.02])])

    def at(point):
        ends = np.cumsum([c.raw.numel() for c in places])
        for place, part in zip(places, np.split(point, ends), strict=False):
            place.set(part)
        scale, nugget = (tensor(np.exp(t)) for t in (point[-4:-2], point[-2:]))
        kernel.zero_grad()
        value, a, b = bounds.bound(kernel, Z, rows, scale, nugget)
        slope = [c.gradient() for c in places]
        return value, np.concatenate([*slope, (a * scale).numpy(), (b * nugget).numpy()])

    value, slope = at(start)
    steps = 1e-5 * np.eye(len(start))
    numeric = [(at(start + e)[0] - at(start - e)[0]) / 2e-5 for e in steps]
    assert_allclose(slope, numeric, rtol=1e-5, atol=1e-5)
    monkeypatch.setattr(bounds, "MEMORY", 64 * 12 * 7)  # seven runs at a time
    pieces, again = at(start)
    assert_allclose(pieces, value, rtol=1e-10)
    assert_allclose(again, slope, rtol=1e-8, atol=1e-8)


def test_inducing_points_are_those_of_the_greatest_conditional_variance():
    """By the dense conditional variance at each step, and far better than the first runs."""
    X = np.random.default_rng(4).random((80, 2)) ** 3  # crowded near the corner
    kernel = kernels.build("matern52", 2)
    kernel.lengthscale = 0.3
    chosen = greedy(kernel, tensor(X), 12)
    K = kernel(tensor(X), tensor(X)).to_dense().detach().numpy()
    for k in range(1, 12):
        before = chosen[:k]
        left = 1 - (K[before] * np.linalg.solve(K[np.ix_(before, before)], K[before])).sum(axis=0)
        assert left[chosen[k]] > left.max() - 1e-9
    unknown = [
        np.trace(K - K[:, r] @ np.linalg.solve(K[np.ix_(r, r)], K[r]))
        for r in (chosen, np.arange(12))
    ]
    assert unknown[0] < 0.6 * unknown[1]
    twice = tensor(np.repeat(X[:5], 3, axis=0))
    assert len(greedy(kernel, twice, 15)) == 5


def covered(model, query, truth):
    found = model.predict_dist(query)
    return (np.abs(truth - found.mean) < 1.96 * found.std).sum(axis=0)


@pytest.mark.parametrize("declared", [False, True])
def test_held_out_values_lie_in_their_intervals(declared):
    """Binomial 99.9 % bands; a variance four times as small is the twin that must fail.

    With declared noise, which differs by a factor of nine, intervals are of the function itself:
    neighbouring points err alike, so that few far ones are asked.
    """
    rng = np.random.default_rng(6)
    n, m = 3000, 1000
    X, query = rng.random((n, 3)), rng.random((m, 3))

    options = {"kernel": "rbf", "n_inducing": 80, "n_subset": 300, "evaluations": 4}
    options["random_state"] = 0

    def waves(X):
        return np.column_stack([np.sin(8 * X[:, 0]) * X[:, 1] + X[:, 2] ** 2, np.cos(6 * X[:, 2])])

    if not declared:
        Y = waves(X) + 0.1 * rng.normal(size=(n, 2))
        model = SparseGP(**options).fit(X, Y)
        inside = covered(model, query, waves(query) + 0.1 * rng.normal(size=(m, 2)))
        low, high = binom.ppf([0.0005, 0.9995], m, 0.95)
        assert (inside >= low).all() and (inside <= high).all()
        found = model.predict_dist(query)
        twin = np.abs(waves(query) + 0.1 * rng.normal(size=(m, 2)) - found.mean)
        assert ((twin < 0.98 * found.std).sum(axis=0) < low).all()
        assert_allclose(np.sqrt(found.variance.mean(axis=0)), 0.1, rtol=0.1)
        return
    sd = rng.choice([0.1, 0.3], size=n)
    Y = waves(X) + sd[:, None] * rng.normal(size=(n, 2))
    model = SparseGP(**options).fit(X, Y, noise=sd**2)
    found = model.predict_dist(query)
    z2 = ((waves(query) - found.mean) ** 2 / found.variance).mean(axis=0)
    assert ((z2 > 0.4) & (z2 < 2.0)).all()
    plain = SparseGP(**options).fit(X, Y)
    better, worse = (
        np.sqrt(((waves(query) - each.predict(query)) ** 2).mean()) for each in (model, plain)
    )
    assert better < worse and found.std.max() < 0.1


def test_scores_left_out_are_as_refits_say():
    """The variance factor rests on closed-form left-out errors: here by brute force."""
    X, Y = runs(60)
    options = {"kernel": "matern52", "trend": "constant", "evaluations": 0, "n_inducing": 60}
    model = SparseGP(random_state=0, **options).fit(X, Y[:, 0])
    S = model.scale_[0] * covariance(model, X, X) + model.nugget_[0] * np.eye(60)
    z = (Y[:, 0] - Y[:, 0].mean()) / Y[:, 0].std()
    square = []
    for i in range(60):
        rest = np.arange(60) != i
        inverse = np.linalg.inv(S[np.ix_(rest, rest)])
        one = np.ones(59)
        weight = inverse @ one / (one @ inverse @ one)
        cross = S[i, rest]
        mean = weight @ z[rest] + cross @ inverse @ (z[rest] - weight @ z[rest])
        variance = S[i, i] - cross @ inverse @ cross
        variance += (1 - one @ inverse @ cross) ** 2 / (one @ inverse @ one)
        square.append((z[i] - mean) ** 2 / variance)
    assert_allclose(model.variance_factor_, max(np.mean(square), 1.0), rtol=1e-5)


def test_the_file_is_small_and_predicts_bit_for_bit(tmp_path):
    X, Y = runs(4000)
    model = SparseGP(n_inducing=25, n_subset=200, evaluations=1, random_state=0).fit(X, Y)
    model.save(tmp_path / "model.h5")
    again = eq.load(tmp_path / "model.h5")
    a, b = (m.predict_dist(X[:50]) for m in (model, again))
    assert_array_equal(a.mean, b.mean)
    assert_array_equal(a.cov().dense(), b.cov().dense())
    assert max(np.size(v) for v in model.get_state().values()) < len(X)


def test_a_state_that_cannot_be_is_refused():
    X, Y = runs(100)
    model = SparseGP(n_inducing=10, n_subset=50, evaluations=0, random_state=0).fit(X, Y)
    state = model.get_state()
    for change in (
        {"gram_": -state["gram_"]},
        {"scale_": -state["scale_"]},
        {"inducing_": state["inducing_"][:-1]},
        {"kernel_": "no kernel"},
        {"error_correlation_": 2 * np.ones((2, 2)) - np.eye(2)},
    ):
        with pytest.raises(StateError):
            SparseGP().set_state({**state, **change})
    one = {name: state[name][:1] for name in ("scale_", "nugget_", "precision_", "mixing_")}
    one |= {"projected_": state["projected_"][:, :1], "error_correlation_": np.eye(1)}
    one["variance_factor_"] = state["variance_factor_"][:1]
    SparseGP().set_state({**state, **one})  # a component for two outputs that repeat each other
    with pytest.raises(StateError, match="'mixing_'"):
        SparseGP(output_correlation=False).set_state({**state, **one})


def test_units():
    X, Y = runs(300)
    noise = np.full(300, 0.01)
    options = {"n_inducing": 30, "n_subset": 100, "evaluations": 2, "random_state": 0}
    one = SparseGP(**options).fit(X, Y[:, 0], noise=noise).predict(X[:20], return_std=True)
    hundred = SparseGP(**options).fit(X, 100 * Y[:, 0], noise=1e4 * noise)
    for a, b in zip(one, hundred.predict(X[:20], return_std=True), strict=True):
        assert_allclose(b, 100 * a, rtol=1e-4)


def test_refining_helps_a_poor_start_and_hurts_no_bound():
    X, Y = runs(600)
    start = SparseGP(n_inducing=40, n_subset=30, evaluations=0, random_state=0).fit(X, Y)
    moved = SparseGP(n_inducing=40, n_subset=30, evaluations=20, random_state=0).fit(X, Y)
    assert moved.bound_ > start.bound_ + 5


@pytest.mark.parametrize("name", ["n_inducing", "n_subset", "evaluations"])
def test_numbers_that_are_none_are_refused(name):
    X, Y = runs(20)
    for wrong in (-1, 2.5, True):
        with pytest.raises(InputError, match=name):
            SparseGP(**{name: wrong}).fit(X, Y)
    with pytest.raises(InputError, match="kernel"):
        SparseGP(kernel=3).fit(X, Y)
