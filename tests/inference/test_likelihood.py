"""The likelihood against scipy's multivariate normal, its log-determinant against probability."""

import numpy as np
import pytest
from scipy import stats

from equatorium.emulate.surrogate import Surrogate
from equatorium.emulate.validate import holdout_report
from equatorium.errors import InputError, NotFiniteError, NotValidatedError, ShapeError
from equatorium.inference.likelihood import GaussianLikelihood
from equatorium.records.covariance import Dense, LowRank
from equatorium.records.discrepancy import Discrepancy
from equatorium.records.observation import Observation
from equatorium.records.outputs import Outputs
from equatorium.records.runs import Runs
from equatorium.records.space import Parameter, Space

LENGTH = Discrepancy(0.3, length={"mass": 1.0}, shift={"mass": 0.1})


def mass_function(tools, emulator, **options):
    """Data between the outputs' coordinates, all correlated; one parameter on a log scale."""
    rng = np.random.default_rng(1)
    space = Space([Parameter("a", 0, 2), Parameter("b", 1, 100, "log")])
    outputs = Outputs([f"phi{i}" for i in range(6)], {"mass": np.arange(6.0)})
    X = space.from_unit(rng.random((30, 2)))
    Y = space.to_unit(X) @ rng.standard_normal((2, 6)) + np.linspace(0, -2, 6)
    surrogate = Surrogate.fitted(Runs(space, outputs, X, Y), emulator)
    errors = 0.1 * np.eye(4) + 0.05
    observation = Observation([0.1, -0.5, -1.0, -1.6], errors, {"mass": [0.5, 2.0, 3.25, 5.0]})
    options.setdefault("override", "exact by construction")
    return GaussianLikelihood(surrogate, observation, LENGTH, **options)


def expected(likelihood, theta, emulator=True, extra=None):
    """The same by loops and scipy."""
    out = []
    R = likelihood.observation.match(likelihood.surrogate.outputs)
    for point in theta:
        prediction = likelihood.surrogate.predict(point[None])
        S = (
            likelihood.observation.covariance.dense()
            + LENGTH.covariance(likelihood.observation).dense()
        )
        if emulator:
            S = S + R @ prediction.cov().dense()[0] @ R.T
        if extra is not None:
            S = S + R @ extra @ R.T
        normal = stats.multivariate_normal(R @ prediction.mean[0], S)
        out.append(normal.logpdf(likelihood.observation.values))
    return np.array(out)


@pytest.fixture
def theta():
    return np.random.default_rng(2).uniform([0, 1], [2, 100], (20, 2))


@pytest.mark.parametrize("dense", [False, True])
def test_log_likelihood_is_the_multivariate_normal(tools, theta, dense):
    likelihood = mass_function(tools, tools.Linear(0.05, slope=2.0, dense=dense))
    assert likelihood.log_likelihood(theta) == pytest.approx(expected(likelihood, theta), rel=1e-9)


def test_variance_shared_by_all_runs_is_added_once(tools, theta):
    extra = LowRank(np.full(6, 0.02), np.linspace(0.1, 0.2, 6)[:, None])
    likelihood = mass_function(tools, tools.Linear(0.05), extra=extra)
    reference = expected(likelihood, theta, extra=extra.dense())
    assert likelihood.log_likelihood(theta) == pytest.approx(reference, rel=1e-9)


def test_emulator_covariance_can_be_left_out(tools, theta):
    likelihood = mass_function(tools, tools.Linear(0.05), emulator_covariance=False)
    assert likelihood.emulator_covariance is False
    reference = expected(likelihood, theta, emulator=False)
    assert likelihood.log_likelihood(theta) == pytest.approx(reference, rel=1e-9)


def test_probability_of_all_possible_data_is_one_only_with_the_log_determinant(tools):
    """Integrate exp(log L) over the datum, where the emulator is sure and where it is not."""
    space = Space([Parameter("a", 0, 1)])
    outputs = Outputs(["y"])
    X = np.linspace(0, 1, 10)[:, None]
    surrogate = Surrogate.fitted(Runs(space, outputs, X, 2 * X), tools.Linear(0.05, slope=4.0))
    theta = np.array([[0.1], [0.9]])
    grid = np.linspace(-9, 11, 101)  # steps well below the smallest sd: exact for a Gaussian
    data = [Observation([y], [0.3], names=["y"]) for y in grid]

    def likelihood(y):
        return GaussianLikelihood(surrogate, y, override="exact by construction")

    with_it = np.array([likelihood(y).log_likelihood(theta) for y in data])
    without = with_it + 0.5 * np.log(0.3**2 + surrogate.predict(theta).variance[:, 0])
    right, wrong = (np.trapezoid(np.exp(x), grid, axis=0) for x in (with_it, without))
    assert right == pytest.approx([1, 1], abs=1e-6)
    assert abs(wrong[1] / wrong[0] - 1) > 0.5  # ignorance is rewarded


