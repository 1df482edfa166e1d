import numpy as np
import pytest
from scipy import stats
from scipy.integrate import quad
from sklearn.metrics import r2_score

from equatorium import storage
from equatorium.emulate.surrogate import Surrogate
from equatorium.emulate.validate import (
    Gates,
    Report,
    cross_validation_report,
    crps,
    holdout_report,
)
from equatorium.errors import InputError, StateError
from equatorium.interfaces.emulator import Emulator
from equatorium.records.covariance import Diagonal
from equatorium.records.outputs import Outputs
from equatorium.records.prediction import Gaussian, Mixture, Weighted
from equatorium.records.runs import Runs
from equatorium.records.space import Parameter, Space

SPACE = Space([Parameter("a", -1.0, 1.0), Parameter("b", -1.0, 1.0)])
SIGMA = 0.3  # of the learned scatter


def truth(theta, p):
    phase = np.arange(p) / p
    return 2 * np.sin(3 * theta[:, :1] + phase) + theta[:, 1:] * (1 + phase)


class Oracle(Emulator):
    """Knows the function and its scatter; says `honesty` times its standard deviation."""

    def __init__(self, honesty=1.0, bias=0.0):
        self.honesty = honesty
        self.bias = bias

    def _fit(self, X, Y, noise):
        self.n_seen_ = len(X)

    def _predict_dist(self, X):
        mean = truth(2 * X - 1, self.n_outputs_) + self.bias
        return Gaussian(mean, Diagonal(np.full(mean.shape, (self.honesty * SIGMA) ** 2)))


class Silent(Oracle):
    capabilities = frozenset()


class Nothing(Oracle):
    """Explains everything as scatter, honestly."""

    def _fit(self, X, Y, noise):
        self.mean_, self.var_ = Y.mean(axis=0), Y.var(axis=0)

    def _predict_dist(self, X):
        return Gaussian(np.tile(self.mean_, (len(X), 1)), Diagonal(self.var_))


def make_runs(n, p=3, seed=0, correlation=0.0, noise=None, failed=0):
    """Scatter of total variance SIGMA^2, `correlation` of it common to the outputs of a run."""
    rng = np.random.default_rng(seed)
    theta = SPACE.sample(n, rng)
    common = np.sqrt(correlation) * rng.standard_normal((n, 1))
    own = np.sqrt(1 - correlation) * rng.standard_normal((n, p))
    Y = truth(theta, p) + SIGMA * (common + own)
    status = ["ok"] * n
    if noise is not None:
        Y = Y + np.sqrt(noise) * rng.standard_normal((n, p))
        noise = np.full((n, p), noise)
    for i in range(failed):
        Y[i], status[i] = np.nan, "failed: diverged"
    outputs = Outputs([f"y{j}" for j in range(p)])
    return Runs(SPACE, outputs, theta, Y, noise=noise, status=status)


def report_of(emulator, runs, **options):
    return holdout_report(Surrogate.fitted(runs.subset(range(5)), emulator), runs, **options)


def test_the_scores_are_those_of_other_libraries():
    runs = make_runs(60)
    report = report_of(Oracle(1.5, bias=0.1), runs)
    mean = truth(runs.X, 3) + 0.1
    np.testing.assert_allclose(report.r2, r2_score(runs.Y, mean, multioutput="raw_values"))
    z = (runs.Y - mean) / (1.5 * SIGMA)
    np.testing.assert_allclose(report.rmse, np.sqrt(np.mean((runs.Y - mean) ** 2, axis=0)))
    np.testing.assert_allclose(report.mean_z, z.mean(axis=0))
    np.testing.assert_allclose(report.mean_z2, (z**2).mean(axis=0))
    np.testing.assert_allclose(report.pit, stats.norm.cdf(z))
    half = stats.norm.ppf(0.975)
    np.testing.assert_allclose(report.coverage[0.95], (np.abs(z) <= half).mean(axis=0))
    assert report.pooled_coverage(0.95) == pytest.approx(np.mean(np.abs(z) <= half))


