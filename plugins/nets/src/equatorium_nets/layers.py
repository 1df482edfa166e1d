"""An architecture is a line of text: ``"conv(32, 5) leaky pool(2) flatten dense(100) relu"``.

Words are taken from a closed table and nothing else is evaluated; sizes follow from the shape of
the input, so that only what a paper states is written. What a trained network says of one example
depends on no other, batch norms included: they then go by their averages.
"""

import copy
import re
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from types import MappingProxyType

import torch
from torch import nn

from equatorium.errors import InputError, did_you_mean
from equatorium_nets.backbones import BACKBONES
from equatorium_nets.blocks import (
    Shape,
    batch_norm,
    batch_residual,
    batch_stem,
    conv,
    norm,
    pool,
    residual,
    stem,
    whole,
)
from equatorium_nets.process import borrowed
from equatorium_nets.recurrent import gru, regular

_LARGEST = 1e9
_LEAST = 1e-9  # share that is kept, where it is divided by
_TO_MAPS = (
    "Give shape=(channels, length), (channels, height, width), or (steps, channels) of a series; "
    "what makes vectors of them stands behind it."
)
_WORD = re.compile(r"\s*([a-z][a-z0-9-]*)\s*(?:\(([^()]*)\))?\s*")


class Backbone(nn.Module):
    """A module of the user's: what it normalises by, and what it drops, never changes."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module.eval()

    def train(self, mode: bool = True) -> "Backbone":
        """Stay as it is."""
        return self

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Apply the module to a copy: it may begin in place, and members share their examples."""
        return self.module(x.clone())  # type: ignore[no-any-return]


class Dropout(nn.Dropout):
    """Compares uniform numbers with the share: on the CPU in half the time of Bernoulli's."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Drop numbers, if in training."""
        if not self.training or x.device.type != "cpu":
            return super().forward(x)
        return x * (torch.rand_like(x) >= self.p) / max(1.0 - self.p, _LEAST)


def network(layers: str, shape: Sequence[int], outputs: int) -> nn.Sequential:
    """Build the layers, and a dense one with so many outputs at the end.

    It holds no numbers yet: it is on the device "meta", but for modules of a user's.

    Parameters
    ----------
    layers : str
        Words of the table, in order; arguments in brackets.
    shape : sequence of int
        Of one example: ``(d,)``, ``(channels, length)`` or ``(channels, height, width)``.
    outputs : int

    Raises
    ------
    InputError
        Naming the word that is unknown, wrong, or does not fit the shape before it.

    Examples
    --------
    >>> [tuple(p.shape) for p in network("dense(3) tanh", (2,), 1).parameters()]
    [(3, 2), (3,), (1, 3), (1,)]
    """
    built: list[nn.Module] = []
    now = tuple(shape)
    for word, arguments in words(layers):
        layer = _layer(word, arguments, now)
        built.append(layer)
        now = _behind(word, arguments, now, layer)
    if len(now) > 1:
        built.append(nn.Flatten())
        now = _after(built[-1], now, "flatten")
    return nn.Sequential(*built, nn.Linear(now[0], outputs, device="meta"))


def shapes(layers: str, shape: Sequence[int]) -> list[Shape]:
    """Return the shape of one example after every layer: the map sizes that papers state.

    >>> shapes("conv(32, 5) leaky pool(2)", (5, 44, 44))
    [(32, 40, 40), (32, 40, 40), (32, 20, 20)]
    """
    found: list[Shape] = []
    now = tuple(shape)
    for word, arguments in words(layers):
        now = _behind(word, arguments, now)
        found.append(now)
    return found


def words(layers: str) -> list[tuple[str, list[float]]]:
    """Split the text into words with their numbers.

    >>> words("dense(100) relu")
    [('dense', [100.0]), ('relu', [])]
    """
    if not isinstance(layers, str):
        raise InputError(f"layers must be text such as 'dense(64) relu', not {layers!r:.80}.")
    found: list[tuple[str, list[float]]] = []
    place = 0
    while layers[place:].strip():
        match = _WORD.match(layers, place)
        if match is None:
            raise InputError(f"layers={layers!r} cannot be read from {layers[place:]!r} on.")
        place = match.end()
        word, inside = match.groups()
        known = [*LAYERS, *BACKBONES]
        if word not in known:
            raise InputError(
                f"there is no layer {word!r}.{did_you_mean(word, known)} "
                f"Known: {', '.join(known)}; `register_backbone` adds one of yours."
            )
        found.append((word, _numbers(word, inside)))
    _check_series([word for word, _ in found])
    return found


def _check_series(found: list[str]) -> None:
    """Raise what mixes the numbers of a series before a layer that tells times, values and gaps."""
    before = found[: found.index("gru")] if "gru" in found else []
    for word in before:
        if word in ("norm", "batch-norm") or (word in LAYERS and LAYERS[word][2] == _MAPS):
            raise InputError(
                f"{word} stands before gru, which needs the times, the values and the gaps of all "
                f"steps as they are: put it behind, as in 'gru(8) norm', or leave it out."
            )


def _numbers(word: str, inside: str | None) -> list[float]:
    try:
        numbers = [float(text) for text in inside.split(",")] if inside else []
    except ValueError as error:
        raise InputError(f"{word}({inside}) must hold numbers separated by commas.") from error
    if not all(abs(n) < _LARGEST for n in numbers):
        raise InputError(f"{word}({inside}) must hold numbers below {_LARGEST:.0e}.")
    return numbers


