"""Simulation-based calibration where the posterior is exact; posteriors that are wrong fail."""

import threading
from concurrent.futures import ThreadPoolExecutor
from functools import cache

import numpy as np
import pytest
from scipy import stats

import equatorium as eq
from equatorium.errors import InputError, ShapeError, SimulatorError, UnknownNameError
from equatorium.inference.ranks import ecdf_p_value
from equatorium.inference.replicate import independent
from equatorium.inference.sbc import truths

D = 3
SPACE = eq.Space([eq.Parameter(f"x{j}", -12, 12, prior=stats.norm(0, 1)) for j in range(D)])
DESIGN = np.array([[1.0, 0.5, 0.0], [0.0, 1.0, 0.3], [0.5, 0.0, 0.2], [0.2, -0.4, 0.1]])
SIGMA = 0.5


class Linear:
    """y = A x + noise, x ~ N(0, I)."""

    def __init__(self, y=None):
        self.y = np.zeros(len(DESIGN)) if y is None else y

    def log_likelihood(self, theta):
        return stats.norm(theta @ DESIGN.T, SIGMA).logpdf(self.y).sum(axis=1)

    def simulate(self, theta, rng):
        return DESIGN @ theta + SIGMA * rng.standard_normal(len(DESIGN))

    def with_data(self, y):
        return Linear(y)

    def exact(self):
        covariance = np.linalg.inv(np.eye(D) + DESIGN.T @ DESIGN / SIGMA**2)
        return covariance @ DESIGN.T @ self.y / SIGMA**2, covariance


class Direct(eq.Sampler):
    """Draws from the exact posterior, each with `memory` of the one before; or wrong ones."""

    def __init__(self, kind="right", memory=0.0, steps=20, shift=0.0, width=1.0):
        self.kind, self.memory, self.steps = kind, memory, steps
        self.shift, self.width = shift, width

    def run(self, posterior, *, rng, starts=None, store=None, resume=True, progress=True):
        mean, covariance = posterior.likelihood.exact()
        if self.kind == "prior":
            mean, covariance = np.zeros(D), np.eye(D)
        z = rng.standard_normal((4, self.steps, 1, D))
        for k in range(1, self.steps):
            z[:, k] = self.memory * z[:, k - 1] + np.sqrt(1 - self.memory**2) * z[:, k]
        mean = mean + self.shift * np.sqrt(np.diag(covariance))
        x = mean + self.width * z @ np.linalg.cholesky(covariance).T
        log_prob = posterior.log_prob(x.reshape(-1, D)).reshape(x.shape[:-1])
        return eq.Draws(posterior.names, x, log_prob, posterior.space)


class Failing(Direct):
    """Now and then, or always, it does not work."""

    def __init__(self, often=2):
        super().__init__()
        self.often = often
        self.calls = 0

    def run(self, posterior, **options):
        self.calls += 1
        if self.calls % self.often == 0:
            raise RuntimeError("the chain is stuck")
        return super().run(posterior, **options)


def calibrated(sampler, n=200, **options):
    options = {"executor": "serial", "progress": False} | options
    return eq.simulation_based_calibration(eq.Posterior(SPACE, Linear()), sampler, n, **options)


@cache
def right():
    return calibrated(Direct())


@cache
def ignorant():
    return calibrated(Direct("prior"), 120)


def test_exact_posteriors_pass():
    found = right()
    assert found.passed, found.summary()
    assert found.n == 200 and set(found.judged) == set(SPACE.names)
    exact = np.sqrt(np.diag(Linear().exact()[1]))
    np.testing.assert_allclose(np.median(found.shrinkage, axis=0), exact, rtol=0.05)
    assert found.bound == pytest.approx(0.26)
    assert "passed" in found.summary() and "log-likelihood" in found.summary()


@pytest.mark.parametrize(
    ("sampler", "why"),
    [
        (Direct(width=0.8), "too narrow"),
        (Direct(width=1.5), "too wide"),
        (Direct(shift=0.6), "ranks of x"),
    ],
)
def test_wrong_posteriors_fail(sampler, why):
    found = calibrated(sampler, 120)
    assert not found.passed
    assert any(why in reason for reason in found.reasons), found.summary()
    assert "FAILED" in found.summary()


def test_the_prior_for_a_posterior_is_seen_by_what_depends_on_the_data_only():
    found = ignorant()
    assert not found.passed
    assert min(found.p_values[name] for name in SPACE.names) > 0.01
    assert found.p_values["log-likelihood"] < 0.01
    assert found.coverage_p < 0.01


def test_draws_that_depend_on_each_other_are_thinned():
    sampler = Direct(memory=0.9, steps=60)  # tau is 19 steps: 13 independent draws of 240
    found = calibrated(sampler)
    assert min(*found.p_values.values(), found.coverage_p) > 0.01, found.summary()
    assert np.median(found.draws) <= 13
    # What would have been had they counted as independent.
    sampler = Direct(memory=0.97, steps=60)
    rng, ranks = np.random.default_rng(0), []
    for theta in truths(eq.Posterior(SPACE, Linear()), 600):
        posterior = eq.Posterior(SPACE, Linear(Linear().simulate(theta, rng)))
        draws = sampler.run(posterior, rng=rng)
        ranks.append(np.mean(draws.flat[:, 0] < theta[0]))
    assert ecdf_p_value(ranks) < 0.01


