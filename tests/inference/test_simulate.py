"""Data of each family: moments by scipy, and ranks that are uniform over many truths."""

import pickle

import numpy as np
import pytest
from scipy import stats
from scipy.special import expit

import equatorium as eq
from equatorium.errors import InputError, ShapeError
from equatorium.inference.replicate import Replicate
from equatorium.records.covariance import Dense, Diagonal

X = np.array([0.0, 1.0, 2.0])
MODEL = eq.ModelFunction(lambda a, b: a + b * X)
THETA = np.array([0.5, 0.4])
SHARED = Dense(0.02 * np.eye(3) + 0.03)
N = 4000


def many(likelihood, theta=THETA, n=N, **options):
    rng = np.random.default_rng(0)
    return np.array([likelihood.simulate(theta, rng, **options) for _ in range(n)])


def seen(errors):
    return eq.Observation(np.ones(3), np.full(3, errors), {"x": X})


def test_counts_are_dispersed_by_their_latents():
    """Moments of Poisson counts with log-normal rates are known in closed form."""
    y = many(eq.PoissonLikelihood(MODEL, seen(0.0), exposure=4.0, extra=SHARED))
    mean = 4 * np.exp(MODEL(THETA[None])[0] + 0.025)
    S = np.diag(mean) + np.outer(mean, mean) * np.expm1(SHARED.dense())
    assert (y == np.round(y)).all()
    assert y.mean(axis=0) == pytest.approx(mean, rel=5 * np.sqrt(S.max() / N) / mean.min())
    assert np.cov(y.T) == pytest.approx(S, abs=6 * S.max() * np.sqrt(2 / N))
    assert np.abs(S - np.diag(mean)).max() > 6 * S.max() * np.sqrt(2 / N)  # without latents


def test_successes_are_binomial():
    trials = np.array([5, 10, 20])
    y = many(eq.BinomialLikelihood(MODEL, seen(0.0), trials=trials))
    p = expit(MODEL(THETA[None])[0])
    for column, law in zip(
        y.T, (stats.binom(n, q) for n, q in zip(trials, p, strict=True)), strict=True
    ):
        assert column.mean() == pytest.approx(law.mean(), abs=5 * law.std() / np.sqrt(N))
        assert column.var() == pytest.approx(law.var(), rel=6 * np.sqrt(2 / N))


@pytest.mark.parametrize("per_datum", [False, True])
def test_student_s_t_of_each_datum_or_of_all(per_datum):
    extra = Diagonal(np.full(3, 0.2**2))
    y = many(eq.StudentLikelihood(MODEL, seen(0.3), extra=extra, df=5, per_datum=per_datum))
    scale = np.hypot(0.3, 0.2)
    z = (y - MODEL(THETA[None])[0]) / scale
    for column in z.T:
        assert stats.kstest(column, stats.t(5).cdf).pvalue > 0.001
    # One chi-squared for all: squares go together.
    together = np.corrcoef(np.abs(z).T)[0, 1]
    assert together < 0.06 if per_datum else together > 0.1


def test_what_a_simulator_gives_takes_the_prediction_s_place():
    clean = np.array([1.0, 2.0, 3.0])
    y = many(
        eq.GaussianLikelihood(MODEL, seen(0.3), eq.Discrepancy(0.4, diagonal=True)), clean=clean
    )
    assert y.mean(axis=0) == pytest.approx(clean, abs=5 * 0.5 / np.sqrt(N))
    assert y.var(axis=0) == pytest.approx(np.full(3, 0.25), rel=6 * np.sqrt(2 / N))
    with pytest.raises(ShapeError, match="clean data"):
        eq.GaussianLikelihood(MODEL, seen(0.3)).simulate(THETA, 0, clean=[1.0])


def limited():
    seen = eq.Observation(np.ones(3), np.full(3, 0.3), limit=[0, 0, -1])
    return eq.GaussianLikelihood(MODEL, seen)


def test_limits_cannot_be_drawn():
    with pytest.raises(InputError, match="limits"):
        limited().simulate(THETA, 0)


def test_rates_beyond_numpy_s_are_normal():
    y = many(eq.PoissonLikelihood(MODEL, seen(0.0), exposure=1e20), np.zeros(2))
    assert y.mean() == pytest.approx(1e20, abs=5e10 / np.sqrt(y.size))
    assert y.var() == pytest.approx(1e20, rel=6 * np.sqrt(2 / y.size))
    assert np.isfinite(eq.PoissonLikelihood(MODEL, seen(0.0)).simulate([2000.0, 0.0], 0)).all()


