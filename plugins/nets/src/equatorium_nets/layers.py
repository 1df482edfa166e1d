"""An architecture is a line of text: ``"conv(32, 5) leaky pool(2) flatten dense(100) relu"``.

Words are taken from a closed table and nothing else is evaluated; sizes follow from the shape of
the input, so that only what a paper states is written. None of the layers keeps running averages:
what a network says of one example depends on no other.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

import torch
from torch import nn

from equatorium.errors import InputError, did_you_mean

Shape = tuple[int, ...]
_WORD = re.compile(r"\s*([a-z][a-z0-9-]*)\s*(?:\(([^()]*)\))?\s*")
_GROUPS = 8


def network(layers: str, shape: Sequence[int], outputs: int) -> nn.Sequential:
    """Build the layers, and a dense one with so many outputs at the end.

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
        now = _after(layer, now, word)
    if len(now) > 1:
        built.append(nn.Flatten())
        now = _after(built[-1], now, "flatten")
    return nn.Sequential(*built, nn.Linear(now[0], outputs))


def shapes(layers: str, shape: Sequence[int]) -> list[Shape]:
    """Return the shape of one example after every layer: the map sizes that papers state.

    >>> shapes("conv(32, 5) leaky pool(2)", (5, 44, 44))
    [(32, 40, 40), (32, 40, 40), (32, 20, 20)]
    """
    found: list[Shape] = []
    now = tuple(shape)
    for word, arguments in words(layers):
        now = _after(_layer(word, arguments, now), now, word)
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
        if word not in LAYERS:
            raise InputError(
                f"there is no layer {word!r}.{did_you_mean(word, LAYERS)} "
                f"Known: {', '.join(LAYERS)}."
            )
        found.append((word, _numbers(word, inside)))
    return found


def _numbers(word: str, inside: str | None) -> list[float]:
    try:
        return [float(text) for text in inside.split(",")] if inside else []
    except ValueError as error:
        raise InputError(f"{word}({inside}) must hold numbers separated by commas.") from error


def _layer(word: str, arguments: list[float], shape: Shape) -> nn.Module:
    make, usage, dimensions = LAYERS[word]
    if len(shape) not in dimensions:
        raise InputError(
            f"{word} stands where examples have the shape {shape}, but it needs "
            f"{' or '.join(map(str, dimensions))} dimensions."
        )
    try:
        return make(shape, *arguments)
    except (TypeError, ValueError, RuntimeError) as error:
        given = ", ".join(f"{a:g}" for a in arguments)
        raise InputError(f"{word}({given}) is wrong; write it as {usage}: {error}.") from error


def _after(layer: nn.Module, shape: Shape, word: str) -> Shape:
    """Ask the layer for the shape behind it, without computing anything."""
    try:
        with torch.no_grad():
            after = layer.to("meta")(torch.empty((1, *shape), device="meta"))
    except RuntimeError as error:
        raise InputError(
            f"{word} does not fit examples of the shape {shape}: {str(error).splitlines()[0]}"
        ) from error
    if 0 in after.shape:
        raise InputError(f"{word} leaves nothing of examples of the shape {shape}.")
    return tuple(after.shape[1:])


def _whole(value: float, least: int = 1) -> int:
    if value != int(value) or value < least:
        raise ValueError(f"{value:g} must be a whole number from {least}")
    return int(value)


def _dense(shape: Shape, n: float) -> nn.Module:
    return nn.Linear(shape[0], _whole(n))


def _conv(
    shape: Shape, channels: float, size: float, stride: float = 1, padding: float = 0
) -> nn.Module:
    kind = nn.Conv1d if len(shape) == 2 else nn.Conv2d
    return kind(
        shape[0], _whole(channels), _whole(size), stride=_whole(stride), padding=_whole(padding, 0)
    )


def _pool(shape: Shape, size: float, stride: float | None = None) -> nn.Module:
    kind = nn.MaxPool1d if len(shape) == 2 else nn.MaxPool2d
    return kind(_whole(size), stride=None if stride is None else _whole(stride))


def _average(shape: Shape, size: float | None = None) -> nn.Module:
    """Average over windows, or over all there is."""
    if size is None:
        return nn.AdaptiveAvgPool1d(1) if len(shape) == 2 else nn.AdaptiveAvgPool2d(1)
    return nn.AvgPool1d(_whole(size)) if len(shape) == 2 else nn.AvgPool2d(_whole(size))


def _norm(shape: Shape) -> nn.Module:
    """Layer norm of vectors; group norm of maps."""
    if len(shape) == 1:
        return nn.LayerNorm(shape[0])
    groups = next(g for g in range(min(_GROUPS, shape[0]), 0, -1) if shape[0] % g == 0)
    return nn.GroupNorm(groups, shape[0])


def _dropout(_: Shape, share: float) -> nn.Module:
    return nn.Dropout(share)


def _leaky(_: Shape, slope: float = 0.01) -> nn.Module:
    return nn.LeakyReLU(slope)


class Residual(nn.Module):
    """Two 3-wide convolutions with norms, added to what came in: He et al. 2016, figure 2."""

    def __init__(self, shape: Shape, channels: int, stride: int) -> None:
        super().__init__()
        inner = (channels, *shape[1:])
        self.first, self.norm1 = _conv(shape, channels, 3, stride, 1), _norm(inner)
        self.second, self.norm2 = _conv(inner, channels, 3, 1, 1), _norm(inner)
        same = stride == 1 and channels == shape[0]
        self.past = nn.Identity() if same else _conv(shape, channels, 1, stride)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (examples, channels, ...) to the same with other channels."""
        inner = self.norm2(self.second(torch.relu(self.norm1(self.first(x)))))
        return torch.relu(inner + self.past(x))


def _residual(shape: Shape, channels: float, stride: float = 1) -> nn.Module:
    return Residual(shape, _whole(channels), _whole(stride))


def _plain(kind: Callable[[], nn.Module]) -> Callable[..., nn.Module]:
    return lambda _: kind()


_ANY, _MAPS = (1, 2, 3), (2, 3)
# Word -> how to make it from the shape before it and its numbers, how to write it, which shapes.
LAYERS: Mapping[str, tuple[Callable[..., nn.Module], str, tuple[int, ...]]] = MappingProxyType(
    {
        "dense": (_dense, "dense(units)", (1,)),
        "conv": (_conv, "conv(channels, size, stride=1, padding=0)", _MAPS),
        "pool": (_pool, "pool(size, stride=size)", _MAPS),
        "average": (_average, "average(size), or average for the whole map", _MAPS),
        "residual": (_residual, "residual(channels, stride=1)", _MAPS),
        "norm": (_norm, "norm", _ANY),
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
