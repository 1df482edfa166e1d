"""Samplers of independent runs: weights, evidence, verdict, resumption; on importance sampling."""

from types import SimpleNamespace

import h5py
import numpy as np
import pytest
from scipy import stats

from equatorium.errors import (
    FileFormatError,
    InputError,
    NotConvergedWarning,
    ShapeError,
    StateError,
)
from equatorium.history.region import Region
from equatorium.inference.convergence import assess_runs
from equatorium.inference.draws import Draws
from equatorium.inference.posterior import Posterior
from equatorium.inference.run_sampler import RunSampler, WeightedRun
from equatorium.records.space import Parameter, Space
from equatorium.storage import load, save

SPACE = Space([Parameter("a", -4, 4), Parameter("b", -4, 4, prior="normal(0, 1)")])


class Bell:
    """N(0.5, 0.5^2) in both parameters, of integral 1; may stop on the way."""

    def __init__(self, after=None, shift=0.0):
        self.after, self.shift, self.calls = after, shift, 0

    def log_likelihood(self, theta):
        self.calls += 1
        if self.after is not None and self.calls > self.after:
            raise KeyboardInterrupt
        return stats.norm(0.5 + self.shift, 0.5).logpdf(theta).sum(axis=1)


class Importance(RunSampler):
    """Draws of the prior with the likelihood as weight: exact in the limit, and simple."""

    def __init__(self, n=4000, runs=8, until=None):
        self.n = n
        self.runs = runs
        self.until = until

    def _check(self, posterior):
        return "importance"

    def _one(self, view, rng, tell):
        x = rng.random((self.n, view.d))
        value = view.log_prob(x)
        tell(calls=self.n)
        weight = np.exp(value - value.max())
        z, error = weight.mean(), weight.std() / np.sqrt(self.n)
        return WeightedRun(x, value, value, np.log(z) + value.max(), error / z, self.n)


class Biased(Importance):
    """A wrong one: its weights are forgotten."""

    def _one(self, view, rng, tell):
        run = super()._one(view, rng, tell)
        return WeightedRun(
            run.x, run.log_likelihood, 0.5 * run.log_weight, run.log_evidence, 0.0, self.n
        )


def posterior(**options):
    return Posterior(SPACE, Bell(**options))


def run(sampler=None, problem=None, **how):
    sampler = Importance() if sampler is None else sampler
    problem = posterior() if problem is None else problem
    return sampler.run(problem, **{"rng": 5, "progress": False, **how})


def agrees(draws):
    """In closed form: a is N(0.5, 0.25), b is N(0.4, 0.2); prior cut at 4 sd, not felt."""
    ess = np.array(list(draws.ess.values()))
    sd = np.sqrt([0.25, 0.2])
    assert (np.abs(draws.mean - [0.5, 0.4]) < 4.5 * sd / np.sqrt(ess)).all()
    assert (np.abs(draws.std / sd - 1) < 4.5 / np.sqrt(ess)).all()
    z = -np.log(8) + stats.norm(0, np.sqrt(1.25)).logpdf(0.5)
    assert abs(draws.meta["log_evidence"] - z) < 4.5 * draws.meta["log_evidence_error"]
    assert draws.meta["log_evidence_error"] < 0.05


def test_moments_and_evidence_in_closed_form():
    draws = run()
    assert draws.converged
    agrees(draws)
    assert draws.meta["evaluations"] == 8 * 4000
    lp = posterior().log_prob(draws.flat)
    assert draws.log_prob.ravel() == pytest.approx(lp, abs=1e-9)
    text = draws.summary()
    assert "8 independent runs" in text and "Log-evidence -" in text and "Converged." in text


def test_forgotten_weights_are_found_out():
    with pytest.raises(AssertionError):
        agrees(run(Biased()))


def test_a_region_lowers_the_evidence():
    left = SimpleNamespace(
        level=lambda theta: 1 + theta[:, 0] - 0.5, surrogate=SimpleNamespace(space=SPACE)
    )
    half = run(problem=Posterior(SPACE, Bell(), Region(SPACE, (left,))))
    assert half["a"].max() <= 0.5
    assert half.meta["log_evidence"] - run().meta["log_evidence"] == pytest.approx(
        np.log(0.5), abs=0.1
    )


def test_the_effective_size_is_that_of_the_scatter():
    """Points that come many times over have a large Kish size; what is shown is the true one."""

    class Copied(Importance):
        def _one(self, view, rng, tell):
            run = super()._one(view, rng, tell)
            x, value = (np.repeat(part, 50, axis=0) for part in (run.x, run.log_likelihood))
            return WeightedRun(x, value, value, run.log_evidence, np.nan, self.n)

    draws = run(Copied(n=400, runs=32))
    kish = draws.flat.shape[0]
    ess = np.array([draws.convergence.ess_bulk, draws.convergence.ess_tail])
    assert 50 * 32 * 30 < kish < 50 * 32 * 80
    # Without copies Kish's size errs low here: the heavy points lie near the mean.
    assert 1 < ess.mean() / (kish / 50) < 5
    assert (ess < kish / 8).all()


