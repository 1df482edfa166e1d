"""A nugget that varies with the inputs: against noise of known size, and the dense formula."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.gaussian_process.kernels import Matern

import equatorium as eq
from equatorium.errors import StateError
from equatorium_gp import shared
from equatorium_gp.trend_gp import TrendGP


def truth(X):
    return np.stack([np.sin(4.0 * X[:, 0] + X[:, 1]), np.cos(3.0 * X[:, 1])], axis=1)


def spread(X):
    """Standard deviation of the noise: twenty times as large on the right as on the left."""
    return 0.1 * np.exp(3.0 * (X[:, 0] - 0.5))


def runs(n, seed, spread=spread):
    rng = np.random.default_rng(seed)
    X = rng.random((n, 2))
    return X, truth(X) + spread(X)[:, None] * rng.normal(size=(n, 2))


@pytest.fixture(scope="module")
def model():
    return TrendGP(variance_function="nugget", sharing="all", kernel="matern52").fit(*runs(250, 0))


def test_runs_of_little_noise_count_for_more():
    """Paired over four designs: nearer to the truth, and likelier, than one nugget for all runs."""
    nearer, likelier = [], []
    X, Y = runs(1000, 99)
    for seed in range(4):
        found = [
            TrendGP(variance_function=kind, sharing="all", kernel="matern52")
            .fit(*runs(250, seed))
            .predict_dist(X)
            for kind in (True, "nugget")
        ]
        errors = [np.sqrt(((one.mean - truth(X)) ** 2).mean()) for one in found]
        nearer.append(errors[1] / errors[0])
        likelier.append((found[1].log_prob(Y) - found[0].log_prob(Y)).mean())
    assert np.mean(nearer) < 0.9
    assert min(likelier) > 0.0


def test_the_nugget_is_the_noise(model):
    assert model.nugget_function_.any()
    X = np.random.default_rng(5).random((400, 2))
    told = np.sqrt(model.predict_dist(X).variance)
    off = np.abs(np.log(told / spread(X)[:, None]))  # of a range of 3
    assert np.quantile(off, 0.9) < 0.25 and off.max() < 0.6
    error = (model.Y_ - model.loo().mean) ** 2 / model.loo().variance
    left, right = model.X_[:, 0] < 0.5, model.X_[:, 0] >= 0.5
    assert_allclose([error[left].mean(), error[right].mean()], 1.0, atol=0.25)


def test_predictions_are_those_of_the_dense_formula(model):
    """Universal kriging, written out with one matrix, and scikit-learn's kernel."""
    scaled = (model.X_ - model.low_) / model.width_
    new = np.random.default_rng(6).random((7, 2))
    x = (new - model.low_) / model.width_
    (kernel,) = model._process.shared
    lengths = kernel.posterior.kernel.lengthscale.detach().numpy().ravel()
    matern = Matern(lengths, nu=2.5)
    H, h = model._process.basis(scaled), model._process.basis(x)
    weight, nugget = kernel.nugget_function(scaled), kernel.nugget_function(x)
    assert_allclose(weight.mean(), 1.0, rtol=1e-9)
    k, U = matern(x, scaled), (model.Y_ - model.center_) @ model.unmixing_
    mean, variance = kernel.predict(x, h)
    for j, (ratio, scale) in enumerate(zip(model.ratio_, model.scale_, strict=True)):
        K = np.linalg.inv(matern(scaled) + ratio * np.diag(weight))
        beta = np.linalg.solve(H.T @ K @ H, H.T @ K @ U[:, j])
        assert_allclose(mean[:, j], h @ beta + k @ K @ (U[:, j] - H @ beta), rtol=1e-6, atol=1e-8)
        left = h - k @ K @ H
        free = 1.0 - np.einsum("ij,jk,ik->i", k, K, k)
        free += np.einsum("ij,ij->i", left, np.linalg.solve(H.T @ K @ H, left.T).T)
        expected = scale * (free + ratio * nugget) * kernel.factor(x)
        assert_allclose(variance[:, j], expected, rtol=1e-6)


