"""One wave at a time: design, run, fit, validate, rule out; each a step that is kept."""

from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from equatorium import registry
from equatorium.checks import FloatArray
from equatorium.history.region import Region
from equatorium.history.waves import fit_wave, next_design
from equatorium.inference.likelihood import GaussianLikelihood
from equatorium.interfaces.emulator import Emulator
from equatorium.interfaces.simulator import Simulator
from equatorium.records.covariance import Covariance
from equatorium.records.discrepancy import Discrepancy
from equatorium.records.observation import Observation
from equatorium.records.runs import Runs
from equatorium.records.space import Space
from equatorium.simulate.design import DESIGNS
from equatorium.simulate.execute import run_design
from equatorium.simulate.ledger import Ledger
from equatorium.study.stage import Stage, Volume
from equatorium.study.steps import Steps, digest, entropy
from equatorium.study.waveplan import WavePlan


@dataclass(frozen=True)
class Problem:
    """What is calibrated against what: the same for every wave.

    Attributes
    ----------
    source : Simulator or Runs
        What gives outputs for parameters.
    space : Space
        Its parameters.
    observation : Observation
        The data.
    discrepancy : Discrepancy
        What the simulator is known not to get right.
    emulator : Emulator
        Unfitted; cloned for every wave.
    """

    source: Simulator | Runs
    space: Space
    observation: Observation
    discrepancy: Discrepancy
    emulator: Emulator

    @property
    def response(self) -> FloatArray:
        """The observation's linear map from outputs to data, shape (q, p)."""
        return self.observation.match(self.source.outputs)

    @property
    def used(self) -> Any:
        """Indices of the outputs that the data see."""
        return np.flatnonzero(np.any(self.response != 0, axis=0))

    @property
    def shared(self) -> Covariance | None:
        """Covariance over the used outputs of the error that all runs share."""
        covariance = None if isinstance(self.source, Runs) else self.source.covariance
        return None if covariance is None else covariance.marginal(self.used)

    def likelihood(self, stage: Stage) -> GaussianLikelihood:
        """Return the likelihood of the newest emulator."""
        wave = stage.waves[-1]
        return GaussianLikelihood(
            wave.surrogate,
            self.observation,
            wave.discrepancy,
            extra=self.shared,
            override=wave.override,
        )

    def start(self) -> Stage:
        """Return the stage before the first wave."""
        source = self.source if isinstance(self.source, Runs) else self.source.identity()
        self.discrepancy.covariance(self.observation)  # raises now, and not after the runs
        inputs = {"space": self.space, "source": source, "outputs": self.used}
        if self.shared is not None:
            inputs["shared"] = self.shared
        return Stage(Region(self.space), self.discrepancy, digest(inputs))


@dataclass(frozen=True)
class Walk:
    """Takes a problem from stage to stage, keeping every step.

    Attributes
    ----------
    problem : Problem
        What is calibrated.
    steps : Steps
        Where the results are kept.
    executor : concurrent.futures.Executor or None
        Where the simulator runs.
    accept : bool
        Go on with an emulator that fails its validation.
    """

    problem: Problem
    steps: Steps
    executor: Executor | None = None
    accept: bool = False

    def train(self, stage: Stage, plan: WavePlan) -> Stage:
        """Design, run, fit and validate the next wave's emulator."""
        problem, k = self.problem, len(stage.waves) + 1
        runs, key = self._runs(stage, plan)
        fresh, held = runs, None
        if plan.held_out and isinstance(problem.source, Runs):  # which may be sorted
            fresh, held = runs.split(plan.held_out, entropy(self.steps.seed, "held-out"))
        elif plan.held_out:
            fresh = runs.subset(np.arange(runs.n - plan.held_out))
            held = runs.subset(np.arange(fresh.n, runs.n))
        discrepancy = stage.discrepancy.inflated(plan.discrepancy_factor)

        def fit(rng: np.random.Generator) -> Any:
            # Earlier runs that are still plausible know something of the region's inside.
            train = Runs.concatenate([fresh, *(_inside(stage.region, old) for old in stage.runs)])
            return fit_wave(
                train,
                problem.emulator,
                problem.observation,
                discrepancy,
                held_out=held,
                region=stage.region,
                particles=stage.particles,
                extra=problem.shared,
                rule=plan.rule,
                probability=plan.probability,
                accept=self.accept,
                rng=rng,
            )

        inputs = {
            "upstream": stage.key,
            "runs": key,
            "plan": [plan.held_out, plan.rule, plan.probability, self.accept],
            # A method that has learned to learn otherwise counts its versions.
            "emulator": [registry.to_spec(problem.emulator), problem.emulator.state_version],
            "observation": problem.observation,
            "discrepancy": discrepancy,
        }
        wave, key = self.steps.run(f"wave-{k}/emulator", inputs, fit)
        return replace(
            stage,
            discrepancy=discrepancy,
            key=key,
            runs=(*stage.runs, fresh),
            waves=(*stage.waves, wave),
        )

    def narrow(self, stage: Stage, plan: WavePlan) -> Stage:
        """Rule out what the newest emulator rules out, and sample what is left."""
        k = len(stage.waves)
        region = stage.region.extended(stage.waves[-1])

        def sample(rng: np.random.Generator) -> dict[str, Any]:
            drawn = region.sample(plan.particles, rng, progress=self.steps.progress)
            return {
                "fraction": drawn.volume,
                "error": drawn.volume_error,
                "particles": drawn.particles,
            }

        inputs = {"upstream": stage.key, "particles": plan.particles}
        left, key = self.steps.run(f"wave-{k}/region", inputs, sample)
        volume = Volume(**left)
        self.steps.say(f"wave {k} leaves {volume.fraction:.2g} +- {volume.error:.1g} of the prior")
        return replace(stage, region=region, key=key, volumes=(*stage.volumes, volume))

    def _runs(self, stage: Stage, plan: WavePlan) -> tuple[Runs, str]:
        """Return the wave's runs over the outputs that the data see, and their hash."""
        source = self.problem.source
        if isinstance(source, Runs):
            return source.with_outputs(self.problem.used), stage.key
        k, n = len(stage.waves) + 1, plan.runs + plan.held_out
        theta, key = self.steps.run(
            f"wave-{k}/design",
            {"upstream": stage.key, "n": n, "design": plan.design if k == 1 else "region"},
            self._design(stage, plan.design, n),
        )

        def execute(rng: np.random.Generator) -> Runs:
            return run_design(
                source,
                self.problem.space,
                theta,
                ledger=Ledger(self.steps.path),
                executor=self.executor,
                seed=entropy(self.steps.seed, f"wave-{k}/runs"),
                progress=self.steps.progress,
            )

        inputs = {"upstream": key, "simulator": source.identity()}
        runs, key = self.steps.run(f"wave-{k}/runs", inputs, execute)
        return runs.with_outputs(self.problem.used), key

    def _design(
        self, stage: Stage, design: str, n: int
    ) -> Callable[[np.random.Generator], FloatArray]:
        if stage.particles is None:
            return lambda rng: DESIGNS[design](self.problem.space, n, rng)
        return lambda rng: next_design(stage.region, n, rng, particles=stage.particles)


def _inside(region: Region, runs: Runs) -> Runs:
    return runs.subset(np.flatnonzero(region.contains(runs.X)))
