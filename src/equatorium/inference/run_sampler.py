"""What samplers that run from the prior to the posterior have in common, such as nested sampling.

Several independent runs are made, because one cannot tell how good it is: the scatter between them
gives the errors, of the draws and of the evidence.
"""

import warnings
from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, ClassVar, Self

import h5py
import numpy as np

from equatorium.checks import FloatArray, Rng, generator, matrix
from equatorium.errors import InputError, NotConvergedWarning, ShapeError
from equatorium.inference.chain_sampler import check_counts, fingerprint, told_of
from equatorium.inference.checkpoint import Checkpoint, check_same
from equatorium.inference.convergence import limits
from equatorium.inference.draws import Draws
from equatorium.inference.origin import provenance
from equatorium.inference.posterior import Posterior, View
from equatorium.interfaces.sampler import Sampler

Tell = Callable[..., None]


@dataclass(frozen=True)
class WeightedRun:
    """What one run found.

    Attributes
    ----------
    x : array, shape (n, d)
        Points of the unit cube of the prior.
    log_likelihood, log_weight : array, shape (n,)
        The weights are those of the posterior, up to a factor.
    log_evidence, log_evidence_error : float
        The run's own; NaN where it knows no error.
    evaluations : int
        Points at which the likelihood was asked for.

    Raises
    ------
    ShapeError, InputError
        If the arrays do not fit together, or no point has a weight.
    """

    x: FloatArray
    log_likelihood: FloatArray
    log_weight: FloatArray
    log_evidence: float
    log_evidence_error: float
    evaluations: int

    def __post_init__(self) -> None:
        x = matrix(self.x, "x")
        for name in ("log_likelihood", "log_weight"):
            shape = np.shape(getattr(self, name))
            if shape != x.shape[:1]:
                raise ShapeError(f"{name} of {len(x)} points has shape {shape}, not {x.shape[:1]}.")
        if not (np.isfinite(np.max(self.log_weight)) and np.isfinite(self.log_evidence)):
            raise InputError(
                f"A run needs points of finite weight, but its largest log-weight is "
                f"{np.max(self.log_weight)} and its log-evidence {self.log_evidence}."
            )

    @property
    def weight(self) -> FloatArray:
        """Weights (n,) that sum to one."""
        weight = np.exp(self.log_weight - self.log_weight.max())
        return np.asarray(weight / weight.sum())

    def kish(self) -> int:
        """Give the size that the weights suggest: a bound, for points that share ancestors."""
        return int(1.0 / np.square(self.weight).sum())

    def equal(self, n: int, rng: np.random.Generator) -> Any:
        """Choose n draws of equal weight by systematic resampling: indices, in random order."""
        ends = np.cumsum(self.weight)
        at = (np.arange(n) + rng.random()) / n * ends[-1]
        return rng.permutation(np.searchsorted(ends, at, side="right").clip(max=len(ends) - 1))


class Finished:
    """The runs that are done, and the seed of all; what a checkpoint keeps."""

    def __init__(self, seed: int, runs: Sequence[WeightedRun] = ()) -> None:
        self.seed = seed
        self.runs = list(runs)

    def write(self, file: h5py.Group) -> None:
        """Write a group for each run."""
        file.attrs["seed"] = self.seed
        for k, run in enumerate(self.runs):
            group = file.create_group(f"run-{k}")
            for field in fields(run):
                group.create_dataset(field.name, data=getattr(run, field.name), dtype=np.float64)

    @classmethod
    def read(cls, file: h5py.Group, identity: Mapping[str, Any]) -> Self:
        """Rebuild them."""
        runs: list[WeightedRun] = []
        while f"run-{len(runs)}" in file:
            group = file[f"run-{len(runs)}"]
            x, log_likelihood, log_weight, z, error, n = (
                group[field.name][()] for field in fields(WeightedRun)
            )
            runs.append(WeightedRun(x, log_likelihood, log_weight, float(z), float(error), int(n)))
        return cls(int(file.attrs["seed"]), runs)


