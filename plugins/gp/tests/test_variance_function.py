"""The size of errors as a function of the inputs: against simulated errors of known size."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

import equatorium as eq
from equatorium.errors import InputError, StateError
from equatorium_gp.trend_gp import TrendGP
from equatorium_gp.variance_function import VarianceFunction, _Errors


def errors(rng, n=400, k=3, slope=2.0, declared=0.0):
    """Errors (n, k) whose log variance grows with the first of three inputs."""
    X = rng.random((n, 3))
    own = 0.5 * np.exp(slope * (2 * X[:, :1] - 1)) * np.ones(k)
    noise = np.full((n, k), declared)
    return X, rng.normal(size=(n, k)) * np.sqrt(own + noise), np.full((n, k), 0.5), noise


@pytest.mark.parametrize("declared", [0.0, 0.1])
def test_a_known_function_is_found(declared):
    found = VarianceFunction.learned(*errors(np.random.default_rng(1), declared=declared))
    grid = np.full((5, 3), 0.5)
    grid[:, 0] = np.linspace(0.1, 0.9, 5)
    shape = found(grid) / found(grid)[2]
    assert_allclose(np.log(shape), 2.0 * (2 * grid[:, 0] - 1), atol=0.35)


def test_errors_of_one_size_have_no_function():
    seen = [
        VarianceFunction.learned(*errors(np.random.default_rng(seed), slope=0.0)).varies
        for seed in range(40)
    ]
    assert sum(seen) <= 3
    few = errors(np.random.default_rng(0), n=20, slope=4.0)
    assert not VarianceFunction.learned(*few).varies


def test_noise_declared_too_large_makes_no_variance_small():
    """Noise that is known too badly tells nothing of what is small beside it."""
    for seed in range(5):
        X, error, variance, noise = errors(np.random.default_rng(seed), slope=0.0, declared=1.0)
        found = VarianceFunction.learned(X, error, 0.1 * variance, 2.0 * noise)
        assert found(X).mean() > 0.8


def test_slopes_are_those_of_the_function():
    function = VarianceFunction(np.array([0.1, 0.8, -0.3, 0.2, 0.5, 0.1, -0.4]))
    X, h = np.random.default_rng(0).random((6, 3)), 1e-6
    for j in range(3):
        step = h * np.eye(3)[j]
        by_difference = (np.log(function(X + step)) - np.log(function(X - step))) / (2 * h)
        assert_allclose(function.log_slope(X)[:, j], by_difference, rtol=1e-6, atol=1e-8)
    outside = np.array([[1.3, -0.2, 0.5]])
    assert_allclose(function(outside), function(np.clip(outside, 0.0, 1.0)))
    assert_allclose(function.log_slope(outside)[0, :2], 0.0)


def uneven(n, rng):
    """A simulator that is smooth on the left and rough on the right, with three outputs."""
    X = rng.random((n, 3))
    rough = np.exp(3.0 * (X[:, 0] - 1.0)) * np.sin(25.0 * X[:, 1] * X[:, 0] + 9.0 * X[:, 2])
    common = X[:, 1] + X[:, 2] ** 2
    return X, np.column_stack([common + rough, common - 0.5 * rough, common * rough])


@pytest.fixture(scope="module")
def pair():
    rng = np.random.default_rng(3)
    X, Y = uneven(150, rng)
    return [TrendGP(variance_function=on, sharing="all").fit(X, Y) for on in (True, False)]


def test_errors_are_as_large_as_stated_everywhere(pair):
    X, Y = uneven(600, np.random.default_rng(4))
    told, even = (model.predict_dist(X).gaussian() for model in pair)
    assert_allclose(told.mean, even.mean, rtol=1e-9, atol=1e-9)
    gain = (told.log_prob(Y) - even.log_prob(Y)) / 3
    assert gain.mean() > 5 * gain.std() / np.sqrt(len(X))
    for model, honest in ((told, True), (even, False)):
        z2 = ((Y - model.mean) ** 2 / model.variance).mean(axis=1)
        parts = [z2[(X[:, 0] > low) & (X[:, 0] <= low + 0.5)].mean() for low in (0.0, 0.5)]
        assert (max(parts) / min(parts) < 2.5) == honest


def test_all_that_is_predicted_knows_the_function(pair, slopes):
    model, rng = pair[0], np.random.default_rng(5)
    assert model.variance_function_.any() and not pair[1].variance_function_.any()
    X = rng.random((5, 3))
    own = model.predict_dist(X).gaussian()
    joint = model.predict_joint(X, output=1)
    assert_allclose(np.diag(joint), own.variance[:, 1], rtol=1e-9)
    assert_allclose(*slopes(model, X, 1e-6, rng), rtol=1e-4, atol=1e-6)


def test_each_output_may_have_its_own(tmp_path):
    X, Y = uneven(150, np.random.default_rng(3))
    model = TrendGP(sharing="each").fit(X, Y)
    assert model.variance_function_.shape == (3, 7)
    own = model.predict_dist(X[:4]).gaussian()
    assert model._process.together is not None  # the few points above took the common call
    apart = np.column_stack(
        [one.predict(*model._process._inputs(X[:4]))[1] for one in model._process.shared]
    )
    assert_allclose(model._process._predicted(*model._process._inputs(X[:4]))[1], apart, rtol=1e-9)
    model.save(tmp_path / "model.h5")
    again = eq.load(tmp_path / "model.h5").predict_dist(X[:4]).gaussian()
    assert_allclose(again.covariance.dense(), own.covariance.dense(), rtol=1e-12)


def test_a_state_whose_function_no_double_can_hold_is_refused(pair):
    state = pair[0].get_state()
    huge = np.full_like(state["variance_function_"], 1e308)
    with pytest.raises(StateError, match="variance_function_"):
        TrendGP().set_state({**state, "variance_function_": huge})


@pytest.mark.parametrize("name", ["n_outputs_", "y_ndim_"])
def test_a_state_without_its_numbers_of_outputs_is_refused(pair, name):
    state = {key: value for key, value in pair[0].get_state().items() if key != name}
    with pytest.raises(StateError, match=name):
        TrendGP().set_state(state)


def test_the_option_is_checked():
    with pytest.raises(InputError, match="variance_function"):
        TrendGP(variance_function="yes").fit(
            np.random.default_rng(0).random((9, 1)), np.arange(9.0)
        )


@pytest.mark.parametrize("place", [-7.0, -1.0, 2.0, 7.0])
def test_the_slope_is_that_of_differences_where_the_factor_is_held_too(place):
    _, error, variance, declared = errors(np.random.default_rng(6), n=20, declared=0.1)
    found, step = _Errors(error**2, variance, declared), 1e-5
    ends = [found.log_density(np.full(20, place + s))[0] for s in (-step, step)]
    slope = found.log_density(np.full(20, place))[1]
    assert_allclose(slope, (ends[1] - ends[0]) / (2 * step), atol=1e-7)
    assert slope.any() == (abs(place) < 5.0)
