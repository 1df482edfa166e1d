"""hmc against closed forms, walls and interruptions; with wrong twins that are found out."""

import time
import warnings
from types import SimpleNamespace

import h5py
import numpy as np
import pytest
from scipy import stats

import equatorium as eq
from equatorium.errors import FileFormatError, InputError, NotConvergedWarning
from equatorium_samplers import trajectory
from equatorium_samplers.hmc import HMC

D = 20


class Normal:
    """A correlated normal in theta with its gradient; may stop on the way, or dawdle."""

    def __init__(self, d=3, rho=0.9, after=None, wait=0.0):
        self.covariance = 0.04 * ((1 - rho) * np.eye(d) + rho)
        self.precision = np.linalg.inv(self.covariance)
        self.after, self.wait, self.calls = after, wait, 0

    def log_likelihood(self, theta):
        return -0.5 * np.einsum("mi,ij,mj->m", theta, self.precision, theta)

    def log_likelihood_and_gradient(self, theta):
        self.calls += 1
        time.sleep(self.wait)
        if self.after is not None and self.calls > self.after:
            raise KeyboardInterrupt
        return self.log_likelihood(theta), -theta @ self.precision


def posterior(likelihood, edge=4.0, d=3, region=None):
    space = eq.Space([eq.Parameter(f"x{j}", -edge, edge) for j in range(d)])
    if region is not None:
        wave = SimpleNamespace(level=region, surrogate=SimpleNamespace(space=space))
        region = eq.Region(space, (wave,))
    return eq.Posterior(space, likelihood, region)


def run(problem, **options):
    options = {"warmup": 120, "until": {}, "max_steps": 300, **options}
    how = {k: options.pop(k) for k in ("store", "rng") if k in options}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotConvergedWarning)
        return HMC(**options).run(problem, **{"rng": 5, "progress": False, **how})


def agrees(draws, mean, covariance, factor=4.5):
    ess = np.minimum(np.array(list(draws.ess.values())), draws.flat.shape[0])
    sd = np.sqrt(np.diag(covariance))
    assert (np.abs(draws.mean - mean) < factor * sd / np.sqrt(ess)).all()
    # Energies mix more slowly than positions: squares have fewer effective draws.
    error = np.sqrt((np.outer(sd**2, sd**2) + covariance**2) / (ess.min() / 8))
    assert (np.abs(np.cov(draws.flat.T) - covariance) < factor * error).all()


def test_a_correlated_normal_in_twenty_dimensions():
    likelihood = Normal(D)
    draws = HMC(warmup=200).run(posterior(likelihood, d=D), rng=1, progress=False)
    assert draws.converged
    agrees(draws, 0.0, likelihood.covariance)
    assert draws.meta["divergences"] == 0
    assert draws.meta["gradients"] < 20 * min(draws.ess.values())


@pytest.mark.parametrize("wrong", ["never rejects", "keeps no energy"])
def test_a_wrong_acceptance_rule_is_found_out(monkeypatch, wrong):
    """Large steps, accepted whatever they cost, give another distribution."""
    right = trajectory.leapfrog

    def broken(*args):
        args = (*args[:-2], 1.6, 2)
        end = right(*args)
        accept = np.zeros(len(end.z)) if wrong == "never rejects" else end.log_prob - args[2]
        return SimpleNamespace(**{**vars(end), "log_accept": accept})

    monkeypatch.setattr("equatorium_samplers.hmc.leapfrog", broken)
    likelihood = Normal()
    with pytest.raises(AssertionError):
        agrees(run(posterior(likelihood), max_steps=500), 0.0, likelihood.covariance)


def test_the_box_cuts_the_posterior():
    likelihood = Normal(2, rho=0.5)
    draws = run(posterior(likelihood, edge=0.15, d=2), max_steps=600)
    grid = (np.arange(400) + 0.5) / 400 * 0.3 - 0.15
    theta = np.stack(np.meshgrid(grid, grid, indexing="ij"), axis=-1).reshape(-1, 2)
    weight = np.exp(likelihood.log_likelihood(theta))
    agrees(draws, np.average(theta, axis=0, weights=weight), np.cov(theta.T, aweights=weight))


def test_a_wall_rejects_and_is_no_divergence():
    likelihood = Normal(3, rho=0.0)
    problem = posterior(likelihood, region=lambda theta: 1 + theta[:, 0])
    draws = run(problem, max_steps=800)
    assert draws["x0"].max() <= 0
    assert draws.meta["walls"] > 100
    assert draws.meta["divergences"] == 0
    half = stats.halfnorm(scale=0.2)
    agrees(draws, [-half.mean(), 0, 0], np.diag([half.var(), 0.04, 0.04]))


