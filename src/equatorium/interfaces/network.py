"""What is trained by gradient: a mixin placed first, ``class MLP(Network, Emulator)``."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, Self

import numpy as np

from equatorium.checks import FloatArray


class Network(ABC):
    """A method whose weights are found by gradient descent.

    Attributes
    ----------
    device : str
        Hyperparameter: where it computes, such as ``"cpu"`` or ``"cuda"``.
    module_ : object
        The network itself; never part of the state, which holds its weights as arrays.
    history_ : dict of ndarray
        By name (``"loss"``, ``"validation_loss"``), one number an epoch.
    """

    device: str
    module_: Any
    history_: Mapping[str, FloatArray]

    @abstractmethod
    def to_device(self, device: str) -> Self:
        """Move the weights to another device and return the model."""

    def best_epoch(self) -> int:
        """Return the epoch, counted from 0, of the smallest validation loss (or loss)."""
        losses = self.history_.get("validation_loss", self.history_.get("loss", np.zeros(1)))
        return int(np.nanargmin(losses))
