"""The four types of prediction against scipy.stats, numpy's weighted quantiles and Monte Carlo."""

import numpy as np
import pytest
from scipy import stats

from equatorium import (
    Categorical,
    Dense,
    Diagonal,
    Gaussian,
    LowRank,
    Mixture,
    Weighted,
)
from equatorium.errors import InputError, NotFiniteError, ShapeError, StateError, UnknownNameError

M, P = 3, 2
RNG = np.random.default_rng(0)
A = RNG.normal(size=(M, P, P))
DENSE = Dense(A @ A.swapaxes(1, 2) + 0.2 * np.eye(P))
MEANS = RNG.normal(size=(2, M, P)) * 2
VALUES = RNG.normal(size=(40, M, P)) ** 3
WEIGHTS = RNG.uniform(size=(40, M))
PI = np.array([[0.2, 0.3, 0.5], [1.0, 0.0, 0.0], [0.1, 0.1, 0.8]])
PREDICTIONS = {
    "gaussian": Gaussian(MEANS[0], DENSE),
    "shared": Gaussian(MEANS[0], DENSE[0]),
    "diagonal": Gaussian(MEANS[0], Diagonal(RNG.uniform(0.5, 2, (M, P)))),
    "lowrank": Gaussian(MEANS[0], LowRank(np.ones(P), RNG.normal(size=(M, P, 1)))),
    "mixture": Mixture([0.3, 0.7], MEANS, [DENSE, Diagonal(np.full(P, 0.1))]),
    "mixture by point": Mixture(RNG.uniform(size=(2, M)), MEANS, [DENSE, DENSE[1]]),
    "weighted": Weighted(VALUES, WEIGHTS),
    "unweighted": Weighted(VALUES),
    "categorical": Categorical(PI, ["a", "b", "c"]),
}
CONTINUOUS = [name for name in PREDICTIONS if "weighted" not in name and name != "categorical"]
N = 40_000


@pytest.fixture(params=PREDICTIONS, ids=str)
def any_one(request):
    return PREDICTIONS[request.param]


@pytest.fixture(params=CONTINUOUS, ids=str)
def continuous(request):
    return PREDICTIONS[request.param]


def test_shapes(any_one):
    m, p = any_one.m, any_one.p
    y = any_one.mean
    assert any_one.variance.shape == any_one.std.shape == any_one.cdf(y).shape == (m, p)
    assert any_one.cov().batch == (m,)
    assert any_one.cov().p == p
    assert any_one.sample(5, 0).shape == (5, m, p)
    assert any_one.quantile(0.5).shape == (m, p)
    assert any_one.quantile([0.1, 0.5]).shape == (2, m, p)
    np.testing.assert_allclose(any_one.cov().diagonal(), any_one.variance, atol=1e-12)


def test_moments_equal_those_of_draws(any_one):
    draws = any_one.sample(N, 1)
    error = any_one.std / np.sqrt(N)
    assert (np.abs(draws.mean(0) - any_one.mean) <= 5 * error + 1e-12).all()
    centred = draws - any_one.mean
    for i in range(any_one.m):
        products = centred[:, i, :, None] * centred[:, i, None, :]
        slack = 5 * products.std(0) / np.sqrt(N) + 1e-12
        assert (np.abs(products.mean(0) - any_one.cov().dense()[i]) <= slack).all()


def test_cdf_and_quantile_equal_those_of_draws(any_one):
    draws = any_one.sample(N, 2)
    for level in (0.05, 0.5, 0.9):
        y = any_one.quantile(level)
        inside = (draws <= y).mean(0)
        assert (np.abs(inside - any_one.cdf(y)) < 4.5 * np.sqrt(0.25 / N)).all()