@pytest.mark.parametrize("theta", [0.5, [THETA], [0.5], ["a", "b"], [0.5, np.nan]])
def test_points_that_are_none_are_refused(theta):
    for likelihood in (eq.GaussianLikelihood(MODEL, seen(0.3)), joint()):
        with pytest.raises(InputError, match=r"theta \(a, b\) must"):
            likelihood.simulate(theta, 0)


def test_no_data_have_negative_degrees_of_freedom():
    student = eq.StudentLikelihood(MODEL, seen(0.3), free={"df": "nu"})
    for ask in (
        lambda theta: student.simulate(theta, 0),
        lambda theta: student.log_likelihood([theta]),
    ):
        with pytest.raises(InputError, match=r"no -1 degrees of freedom.*'nu'"):
            ask([*THETA, -1.0])


# -- several data sets -------------------------------------------------------------------------


def joint():
    rate = eq.ModelFunction(lambda a: a + np.zeros(2))
    counts = eq.PoissonLikelihood(rate, eq.Observation([4, 6], [0, 0]), exposure=3.0)
    return eq.JointLikelihood({"values": eq.GaussianLikelihood(MODEL, seen(0.3)), "counts": counts})


def test_data_of_all_parts_follow_each_other():
    both = joint()
    y = both.simulate(THETA, 1)
    other = both.with_data(y)
    assert np.concatenate([part.observation.values for part in other.parts.values()]) == (
        pytest.approx(y)
    )
    assert both.parts["counts"].observation.values.tolist() == [4, 6]
    points = np.random.default_rng(0).random((4, 2))
    each = [
        part.with_data(piece).log_likelihood(points[:, :k])
        for part, piece, k in zip(both.parts.values(), (y[:3], y[3:]), (2, 1), strict=True)
    ]
    assert other.log_likelihood(points) == pytest.approx(sum(each))
    with pytest.raises(ShapeError, match="data"):
        both.with_data(y[:4])


def test_a_part_that_cannot_be_drawn_is_named():
    class Mute:
        names = ("a",)

        def log_likelihood(self, theta):
            return np.zeros(len(theta))

    with pytest.raises(InputError, match=r"part 'mute': Mute has no simulate"):
        eq.JointLikelihood({"mute": Mute()}).simulate(np.zeros(1))


def test_a_joint_likelihood_may_be_a_part():
    twice = eq.JointLikelihood({"inner": joint(), "more": eq.GaussianLikelihood(MODEL, seen(0.3))})
    y = twice.simulate(THETA, 1)
    assert y.shape == (twice.q,) == (8,)
    again = twice.with_data(y).parts
    assert np.array_equal(again["inner"].parts["counts"].observation.values, y[3:5])
    assert np.array_equal(again["more"].observation.values, y[5:])


def test_predictions_of_each_part():
    space = eq.Space([eq.Parameter("a", -1, 1), eq.Parameter("b", -1, 1)])
    found = eq.prior_predictive(eq.Posterior(space, joint()), n=4000, rng=1)
    assert set(found) == {"values", "counts"}
    assert np.array_equal(found["values"].theta[:, :1], found["counts"].theta)
    rate = 3 * np.sinh(1.0)  # the mean of 3 exp(a) over the prior
    for stage in ("mean", "reality", "replicated"):
        assert getattr(found["counts"], stage).mean() == pytest.approx(rate, rel=0.05)
    counts = found["counts"]
    extra = counts.replicated.var(axis=0) - counts.reality.var(axis=0)
    assert extra == pytest.approx(np.full(2, rate), rel=0.2)  # what Poisson adds
    x = np.random.default_rng(0).uniform(-1, 1, (4, 50, 1, 2))
    after = eq.posterior_predictive(
        eq.Draws(("a", "b"), x, np.zeros(x.shape[:-1]), space), joint(), n=100, rng=1
    )
    assert after["values"].kind == "posterior"
    assert after["values"].replicated.shape == (100, 3)


# -- calibration -------------------------------------------------------------------------------

GRID = np.linspace(-1.5, 1.5, 121)[:, None]


class OnGrid(eq.Sampler):
    """Draws from the exact posterior of one parameter of a flat prior, by its cdf on a grid."""

    def run(self, posterior, *, rng, starts=None, store=None, resume=True, progress=True):
        values = posterior.log_likelihood(GRID)
        weight = np.exp(values - values.max())
        cdf = np.concatenate([[0.0], np.cumsum((weight[1:] + weight[:-1]) / 2)])
        x = np.interp(rng.random(100), cdf / cdf[-1], GRID[:, 0]).reshape(4, 25, 1, 1)
        log_prob = posterior.log_prob(x.reshape(-1, 1)).reshape(x.shape[:-1])
        return eq.Draws(posterior.names, x, log_prob, posterior.space)