def _layer(word: str, arguments: list[float], shape: Shape) -> nn.Module:
    if word in BACKBONES:
        return _of_user(word, arguments)
    make, usage, dimensions = LAYERS[word]
    if len(shape) not in dimensions:
        raise InputError(
            f"{word} stands where examples have the shape {shape}, but it needs "
            f"{' or '.join(map(str, dimensions))} dimensions. "
            f"{_TO_MAPS if len(shape) == 1 else 'Put flatten before it.'}"
        )
    try:
        with torch.device("meta"):
            return make(shape, *arguments)
    except (TypeError, ValueError, RuntimeError) as error:
        given = ", ".join(f"{a:g}" for a in arguments)
        why = "" if isinstance(error, TypeError) else f": {error}"  # it counts arguments of ours
        raise InputError(f"{word}({given}) is wrong; write it as {usage}{why}.") from error


def _of_user(word: str, arguments: list[float]) -> nn.Module:
    with borrowed("cpu"):  # it may draw its weights
        module = copy.deepcopy(BACKBONES[word]())  # of one that is kept, nothing may change
    if arguments or not isinstance(module, nn.Module):
        raise InputError(
            f"{word} is a backbone: it takes no numbers, and what was registered must give a "
            f"torch.nn.Module, not {type(module).__name__}."
        )
    return Backbone(module)


def _behind(
    word: str, arguments: list[float], shape: Shape, layer: nn.Module | None = None
) -> Shape:
    """Return the shape behind a word; only a user's may change its answer."""
    if word in BACKBONES:
        return _after(layer or _layer(word, arguments, shape), shape, word)
    return _behind_known(word, tuple(arguments), shape)


@lru_cache(maxsize=512)  # PyTorch takes ten milliseconds to say what is behind a norm
def _behind_known(word: str, arguments: tuple[float, ...], shape: Shape) -> Shape:
    return _after(_layer(word, list(arguments), shape), shape, word)


def _after(layer: nn.Module, shape: Shape, word: str) -> Shape:
    """Ask the layer for the shape behind it, without computing anything."""
    try:
        with torch.no_grad():
            plan = copy.deepcopy(layer).to("meta") if isinstance(layer, Backbone) else layer
            after = plan(torch.empty((1, *shape), device="meta"))
    except (RuntimeError, ValueError, TypeError, IndexError) as error:
        raise InputError(
            f"{word} does not fit examples of the shape {shape}: {str(error).splitlines()[0]}"
        ) from error
    if not isinstance(after, torch.Tensor) or after.ndim < 2 or len(after) != 1:
        raise InputError(f"{word} must give numbers for every example.")
    if 0 in after.shape:
        raise InputError(f"{word} leaves nothing of examples of the shape {shape}.")
    return tuple(after.shape[1:])


def _dense(shape: Shape, n: float) -> nn.Module:
    return nn.Linear(shape[0], whole(n))


def _conv(
    shape: Shape, channels: float, size: float, stride: float = 1, padding: float = 0
) -> nn.Module:
    return conv(shape, channels, size, stride, padding)


def _average(shape: Shape, size: float | None = None) -> nn.Module:
    """Average over windows, or over all there is."""
    if size is None:
        return nn.AdaptiveAvgPool1d(1) if len(shape) == 2 else nn.AdaptiveAvgPool2d(1)
    return nn.AvgPool1d(whole(size)) if len(shape) == 2 else nn.AvgPool2d(whole(size))


def _dropout(_: Shape, share: float) -> nn.Module:
    return Dropout(share)


def _leaky(_: Shape, slope: float = 0.01) -> nn.Module:
    return nn.LeakyReLU(slope)


def _plain(kind: Callable[[], nn.Module]) -> Callable[..., nn.Module]:
    return lambda _: kind()


_ANY, _MAPS = (1, 2, 3), (2, 3)
# Word -> how to make it from the shape before it and its numbers, how to write it, which shapes.
LAYERS: Mapping[str, tuple[Callable[..., nn.Module], str, tuple[int, ...]]] = MappingProxyType(
    {
        "dense": (_dense, "dense(units)", (1,)),
        "conv": (_conv, "conv(channels, size, stride=1, padding=0)", _MAPS),
        "pool": (pool, "pool(size, stride=size, padding=0)", _MAPS),
        "average": (_average, "average(size), or average for the whole map", _MAPS),
        "stem": (stem, "stem(channels)", _MAPS),
        "residual": (residual, "residual(channels, stride=1)", _MAPS),
        "gru": (gru, "gru(units)", (2,)),
        "regular": (regular, "regular", (2,)),
        "norm": (norm, "norm", _ANY),
        "batch-stem": (batch_stem, "batch-stem(channels)", _MAPS),
        "batch-residual": (batch_residual, "batch-residual(channels, stride=1)", _MAPS),
        "batch-norm": (batch_norm, "batch-norm", _ANY),
        "flatten": (_plain(nn.Flatten), "flatten", _ANY),
        "dropout": (_dropout, "dropout(share)", _ANY),
        "relu": (_plain(nn.ReLU), "relu", _ANY),
        "leaky": (_leaky, "leaky(slope=0.01)", _ANY),
        "tanh": (_plain(nn.Tanh), "tanh", _ANY),
        "logistic": (_plain(nn.Sigmoid), "logistic", _ANY),
        "linear": (_plain(nn.Identity), "linear", _ANY),
        "silu": (_plain(nn.SiLU), "silu", _ANY),
    }
)
