"""Is the posterior of the galaxy-formation model right? Mocks with known truths tell.

Truths are drawn from the prior and simulated with forests that no training run used; one draw of
observation and discrepancy errors, from the likelihood's own covariance, is added. All mocks share
one emulator over the whole prior; the first two go through three waves of history matching too.
"""

import json
import os
import warnings
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np

import equatorium as eq
from equatorium.errors import NotConvergedWarning
from equatorium.inference.calibration import (
    Recovery,
    log_posterior_rank,
    recovery,
    standardised_errors,
)

UNSEEN = 1000


@dataclass(frozen=True)
class Size:
    """How large a test: runs that train the emulator, mocks, forests a mock averages over."""

    runs: int = 1500
    held_out: int = 100
    mocks: int = 20
    forests: int = 8
    fixed: tuple[str, ...] = ()
    scale: float = 0.8  # of the forests: 0.2 leaves the third parameter a little too free
    walkers: int = 40
    max_steps: int = 3000
    waves: tuple[int, ...] = (400, 300, 300)


UNTIL = {"rhat": 1.02, "ess": 200}
DISCREPANCY = eq.Discrepancy(0.1, length={"log_mstar": 0.5}, shift={"log_mstar": 0.05})


@dataclass(frozen=True)
class Setting:
    """The problem: simulator, its unseen twin, space, the observation that mocks imitate."""

    simulator: eq.Simulator
    unseen: tuple[eq.Simulator, ...]
    space: eq.Space
    observation: eq.Observation


def setting(size: Size) -> Setting:
    """Build the problem; parameters in ``size.fixed`` keep their defaults."""
    from equatorium_galaxies.observations import stellar_mass_functions

    simulator = eq.simulator("galaxy-formation", scale=size.scale)
    unseen = tuple(
        eq.simulator("galaxy-formation", scale=size.scale, forests=1, seed=UNSEEN + k)
        for k in range(size.forests)
    )
    defaults = dict(zip(simulator.space.names, simulator.space.defaults, strict=True))
    space = simulator.space.fix(**{name: defaults[name] for name in size.fixed})
    return Setting(simulator, unseen, space, stellar_mass_functions())


def runs_at(problem: Setting, theta: np.ndarray, seed: int, ledger: Path | None) -> eq.Runs:
    """Run the simulator; keep the outputs that the observation sees."""
    from equatorium.simulate.ledger import Ledger

    kept = None if ledger is None else Ledger(ledger)
    runs = eq.run_design(problem.simulator, problem.space, theta, ledger=kept, seed=seed)
    used = np.flatnonzero(problem.observation.match(problem.simulator.outputs).any(axis=0))
    return runs.with_outputs(used)


def prior_runs(problem: Setting, size: Size, ledger: Path | None) -> tuple[eq.Runs, eq.Runs]:
    """Run over the whole prior, to train on and to test."""
    from equatorium.simulate.design import latin_hypercube

    theta = latin_hypercube(problem.space, size.runs + size.held_out, 11)
    return runs_at(problem, theta, 11, ledger).split(size.held_out, 11)


def trained(runs: eq.Runs, held: eq.Runs) -> eq.Surrogate:
    """Train the emulator that all mocks share."""
    surrogate = eq.Surrogate.fitted(runs, eq.emulator("trend-gp"))
    return surrogate.with_report(eq.holdout_report(surrogate, held))


def mock(problem: Setting, k: int) -> tuple[np.ndarray, eq.Observation]:
    """Return the k-th truth and its data."""
    rng = np.random.default_rng([7, k])
    theta = problem.space.sample(1, rng)[0]
    full = problem.space.complete(theta[None])[0]
    curves = [simulator.evaluate(full).values for simulator in problem.unseen]
    clean = problem.observation.match(problem.simulator.outputs) @ np.mean(curves, axis=0)
    noiseless = replace(problem.observation, values=clean)
    total = problem.observation.covariance + DISCREPANCY.covariance(noiseless)
    return theta, replace(noiseless, values=clean + total.sample(1, rng)[0])


