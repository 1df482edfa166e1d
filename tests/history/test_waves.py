import numpy as np
import pytest
from scipy import stats
from scipy.spatial.distance import pdist

from equatorium.emulate.validate import Gates
from equatorium.errors import InputError, NotValidatedError
from equatorium.history.cutoff import rejection_cutoff
from equatorium.history.region import Region
from equatorium.history.waves import fit_wave, next_design
from equatorium.interfaces.emulator import Emulator
from equatorium.records.covariance import Diagonal
from equatorium.records.discrepancy import Discrepancy
from equatorium.records.observation import Observation
from equatorium.records.outputs import Outputs
from equatorium.records.prediction import Gaussian
from equatorium.records.runs import Runs
from equatorium.records.space import Parameter, Space

A = np.array([[2.0, 0.0, 0.0], [1.0, -1.0, 0.0], [0.0, 1.0, 2.0]])
SIGMA = 0.1


class Line(Emulator):
    """Least squares; says `honesty` times the scatter that it finds, by output."""

    def __init__(self, honesty=(1.0, 1.0, 1.0)):
        self.honesty = honesty

    def _fit(self, X, Y, noise):
        design = np.column_stack([np.ones(len(X)), X])
        self.coef_ = np.linalg.lstsq(design, Y, rcond=None)[0]
        self.std_ = (Y - design @ self.coef_).std(axis=0, ddof=4) * self.honesty

    def _predict_dist(self, X):
        mean = np.column_stack([np.ones(len(X)), X]) @ self.coef_
        return Gaussian(mean, Diagonal(np.tile(self.std_**2, (len(X), 1))))


@pytest.fixture
def problem(tools):
    space = tools.unit_space(3)
    rng = np.random.default_rng(0)

    def runs(n, failed=0):
        X = space.sample(n, rng)
        Y = X @ A.T + SIGMA * rng.standard_normal((n, 3))
        Y[:failed] = np.nan
        status = ["failed: diverged"] * failed + ["ok"] * (n - failed)
        return Runs(space, Outputs(["a", "b", "c"]), X, Y, status=status)

    observation = Observation([1.0, 0.2, 1.5], [0.05] * 3, names=["a", "b", "c"])
    return space, runs, observation


def test_a_wave_is_fitted_on_good_runs_cross_validated_and_cut_by_its_probability(problem):
    _, runs, observation = problem
    wave = fit_wave(runs(100, failed=5), Line(), observation, probability=0.02, rng=1)
    assert wave.n_runs == 95
    assert wave.report.method == "5-fold"
    assert wave.report.n == 95
    assert wave.report.passed
    assert (wave.override, wave.dropped) == ("", ())
    # All is independent here, so the cut-off is known.
    alpha = 1 - (2 * stats.norm.cdf(wave.cutoff) - 1) ** 3
    assert alpha == pytest.approx(0.02, abs=0.001)
    assert wave.probability == 0.02


def test_held_out_runs_test_the_emulator_if_given(problem):
    _, runs, observation = problem
    wave = fit_wave(runs(100), Line(), observation, held_out=runs(60, failed=2), rng=1)
    assert wave.n_runs == 100
    assert (wave.report.method, wave.report.n) == ("held out", 58)


def test_the_cutoff_knows_of_the_correlation_of_the_discrepancy(tools):
    space = tools.unit_space(3)
    rng = np.random.default_rng(0)
    X = space.sample(100, rng)
    outputs = Outputs(["a", "b", "c"], {"mass": [1.0, 2.0, 3.0]})
    runs = Runs(space, outputs, X, X @ A.T + SIGMA * rng.standard_normal((100, 3)))
    observation = Observation([1.0, 0.2, 1.5], [0.05] * 3, {"mass": [1.0, 2.0, 3.0]})
    cut = {
        length: fit_wave(
            runs, Line(), observation, Discrepancy(3.0, length={"mass": length}), rng=1
        ).cutoff
        for length in (1e-3, 1e3)
    }
    assert cut[1e3] == pytest.approx(2.58, abs=0.04)
    assert cut[1e-3] == pytest.approx(2.93, abs=0.04)


def test_the_truth_is_rejected_at_the_stated_rate(problem):
    """Draw runs, data and truth again and again: the whole chain, from fit to rejection."""
    space, runs, _ = problem
    rng = np.random.default_rng(5)
    rejected, twin, n = 0, 0, 60
    held = runs(60)
    for _ in range(n):
        theta = space.sample(1, rng)
        # The simulator's own scatter at the truth is part of what the emulator predicts.
        y = theta[0] @ A.T + np.hypot(SIGMA, 0.05) * rng.standard_normal(3)
        observation = Observation(y, [0.05] * 3, names=["a", "b", "c"])
        wave = fit_wave(runs(120), Line(), observation, held_out=held, probability=0.25, rng=rng)
        level = wave.level(theta)[0]
        rejected += level > 1
        twin += level * wave.cutoff > 1.0  # the wrong twin: cut by habit, and too low
    low, high = stats.binom.interval(0.99, n, 0.25)
    assert low <= rejected <= high
    assert not low <= twin <= high


