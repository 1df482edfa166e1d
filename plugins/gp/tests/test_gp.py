"""The stack: its weights solve their problem, its errors are as large as it says, it is saved."""

import numpy as np
import pandas as pd
import pytest
import scipy.optimize
import torch
from numpy.testing import assert_allclose, assert_array_equal
from scipy.stats import chi2

import equatorium as eq
from equatorium.errors import InputError, StateError
from equatorium_gp import kernels
from equatorium_gp.gp import GP
from equatorium_gp.trend_gp import TrendGP
from equatorium_gp.weights import LEAST, LEAST_FACTOR, tempered_weights, worth

QUICK = {"kernels": ["matern52", "rbf"], "trends": ["constant", "linear"]}


def runs(n=40, seed=0, noise=0.0):
    """A smooth function and a straight line with a bend."""
    rng = np.random.default_rng(seed)
    X = rng.random((n, 3))
    Y = np.stack(
        [np.sin(4 * X[:, 0]) * X[:, 1], 3 * X[:, 0] - X[:, 1] + 0.1 * X[:, 2] ** 2], axis=1
    )
    return X, Y + noise * rng.standard_normal(Y.shape)


@pytest.fixture(scope="module")
def fitted():
    X, Y = runs()
    return GP(**QUICK).fit(X, Y)


# -- weights -------------------------------------------------------------------------------


def test_weights_maximise_the_tempered_score():
    """Against a general optimiser."""
    rng = np.random.default_rng(0)
    scores = rng.normal(0.0, 1.0, (3, 50)) + np.array([[0.0], [-0.2], [0.1]])

    def minus(free):
        w = np.exp(free - np.logaddexp.reduce(free))
        return -(np.log(w @ np.exp(scores)).sum() + 15.0 * np.log(w).mean())

    found = scipy.optimize.minimize(minus, np.zeros(3), tol=1e-12).x
    expected = np.exp(found - np.logaddexp.reduce(found))
    assert expected.min() > LEAST
    assert_allclose(tempered_weights(scores, 15.0), expected, atol=1e-4)
    assert np.abs(tempered_weights(scores, 60.0) - expected).max() > 0.02


def test_a_clearly_worse_member_is_dropped_and_like_ones_share():
    rng = np.random.default_rng(0)
    good = rng.normal(size=100)
    weights = tempered_weights(np.stack([good, good, good - 5.0]), 15.0)
    assert_allclose(weights, [0.5, 0.5, 0.0], atol=1e-6)


def test_factors_make_errors_as_large_as_predicted():
    rng = np.random.default_rng(1)
    error = rng.normal(size=(2, 4000, 1)) * np.array([2.0, 0.7])[:, None, None]
    declared = np.full((4000, 1), 0.2)
    _, factors, _ = worth(error, np.ones_like(error), declared, 3)
    assert_allclose(factors[:, 0], [4.0 - 0.2, 0.49 - 0.2], rtol=0.08)
    _, exact, _ = worth(1e-9 * error, np.ones_like(error), 0 * declared, 3)
    assert_allclose(exact, LEAST_FACTOR, rtol=0.002)
    few = rng.normal(size=(1, 40, 1))
    plain, learned = (worth(few, np.ones_like(few), 0 * few[0], k)[1] for k in (0, 4))
    assert_allclose(learned, plain * 44 / 36)  # Akaike's final prediction error
    assert worth(few, np.ones_like(few), 0 * few[0], 400)[1] <= 2 * plain


def test_members_whose_errors_cancel_are_surer_together():
    """Of two like members the mixture errs by 1/2 in the square, but says 1 + chi^2 / 2."""
    error = np.random.default_rng(3).normal(size=(2, 4000, 1))
    _, factors, _ = worth(error, np.ones_like(error), 0 * error[0], 3)
    unsure = 0.5 * chi2(1).expect(lambda x: 1.0 / (1.0 + 0.5 * x))
    assert_allclose(factors, np.sqrt(unsure), rtol=0.05)
    same = np.stack([error[0], error[0]])  # nothing cancels
    assert_allclose(worth(same, np.ones_like(same), 0 * same[0], 3)[1], 1.0, rtol=0.05)


