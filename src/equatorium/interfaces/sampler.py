"""What draws from a posterior."""

from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any, ClassVar, Literal

from sklearn.base import BaseEstimator

from equatorium import registry
from equatorium.checks import FloatArray, Rng


class Sampler(BaseEstimator, ABC):
    """Base class of samplers: keyword options, and `run`.

    Attributes
    ----------
    view : {"box", "cube", "normal"}
        The coordinates it works in: the parameters themselves, the unit cube of the prior's
        cumulative probability, or a standard normal of it.
    stopping : frozenset of str
        The options that only say when to stop: a stored chain goes on when these alone change.
    """

    view: ClassVar[Literal["box", "cube", "normal"]] = "box"
    stopping: ClassVar[frozenset[str]] = frozenset()

    @property
    def capabilities_(self) -> frozenset[str]:
        """What it can do: what its class was registered with."""
        entry = registry.entry_of(type(self))
        return frozenset() if entry is None else frozenset(entry.method.capabilities)

    @classmethod
    def conformance_options(cls) -> dict[str, Any]:
        """Return small settings, with which the conformance kit samples in a second."""
        return {}

    @abstractmethod
    def run(
        self,
        posterior: Any,
        *,
        rng: Rng,
        starts: FloatArray | None = None,
        store: str | Path | None = None,
        resume: bool = True,
        progress: bool = True,
    ) -> Any:
        """Draw from the posterior.

        Parameters
        ----------
        posterior : Posterior
        rng : int, Generator or None
        starts : array, shape (n, d), optional
            Plausible points in physical units to start from, such as a region's particles.
        store : path, optional
            HDF5 file that keeps what was done, so that an interrupted run can go on.
        resume : bool
            Go on from `store` if it is there, with the very numbers that an uninterrupted run
            would give. False replaces it.
        progress : bool
            Show a progress bar.

        Returns
        -------
        Draws
            Not converged ones say so, in a `NotConvergedWarning`, their summary and their file.

        Raises
        ------
        InputError
            If a setting, or all starting points, cannot be used.
        StateError
            If `store` belongs to another posterior or other settings.
        FileFormatError
            If `store` is some other file.
        """