def test_chunks_change_nothing(tools, theta):
    emulator = tools.Linear(0.05, slope=1.0, dense=True)
    whole = mass_function(tools, emulator).log_likelihood(theta)
    for chunk in (1, 7):
        parts = mass_function(tools, emulator, chunk=chunk).log_likelihood(theta)
        assert parts == pytest.approx(whole, rel=1e-10)


def test_no_points(tools):
    likelihood = mass_function(tools, tools.Linear())
    assert likelihood.log_likelihood(np.empty((0, 2))).shape == (0,)


def test_points_without_a_finite_prediction_are_nan_and_harm_no_other(tools, theta):
    likelihood = mass_function(tools, tools.Linear(0.05))
    good = likelihood.log_likelihood(theta)

    class Broken(tools.Linear):
        def _predict_dist(self, X):
            prediction = super()._predict_dist(X)
            if np.isin(X[:, 0].round(9), bad).any():
                raise NotFiniteError("mean holds NaN")
            return prediction

    bad = (theta[[3, 11], 0] / 2).round(9)
    broken = mass_function(tools, Broken(0.05))
    result = broken.log_likelihood(theta)
    assert np.flatnonzero(np.isnan(result)).tolist() == [3, 11]
    keep = ~np.isnan(result)
    assert result[keep] == pytest.approx(good[keep], rel=1e-10)


def test_an_emulator_without_variance_is_refused_with_the_remedy(tools):
    with pytest.raises(NotValidatedError, match=r"Silent predicts without a variance.*trend-gp"):
        mass_function(tools, tools.Silent())


def test_an_emulator_that_was_not_validated_is_refused(tools, theta):
    with pytest.raises(NotValidatedError, match="no report of a validation"):
        mass_function(tools, tools.Linear(0.05), override="")
    assert mass_function(tools, tools.Linear(0.05)).override == "exact by construction"


def test_a_report_that_passed_opens_the_door_and_a_failed_one_does_not(tools):
    rng = np.random.default_rng(0)
    space, outputs = Space([Parameter("a", 0, 1)]), Outputs(["y"])
    observation = Observation([1.0], [0.1], names=["y"])
    X = rng.random((200, 1))
    runs = Runs(space, outputs, X, 2 * X + 0.1 * rng.standard_normal((200, 1)))
    train, held = runs.subset(np.arange(100)), runs.subset(np.arange(100, 200))
    for variance, passes in [(0.01, True), (0.0001, False)]:
        surrogate = Surrogate.fitted(train, tools.Linear(variance))
        surrogate = surrogate.with_report(holdout_report(surrogate, held))
        if passes:
            assert GaussianLikelihood(surrogate, observation).override == ""
        else:
            with pytest.raises(NotValidatedError, match="fails its validation"):
                GaussianLikelihood(surrogate, observation)


def test_wrong_extra_and_chunk(tools):
    with pytest.raises(ShapeError, match="6 outputs"):
        mass_function(tools, tools.Linear(), extra=Dense(np.eye(4)))
    with pytest.raises(InputError, match="chunk"):
        mass_function(tools, tools.Linear(), chunk=0)


def test_budget_is_the_share_of_the_trace(problem, tools):
    """Independent: 0.5^2 observed, 0.2^2 discrepancy, 0.01 emulator in each of five data."""
    budget = problem.likelihood.budget(np.zeros((4, 3)))
    total = 0.25 + 0.04 + 0.01
    assert budget == pytest.approx(
        {"emulator": 0.01 / total, "observation": 0.25 / total, "discrepancy": 0.04 / total}
    )
    exact = tools.build(emulator_covariance=False).likelihood
    assert exact.budget(np.zeros((1, 3)))["emulator"] == pytest.approx(0.01 / total)
