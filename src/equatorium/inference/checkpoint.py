"""Checkpoints: what a sampler has so far, written seldom and whole.

emcee's own HDF5 backend opens the file at every step (measured: ten times the cost of the steps)
and breaks when somebody reads it meanwhile. Here the chains stay in memory, and about every ten
seconds they are written to a new file, which then takes the place of the old one. A kill at any
moment leaves the last whole checkpoint, and readers never disturb the writer.
"""

import json
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Generic, Protocol, Self, TypeVar

import h5py
import numpy as np

from equatorium.checks import FloatArray
from equatorium.errors import FileFormatError, StateError
from equatorium.hdf5 import atomic, explained, opened


class Kept(Protocol):
    """What a checkpoint holds: chains, or the finished runs of another sampler."""

    def write(self, file: h5py.Group) -> None:
        """Write all of it."""

    @classmethod
    def read(cls, file: h5py.Group, identity: Mapping[str, Any]) -> Self:
        """Rebuild it."""


K = TypeVar("K", bound=Kept)


class Checkpoint(Generic[K]):
    """The file that holds the chains and says whose they are.

    Parameters
    ----------
    path : str or Path or None
        Where; None keeps nothing.
    identity : mapping
        JSON values that describe posterior and settings; a file with others is refused.
    interval : float
        Seconds between checkpoints, lengthened where a checkpoint takes more than 1/20 of it.
    kind : type
        What is kept: `Chains`, or another type with `write` and `read`.
    """

    def __init__(
        self,
        path: str | Path | None,
        identity: Mapping[str, Any],
        interval: float = 10.0,
        *,
        kind: type[K],
    ) -> None:
        self.kind = kind
        self.path = None if path is None else Path(path)
        self.identity = json.loads(json.dumps(dict(identity)))
        self.interval = interval
        self._due = time.monotonic() + interval

    def read(self) -> K | None:
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
            return self.kind.read(file, stored)

    def begin(self, chains: K) -> None:
        """Start a new file, now, so that an unwritable folder is known before any work is done.

        Raises
        ------
        FileFormatError
            If there is a file that holds something else than chains: it is left as it is.
        """
        if self.path is not None and self.path.exists():
            with opened(self.path) as file, explained(file):
                self._stored(file)
        self.flush(chains)

    def tick(self, chains: K) -> None:
        """Write if it is time."""
        if time.monotonic() >= self._due:
            self.flush(chains)

    def flush(self, chains: K) -> None:
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
    log_prob: Callable[[FloatArray], FloatArray], x: FloatArray, stored: FloatArray, path: Any
) -> None:
    """Compare the log-probability (m,) of stored points x (m, d) with today's: names prove little.

    Raises
    ------
    StateError
        If the chains were drawn from another posterior.
    """
    now = log_prob(x)
    if not np.allclose(now, stored, rtol=1e-6, atol=1e-6):
        worst = int(np.argmax(np.abs(now - stored)))
        raise StateError(
            f"{path} holds chains of another posterior: at a stored point its log-density is "
            f"{stored[worst]:.6g}, but now it is {now[worst]:.6g}. Use another store, "
            "or resume=False to replace these chains."
        )
