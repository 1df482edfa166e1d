"""Slopes of the log-posterior against central differences of the same density."""

import inspect
from types import SimpleNamespace

import numpy as np
import pytest
from scipy import stats

import equatorium as eq
from equatorium.errors import InputError, NotFiniteError, ShapeError
from equatorium.history.region import Region
from equatorium.inference.posterior import Posterior
from equatorium.records.space import Parameter, Space


class Curved:
    """A smooth likelihood of two parameters with its gradient."""

    def log_likelihood(self, theta):
        a, b = theta.T
        return -0.5 * (a - b**2) ** 2 - np.cosh(0.3 * a)

    def log_likelihood_and_gradient(self, theta):
        a, b = theta.T
        off = a - b**2
        slope = np.stack([-off - 0.3 * np.sinh(0.3 * a), 2 * b * off], axis=1)
        return self.log_likelihood(theta), slope


def differences(function, x, step=1e-5):
    columns = []
    for j in range(x.shape[1]):
        shift = step * np.eye(x.shape[1])[j]
        columns.append((function(x + shift) - function(x - shift)) / (2 * step))
    return np.stack(columns, axis=1)


def off(posterior, z):
    """Largest error of the slope, relative to the largest slope."""
    value, gradient = posterior.value_and_gradient(z)
    assert value == pytest.approx(posterior.log_prob_normal(z), rel=1e-12, abs=1e-12)
    true = differences(posterior.log_prob_normal, z)
    return np.abs(gradient - true).max() / np.abs(true).max()


SPACES = {
    "flat": [Parameter("a", -1.0, 3.0), Parameter("b", -2.0, 2.0)],
    "log": [Parameter("a", 0.1, 20.0, "log"), Parameter("b", -2.0, 2.0)],
    "curved": [
        Parameter("a", -4.0, 4.0, prior=stats.norm(1.0, 0.7)),
        Parameter("b", 0.2, 30.0, "log", prior=stats.lognorm(0.8)),
    ],
    "far tail": [
        Parameter("a", 6.0, 9.0, prior=stats.norm(0.0, 1.0)),
        Parameter("b", -2.0, 2.0, prior=stats.beta(2, 3, -2, 4)),
    ],
}


@pytest.mark.parametrize("name", SPACES)
def test_the_prior_s_part_is_exact(name):
    z = np.random.default_rng(0).standard_normal((40, 2))
    assert off(Posterior(Space(SPACES[name]), Curved()), z) < 1e-6


def test_bounds_that_depend_on_others():
    space = Space([Parameter("a", 0.1, 3.0), Parameter("b", 0.0, 5.0, above="0.3 * a")])
    z = np.random.default_rng(0).standard_normal((40, 2))
    assert off(Posterior(space, Curved()), z) < 1e-6


def test_a_joint_prior():
    joint = stats.multivariate_normal([0.5, 0.2], [[0.5, 0.3], [0.3, 0.4]]).logpdf
    z = np.random.default_rng(0).standard_normal((40, 2))
    assert off(Posterior(Space(SPACES["curved"]), Curved(), prior=joint), z) < 1e-6
    cut = Posterior(
        Space(SPACES["flat"]), Curved(), prior=lambda t: np.where(t[:, 0] > 0, 0, -np.inf)
    )
    value, gradient = cut.value_and_gradient(z)
    assert (value == cut.log_prob_normal(z)).all()
    assert 5 < (value == -np.inf).sum() < 35
    assert np.isfinite(gradient).all()


def emulated(name="trend-gp", correlated=True, through=True, scale="log", coords=True):
    """Six outputs of three inputs, seen through a response that interpolates."""
    space = Space([Parameter("a", 0.5, 5.0, scale), Parameter("b", -1, 1), Parameter("c", -1, 1)])
    x = np.linspace(0, 1, 6)
    outputs = eq.Outputs([f"y{i}" for i in range(6)], coords={"x": x})
    rng = np.random.default_rng(0)
    theta = space.from_unit(rng.random((30, 3)))
    a, b, c = theta.T[:, :, None]
    Y = np.log(a) * np.cos(x) + b * x + np.sin(2 * c + x) + 0.3 * rng.standard_normal((30, 6))
    emulator = eq.emulator(name, output_correlation=correlated, random_state=0)
    surrogate = eq.Surrogate.fitted(eq.Runs(space, outputs, theta, Y), emulator)
    observation = eq.Observation(
        np.array([0.5, 0.3, 0.1, 0.7]), np.full(4, 0.2), coords={"x": np.array([0, 0.3, 0.55, 1])}
    )
    discrepancy = eq.Discrepancy(0.1, length={"x": 0.5}, shift={"x": 0.05})
    likelihood = eq.GaussianLikelihood(
        surrogate, observation, discrepancy, emulator_covariance=through, override="a test"
    )
    return eq.Posterior(space, likelihood)


@pytest.mark.parametrize("correlated", [True, False])
@pytest.mark.parametrize("through", [True, False])
def test_through_the_emulator_with_the_log_determinant(correlated, through):
    pytest.importorskip("equatorium_gp")
    posterior = emulated(correlated=correlated, through=through)
    z = np.random.default_rng(1).standard_normal((12, 3))
    assert off(posterior, z) < 1e-6


