"""What a training borrows from its process and gives back: PyTorch's generator, and its threads."""

import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from equatorium_nets.recurrent import GRU

_TURN = threading.RLock()
_MINE = threading.local()  # `turn`: whether this thread has it
if hasattr(os, "register_at_fork"):  # a thread that had its turn is not there in a child
    os.register_at_fork(after_in_child=lambda: globals().update(_TURN=threading.RLock()))
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
    if getattr(_MINE, "turn", False):  # what a training has drawn is not to be drawn again
        yield
        return
    with _TURN, torch.random.fork_rng(devices=[] if device == "cpu" else [device]):
        # `one_thread` would not do: it does not reach the MKL within PyTorch, and gives way where
        # another thread has it, by which the last bits of a training would change.
        threads = torch.get_num_threads()
        # Where OpenMP is held to one for a while, what is set here would outlast that: BLAS, and
        # threads of Python that begin later, would keep to it.
        held = light and threads > 1
        try:
            _MINE.turn = True
            if held:
                torch.set_num_threads(1)
            with torch.enable_grad():
                yield
        finally:
            _MINE.turn = False
            if held:
                torch.set_num_threads(threads)


def seeded(seed: int, device: str = "cpu") -> None:
    """Seed the generators of the CPU and of a device; `torch.manual_seed` seeds all there are."""
    torch.default_generator.manual_seed(seed)
    if device != "cpu":
        with torch.cuda.device(device):
            torch.cuda.manual_seed(seed)


def generator_state(device: torch.device) -> torch.Tensor:
    """Return the state of the generator that dropout draws from."""
    on_cpu = device.type == "cpu"
    return torch.get_rng_state() if on_cpu else torch.cuda.get_rng_state(device)


def set_generator_state(device: torch.device, state: torch.Tensor) -> None:
    """Let dropout draw from a state on."""
    if device.type == "cpu":
        torch.set_rng_state(state)
    else:
        torch.cuda.set_rng_state(state, device)


def is_light(plan: nn.Module, shape: Sequence[int], rows: int) -> bool:
    """Return whether a member's step of so many rows is too small to be shared between threads.

    Recurrent units always are: their many steps follow each other.
    """
    if any(isinstance(part, GRU) for part in plan.modules()):
        return True
    # Its hooks are on the modules of all threads: a training would stumble over them.
    with _TURN, FlopCounterMode(display=False) as counter, torch.no_grad():
        plan.to("meta")(torch.empty((rows, *shape), device="meta"))
    return bool(counter.get_total_flops() < _LIGHT)
