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
