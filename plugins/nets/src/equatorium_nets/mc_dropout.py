"""Dropout that stays on when predicting: every network becomes a sample of thinned ones.

Which units a pass drops is decided once and is the same for all rows and all calls, so that a pass
is one network, and the answer is a smooth function of the inputs.

Gal Y. & Ghahramani Z. 2016, ICML, arXiv:1506.02142
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import nn

from equatorium.errors import InputError
from equatorium_nets.members import Members
from equatorium_nets.stacked import way

_SEED = 16  # of the units that are dropped; any other would do as well


class Thinned(nn.Module):
    """Multiplies the rows of pass j (m of them, one pass after the other) by the mask of pass j."""

    def __init__(self, masks: torch.Tensor) -> None:
        super().__init__()
        self.register_buffer("masks", masks, persistent=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (..., passes * m, *shape) to the same."""
        masks: Any = self.masks
        axis = x.ndim - masks.ndim
        by_pass = x.unflatten(axis, (len(masks), -1))
        return (by_pass * masks.unsqueeze(1).to(x)).flatten(axis, axis + 1)


class Passes(Members):
    """Networks whose units are dropped in `passes` ways: (K * passes, m, outputs) come out."""

    passes: int

    @classmethod
    def of(cls, members: Members, layers: str, outputs: int, passes: int) -> "Passes":
        """Make them of networks that have dropout layers.

        Raises
        ------
        InputError
            If there are none, or `passes` is no whole number from 0.
        """
        made = cls(layers, members.shape, outputs, members.named())
        made.passes = checked_passes(passes)
        plan, rng = made._plan[0], np.random.default_rng(_SEED)
        shapes = _shapes(plan, members.shape)
        if not shapes:
            raise InputError(
                f"mc_dropout={passes} needs layers that drop units; write dropout(share) in "
                f"layers, which are {layers!r}."
            )
        for name, shape in shapes.items():
            share = plan.get_submodule(name).p
            kept = rng.random((made.passes, *shape)) >= share
            plan.set_submodule(name, Thinned(torch.from_numpy(kept / max(1.0 - share, 1e-12))))
        made._way = way(plan)
        return made

    @property
    def rows(self) -> int:
        """How many rows go through at once, in all passes."""
        return max(1, super().rows // self.passes)

    def shared(self, x: torch.Tensor) -> torch.Tensor:
        """Give all passes of all members the same examples (m, d)."""
        out = super().shared(x.repeat(self.passes, 1))
        return out.unflatten(1, (self.passes, -1)).flatten(0, 1)


def checked_passes(passes: Any) -> int:
    """Return how many passes there are.

    Raises
    ------
    InputError
    """
    if not isinstance(passes, int | np.integer) or passes < 0:
        raise InputError(f"mc_dropout must be a whole number of passes from 0, not {passes!r}.")
    return int(passes)


def _shapes(plan: nn.Module, shape: Sequence[int]) -> dict[str, tuple[int, ...]]:
    """Return what every dropout layer is given of one example."""
    found: dict[str, tuple[int, ...]] = {}

    def listen(name: str) -> Any:
        return lambda module, given, out: found.update({name: tuple(out.shape[1:])})

    # Layers of the architecture only: a backbone of the user's stays as it is.
    layers = {name: part for name, part in plan.named_children() if isinstance(part, nn.Dropout)}
    hooks = [part.register_forward_hook(listen(name)) for name, part in layers.items()]
    with torch.no_grad():
        plan(torch.empty((1, *shape), device="meta"))
    for hook in hooks:
        hook.remove()
    return found
