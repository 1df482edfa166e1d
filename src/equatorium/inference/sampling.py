"""emcee: several ensembles that step together, by differential evolution and snooker."""

from collections.abc import Iterator
from typing import Any

from equatorium.inference.backend import Chains
from equatorium.inference.chain_sampler import Layout
from equatorium.inference.moves import default_moves
from equatorium.inference.posterior import View
from equatorium.inference.walkers import WalkerSampler


class Emcee(WalkerSampler):
    """Affine-invariant ensemble sampling by emcee, in the view whose prior is N(0, I).

    Options are those of every `WalkerSampler`.

    References
    ----------
    Foreman-Mackey et al. 2013, PASP 125, 306, doi:10.1086/670067. Moves: see
    `equatorium.inference.moves`.
    """

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
