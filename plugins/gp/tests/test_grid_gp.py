"""Grids: the numbers of a dense process, gaps too; honest errors where nothing was observed."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.ndimage import gaussian_filter
from scipy.stats import binom
from sklearn.gaussian_process.kernels import RBF, Matern

import equatorium as eq
from equatorium.errors import InputError, StateError
from equatorium_gp import grid_gp
from equatorium_gp.grid_fit import dense_likelihood, grid_likelihood
from equatorium_gp.grid_gp import GridGP
from equatorium_gp.lattice import Axis, Lattice


def cells(*axes):
    return np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, len(axes))


AXES = (np.linspace(0.0, 1.0, 11), np.array([0.0, 1.0, 1.5, 4.0, 5.0, 7.0, 9.0]))
KERNEL = ["rbf", "matern32"]


def image(noise=0.1, seed=0):
    X = cells(*AXES)
    y = 3.0 + np.sin(5.0 * X[:, 0]) * np.cos(0.5 * X[:, 1])
    return X, y + noise * np.random.default_rng(seed).normal(size=len(X))


def exact(model, X, y, query, noise):
    """Constant mean by generalised least squares, kernels of scikit-learn, a matrix of all."""

    def kernel(A, B):
        a, b = (((x - model.low_) / model.width_) for x in (A, B))
        one = RBF(model.lengths_[0, 0])(a[:, :1], b[:, :1])
        return model.scale_[0] * one * Matern(model.lengths_[0, 1], nu=1.5)(a[:, 1:], b[:, 1:])

    z = (y - model.center_) / model.spread_
    S = kernel(X, X) + np.diag(model.nugget_[0] + noise / model.spread_**2)
    inverse, one, cross = np.linalg.inv(S), np.ones(len(X)), kernel(query, X)
    information = one @ inverse @ one
    mean = one @ inverse @ z / information
    found = mean + cross @ inverse @ (z - mean)
    variance = model.scale_[0] + model.nugget_[0] - np.einsum("ij,jk,ik->i", cross, inverse, cross)
    variance += (1 - cross @ inverse @ one) ** 2 / information
    return model.center_ + model.spread_ * found, model.spread_**2 * variance


QUERY = np.vstack([cells(*AXES), np.random.default_rng(5).random((9, 2)) * [1.2, 10.0]])


@pytest.mark.parametrize("query", [QUERY[:77], QUERY], ids=["cells", "anywhere"])
def test_a_complete_grid_is_exact(query):
    X, y = image()
    order = np.random.default_rng(1).permutation(len(X))
    noise = np.full(len(X), 0.004)
    model = GridGP(kernel=KERNEL).fit(X[order], y[order], noise=noise)
    assert model.method_ == "complete" and list(model.shape_) == [11, 7]
    mean, variance = exact(model, X, y, query, noise)
    found = model.predict_dist(query)
    assert_allclose(found.mean[:, 0], mean, rtol=1e-8)
    assert_allclose(found.variance[:, 0], variance, rtol=1e-7)
    assert abs(exact(model, X, y, query, noise + 1e-3)[0] - mean).max() > 1e-5  # the twin


def gappy(monkeypatch, **options):
    monkeypatch.setattr(grid_gp, "DENSE", 30)  # else so few pixels are solved by a matrix
    X, y = image()
    rng = np.random.default_rng(2)
    keep = rng.random(len(X)) < 0.7
    noise = rng.choice([0.003, 0.03], size=len(X))
    model = GridGP(kernel=KERNEL, random_state=0, **options)
    return model.fit(X[keep], y[keep], noise=noise[keep]), X[keep], y[keep], noise[keep]


def test_gaps_and_noise_that_differs_are_exact_to_the_tolerance(monkeypatch):
    model, X, y, noise = gappy(monkeypatch, draws=2000)
    assert model.method_ == "iterative"
    mean, variance = exact(model, X, y, QUERY, noise)
    found = model.predict_dist(QUERY)
    assert_allclose(found.mean[:, 0], mean, rtol=1e-7)
    # 2000 draws: a standard error of 3 %; five of them.
    assert_allclose(found.variance[:, 0], variance, rtol=0.16)
    assert abs(found.variance[:, 0] / variance - 1).mean() < 0.03
    plain = exact(model, X, y, QUERY, 0.0 * noise + noise.mean())[1]  # the twin
    assert abs(found.variance[:, 0] / plain - 1).mean() > 0.05


def test_few_pixels_with_gaps_are_exact():
    X, y = image()
    keep = np.random.default_rng(2).random(len(X)) < 0.6
    model = GridGP(kernel=KERNEL).fit(X[keep], y[keep])
    assert model.method_ == "dense"
    mean, variance = exact(model, X[keep], y[keep], QUERY, np.zeros(keep.sum()))
    found = model.predict_dist(QUERY)
    assert_allclose(found.mean[:, 0], mean, rtol=1e-8)
    assert_allclose(found.variance[:, 0], variance, rtol=1e-7)


def test_likelihoods_agree_and_their_gradients_are_central_differences():
    X, y = image()
    x, z = X / [1.0, 9.0], y - y.mean()
    one = dense_likelihood(x, z, np.full(len(x), 0.02), KERNEL)
    two = grid_likelihood([AXES[0], AXES[1] / 9.0], z.reshape(11, 7), 0.02, KERNEL)
    point = np.log([0.3, 0.4, 1.2, 0.05])
    (a, slope), (b, other) = one(point), two(point)
    assert_allclose(a, b, rtol=1e-10)
    assert_allclose(slope, other, rtol=1e-8)
    steps = 1e-6 * np.eye(4)
    numeric = [(two(point + e)[0] - two(point - e)[0]) / 2e-6 for e in steps]
    assert_allclose(other, numeric, rtol=1e-5)


def test_three_axes_and_one():
    rng = np.random.default_rng(3)
    axes = (np.arange(5.0), np.arange(6.0), np.arange(7.0))
    X = cells(*axes)
    lattice = Lattice([Axis.of(x / 6, "matern52", 0.4) for x in axes], 1.3)
    K = 1.3 * np.prod([Matern(0.4, nu=2.5)(x[:, None] / 6) for x in X.T], axis=0)
    v = rng.normal(size=(2, 5, 6, 7))
    f = lattice.function(v)
    back = lattice.pulled(f)  # root K root' v: the same norm as K's
    assert_allclose((back * v).sum(), np.einsum("ki,ki->", f.reshape(2, -1), f.reshape(2, -1)))
    scattered = X[rng.permutation(len(X))[:40]] / 6 + 0.03
    row, _ = lattice.at(scattered, v, v[:0])
    weights = np.linalg.solve(K, f.reshape(2, -1).T)
    cross = 1.3 * np.prod(
        [
            Matern(0.4, nu=2.5)(a[:, None], b[:, None] / 6)
            for a, b in zip(scattered.T, X.T, strict=True)
        ],
        axis=0,
    )
    assert_allclose(row, (cross @ weights).T, rtol=1e-6, atol=1e-8)
    t = np.linspace(0.0, 1.0, 60)
    model = GridGP().fit(t[:, None], np.sin(9 * t))
    assert model.method_ == "complete"
    assert_allclose(model.predict([[0.503]]), np.sin(9 * 0.503), atol=1e-3)


def test_pixels_lie_in_their_intervals_inside_gaps_too(monkeypatch):
    """Independent images, one pixel in a gap of each: binomial; half the width is the twin."""
    monkeypatch.setattr(grid_gp, "DENSE", 200)
    rng, inside, narrow, count = np.random.default_rng(4), 0, 0, 24
    X = cells(np.arange(40.0), np.arange(40.0))
    for seed in range(count):
        truth = gaussian_filter(rng.normal(size=(60, 60)), 4)[10:50, 10:50].ravel()
        truth /= truth.std()
        keep = rng.random(1600) < 0.8
        keep[(abs(X - 20) < 5).all(axis=1)] = False
        y = truth + 0.3 * rng.normal(size=1600)
        model = GridGP(kernel="rbf", random_state=seed, draws=40)
        model.fit(X[keep], y[keep], noise=np.full(keep.sum(), 0.09))
        assert model.method_ == "iterative"
        where = [20 * 40 + 20, 8 * 40 + 8, 8 * 40 + 31, 31 * 40 + 8]  # far from each other
        mean, std = model.predict(X[where], return_std=True)
        z = np.abs(truth[where] - mean) / std
        inside, narrow = inside + (z < 1.96).sum(), narrow + (z < 0.8).sum()
    low = binom.ppf(0.0005, 4 * count, 0.95)
    assert inside >= low > narrow


def test_units_and_files(tmp_path, monkeypatch):
    model, X, y, noise = gappy(monkeypatch)
    hundred = GridGP(kernel=KERNEL, random_state=0).fit(X, 100 * y, noise=1e4 * noise)
    parts = zip(
        model.predict(QUERY, return_std=True), hundred.predict(QUERY, return_std=True), strict=True
    )
    for a, b in parts:
        assert_allclose(b, 100 * a, rtol=1e-5)
    model.save(tmp_path / "grid.h5")
    again = eq.load(tmp_path / "grid.h5").predict_dist(QUERY)
    here = model.predict_dist(QUERY)
    assert_array_equal(again.mean, here.mean)
    assert_array_equal(again.variance, here.variance)
    state = model.get_state()
    for change in (
        {"draws_": state["draws_"][:, :0]},
        {"method_": "dense"},
        {"scale_": -np.ones(1)},
    ):
        with pytest.raises(StateError):
            GridGP(kernel=KERNEL).set_state({**state, **change})


def test_what_is_no_grid_is_refused_with_the_way_out():
    rng = np.random.default_rng(6)
    X = rng.random((60, 2))
    with pytest.raises(InputError, match=r"not on a grid.*60 x 60.*sparse-gp"):
        GridGP().fit(X, X[:, 0])
    X = np.vstack([cells(np.arange(40.0), np.arange(40.0)), [[3.0, 4.0]]])
    with pytest.raises(InputError, match=r"same cell.*average"):
        GridGP().fit(X, X[:, 0])
    series = np.arange(4001.0)[:, None]  # its matrix would take 0.1 GB, and minutes
    with pytest.raises(InputError, match=r"4001 points.*sparse-gp"):
        GridGP().fit(series, series[:, 0])
    for options, text in (
        ({"kernel": "rbff"}, "rbf"),
        ({"kernel": ["rbf"]}, "axes"),
        ({"draws": 1}, "draws"),
    ):
        with pytest.raises(InputError, match=text):
            GridGP(**options).fit(cells(*AXES), np.arange(77.0))
