"""What all samplers that step have in common: starts, checkpoints, resumption, a stop on evidence.

A new one says how its chains begin and how they go on, and nothing else.
"""

import json
import warnings
from abc import abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from equatorium.checks import FloatArray, Rng, generator
from equatorium.errors import InputError, NotConvergedWarning
from equatorium.inference.backend import Chains
from equatorium.inference.checkpoint import Checkpoint, check_same
from equatorium.inference.convergence import limits
from equatorium.inference.draws import Draws
from equatorium.inference.origin import provenance, seed_of
from equatorium.inference.posterior import Posterior, View
from equatorium.inference.starts import starting_points
from equatorium.interfaces.sampler import Sampler


@dataclass(frozen=True)
class Layout:
    """How the chains of a sampler are arranged.

    Attributes
    ----------
    walkers : int
        Chains of each ensemble.
    thin : int
        Steps between stored ones.
    warmup : int or None
        Stored steps that are no draws; None means half of the chain, as long as it may become.
    identity : mapping
        JSON values: the options that must be the same for a stored chain to go on; with ``memory``,
        the shape of each array of `Chains.memory` as a list, by name.
    """

    walkers: int
    thin: int = 1
    warmup: int | None = None
    identity: Mapping[str, Any] | None = None

    def burn(self, n: int) -> int:
        """How many of n stored steps are discarded."""
        return n // 2 if self.warmup is None else self.warmup


