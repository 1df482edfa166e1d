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
