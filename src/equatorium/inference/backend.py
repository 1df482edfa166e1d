"""Chains in memory, checkpoints on disk: emcee's file layout, written seldom and whole.

emcee's own HDF5 backend opens the file at every step (measured: ten times the cost of the steps)
and breaks when somebody reads it meanwhile. Here the chains stay in memory, and about every ten
seconds they are written to a new file, which then takes the place of the old one. A kill at any
moment leaves the last whole checkpoint, readers never disturb the writer, and
``emcee.backends.HDFBackend(path, name="ensemble-0")`` reads each ensemble.
"""

import json
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from equatorium.checks import FloatArray
from equatorium.errors import FileFormatError, StateError
from equatorium.hdf5 import atomic, explained, opened


class Chains:
    """The chains of several ensembles, with the methods that emcee asks of a backend.

    To emcee they are one ensemble: it knows one generator and one array of walkers.

    What a step adds becomes visible in one assignment at its end, so that an interruption between
    any two instructions leaves chains whose steps, acceptances and generator belong together.

    Parameters
    ----------
    start : array, shape (g, w, d)
        The first positions of g ensembles of w walkers.
    start_log_prob : array, shape (g, w)
    random_state : tuple
        State of the legacy generator before the first step, as RandomState.get_state() gives it.
    """

    initialized = True

    def __init__(
        self, start: FloatArray, start_log_prob: FloatArray, random_state: tuple[Any, ...]
    ) -> None:
        self.start = start
        self.start_log_prob = start_log_prob
        self._steps = np.empty((0, *start.shape))
        self._log_prob = np.empty((0, *start_log_prob.shape))
        self._done = (0, np.zeros(start_log_prob.shape), random_state)

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
    def steps(self) -> FloatArray:
        """Positions, shape (iteration, g, w, d)."""
        return self._steps[: self.iteration]

    @property
    def log_prob(self) -> FloatArray:
        """Log-probabilities, shape (iteration, g, w)."""
        return self._log_prob[: self.iteration]

    def get_last_sample(self) -> Any:
        """Return emcee's State to go on from: the last stored step, or the start."""
        from emcee.state import State

        coords, log_prob = self.start, self.start_log_prob
        if self.iteration:
            coords, log_prob = self.steps[-1], self.log_prob[-1]
        coords, log_prob = coords.reshape(self.shape), log_prob.reshape(-1)
        return State(coords.copy(), log_prob=log_prob.copy(), random_state=self.random_state)

    def grow(self, ngrow: int, blobs: object) -> None:
        """Make room for more steps, doubling, so that long chains are not copied often."""
        need = self.iteration + ngrow
        if need > len(self._steps):
            extra = max(need, 2 * len(self._steps)) - self.iteration
            self._steps = np.concatenate([self.steps, np.empty((extra, *self.start.shape))])
            room = np.empty((extra, *self.start_log_prob.shape))
            self._log_prob = np.concatenate([self.log_prob, room])

    def save_step(self, state: Any, accepted: Any) -> None:
        """Keep a step."""
        n, total, _ = self._done
        self._steps[n] = state.coords.reshape(self.start.shape)
        self._log_prob[n] = np.reshape(state.log_prob, self.start_log_prob.shape)
        self._done = (n + 1, total + accepted.reshape(total.shape), state.random_state)

    def write(self, file: h5py.Group) -> None:
        """Write a group for each ensemble in emcee's layout, with the start, which emcee drops."""
        # Taken once: a signal handler must not see two different ends.
        n, accepted, random_state = self._done
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

    @classmethod
    def read(cls, file: h5py.Group, ensembles: int) -> "Chains":
        """Rebuild chains from their groups."""
        groups = [file[f"ensemble-{k}"] for k in range(ensembles)]
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
        chains._done = (n, accepted, chains.random_state)
        return chains


class Checkpoint:
    """The file that holds the chains and says whose they are.

    Parameters
    ----------
    path : str or Path or None
        Where; None keeps nothing.
    identity : mapping
        JSON values that describe posterior and settings; a file with others is refused.
    interval : float
        Seconds between checkpoints, lengthened where a checkpoint takes more than 1/20 of it.
    """

    def __init__(
        self, path: str | Path | None, identity: Mapping[str, Any], interval: float = 10.0
    ) -> None:
        self.path = None if path is None else Path(path)
        self.identity = json.loads(json.dumps(dict(identity)))
        self.interval = interval
        self._due = time.monotonic() + interval

    def read(self) -> Chains | None:
        """Return the chains in the file; None if there is no file.

        Raises
        ------
        StateError
            If they belong to another posterior or other settings.
        FileFormatError
            If the file holds no chains, or is damaged.
        """
        if self.path is None or not self.path.exists():
            return None
        with opened(self.path) as file, explained(file):
            stored = self._stored(file)
            keys = sorted(self.identity.keys() | stored.keys())
            other = [k for k in keys if stored.get(k) != self.identity.get(k)]
            if other:
                raise StateError(
                    f"{self.path} holds the chains of another run: it differs in "
                    f"{', '.join(other)} from what is asked for now. Use another store, or "
                    "resume=False to replace these chains."
                )
            return Chains.read(file, int(stored["ensembles"]))

    def begin(self, chains: Chains) -> None:
        """Start a new file, now, so that an unwritable folder is known before any work is done.

        Raises
        ------
        FileFormatError
            If there is a file that holds something else than chains: it is left as it is.
        """
        if self.path is not None and self.path.exists():
            with opened(self.path) as file:
                self._stored(file)
        self.flush(chains)

    def tick(self, chains: Chains) -> None:
        """Write if it is time."""
        if time.monotonic() >= self._due:
            self.flush(chains)

    def flush(self, chains: Chains) -> None:
        """Write all chains to a new file that takes the place of the old one."""
        if self.path is None:
            return
        began = time.monotonic()
        with atomic(self.path, fresh=True) as file:
            file.attrs["chains"] = json.dumps(self.identity)
            chains.write(file)
        now = time.monotonic()
        self._due = now + max(self.interval, 20 * (now - began))

    def _stored(self, file: h5py.File) -> dict[str, Any]:
        if "chains" not in file.attrs:
            raise FileFormatError(
                f"{self.path} holds something else than chains and is left as it is. Use another "
                "store."
            )
        return dict(json.loads(file.attrs["chains"]))


def check_same(
    log_prob: Callable[[FloatArray], FloatArray], chains: Chains, path: Path | None
) -> None:
    """Compare the log-probability of the stored walkers with today's: names prove little.

    Raises
    ------
    StateError
        If the chains were drawn from another posterior.
    """
    last = chains.get_last_sample()
    now = log_prob(last.coords)
    if not np.allclose(now, last.log_prob, rtol=1e-6, atol=1e-6):
        worst = int(np.argmax(np.abs(now - last.log_prob)))
        raise StateError(
            f"{path} holds chains of another posterior: at a stored point its log-density is "
            f"{last.log_prob[worst]:.6g}, but now it is {now[worst]:.6g}. Use another store, "
            "or resume=False to replace these chains."
        )