def test_effective_size_and_rhat_of_independent_draws():
    """A run of k independent draws, each copied n / k times, is worth k."""
    rng = np.random.default_rng(0)
    sizes = []
    for _ in range(40):
        x = np.repeat(rng.standard_normal((16, 50, 1, 3)), 20, axis=1)
        evidence = assess_runs(rng.permuted(x, axis=1), ("a", "b", "c"))
        sizes.append(np.stack([evidence.ess_bulk, evidence.ess_tail]))
    bulk, tail = np.mean(sizes, axis=(0, 2))
    assert bulk == pytest.approx(16 * 50, rel=0.12)
    # The tail's is the smaller of two.
    assert 0.6 * 16 * 50 < tail < 1.05 * 16 * 50
    assert evidence.rhat == pytest.approx(np.sqrt(1 + 1 / 50), abs=0.02)


def test_runs_in_different_places_do_not_agree():
    x = np.random.default_rng(0).standard_normal((8, 1000, 1, 1))
    x[:2] += 2.0
    evidence = assess_runs(x, ("a",))
    assert evidence.rhat[0] > 1.2 and evidence.ess_bulk[0] < 50
    assert not evidence.converged


def test_a_run_of_few_draws_is_no_evidence():
    with pytest.warns(NotConvergedWarning):
        draws = run(Importance(n=12))
    assert not draws.converged
    assert "NOT CONVERGED" in draws.summary()


@pytest.mark.parametrize("after", [0, 3])
def test_finished_runs_are_kept(tmp_path, after):
    whole = run()
    with pytest.raises(KeyboardInterrupt):
        run(problem=posterior(after=after), store=tmp_path / "r.h5")
    problem = posterior()
    again = run(problem=problem, store=tmp_path / "r.h5", rng=99)
    assert np.array_equal(whole.samples, again.samples)
    assert whole.meta == again.meta
    told = whole.meta["provenance"]
    assert told["sampler"]["class"] == "Importance" and told["seed"]["entropy"] > 0
    assert problem.likelihood.calls == 8 - after + (after > 0)
    # More runs are added to those that are there.
    more = run(Importance(runs=12), problem=(problem := posterior()), store=tmp_path / "r.h5")
    assert problem.likelihood.calls == 1 + 4
    assert np.array_equal(more.samples, run(Importance(runs=12)).samples)
    fewer = run(store=tmp_path / "r.h5")
    assert np.array_equal(fewer.samples, whole.samples)


def test_runs_of_another_posterior_are_refused(tmp_path):
    run(store=tmp_path / "r.h5")
    with pytest.raises(StateError, match="another posterior"):
        run(problem=posterior(shift=0.1), store=tmp_path / "r.h5")
    with pytest.raises(StateError, match="differs in n"):
        run(Importance(n=2000), store=tmp_path / "r.h5")
    fresh = run(problem=posterior(shift=0.1), store=tmp_path / "r.h5", resume=False)
    assert fresh.mean[0] == pytest.approx(0.6, abs=0.05)


def test_draws_and_their_verdict_survive_a_file(tmp_path):
    draws = run()
    save(tmp_path / "draws.h5", draws)
    again = load(tmp_path / "draws.h5")
    assert isinstance(again, Draws)
    assert again.summary() == draws.summary()
    assert again.to_arviz()["posterior"].sizes["chain"] == 8


def test_starts_are_checked_and_not_used():
    same = run(starts=np.zeros((3, 2)))
    assert np.array_equal(same.samples, run().samples)
    with pytest.raises(ShapeError, match="starts"):
        run(starts=np.zeros((3, 5)))


def test_a_run_that_makes_no_sense_is_refused():
    x, one = np.full((3, 2), 0.5), np.ones(3)
    with pytest.raises(ShapeError, match="log_weight of 3 points"):
        WeightedRun(x, one, np.ones(4), 0.0, 0.1, 3)
    with pytest.raises(InputError, match="log-weight is nan"):
        WeightedRun(x, one, np.array([1, np.nan, 1]), 0.0, 0.1, 3)
    with pytest.raises(InputError, match="log-weight is -inf"):
        WeightedRun(x, one, np.full(3, -np.inf), 0.0, 0.1, 3)


def test_a_damaged_file_is_told(tmp_path):
    run(store=tmp_path / "r.h5")
    with h5py.File(tmp_path / "r.h5", "r+") as file:
        del file["run-2/log_weight"]
        file["run-2"].create_dataset("log_weight", data=np.zeros(7), dtype=np.float64)
    with pytest.raises(FileFormatError, match="log_weight"):
        run(store=tmp_path / "r.h5")


def test_three_runs_are_too_few():
    with pytest.raises(InputError, match="runs must be a whole number of at least 4"):
        run(Importance(runs=3))


def test_progress_is_shown(capsys):
    run(progress=True)
    shown = capsys.readouterr().err
    assert "8/8" in shown and "calls=4" in shown