def test_the_crps_is_its_integral():
    gaussian = Gaussian([[0.3, -1.0]], Diagonal([[0.5, 2.0]]))
    y = np.array([[1.1, -1.5]])

    def integral(mean, sd, at):
        cdf = stats.norm(mean, sd).cdf
        below, _ = quad(lambda t: cdf(t) ** 2, mean - 9 * sd, at)
        above, _ = quad(lambda t: (1 - cdf(t)) ** 2, at, mean + 9 * sd)
        return below + above

    expected = [integral(0.3, 0.5**0.5, 1.1), integral(-1.0, 2.0**0.5, -1.5)]
    np.testing.assert_allclose(crps(gaussian, y)[0], expected, rtol=1e-6)
    # The other branch: a sample of the same distribution, by its energy form E|X-y| - E|X-X'|/2.
    values = gaussian.sample(4000, 0)
    found = crps(Weighted(values, None), y)[0]
    np.testing.assert_allclose(found, expected, rtol=0.05)
    # A mixture, one part of which is a point; and one whose parts are alike.
    weights, means = np.array([0.2, 0.5, 0.3]), np.array([0.0, 1.5, -2.0])
    variances = [0.5, 0.1, 0.0]
    mixture = Mixture(weights, means[:, None, None], [Diagonal([[v]]) for v in variances])
    at = 0.8
    parts = stats.norm(means, np.sqrt(np.maximum(variances, 1e-14)))
    cdf = lambda t: float(weights @ parts.cdf(t))  # noqa: E731
    below, _ = quad(lambda t: cdf(t) ** 2, -9, at, points=[-2.0], limit=200)
    above, _ = quad(lambda t: (1 - cdf(t)) ** 2, at, 9, limit=200)
    np.testing.assert_allclose(crps(mixture, np.array([[at]])), [[below + above]], rtol=1e-5)
    twice = Mixture(None, np.stack([gaussian.mean] * 2), [gaussian.covariance] * 2)
    np.testing.assert_allclose(crps(twice, y)[0], expected, rtol=1e-6)
    exact = Gaussian([[0.3]], Diagonal([[0.0]]))
    np.testing.assert_allclose(crps(exact, np.array([[1.0]])), [[0.7]])


def test_an_honest_emulator_passes_and_a_dishonest_one_does_not():
    runs = make_runs(200)
    assert report_of(Oracle(), runs).passed
    for honesty in (0.5, 3.0):
        report = report_of(Oracle(honesty), runs)
        assert not report.passed
        assert "95 % intervals hold" in report.reasons[0]
        assert report.dishonest == ("y0", "y1", "y2")


def test_coverage_without_skill_does_not_pass():
    runs = make_runs(200)
    report = report_of(Nothing(), runs, gates=Gates(z2=(0.1, 10)))
    assert "skill" in " ".join(report.reasons)
    assert "hold" not in " ".join(report.reasons)


def test_the_declared_noise_is_added_before_scoring():
    runs = make_runs(300, noise=0.16)
    report = report_of(Oracle(), runs)
    np.testing.assert_allclose(report.std, np.sqrt(SIGMA**2 + 0.16))
    assert report.passed
    # The wrong twin: the same held-out values with their noise forgotten.
    forgotten = Runs(SPACE, runs.outputs, runs.X, runs.Y)
    assert not report_of(Oracle(), forgotten).passed
    # Noise caps R2, which is no fault of the emulator: the skill leaves it out.
    signal = 1 - SIGMA**2 / (truth(SPACE.sample(20_000, 1), 3).var(axis=0) + SIGMA**2)
    np.testing.assert_allclose(report.skill, signal, atol=0.03)
    assert (report.skill > report.r2).all()


@pytest.mark.parametrize("correlation", [0.0, 0.9])
def test_the_pooled_band_keeps_its_promise_although_outputs_are_correlated(correlation):
    """An honest emulator leaves the 99 % band in 1 % of studies; the naive band fails that."""
    studies, n, p = 300, 60, 20
    out = naive = 0
    for seed in range(studies):
        report = report_of(Oracle(), make_runs(n, p, seed=seed, correlation=correlation))
        share = report.pooled_coverage(0.68)
        low, high = report.coverage_band(0.68)
        out += not low <= share <= high
        low, high = report.coverage_band(0.68, n=n * p)
        naive += not low <= share <= high
    # Its design effect is estimated from 60 runs, so the nominal 1 % is allowed to be 2 %.
    allowed = stats.binom.ppf(0.995, studies, 0.02)
    assert out <= allowed
    assert (naive > allowed) == (correlation > 0)


def test_the_effective_number_lies_between_runs_and_values():
    independent = report_of(Oracle(), make_runs(400, 10)).effective_n(0.68)
    equal = report_of(Oracle(), make_runs(400, 10, correlation=1.0)).effective_n(0.68)
    assert 2500 < independent <= 4000
    assert equal == pytest.approx(400, rel=0.01)


def test_k_fold_refits_without_the_fold_and_keeps_the_order():
    runs = make_runs(43, failed=3)
    emulator = Oracle()
    report = cross_validation_report(emulator, runs, folds=4, rng=1)
    assert report.n == 40
    assert report.method == "4-fold"
    np.testing.assert_array_equal(report.truth, runs.good.Y)
    np.testing.assert_allclose(report.mean, truth(runs.good.X, 3), atol=1e-12)
    assert not hasattr(emulator, "n_seen_")


