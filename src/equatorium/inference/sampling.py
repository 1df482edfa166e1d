"""emcee: several ensembles that step together, by differential evolution and snooker."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from equatorium.checks import FloatArray
from equatorium.errors import InputError
from equatorium.inference.backend import Chains
from equatorium.inference.chain_sampler import ChainSampler, Layout, check_counts
from equatorium.inference.moves import default_moves
from equatorium.inference.posterior import Posterior, View


class Emcee(ChainSampler):
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

    def _layout(self, posterior: Posterior) -> Layout:
        d = posterior.d
        walkers = max(64, 4 * d) if self.walkers is None else self.walkers
        thin = max(1, d // 4) if self.thin is None else self.thin
        counts = {
            "walkers": (walkers, max(2 * d, 8)),
            "ensembles": (self.ensembles, 4),
            "max_steps": (self.max_steps, 16 * thin if isinstance(thin, int) else 1),
            "first_check": (self.first_check, 1),
            "thin": (thin, 1),
        }
        check_counts(counts, d)
        if walkers % 2:
            raise InputError(f"walkers must be even (they move in halves), but it is {walkers}.")
        return Layout(walkers, thin)

    def _begin(
        self, view: View, x: FloatArray, log_prob: FloatArray, rng: np.random.Generator
    ) -> Chains:
        # emcee would take its generator from numpy's global one.
        state: Any = np.random.RandomState(int(rng.integers(2**32))).get_state()
        return Chains(x, log_prob, state)

    def _steps(self, view: View, chains: Chains, until: int, layout: Layout) -> Iterator[Any]:
        """Advance by emcee; our own check of the starts serves instead of emcee's."""
        if until > chains.iteration:
            yield from _sampler(view, chains).sample(
                chains.get_last_sample(),
                iterations=until - chains.iteration,
                thin_by=layout.thin,
                skip_initial_state_check=True,
            )

    def _told(self, chains: Chains, layout: Layout) -> dict[str, Any]:
        return {"sampler": "emcee", **super()._told(chains, layout)}


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