def test_kernels_of_one_length_scale_are_told_apart_sooner_than_those_of_twenty():
    """A member that is worse by little keeps more, the more the runs had to teach."""
    error = np.random.default_rng(2).normal(size=(1, 60, 1)) * np.ones((2, 1, 1))
    error[1] *= 1.0 + 0.8 * (np.arange(60) % 2)[:, None]
    few, many = (worth(error, np.ones_like(error), 0 * error[0], d)[0][1, 0] for d in (1, 20))
    assert few < many - 0.05
    assert many < 0.5


# -- predictions ---------------------------------------------------------------------------


def test_it_is_the_mixture_of_its_members(fitted):
    X = np.random.default_rng(3).random((5, 3))
    prediction = fitted.predict_dist(X)
    parts = [member.predict_dist(X) for member in fitted.members_]
    for j in range(2):
        w, f = fitted.weights_[:, j], fitted.factors_[:, j]
        means = np.stack([part.mean[:, j] for part in parts])
        variances = np.stack([part.variance[:, j] for part in parts])
        mean = w @ means
        assert_allclose(prediction.mean[:, j], mean, rtol=1e-12)
        expected = (w * f) @ variances + w @ (means - mean) ** 2
        assert_allclose(prediction.variance[:, j], expected, rtol=1e-9)
    covariance = prediction.cov().dense()
    assert np.linalg.eigvalsh(covariance).min() > 0


def test_with_one_member_it_is_that_member_up_to_its_factor():
    X, Y = runs()
    stack = GP(kernels=["rbf"], trends=["linear"]).fit(X, Y[:, 0])
    alone = TrendGP(kernel="rbf", trend="linear").fit(X, Y[:, 0])
    query = np.random.default_rng(3).random((5, 3))
    assert_array_equal(stack.predict(query), alone.predict(query))
    ratio = stack.predict_dist(query).variance / alone.predict_dist(query).variance
    assert_allclose(ratio, stack.factors_[0, 0], rtol=1e-9)


def test_the_best_trend_wins():
    """A straight line but for its noise is told from a process."""
    rng = np.random.default_rng(0)
    X = rng.random((60, 3))
    y = 3.0 * X[:, 0] - X[:, 1] + 0.01 * rng.standard_normal(60)
    model = GP(kernels=["matern52"], trends=["constant", "linear"]).fit(X, y)
    linear = [i for i, member in enumerate(model.members_) if member.trend == "linear"]
    assert model.weights_[linear, 0].sum() > 0.5
    query = rng.random((200, 3))
    error = model.predict(query) - (3.0 * query[:, 0] - query[:, 1])
    assert np.sqrt(np.mean(error**2)) < 0.006


def test_errors_are_as_large_as_predicted_and_half_as_large_ones_are_not():
    """Draws of a known process, ten designs; their mean squared error scatters by 0.2."""
    kernel = kernels.build("matern52", 3)
    kernels.coordinates(kernel)[0].set(np.log([0.5, 1.0, 2.0]))
    z2 = []
    for seed in range(10):
        rng = np.random.default_rng(seed)
        X = rng.random((260, 3))
        K = kernel(torch.from_numpy(X), torch.from_numpy(X)).to_dense().detach().numpy()
        y = np.linalg.cholesky(K + 1e-10 * np.eye(260)) @ rng.standard_normal(260)
        mean, std = GP(**QUICK).fit(X[:60], y[:60]).predict(X[60:], return_std=True)
        z2.append(np.mean(((mean - y[60:]) / std) ** 2))
    assert 0.5 < np.mean(z2) < 1.9
    assert not 0.5 < np.mean(z2) / 0.25 < 1.9


def test_declared_noise_is_no_part_of_the_prediction():
    X, Y = runs(n=80, noise=0.1)
    model = GP(**QUICK).fit(X, Y, noise=np.full_like(Y, 0.01))
    truth = runs(n=80)[1]
    z2 = np.mean((model.predict(X) - truth) ** 2 / model.predict_dist(X).variance)
    assert 0.3 < z2 < 2.5
    assert model.predict_dist(X).variance.max() < 0.01