def shared_error(problem: Setting, outputs: eq.Outputs) -> eq.Covariance:
    """Sampling error between a mock's few forests and the pool that the emulator learned from."""
    used = [problem.simulator.outputs.index(name) for name in outputs.names]
    sampling = problem.unseen[0].covariance.marginal(used)
    return sampling.scaled((1 / len(problem.unseen) + 1 / problem.simulator.forests) ** 0.5)


def posterior_of(
    problem: Setting, surrogate: eq.Surrogate, data: eq.Observation, region: Any = None
) -> eq.Posterior:
    """Return the posterior of one mock, over the prior or a region of it."""
    extra = shared_error(problem, surrogate.outputs)
    likelihood = eq.GaussianLikelihood(surrogate, data, DISCREPANCY, extra=extra)
    return eq.Posterior(problem.space, likelihood, region)


def through_waves(
    problem: Setting, size: Size, runs: eq.Runs, held: eq.Runs, k: int, ledger: Path | None
) -> tuple[Any, Any, list[bool]]:
    """Match the history of the k-th mock.

    Returns the region left, points of it, and for each wave whether it rejects the truth.
    """
    from equatorium.history.region import Region
    from equatorium.history.waves import fit_wave, next_design

    theta, data = mock(problem, k)
    region, points, rejected = Region(problem.space), None, []
    runs = runs.subset(slice(0, size.waves[0]))
    for number, n in enumerate(size.waves):
        if points is not None:
            design = next_design(region, n + len(held.X), k, particles=points.particles)
            later = runs_at(problem, design, 100 * number + k, ledger)
            runs, held = later.split(len(held.X), k)
        wave = fit_wave(
            runs,
            eq.emulator("trend-gp"),
            data,
            DISCREPANCY,
            held_out=held,
            region=region,
            particles=None if points is None else points.particles,
            extra=shared_error(problem, runs.outputs),
            rng=k,
        )
        rejected.append(bool(wave.level(theta[None])[0] > 1.0))
        region = region.extended(wave)
        points = region.sample(4000, k)
    return region, points.particles, rejected


@dataclass(frozen=True)
class Mocks:
    """What the mocks gave, one row a mock: what `judge` needs."""

    names: tuple[str, ...]
    truths: np.ndarray
    ranks: np.ndarray
    errors: np.ndarray
    shrinkage: np.ndarray

    def judge(self, **limits: Any) -> Recovery:
        """Judge them by `equatorium.inference.calibration.recovery`."""
        return recovery(self.names, self.ranks, self.errors, self.shrinkage, **limits)

    def narrowed(self, factor: float) -> "Mocks":
        """Pretend that every posterior sd were so much smaller."""
        errors, shrinkage = self.errors / factor, self.shrinkage * factor
        return replace(self, errors=errors, shrinkage=shrinkage)

    def ignorant(self) -> "Mocks":
        """Pretend that every posterior were the prior, uniform in the unit box."""
        ranks = np.random.default_rng(0).random(len(self.ranks))
        errors = (self.truths - 0.5) * 12**0.5
        return replace(self, ranks=ranks, errors=errors, shrinkage=np.ones_like(errors))

    @classmethod
    def joined(cls, parts: Iterable["Mocks"]) -> "Mocks":
        """Put the mocks of several processes together."""
        parts = list(parts)
        names = ("truths", "ranks", "errors", "shrinkage")
        return cls(parts[0].names, *(np.concatenate([getattr(p, n) for p in parts]) for n in names))


def sampled(posterior: eq.Posterior, size: Size, k: int, starts: Any = None) -> eq.Draws:
    """Sample the posterior of the k-th mock."""
    sampler = eq.sampler("emcee", walkers=size.walkers, max_steps=size.max_steps, until=UNTIL)
    with warnings.catch_warnings():
        # A chain that is still short of our strict criteria serves a mean and a deviation.
        warnings.simplefilter("ignore", NotConvergedWarning)
        return sampler.run(posterior, rng=k, progress=False, starts=starts)