def test_white_draws_are_all_kept_and_slow_ones_far_apart():
    posterior = eq.Posterior(SPACE, Linear())
    white = Direct(steps=200).run(posterior, rng=np.random.default_rng(0))
    own = independent(white)
    assert len(own) == 800
    np.testing.assert_allclose(own[:4, :D], white.samples[:, -1, 0])
    np.testing.assert_allclose(
        own[:, -1], posterior.log_likelihood(own[:, :D]), rtol=1e-9, atol=1e-9
    )
    slow = independent(Direct(memory=0.95, steps=2000).run(posterior, rng=np.random.default_rng(0)))
    lag = np.corrcoef(slow[4:, 0], slow[:-4, 0])[0, 1]
    assert len(slow) < 8000 / 39 and abs(lag) < 0.3


def test_neither_order_nor_number_nor_executor_matters():
    with ThreadPoolExecutor(3) as pool:
        other = calibrated(Direct(), 30, executor=pool)
    np.testing.assert_array_equal(other.ranks, right().ranks[:30])
    np.testing.assert_array_equal(other.coverage, right().coverage[:30])
    assert not np.array_equal(calibrated(Direct(), 30, seed=1).ranks, other.ranks)


class Counting(Direct):
    """Counts how often it is run; stops after some runs, as Ctrl-C does."""

    made = 0
    stop_after = None

    def run(self, posterior, **options):
        cls, lock = type(self), threading.Lock()
        with lock:
            cls.made += 1
        if cls.stop_after is not None and cls.made > cls.stop_after:
            raise KeyboardInterrupt
        return super().run(posterior, **options)


def test_it_goes_on_where_it_stopped(tmp_path, monkeypatch):
    monkeypatch.setattr(Counting, "stop_after", 8)
    store = tmp_path / "replicates.h5"
    with pytest.raises(KeyboardInterrupt):
        calibrated(Counting(), 20, store=store)
    monkeypatch.setattr(Counting, "stop_after", None)
    monkeypatch.setattr(Counting, "made", 0)
    found = calibrated(Counting(), 20, store=store)
    assert Counting.made == 12
    np.testing.assert_array_equal(found.ranks, right().ranks[:20])
    # Another sampler is another calibration.
    calibrated(Counting(width=0.9), 20, store=store)
    assert Counting.made == 32


def test_failed_replicates_are_told_not_dropped():
    found = calibrated(Failing(5), 20)
    assert found.n == 16 and found.failed == 4 and not found.passed
    assert any("the chain is stuck" in reason for reason in found.reasons)
    with pytest.raises(SimulatorError, match="the chain is stuck"):
        calibrated(Failing(1), 20)


def test_it_is_kept_in_a_file(tmp_path):
    eq.save(tmp_path / "c.h5", right())
    again = eq.load(tmp_path / "c.h5")
    assert again == right() and again.summary() == right().summary()


def test_the_judged_are_the_most_constrained_or_the_chosen():
    two = calibrated(Direct(), 20, judged=2)
    best = np.argsort(np.median(two.shrinkage, axis=0))[:2]
    assert two.judged == tuple(SPACE.names[j] for j in best)
    assert calibrated(Direct(), 20, judged=["x2"]).judged == ("x2",)


@pytest.mark.parametrize(
    ("change", "error", "match"),
    [
        ({"judged": ["y"]}, UnknownNameError, "no parameter 'y'"),
        ({"judged": 0}, InputError, "judged"),
        ({"n": 1}, InputError, "n must be"),
        ({"simulator": eq.simulator("borehole")}, InputError, "Leave simulator out"),
        ({"sampler": "emcee"}, InputError, "sampler"),
    ],
)
def test_bad_questions(change, error, match):
    with pytest.raises(error, match=match):
        calibrated(change.pop("sampler", Direct()), **change)


def test_a_likelihood_must_say_how_data_come_about():
    class Mute:
        def log_likelihood(self, theta):
            return np.zeros(len(theta))

    with pytest.raises(InputError, match="Mute has no simulate and no with_data"):
        eq.simulation_based_calibration(eq.Posterior(SPACE, Mute()), Direct(), 10)
    joint = eq.Posterior(SPACE, Linear(), prior=SPACE.log_prior)
    with pytest.raises(InputError, match="a prior of its own"):
        eq.simulation_based_calibration(joint, Direct(), 10)


def test_a_record_checks_itself():
    state = right().get_state()
    with pytest.raises(ShapeError):
        eq.Calibration(**{**state, "errors": state["errors"][1:]})
    with pytest.raises(InputError, match="between 0 and 1"):
        eq.Calibration(**{**state, "coverage": state["coverage"] + 1})
    with pytest.raises(InputError, match="judge nothing"):
        eq.Calibration(**{**state, "judged": []})
