"""Every registered sampler against posteriors with known means, covariances and evidence.

Errors are Monte-Carlo errors from the effective sizes that the draws themselves claim, of each
moment apart: a sampler that claims too many fails as one that is wrong. A wrong one is included.
"""

import warnings
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import pytest
from scipy import stats

import equatorium as eq
from equatorium.errors import NotConvergedWarning

pytest.importorskip("dynesty")
pytest.importorskip("pocomc")

SAMPLERS = sorted(entry.name for entry in eq.methods("sampler"))
MODES = {"dynesty", "pocomc"}  # what is claimed to find modes that lie apart
SMALL = {
    "emcee": {"walkers": 16, "until": {}, "max_steps": 900, "thin": 2},
    "batched-ensemble": {"walkers": 16, "until": {}, "max_steps": 900, "thin": 2},
    "hmc": {"chains": 8, "warmup": 150, "until": {}, "max_steps": 300},
    "dynesty": {"live": 60, "runs": 8, "batch": 15},
    "pocomc": {"active": 128, "effective": 256, "total": 256, "runs": 8},
}
FULL = {"dynesty": {"runs": 12}, "pocomc": {"runs": 12}}


@dataclass(frozen=True)
class Target:
    """A log-likelihood with its gradient on a box, and the truth in closed form."""

    low: Any
    high: Any
    function: Any
    mean: Any
    covariance: Any
    log_evidence: float
    modes: int = 1

    def log_likelihood_and_gradient(self, theta):
        return self.function(theta)

    def log_likelihood(self, theta):
        return self.function(theta)[0]

    def posterior(self):
        box = zip(self.low, self.high, strict=True)
        space = eq.Space([eq.Parameter(f"x{j}", *edges) for j, edges in enumerate(box)])
        return eq.Posterior(space, self)


def gaussian(d):
    mean = np.linspace(-0.5, 0.5, d)
    covariance = 0.3 * 0.7 ** np.abs(np.subtract.outer(np.arange(d), np.arange(d)))
    precision = np.linalg.inv(covariance)

    def function(theta):
        slope = -(theta - mean) @ precision
        return 0.5 * np.einsum("md,md->m", slope, theta - mean), slope

    _, det = np.linalg.slogdet(2 * np.pi * covariance)
    edge = np.full(d, 5.0)
    return Target(-edge, edge, function, mean, covariance, 0.5 * det - d * np.log(10.0))


def truncated(d):
    """Independent normals, cut by the box at different places."""
    low, high = np.linspace(-0.5, 0.3, d), np.full(d, 1.0)
    sd = 0.4

    def function(theta):
        return -0.5 * np.square(theta / sd).sum(axis=1), -theta / sd**2

    cut = stats.truncnorm(low / sd, high / sd, scale=sd)
    inside = stats.norm.cdf(high / sd) - stats.norm.cdf(low / sd)
    z = np.log(inside * np.sqrt(2 * np.pi) * sd / (high - low)).sum()
    return Target(low, high, function, cut.mean(), np.diag(cut.var()), z)


def banana(d):
    """Haario's twisted normal: x1 + (x0^2 - 1) / 2 is standard normal, as are all others."""

    def function(theta):
        y = theta.copy()
        y[:, 1] += 0.5 * (theta[:, 0] ** 2 - 1)
        slope = -y
        slope[:, 0] -= theta[:, 0] * y[:, 1]
        return -0.5 * (np.square(y).sum(axis=1) + d * np.log(2 * np.pi)), slope

    low, high = np.full(d, -6.0), np.full(d, 6.0)
    low[1], high[1] = -18.0, 8.0
    variance = np.ones(d)
    variance[1] = 1.5
    z = -np.log(high - low).sum()
    return Target(low, high, function, np.zeros(d), np.diag(variance), z)


def bimodal(d):
    """Two normals of sd 0.3, 20 of them apart, with weights 0.3 and 0.7."""
    weights, centres, sd = np.array([0.3, 0.7]), np.array([-3.0, 3.0]), 0.3

    def function(theta):
        off = theta - centres[:, None, None]
        parts = np.log(weights)[:, None] - 0.5 * np.square(off / sd).sum(axis=2)
        value = np.logaddexp(*parts)
        share = np.exp(parts - value)
        return value, -np.einsum("km,kmd->md", share, off) / sd**2

    mean = np.full(d, weights @ centres)
    apart = weights.prod() * 6.0**2
    edge = np.full(d, 5.0)
    covariance = sd**2 * np.eye(d) + apart
    z = d * np.log(np.sqrt(2 * np.pi) * sd / 10.0)
    return Target(-edge, edge, function, mean, covariance, z, modes=2)