class RunSampler(Sampler):
    """Base of samplers by independent runs from the prior to the posterior, with evidence.

    A subclass has these options, and defines `_check` and `_one`.

    Parameters
    ----------
    runs : int
        Independent runs, at least four; the scatter between them gives the errors.
    until : mapping, optional
        Criteria of convergence, of ``rhat`` and ``ess``; default ``{"rhat": 1.01, "ess": 400}``.
        They do not end anything: make more runs, or larger ones.
    """

    view = "cube"
    stopping = frozenset({"runs", "until"})
    fewest: ClassVar[int] = 4
    runs: int
    until: Mapping[str, float] | None

    @abstractmethod
    def _check(self, posterior: Posterior) -> str:
        """Check all options for this posterior; return the name of the sampler."""

    @abstractmethod
    def _one(self, view: View, rng: np.random.Generator, tell: Tell) -> WeightedRun:
        """Make one run; `tell` shows its keywords beside the progress bar."""

    def run(
        self,
        posterior: Posterior,
        *,
        rng: Rng = None,
        starts: Any = None,
        store: str | Path | None = None,
        resume: bool = True,
        progress: bool = True,
    ) -> Draws:
        """Make all runs.

        As `Sampler.run` says. The `store` holds finished runs: an interruption loses the one in
        progress. `starts` are not used, for the evidence needs the whole prior.

        The draws have equal weight, as many of each run; ``meta`` has ``log_evidence`` and
        ``log_evidence_error`` (the larger of what the scatter of the runs and what their own errors
        say), ``log_evidence_runs`` and ``evaluations``.
        """
        from tqdm.auto import tqdm

        rng = generator(rng)
        limits(self.until)
        check_counts({"runs": (self.runs, self.fewest)}, posterior.d)
        name = self._check(posterior)
        if starts is not None:
            matrix(starts, "starts", columns=posterior.d)
        view = posterior.view(self.view)
        checkpoint = Checkpoint(store, self._identity(posterior, name), kind=Finished)
        done = checkpoint.read() if resume else None
        if done is None:
            done = Finished(int(rng.integers(2**63)))
            checkpoint.begin(done)
        elif done.runs:
            first = done.runs[0]
            heavy = np.argsort(-first.log_weight, kind="stable")[:64]
            check_same(view.log_prob, first.x[heavy], first.log_likelihood[heavy], checkpoint.path)
        made = min(len(done.runs), self.runs)
        with tqdm(total=self.runs, initial=made, unit="run", disable=not progress) as bar:
            for k in range(made, self.runs):
                run = self._one(view, np.random.default_rng([done.seed, k]), bar.set_postfix)
                done.runs.append(run)
                checkpoint.flush(done)
                bar.update()
        draws = self._draws(posterior, view, name, Finished(done.seed, done.runs[: self.runs]))
        if not draws.converged:
            reasons = "; ".join(draws.reasons)
            warnings.warn(f"The posterior is not converged: {reasons}", NotConvergedWarning, 2)
        return draws

    def _identity(self, posterior: Posterior, name: str) -> dict[str, Any]:
        options = {k: v for k, v in self.get_params().items() if k not in self.stopping}
        return {
            "sampler": name,
            "posterior": fingerprint(posterior),
            "names": list(posterior.names),
            **options,
        }

    def _draws(self, posterior: Posterior, view: View, name: str, done: Finished) -> Draws:
        """Physical draws of equal weight: as many of each run as the poorest one can give."""
        n = max(1, min(run.kish() for run in done.runs))
        chosen = [
            run.equal(n, np.random.default_rng([done.seed, k, 1]))
            for k, run in enumerate(done.runs)
        ]
        pairs = list(zip(done.runs, chosen, strict=True))
        theta = view.to_theta(np.concatenate([run.x[i] for run, i in pairs]))
        log_prob = np.concatenate([run.log_likelihood[i] for run, i in pairs])
        log_prob = log_prob + posterior.space.log_prior(theta)
        evidence = np.array([run.log_evidence for run in done.runs])
        own = np.array([run.log_evidence_error for run in done.runs])
        errors = evidence.std(ddof=1), np.sqrt(np.square(np.nan_to_num(own)).mean())
        meta = {
            "sampler": name,
            "independent_runs": True,
            "log_evidence": float(evidence.mean()),
            "log_evidence_error": float(max(errors) / np.sqrt(len(evidence))),
            "log_evidence_runs": evidence.tolist(),
            "evaluations": sum(run.evaluations for run in done.runs),
            "until": limits(self.until),
            **told_of(posterior),
            "provenance": provenance(self, posterior, {"entropy": done.seed, "spawn_key": []}),
        }
        shape = (len(done.runs), n, 1)
        return Draws(
            posterior.names,
            theta.reshape(*shape, view.d),
            log_prob.reshape(shape),
            posterior.space,
            meta,
        )
