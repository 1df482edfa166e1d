"""Hamiltonian Monte Carlo: all chains step as one batch, along the gradient of the posterior."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from equatorium import Chains, ChainSampler, Layout, Posterior, View, check_counts
from equatorium.checks import FloatArray
from equatorium.errors import InputError
from equatorium_samplers import tuning
from equatorium_samplers.trajectory import Density, End, leapfrog


class HMC(ChainSampler):
    """Hamiltonian Monte Carlo of many chains at once, in the view whose prior is N(0, I).

    Its trajectories follow the gradient of the log-posterior, which likelihoods know whose emulator
    has the capability ``gradient`` (`trend-gp`, `gp`). In the normal view there are no edges; walls
    that remain (a region of history matching) reject what ends behind them. Further options are
    those of every `equatorium.ChainSampler`; steps are counted after the warm-up. What is learned
    in that the ensembles share; afterwards they know nothing of each other.

    Parameters
    ----------
    chains : int
        Chains of each ensemble.
    warmup : int
        Steps in which step size, metric and length of trajectories are learned. They are no draws.
    metric : {"dense", "diagonal"}
        Whether the metric knows correlations.
    target : float
        The acceptance that the step size is tuned to.
    max_leapfrogs : int
        Most gradients of one trajectory.

    Notes
    -----
    ``Draws.meta`` tells after the warm-up: ``gradients`` (points at which the gradient was taken),
    ``acceptance``, ``divergences`` (trajectories whose energy was not kept: the step size does not
    suit a part of the posterior, which may be missed), ``walls`` (trajectories that ended where the
    density is zero), ``step_size`` and ``length``; and ``warmup_gradients``.

    References
    ----------
    Duane et al. 1987, Phys. Lett. B 195, 216, doi:10.1016/0370-2693(87)91197-X; Neal 2011,
    doi:10.48550/arXiv.1206.1901; and those of `equatorium_samplers.tuning`.
    """

    spanning = False

    def __init__(
        self,
        chains: int = 16,
        ensembles: int = 4,
        warmup: int = 400,
        until: Mapping[str, float] | None = None,
        max_steps: int = 4000,
        first_check: int = 100,
        metric: str = "dense",
        target: float = 0.8,
        max_leapfrogs: int = 256,
        checkpoint_every: float = 10.0,
    ) -> None:
        self.chains = chains
        self.ensembles = ensembles
        self.warmup = warmup
        self.until = until
        self.max_steps = max_steps
        self.first_check = first_check
        self.metric = metric
        self.target = target
        self.max_leapfrogs = max_leapfrogs
        self.checkpoint_every = checkpoint_every

    @classmethod
    def conformance_options(cls) -> dict[str, Any]:
        """Return settings that take a second."""
        return {"chains": 4, "warmup": 100, "until": {}, "max_steps": 150}

    def _layout(self, posterior: Posterior) -> Layout:
        posterior.require_gradient()
        counts = {
            "chains": (self.chains, 2),
            "ensembles": (self.ensembles, 4),
            "warmup": (self.warmup, 40),
            "max_steps": (self.max_steps, 16),
            "first_check": (self.first_check, 1),
            "max_leapfrogs": (self.max_leapfrogs, 1),
        }
        check_counts(counts, posterior.d)
        if self.metric not in ("dense", "diagonal"):
            raise InputError(f"metric must be 'dense' or 'diagonal', not {self.metric!r}.")
        number = isinstance(self.target, int | float) and not isinstance(self.target, bool)
        if not number or not 0.1 < self.target < 1.0:
            raise InputError(f"target must be between 0.1 and 1, but it is {self.target!r}.")
        identity = {
            name: getattr(self, name) for name in ("warmup", "metric", "target", "max_leapfrogs")
        }
        start = np.zeros((self.ensembles * self.chains, posterior.d))
        memory = tuning.first_memory(posterior.d, start)
        shapes = {name: list(array.shape) for name, array in memory.items()}
        identity |= {"sampler": "hmc", "memory": shapes}
        return Layout(self.chains, warmup=self.warmup, identity=identity)

    def _begin(
        self, view: View, x: FloatArray, log_prob: FloatArray, rng: np.random.Generator
    ) -> Chains:
        values, gradient = _density(view)(x.reshape(-1, view.d))
        memory = tuning.first_memory(view.d, gradient)
        twister = np.random.MT19937(rng.integers(2**32, size=4))
        return Chains(x, values.reshape(log_prob.shape), _state(twister), memory)

    def _steps(self, view: View, chains: Chains, until: int, layout: Layout) -> Iterator[Any]:
        if until <= chains.iteration:
            return
        chains.grow(until - chains.iteration, None)
        density, twister = _density(view), np.random.MT19937()
        _restore(twister, chains.random_state)
        rng = np.random.Generator(twister)
        ends = tuning.windows(self.warmup)
        z, log_prob = chains.last
        memory = chains.memory
        while chains.iteration < until:
            n = chains.iteration
            size, steps, u = tuning.duration(memory, n, self.max_leapfrogs, self.warmup)
            momentum = rng.standard_normal(z.shape)
            end = leapfrog(
                density, z, log_prob, memory["gradient"], momentum, memory["root"], size, steps
            )
            accepted = np.log1p(-rng.random(len(z))) < end.log_accept
            if n < self.warmup:
                memory = tuning.learned(memory, z, end, u, self.target, self.max_leapfrogs)
            moved = accepted[:, None]
            z = np.where(moved, end.z, z)
            log_prob = np.where(accepted, end.log_prob, log_prob)
            if n < self.warmup:
                memory = self._measured(memory, z, n + 1, ends)
            told = memory["told"] + _counts(end, steps, after=n >= self.warmup)
            gradient = np.where(moved, end.gradient, memory["gradient"])
            memory = {**memory, "gradient": gradient, "told": told}
            chains.add(z, log_prob, accepted, _state(twister), memory)
            yield None

    def _measured(
        self, memory: Mapping[str, FloatArray], z: FloatArray, n: int, ends: tuple[int, ...]
    ) -> tuning.Memory:
        """Learn the metric from windows, after n steps; at the end settle all for good."""
        found = {**memory, **tuning.gathered(memory, z)}
        if n in ends:
            k = ends.index(n)
            window = n - (ends[k - 1] if k else 0)
            found |= tuning.whitened(found, self.metric, window)  # type: ignore[arg-type]
        return tuning.settled(found) if n == self.warmup else found

    def _told(self, chains: Chains, layout: Layout) -> dict[str, Any]:
        memory = chains.memory
        warm, gradients, accept, divergent, walls, made = memory["told"].tolist()
        each = chains.shape[0]
        return {
            "sampler": "hmc",
            "acceptance": accept / max(1.0, made),
            "gradients": int(gradients) * each,
            "warmup_gradients": int(warm) * each,
            "divergences": int(divergent),
            "walls": int(walls),
            "step_size": float(memory["size"]),
            "length": float(memory["length"]),
        }


def _counts(end: End, steps: int, after: bool) -> FloatArray:
    """Count (warm-up leapfrogs, leapfrogs, acceptance, divergences, walls, trajectories)."""
    if not after:
        return np.array([steps, 0.0, 0.0, 0.0, 0.0, 0.0])
    accept = np.exp(np.minimum(end.log_accept, 0.0)).sum()
    return np.array([0.0, steps, accept, end.divergent.sum(), end.wall.sum(), len(end.z)])


def _density(view: View) -> Density:
    if view.value_and_gradient is None:
        raise InputError(f"The view {view.name!r} has no gradient; hmc needs the normal view.")
    return view.value_and_gradient


def _state(twister: np.random.MT19937) -> tuple[Any, ...]:
    state: Any = twister.state["state"]
    return "MT19937", state["key"].copy(), int(state["pos"]), 0, 0.0


def _restore(twister: np.random.MT19937, state: tuple[Any, ...]) -> None:
    inner = {"key": np.asarray(state[1], dtype=np.uint32), "pos": int(state[2])}
    twister.state = {"bit_generator": "MT19937", "state": inner}
