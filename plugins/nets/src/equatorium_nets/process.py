"""What a training borrows from its process and gives back: PyTorch's generator, and its threads."""

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from equatorium_nets.recurrent import GRU

_TURN = threading.RLock()
_LIGHT = 1e8  # operations of a step, done before other threads have woken up


@contextmanager
def borrowed(device: str, light: bool = False) -> Iterator[None]:
    """Let one training of the process at a time draw from PyTorch's generator, with gradients.

    Parameters
    ----------
    device : str
    light : bool
        Whether its steps are so small that one thread is faster than several, which wait for each
        other at every product: tenfold where other programs keep the processor busy, too.
    """
    with _TURN, torch.random.fork_rng(devices=[] if device == "cpu" else [device]):
        threads = torch.get_num_threads()
        try:
            if light:
                torch.set_num_threads(1)
            with torch.enable_grad():
                yield
        finally:
            torch.set_num_threads(threads)


def is_light(plan: nn.Module, shape: Sequence[int], rows: int) -> bool:
    """Return whether a member's step of so many rows is too small to be shared between threads.

    Recurrent units always are: their many steps follow each other.
    """
    if any(isinstance(part, GRU) for part in plan.modules()):
        return True
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        plan.to("meta")(torch.empty((rows, *shape), device="meta"))
    return bool(counter.get_total_flops() < _LIGHT)