def test_all_that_is_predicted_knows_the_nugget(model, slopes):
    rng = np.random.default_rng(7)
    X = 0.1 + 0.8 * rng.random((4, 2))
    own = model.predict_dist(X).gaussian()
    assert_allclose(np.diag(model.predict_joint(X, output=1)), own.variance[:, 1], rtol=1e-9)
    functions = model.sample_functions(X, 4000, rng=1)
    assert (functions.var(axis=0) < 0.7 * own.variance).all()  # without nugget
    assert_allclose(*slopes(model, X, 1e-6, rng), rtol=1e-5, atol=1e-6)


def test_where_the_errors_do_not_vary_nothing_changes():
    X, Y = runs(80, 1, spread=lambda X: np.full(len(X), 0.1))
    plain, same = (TrendGP(variance_function=kind).fit(X, Y) for kind in (True, "nugget"))
    assert not same.nugget_function_.any()
    assert_array_equal(same.predict(X), plain.predict(X))


def test_declared_noise_stays_what_was_declared():
    X, Y = runs(120, 2)
    noise = np.full(Y.shape, 0.01)
    plain, same = (
        TrendGP(variance_function=kind, sharing="all").fit(X, Y, noise=noise)
        for kind in (True, "nugget")
    )
    assert not same.nugget_function_.any()
    assert_array_equal(same.predict(X), plain.predict(X))


@pytest.mark.parametrize("options", [{"sharing": "each"}, {"n_subset": 100}, {"optimise": False}])
def test_however_it_is_learned_it_comes_back_from_its_file(options, tmp_path, monkeypatch):
    if options.get("n_subset"):
        monkeypatch.setattr(shared, "DECOMPOSED_TO", 200)  # too many runs for nuggets of their own
    model = TrendGP(variance_function="nugget", **options).fit(*runs(250, 3))
    assert model.nugget_function_.any(axis=1).all()
    X, Y = runs(500, 4)
    found = model.predict_dist(X[:50])
    assert 0.7 < ((Y - model.predict(X)) ** 2 / model.predict_dist(X).variance).mean() < 1.4
    model.save(tmp_path / "model.h5")
    again = eq.load(tmp_path / "model.h5").predict_dist(X[:50])
    assert_array_equal(again.mean, found.mean)
    assert_array_equal(again.covariance.dense(), found.covariance.dense())
    model.update(X[:20], Y[:20])
    assert model.nugget_function_.any()


def test_states_without_it_are_understood(model):
    plain = TrendGP(sharing="all", kernel="matern52").fit(*runs(250, 0))
    state = plain.get_state()
    state.pop("nugget_function_")
    again = TrendGP().set_state(TrendGP.migrate(state, 4))
    assert again.variance_function_.any()
    assert_array_equal(again.predict(model.X_), plain.predict(model.X_))
    wrong = {**model.get_state(), "nugget_function_": np.zeros((1, 3))}
    with pytest.raises(StateError, match="nugget_function_"):
        TrendGP().set_state(wrong)


@pytest.mark.parametrize("sharing", ["all", "each"])
def test_a_constant_output_teaches_no_kernel(sharing):
    """Neither where kernels are learned anew, nor where those of outputs apart begin."""
    X, Y = runs(120, 8)
    with_constant = np.hstack([Y, np.full((120, 1), 3.0)])
    alone, beside = (
        TrendGP(variance_function="nugget", sharing=sharing, kernel="matern52").fit(X, given)
        for given in (Y, with_constant)
    )
    assert alone.nugget_function_.any()
    g = len(alone.kernel_parameters_)
    assert_allclose(beside.kernel_parameters_[:g], alone.kernel_parameters_, rtol=0.05)
    assert_allclose(beside.predict(X)[:, 2], 3.0, rtol=1e-9)
