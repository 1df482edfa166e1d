"""Where the matrices live: the CPU or a CUDA device, and how much of its memory is theirs."""

from typing import Any

import torch

from equatorium.errors import InputError

ENTRIES = 4_000_000  # numbers in the largest array at once, 32 MB
ENTRIES_CUDA = 2**26  # 512 MB: a device wants large arrays
ARRAYS = 8  # of the size of a block that are alive at once
MATRICES = 11  # n x n that a likelihood with its gradient has alive at most, a kernel of two terms


def usable_device(device: str) -> str:
    """Give the device of torch; "auto" is CUDA where there is one. Nothing is computed before.

    Raises
    ------
    InputError
        If the name is no device's, or CUDA is not there.
    """
    kind = _kind(device)
    if kind == "cuda" and not _has_cuda(device):
        raise InputError(
            f"device={device!r}, but torch finds no CUDA device here; use device='auto' or 'cpu'."
        )
    if device == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    return device


def present_device(device: str) -> str:
    """Give the device as `usable_device` does, but the CPU in place of a missing CUDA device.

    For what was fitted on another machine.
    """
    return "cpu" if _kind(device) == "cuda" and not _has_cuda(device) else usable_device(device)


def to_device(kernel: Any, device: str) -> Any:
    """Put a kernel on a device, in float64."""
    return kernel.double().to(device)


def check_memory(n: int, kernels: int, device: str) -> None:
    """Refuse more runs than the device's memory can hold, before anything is computed.

    Parameters
    ----------
    n : int
        Number of runs.
    kernels : int
        Each keeps one matrix (n, n).
    device : str

    Raises
    ------
    InputError
    """
    if torch.device(device).type != "cuda":
        return
    wanted, free = 8 * n**2 * (MATRICES + kernels), _free(device)
    if wanted > free:
        raise InputError(
            f"an exact Gaussian process of {n} runs and {kernels} kernels needs "
            f"{wanted / 1e9:.1f} GB on {device}, which has {free / 1e9:.1f} GB free; use the "
            "emulator 'sparse-gp', fewer runs, sharing='all', or device='cpu'."
        )


def block(needed: int, device: torch.device) -> int:
    """Give the number of entries of the largest array to work on at once, of `needed` in all."""
    if device.type != "cuda" or needed <= ENTRIES:
        return ENTRIES
    return max(ENTRIES, min(ENTRIES_CUDA, _free(str(device)) // (8 * ARRAYS)))


def _kind(device: str) -> str:
    """Type of a device: "auto", "cpu" or "cuda"."""
    try:
        kind = "auto" if device == "auto" else torch.device(device).type
    except (RuntimeError, TypeError):
        kind = ""
    if kind not in ("auto", "cpu", "cuda"):
        raise InputError(f"device={device!r} is no device of ours; use 'auto', 'cpu' or 'cuda'.")
    return kind


def _has_cuda(device: str) -> bool:
    number = torch.device(device).index or 0
    return torch.cuda.is_available() and number < torch.cuda.device_count()


def _free(device: str) -> int:
    """Bytes that torch can still give on a CUDA device."""
    kept = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    return int(torch.cuda.mem_get_info(device)[0]) + int(kept)
