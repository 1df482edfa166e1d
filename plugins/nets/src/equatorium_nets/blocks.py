"""Layers over maps that depend on the shape before them: convolutions, norms, residual blocks."""

from collections.abc import Callable

import torch
from torch import nn

from equatorium_nets.batch_norms import BatchNorm

Shape = tuple[int, ...]
Norm = Callable[[Shape], nn.Module]
_GROUPS, _FEW = 8, 16


def whole(value: float, least: int = 1) -> int:
    """Return a whole number that is large enough.

    Raises
    ------
    ValueError
    """
    if value != int(value) or value < least:
        raise ValueError(f"{value:g} must be a whole number from {least}")
    return int(value)


def conv(
    shape: Shape,
    channels: float,
    size: float,
    stride: float = 1,
    padding: float = 0,
    bias: bool = True,
) -> nn.Module:
    """Return a convolution of maps (channels, length) or (channels, height, width)."""
    kind = nn.Conv1d if len(shape) == 2 else nn.Conv2d
    steps = {"stride": whole(stride), "padding": whole(padding, 0)}
    return kind(shape[0], whole(channels), whole(size), **steps, bias=bias)


def pool(shape: Shape, size: float, stride: float | None = None, padding: float = 0) -> nn.Module:
    """Return the largest of every window."""
    kind = nn.MaxPool1d if len(shape) == 2 else nn.MaxPool2d
    step = None if stride is None else whole(stride)
    return kind(whole(size), stride=step, padding=whole(padding, 0))


def norm(shape: Shape) -> nn.Module:
    """Return the layer norm of vectors, the group norm of maps.

    Of maps, up to eight groups of channels, each with numbers enough to have a spread. Like a batch
    norm it has two parameters a channel, but what it does to one example depends on no other.
    """
    numbers = torch.Size(shape).numel()
    if numbers == 1:
        raise ValueError("the norm of a single number leaves nothing of it")
    if len(shape) == 1:
        return nn.LayerNorm(shape[0])
    most = min(_GROUPS, shape[0], max(1, numbers // _FEW))
    return nn.GroupNorm(next(g for g in range(most, 0, -1) if shape[0] % g == 0), shape[0])


def batch_norm(shape: Shape) -> nn.Module:
    """Return the batch norm, for networks that are to be as published."""
    return BatchNorm(shape[0])


class Residual(nn.Module):
    """Two convolutions of width 3 with norms, added to what came in: He et al. 2016, figure 2.

    Where the shape changes, what came in passes a convolution of width 1 and a norm (their option
    B). As there, convolutions that a norm follows have no bias.
    """

    def __init__(self, shape: Shape, channels: int, stride: int, norm: Norm = norm) -> None:
        super().__init__()
        size = tuple((s - 1) // stride + 1 for s in shape[1:])
        inner = (channels, *size)
        self.first, self.norm1 = conv(shape, channels, 3, stride, 1, bias=False), norm(inner)
        self.second, self.norm2 = conv(inner, channels, 3, 1, 1, bias=False), norm(inner)
        self.past: nn.Module = nn.Identity()
        if stride > 1 or channels != shape[0]:
            self.past = nn.Sequential(conv(shape, channels, 1, stride, bias=False), norm(inner))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (examples, channels, ...) to the same with other channels."""
        inner = self.norm2(self.second(torch.relu(self.norm1(self.first(x)))))
        return torch.relu(inner + self.past(x))


def residual(shape: Shape, channels: float, stride: float = 1) -> nn.Module:
    """Return a residual block."""
    return Residual(shape, whole(channels), whole(stride))


def batch_residual(shape: Shape, channels: float, stride: float = 1) -> nn.Module:
    """Return a residual block with batch norms."""
    return Residual(shape, whole(channels), whole(stride), batch_norm)


def stem(shape: Shape, channels: float) -> nn.Module:
    """Return the first layers of a residual network: a quarter of the size of the maps is left."""
    return _stem(shape, channels, norm)


def batch_stem(shape: Shape, channels: float) -> nn.Module:
    """Return the same with a batch norm."""
    return _stem(shape, channels, batch_norm)


def _stem(shape: Shape, channels: float, norm: Norm) -> nn.Module:
    half = (whole(channels), *((s - 1) // 2 + 1 for s in shape[1:]))
    first = conv(shape, channels, 7, 2, 3, bias=False)
    return nn.Sequential(first, norm(half), nn.ReLU(), pool(half, 3, 2, 1))
