"""Is the posterior calibrated, prior-wide? Hundreds of truths, and twins that must fail.

A toy whose emulator learns from 120 runs: 500 replicates through the emulator, and 500 against the
true simulator, by hmc. The galaxy-formation model with all 20 parameters: 200 truths from the
prior, each simulated with a forest that no training run used, plus one draw of all errors; one
emulator over the whole prior serves all, and so do its predictions at one set of prior draws, which
importance weights turn into each posterior. All of it goes on where it stopped: what is finished is
kept in ``results``.
"""

import argparse
import hashlib
import json
import os
import time
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

import equatorium as eq
from benchmarks.truth_recovery import DISCREPANCY, UNSEEN, Size, runs_at, setting
from equatorium.simulate.design import latin_hypercube

SEED = 12  # those of 7 have served to develop the emulator, those of 8 to 11 to judge earlier ones
FACTOR = 0.8  # of every standard deviation, in the twin that must fail
RUNS, HELD_OUT = 3400, 200
PARTICLES, CHUNK = 5120, 1024  # prior draws of each of eight runs, and those predicted at once
GALAXIES = Size(scale=0.2)
FORESTS = 50  # that no training run used: with few, all mocks would share their errors
LEARNED = 256  # forests of the training runs: the mean of few would be learned with its own error


# -- samplers ---------------------------------------------------------------------------------


