"""``resnet`` and ``resnet-classifier``: residual networks over images and spectra."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from equatorium.errors import InputError
from equatorium_nets.classifier import NetworkClassifier
from equatorium_nets.emulator import NetworkEmulator
from equatorium_nets.networks import Networks

BLOCKS = (3, 4, 6, 3)  # of the 34 layers


def residual_layers(width: int, blocks: Sequence[int], batch: bool = False) -> str:
    """Write a residual network in words: He et al. 2016, table 1.

    Parameters
    ----------
    width : int
        Channels of the first group of blocks; every other one has twice as many as that before it.
    blocks : sequence of int
        Blocks of each group.
    batch : bool
        With batch norms, as published, in place of norms of one example.

    Examples
    --------
    >>> residual_layers(8, (1, 2))
    'stem(8) residual(8) residual(16, 2) residual(16) average'
    """
    counts = list(blocks) if isinstance(blocks, Sequence) and not isinstance(blocks, str) else []
    numbers = [width, *counts]
    if not counts or not all(isinstance(n, int | np.integer) and n >= 1 for n in numbers):
        raise InputError(
            f"width={width!r} and blocks={blocks!r} must be a whole number from 1, and one for "
            f"each group of blocks."
        )
    kind = "batch-" if batch else ""
    text = [f"{kind}stem({width})"]
    for group, count in enumerate(counts):
        channels = width * 2**group
        text.append(f"{kind}residual({channels}{', 2' if group else ''})")
        text += [f"{kind}residual({channels})"] * (count - 1)
    return " ".join([*text, "average"])


@dataclass(kw_only=True, eq=False, repr=False)
class Residuals(Networks):
    """Residual networks; the words of `layers`, if given, go before width and blocks.

    Parameters
    ----------
    width : int
        Channels of the first group of blocks: 64 in the paper.
    blocks : sequence of int or None
        Residual blocks of each group: (3, 4, 6, 3) make 34 layers, (2, 2, 2, 2) make 18. None is
        the former.
    """

    LAYERS: ClassVar[str] = ""
    width: int = 64
    blocks: Sequence[int] | None = None
    n_members: int = 1
    learning_rate: float = 1e-3

    @property
    def architecture(self) -> str:
        """The layers in words."""
        if self.layers is not None:
            return self.layers
        return residual_layers(self.width, BLOCKS if self.blocks is None else self.blocks)


@dataclass(kw_only=True, eq=False, repr=False)
class ResNet(Residuals, NetworkEmulator):
    """Residual networks on images or spectra, whose answer is one Gaussian.

    Give ``shape=(channels, height, width)`` or ``(channels, length)``: rows of X are flat. A
    network of yours, pretrained or not, takes their place as a word of `layers`:
    `equatorium_nets.backbones.register_backbone`.

    References
    ----------
    He K., Zhang X., Ren S. & Sun J. 2016, CVPR, doi:10.1109/CVPR.2016.90; Wu J. F. & Boada S. 2019,
    MNRAS 484, 4683, doi:10.1093/mnras/stz333

    Examples
    --------
    >>> ResNet(width=8, blocks=(1, 1)).architecture
    'stem(8) residual(8) residual(16, 2) average'
    """


@dataclass(kw_only=True, eq=False, repr=False)
class ResNetClassifier(Residuals, NetworkClassifier):
    """Residual networks on images or spectra, whose probabilities are averaged.

    Give ``shape=(channels, height, width)`` or ``(channels, length)``: rows of X are flat. A
    network of yours, pretrained or not, takes their place as a word of `layers`:
    `equatorium_nets.backbones.register_backbone`.

    References
    ----------
    He K., Zhang X., Ren S. & Sun J. 2016, CVPR, doi:10.1109/CVPR.2016.90
    """

    patience: int | None = 30