TARGETS = {
    "gaussian": partial(gaussian, 3),
    "truncated": partial(truncated, 3),
    "banana": partial(banana, 4),
    "bimodal": partial(bimodal, 1),
}
LARGE = {
    "gaussian": partial(gaussian, 20),
    "truncated": partial(truncated, 10),
    "banana": partial(banana, 20),
    "bimodal": partial(bimodal, 4),
}


def run(name, target, options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotConvergedWarning)
        return eq.sampler(name, **options).run(target.posterior(), rng=1, progress=False)


def beyond(draws, target):
    """How many Monte-Carlo errors moments are off at worst, and how many they may be.

    They are the means, variances and covariances of neighbours.

    Effective sizes are asked for anew of each product. With few runs their errors have few degrees
    of freedom: Student's t. One in a thousand of right samplers is off.
    """
    x = draws.samples - target.mean
    products = np.concatenate([x, x**2, x[..., 1:] * x[..., :-1]], axis=-1)
    truth = np.concatenate(
        [0 * target.mean, np.diag(target.covariance), np.diag(target.covariance, 1)]
    )
    names = [f"q{i}" for i in range(len(truth))]
    found = eq.Draws(names, products, draws.log_prob, None, draws.meta)
    error = found.std / np.sqrt(np.maximum(list(found.ess.values()), 1.0))
    chance = 5e-4 / len(truth)
    runs = draws.meta.get("independent_runs")
    limit = stats.t.isf(chance, len(x) - 1) if runs else stats.norm.isf(chance) + 0.5
    return (np.abs(found.mean - truth) / error).max(), limit


def agrees(draws, target):
    worst, limit = beyond(draws, target)
    assert worst < limit
    if "log_evidence" in draws.meta:
        off = draws.meta["log_evidence"] - target.log_evidence
        runs = len(draws.meta["log_evidence_runs"])
        assert abs(off) < stats.t.isf(5e-4, runs - 1) * draws.meta["log_evidence_error"]
        assert draws.meta["log_evidence_error"] < 0.3


def check(name, target, options):
    draws = run(name, target, options)
    if target.modes > 1 and name not in MODES:
        # Each ensemble keeps its mode, and the verdict says so.
        assert not draws.converged
        assert max(draws.rhat.values()) > 1.1
    else:
        agrees(draws, target)
    return draws


@pytest.mark.parametrize("problem", TARGETS)
@pytest.mark.parametrize("name", SAMPLERS)
def test_moments_and_evidence(name, problem):
    check(name, TARGETS[problem](), SMALL[name])


@pytest.mark.slow
@pytest.mark.parametrize("problem", LARGE)
@pytest.mark.parametrize("name", SAMPLERS)
def test_moments_and_evidence_at_full_size(name, problem):
    target = LARGE[problem]()
    draws = check(name, target, FULL.get(name, {}))
    if target.modes == 1 or name in MODES:
        assert draws.converged, draws.reasons


@pytest.mark.parametrize(
    ("name", "problem"),
    [*(("batched-ensemble", p) for p in ("gaussian", "truncated", "banana")), ("pocomc", "banana")],
)
def test_a_sampler_of_a_wrong_temperature_is_found_out(name, problem):
    """Standard deviations 1.3 times too large where nothing cuts them."""
    target = TARGETS[problem]()

    def hot(theta):
        value, slope = target.function(theta)
        return 0.6 * value, 0.6 * slope

    with pytest.raises(AssertionError):
        agrees(run(name, replace(target, function=hot), SMALL[name]), target)


def test_gradients_are_those_of_the_functions():
    for target in (make() for make in TARGETS.values()):
        theta = np.random.default_rng(0).uniform(target.low, target.high, (5, len(target.low)))
        for j in range(theta.shape[1]):
            step = 1e-6 * np.eye(theta.shape[1])[j]
            up, down = (target.log_likelihood(theta + s) for s in (step, -step))
            slope = target.log_likelihood_and_gradient(theta)[1][:, j]
            assert (up - down) / 2e-6 == pytest.approx(slope, rel=1e-4, abs=1e-4)
