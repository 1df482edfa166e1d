"""linmix: the integrals over true values by brute force, and calibration with upper limits."""

import numpy as np
import pytest
from scipy import stats

import equatorium as eq
from equatorium.errors import InputError, ShapeError


def integrals(model, values, x, y, C, limit):
    """Density of each point by sums over true x and y, and over measured y below a limit."""
    step = 0.02
    xi = np.arange(-8, 8, step)
    k = model.components
    left, population = 1.0, 0.0
    for j in range(1, k + 1):
        share = left * (values[f"share_{j}"] if j < k else 1.0)
        left -= share
        population = population + share * stats.norm(values[f"mean_{j}"], values[f"std_{j}"]).pdf(
            xi
        )
    line = values["intercept"] + values["slope"] * xi
    eta = line + values["scatter"] * np.linspace(-6, 6, 121)[:, None]
    found = []
    for xo, yo, Co, upper in zip(x, y, C, limit, strict=True):
        own = stats.norm(xi, np.sqrt(Co[0, 0])).pdf(xo)
        mean = eta + Co[0, 1] / Co[0, 0] * (xo - xi)
        given = stats.norm(mean, np.sqrt(Co[1, 1] - Co[0, 1] ** 2 / Co[0, 0]))
        kernel = given.cdf(yo) if upper else given.pdf(yo)
        scatter = stats.norm.pdf(np.linspace(-6, 6, 121))[:, None] * 0.1
        found.append((population * own * (scatter * kernel).sum(axis=0)).sum() * step)
    return np.array(found)


@pytest.mark.parametrize("components", [1, 2, 3])
def test_it_is_the_integral_over_true_values(components):
    rng = np.random.default_rng(components)
    x, y = rng.normal(size=(2, 4))
    C = eq.error_covariance([0.3, 0.5, 0.4, 0.6], [0.4, 0.3, 0.3, 0.5], [0.5, -0.8, 0.0, 0.3])
    limit = np.array([False, False, True, True])
    model = eq.LinMix(x, y, C, components, limit)
    theta = model.space.sample(3, rng)
    theta[:, model.space.index("scatter")] = [0.3, 0.5, 1.0]
    theta[:, model.space.index("std_1")] = [0.3, 0.5, 0.9]
    theta[:, :2] = rng.normal(size=(3, 2))
    for point, each in zip(theta, model.pointwise(theta), strict=True):
        values = {name: value[0] for name, value in model.values(point[None]).items()}
        assert each == pytest.approx(np.log(integrals(model, values, x, y, C, limit)), abs=1e-3)


def test_the_prior_of_the_mixture_does_not_depend_on_numbering():
    x = np.linspace(0, 1, 20)
    model = eq.LinMix(x, x, np.full((20, 2), 0.1), components=3)
    v = model.values(model.space.sample(4000, 0))
    means = np.stack([v["mean_1"], v["mean_2"], v["mean_3"]])
    assert (np.diff(means, axis=0) > 0).all()
    weights = [v["share_1"], (1 - v["share_1"]) * v["share_2"]]
    weights.append(1 - sum(weights))
    for k in range(3):
        # Order statistics of three uniform values; marginals of a flat Dirichlet.
        assert stats.kstest(means[k], stats.beta(k + 1, 3 - k).cdf).pvalue > 1e-3
        assert stats.kstest(weights[k], stats.beta(1, 2).cdf).pvalue > 1e-3


def draw(rng, n):
    """Intercept, slope, scatter, and mean and log sd of the true x."""
    return np.column_stack(
        [rng.normal(size=(n, 2)), rng.uniform(0, 1, n), rng.normal(size=n), rng.uniform(-1, 1, n)]
    )


N = 15
C = eq.error_covariance(np.full(N, 0.7), np.linspace(0.2, 0.5, N), 0.4)
FLOOR = np.linspace(-2, 1, N)


def simulate(truth, rng):
    a, b, scatter, mean, log_std = truth
    xi = mean + np.exp(log_std) * rng.normal(size=N)
    eta = a + b * xi + scatter * rng.normal(size=N)
    root = np.linalg.cholesky(C)
    x, y = np.stack([xi, eta]) + np.einsum("nij,nj->in", root, rng.normal(size=(N, 2)))
    return x, np.maximum(y, FLOOR), y < FLOOR


def fitted(C, limits=True):
    def log_likelihood(data, theta):
        x, y, limit = data
        model = eq.LinMix(x, y, C, 1, limit if limits else None)
        a, b, scatter, mean, log_std = theta.T
        level = a + b * x.mean()  # the prior is of the intercept
        return model.log_likelihood(np.stack([level, b, scatter, mean, np.exp(log_std)], axis=1))

    return log_likelihood


def test_ranks_are_uniform_unless_limits_or_errors_in_x_are_ignored(calibration):
    rng = np.random.default_rng(7)
    truths, prior = draw(rng, 100), draw(rng, 5000)
    ranks = calibration.ranks(truths, simulate, fitted(C), prior, rng)
    assert calibration.uniform_p(ranks).min() > 0.01
    for wrong in (fitted(C * [[1e-6, 0], [0, 1]]), fitted(C, limits=False)):
        ranks = calibration.ranks(truths, simulate, wrong, prior, rng)
        assert calibration.uniform_p(ranks).min() < 1e-4


@pytest.mark.parametrize("components", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_a_slope_that_least_squares_flattens_is_recovered(components):
    rng = np.random.default_rng(11)
    n = 80
    xi = np.where(rng.random(n) < 0.4, rng.normal(-2, 0.4, n), rng.normal(1, 0.8, n))
    x, y = xi + rng.normal(0, 1.0, n), 1 + 0.8 * xi + rng.normal(0, 0.3, n)
    model = eq.LinMix(x, y, np.tile([1.0, 0.0], (n, 1)), components)
    sampler = eq.sampler("emcee", walkers=24, until={"rhat": 1.05, "ess": 200})
    posterior = eq.Posterior(model.space, model)
    starts = eq.annealed_starts(posterior, rng=1)
    draws = sampler.run(posterior, rng=1, starts=starts, progress=False)
    assert draws.converged
    low, high = np.quantile(draws["slope"], [0.005, 0.995])
    assert np.polyfit(x, y, 1)[0] < low < 0.8 < high


def test_bad_input_is_named():
    x = np.arange(5.0)
    e = np.ones((5, 2))
    with pytest.raises(InputError, match="components must be a whole number above 0, not 0"):
        eq.LinMix(x, x, e, components=0)
    with pytest.raises(ShapeError, match="5 times True"):
        eq.LinMix(x, x, e, limit=[1, 0, 0, 0, 1])
    with pytest.raises(ShapeError, match="x must be 1-D"):
        eq.LinMix(np.ones((5, 2)), x, e)
