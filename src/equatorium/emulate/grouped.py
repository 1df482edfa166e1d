"""What leaves runs out when it is fitted, and is told which of them belong together."""

from abc import abstractmethod
from typing import Any, Self

import numpy.typing as npt
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import has_fit_parameter

from equatorium.checks import FloatArray
from equatorium.emulate.folds import group_labels
from equatorium.interfaces.emulator import Emulator

Labels = npt.NDArray[Any] | None


class Grouped(Emulator):
    """Base class of emulators that deal folds of their own."""

    def fit(self, X: Any, y: Any, *, noise: Any = None, groups: Any = None) -> Self:
        """Learn the parts, and how far they are off; see `equatorium.Emulator.fit`.

        Parameters
        ----------
        X, y, noise
            As of every emulator.
        groups : array_like, shape (n,), optional
            Runs of one group (spectra of one star) share what runs of another do not: nothing is
            asked about a group that it has seen. Parts that leave runs out are told as well.
        """
        X, Y, noise = self._validate_fit(X, y, noise)
        return self._fit_whole(X, Y, noise, group_labels(groups, len(X)))

    @abstractmethod
    def _fit(
        self, X: FloatArray, Y: FloatArray, noise: FloatArray | None, groups: Labels = None
    ) -> None:
        """Learn from checked arrays, and the group of every run or None."""


def told(model: Any, groups: Labels) -> dict[str, Any]:
    """Return what to hand to a model's `fit`: the groups, where it asks for them."""
    if groups is None:
        return {}
    if isinstance(model, Pipeline):
        name, last = model.steps[-1]
        return {f"{name}__{key}": value for key, value in told(last, groups).items()}
    return {"groups": groups} if has_fit_parameter(model, "groups") else {}
