"""Samplers whose walkers propose from the walkers of their own ensemble: what they share."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from equatorium.checks import FloatArray
from equatorium.errors import InputError
from equatorium.inference.backend import Chains
from equatorium.inference.chain_sampler import ChainSampler, Layout, check_counts
from equatorium.inference.posterior import Posterior, View


class WalkerSampler(ChainSampler):
    """Base of samplers by ensembles of walkers, in the view whose prior is N(0, I).

    The chains of one may go on with another. Further options are those of every `ChainSampler`.

    Parameters
    ----------
    walkers : int, optional
        Walkers of each ensemble, even, at least twice the parameters; default max(64, 4 d).
    thin : int, optional
        Every how many steps one is stored; default d // 4 (at least 1), a small part of these
        moves' autocorrelation time, about 3 d at best.

    Notes
    -----
    The first half of each chain is discarded as burn-in. Evidence of convergence is asked of the
    second half: nested R-hat, bulk and tail ESS, a length of five autocorrelation times, and an
    autocorrelation time that no longer grows with the chain.
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
        # The generator that emcee's files keep.
        state: Any = np.random.RandomState(int(rng.integers(2**32))).get_state()
        return Chains(x, log_prob, state)
