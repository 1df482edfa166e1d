"""dynesty's tasks as batches: all walks of its queue step together, with one call for all.

dynesty asks for its proposals through the ``map`` of a pool, one task a point. A pool that knows
what the tasks are can do them at once.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
from dynesty.internal_samplers import RWalkSampler, SamplerReturn, UnitCubeSampler
from dynesty.utils import LoglOutput, get_random_generator

from equatorium.checks import FloatArray

Density = Callable[[FloatArray], FloatArray]


class Lockstep:
    """What dynesty takes for a pool; it has no processes.

    Parameters
    ----------
    log_likelihood : callable
        x (m, d) of the unit cube -> (m,).
    size : int
        Tasks that dynesty hands over at a time.
    """

    def __init__(self, log_likelihood: Density, size: int) -> None:
        self.log_likelihood = log_likelihood
        self.size = size
        self.evaluations = 0

    def __call__(self, x: FloatArray) -> FloatArray:
        """Log-likelihood (m,) of x (m, d), counted."""
        self.evaluations += len(x)
        return self.log_likelihood(x)

    def map(self, function: Any, tasks: Iterable[Any]) -> list[Any]:
        """Do all tasks; the function says which they are."""
        tasks = list(tasks)
        if function is UnitCubeSampler.sample:
            return self._uniform(tasks)
        if function is RWalkSampler.sample:
            return self._walk(tasks)
        return [LoglOutput(float(value), False) for value in self(np.stack(tasks))]

    def _uniform(self, tasks: Sequence[Any]) -> list[Any]:
        """For each task, draw from the whole cube until a point is likely enough."""
        rng, level = get_random_generator(tasks[0].rseed), float(tasks[0].loglstar)
        x, value = np.empty((len(tasks), tasks[0].kwargs["ndim"])), np.full(len(tasks), -np.inf)
        calls, open_ = np.zeros(len(tasks), dtype=int), np.arange(len(tasks))
        while open_.size:
            x[open_] = rng.random((len(open_), x.shape[1]))
            value[open_] = self(x[open_])
            calls[open_] += 1
            open_ = open_[~(value[open_] > level)]
        return [
            _answer(*found, None, {"n_proposals": int(found[2])})
            for found in zip(x, value, calls, strict=True)
        ]

    def _walk(self, tasks: Sequence[Any]) -> list[Any]:
        """Let each task walk from its live point, in the ellipsoid around where it is.

        As dynesty's own random walk: a proposal outside the cube, or not likely enough, is a step
        in place.
        """
        rng, first = get_random_generator(tasks[0].rseed), tasks[0]
        level, walks, scale = float(first.loglstar), first.kwargs["walks"], first.scale
        x = np.stack([task.u for task in tasks])
        axes = np.stack([task.axes for task in tasks])
        m, d = x.shape
        value, accepted = np.full(m, np.nan), np.zeros(m, dtype=int)
        for _ in range(walks):
            ball = rng.standard_normal((m, d))
            ball *= (rng.random(m) ** (1 / d) / np.linalg.norm(ball, axis=1))[:, None]
            new = x + scale * np.einsum("mij,mj->mi", axes, ball)
            inside = np.flatnonzero(((new > 0) & (new < 1)).all(axis=1))
            if inside.size:
                found = self(new[inside])
                good = found > level
                moved = inside[good]
                x[moved], value[moved] = new[moved], found[good]
                accepted[moved] += 1
        still = np.flatnonzero(accepted == 0)
        if still.size:
            value[still] = self(x[still])
        told = [{"accept": int(n), "reject": int(walks - n), "scale": scale} for n in accepted]
        return [
            _answer(point, v, walks, tell, {"n_accept": tell["accept"], "n_reject": tell["reject"]})
            for point, v, tell in zip(x, value, told, strict=True)
        ]


def _answer(x: FloatArray, value: float, calls: int, tuning: Any, counts: dict[str, int]) -> Any:
    return SamplerReturn(
        u=x,
        v=x,
        logl=LoglOutput(float(value), False),
        ncalls=int(calls),
        evaluation_history=[],
        tuning_info=tuning,
        proposal_stats=counts,
    )
