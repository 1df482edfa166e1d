"""A device that is none: tensors of the CPU that torch's functions take for tensors of CUDA.

As with CUDA, numpy cannot read them, tensors of two devices cannot be mixed (but for numbers), and
what crosses over is counted. So the lines written for CUDA run where there is no GPU.
"""

from contextlib import nullcontext
from unittest import mock

import numpy as np
import pytest
import torch
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_flatten, tree_map

MEMORY = 2**33  # bytes that the device has
CUDA = {
    "is_available": lambda: True,
    "device_count": lambda: 1,
    "mem_get_info": lambda device=None: (MEMORY, MEMORY),
    "memory_reserved": lambda device=None: 0,
    "memory_allocated": lambda device=None: 0,
}
INDEXING = (torch.Tensor.__getitem__, torch.Tensor.__setitem__, torch.Tensor.copy_)


class Pretend(torch.Tensor):
    """A tensor of the pretended device."""

    def __deepcopy__(self, memo):
        twin = self.detach().clone().requires_grad_(self.requires_grad)
        twin._is_param = getattr(self, "_is_param", False)
        return twin


def there(value):
    """Take a plain tensor over to the device, without a copy; leave all else."""
    is_plain = isinstance(value, torch.Tensor) and not isinstance(value, Pretend)
    return value.as_subclass(Pretend) if is_plain else value


class PretendCuda(TorchFunctionMode):
    """While it is entered, "cuda" is a device; `moved` lists (way, size) of all that crossed."""

    def __init__(self):
        super().__init__()
        self.moved = []

    def __enter__(self):
        self._patches = [mock.patch.object(torch.cuda, *pair) for pair in CUDA.items()]
        for patch in self._patches:
            patch.start()
        torch.__future__.set_overwrite_module_params_on_conversion(True)
        return super().__enter__()

    def __exit__(self, *raised):
        torch.__future__.set_overwrite_module_params_on_conversion(False)
        for patch in self._patches:
            patch.stop()
        super().__exit__(*raised)

    def __torch_function__(self, func, types, args=(), kwargs=None):
        kwargs = dict(kwargs or {})
        first = args[0] if args else None
        inside = isinstance(first, Pretend)
        if func == torch.Tensor.device.__get__:
            return torch.device("cuda:0") if inside else func(first)
        if func is torch.Tensor.numpy and inside:
            raise TypeError("can't convert cuda:0 device type tensor to numpy.")
        if func is torch.Tensor.cpu:
            return self._moved(first, "cpu")
        if func is torch.Tensor.to:
            return self._to(first, [*args[1:], *kwargs.values()])
        if func is torch._has_compatible_shallow_copy_type:
            return False  # a module takes new tensors on a new device
        made = "device" in kwargs and torch.device(kwargs["device"] or "cpu").type == "cuda"
        if made:
            del kwargs["device"]
        given = [a for a in tree_flatten((args, kwargs))[0] if isinstance(a, torch.Tensor)]
        ours = [a for a in given if isinstance(a, Pretend)]
        strange = [a for a in given if not isinstance(a, Pretend) and a.dim()]
        if ours and strange and func not in INDEXING:
            raise RuntimeError(f"{func}: expected all tensors to be on the same device.")
        with torch._C.DisableTorchFunctionSubclass():
            found = func(*args, **kwargs)
        return tree_map(there, found) if ours or made else found

    def _to(self, value, options):
        for dtype in (a for a in options if isinstance(a, torch.dtype)):
            with torch._C.DisableTorchFunctionSubclass():
                value = (there if isinstance(value, Pretend) else lambda t: t)(value.to(dtype))
        devices = [torch.device(a) for a in options if isinstance(a, str | torch.device)]
        return self._moved(value, devices[0].type) if devices else value

    def _moved(self, value, device):
        if isinstance(value, Pretend) == (device == "cuda"):
            return value
        if value.numel() > 1:
            self.moved.append(("in" if device == "cuda" else "out", value.numel()))
        found = value.as_subclass(torch.Tensor).clone()
        return there(found) if device == "cuda" else found


@pytest.fixture
def pretended():
    """Give the pretended device alone."""
    with PretendCuda() as device:
        yield device


@pytest.fixture(
    params=[
        "pretended",
        pytest.param(
            "real",
            marks=[
                pytest.mark.gpu,
                pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device"),
            ],
        ),
    ]
)
def cuda(request):
    """Give a context in which "cuda" is a device: a pretended one, and a real one if there is."""
    return PretendCuda if request.param == "pretended" else nullcontext


@pytest.fixture
def slopes():
    """Give `predict_dist_vjp` of a model at X, and the same by central differences of size h."""

    def both(model, X, h, rng):
        p = model.n_outputs_
        mean_bar, cov_bar = rng.normal(size=(len(X), p)), rng.normal(size=(len(X), p, p))

        def total(X):
            found = model.predict_dist(X).gaussian()
            return (mean_bar * found.mean).sum() + (cov_bar * found.covariance.dense()).sum()

        by_difference = np.empty_like(X)
        for i, j in np.ndindex(X.shape):
            step = np.zeros_like(X)
            step[i, j] = h
            by_difference[i, j] = (total(X + step) - total(X - step)) / (2 * h)
        return model.predict_dist_vjp(X, mean_bar, cov_bar), by_difference

    return both
