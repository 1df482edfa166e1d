"""Augmentation: batches changed in ways that do not change the answer, anew in every epoch."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch

from equatorium.errors import InputError, did_you_mean

Tensor = torch.Tensor
Changed = tuple[Tensor, Tensor | None]
Change = Callable[[Tensor, np.random.Generator, Tensor | None], Changed]


def flip(x: Tensor, rng: np.random.Generator, share: float = 0.5) -> Tensor:
    """Mirror this share of the examples along the last axis."""
    chosen = torch.from_numpy(rng.random(len(x)) < share).to(x.device)
    return torch.where(chosen.reshape(-1, *[1] * (x.ndim - 1)), x.flip(-1), x)


def rotate(x: Tensor, rng: np.random.Generator, share: float = 1.0) -> Tensor:
    """Rotate this share of square images by 0, 90, 180 or 270 degrees, all alike likely."""
    turns = rng.integers(4, size=len(x)) * (rng.random(len(x)) < share)
    turned = x.clone()
    for quarter in (1, 2, 3):
        chosen = torch.from_numpy(turns == quarter).to(x.device)
        turned[chosen] = torch.rot90(x[chosen], quarter, (-2, -1))
    return turned


def shift(x: Tensor, rng: np.random.Generator, pixels: float = 1) -> Tensor:
    """Move by up to so many pixels along every axis; the edge is repeated."""
    for axis in range(2, x.ndim):
        by = torch.from_numpy(rng.integers(-int(pixels), int(pixels) + 1, size=len(x)))
        place = torch.arange(x.shape[axis]) + by[:, None]
        place = place.clamp(0, x.shape[axis] - 1).to(x.device)
        around = [len(x), *[1] * (x.ndim - 1)]
        around[axis] = x.shape[axis]
        x = torch.gather(x, axis, place.reshape(around).expand_as(x))
    return x


def noise(x: Tensor, rng: np.random.Generator, std: float = 0.1) -> Tensor:
    """Add Gaussian noise, in units of the inputs' spread."""
    drawn = rng.standard_normal(tuple(x.shape), dtype=np.float32)
    return x + std * torch.from_numpy(drawn).to(x.device)


def resample(x: Tensor, rng: np.random.Generator, times: float, errors: Tensor) -> Tensor:
    """Add Gaussian noise of the inputs' own errors, so many times as large."""
    drawn = rng.standard_normal(tuple(x.shape), dtype=np.float32)
    return x + times * errors * torch.from_numpy(drawn).to(x.device)


CHANGES: Mapping[str, Callable[..., Tensor]] = {
    "errors": resample,
    "flip": flip,
    "rotate": rotate,
    "shift": shift,
    "noise": noise,
}
_MOVES = ("flip", "rotate", "shift")


def augmentation(augment: Any, shape: Sequence[int], known_errors: bool = False) -> Change | None:
    """Make one function of several changes.

    Parameters
    ----------
    augment : dict of str to float, or None
        Change -> how much: ``{"flip": 0.5, "rotate": 1, "shift": 2, "noise": 0.1, "errors": 1}``.
    shape : sequence of int
        Of one example.
    known_errors : bool
        Whether the errors of the inputs are known.

    Returns
    -------
    callable or None
        (flat examples (batch, d), generator, errors (batch, d) or None) -> both, changed: errors go
        where their pixels go.

    Raises
    ------
    InputError
    """
    if augment is None:
        return None
    if not isinstance(augment, Mapping):
        raise InputError(f"augment must be a dict such as {{'noise': 0.1}}, not {augment!r:.80}.")
    for name, amount in augment.items():
        if name not in CHANGES:
            raise InputError(
                f"there is no augmentation {name!r}.{did_you_mean(str(name), CHANGES)} "
                f"Known: {', '.join(CHANGES)}."
            )
        if not isinstance(amount, int | float | np.number) or not 0 <= amount < np.inf:
            raise InputError(f"augment[{name!r}] must be a number from 0, not {amount!r}.")
        if name in ("flip", "shift") and len(shape) < 2:
            raise InputError(f"{name!r} needs examples with a shape; give shape=(channels, ...).")
        if name in ("flip", "rotate") and amount > 1:
            raise InputError(f"augment[{name!r}] is a share, from 0 to 1, not {amount!r}.")
        if name == "shift" and amount != int(amount):
            raise InputError(f"augment['shift'] must be whole pixels, not {amount!r}.")
        if name == "errors" and not known_errors:
            raise InputError("augment['errors'] needs the errors of the inputs: fit(..., ivar=).")
        if name == "rotate" and (len(shape) != 3 or shape[1] != shape[2]):
            raise InputError(f"'rotate' needs square images, but examples have shape {shape}.")
    again, blur = (float(augment.get(name, 0.0)) for name in ("errors", "noise"))
    moves = [(CHANGES[name], float(a)) for name, a in augment.items() if name in _MOVES]

    def change(flat: Tensor, rng: np.random.Generator, errors: Tensor | None = None) -> Changed:
        x = flat if errors is None or not again else resample(flat, rng, again, errors)
        if moves:
            both = [x] if errors is None else [x, errors]
            maps = torch.cat([part.reshape(-1, *shape) for part in both], dim=1)
            for function, amount in moves:
                maps = function(maps, rng, amount)
            x, *last = (part.reshape(flat.shape) for part in maps.split(shape[0], dim=1))
            errors = last[0] if last else None
        return (noise(x, rng, blur) if blur else x), errors

    return change
