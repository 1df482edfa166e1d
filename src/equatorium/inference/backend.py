"""Chains in memory, in emcee's file layout on disk: what all samplers that step have in common.

``emcee.backends.HDFBackend(path, name="ensemble-0")`` reads each ensemble.
"""

import json
from collections.abc import Mapping
from typing import Any

import h5py
import numpy as np

from equatorium.checks import FloatArray


class Chains:
    """The chains of several ensembles, with the methods that emcee asks of a backend.

    To emcee they are one ensemble: it knows one generator and one array of walkers.

    ``seed`` tells where the run's random numbers began, for whoever reads the draws.

    What a step adds becomes visible in one assignment at its end, so that an interruption between
    any two instructions leaves chains whose steps, acceptances and generator belong together.

    Parameters
    ----------
    start : array, shape (g, w, d)
        The first positions of g ensembles of w walkers.
    start_log_prob : array, shape (g, w)
    random_state : tuple
        State of the Mersenne twister before the first step, as RandomState.get_state() gives it.
    memory : mapping of str to array, optional
        What else the sampler goes on from, such as a step size that it has learned. The arrays are
        replaced by each step, never written into.
    """

    initialized = True

    def __init__(
        self,
        start: FloatArray,
        start_log_prob: FloatArray,
        random_state: tuple[Any, ...],
        memory: Mapping[str, FloatArray] | None = None,
    ) -> None:
        self.seed: dict[str, Any] = {}
        self.start = start
        self.start_log_prob = start_log_prob
        self._steps = np.empty((0, *start.shape))
        self._log_prob = np.empty((0, *start_log_prob.shape))
        self._done = (0, np.zeros(start_log_prob.shape), random_state, dict(memory or {}))

    @property
    def shape(self) -> tuple[int, int]:
        """Walkers of all ensembles, and dimensions."""
        ensembles, walkers, d = self.start.shape
        return ensembles * walkers, d

    @property
    def iteration(self) -> int:
        """Steps stored."""
        return self._done[0]

    @property
    def accepted(self) -> FloatArray:
        """Accepted proposals among the stored steps, (g, w)."""
        return self._done[1]

    @property
    def random_state(self) -> tuple[Any, ...]:
        """State of the generator after the last stored step."""
        return self._done[2]

    @property
    def memory(self) -> dict[str, FloatArray]:
        """What else the sampler goes on from, after the last stored step."""
        return self._done[3]

    @property
    def steps(self) -> FloatArray:
        """Positions, shape (iteration, g, w, d)."""
        return self._steps[: self.iteration]

    @property
    def log_prob(self) -> FloatArray:
        """Log-probabilities, shape (iteration, g, w)."""
        return self._log_prob[: self.iteration]

    @property
    def last(self) -> tuple[FloatArray, FloatArray]:
        """Copies of where to go on from: positions (g w, d) and log-probabilities (g w,)."""
        x, log_prob = self.start, self.start_log_prob
        if self.iteration:
            x, log_prob = self.steps[-1], self.log_prob[-1]
        return x.reshape(self.shape).copy(), log_prob.reshape(-1).copy()

    def get_last_sample(self) -> Any:
        """Return emcee's State to go on from: the last stored step, or the start."""
        from emcee.state import State

        x, log_prob = self.last
        return State(x, log_prob=log_prob, random_state=self.random_state)

    def grow(self, ngrow: int, blobs: object) -> None:
        """Make room for more steps, doubling, so that long chains are not copied often."""
        need = self.iteration + ngrow
        if need > len(self._steps):
            extra = max(need, 2 * len(self._steps)) - self.iteration
            self._steps = np.concatenate([self.steps, np.empty((extra, *self.start.shape))])
            room = np.empty((extra, *self.start_log_prob.shape))
            self._log_prob = np.concatenate([self.log_prob, room])

    def save_step(self, state: Any, accepted: Any) -> None:
        """Keep a step of emcee's."""
        self.add(state.coords, state.log_prob, accepted, state.random_state)

    def add(
        self,
        x: FloatArray,
        log_prob: FloatArray,
        accepted: Any,
        random_state: tuple[Any, ...],
        memory: Mapping[str, FloatArray] | None = None,
    ) -> None:
        """Keep a step: positions, log-probabilities, who moved, and what to go on from."""
        n, total, *_ = self._done
        self._steps[n] = x.reshape(self.start.shape)
        self._log_prob[n] = np.reshape(log_prob, self.start_log_prob.shape)
        moved = total + np.reshape(accepted, total.shape)
        self._done = (n + 1, moved, random_state, dict(memory or {}))

    def write(self, file: h5py.Group) -> None:
        """Write a group for each ensemble in emcee's layout, with the start, which emcee drops."""
        # Taken once: a signal handler must not see two different ends.
        n, accepted, random_state, memory = self._done
        ensembles, walkers, d = self.start.shape
        for k in range(ensembles):
            group = file.create_group(f"ensemble-{k}")
            group.attrs.update(version="3", nwalkers=walkers, ndim=d, has_blobs=False, iteration=n)
            for i, part in enumerate(random_state):
                group.attrs[f"random_state_{i}"] = part
            arrays = {
                "chain": self._steps[:n, k],
                "log_prob": self._log_prob[:n, k],
                "accepted": accepted[k],
                "start": self.start[k],
                "start_log_prob": self.start_log_prob[k],
            }
            for name, array in arrays.items():
                group.create_dataset(name, data=array, dtype=np.float64)
        kept = file.create_group("memory")
        kept.attrs["seed"] = json.dumps(self.seed)
        for name, array in memory.items():
            kept.create_dataset(name, data=array, dtype=np.float64)

    @classmethod
    def read(cls, file: h5py.Group, identity: Mapping[str, Any]) -> "Chains":
        """Rebuild chains from their groups; ``identity["memory"]`` tells the shapes of memory."""
        groups = [file[f"ensemble-{k}"] for k in range(int(identity["ensembles"]))]
        n = int(groups[0].attrs["iteration"])
        kind, keys, position, has_gauss, cached = (
            groups[0].attrs[f"random_state_{i}"] for i in range(5)
        )
        chains = cls(
            np.stack([group["start"][...] for group in groups]),
            np.stack([group["start_log_prob"][...] for group in groups]),
            (str(kind), np.asarray(keys), int(position), int(has_gauss), float(cached)),
        )
        # Cut first: ensembles of unequal length do not fit together, and are found out below.
        chains._steps = np.stack([group["chain"][:n] for group in groups], axis=1)
        chains._log_prob = np.stack([group["log_prob"][:n] for group in groups], axis=1)
        size = chains.start_log_prob.shape
        if chains._log_prob.shape != (n, *size) or chains._steps.shape != (n, *chains.start.shape):
            raise KeyError("chain")
        accepted = np.stack([group["accepted"][...] for group in groups])
        # Files of version 0.1.0 have no memory.
        memory = {}
        if "memory" in file:
            memory = {k: np.asarray(v[...]) for k, v in file["memory"].items()}
            chains.seed = json.loads(file["memory"].attrs.get("seed", "{}"))
        shapes = {k: list(v.shape) for k, v in memory.items()}
        if identity.get("memory", shapes) != shapes:
            raise KeyError("memory")
        chains._done = (n, accepted, chains.random_state, memory)
        return chains
