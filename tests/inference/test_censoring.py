"""Upper and lower limits against scipy's normal cdfs, of one and of several variables."""

import numpy as np
import pytest
from scipy import stats

import equatorium as eq
from equatorium.errors import InputError
from equatorium.history.implausibility import Implausibility
from equatorium.inference.censoring import log_orthant
from equatorium.records.covariance import Dense, Diagonal, LowRank

LIMIT = [0, -1, 0, 1, -1]
VALUES = np.array([0.3, 0.5, -0.2, -0.4, 1.0])
ERRORS = np.array([0.3, 0.2, 0.4, 0.3, 0.5])
MODEL = eq.ModelFunction(
    lambda a, b: a + b * np.arange(5.0), jacobian=lambda a, b: (1.0, np.arange(5.0))
)
THETA = np.random.default_rng(0).uniform(-0.5, 0.5, (6, 2))


def likelihood(covariance, limit=LIMIT):
    return eq.GaussianLikelihood(MODEL, eq.Observation(VALUES, covariance, limit=limit))


def test_independent_limits_are_normal_cdfs():
    expected = []
    for mean in MODEL(THETA):
        normal = stats.norm(mean, ERRORS)
        terms = np.where(LIMIT, normal.logcdf(VALUES), normal.logpdf(VALUES))
        terms[3] = normal.logsf(VALUES)[3]
        expected.append(terms.sum())
    assert likelihood(ERRORS).log_likelihood(THETA) == pytest.approx(expected, rel=1e-12)


SHARED = np.outer([0.3, 0.2, -0.3, 0.2, 0.4], [1.0])


@pytest.mark.parametrize(
    "covariance", [Dense(np.diag(ERRORS**2) + SHARED @ SHARED.T), LowRank(ERRORS**2, SHARED)]
)
def test_correlated_limits_are_conditioned_on_the_measured_data(covariance):
    S = covariance.dense()
    seen, bound, sign = [0, 2], [1, 3, 4], np.array([-1, 1, -1])
    gain = np.linalg.solve(S[np.ix_(seen, seen)], S[np.ix_(seen, bound)]).T
    given = S[np.ix_(bound, bound)] - gain @ S[np.ix_(seen, bound)]
    found = likelihood(covariance).log_likelihood(THETA)
    for mean, value in zip(MODEL(THETA), found, strict=True):
        r = VALUES - mean
        density = stats.multivariate_normal(np.zeros(2), S[np.ix_(seen, seen)]).logpdf(r[seen])
        b = sign * (gain @ r[seen] - r[bound])
        tail = stats.multivariate_normal(
            np.zeros(3), given * np.outer(sign, sign), maxpts=10**5, abseps=0, releps=1e-4
        ).cdf(b, rng=np.random.default_rng(0))
        assert value == pytest.approx(density + np.log(tail), abs=3e-3)


def test_one_limit_beside_correlated_data_is_exact():
    """Its probability is the integral of the density over the datum."""
    S = Dense(np.diag(ERRORS**2) + SHARED @ SHARED.T)
    found = likelihood(S, [0, 0, 0, 0, -1]).log_likelihood(THETA)
    y = np.linspace(-9, VALUES[4], 4001)
    for theta, value in zip(THETA, found, strict=True):
        normal = stats.multivariate_normal(MODEL([theta])[0], S.dense())
        points = np.column_stack([np.tile(VALUES[:4], (len(y), 1)), y])
        assert value == pytest.approx(np.log(np.trapezoid(normal.pdf(points), y)), abs=1e-5)


def test_nothing_but_limits():
    S = Dense(np.diag(ERRORS**2) + SHARED @ SHARED.T)
    found = likelihood(S, [-1] * 5).log_likelihood(THETA)
    for mean, value in zip(MODEL(THETA), found, strict=True):
        normal = stats.multivariate_normal(mean, S.dense(), maxpts=10**5, abseps=0, releps=1e-4)
        expected = normal.logcdf(VALUES, rng=np.random.default_rng(0))
        assert value == pytest.approx(expected, abs=5e-3)


def test_orthants_have_known_probabilities():
    """Of two: 1/4 + arcsin(rho) / 2 pi; of ten with correlation 1/2: 1/11 (Genz 1992)."""
    two = log_orthant(np.zeros((1, 2)), np.array([[1.0, 0.7], [0.7, 1.0]]))
    assert np.exp(two[0]) == pytest.approx(0.25 + np.arcsin(0.7) / (2 * np.pi), rel=1e-3)
    ten = log_orthant(np.zeros((1, 10)), 0.5 * np.eye(10) + 0.5)
    assert np.exp(ten[0]) == pytest.approx(1 / 11, rel=1e-2)


