"""Errors that follow the slopes: found where they were put, and used in all that is predicted."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.stats import multivariate_normal

import equatorium as eq
from equatorium.errors import InputError, StateError
from equatorium_gp import input_errors
from equatorium_gp.layered_gp import LayeredGP
from equatorium_gp.trend_gp import TrendGP

LAYER = TrendGP(trend="constant", sharing="components", kernel="matern52")
KNOWN = np.array([[0.02, 0.01, 0.0], [0.01, 0.01, 0.0], [0.0, 0.0, 0.0]])  # of three inputs' errors
REST = np.array([[0.7, 0.2, 0.0, 0.0], [0.2, 0.6, 0.0, 0.0], [0, 0, 1.0, -0.3], [0, 0, -0.3, 0.8]])


def errors(seed, n=1500, A=KNOWN):
    rng = np.random.default_rng(seed)
    slopes, size = 5.0 * rng.normal(size=(n, 3, 4)), rng.uniform(0.2, 3.0, n)
    shift = np.sqrt(size)[:, None] * rng.multivariate_normal(np.zeros(3), A, n)
    moved = np.einsum("id,idk->ik", shift, slopes)
    return moved + rng.multivariate_normal(np.zeros(4), REST, n), slopes, size


def test_known_errors_of_the_inputs_are_found():
    found = [input_errors.learned(*errors(seed), REST)[0] for seed in range(4)]
    assert_allclose(np.mean(found, axis=0), KNOWN, atol=0.003)
    A, S = input_errors.learned(*errors(9), REST)
    assert_allclose(S, REST, atol=0.1)
    assert_array_equal(A, A.T)


def test_they_are_not_found_where_there_are_none():
    seen = [input_errors.learned(*errors(s, 200, 0 * KNOWN), REST)[0].any() for s in range(20)]
    assert sum(seen) <= 2


def test_each_round_is_likelier():
    given = errors(5, 200)
    at = []
    for rounds in (1, 5, 40):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(input_errors, "ROUNDS", rounds)
            found = input_errors.most_likely(*given, REST, 0.0)
            at.append(input_errors.log_density(*given, *found))
    assert at[0].sum() < at[1].sum() < at[2].sum()


def test_the_density_is_that_of_the_covariance():
    e, slopes, size = errors(6, 3)
    found = input_errors.log_density(e, slopes, size, KNOWN, REST)
    for i in range(3):
        total = REST + size[i] * slopes[i].T @ KNOWN @ slopes[i]
        truth = multivariate_normal(np.zeros(4), total).logpdf(e[i]) + 2 * np.log(2 * np.pi)
        assert_allclose(found[i], truth, rtol=1e-9)


def fronts(X):
    """Steps along two combinations of six inputs."""
    weights = [[0.8, -0.6, 0.5, 0.4, -0.3, 0.2], [0.2, 0.5, -0.4, 0.6, 0.3, -0.2]]
    along, places = (X - 0.5) @ np.transpose(weights), np.linspace(-0.6, 0.6, 6)
    return np.hstack([np.tanh(4 * (along[:, :1] - places)), np.tanh(3 * (along[:, 1:] - places))])


@pytest.fixture(scope="module")
def pair():
    X = np.random.default_rng(0).random((200, 6))
    return [
        LayeredGP(layer=LAYER, leading=2, input_errors=on).fit(X, fronts(X)) for on in (False, True)
    ]


def test_what_is_unseen_is_likelier(pair):
    X = np.random.default_rng(1).random((500, 6))
    plain, told = (model.predict_dist(X) for model in pair)
    assert pair[1].input_covariance_.any() and not pair[0].input_covariance_.any()
    assert_array_equal(plain.mean, told.mean)
    gain = told.log_prob(fronts(X)) - plain.log_prob(fronts(X))
    assert gain.mean() > 3 * gain.std() / np.sqrt(len(gain))


def test_the_covariance_is_that_of_the_formula(pair):
    model, X = pair[1], 0.2 + 0.6 * np.random.default_rng(2).random((3, 6))
    last = model.layers_[-1].predict_dist(model._inputs(X)[-1]).gaussian().covariance.dense()
    total = model.predict_dist(X).covariance.dense()
    h = 1e-4
    for i, x in enumerate(X):
        J = np.stack(
            [(model.predict([x + h * e]) - model.predict([x - h * e]))[0] for e in np.eye(6)]
        ) / (2 * h)
        size = np.trace(model.loadings_.T @ last[i] @ model.loadings_) / model.size_
        expected = last[i] + size * J.T @ model.input_covariance_ @ J
        # The differences that are taken for slopes are a thousand times as long as these.
        assert_allclose(total[i], expected, atol=1e-2 * np.abs(expected).max())


def test_slopes_are_those_of_central_differences(pair, slopes):
    rng = np.random.default_rng(3)
    found, by_difference = slopes(pair[1], 0.2 + 0.6 * rng.random((2, 6)), 1e-4, rng)
    assert_allclose(found, by_difference, atol=1e-4 * np.abs(found).max())


def test_it_comes_back_from_its_file_and_old_states_are_understood(pair, tmp_path):
    X = np.random.default_rng(4).random((5, 6))
    plain, model = pair
    model.save(tmp_path / "model.h5")
    again = eq.load(tmp_path / "model.h5").predict_dist(X)
    assert_array_equal(again.covariance.dense(), model.predict_dist(X).covariance.dense())
    old = {k: v for k, v in plain.get_state().items() if k not in ("input_covariance_", "size_")}
    migrated = LayeredGP(layer=LAYER, leading=2).set_state(LayeredGP.migrate(old, 1))
    assert_array_equal(migrated.predict(X), plain.predict(X))
    for wrong in (np.eye(3), np.triu(np.ones((6, 6)))):
        with pytest.raises(StateError, match="input_covariance_"):
            LayeredGP().set_state({**model.get_state(), "input_covariance_": wrong})


def test_bad_options_are_refused():
    X = np.random.default_rng(0).random((20, 2))
    with pytest.raises(InputError, match="input_errors"):
        LayeredGP(input_errors="yes").fit(X, X)
    layer = TrendGP(trend="constant", output_correlation=False)
    with pytest.raises(InputError, match="output_correlation"):
        LayeredGP(layer=layer, input_errors=True).fit(X, X)


def test_one_output_has_none():
    X = np.random.default_rng(0).random((60, 2))
    model = LayeredGP(layer=LAYER, input_errors=True).fit(X, np.tanh(8 * X[:, :1] - 4 * X[:, 1:]))
    assert not model.input_covariance_.any()


def test_no_array_is_larger_than_its_bound():
    """Of many outputs few runs are asked, evenly; the arrays that remain are of slopes."""
    n, d, k = 3000, 20, 2000
    few = input_errors.chosen(n, d, k)
    assert len(few) >= input_errors.LEAST_RUNS and len(few) * d * k <= input_errors.MOST
    assert few[0] == 0 and few[-1] == n - 1 and np.ptp(np.diff(few)) <= 1
    assert_array_equal(input_errors.chosen(100, 3, 4), np.arange(100))


def test_few_runs_many_outputs_and_slopes_of_any_size():
    """What cannot be told is nothing; no case ends in an error of linear algebra."""
    e, slopes, size = errors(7, 3)
    assert not input_errors.learned(e, slopes, size, REST)[0].any()
    e, slopes, size = errors(7, 200)
    for unit in (1e-9, 1e9, 1e14):
        A, _ = input_errors.learned(e, unit * slopes, size, REST)
        assert np.isfinite(A).all()
        flat = unit * slopes[:, :1] * np.array([[1.0], [2.0], [0.0]])  # of one combination
        assert np.isfinite(input_errors.learned(e, flat, size, REST)[0]).all()
    slopes[3] = np.nan
    assert not input_errors.learned(e, slopes, size, REST)[0].any()


def test_errors_smaller_than_predicted_are_none_of_the_inputs():
    for seed in range(5):
        e, slopes, size = errors(seed, 200, 0 * KNOWN)
        e[:, 3] = 0.0  # a constant output
        assert not input_errors.learned(0.5 * e, slopes, size, REST)[0].any()


def test_points_within_the_box_are_never_refused():
    """Neither for shifts, nor for what layers see beside the inputs."""
    X = np.random.default_rng(0).random((80, 2))
    Y = np.tanh(8.0 * (X @ [[1.0, 0.5, 1.0], [-0.6, 0.9, -1.0]] - 0.3))
    layer = TrendGP(trend="constant", kernel="matern52", domain="raise")
    model = LayeredGP(layer=layer, input_errors=True).fit(X, Y)
    model.input_covariance_ = 0.3**2 * np.eye(2)
    bars = np.ones((80, 3)), np.ones((80, 3, 3))
    assert len(model.layers_) == 2
    assert np.isfinite(model.predict_dist(X).variance).all()
    assert np.isfinite(model.predict_dist_vjp(X, *bars)).all()
    for ask in (model.predict, lambda x: model.predict_dist_vjp(x, *(bar[:1] for bar in bars))):
        with pytest.raises(InputError, match="column 1"):
            ask([[0.5, 1.2]])
