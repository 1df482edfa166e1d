"""Errors in all variables: a published line, integrals by brute force, and calibration."""

from pathlib import Path

import numpy as np
import pytest
from scipy import stats
from scipy.optimize import minimize

import equatorium as eq
from equatorium.errors import InputError, ShapeError


@pytest.mark.parametrize("scatter", ["vertical", "orthogonal"])
def test_the_published_tully_fisher_line(scatter):
    v, v_err, mag, mag_err, weights = np.loadtxt(Path(__file__).with_name("tully_fisher.txt")).T
    errors = np.column_stack([v_err, mag_err])
    model = eq.Hyperplane(v, mag, errors, scatter=scatter, weights=weights)
    found = minimize(
        lambda theta: -model.log_likelihood(theta[None])[0],
        [mag.mean(), -9.0, 0.05],
        method="Nelder-Mead",
        options={"xatol": 1e-6, "fatol": 1e-8, "maxiter": 2000},
    )
    best = {name: value[0] for name, value in model.values(found.x[None]).items()}
    # Robotham & Obreschkow 2015: slope -9.32, intercept -2.53, vertical scatter 0.22.
    assert best["slope"] == pytest.approx(-9.32, abs=0.005)
    assert best["intercept"] == pytest.approx(-2.53, abs=0.01)
    assert best["scatter_vertical"] == pytest.approx(0.22, abs=0.005)
    ratio = best["scatter_vertical"] / best["scatter_orthogonal"]
    assert ratio == pytest.approx(np.hypot(1, best["slope"]))


def random_covariances(rng, n, size):
    root = 0.3 * rng.normal(size=(n, size, size))
    return root @ root.transpose(0, 2, 1)


def test_it_is_the_integral_over_true_points_in_the_plane():
    rng = np.random.default_rng(0)
    x, C = rng.normal(size=(4, 2)), random_covariances(rng, 4, 3)
    y = 1 + x @ [0.5, -0.8] + 0.3 * rng.normal(size=4)
    model = eq.Hyperplane(x, y, C, scatter="orthogonal")
    theta = np.array([[0.8, 0.4, -0.9, 0.25]])
    # An orthonormal frame of the plane; true points are even in it, and scatter along the normal.
    normal = np.array([-0.4, 0.9, 1.0]) / np.linalg.norm([-0.4, 0.9, 1.0])
    frame = np.linalg.svd(normal[None])[2][1:]
    foot = np.array([*x.mean(axis=0), 0.8])
    step = np.arange(-6, 6, 0.05)
    u = np.stack(np.meshgrid(step, step), axis=-1).reshape(-1, 2)
    expected = [
        stats.multivariate_normal(np.append(xi, yi), Ci + 0.25**2 * np.outer(normal, normal))
        .pdf(foot + u @ frame)
        .sum()
        * 0.05**2
        for xi, yi, Ci in zip(x, y, C, strict=True)
    ]
    assert model.pointwise(theta)[0] == pytest.approx(np.log(expected), abs=1e-6)


def test_axes_may_change_roles(hogg):
    x, y, y_err, x_err, rho = hogg[:, 4:]
    C = eq.error_covariance(x_err, y_err, rho)
    model = eq.Hyperplane(x, y, C, scatter="orthogonal")
    turned = eq.Hyperplane(y, x, C[:, ::-1, ::-1], scatter="orthogonal")
    b, m = 30.0, 2.2
    theta = [[b + m * x.mean(), m, 4.0]]
    other = [[(y.mean() - b) / m, 1 / m, 4.0]]
    assert turned.log_likelihood(other) == pytest.approx(model.log_likelihood(theta), rel=1e-12)


def test_ranks_are_uniform_unless_errors_in_x_are_ignored(calibration):
    rng = np.random.default_rng(5)
    n, C = 12, eq.error_covariance(np.full(12, 0.5), np.linspace(0.2, 0.4, 12), 0.5)
    root = np.linalg.cholesky(C)

    def draw(n):
        return np.column_stack([rng.normal(size=n), rng.normal(0, 0.7, n), rng.uniform(0, 0.5, n)])

    def simulate(truth, rng):
        level, slope, scatter = truth
        along = np.array([1, slope]) / np.hypot(1, slope)
        across = np.array([-slope, 1]) / np.hypot(1, slope)
        true = np.array([0, level]) + np.outer(rng.uniform(-6, 6, n), along)
        true += np.outer(scatter * rng.normal(size=n), across)
        return true + np.einsum("nij,nj->ni", root, rng.normal(size=(n, 2)))

    def fitted(C):
        def log_likelihood(z, theta):
            model = eq.Hyperplane(z[:, 0], z[:, 1], C, scatter="orthogonal")
            # The prior is of the intercept; the model's level is that at the mean of the data.
            level = theta[:, :1] + theta[:, 1:2] * z[:, 0].mean()
            return model.log_likelihood(np.column_stack([level, theta[:, 1:]]))

        return log_likelihood

    truths, prior = draw(150), draw(6000)
    ranks = calibration.ranks(truths, simulate, fitted(C), prior, rng)
    assert calibration.uniform_p(ranks).min() > 0.01
    blind = C * np.array([[0, 0], [0, 1]])
    ranks = calibration.ranks(truths, simulate, fitted(blind), prior, rng)
    assert calibration.uniform_p(ranks).min() < 1e-4


@pytest.mark.slow
def test_a_plane_is_sampled_in_three_lines():
    rng = np.random.default_rng(2)
    true = rng.uniform(-3, 3, (60, 2))
    y = 1 + true @ [0.5, -0.8] + 0.2 * rng.normal(size=60)
    x = true + 0.2 * rng.normal(size=true.shape)
    model = eq.Hyperplane(x, y, np.tile([0.2, 0.2, 0.0], (60, 1)))
    draws = eq.sampler("emcee", walkers=16, until={"rhat": 1.05, "ess": 200}).run(
        eq.Posterior(model.space, model), rng=1, progress=False
    )
    assert draws.converged
    z = (draws.mean - [1 + x.mean(0) @ [0.5, -0.8], 0.5, -0.8, 0.2]) / draws.std
    assert (np.abs(z) < 3).all()
    assert model.space.derived_names == ("intercept", "scatter_orthogonal")


def test_bad_input_is_named():
    x, y, e = np.arange(5.0), np.arange(5.0), np.ones((5, 2))
    with pytest.raises(ShapeError, match=r"standard deviations \(5, 2\) or covariances"):
        eq.Hyperplane(x, y, np.ones(5))
    with pytest.raises(InputError, match="must not be negative"):
        eq.Hyperplane(x, y, -e)
    with pytest.raises(InputError, match=r"that of point 0 .* beyond 1"):
        eq.Hyperplane(x, y, np.tile([[1.0, 2.0], [2.0, 1.0]], (5, 1, 1)))
    with pytest.raises(InputError, match="'vertical' or 'orthogonal', but it is 'radial'"):
        eq.Hyperplane(x, y, e, scatter="radial")
    with pytest.raises(InputError, match="weights must not be negative"):
        eq.Hyperplane(x, y, e, weights=-np.ones(5))
    with pytest.raises(InputError, match=r"correlation must lie in \[-1, 1\], but for point 1"):
        eq.error_covariance(1.0, 1.0, [0.5, 1.5])
    with pytest.raises(ShapeError, match="one value a point"):
        eq.error_covariance([1.0, 2.0], [1.0, 2.0, 3.0])
