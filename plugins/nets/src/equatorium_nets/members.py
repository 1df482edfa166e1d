"""Several networks of one architecture as one: their weights are stacked, (members, ...).

A step of gradient descent then moves all of them at once, and each moves as it would alone.
"""

import copy
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from equatorium.checks import FloatArray
from equatorium.errors import StateError
from equatorium_nets.layers import Backbone, network
from equatorium_nets.process import seeded
from equatorium_nets.stacked import way

Weights = dict[str, torch.Tensor]
_ROWS, _NUMBERS = 4096, 2**20  # predicted at once: rows, and numbers that go in


class Members(nn.Module):
    """K networks of one architecture.

    Parameters
    ----------
    layers : str
    shape : sequence of int
        Of one example.
    outputs : int
        Numbers that come out of each.
    weights : dict of Tensor
        By name, shape (K, ...).
    """

    def __init__(self, layers: str, shape: Sequence[int], outputs: int, weights: Weights) -> None:
        super().__init__()
        self.shape = tuple(shape)
        # It holds no numbers of its own; hidden in a list, it is no part of the parameters.
        self._plan = [network(layers, shape, outputs).to("meta")]
        self._way = way(self._plan[0])
        learned = {name for name, p in self._plan[0].named_parameters() if p.requires_grad}
        self.names = list(weights)
        self.weights = nn.ParameterList(
            [nn.Parameter(w, requires_grad=name in learned) for name, w in weights.items()]
        )

    @classmethod
    def drawn(
        cls, layers: str, shape: Sequence[int], outputs: int, seeds: Sequence[int]
    ) -> "Members":
        """Draw the weights of one member from each seed, by PyTorch's rules for its layers.

        A module of the user's comes with its own.
        """
        every = []
        for seed in seeds:
            seeded(seed)
            plan = network(layers, shape, outputs)
            for layer in plan:
                if not isinstance(layer, Backbone):
                    _reset(layer.to_empty(device="cpu").float())
            every.append(_named(plan))
        stacked = {
            name: torch.stack([one[name].detach().to("cpu", torch.float32) for one in every])
            for name in every[0]
        }
        return cls(layers, shape, outputs, stacked)

    @classmethod
    def of_state(
        cls,
        layers: str,
        shape: Sequence[int],
        outputs: int,
        arrays: Mapping[str, npt.NDArray[Any]],
    ) -> "Members":
        """Take weights from a file, after their shapes are checked.

        Raises
        ------
        StateError
            If they are not those of this architecture.
        """
        plan = network(layers, shape, outputs)
        expected = {name: tuple(p.shape) for name, p in _named(plan).items()}
        if not isinstance(arrays, Mapping) or set(arrays) != set(expected):
            raise StateError(f"the weights of the state are not those of {layers!r}.")
        count = {a.shape[0] for a in arrays.values() if isinstance(a, np.ndarray) and a.ndim}
        for name, one in expected.items():
            a = arrays[name]
            right = isinstance(a, np.ndarray) and a.dtype == np.float32 and a.shape[1:] == one
            if not right or len(count) != 1 or 0 in count or not np.isfinite(a).all():
                raise StateError(
                    f"the weights {name!r} of the state must be finite, of type float32 and of "
                    f"shape (members, {', '.join(map(str, one))})."
                )
            if name.endswith("running_var") and (a < 0).any():
                raise StateError(f"{name!r} of the state holds variances: none is negative.")
        return cls(
            layers, shape, outputs, {n: torch.from_numpy(arrays[n].copy()) for n in expected}
        )

    def member(self, k: int) -> "Members":
        """Return one of the networks alone, with a copy of its weights."""
        one = copy.deepcopy(self)
        one.weights = nn.ParameterList(
            [nn.Parameter(w[k : k + 1].detach(), w.requires_grad) for w in one.weights]
        )
        return one

    @property
    def n(self) -> int:
        """The number of members."""
        return len(self.weights[0])

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        found: torch.device = self.weights[0].device
        return found

    @property
    def rows(self) -> int:
        """How many rows go through at once, lest the maps within take all the memory."""
        return max(1, min(_ROWS, _NUMBERS // (self.n * math.prod(self.shape))))

    def arrays(self) -> dict[str, npt.NDArray[np.float32]]:
        """Return the weights by name, (members, ...), as float32."""
        return {
            name: w.detach().to("cpu", torch.float32).numpy().copy()
            for name, w in zip(self.names, self.weights, strict=True)
        }

    def named(self) -> Weights:
        """Return the weights by name."""
        # Three times faster than going through the list, and asked for at every step.
        return dict(zip(self.names, self.weights.parameters(), strict=True))

    def penalised(self) -> Iterator[nn.Parameter]:
        """Yield what penalties are on: the weights of layers, no biases and no norms."""
        return (w for w in self.weights if w.ndim > 2 and w.requires_grad)

    def exempt(self) -> Iterator[nn.Parameter]:
        """Yield what penalties are not on."""
        return (w for w in self.weights if w.ndim <= 2 and w.requires_grad)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Give each member its own examples, (K, batch, d), and return (K, batch, outputs)."""
        return self._way(self._plan[0], self.named(), x.unflatten(-1, self.shape))

    def shared(self, x: torch.Tensor) -> torch.Tensor:
        """Give all members the same examples, (batch, d), and return (K, batch, outputs)."""
        return self(x.expand(self.n, *x.shape))

    def blocks(self, x: torch.Tensor) -> torch.Tensor:
        """Do as `shared` does, for rows as many as you like: not all of them at once."""
        return torch.cat([self.shared(rows) for rows in x.split(self.rows)], dim=1)

    def predict(self, X: FloatArray) -> FloatArray:
        """Return (K, m, outputs) in double precision, so that no row depends on its batch."""
        self.eval()
        with torch.no_grad():
            return np.asarray(self.blocks(self.tensor(X)).cpu().numpy())

    def tensor(self, X: FloatArray) -> torch.Tensor:
        """Bring rows to the device and the precision of the weights."""
        return torch.as_tensor(X, dtype=self.weights[0].dtype, device=self.device)

    def train(self, mode: bool = True) -> "Members":
        """Switch dropout on or off."""
        self._plan[0].train(mode)
        return super().train(mode)


def _named(plan: nn.Module) -> Weights:
    """Return all numbers of a network by name: what is learned, and what backbones keep."""
    return dict(plan.named_parameters()) | dict(plan.named_buffers())


def _reset(layer: nn.Module) -> None:
    for part in layer.modules():
        if callable(reset := getattr(part, "reset_parameters", None)):
            reset()