def test_quantile_inverts_the_cdf(continuous):
    levels = np.array([1e-6, 0.025, 0.5, 0.975, 1 - 1e-6])
    y = continuous.quantile(levels)
    for level, layer in zip(levels, y, strict=True):
        np.testing.assert_allclose(continuous.cdf(layer), level, rtol=1e-8)
    np.testing.assert_array_equal(continuous.quantile(0.025), y[1])
    np.testing.assert_array_equal(continuous.quantile(1.0), np.inf)
    np.testing.assert_array_equal(continuous.quantile([0.0]), -np.inf)


def test_joint_density_equals_scipys(continuous):
    y = RNG.normal(size=(M, P))
    if isinstance(continuous, Gaussian):
        parts = [(np.ones(M), continuous)]
    else:
        parts = list(zip(continuous.weights, continuous.members, strict=True))
    density = np.zeros(M)
    for weight, part in parts:
        S = part.cov().dense()
        for i in range(M):
            density[i] += weight[i] * stats.multivariate_normal(part.mean[i], S[i]).pdf(y[i])
    np.testing.assert_allclose(continuous.log_prob(y), np.log(density), rtol=1e-10)


def test_marginal_and_projection(any_one):
    R = RNG.normal(size=(4, any_one.p))
    projected, marginal = any_one.project(R), any_one.marginal([1, 0])
    np.testing.assert_allclose(projected.mean, any_one.mean @ R.T, atol=1e-12)
    full = any_one.cov().dense()
    np.testing.assert_allclose(projected.cov().dense(), R @ full @ R.T, atol=1e-10)
    np.testing.assert_allclose(marginal.mean, any_one.mean[:, [1, 0]], atol=1e-14)
    np.testing.assert_allclose(marginal.quantile(0.3), any_one.quantile(0.3)[:, [1, 0]])
    assert any_one.marginal(1).mean.shape == (any_one.m, 1)


def test_noise_adds_to_the_variance_only(any_one):
    noise = np.linspace(0.1, 0.3, any_one.p)
    noisy = any_one.with_noise(noise)
    np.testing.assert_allclose(noisy.mean, any_one.mean, atol=1e-13)
    np.testing.assert_allclose(noisy.variance, any_one.variance + noise, atol=1e-12)
    assert any_one.with_noise(None) is any_one


def test_gaussian_keeps_both_moments(any_one):
    g = any_one.gaussian()
    assert type(g) is Gaussian
    np.testing.assert_allclose(g.mean, any_one.mean)
    np.testing.assert_allclose(g.cov().dense(), any_one.cov().dense(), atol=1e-13)


def test_state_round_trip(any_one):
    again = type(any_one).from_state(any_one.get_state())
    assert again == any_one
    np.testing.assert_array_equal(again.quantile(0.3), any_one.quantile(0.3))


def test_weighted_quantiles_are_numpys():
    w = PREDICTIONS["weighted"]
    for level in (0.0, 0.1, 0.37, 0.5, 0.99, 1.0):
        for i in range(M):
            theirs = np.quantile(
                VALUES[:, i], level, axis=0, weights=WEIGHTS[:, i], method="inverted_cdf"
            )
            np.testing.assert_array_equal(w.quantile(level)[i], theirs)
    equal = Weighted(np.arange(10.0).reshape(10, 1, 1))
    assert equal.quantile(0.3)[0, 0] == 2.0  # 0.1 + 0.1 + 0.1 falls short of 0.3 by rounding
    np.testing.assert_allclose(
        w.mean,
        np.stack([np.average(VALUES[:, i], axis=0, weights=WEIGHTS[:, i]) for i in range(M)]),
    )


def test_the_density_of_draws_is_scipys_kernel_estimate():
    one = Weighted(VALUES[..., :1], WEIGHTS)
    y = np.array([[0.1], [-2.0], [1.0]])
    theirs = [
        stats.gaussian_kde(VALUES[:, i, 0], "silverman", WEIGHTS[:, i]).logpdf(y[i])[0]
        for i in range(M)
    ]
    np.testing.assert_allclose(one.log_prob(y), theirs, rtol=1e-10)


