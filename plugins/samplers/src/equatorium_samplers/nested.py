"""Nested sampling by dynesty: evidence, and modes that lie far apart."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from equatorium import Posterior, RunSampler, View, WeightedRun, check_counts
from equatorium.checks import FloatArray
from equatorium.errors import InputError


class Dynesty(RunSampler):
    """Static nested sampling by dynesty: random walks inside ellipsoids around the live points.

    Further options are those of every `equatorium.RunSampler`.

    Parameters
    ----------
    live : int
        Live points of each run. The evidence's error falls with their square root, the cost grows
        with them. All modes together hold so many points, and a run's share of one scatters with
        those in it.
    walks : int, optional
        Steps of a random walk from a live point to a new one; default 20 + 6 d. In a ball of d
        dimensions, half of the steps accepted, a walk forgets its start by exp(-steps / (2 d)).
        dynesty's own default, d + 20, is fit for few parameters: where walks are too short, the
        evidence comes out too large (its issues 289 and 320).
    dlogz : float
        A run ends when what is left could raise the log-evidence by less.
    batch : int
        Walks that step together, one call of the likelihood for all. More than a quarter of the
        live points waste walks: what they find is no longer likely enough.

    References
    ----------
    Speagle 2020, MNRAS 493, 3132, doi:10.1093/mnras/staa278; Skilling 2006, Bayesian Analysis 1,
    833, doi:10.1214/06-BA127.
    """

    def __init__(
        self,
        live: int = 500,
        runs: int = 8,
        walks: int | None = None,
        dlogz: float = 0.1,
        batch: int = 64,
        until: Mapping[str, float] | None = None,
    ) -> None:
        self.live = live
        self.runs = runs
        self.walks = walks
        self.dlogz = dlogz
        self.batch = batch
        self.until = until

    @classmethod
    def conformance_options(cls) -> dict[str, Any]:
        """Return settings that take a second."""
        return {"live": 80, "runs": 6, "batch": 20}

    def _check(self, posterior: Posterior) -> str:
        walks = 2 if self.walks is None else self.walks
        counts = {
            "live": (self.live, 2 * posterior.d + 2),
            "walks": (walks, 2),
            "batch": (self.batch, 1),
        }
        check_counts(counts, posterior.d)
        number = isinstance(self.dlogz, int | float) and not isinstance(self.dlogz, bool)
        if not number or not 0.0 < self.dlogz < np.inf:
            raise InputError(f"dlogz must be a number above 0, but it is {self.dlogz!r}.")
        return "dynesty"

    def _one(self, view: View, rng: np.random.Generator, tell: Any) -> WeightedRun:
        from dynesty import NestedSampler

        from equatorium_samplers.lockstep import Lockstep

        pool = Lockstep(view.log_prob, self.batch)
        sampler = NestedSampler(
            lambda x: float(pool(x[None])[0]),
            _same,
            view.d,
            nlive=self.live,
            sample="rwalk",
            walks=self.walks or 20 + 6 * view.d,
            rstate=rng,
            pool=pool,
            queue_size=self.batch,
            use_pool={"prior_transform": False, "update_bound": False},
        )
        for n, step in enumerate(sampler.sample(dlogz=self.dlogz, save_bounds=False)):
            if n % 100 == 0:
                tell(calls=pool.evaluations, left=f"{step.delta_logz:.2f}")
        for _ in sampler.add_live_points():
            pass
        found = sampler.results
        # dynesty counts at most `live` of the possible points that it drew to begin with: where it
        # drew more, it takes the possible part of the prior for smaller than it is.
        dropped = max(0.0, float(np.log(max(pool.possible, 1) / self.live)))
        return WeightedRun(
            np.asarray(found.samples_u),
            np.asarray(found.logl),
            np.asarray(found.logwt),
            float(found.logz[-1]) + dropped,
            float(found.logzerr[-1]),
            pool.evaluations,
        )


def _same(x: FloatArray) -> FloatArray:
    return x
