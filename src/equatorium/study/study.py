"""The whole line of a calibration in one object, resumable at every step.

``design -> runs -> emulator -> region``, wave after wave, then the posterior. Every step's result
is kept in the study's file under the hash of its inputs, so that the same commands given again
go on where they stopped, and changed options recompute just what depends on them.
"""

from collections.abc import Mapping, Sequence
from concurrent.futures import Executor
from pathlib import Path
from typing import Any

import numpy as np

from equatorium import registry
from equatorium.checks import instance
from equatorium.citation import cite
from equatorium.errors import InputError
from equatorium.history.region import Region
from equatorium.history.wave import Wave, rank_of
from equatorium.inference.draws import Draws
from equatorium.inference.posterior import Posterior
from equatorium.interfaces.emulator import Emulator
from equatorium.interfaces.sampler import Sampler
from equatorium.interfaces.simulator import Simulator
from equatorium.records.discrepancy import Discrepancy
from equatorium.records.observation import Observation
from equatorium.records.runs import Runs
from equatorium.records.space import Space
from equatorium.study import figures, summary
from equatorium.study.checks import Asked, ask
from equatorium.study.steps import Steps, digest
from equatorium.study.walk import Problem, Walk
from equatorium.study.waveplan import WavePlan, wave_plans


class Study:
    """Calibrate a simulator, or a table of its runs, against an observation.

    Parameters
    ----------
    source : Simulator or Runs
        What gives outputs for parameters: something to run, or runs made already.
    observation : Observation
        The data, with measurement errors only.
    emulator : Emulator, optional
        An unfitted emulator, cloned for every wave; by default ``trend-gp``.
    discrepancy : Discrepancy, optional
        What the simulator is known not to get right; none by default.
    space : Space, optional
        The simulator's parameters with other ranges, priors or fixed values.
    store : str or Path
        The study's HDF5 file.
    seed : int
        Every random number of the study derives from it.
    progress : bool
        Say what is being done, and show progress bars.

    Raises
    ------
    InputError
        When the observation does not fit the simulator's outputs.
    NotSavableError
        When the emulator, or a part of it, is no registered method: the file could not name it.

    Examples
    --------
    A table of runs serves as well as a simulator::

        study = eq.Study(eq.Runs.read("runs.csv", inputs=[...], outputs=[...]), observation)
        draws = study.sample("emcee")
    """

    def __init__(
        self,
        source: Simulator | Runs,
        observation: Observation,
        *,
        emulator: Emulator | None = None,
        discrepancy: Discrepancy | None = None,
        space: Space | None = None,
        store: str | Path = "study.h5",
        seed: int = 0,
        progress: bool = True,
    ) -> None:
        if not isinstance(source, Simulator | Runs):
            raise InputError(f"A Study needs a Simulator or Runs, but it is given {source!r:.80}.")
        discrepancy = Discrepancy.none() if discrepancy is None else discrepancy
        emulator = registry.from_spec("emulator", "trend-gp" if emulator is None else emulator)
        instance(observation, Observation, "observation")
        instance(discrepancy, Discrepancy, "discrepancy")
        instance(emulator, Emulator, "emulator")
        # What its file cannot name, and parts that cannot be, are told before hours of runs.
        registry.to_spec(emulator)
        _ = emulator.capabilities_
        self.problem = Problem(
            source,
            source.space if space is None else space,
            observation,
            discrepancy,
            emulator,
        )
        if isinstance(seed, bool) or not isinstance(seed, int | np.integer) or seed < 0:
            raise InputError(f"seed must be a whole number >= 0, but it is {seed!r}.")
        self.steps = Steps(store, seed=int(seed), progress=progress)
        self.steps.prepare()
        self.stage = self.problem.start()
        self.draws: Draws | None = None
        self.checks: dict[str, Any] = {}
        self._sampler: Sampler | None = None

    def history_match(
        self,
        waves: int | Sequence[WavePlan | Mapping[str, Any]] = 3,
        *,
        executor: Executor | None = None,
        accept: bool = False,
        **options: Any,
    ) -> Region:
        """Rule out parameter space in waves; return the region that is left.

        Parameters
        ----------
        waves : int or sequence of WavePlan
            How many waves, or what each does.
        executor : concurrent.futures.Executor, optional
            Where the simulator runs; a pool of one process a core by default.
        accept : bool
            Go on with an emulator that fails its validation; recorded in the wave.
        **options
            Fields of `WavePlan` for every wave.

        Returns
        -------
        Region
            What no wave rules out.

        Raises
        ------
        EmptyRegionError
            When nothing is left, naming the outputs that rule everything out.
        NotValidatedError
            When an emulator fails its validation and ``accept`` is False.
        """
        plans = wave_plans(waves, options)
        if isinstance(self.problem.source, Runs) and len(plans) > 1:
            raise InputError("a table of runs serves one wave: later ones need a simulator to run")
        q = self.problem.observation.q
        for plan in plans:
            if rank_of(plan.rule) > q:
                raise InputError(f"the rule {plan.rule!r} needs more data than the {q} there are")
        walk = Walk(self.problem, self.steps, executor, accept)
        self._restart()
        for plan in plans:
            self.stage = walk.narrow(walk.train(self.stage, plan), plan)
        return self.stage.region

    def emulate(
        self,
        runs: int | None = None,
        *,
        held_out: int = 0,
        executor: Executor | None = None,
        accept: bool = False,
    ) -> Wave:
        """Train and validate one emulator over the whole space, ruling nothing out.

        Parameters
        ----------
        runs : int, optional
            Simulator runs, by default ten a parameter (Loeppky, Sacks & Welch 2009,
            doi 10.1198/TECH.2009.08040); a table of runs is used whole.
        held_out : int
            Further runs that test the emulator; 0 for cross-validation.
        executor, accept
            As in `history_match`.

        Returns
        -------
        Wave
            With the ``surrogate`` and its ``report``.
        """
        plan = WavePlan(runs=runs or 10 * self.problem.space.d, held_out=held_out)
        walk = Walk(self.problem, self.steps, executor, accept)
        self._restart()
        self.stage = walk.train(self.stage, plan)
        return self.stage.waves[-1]

    def sample(self, sampler: str | Sampler = "emcee", **options: Any) -> Draws:
        """Draw from the posterior of the newest emulator, inside the region that is left.

        Where nothing was trained before, `emulate` is called first.

        Parameters
        ----------
        sampler : str or Sampler
            A registered name, with its ``options``, or an object.

        Returns
        -------
        Draws
            The posterior. An interrupted run goes on where it stopped, and one that has not
            converged goes on when it is asked for more steps. The chains of one that has are done
            with: asked for more, it begins anew.
        """
        if options and not isinstance(sampler, str):
            raise InputError(f"options {sorted(options)} come with a sampler's name only")
        spec = {"use": sampler, "options": options} if isinstance(sampler, str) else sampler
        chosen: Sampler = registry.from_spec("sampler", spec)
        if not self.stage.waves:
            self.emulate()
        self._sampler, self.checks = chosen, {}
        made = registry.to_spec(chosen)
        inputs = {"upstream": self.stage.key, "sampler": made}
        lasting = {k: v for k, v in made["options"].items() if k not in chosen.stopping}
        stem = f"{self.steps.path.name}.chains"
        key = digest({**inputs, "sampler": {**made, "options": lasting}})
        chains = self.steps.path.with_name(f"{stem}-{key}")
        self.draws, _ = self.steps.run(
            "posterior",
            inputs,
            lambda rng: chosen.run(
                self.posterior(),
                rng=rng,
                starts=self.stage.particles,
                store=chains,
                progress=self.steps.progress,
            ),
        )
        # Chains that have not converged are kept, to go on with more steps; others are done with.
        for checkpoint in self.steps.path.parent.glob(f"{stem}-*"):
            if self.draws.converged or checkpoint != chains:
                checkpoint.unlink()
        return self.draws

    def posterior(self) -> Posterior:
        """Return the posterior that `sample` draws from."""
        likelihood = self.problem.likelihood(self.stage)
        return Posterior(
            self.problem.space, likelihood, region=self.stage.region, identity=self.stage.key
        )

    def check(self, name: str, **options: Any) -> Any:
        """Ask whether the posterior is right, and what it rests on; the report tells it too.

        Parameters
        ----------
        name : str
            One of ``prior-predictive``, ``posterior-predictive``, ``goodness-of-fit``,
            ``leave-one-out``, ``waic``, ``true-runs``, ``error-budget`` and ``discrepancy``.
        **options
            Of the check, such as ``n``, the number of draws or runs.

        Returns
        -------
        object
            The check's record; its ``summary()`` says what it means.
        """
        asked = Asked(self.problem, self.stage, self.draws, self.steps)
        self.checks[name] = ask(name, asked, options)
        return self.checks[name]

    def summary(self) -> str:
        """Return what was done and found, as text."""
        return summary.text_of(self.problem, self.stage, self.draws, self._budget())

    def write_report(self, folder: str | Path) -> list[Path]:
        """Write the figures and the summary into a folder; return the files."""
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        texts = {"summary.txt": self.summary(), "citations.txt": self.cite()}
        texts |= {f"check-{name}.txt": made.summary() for name, made in self.checks.items()}
        for name, text in texts.items():
            (folder / name).write_text(text + "\n")
        drawn = figures.write_all(self.problem, self.stage, self.draws, self.checks, folder)
        return [*(folder / name for name in texts), *drawn]

    def cite(self) -> str:
        """Return the references of the methods that were used; the study's file keeps them."""
        used: list[Any] = [
            self.problem.emulator,
            *(() if self._sampler is None else [self._sampler]),
        ]
        # A wrapped function has no reference that we could know.
        if registry.entry_of(type(self.problem.source)) is not None:
            used.append(self.problem.source)
        text = cite(*used)
        self.steps.run("citations", {"text": text}, lambda rng: {"text": text})
        return text

    def _restart(self) -> None:
        """Draws and checks of other emulators are none of the ones to come."""
        self.stage, self.draws, self.checks = self.problem.start(), None, {}

    def _budget(self) -> dict[str, float] | None:
        """Return each error's share of the total variance over the posterior."""
        if self.draws is None:
            return None
        shares: dict[str, float] = self.posterior().likelihood.budget(self.draws.thinned(500))
        return shares