def test_draws_that_are_all_alike_have_no_density():
    flat = Weighted(np.ones((5, 1, 1)))
    with pytest.raises(InputError, match="no density"):
        flat.log_prob([[1.0]])
    np.testing.assert_allclose(
        flat.with_noise([0.25]).log_prob([[1.5]]), stats.norm(1, 0.5).logpdf([1.5])
    )


def test_zero_variance_is_a_step():
    g = Gaussian([[1.0]], Diagonal([[0.0]]))
    assert g.cdf([[0.9]]) == 0
    assert g.cdf([[1.0]]) == 1
    assert g.quantile(0.0) == g.quantile(0.7) == 1.0
    with pytest.raises(InputError, match="zero"):
        g.log_prob([[1.0]])


def test_categorical_scores_labels():
    c = PREDICTIONS["categorical"]
    np.testing.assert_allclose(c.log_prob(["a", "a", "c"]), np.log([0.2, 1.0, 0.8]))
    np.testing.assert_allclose(c.log_prob(np.eye(3)), [np.log(0.2), -np.inf, np.log(0.8)])
    assert c.predicted.tolist() == ["c", "a", "c"]
    np.testing.assert_allclose(c.sample(10, 0).sum(-1), 1.0)
    numbers = Categorical(PI, [3, 1, 2])
    assert Categorical.from_state(numbers.get_state()).predicted.tolist() == [2, 3, 2]
    with pytest.raises(UnknownNameError, match="'d' is not one"):
        c.log_prob(["a", "d", "c"])


@pytest.mark.parametrize(
    ("make", "error", "says"),
    [
        (lambda: Gaussian([1.0], Diagonal([1.0])), ShapeError, "2-D"),
        (lambda: Gaussian([[np.nan]], Diagonal([1.0])), NotFiniteError, "mean"),
        (lambda: Gaussian([[1.0]], Diagonal([1.0, 1.0])), ShapeError, "2 outputs"),
        (lambda: Gaussian([[1.0]], Diagonal([[1.0], [1.0]])), ShapeError, r"batch \(2,\)"),
        (lambda: Gaussian([[1.0]], [[1.0]]), InputError, "must be a Covariance"),
        (lambda: Mixture([1.0], MEANS, [DENSE]), ShapeError, "one covariance for each"),
        (lambda: Mixture([1.0], MEANS, [DENSE, DENSE]), ShapeError, "weights"),
        (lambda: Mixture([1.0, -1.0], MEANS, [DENSE, DENSE]), InputError, "negative"),
        (lambda: Mixture([0.0, 0.0], MEANS, [DENSE, DENSE]), InputError, "positive"),
        (lambda: Weighted([[1.0]]), ShapeError, r"\(s, m, p\)"),
        (lambda: Weighted([[[np.nan]]]), NotFiniteError, "values"),
        (lambda: Categorical([[0.5, 0.6]], ["a", "b"]), InputError, "row 0"),
        (lambda: Categorical([[0.5, 0.5]], ["a", "a"]), ShapeError, "distinct"),
        (lambda: Categorical([[0.5, 0.5]], ["a"]), ShapeError, "2 distinct"),
        (lambda: Categorical([[0.5, 0.5]], ["a", "b"]).log_prob([[1, 1]]), InputError, "single 1"),
        (lambda: PREDICTIONS["gaussian"].quantile(1.2), InputError, "between 0 and 1"),
        (lambda: PREDICTIONS["gaussian"].log_prob([[1.0]]), ShapeError, r"\(3, 2\)"),
        (lambda: PREDICTIONS["gaussian"].cdf(np.zeros((2, 5))), ShapeError, r"\(3, 2\)"),
        (lambda: PREDICTIONS["weighted"].marginal(7), InputError, "0 to 1"),
        (lambda: PREDICTIONS["weighted"].project(np.ones((2, 5))), ShapeError, r"\(q, 2\)"),
        (lambda: Gaussian.from_state({"mean": [[1.0]]}), StateError, "covariance"),
    ],
)
def test_bad_input_is_named(make, error, says):
    with pytest.raises(error, match=says):
        make()