def test_a_failing_emulator_is_refused_unless_accepted_which_is_recorded(problem):
    _, runs, observation = problem
    train = runs(100)
    emulator = Line((0.3, 0.3, 0.3))
    with pytest.raises(NotValidatedError, match=r"95 % intervals hold.*accept=True"):
        fit_wave(train, emulator, observation, rng=0)
    wave = fit_wave(train, emulator, observation, accept=True, rng=0)
    assert "95 % intervals hold" in wave.override
    with pytest.raises(NotValidatedError, match="skill"):
        fit_wave(train, Line(), observation, gates=Gates(skill=0.999), rng=0)


def test_only_the_outputs_that_the_data_see_are_judged(problem):
    _, runs, _ = problem
    emulator = Line((1.0, 1.0, 0.1))
    train = runs(200)
    observation = Observation([1.0, 0.2], [0.05, 0.05], names=["a", "b"])
    wave = fit_wave(train, emulator, observation, rng=0)
    assert wave.override == ""
    assert wave.report.dishonest == ("c",)


def test_outputs_with_wrong_error_bars_can_be_dropped_which_is_recorded(problem):
    _, runs, observation = problem
    train = runs(200)
    emulator = Line((1.0, 0.2, 1.0))
    wave = fit_wave(train, emulator, observation, drop=True, rng=0)
    assert wave.dropped == ("Datum 1 'b'",)
    assert wave.implausibility.q == 2
    assert wave.implausibility([[0.5, 0.5, 0.5]]).shape == (1, 2)
    with pytest.raises(NotValidatedError, match="None of the 3 data"):
        fit_wave(train, Line((0.2, 0.2, 0.2)), observation, drop=True, rng=0)


def test_the_emulator_is_looked_at_where_the_region_is(problem):
    """Its variance over the particles sets the correlation: 0 here, so only that it is used."""
    _, runs, observation = problem
    train = runs(100)
    with pytest.raises(InputError, match="particles"):
        fit_wave(train, Line(), observation, particles=[[0.5]], rng=0)
    wave = fit_wave(train, Line(), observation, rng=0)
    region = Region(train.space, [wave])
    later = fit_wave(train, Line(), observation, region=region, rng=0)
    given = fit_wave(train, Line(), observation, particles=region.sample(50, 0).particles, rng=0)
    for other in (later, given):
        assert other.cutoff == pytest.approx(wave.cutoff, abs=0.05)
    assert wave.cutoff == pytest.approx(rejection_cutoff(np.eye(3), rng=0), abs=0.05)


def test_the_next_design_is_inside_and_well_apart(problem):
    _, runs, observation = problem
    wave = fit_wave(runs(100), Line(), observation, rng=0)
    region = Region(wave.surrogate.space, [wave])
    sample = region.sample(1000, 0)
    design = next_design(region, 100, 1, particles=sample.particles)
    assert design.shape == (100, 3)
    assert region.contains(design).all()
    chance = [pdist(sample.particles[i * 100 : (i + 1) * 100]).min() for i in range(10)]
    assert pdist(design).min() > 1.5 * max(chance)
    # It still follows the region: neither its middle nor its rim is left out.
    np.testing.assert_allclose(design.mean(axis=0), sample.particles.mean(axis=0), atol=0.03)
    ratio = design.std(axis=0) / sample.particles.std(axis=0)
    assert ((ratio > 0.95) & (ratio < 1.3)).all()


def test_a_design_draws_its_own_particles_if_there_are_too_few(problem):
    space, *_ = problem
    design = next_design(Region(space), 30, 0, particles=space.sample(10, 0))
    assert len(np.unique(design, axis=0)) == 30
    np.testing.assert_array_equal(design, next_design(Region(space), 30, 0))


def test_a_design_refuses_what_it_cannot_do(problem):
    space, *_ = problem
    with pytest.raises(InputError, match="positive whole number"):
        next_design(Region(space), 0)
    with pytest.raises(InputError, match="only 1 different particles for 5 runs"):
        next_design(Region(space), 5, particles=np.full((9, 3), 0.5))


def test_two_waves_of_a_space_whose_bounds_are_curved():
    """Midpoints of runs below b = a^2 may lie above it, where no emulator answers."""
    space = Space([Parameter("a", 0.05, 1.0), Parameter("b", 0.0, 1.0, below="a**2")])
    outputs, rng = Outputs(["y"]), np.random.default_rng(3)
    observation = Observation([0.8], [0.05], names=["y"])
    region, X = Region(space), space.sample(60, rng)
    for _ in range(2):
        Y = space.to_unit(X).sum(axis=1, keepdims=True) + SIGMA * rng.standard_normal((len(X), 1))
        wave = fit_wave(Runs(space, outputs, X, Y), Sum(), observation, region=region, rng=1)
        region = Region(space, (*region.waves, wave))
        X = next_design(region, 40, 2)
        assert space.contains(X).all()
    assert np.abs(space.to_unit(X).sum(axis=1) - 0.8).max() < wave.cutoff * np.hypot(0.05, SIGMA)


class Sum(Emulator):
    """y = u_1 + u_2 with the standard deviation SIGMA."""

    def _fit(self, X, Y, noise):
        self.n_seen_ = len(X)

    def _predict_dist(self, X):
        mean = X.sum(axis=1, keepdims=True)
        return Gaussian(mean, Diagonal(np.full(mean.shape, SIGMA**2)))