def compared(
    problem: Setting, posteriors: Iterable[tuple[int, eq.Posterior, Any]], size: Size
) -> Mocks:
    """Sample posteriors (mock, posterior, starts) and compare each with its truth."""
    space, rows = problem.space, []
    for k, posterior, starts in posteriors:
        theta, _ = mock(problem, k)
        draws = sampled(posterior, size, k, starts)
        rank = log_posterior_rank(draws, posterior, theta, k)
        shrinkage = space.to_unit(draws.flat).std(axis=0) * 12**0.5
        truth = space.to_unit(theta[None])[0]
        rows.append((truth, rank, standardised_errors(draws, theta), shrinkage))
        verdict = ", ".join(draws.reasons) or "converged"
        print(f"mock {k}: rank {rank:.3f}; {verdict}", flush=True)
    return Mocks(space.names, *(np.array(column) for column in zip(*rows, strict=True)))


def measure(problem: Setting, surrogate: eq.Surrogate, size: Size, mocks: Iterable[int]) -> Mocks:
    """Compare the posteriors of mocks that share one emulator with their truths."""
    return compared(
        problem,
        ((k, posterior_of(problem, surrogate, mock(problem, k)[1]), None) for k in mocks),
        size,
    )


def measure_in_waves(
    problem: Setting, size: Size, runs: eq.Runs, held: eq.Runs, ledger: Path | None
) -> tuple[Mocks, list[list[bool]]]:
    """Take the first two mocks through the waves; compare, and tell which wave rejects a truth."""
    posteriors, rejections = [], []
    for k in (0, 1):
        region, points, rejected = through_waves(problem, size, runs, held, k, ledger)
        rejections.append(rejected)
        _, data = mock(problem, k)
        last = region.waves[-1].surrogate
        posteriors.append((k, posterior_of(problem, last, data, region), points))
    return compared(problem, posteriors, size), rejections


def _share(job: tuple[Size, str, list[int]]) -> Mocks:
    """Measure some of the mocks, in a process of its own."""
    size, path, mocks = job
    return measure(setting(size), eq.load(path), size, mocks)


def main() -> None:
    """Run the full test and write its numbers."""
    size, folder, cores = Size(), Path("results"), os.cpu_count() or 1
    folder.mkdir(exist_ok=True)
    problem, ledger, path = setting(size), folder / "truth_recovery.h5", str(folder / "emulator.h5")
    runs, held = prior_runs(problem, size, ledger)
    eq.save(path, trained(runs, held))
    jobs = [(size, path, list(range(k, size.mocks, cores))) for k in range(cores)]
    with ProcessPoolExecutor(cores, mp_context=get_context("spawn")) as pool:
        found = Mocks.joined(pool.map(_share, jobs))
    verdict = found.judge()
    print(verdict.summary())
    print("every sd times 0.6:", found.narrowed(0.6).judge().reasons)
    print("the prior for a posterior:", found.ignorant().judge().reasons)
    waves, rejected = measure_in_waves(problem, size, runs, held, ledger)
    judged = [found.names.index(name) for name in verdict.names]
    record = {
        "cores": cores,
        "names": verdict.names,
        "mean_square": verdict.mean_square,
        "rank_p": verdict.rank_p,
        "ranks": found.ranks.tolist(),
        "shrinkage": np.asarray(verdict.shrinkage).tolist(),
        "passed": verdict.passed,
        "waves_reject_truth": rejected,
        "waves_ranks": waves.ranks.tolist(),
        "waves_errors": waves.errors[:, judged].tolist(),
        "waves_shrinkage": waves.shrinkage[:, judged].tolist(),
    }
    print(json.dumps(record, indent=1))
    (folder / "truth_recovery.json").write_text(json.dumps(record, indent=1))


if __name__ == "__main__":
    main()
