"""Several ensembles of walkers stepped as one batch, with nothing but arrays between the calls."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from equatorium.inference.backend import Chains
from equatorium.inference.chain_sampler import Layout
from equatorium.inference.moves import default_moves
from equatorium.inference.posterior import View
from equatorium.inference.walkers import WalkerSampler


class BatchedEnsemble(WalkerSampler):
    """The chains of `emcee`, number for number, without its bookkeeping for each walker.

    Each half-step asks the likelihood once, at ``ensembles * walkers / 2`` points (a quarter of
    them for snooker moves): give a likelihood on a GPU 256 walkers or more.

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
    See `equatorium.inference.moves`.
    """

    def _steps(self, view: View, chains: Chains, until: int, layout: Layout) -> Iterator[Any]:
        chains.grow(until - chains.iteration, None)
        random = np.random.RandomState()
        random.set_state(chains.random_state)
        moves, weights = zip(*default_moves(*chains.start_log_prob.shape), strict=True)
        x, log_prob = chains.last
        while chains.iteration < until:
            for _ in range(layout.thin):
                move = moves[random.choice(len(moves), p=weights)]
                accepted = move.step(x, log_prob, view.log_prob, random)
            state: Any = random.get_state()
            chains.add(x, log_prob, accepted, state)
            yield None

    def _told(self, chains: Chains, layout: Layout) -> dict[str, Any]:
        return {"sampler": "batched-ensemble", **super()._told(chains, layout)}