def test_a_funnel_shows_as_divergences():
    class Funnel:
        def log_likelihood_and_gradient(self, theta):
            a, b = theta.T
            scale = np.exp(-2 * a)
            value = -0.5 * a**2 / 2.25 - 0.5 * b**2 * scale - a
            return value, np.stack([-a / 2.25 + b**2 * scale - 1, -b * scale], axis=1)

        def log_likelihood(self, theta):
            return self.log_likelihood_and_gradient(theta)[0]

    space = eq.Space([eq.Parameter("a", -12, 12), eq.Parameter("b", -200, 200)])
    few = {"chains": 8, "warmup": 60, "max_steps": 100, "max_leapfrogs": 32}
    assert run(eq.Posterior(space, Funnel()), **few).meta["divergences"] > 50
    # not because so little was learned: a normal has none
    assert run(posterior(Normal(2), d=2), **few).meta["divergences"] == 0


def test_trajectories_are_reversible_and_keep_the_energy():
    problem = posterior(Normal()).view("normal").value_and_gradient
    rng = np.random.default_rng(0)
    z, momentum = 0.05 * rng.standard_normal((2, 7, 3))
    root = np.linalg.cholesky(np.cov(rng.standard_normal((3, 50))) * 0.01)
    there = trajectory.leapfrog(problem, z, *problem(z), momentum, root, 0.1, 9)
    value, gradient = problem(there.z)
    back = trajectory.leapfrog(problem, there.z, value, gradient, -there.momentum, root, 0.1, 9)
    assert back.z == pytest.approx(z, abs=1e-12)
    assert back.momentum == pytest.approx(-momentum, abs=1e-12)
    assert back.log_accept == pytest.approx(-there.log_accept, abs=1e-9)
    # A step half as long loses a quarter of the energy.
    fine = trajectory.leapfrog(problem, z, *problem(z), momentum, root, 0.05, 18)
    ratio = np.abs(there.log_accept).sum() / np.abs(fine.log_accept).sum()
    assert ratio == pytest.approx(4, rel=0.1)


@pytest.mark.parametrize("after", [40, 400, 900])
def test_a_resumed_run_equals_an_uninterrupted_one(tmp_path, after):
    whole = run(posterior(counted := Normal()))
    assert counted.calls > after + 50
    with pytest.raises(KeyboardInterrupt):
        run(posterior(Normal(after=after)), store=tmp_path / "c.h5")
    again = run(posterior(resumed := Normal()), store=tmp_path / "c.h5", rng=99)
    assert np.array_equal(whole.samples, again.samples)
    assert whole.meta == again.meta
    assert resumed.calls < counted.calls - after + 60


def test_few_leapfrogs_leave_the_lengths_their_jitter(monkeypatch):
    """T grows no further than 1.6 T takes them all, so that not all trajectories are as long."""
    steps, right = [], trajectory.leapfrog

    def counted(*args):
        steps.append(args[-1])
        return right(*args)

    monkeypatch.setattr("equatorium_samplers.hmc.leapfrog", counted)
    draws = run(posterior(Normal(D), d=D), max_leapfrogs=3, max_steps=60)
    assert set(steps[-60:]) == {1, 2, 3}
    assert draws.meta["length"] < 1.5 * 3 * draws.meta["step_size"] / 1.6


def test_a_flat_posterior_of_ordered_parameters():
    """The prior of b ends where a is 1, which chains reach at a normal score of 8.3."""

    class Flat:
        def log_likelihood(self, theta):
            return np.zeros(len(theta))

        def log_likelihood_and_gradient(self, theta):
            return np.zeros(len(theta)), np.zeros(theta.shape)

    space = eq.Space([eq.Parameter("a", 0, 1), eq.Parameter("b", 0, 1, above="a")])
    draws = run(eq.Posterior(space, Flat()), warmup=60)
    a, b = 1 / 12, 11 / 18 - 9 / 16
    agrees(draws, [0.5, 0.75], np.array([[a, a / 2], [a / 2, b]]))


def test_a_store_without_what_was_learned_is_refused(tmp_path):
    problem, store = posterior(Normal()), tmp_path / "c.h5"
    run(problem, warmup=40, max_steps=16, store=store)
    with h5py.File(store, "r+") as file:
        del file["memory/root"]
    with pytest.raises(FileFormatError, match="memory"):
        run(problem, warmup=40, max_steps=32, store=store)


def test_without_a_gradient_another_sampler_is_named():
    class Blind:
        def log_likelihood(self, theta):
            return np.zeros(len(theta))

    with pytest.raises(InputError, match=r"Blind has no method.*emcee"):
        run(posterior(Blind()))


@pytest.mark.parametrize(
    "options",
    [{"chains": 1}, {"ensembles": 3}, {"warmup": 5}, {"metric": "none"}, {"target": 1.0}],
)
def test_options_that_cannot_be_used(options):
    with pytest.raises(InputError, match=next(iter(options))):
        run(posterior(Normal()), **options)
