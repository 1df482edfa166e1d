"""Is the posterior of the galaxy-formation model right? Mocks with known truths tell.

Truths are drawn from the prior and simulated with forests that no training run used; one draw of
observation and discrepancy errors, from the likelihood's own covariance, is added. All mocks share
one emulator over the whole prior.
"""

import json
import os
import warnings
from collections.abc import Iterable
from dataclasses import dataclass, replace
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
    scale: float = 0.2
    max_steps: int = 3000


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


def trained(problem: Setting, size: Size, ledger: Path | None, executor=None) -> eq.Surrogate:
    """Train the emulator that all mocks share."""
    from equatorium.simulate.design import latin_hypercube
    from equatorium.simulate.ledger import Ledger

    runs = eq.run_design(
        problem.simulator,
        problem.space,
        latin_hypercube(problem.space, size.runs + size.held_out, 11),
        ledger=None if ledger is None else Ledger(ledger),
        executor=executor,
        seed=11,
    )
    used = np.flatnonzero(problem.observation.match(problem.simulator.outputs).any(axis=0))
    train, held = runs.with_outputs(used).split(size.held_out, 11)
    surrogate = eq.Surrogate.fitted(train, eq.emulator("trend-gp"))
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


def posterior_of(problem: Setting, surrogate: eq.Surrogate, data: eq.Observation) -> eq.Posterior:
    """Return the posterior of one mock, with no region but the prior."""
    # A mock averages over few forests; what is left of their sampling error is in its data.
    used = [problem.simulator.outputs.index(name) for name in surrogate.outputs.names]
    sampling = problem.unseen[0].covariance.marginal(used)
    left = sampling.scaled(len(problem.unseen) ** -0.5)
    likelihood = eq.GaussianLikelihood(surrogate, data, DISCREPANCY, extra=left)
    return eq.Posterior(problem.space, likelihood)


@dataclass(frozen=True)
class Mocks:
    """What the mocks gave, one row a mock: what `judge` needs."""

    names: tuple[str, ...]
    ranks: np.ndarray
    errors: np.ndarray
    shrinkage: np.ndarray

    def judge(self, narrowed: float = 1.0, **limits: Any) -> Recovery:
        """Judge them; ``narrowed`` pretends that every posterior sd were that much smaller."""
        errors, shrinkage = self.errors / narrowed, self.shrinkage * narrowed
        return recovery(self.names, self.ranks, errors, shrinkage, **limits)

    @classmethod
    def joined(cls, parts: Iterable["Mocks"]) -> "Mocks":
        """Put the mocks of several processes together."""
        parts = list(parts)
        arrays = (
            np.concatenate([getattr(part, name) for part in parts])
            for name in ("ranks", "errors", "shrinkage")
        )
        return cls(parts[0].names, *arrays)


def measure(problem: Setting, surrogate: eq.Surrogate, size: Size, mocks: range) -> Mocks:
    """Sample the posterior of each mock and compare it with the truth."""
    prior = problem.space.to_unit(problem.space.sample(4000, 0)).std(axis=0)
    ranks, errors, shrinkage = [], [], []
    for k in mocks:
        theta, data = mock(problem, k)
        posterior = posterior_of(problem, surrogate, data)
        sampler = eq.sampler("emcee", max_steps=size.max_steps, until={"rhat": 1.05, "ess": 100})
        with warnings.catch_warnings():
            # A chain that is still short of our strict criteria serves a mean and a deviation.
            warnings.simplefilter("ignore", NotConvergedWarning)
            draws = sampler.run(posterior, rng=k, progress=False)
        ranks.append(log_posterior_rank(draws, posterior, theta, k))
        errors.append(standardised_errors(draws, theta))
        shrinkage.append(problem.space.to_unit(draws.flat).std(axis=0) / prior)
        print(
            f"mock {k}: {', '.join(draws.reasons) or 'converged'}; rank {ranks[-1]:.3f}", flush=True
        )
    return Mocks(problem.space.names, np.array(ranks), np.array(errors), np.array(shrinkage))


def main() -> None:
    """Run the full test and write its numbers."""
    size = Size()
    folder = Path("results")
    folder.mkdir(exist_ok=True)
    problem = setting(size)
    surrogate = trained(problem, size, folder / "truth_recovery.h5")
    found = measure(problem, surrogate, size, range(size.mocks))
    verdict = found.judge()
    print(verdict.summary())
    print("every sd times 0.6:", found.judge(narrowed=0.6).reasons)
    record = {
        "cores": os.cpu_count(),
        "names": verdict.names,
        "mean_square": verdict.mean_square,
        "rank_p": verdict.rank_p,
        "shrinkage": np.asarray(verdict.shrinkage).tolist(),
        "passed": verdict.passed,
    }
    (folder / "truth_recovery.json").write_text(json.dumps(record, indent=1))


if __name__ == "__main__":
    main()
