"""The heavy-tailed likelihoods against scipy's own t distributions."""

import numpy as np
import pytest
from scipy import stats

import equatorium as eq
from equatorium.errors import InputError

X = np.array([0.0, 0.5, 1.0, 2.0])
Y = np.array([1.1, 1.9, 9.2, 4.7])
ERRORS = np.array([0.1, 0.2, 0.1, 0.3])
LINE = eq.ModelFunction(
    lambda slope, intercept: intercept + slope * X, jacobian=lambda slope, intercept: (X, 1.0)
)
SEEN = eq.Observation(Y, ERRORS, {"x": X})


def points(d, m=7):
    return np.random.default_rng(0).uniform(0.2, 3.0, (m, d))


def differences(function, x, step=1e-6):
    columns = []
    for j in range(x.shape[1]):
        shift = step * np.eye(x.shape[1])[j]
        columns.append((function(x + shift) - function(x - shift)) / (2 * step))
    return np.stack(columns, axis=1)


def test_one_t_over_all_data():
    error = eq.Discrepancy(0.3, length={"x": 1.0})
    likelihood = eq.StudentLikelihood(LINE, SEEN, error, df=3.5)
    S = np.diag(ERRORS**2) + error.covariance(SEEN).dense()
    theta = points(2)
    expected = [stats.multivariate_t(b + a * X, S, df=3.5).logpdf(Y) for a, b in theta]
    assert likelihood.log_likelihood(theta) == pytest.approx(expected, rel=1e-10)


def test_a_t_for_each_datum():
    likelihood = eq.StudentLikelihood(LINE, SEEN, df=3.5, per_datum=True)
    theta = points(2)
    expected = [stats.t(3.5, b + a * X, ERRORS).logpdf(Y).sum() for a, b in theta]
    assert likelihood.log_likelihood(theta) == pytest.approx(expected, rel=1e-10)


@pytest.mark.parametrize("per_datum", [False, True])
def test_the_emulator_s_variance_is_part_of_the_scale(tools, per_datum):
    problem = tools.build(emulator=tools.Linear(0.3, slope=0.5, dense=not per_datum))
    likelihood = eq.StudentLikelihood(
        problem.likelihood.surrogate,
        problem.likelihood.observation,
        override="exact by construction",
        df=5,
        per_datum=per_datum,
    )
    y = likelihood.observation.values
    theta = problem.space.sample(6, 0)
    own = likelihood.predict(theta)
    expected = []
    for mean, S in zip(own.mean, own.cov().dense() + 0.25 * np.eye(5), strict=True):
        if per_datum:
            expected.append(stats.t(5, mean, np.sqrt(np.diag(S))).logpdf(y).sum())
        else:
            expected.append(stats.multivariate_t(mean, S, df=5).logpdf(y))
    assert likelihood.log_likelihood(theta) == pytest.approx(expected, rel=1e-10)
    bare = eq.StudentLikelihood(
        problem.likelihood.surrogate,
        likelihood.observation,
        override="exact by construction",
        emulator_covariance=False,
        df=5,
    )
    assert np.abs(bare.log_likelihood(theta) / expected - 1).max() > 0.01


@pytest.mark.parametrize("per_datum", [False, True])
def test_gradient_with_free_degrees_of_freedom_and_jitter(per_datum):
    likelihood = eq.StudentLikelihood(
        LINE, SEEN, free={"df": "nu", "jitter": "s"}, per_datum=per_datum
    )
    assert likelihood.names == ("slope", "intercept", "s", "nu")
    theta = points(4)
    values, gradient = likelihood.log_likelihood_and_gradient(theta)
    assert values == pytest.approx(likelihood.log_likelihood(theta), rel=1e-12)
    true = differences(likelihood.log_likelihood, theta)
    assert gradient == pytest.approx(true, rel=1e-6, abs=1e-6 * np.abs(true).max())


@pytest.mark.parametrize("per_datum", [False, True])
def test_gradient_through_an_emulator(per_datum):
    pytest.importorskip("equatorium_gp")
    space = eq.Space([eq.Parameter("a", -1, 1), eq.Parameter("b", 1, 9, "log")])
    outputs = eq.Outputs(["y0", "y1", "y2"])
    theta = space.sample(25, 0)
    Y = np.stack([np.sin(2 * theta[:, 0]), theta[:, 0] * theta[:, 1], np.log(theta[:, 1])], axis=1)
    Y += 0.2 * np.random.default_rng(3).standard_normal(Y.shape)
    emulator = eq.emulator("trend-gp", output_correlation=not per_datum, random_state=0)
    surrogate = eq.Surrogate.fitted(eq.Runs(space, outputs, theta, Y), emulator)
    likelihood = eq.StudentLikelihood(
        surrogate,
        eq.Observation([0.3, 1.0, 4.0], [0.1, 0.2, 0.1], names=outputs.names),
        override="test",
        df=2,
        per_datum=per_datum,
    )
    x = space.from_unit(np.random.default_rng(1).uniform(0.1, 0.9, (5, 2)))
    _, gradient = likelihood.log_likelihood_and_gradient(x)
    true = differences(likelihood.log_likelihood, x)
    assert gradient == pytest.approx(true, rel=1e-4, abs=1e-5 * np.abs(true).max())


def test_an_outlier_pulls_less():
    """The third point is off by 60 sigma: the Gaussian mode follows it, the other does not."""
    slope, intercept = np.meshgrid(np.linspace(-1, 6, 141), np.linspace(0, 3, 61))
    theta = np.stack([slope.ravel(), intercept.ravel()], axis=1)
    robust = eq.StudentLikelihood(LINE, SEEN, df=2, per_datum=True).log_likelihood(theta)
    gauss = eq.GaussianLikelihood(LINE, SEEN).log_likelihood(theta)
    good = [0, 1, 3]
    expected = np.polyfit(X[good], Y[good], 1, w=1 / ERRORS[good])[0]
    assert abs(theta[robust.argmax(), 0] - expected) < 0.15
    assert abs(theta[gauss.argmax(), 0] - expected) > 0.6


def test_wrong_options_say_what_is_wrong():
    for df in (None, 0, -1, "3"):
        with pytest.raises(InputError, match="positive number"):
            eq.StudentLikelihood(LINE, SEEN, df=df)
    with pytest.raises(InputError, match="free parameter 'nu'"):
        eq.StudentLikelihood(LINE, SEEN, df=3, free={"df": "nu"})
    with pytest.raises(InputError, match=r"independent.*per_datum=False"):
        eq.StudentLikelihood(LINE, SEEN, eq.Discrepancy(0.1, length={"x": 1}), df=3, per_datum=True)
    with pytest.raises(TypeError, match="chunks"):
        eq.StudentLikelihood(LINE, SEEN, df=3, chunks=3)