def test_without_the_log_determinant_it_would_be_found_out():
    """The comparison can fail: the slope of the misfit alone is far off where errors are large."""
    pytest.importorskip("equatorium_gp")
    posterior = emulated()
    theta = posterior.space.from_normal(np.random.default_rng(1).standard_normal((12, 3)))
    likelihood = posterior.likelihood
    _, gradient = likelihood.log_likelihood_and_gradient(theta)

    def logdet(t):
        return -0.5 * (likelihood.constant + likelihood.predict(t).covariance).logdet()

    missing = differences(logdet, theta)
    assert np.abs(missing).max() > 1e-3 * np.abs(gradient).max()


def test_chunks_and_points_that_cannot_be_predicted(monkeypatch):
    pytest.importorskip("equatorium_gp")
    posterior = emulated()
    likelihood = posterior.likelihood
    theta = posterior.space.sample(9, 0)
    values, gradient = likelihood.log_likelihood_and_gradient(theta)
    likelihood.chunk = 2
    again = likelihood.log_likelihood_and_gradient(theta)
    assert again[0] == pytest.approx(values, rel=1e-9)
    assert again[1] == pytest.approx(gradient, rel=1e-7)
    inner = type(likelihood).predict

    def predict(self, t):
        if (t == theta[3]).all(axis=1).any():
            raise NotFiniteError("no number")
        return inner(self, t)

    monkeypatch.setattr(type(likelihood), "predict", predict)
    got, slope = posterior.log_likelihood_and_gradient(theta)
    assert got[3] == -np.inf
    assert (slope[3] == 0).all()
    assert posterior.n_nan == 1
    others = np.arange(9) != 3
    assert got[others] == pytest.approx(values[others], rel=1e-9)


def test_where_the_density_is_zero_the_prior_alone_pulls():
    space = Space(SPACES["flat"])
    wall = SimpleNamespace(
        level=lambda theta: 1 + theta[:, 0], surrogate=SimpleNamespace(space=space)
    )
    posterior = Posterior(space, Curved(), Region(space, (wall,)))
    z = np.random.default_rng(0).standard_normal((40, 2))
    value, gradient = posterior.value_and_gradient(z)
    out = space.from_normal(z)[:, 0] > 0
    assert 5 < out.sum() < 35
    assert ((value == -np.inf) == out).all()
    assert (gradient[out] == -z[out]).all()
    assert np.isfinite(gradient).all()


def test_without_a_gradient_the_error_names_another_sampler():
    class Blind:
        def log_likelihood(self, theta):
            return np.zeros(len(theta))

    space = Space(SPACES["flat"])
    with pytest.raises(InputError, match=r"Blind has no method.*emcee"):
        Posterior(space, Blind()).require_gradient()
    with pytest.raises(InputError, match=r"Blind has no method.*emcee"):
        Posterior(space, Blind()).value_and_gradient(np.zeros((1, 2)))


def test_an_emulator_without_a_gradient_is_named(problem):
    with pytest.raises(InputError, match=r"Linear has no capability 'gradient'.*emcee"):
        problem.posterior.require_gradient()


def test_a_likelihood_may_say_why_not():
    class Depends(Curved):
        def why_no_gradient(self):
            return "part two has none"

    with pytest.raises(InputError, match="part two has none"):
        Posterior(Space(SPACES["flat"]), Depends()).require_gradient()


def test_a_gradient_of_another_shape_is_refused():
    class Wrong(Curved):
        def log_likelihood_and_gradient(self, theta):
            return self.log_likelihood(theta), np.zeros(len(theta))

    with pytest.raises(ShapeError, match="log_likelihood_and_gradient of Wrong"):
        Posterior(Space(SPACES["flat"]), Wrong()).value_and_gradient(np.zeros((3, 2)))


def test_the_convention_is_written_down():
    from equatorium.inference import gradient

    assert "log_likelihood_and_gradient" in inspect.getdoc(gradient)


@pytest.mark.parametrize(
    ("rule", "slope"),
    [("log10(a)", lambda a: 1 / (a * np.log(10))), ("sqrt(a)", lambda a: 0.5 / np.sqrt(a))],
)
def test_through_a_derived_parameter_of_one_on_a_log_scale(rule, slope):
    space = Space([Parameter("a", 1e-8, 1.0, "log")], {"x": rule})
    model = eq.ModelFunction(lambda x: x + np.zeros(1), jacobian=lambda x: [1.0])
    likelihood = eq.GaussianLikelihood(model, eq.Observation([0.5], [1.0]))
    theta = np.array([[1e-8], [1.5e-6], [0.3], [1.0]])
    _, gradient = Posterior(space, likelihood).log_likelihood_and_gradient(theta)
    x = np.log10(theta) if rule == "log10(a)" else np.sqrt(theta)
    np.testing.assert_allclose(gradient, (0.5 - x) * slope(theta), rtol=1e-4)