def test_far_beyond_its_limit_a_model_still_has_a_finite_likelihood():
    far = likelihood(ERRORS, [0, -1, -1, -1, -1]).log_likelihood([[40.0, 0.0], [80.0, 0.0]])
    assert np.isfinite(far).all()
    assert far[1] < far[0] < -1e4
    S = Dense(np.diag(ERRORS**2) + SHARED @ SHARED.T)
    assert np.isfinite(likelihood(S, [-1] * 5).log_likelihood([[40.0, 0.0]])).all()


def test_emulator_covariance_counts_for_limits_too(tools):
    problem = tools.build(emulator=tools.Linear(0.3, slope=0.2))
    y = problem.likelihood.observation
    seen = eq.Observation(y.values, y.covariance, names=y.names, limit=[0, 0, 1, 0, -1])
    found = eq.GaussianLikelihood(problem.likelihood.surrogate, seen, override="exact")
    theta = problem.space.sample(4, 0)
    own = found.predict(theta)
    normal = stats.norm(own.mean, np.sqrt(own.variance + 0.25))
    expected = normal.logpdf(y.values)
    expected[:, 2], expected[:, 4] = (
        normal.logsf(y.values)[:, 2],
        normal.logcdf(y.values)[:, 4],
    )
    assert found.log_likelihood(theta) == pytest.approx(expected.sum(axis=1), rel=1e-10)


COVARIANCES = {
    "independent": Diagonal(ERRORS**2),
    "correlated": Dense(np.diag(ERRORS**2) + SHARED @ SHARED.T),
}


@pytest.mark.parametrize("covariance", COVARIANCES)
@pytest.mark.parametrize("limit", [LIMIT, [-1] * 5, [0, 0, 1, 0, 0]])
@pytest.mark.parametrize("free", [{}, {"jitter": "s"}])
def test_the_gradient_is_that_of_the_number(covariance, limit, free, differences):
    seen = eq.Observation(VALUES, COVARIANCES[covariance], limit=limit)
    found = eq.GaussianLikelihood(MODEL, seen, free=free)
    theta = np.column_stack([THETA, np.full(6, 0.2)])[:, : len(found.names)]
    values, gradient = found.log_likelihood_and_gradient(theta)
    assert values == pytest.approx(found.log_likelihood(theta), rel=1e-10)
    true = differences(found.log_likelihood, theta)
    assert gradient == pytest.approx(true, rel=1e-6, abs=1e-6 * np.abs(true).max())


def test_the_gradient_through_an_emulator_whose_covariance_is_dense(differences):
    pytest.importorskip("equatorium_gp")
    space = eq.Space([eq.Parameter("a", -1, 1), eq.Parameter("b", 1, 9, "log")])
    theta = space.sample(25, 0)
    Y = np.stack([np.sin(2 * theta[:, 0]), theta.prod(axis=1), np.log(theta[:, 1])], axis=1)
    Y += 0.2 * np.random.default_rng(3).standard_normal(Y.shape)
    runs = eq.Runs(space, eq.Outputs(["y0", "y1", "y2"]), theta, Y)
    surrogate = eq.Surrogate.fitted(runs, eq.emulator("trend-gp", random_state=0))
    seen = eq.Observation(
        [0.3, 1.0, 4.0], [0.1, 0.2, 0.1], names=runs.outputs.names, limit=[0, -1, 1]
    )
    found = eq.GaussianLikelihood(surrogate, seen, override="test")
    x = space.from_unit(np.random.default_rng(1).uniform(0.1, 0.9, (5, 2)))
    _, gradient = found.log_likelihood_and_gradient(x)
    true = differences(found.log_likelihood, x)
    assert gradient == pytest.approx(true, rel=1e-4, abs=1e-5 * np.abs(true).max())


def test_no_other_family_takes_limits():
    with pytest.raises(InputError, match=r"StudentLikelihood does not know.*GaussianLikelihood"):
        eq.StudentLikelihood(MODEL, eq.Observation(VALUES, ERRORS, limit=LIMIT), df=3)


def test_history_matching_counts_the_wrong_side_only(tools):
    problem = tools.build()
    y = problem.likelihood.observation
    theta = problem.space.sample(20, 0)
    limit = [0, 1, 1, -1, -1]
    seen = eq.Observation(y.values, y.covariance, names=y.names, limit=limit)
    free = Implausibility(problem.likelihood.surrogate, y)(theta)
    found = Implausibility(problem.likelihood.surrogate, seen)(theta)
    above = problem.likelihood.predict(theta).mean > y.values
    allowed = np.where(np.array(limit) == 1, above, ~above) & (np.array(limit) != 0)
    assert found == pytest.approx(np.where(allowed, 0.0, free))
    assert 10 < allowed.sum() < 70