ONE = eq.ModelFunction(lambda a: a * (1 + X))
FAMILIES = {
    "poisson": lambda: eq.PoissonLikelihood(ONE, seen(0.0), exposure=4.0, extra=SHARED),
    "binomial": lambda: eq.BinomialLikelihood(ONE, seen(0.0), trials=20, extra=SHARED),
    "student": lambda: eq.StudentLikelihood(ONE, seen(0.4), df=3, extra=SHARED),
    "joint": lambda: eq.JointLikelihood(
        {
            "values": eq.GaussianLikelihood(ONE, seen(0.6), extra=SHARED),
            "counts": eq.PoissonLikelihood(ONE, seen(0.0)),
        }
    ),
}


def calibrated(likelihood, n=80, **options):
    posterior = eq.Posterior(eq.Space([eq.Parameter("a", -1.5, 1.5)]), likelihood)
    options = {"executor": "serial", "progress": False} | options
    return eq.simulation_based_calibration(posterior, OnGrid(), n, **options)


@pytest.mark.parametrize("name", FAMILIES)
def test_exact_posteriors_are_calibrated(name):
    found = calibrated(FAMILIES[name]())
    assert found.passed, found.summary()


@pytest.mark.parametrize(
    "make",
    [
        limited,
        lambda: eq.JointLikelihood({"one": limited()}),
        lambda: eq.LinMix(X, X, np.full((3, 2), 0.3), limit=X > 1),
    ],
)
def test_what_cannot_be_drawn_is_refused_before_any_replicate(make):
    likelihood = make()
    space = getattr(likelihood, "space", eq.Space([eq.Parameter(n, -1, 1) for n in "ab"]))
    with pytest.raises(InputError, match="limits, and which would change"):
        Replicate(eq.Posterior(space, likelihood), OnGrid())


class TooSure:
    """Data come about as they do; the likelihood counts each twice."""

    def __init__(self, inner):
        self.inner = inner
        self.names = inner.names

    def simulate(self, theta, rng):
        return self.inner.simulate(theta, rng)

    def with_data(self, y):
        return TooSure(self.inner.with_data(y))

    def log_likelihood(self, theta):
        return 2 * self.inner.log_likelihood(theta)


@pytest.mark.parametrize("name", ["poisson", "student"])
def test_posteriors_that_are_too_narrow_are_not(name):
    assert not calibrated(TooSure(FAMILIES[name]())).passed


def test_a_true_simulator_gives_the_latents_of_counts(tools):
    space = eq.Space([eq.Parameter("a", -1.5, 1.5)])
    outputs = eq.Outputs(["y0", "y1", "y2"], coords={"x": X})
    runs = eq.Runs(space, outputs, GRID, GRID * (1 + X))
    surrogate = eq.Surrogate.fitted(runs, tools.Linear(1e-6))
    counts = eq.PoissonLikelihood(surrogate, seen(0.0), override="exact")
    simulator = eq.wrap(lambda a: a * (1 + X), space, outputs, version="1")
    found = calibrated(counts, 60, simulator=simulator)
    assert found.passed, found.summary()
    other = eq.wrap(lambda a: a * (1 + X) - 0.7, space, outputs, version="1")
    assert not calibrated(counts, 60, simulator=other).passed


def test_joint_likelihoods_are_sent_to_other_processes_without_tensors():
    pytest.importorskip("equatorium_gp")
    space = eq.Space([eq.Parameter("a", -1.5, 1.5)])
    runs = eq.Runs(space, eq.Outputs(["y"]), GRID[::8], np.sin(GRID[::8]))
    surrogate = eq.Surrogate.fitted(runs, eq.emulator("trend-gp", random_state=0))
    one = eq.Observation([0.3], [0.1], names=["y"])
    both = eq.JointLikelihood({"only": eq.GaussianLikelihood(surrogate, one, override="test")})
    replicate = Replicate(eq.Posterior(space, both), OnGrid())
    again = pickle.loads(pickle.dumps(replicate))
    theta = np.array([0.2])
    assert np.array_equal(again(theta, rng=1).values, replicate(theta, rng=1).values)
    assert isinstance(both.parts["only"].surrogate, eq.Surrogate)
