"""Running emcee: several ensembles, checkpoints, exact resumption, and a stop on evidence."""

import json
import warnings
from collections.abc import Iterator, Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np

from equatorium.checks import Rng, generator
from equatorium.errors import InputError, NotConvergedWarning
from equatorium.inference.backend import Chains, Checkpoint, check_same
from equatorium.inference.convergence import limits
from equatorium.inference.draws import Draws
from equatorium.inference.moves import default_moves
from equatorium.inference.posterior import Posterior, View
from equatorium.inference.starts import starting_points
from equatorium.interfaces.sampler import Sampler


class Emcee(Sampler):
    """Affine-invariant ensemble sampling by emcee, in the view whose prior is N(0, I).

    Parameters
    ----------
    walkers : int, optional
        Walkers of each ensemble, even, at least twice the parameters; default max(64, 4 d).
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
    thin : int, optional
        Every how many steps one is stored; default d // 4 (at least 1), a small part of these
        moves' autocorrelation time, about 3 d at best.

    Notes
    -----
    The first half of each chain is discarded as burn-in. Evidence of convergence is asked of the
    second half: nested R-hat, bulk and tail ESS, a length of five autocorrelation times, and an
    autocorrelation time that no longer grows with the chain.

    References
    ----------
    Foreman-Mackey et al. 2013, PASP 125, 306, doi:10.1086/670067. Moves: see
    `equatorium.inference.moves`.
    """

    view = "normal"
    stopping = frozenset({"until", "max_steps", "first_check", "checkpoint_every"})

    def __init__(
        self,
        walkers: int | None = None,
        ensembles: int = 4,
        until: Mapping[str, float] | None = None,
        max_steps: int = 20_000,
        first_check: int = 400,
        thin: int | None = None,
        checkpoint_every: float = 10.0,
    ) -> None:
        self.walkers = walkers
        self.ensembles = ensembles
        self.until = until
        self.max_steps = max_steps
        self.first_check = first_check
        self.thin = thin
        self.checkpoint_every = checkpoint_every

    @classmethod
    def conformance_options(cls) -> dict[str, Any]:
        """Return settings that take a second."""
        return {"walkers": 16, "until": {}, "max_steps": 200}

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

        Parameters
        ----------
        posterior : Posterior
        rng : int, Generator or None
        starts : array, shape (n, d), optional
            Plausible points in physical units, such as the region's particles.
        store : path, optional
            HDF5 file of checkpoints; ``emcee.backends.HDFBackend(store, name="ensemble-0")`` reads
            it. An interrupted run loses what was made since the last one, about ten seconds.
        resume : bool
            Go on from `store` if it is there, with the very numbers that an uninterrupted run
            would give. False replaces it.
        progress : bool
            Show steps, worst R-hat and worst ESS.

        Returns
        -------
        Draws
            Not converged ones say so, in a `NotConvergedWarning`, their summary and their file.

        Raises
        ------
        InputError
            If a setting, or all starting points, cannot be used.
        StateError
            If `store` belongs to another posterior or other settings.
        FileFormatError
            If `store` is some other file.
        """
        rng = generator(rng)
        walkers, thin = self._settings(posterior.d)
        view = posterior.view(self.view)
        identity = self._identity(posterior, walkers, thin)
        checkpoint = Checkpoint(store, identity, self.checkpoint_every)
        chains = checkpoint.read() if resume else None
        if chains is None:
            chains = self._begin(posterior, view, walkers, rng, starts)
            checkpoint.begin(chains)
        else:
            check_same(view.log_prob, chains, checkpoint.path)
        try:
            draws = self._advance(posterior, view, chains, checkpoint, thin, progress)
        finally:
            checkpoint.flush(chains)
        if not draws.converged:
            reasons = "; ".join(draws.reasons)
            warnings.warn(f"The posterior is not converged: {reasons}", NotConvergedWarning, 2)
        return draws

    def _settings(self, d: int) -> tuple[int, int]:
        """Walkers and thinning for d parameters, after checking all settings."""
        limits(self.until)
        walkers = max(64, 4 * d) if self.walkers is None else self.walkers
        thin = max(1, d // 4) if self.thin is None else self.thin
        counts = {
            "walkers": (walkers, max(2 * d, 8)),
            "ensembles": (self.ensembles, 4),
            "max_steps": (self.max_steps, 16 * thin),
            "first_check": (self.first_check, 1),
            "thin": (thin, 1),
        }
        for name, (value, low) in counts.items():
            if isinstance(value, bool) or not isinstance(value, int) or value < low:
                raise InputError(
                    f"{name} must be a whole number of at least {low} for {d} parameters, but it "
                    f"is {value!r}."
                )
        if walkers % 2:
            raise InputError(f"walkers must be even (they move in halves), but it is {walkers}.")
        return walkers, thin

    def _identity(self, posterior: Posterior, walkers: int, thin: int) -> dict[str, Any]:
        key = json.dumps([posterior.d, list(posterior.names), posterior.identity])
        return {
            "posterior": sha256(key.encode()).hexdigest()[:16],
            "names": list(posterior.names),
            "view": self.view,
            "walkers": walkers,
            "ensembles": self.ensembles,
            "thin": thin,
        }

    def _begin(
        self,
        posterior: Posterior,
        view: View,
        walkers: int,
        rng: np.random.Generator,
        starts: Any,
    ) -> Chains:
        points, log_prob = starting_points(posterior, view, self.ensembles, walkers, rng, starts)
        # emcee would take its generator from numpy's global one.
        state: Any = np.random.RandomState(int(rng.integers(2**32))).get_state()
        return Chains(points, log_prob, state)

    def _advance(
        self,
        posterior: Posterior,
        view: View,
        chains: Chains,
        checkpoint: Checkpoint,
        thin: int,
        progress: bool,
    ) -> Draws:
        """Let the ensembles step together, and look at convergence at fixed lengths.

        The lengths depend on nothing but the settings, so that a resumed run stops where an
        uninterrupted one does.
        """
        from tqdm.auto import tqdm

        sampler, last = _sampler(view, chains), self.max_steps // thin
        done, draws = chains.iteration, None
        with tqdm(total=last * thin, initial=done * thin, unit="step", disable=not progress) as bar:
            first = last if self.until == {} else max(16, self.first_check // thin)
            for goal in _goals(first, last):
                if goal < done:
                    continue
                for _ in _steps(sampler, chains, goal, thin):
                    checkpoint.tick(chains)
                    bar.update(thin)
                done = goal
                draws = self._draws(posterior, view, chains, done, thin)
                rhat, ess = max(draws.rhat.values()), min(draws.ess.values())
                bar.set_postfix(rhat=f"{rhat:.3f}", ess=f"{ess:.0f}")
                if draws.converged:
                    break
        # A store may hold more steps than are asked for now: then nothing was left to do.
        return self._draws(posterior, view, chains, done, thin) if draws is None else draws

    def _draws(self, posterior: Posterior, view: View, chains: Chains, n: int, thin: int) -> Draws:
        """Physical draws from the second half of the first n stored steps."""
        burn = n // 2
        x, log_prob = (np.swapaxes(a[burn:n], 0, 1) for a in (chains.steps, chains.log_prob))
        flat = x.reshape(-1, view.d)
        theta = view.to_theta(flat)
        prior = -0.5 * (np.square(flat).sum(axis=1) + view.d * np.log(2 * np.pi))
        change = (posterior.space.log_prior(theta) - prior).reshape(log_prob.shape)
        likelihood = posterior.likelihood
        meta = {
            "sampler": "emcee",
            "steps": n * thin,
            "discarded": burn * thin,
            "thin": thin,
            "until": limits(self.until),
            "acceptance": float(chains.accepted.mean() / chains.iteration),
            "emulator_covariance": getattr(likelihood, "emulator_covariance", True),
            "override": getattr(likelihood, "override", ""),
            "n_nan": posterior.n_nan,
            "first_nan": None if posterior.first_nan is None else posterior.first_nan.tolist(),
        }
        return Draws(
            posterior.names, theta.reshape(x.shape), log_prob + change, posterior.space, meta
        )


def _sampler(view: View, chains: Chains) -> Any:
    from emcee import EnsembleSampler

    moves = default_moves(*chains.start_log_prob.shape)
    walkers, d = chains.shape
    sampler = EnsembleSampler(
        walkers, d, view.log_prob, moves=moves, backend=chains, vectorize=True
    )
    # emcee's wrapper prints every walker's coordinates to the screen when a likelihood raises.
    sampler.log_prob_fn = view.log_prob
    return sampler


def _steps(sampler: Any, chains: Chains, until: int, thin: int) -> Iterator[Any]:
    """Advance to `until` stored steps; our own check of the starts serves instead of emcee's."""
    if until > chains.iteration:
        yield from sampler.sample(
            chains.get_last_sample(),
            iterations=until - chains.iteration,
            thin_by=thin,
            skip_initial_state_check=True,
        )


def _goals(first: int, last: int) -> Iterator[int]:
    """Lengths at which convergence is looked at, a quarter more each time, up to `last`."""
    goal = first
    while goal < last:
        yield goal
        goal += max(1, goal // 4)
    yield last