class ChainSampler(Sampler):
    """Base of samplers whose ensembles step together until there is evidence of convergence.

    A subclass has these options, and defines `_layout`, `_begin`, `_steps` and, if it likes,
    `_told`.

    Parameters
    ----------
    ensembles : int
        Independent ensembles that start apart, at least four: nested R-hat compares them.
    until : mapping, optional
        Criteria to stop at, of ``rhat`` and ``ess``; default ``{"rhat": 1.01, "ess": 400}``. With
        an empty one exactly `max_steps` are made.
    max_steps : int
        Most steps of each ensemble.
    first_check : int
        Convergence is looked at after this many steps, and then each time there are a quarter more.
    checkpoint_every : float
        Seconds between checkpoints.
    """

    view = "normal"
    stopping = frozenset({"until", "max_steps", "first_check", "checkpoint_every"})
    spanning: ClassVar[bool] = True  # whether the starts of an ensemble must span the space
    ensembles: int
    until: Mapping[str, float] | None
    max_steps: int
    first_check: int
    checkpoint_every: float

    @abstractmethod
    def _layout(self, posterior: Posterior) -> Layout:
        """Check all options for this posterior and arrange the chains."""

    @abstractmethod
    def _begin(
        self, view: View, x: FloatArray, log_prob: FloatArray, rng: np.random.Generator
    ) -> Chains:
        """Make chains from the starts x (g, w, d) with log-probabilities (g, w)."""

    @abstractmethod
    def _steps(self, view: View, chains: Chains, until: int, layout: Layout) -> Iterator[Any]:
        """Advance to `until` stored steps, yielding after each."""

    def _told(self, chains: Chains, layout: Layout) -> dict[str, Any]:
        """Tell what belongs to `Draws.meta`."""
        return {"acceptance": float(chains.accepted.mean() / max(1, chains.iteration))}

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
        """Sample until converged, or as long as `max_steps` allow.

        As `Sampler.run` says. The `store` holds checkpoints, one about every ten seconds, which
        ``emcee.backends.HDFBackend(store, name="ensemble-0")`` reads; an interrupted run loses what
        was made since the last one. The progress bar shows steps, worst R-hat and worst ESS.
        """
        rng = generator(rng)
        seed = seed_of(rng)
        limits(self.until)
        layout = self._layout(posterior)
        view = posterior.view(self.view)
        identity = self._identity(posterior, layout)
        checkpoint = Checkpoint(store, identity, self.checkpoint_every, kind=Chains)
        chains = checkpoint.read() if resume else None
        if chains is None:
            points, log_prob = starting_points(
                posterior, view, self.ensembles, layout.walkers, rng, starts, self.spanning
            )
            chains = self._begin(view, points, log_prob, rng)
            chains.seed = seed
            checkpoint.begin(chains)
        else:
            check_same(view.log_prob, *chains.last, checkpoint.path)
        try:
            draws = self._advance(posterior, view, chains, checkpoint, layout, progress)
        finally:
            checkpoint.flush(chains)
        if not draws.converged:
            reasons = "; ".join(draws.reasons)
            warnings.warn(f"The posterior is not converged: {reasons}", NotConvergedWarning, 2)
        return draws

    def _identity(self, posterior: Posterior, layout: Layout) -> dict[str, Any]:
        return {
            "posterior": fingerprint(posterior),
            "names": list(posterior.names),
            "view": self.view,
            "walkers": layout.walkers,
            "ensembles": self.ensembles,
            "thin": layout.thin,
            **(layout.identity or {}),
        }

    def _advance(
        self,
        posterior: Posterior,
        view: View,
        chains: Chains,
        checkpoint: Checkpoint[Chains],
        layout: Layout,
        progress: bool,
    ) -> Draws:
        """Let the ensembles step together, and look at convergence at fixed lengths.

        The lengths depend on nothing but the settings, so that a resumed run stops where an
        uninterrupted one does.
        """
        from tqdm.auto import tqdm

        thin, warmup = layout.thin, layout.warmup or 0
        last, done, draws = warmup + self.max_steps // thin, chains.iteration, None
        with tqdm(total=last * thin, initial=done * thin, unit="step", disable=not progress) as bar:
            first = last if self.until == {} else warmup + max(16, self.first_check // thin)
            for goal in _goals(first, last):
                if goal < done:
                    continue
                for _ in self._steps(view, chains, goal, layout):
                    checkpoint.tick(chains)
                    bar.update(thin)
                done = goal
                draws = self._draws(posterior, view, chains, done, layout)
                rhat, ess = max(draws.rhat.values()), min(draws.ess.values())
                bar.set_postfix(rhat=f"{rhat:.3f}", ess=f"{ess:.0f}")
                if draws.converged:
                    break
        # A store may hold more steps than are asked for now: then nothing was left to do.
        return self._draws(posterior, view, chains, done, layout) if draws is None else draws

    def _draws(
        self, posterior: Posterior, view: View, chains: Chains, n: int, layout: Layout
    ) -> Draws:
        """Physical draws from what is kept of the first n stored steps."""
        burn = layout.burn(n)
        x, log_prob = (np.swapaxes(a[burn:n], 0, 1) for a in (chains.steps, chains.log_prob))
        flat = x.reshape(-1, view.d)
        theta = view.to_theta(flat)
        prior = -0.5 * (np.square(flat).sum(axis=1) + view.d * np.log(2 * np.pi))
        change = (posterior.space.log_prior(theta) - prior).reshape(log_prob.shape)
        meta = {
            **self._told(chains, layout),
            "steps": n * layout.thin,
            "discarded": burn * layout.thin,
            "thin": layout.thin,
            "until": limits(self.until),
            **told_of(posterior),
            "provenance": provenance(self, posterior, chains.seed),
        }
        return Draws(
            posterior.names, theta.reshape(x.shape), log_prob + change, posterior.space, meta
        )


def fingerprint(posterior: Posterior) -> str:
    """Give what tells a posterior's stores from those of others."""
    key = json.dumps([posterior.d, list(posterior.names), posterior.identity])
    return sha256(key.encode()).hexdigest()[:16]


def told_of(posterior: Posterior) -> dict[str, Any]:
    """Tell what was done against the rules, and what went wrong, for `Draws.meta`."""
    likelihood = posterior.likelihood
    return {
        "emulator_covariance": getattr(likelihood, "emulator_covariance", True),
        "override": getattr(likelihood, "override", ""),
        "n_nan": posterior.n_nan,
        "first_nan": None if posterior.first_nan is None else posterior.first_nan.tolist(),
    }


def check_counts(counts: Mapping[str, tuple[Any, int]], d: int) -> None:
    """Raise InputError unless each value is a whole number of at least the one beside it."""
    for name, (value, low) in counts.items():
        if isinstance(value, bool) or not isinstance(value, int) or value < low:
            raise InputError(
                f"{name} must be a whole number of at least {low} for {d} parameters, but it is "
                f"{value!r}."
            )


def _goals(first: int, last: int) -> Iterator[int]:
    """Lengths at which convergence is looked at, a quarter more each time, up to `last`."""
    goal = first
    while goal < last:
        yield goal
        goal += max(1, goal // 4)
    yield last