# -- the record ----------------------------------------------------------------------------


def test_limits_go_with_their_data_and_into_files(tmp_path):
    seen = eq.Observation(VALUES, ERRORS, {"x": np.arange(5.0)}, limit=LIMIT)
    assert seen.subset([4, 0, 3]).limit == (-1, 0, 1)
    assert seen.select(x=(0, 0.5)).limit is None
    seen.write(tmp_path / "seen.ecsv")
    assert eq.Observation.read(tmp_path / "seen.ecsv") == seen
    eq.save(tmp_path / "seen.h5", seen)
    assert eq.load(tmp_path / "seen.h5") == seen
    (tmp_path / "hand.csv").write_text("name,value,error,limit\nOI,1.0,0.1,0\nOII,2.0,0.5,-1\n")
    assert eq.Observation.read(tmp_path / "hand.csv").limit == (0, -1)


def test_without_limits_the_state_is_what_it_was():
    plain = eq.Observation(VALUES, ERRORS)
    assert "limit" not in plain.get_state()
    assert eq.Observation.from_state(plain.get_state()) == plain
    assert eq.Observation(VALUES, ERRORS, limit=np.zeros(5)) == plain
    assert plain != eq.Observation(VALUES, ERRORS, limit=LIMIT)


@pytest.mark.parametrize("limit", [[0, 1], [0, 1, 2, 0, 0], ["<"] * 5, [np.nan] * 5])
def test_wrong_limits_are_refused(limit):
    with pytest.raises(InputError, match="limit"):
        eq.Observation(VALUES, ERRORS, limit=limit)


def test_cross_is_a_part_of_the_matrix():
    rng = np.random.default_rng(0)
    F = rng.standard_normal((3, 6, 2))
    variance = rng.random((3, 6)) + 0.1
    for S in (Diagonal(variance), LowRank(variance, F), Dense(F @ F.swapaxes(1, 2) + np.eye(6))):
        part = S.cross([4, 0], [0, 1, 5])
        assert part == pytest.approx(S.dense()[:, [4, 0]][:, :, [0, 1, 5]])


def test_dot_is_the_product_with_the_matrix():
    rng = np.random.default_rng(0)
    F, r = rng.standard_normal((3, 6, 2)), rng.standard_normal((3, 6))
    variance = rng.random((3, 6)) + 0.1
    for S in (Diagonal(variance), LowRank(variance, F), Dense(F @ F.swapaxes(1, 2) + np.eye(6))):
        assert S.dot(r) == pytest.approx(np.einsum("mij,mj->mi", S.dense(), r))


def test_many_points_are_integrated_piece_by_piece(monkeypatch):
    found = likelihood(COVARIANCES["correlated"])
    values, gradient = found.log_likelihood_and_gradient(THETA)
    monkeypatch.setattr("equatorium.inference.censoring._HELD", 4000)
    again = found.log_likelihood_and_gradient(THETA)
    assert found.log_likelihood(THETA) == pytest.approx(values, rel=1e-12)
    assert again[0] == pytest.approx(values, rel=1e-12)
    assert again[1] == pytest.approx(gradient, rel=1e-9)


def test_one_limit_far_above_the_model_leaves_a_gradient():
    """Its probability is one to rounding: only the measured data pull."""
    seen = eq.Observation([0.3, 0.2, 500.0], 0.04 * np.eye(3) + 0.05, limit=[0, 0, -1])
    model = eq.ModelFunction(lambda a: a + np.zeros(3), jacobian=lambda a: (1.0,))
    found = eq.GaussianLikelihood(model, seen)
    alone = eq.GaussianLikelihood(
        eq.ModelFunction(lambda a: a + np.zeros(2), jacobian=lambda a: (1.0,)), seen.subset([0, 1])
    )
    theta = np.array([[0.1], [0.7]])
    for ours, true in zip(
        *(k.log_likelihood_and_gradient(theta) for k in (found, alone)), strict=True
    ):
        assert ours == pytest.approx(true, rel=1e-10)


@pytest.mark.parametrize(
    ("covariance", "message"),
    [
        (np.array([0.1, 0.0, 0.2, 0.3, 0.1]), "variance of output 1 is zero"),
        (np.array([0.0, 0.1, 0.2, 0.3, 0.1]), "variance of output 0 is zero"),
        (np.kron(np.diag([1.0, 0.0]), np.ones((5, 5)))[:5, :5] + np.diag([0, 1, 0, 1, 1]), "not"),
    ],
)
def test_value_and_gradient_refuse_data_without_errors_alike(covariance, message):
    found = likelihood(covariance)
    for ask in (found.log_likelihood, found.log_likelihood_and_gradient):
        with pytest.raises(InputError, match=message):
            ask(THETA)
