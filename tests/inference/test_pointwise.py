"""Densities of single data given the others, of every family, against ratios of known densities."""

import numpy as np
import pytest
from scipy import stats

import equatorium as eq
from equatorium.errors import InputError, NotFiniteError
from equatorium.inference.draws import Draws
from equatorium.inference.information import waic
from equatorium.inference.pointwise import pointwise_log_likelihood
from equatorium.records.covariance import Dense, Diagonal

Y = np.array([0.3, -0.5, 1.4])
S = np.array([[1.0, 0.5, 0.2], [0.5, 2.0, -0.3], [0.2, -0.3, 0.7]])
THETA = np.array([[0.0, 0.0], [0.8, -1.0]])
LINE = eq.ModelFunction(lambda a, b: a + b * np.arange(3.0))
OTHERS = [np.delete(np.arange(3), i) for i in range(3)]


def seen(limit=None):
    return eq.Observation(Y, covariance=S, limit=limit)


def ratios(log_density):
    """Log p(all) - log p(all but i) at each of the points."""
    every = np.arange(3)
    return [
        [log_density(mean, every) - log_density(mean, o) for o in OTHERS] for mean in LINE(THETA)
    ]


def test_students_t_over_all_data():
    def log_density(mean, kept):
        return stats.multivariate_t(mean[kept], S[np.ix_(kept, kept)], df=3.5).logpdf(Y[kept])

    found = eq.StudentLikelihood(LINE, seen(), df=3.5).pointwise(THETA)
    np.testing.assert_allclose(found, ratios(log_density), rtol=1e-10)


def test_students_t_of_each_datum():
    data = eq.Observation(Y, np.sqrt(np.diag(S)))
    found = eq.StudentLikelihood(LINE, data, df=3.5, per_datum=True).pointwise(THETA)
    exact = stats.t(3.5, LINE(THETA), np.sqrt(np.diag(S))).logpdf(Y)
    np.testing.assert_allclose(found, exact, rtol=1e-10)


def test_students_t_of_each_datum_takes_no_correlated_emulator():
    """As `log_likelihood`, which says why."""
    data = eq.Observation(Y, np.sqrt(np.diag(S)))
    likelihood = eq.StudentLikelihood(LINE, data, df=3.5, per_datum=True)
    likelihood.predict = lambda theta: eq.Gaussian(LINE(theta), Dense(np.stack([S, S])))
    for of_points in (likelihood.log_likelihood, likelihood.pointwise):
        with pytest.raises(InputError, match="must be independent"):
            of_points(THETA)


def test_limits_of_independent_data():
    limit, std = np.array([1, 0, -1]), np.sqrt(np.diag(S))
    likelihood = eq.GaussianLikelihood(LINE, eq.Observation(Y, std, limit=limit))
    law = stats.norm(LINE(THETA), std)
    exact = np.where(limit == 0, law.logpdf(Y), np.where(limit > 0, law.logsf(Y), law.logcdf(Y)))
    np.testing.assert_allclose(pointwise_log_likelihood(likelihood, THETA), exact, rtol=1e-10)


@pytest.mark.parametrize("limit", [[0, 0, -1], [1, 0, -1]])
def test_limits(limit):
    """Measured data by their density, limits by scipy's integral given those."""
    limit = np.array(limit)

    def log_density(mean, kept):
        bound, given = kept[limit[kept] != 0], kept[limit[kept] == 0]
        r = (Y - mean)[given]
        inside = S[np.ix_(given, given)]
        value = stats.multivariate_normal(cov=inside).logpdf(r) if given.size else 0.0
        if not bound.size:
            return value
        across = np.linalg.solve(inside, S[np.ix_(given, bound)]) if given.size else 0.0
        shift = mean[bound] + (r @ across if given.size else 0.0)
        cov = S[np.ix_(bound, bound)] - (S[np.ix_(bound, given)] @ across if given.size else 0.0)
        sign = -limit[bound]  # an upper limit: the value is below it
        point, cov = sign * (Y[bound] - shift), cov * np.outer(sign, sign)
        return value + np.log(stats.multivariate_normal(cov=cov).cdf(point))

    likelihood = eq.GaussianLikelihood(LINE, seen(limit))
    found = pointwise_log_likelihood(likelihood, THETA)
    np.testing.assert_allclose(found, ratios(log_density), atol=2e-3)


def counts(latent, n=(4, 0, 30)):
    data = eq.Observation(np.array(n, dtype=float), np.zeros(3))
    return eq.PoissonLikelihood(LINE, data, exposure=[2.0, 1.0, 20.0], extra=latent)


def test_counts_of_independent_latents():
    likelihood = counts(Diagonal([0.3, 0.2, 0.1]))
    found = likelihood.pointwise(THETA)
    np.testing.assert_allclose(found.sum(axis=1), likelihood.log_likelihood(THETA), rtol=1e-12)
    f = np.linspace(-8, 8, 4001)
    for row, mean in zip(found, LINE(THETA), strict=True):
        for i, (n, exposure, v) in enumerate([(4, 2, 0.3), (0, 1, 0.2), (30, 20, 0.1)]):
            weight = stats.norm(mean[i], np.sqrt(v)).pdf(f)
            exact = np.trapezoid(stats.poisson(exposure * np.exp(f)).pmf(n) * weight, f)
            assert row[i] == pytest.approx(np.log(exact), abs=1e-6)