def test_k_fold_never_shows_a_run_to_the_emulator_that_predicts_it():
    class Copier(Emulator):
        """Repeats what it has seen at a point, surely; elsewhere it knows nothing."""

        def _fit(self, X, Y, noise):
            self.X_, self.Y_ = X, Y

        def _predict_dist(self, X):
            same = (X[:, None] == self.X_).all(axis=2)
            mean = np.where(same.any(axis=1)[:, None], self.Y_[same.argmax(axis=1)], -99.0)
            return Gaussian(mean, Diagonal(np.ones_like(mean)))

    report = cross_validation_report(Copier(), make_runs(30), folds=5, rng=0)
    assert (report.mean == -99.0).all()


def test_k_fold_is_reproducible_and_checks_its_folds():
    runs = make_runs(30)
    a, b = (cross_validation_report(Nothing(), runs, rng=3) for _ in range(2))
    assert a == b
    assert a != cross_validation_report(Nothing(), runs, rng=4)
    for folds in (1, 31, 2.5):
        with pytest.raises(InputError, match="folds"):
            cross_validation_report(Nothing(), runs, folds=folds)
    with pytest.raises(InputError, match=r"5 folds needs at least 5 .* there are 3 .* more runs"):
        cross_validation_report(Nothing(), runs.subset([0, 1, 2]))


def test_an_emulator_without_variance_is_scored_for_skill_but_does_not_pass():
    report = report_of(Silent(), make_runs(50))
    assert (report.r2 > 0.9).all()
    assert not report.passed
    assert "no variance" in report.reasons[0]
    assert "no variance" in report.summary()


def test_other_outputs_are_refused():
    surrogate = Surrogate.fitted(make_runs(10), Oracle())
    with pytest.raises(InputError, match="3 outputs"):
        holdout_report(surrogate, make_runs(10, p=2))


def test_select_keeps_the_scores_of_the_chosen_outputs():
    report = report_of(Oracle(), make_runs(50, 5, noise=0.1))
    part = report.select([3, 1])
    assert part.names == ("y3", "y1")
    np.testing.assert_allclose(part.rmse, report.rmse[[3, 1]], rtol=1e-12)
    np.testing.assert_array_equal(part.crps, report.crps[[3, 1]])
    np.testing.assert_allclose(part.skill, report.skill[[3, 1]], rtol=1e-12)


def test_one_dishonest_output_is_named():
    runs = make_runs(200, 6)
    report = report_of(Oracle(), runs)
    std = report.std.copy()
    std[:, 4] /= 2
    pit = stats.norm.cdf((report.truth - report.mean) / std)
    state = report.get_state() | {"std": std, "pit": pit}
    assert report.dishonest == ()
    assert Report.from_state(state).dishonest == ("y4",)


@pytest.mark.parametrize("p", [2, 12, 13, 80])
def test_the_summary_is_an_aligned_table(p):
    lines = report_of(Oracle(), make_runs(50, p)).summary().splitlines()
    rows = lines[1 : 2 + (p if p <= 12 else 5)]
    assert len({len(row) for row in rows}) == 1
    assert all(word in rows[0] for word in ("RMSE", "CRPS", "R2", "skill", "mean z2", "in 95 %"))
    assert rows[-1].startswith(f"y{p - 1}" if p <= 12 else "most")
    assert lines[-1] == "PASSED"
    assert max(map(len, lines)) < 140


def test_a_constant_output_has_no_r2_and_does_no_harm():
    runs = make_runs(50)
    Y = runs.Y.copy()
    Y[:, 0] = 1.0
    report = report_of(Nothing(), Runs(SPACE, runs.outputs, runs.X, Y))
    assert np.isnan(report.r2[0])
    assert report.mean_z2[0] == 0.0
    assert report.summary()


def test_a_file_gives_back_the_same_report(tmp_path):
    report = report_of(Oracle(), make_runs(50, noise=0.1), gates=Gates(skill=0.9))
    storage.save(tmp_path / "report.h5", report)
    again = storage.load(tmp_path / "report.h5")
    assert again == report
    assert again.gates == Gates(skill=0.9)
    assert again.summary() == report.summary()
    silent = report_of(Silent(), make_runs(50))
    storage.save(tmp_path / "silent.h5", silent)
    assert storage.load(tmp_path / "silent.h5") == silent


@pytest.mark.parametrize("change", [{"pit": np.zeros((2, 2))}, {"gates": {"z2": [1]}}])
def test_a_damaged_state_is_refused(change):
    state = report_of(Oracle(), make_runs(20)).get_state()
    with pytest.raises(StateError, match="Report"):
        Report.from_state({**state, **change})
