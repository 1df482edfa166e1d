"""Layers: better where outputs are curves over few combinations, honest, and with exact slopes."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.stats import qmc
from sklearn.base import clone

import equatorium as eq
from equatorium.errors import InputError, StateError
from equatorium_gp.layered_gp import LayeredGP
from equatorium_gp.trend_gp import TrendGP

PLACES = np.linspace(-0.6, 0.6, 8)
LAYER = TrendGP(trend="constant", sharing="components", kernel="matern52")
WEIGHTS = np.array([0.8, -0.6, 0.5, 0.4, -0.3, 0.2])


def fronts(X):
    """Eight steps, each elsewhere along one combination of six inputs."""
    return np.tanh(4.0 * ((X - 0.5) @ WEIGHTS)[:, None] - 4.0 * PLACES)


def problem(seed, n=70, noise=0.0):
    rng = np.random.default_rng(seed)
    X, new = qmc.LatinHypercube(6, rng=rng).random(n), rng.random((200, 6))
    y, truth = fronts(X), fronts(new)
    return X, y + noise * rng.normal(size=y.shape), new, truth + noise * rng.normal(size=(200, 8))


def test_layers_gain_where_outputs_are_curves_over_few_combinations():
    """Paired over three designs; of outputs without a signal the layers make nothing."""
    gain, chance, told = [], [], []
    for seed in range(3):
        X, y, new, truth = problem(seed, noise=0.05)
        rng = np.random.default_rng([1, seed])
        noise, later = rng.normal(size=y.shape), rng.normal(size=truth.shape)
        for found, known, there in ((gain, y, truth), (chance, noise, later)):
            layered = LayeredGP(layer=LAYER, leading=2).fit(X, known)
            told.append(layered.loadings_.shape[1])
            scores = [
                model.predict_dist(new).log_prob(there).mean() / 8
                for model in (layered, clone(LAYER).fit(X, known))
            ]
            found.append(scores[0] - scores[1])
    assert min(gain) > 0.05
    assert told == [2, 0] * 3  # what is not predicted is not told
    assert_allclose(chance, 0.0, atol=1e-9)


def test_no_run_tells_what_is_predicted_of_it():
    """The twin: told the mean of all other runs, a layer would know each run by it."""
    z2, twin = [], []
    for seed in range(3):
        X, y, new, truth = problem(seed, noise=0.6)
        model = LayeredGP(layer=LAYER, leading=2).fit(X, y)
        assert model.loadings_.shape[1] > 0
        found = model.predict_dist(new)
        z2.append(np.mean((truth - found.mean) ** 2 / found.variance))
        y, truth = (
            np.random.default_rng([k, seed]).normal(size=(len(x), 1)) for k, x in ((2, X), (3, new))
        )
        first = clone(LAYER).fit(X, y)
        naive = clone(LAYER).fit(np.hstack([X, first.loo().mean]), y)
        found = naive.predict_dist(np.hstack([new, first.predict(new)]))
        twin.append(np.mean((truth - found.mean) ** 2 / found.variance))
    assert 0.7 < np.mean(z2) < 1.4
    assert np.mean(twin) > 2.0


@pytest.mark.parametrize("layers", [2, 3])
def test_slopes_are_those_of_central_differences(layers):
    X, y, new, _ = problem(3, 60)
    model = LayeredGP(layer=LAYER, layers=layers, leading=2).fit(X, y[:, :3])
    assert model.loadings_.shape[1] > 0
    rng, m = np.random.default_rng(0), 4
    mean_bar, cov_bar = rng.normal(size=(m, 3)), rng.normal(size=(m, 3, 3))
    new, h = 0.2 + 0.6 * new[:m], 1e-5

    def value(x):
        found = model.predict_dist(x).gaussian()
        return (mean_bar * found.mean).sum() + (cov_bar * found.covariance.dense()).sum()

    slope = model.predict_dist_vjp(new, mean_bar, cov_bar)
    for i in range(m):
        for j in range(6):
            step = np.zeros_like(new)
            step[i, j] = h
            numeric = (value(new + step) - value(new - step)) / (2 * h)
            assert_allclose(slope[i, j], numeric, rtol=2e-4, atol=2e-5)


def test_a_fold_without_which_there_is_no_trend_tells_nothing():
    X, y, _, _ = problem(0, 11)
    model = LayeredGP(layer=TrendGP(trend="quadratic", kernel="matern52")).fit(X[:, :3], y)
    assert model.loadings_.shape[1] == 0 and len(model.layers_) == 1


def test_a_saved_one_predicts_the_same(tmp_path):
    X, y, new, _ = problem(0, 40)
    model = LayeredGP(layer=LAYER, leading=3).fit(X, y)
    model.save(tmp_path / "layers.h5")
    again = eq.load(tmp_path / "layers.h5")
    assert_array_equal(again.predict(new), model.predict(new))
    assert 0 < model.loadings_.shape[1] == again.layers_[1].n_features_in_ - 6


def test_bad_options_and_states_are_named():
    X, y, _, _ = problem(0, 20)
    with pytest.raises(InputError, match="layers=1 must be a whole number, 2 at least"):
        LayeredGP(layers=1).fit(X, y)
    with pytest.raises(InputError, match="must be a TrendGP"):
        LayeredGP(layer="ridge").fit(X, y)
    model = LayeredGP(layer=LAYER, leading=2).fit(X, y[:, :2])
    state = model.get_state()
    with pytest.raises(StateError, match="layers_"):
        LayeredGP().set_state({**state, "layers_": []})
    with pytest.raises(StateError, match=r"layers_\[1\]"):
        LayeredGP().set_state({**state, "layers_": [state["layers_"][0]] * 2})
    with pytest.raises(StateError):
        LayeredGP().set_state({name: state[name] for name in state if name != "n_outputs_"})
    with pytest.raises(StateError, match="loadings_"):
        LayeredGP().set_state({**state, "loadings_": np.zeros(2)})