class Kept(eq.Sampler):
    """Keeps every `thin`-th step of what another sampler draws, in a file for each data set.

    Without `thin`, 64 steps at most.

    With a `factor`, it gives those draws with every standard deviation (in normal scores) so many
    times what it was: wrong on purpose.
    """

    def __init__(
        self, inner: Any, folder: str, thin: int | None = None, factor: float = 1.0
    ) -> None:
        self.inner, self.folder, self.thin, self.factor = inner, folder, thin, factor

    def run(self, posterior: eq.Posterior, *, rng: Any, **options: Any) -> eq.Draws:
        """Read the draws of these data, or make and keep them."""
        values = np.round(posterior.likelihood.observation.values, 6)
        path = Path(self.folder) / f"{hashlib.sha256(values.tobytes()).hexdigest()[:16]}.h5"
        if path.exists():
            draws = eq.load(path)
        else:
            draws = self.inner.run(posterior, rng=rng, **options)
            steps = draws.samples.shape[1]
            thin = self.thin or -(-steps // 64)
            last = slice((steps - 1) % thin, None, thin)
            meta = {**draws.meta, "thin": thin}
            draws = replace(
                draws, samples=draws.samples[:, last], log_prob=draws.log_prob[:, last], meta=meta
            )
            eq.save(path, draws)
        return draws if self.factor == 1.0 else narrowed(draws, posterior, self.factor)


def narrowed(draws: eq.Draws, posterior: eq.Posterior, factor: float) -> eq.Draws:
    """Draw all draws towards their mean, in normal scores."""
    z = posterior.space.to_normal(draws.flat)
    theta = posterior.space.from_normal(z.mean(axis=0) + factor * (z - z.mean(axis=0)))
    log_prob = posterior.log_prob(theta).reshape(draws.log_prob.shape)
    return replace(draws, samples=theta.reshape(draws.samples.shape), log_prob=log_prob)


# -- the toy ----------------------------------------------------------------------------------

TIMES = np.array([0.1, 0.3, 0.6, 1.0, 1.6, 2.5])


def decay(amplitude: float, period: float, rate: float) -> np.ndarray:
    """A damped oscillation at six times."""
    return amplitude * np.exp(-rate * TIMES) * np.cos(2 * np.pi * TIMES / period)


def toy(runs: int = 120) -> tuple[eq.Posterior, eq.Simulator]:
    """Return a posterior of the toy, emulated from so many runs, and its true simulator."""
    space = eq.Space(
        [
            eq.Parameter("amplitude", 0.5, 2.0),
            eq.Parameter("period", 2.0, 6.0),
            eq.Parameter("rate", 0.1, 2.0, scale="log"),
        ]
    )
    outputs = eq.Outputs([f"y{i}" for i in range(len(TIMES))])
    simulator = eq.wrap(decay, space, outputs, version="1")
    theta = latin_hypercube(space, runs + 40, 1)
    known = eq.run_design(simulator, space, theta, executor="serial", progress=False)
    learned, held = known.split(40, 1)
    surrogate = eq.Surrogate.fitted(learned, eq.emulator("trend-gp", sharing="all"))
    surrogate = surrogate.with_report(eq.holdout_report(surrogate, held))
    data = eq.Observation(np.zeros(6), np.full(6, 0.15), names=outputs.names)
    return eq.Posterior(space, eq.GaussianLikelihood(surrogate, data)), simulator


def toy_sampler(folder: Path) -> Kept:
    """32 chains, of which every other step is kept."""
    hmc = eq.sampler("hmc", chains=8, warmup=60, until={}, max_steps=24)
    return Kept(hmc, str(folder), thin=2)


# -- the galaxies -----------------------------------------------------------------------------


def filled(runs: eq.Runs) -> np.ndarray:
    """Choose the bins in which practically all runs have galaxies.

    The others hold the floor for part of the prior, where errors are far from Gaussian. That they
    are chosen by the prior, not by a mock's data, keeps the calibration exact.
    """
    from equatorium_galaxies.outputs import PHI_FLOOR

    empty = np.isclose(runs.Y, np.log10(PHI_FLOOR))
    return np.flatnonzero(empty.mean(axis=0) < 0.002)


def layered(runs: eq.Runs, held: eq.Runs) -> eq.Surrogate:
    """Train the emulator: the outputs are curves over few combinations of the parameters.

    Where these curves are steep errors are larger, and go along the slopes.
    """
    options = {"n_subset": 800, "full_evaluations": 0, "random_state": 11}
    layer = eq.emulator("trend-gp", trend="constant", variance_function="nugget", **options)
    emulator = eq.emulator("layered-gp", layer=layer, layers=3, input_errors=True)
    surrogate = eq.Surrogate.fitted(runs, emulator)
    return surrogate.with_report(eq.holdout_report(surrogate, held))


def galaxies(folder: Path) -> tuple[eq.Posterior, eq.Simulator]:
    """Run what is missing, train the emulator; return a posterior, and what gives the mocks.

    A mock is one run, with a forest that no training run saw. The emulator is told nothing of the
    runs' noise, so that what it predicts is a run with its sampling error.
    """
    learned = eq.simulator("galaxy-formation", scale=GALAXIES.scale, forests=LEARNED)
    problem = replace(setting(GALAXIES), simulator=learned)
    path = folder / "emulator.h5"
    if not path.exists():
        theta = latin_hypercube(problem.space, RUNS + HELD_OUT, 11)
        runs = replace(runs_at(problem, theta, 11, folder / "runs.h5"), noise=None)
        eq.save(path, layered(*runs.with_outputs(filled(runs)).split(HELD_OUT, 11)))
    surrogate, seen = Remembered(**vars(eq.load(path))), problem.observation
    data = seen.subset([(seen.names or ()).index(name) for name in surrogate.outputs.names])
    mocks = eq.simulator("galaxy-formation", scale=GALAXIES.scale, forests=FORESTS, seed=UNSEEN)
    likelihood = eq.GaussianLikelihood(surrogate, data, DISCREPANCY, chunk=CHUNK)
    return eq.Posterior(problem.space, likelihood), mocks


class Remembered(eq.Surrogate):
    """Remembers what it predicted for all particles, for the posteriors of all mocks."""

    def predict(self, theta: Any) -> eq.Gaussian:
        """Predict, or remember."""
        memory = self.__dict__.setdefault("memory", {})
        key = hashlib.sha256(np.ascontiguousarray(theta).tobytes()).digest()
        if key in memory:
            return memory[key]
        found = super().predict(theta).gaussian()
        found = eq.Gaussian(found.mean, eq.Dense(found.covariance.dense()))
        if len(theta) > 256 and len(memory) < 8 * -(-PARTICLES // CHUNK):
            memory[key] = found
        return found


class PriorWeights(eq.RunSampler):
    """Importance weights of prior draws, the same for all posteriors of one prior."""

    def __init__(self, draws: int = PARTICLES, runs: int = 8, until: Any = None) -> None:
        self.draws, self.runs, self.until = draws, runs, until

    def _check(self, posterior: eq.Posterior) -> str:
        self._next = 0
        return "prior-weights"

    def _one(self, view: Any, rng: np.random.Generator, tell: Any) -> eq.WeightedRun:
        x = np.random.default_rng([SEED, self._next]).random((self.draws, view.d))
        self._next += 1
        value = view.log_prob(x)
        weight = np.exp(value - value.max())
        evidence = float(np.log(weight.mean()) + value.max())
        error = float(weight.std() / weight.mean() / np.sqrt(self.draws))
        return eq.WeightedRun(x, value, value, evidence, error, self.draws)


def galaxy_sampler(folder: Path) -> Kept:
    """Weights of prior draws, eight sets of them."""
    return Kept(PriorWeights(), str(folder))


# -- all together -----------------------------------------------------------------------------


def calibrate(
    posterior: eq.Posterior,
    simulator: eq.Simulator | None,
    sampler: Kept,
    n: int,
    block: int,
    until: float = np.inf,
    factor: float = FACTOR,
    executor: Any = None,
) -> tuple[eq.Calibration, eq.Calibration]:
    """Calibrate, and so the narrowed twin, with as many replicates as the time allows.

    Parameters
    ----------
    block : int
        Replicates between two looks at the clock.
    until : float
        No further block starts that would probably end later (in seconds since 1970).
    """
    folder = Path(sampler.folder)
    folder.mkdir(parents=True, exist_ok=True)
    run = partial(
        eq.simulation_based_calibration,
        posterior,
        simulator=simulator,
        seed=SEED,
        executor=executor,
    )
    done, each = 0, 0.0
    while done < n and (not done or time.time() + each * min(block, n - done) < until):
        start, more = time.time(), min(block, n - done)
        done += more
        found = run(sampler, done, store=folder / "replicates.h5")
        each = (time.time() - start) / more
        print(f"{done} replicates; the last {more} took {each:.1f} s each", flush=True)
    wrong = Kept(sampler.inner, sampler.folder, sampler.thin, factor)
    return found, run(wrong, done, store=folder / "narrowed.h5")


def told(calibration: eq.Calibration) -> dict[str, Any]:
    """Give the numbers to record."""
    shrinkage = np.median(calibration.shrinkage, axis=0)
    return {
        "replicates": calibration.n,
        "passed": calibration.passed,
        "reasons": calibration.reasons,
        "p_values": calibration.p_values,
        "coverage_p": calibration.coverage_p,
        "mean_square": calibration.mean_square,
        "bound": calibration.bound,
        "mean_squares": calibration.mean_squares,
        "sd/prior": {n: shrinkage[calibration.names.index(n)] for n in calibration.judged},
        "draws": [float(np.min(calibration.draws)), float(np.median(calibration.draws))],
    }


def main() -> None:
    """Calibrate toy and galaxies, as far as the time allows; write numbers and figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=np.inf, help="for all of it")
    parser.add_argument("--folder", type=Path, default=Path("results/calibration"))
    parser.add_argument("--only", choices=["toy", "galaxies"])
    parser.add_argument("-n", type=int, default=None, help="replicates")
    asked, _ = parser.parse_known_args()
    until, folder = time.time() + 60 * asked.minutes, asked.folder
    folder.mkdir(parents=True, exist_ok=True)
    record: dict[str, Any] = {"cores": os.cpu_count()}
    cases: list[tuple[str, Any]] = []
    if asked.only != "toy":
        n = asked.n or 200
        posterior, mocks = galaxies(folder)
        cases.append(("galaxies", (posterior, mocks, galaxy_sampler(folder / "galaxies"), n, 50)))
    if asked.only != "galaxies":
        n = asked.n or 500
        posterior, true = toy()
        cases.append(("toy", (posterior, None, toy_sampler(folder / "toy"), n, n)))
        cases.append(("toy-true", (posterior, true, toy_sampler(folder / "toy-true"), n, n)))
    for name, case in cases:
        if time.time() > until:
            print(f"no time is left for {name}")
            continue
        # What the galaxies' posteriors share, other processes would not.
        executor = "serial" if name == "galaxies" else None
        found, wrong = calibrate(*case, until=until, executor=executor)
        print(f"{name}\n{found.summary()}\nevery sd times {FACTOR}: {wrong.reasons}", flush=True)
        record[name] = {"right": told(found), "narrowed": told(wrong)}
        eq.save(folder / f"{name}.h5", {"right": found, "narrowed": wrong})
        eq.plots.rank_differences(found).savefig(folder / f"{name}-ranks.png")
        eq.plots.expected_coverage(found).savefig(folder / f"{name}-coverage.png")
    (folder / "calibration.json").write_text(json.dumps(record, indent=1))


if __name__ == "__main__":
    main()
