"""Networks of the user's own, pretrained or not, as words of an architecture."""

import re
from collections.abc import Callable
from typing import Any

from equatorium.errors import InputError

_NAME = re.compile(r"[a-z][a-z0-9-]*")
BACKBONES: dict[str, Callable[[], Any]] = {}


def register_backbone(name: str, make: Callable[[], Any]) -> None:
    """Let a word of `layers` stand for a PyTorch module of yours.

    Parameters
    ----------
    name : str
        Lower-case letters, digits, hyphens; no word of the table.
    make : callable
        Takes nothing and gives a new ``torch.nn.Module`` with the weights to start from. It maps
        (examples, ...) to (examples, ...), every example on its own. Parameters that ask for no
        gradient stay as they are; batch norms keep their averages.

    Raises
    ------
    InputError
        If the name cannot be a word, or make is not callable.

    Notes
    -----
    A file holds the weights, as arrays, and the word. Before a file is loaded, the same word must
    be registered again: the module is rebuilt by `make`, and nothing of it is taken from the file
    but numbers.

    Examples
    --------
    >>> from torch import nn
    >>> register_backbone("two-units", lambda: nn.Linear(3, 2))
    >>> from equatorium_nets.layers import shapes
    >>> shapes("two-units relu", (3,))
    [(2,), (2,)]
    """
    from equatorium_nets.layers import LAYERS

    if not isinstance(name, str) or not _NAME.fullmatch(name) or name in LAYERS:
        raise InputError(
            f"a backbone cannot be called {name!r}: take lower-case letters, digits and hyphens, "
            f"and no word that is taken ({', '.join(LAYERS)})."
        )
    if not callable(make):
        raise InputError(f"make must be callable and give a torch.nn.Module, not {make!r:.80}.")
    BACKBONES[name] = make