def test_counts_of_correlated_latents():
    """Laplace beside a grid of three latents; independence, the wrong twin, is far off."""
    cov = 0.25 * np.array([[1.0, 0.9, 0.8], [0.9, 1.0, 0.9], [0.8, 0.9, 1.0]])
    likelihood = counts(Dense(cov))
    mean = LINE(THETA)[0]
    axis = np.linspace(-3.0, 3.0, 121)
    f = np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), axis=-1)
    law = [stats.poisson(e * np.exp(axis)).pmf(n) for n, e in [(4, 2), (0, 1), (30, 20)]]
    prior = stats.multivariate_normal(mean, cov).pdf(f)
    whole = np.einsum("ijk,i,j,k->", prior, *law)
    without = [
        np.einsum("ijk,j,k->", prior, law[1], law[2]),
        np.einsum("ijk,i,k->", prior, law[0], law[2]),
        np.einsum("ijk,i,j->", prior, law[0], law[1]),
    ]
    exact = np.log(whole / np.array(without))
    found = likelihood.pointwise(THETA[:1])[0]
    np.testing.assert_allclose(found, exact, atol=0.06)
    alone = counts(Diagonal(np.diag(cov))).pointwise(THETA[:1])[0]
    assert np.abs(alone - exact).max() > 0.3


def test_joint_data_are_named_by_their_part():
    near = eq.GaussianLikelihood(LINE, eq.Observation(Y, np.ones(3), names=["x", "y", "z"]))
    joint = eq.JointLikelihood({"near": near, "counts": counts(Diagonal([0.3, 0.2, 0.1]))})
    found = joint.pointwise(THETA)
    np.testing.assert_array_equal(found[:, :3], pointwise_log_likelihood(near, THETA))
    np.testing.assert_array_equal(found[:, 3:], joint.parts["counts"].pointwise(THETA))
    left_out = eq.leave_one_out(draws(joint.names), joint)
    assert left_out.labels == (
        "near: x",
        "near: y",
        "near: z",
        "counts: 0",
        "counts: 1",
        "counts: 2",
    )


def draws(names, x=None):
    if x is None:
        x = np.random.default_rng(0).normal(0.0, 0.1, (4, 50, 8, len(names)))
    return Draws(names, x, np.zeros(x.shape[:3]))


def test_a_rate_of_counts_is_left_out_as_conjugacy_says():
    """A rate with a prior flat in its logarithm: the count left out is negative binomial."""
    n = np.array([3.0, 8.0, 5.0, 4.0, 7.0, 6.0, 2.0, 9.0])
    level = eq.ModelFunction(lambda log_rate: log_rate + np.zeros(8))
    likelihood = eq.PoissonLikelihood(level, eq.Observation(n, np.zeros(8)))
    rate = np.random.default_rng(0).gamma(n.sum(), 1 / 8, (4, 500, 8, 1))
    found = eq.leave_one_out(draws(("log_rate",), np.log(rate)), likelihood, 16_000)
    exact = [stats.nbinom(n.sum() - own, 7 / 8).logpmf(own) for own in n]
    assert not found.unreliable
    np.testing.assert_allclose(found.pointwise, exact, atol=0.02)
    assert waic(draws(("log_rate",), np.log(rate)), likelihood).elpd == pytest.approx(
        sum(exact), abs=0.15
    )


WILD = eq.ModelFunction(lambda a, b: np.where(a > 0.5, np.inf, 1.0) * (a + b * np.arange(3.0)))


@pytest.mark.parametrize("kind", ["gaussian", "limits", "student", "counts", "joint"])
def test_points_without_a_finite_prediction_are_nan(kind):
    """As of `log_likelihood`, of every family alike; the other points keep their numbers."""
    n = np.array([4.0, 0.0, 30.0])
    likelihood = {
        "gaussian": lambda m: eq.GaussianLikelihood(m, seen()),
        "limits": lambda m: eq.GaussianLikelihood(m, seen([0, 0, -1])),
        "student": lambda m: eq.StudentLikelihood(m, seen(), df=3.5),
        "counts": lambda m: eq.PoissonLikelihood(m, eq.Observation(n, np.zeros(3))),
        "joint": lambda m: eq.JointLikelihood({"one": eq.GaussianLikelihood(m, seen())}),
    }[kind]
    found = pointwise_log_likelihood(likelihood(WILD), THETA)
    assert np.isnan(likelihood(WILD).log_likelihood(THETA)).tolist() == [False, True]
    assert np.isnan(found[1]).all()
    exact = pointwise_log_likelihood(likelihood(LINE), THETA)[0]
    np.testing.assert_allclose(found[0], exact, rtol=1e-12)
    of_draws = draws(("a", "b"), np.tile(THETA, (4, 10, 2, 1)))
    for check in (eq.leave_one_out, waic):
        with pytest.raises(NotFiniteError, match=r"Of 160 draws, 80 .* first at \[0.8, -1.0\]"):
            check(of_draws, likelihood(WILD))