def test_loo_is_the_mixture_of_the_members(fitted):
    left_out = fitted.loo()
    means = np.stack([member.loo().mean for member in fitted.members_])
    expected = (fitted.weights_[:, None] * means).sum(axis=0)
    assert_allclose(left_out.mean, expected, rtol=1e-12)


def test_members_with_kernels_apart_make_unlike_outputs_better():
    """Of two kinds of members each output takes what serves it."""
    X = np.random.default_rng(1).random((70, 2))
    Y = np.column_stack([np.sin(9 * X[:, 0]), np.cos(2 * X[:, 1] + X[:, 0])])
    query = np.random.default_rng(2).random((300, 2))
    truth = np.column_stack([np.sin(9 * query[:, 0]), np.cos(2 * query[:, 1] + query[:, 0])])
    options = {"kernels": ["matern52"], "trends": ["constant"]}
    scores = {
        sharing: GP(sharing=sharing, **options).fit(X, Y).predict_dist(query).log_prob(truth).mean()
        for sharing in ("auto", "components")
    }
    assert scores["auto"] > scores["components"] + 0.5


def test_a_point_outside_is_named_by_the_input_s_own_name(tmp_path):
    X, Y = runs()
    table = pd.DataFrame(X, columns=["vhot", "alpha", "eps"])
    model = GP(kernels=["rbf"], trends=["constant"], domain="raise").fit(table, Y)
    model.save(tmp_path / "gp.h5")
    outside = pd.DataFrame([[0.5, 3.0, 0.5]], columns=table.columns)
    for one in (model, eq.load(tmp_path / "gp.h5")):
        with pytest.raises(InputError, match="most in 'alpha'"):
            one.predict(outside)


# -- files and errors ----------------------------------------------------------------------


def test_files_bit_for_bit(fitted, tmp_path):
    fitted.save(tmp_path / "gp.h5")
    again = eq.load(tmp_path / "gp.h5")
    X = np.random.default_rng(3).random((5, 3))
    assert_array_equal(again.predict_dist(X).mean, fitted.predict_dist(X).mean)
    assert_array_equal(again.predict_dist(X).variance, fitted.predict_dist(X).variance)


def test_trends_with_too_many_terms_are_left_out():
    X, Y = runs(n=15)
    model = GP(kernels=["rbf"]).fit(X, Y)
    assert {member.trend for member in model.members_} <= {"constant", "linear"}


def test_a_member_that_fails_is_told_of():
    X, Y = runs()
    with pytest.warns(UserWarning, match="goes on without a member: martern52 with trend constant"):
        model = GP(kernels=["rbf", "martern52"], trends=["constant"]).fit(X, Y)
    assert {member.kernel for member in model.members_} == {"rbf"}


@pytest.mark.parametrize(
    ("options", "word"),
    [
        ({"kernels": ["martern52"]}, "matern52"),
        ({"kernels": "rbf"}, "kernels must be 'auto' or a list"),
        ({"trends": []}, "trends must be 'auto' or a list"),
        ({"trends": ["cubical"]}, "cubical"),
        ({"output_correlation": "no"}, "output_correlation='no'"),
        ({"random_state": -1}, "random_state=-1"),
    ],
)
def test_wrong_options_are_named(options, word):
    X, Y = runs()
    with pytest.raises(InputError, match=word):
        GP(**options).fit(X, Y)


@pytest.mark.parametrize("name", ["members_", "weights_", "factors_"])
def test_a_damaged_state_is_refused(fitted, name):
    state = fitted.get_state()
    damaged = {"members_": [*state["members_"][1:], None], "weights_": 2.0 * state["weights_"]}
    damaged["factors_"] = -state["factors_"]
    with pytest.raises(StateError, match=name):
        GP(**QUICK).set_state({**state, name: damaged[name]})
