"""Kernels from one line of text, in a small closed grammar over public GPyTorch classes.

    sum     = product { "+" product }
    product = factor { "*" factor }
    factor  = name [ "[" column { "," column } "]" ] | "scale(" sum ")" | "(" sum ")"

``name`` is a key of :data:`KERNELS`; the columns are those of the inputs that the factor sees (all
active ones without brackets), with one length-scale per column (ARD). Nothing else is evaluated.
Inputs are scaled to the unit box of the training runs before a kernel sees them.
"""

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial, reduce
from operator import add, mul
from typing import Any

import gpytorch.kernels as gk
import numpy as np
import torch

from equatorium.checks import FloatArray
from equatorium.errors import InputError, NotSavableError, StateError, did_you_mean

Tensor = Any  # torch.Tensor
Kernel = Any  # gpytorch.kernels.Kernel; gpytorch ships no types that the type checker follows

# Every name of the grammar: the class, the options that make it, and whether it is ARD.
KERNELS: dict[str, tuple[Any, dict[str, Any], bool]] = {
    "rbf": (gk.RBFKernel, {}, True),
    "matern12": (gk.MaternKernel, {"nu": 0.5}, True),
    "matern32": (gk.MaternKernel, {"nu": 1.5}, True),
    "matern52": (gk.MaternKernel, {"nu": 2.5}, True),
    "rq": (gk.RQKernel, {}, True),
    "periodic": (gk.PeriodicKernel, {}, True),
    "cosine": (gk.CosineKernel, {}, False),
    "linear": (gk.LinearKernel, {}, True),
    "polynomial2": (gk.PolynomialKernel, {"power": 2}, False),
    "polynomial3": (gk.PolynomialKernel, {"power": 3}, False),
    "constant": (gk.ConstantKernel, {}, False),
}
LENGTH = 1.0  # the prior's median length-scale, in units of sqrt(number of columns) of the box
_TOKEN = re.compile(r"\s*(?:([a-z][a-z0-9_]*)|(\d+)|([-+*()\[\],]))")


def build(specification: str, d: int, active: Sequence[int] | None = None) -> Kernel:
    """Build a float64 GPyTorch kernel over d inputs from its specification.

    Parameters
    ----------
    specification : str
        Such as ``"matern52 + linear"`` or ``"scale(rbf[0,1] * periodic[2])"``.
    d : int
        Number of inputs.
    active : sequence of int, optional
        Columns of factors without brackets; all by default.

    Raises
    ------
    InputError
        At a word that is no kernel, a column that does not exist, or a slip in the grammar,
        naming its place.
    """
    kernel = _Parser(specification, d, active).parse().double()
    # Each further term starts shorter, or two terms of one name would stay equal for ever.
    lengths = [c for c in coordinates(kernel) if c.name == "raw_lengthscale"]
    for k, length in enumerate(lengths):
        length.set(np.full(length.raw.numel(), length.prior()[0] + k * math.log(0.7)))
    return kernel


class _Parser:
    """Recursive descent, one method per line of the grammar."""

    def __init__(self, text: str, d: int, active: Sequence[int] | None) -> None:
        self.text, self.d, self.active = text, d, active
        self.tokens: list[tuple[str, int]] = []
        if text.count("(") > 50:
            raise self.error("there are more than 50 parentheses", text.index("("))
        place = 0
        while text[place:].strip():
            match = _TOKEN.match(text, place)
            if match is None:
                start = place + len(text[place:]) - len(text[place:].lstrip())
                raise self.error(f"no kernel is written with {text[start]!r}", start)
            self.tokens.append((match.group().strip(), match.start()))
            place = match.end()
        self.tokens.append(("", len(text)))
        self.next = 0

    def error(self, problem: str, place: int) -> InputError:
        return InputError(
            f"kernel={self.text!r}: {problem} (at character {place + 1}). Write sums and products "
            'of kernel names, such as "matern52 + linear" or "scale(rbf[0,1] * periodic[2])"; '
            f"the names are {', '.join(KERNELS)} and scale(...)."
        )

    def take(self, *wanted: str) -> bool:
        found = self.tokens[self.next][0] in wanted
        self.next += found
        return found

    def expect(self, wanted: str) -> None:
        word, place = self.tokens[self.next]
        if not self.take(wanted):
            raise self.error(f"expected {wanted!r} but found {word or 'the end'!r}", place)

    def parse(self) -> Kernel:
        kernel = self.sum()
        word, place = self.tokens[self.next]
        if word:
            raise self.error(f"{word!r} is not expected", place)
        return kernel

    def chain(self, part: Callable[[], Kernel], sign: str, join: Callable[..., Kernel]) -> Kernel:
        parts = [part()]
        while self.take(sign):
            parts.append(part())
        return reduce(join, parts)

    def sum(self) -> Kernel:
        return self.chain(partial(self.chain, self.factor, "*", mul), "+", add)

    def factor(self) -> Kernel:
        word, place = self.tokens[self.next]
        self.next += 1
        if word in ("(", "scale"):
            if word == "scale":
                self.expect("(")
            inner = self.sum()
            self.expect(")")
            return gk.ScaleKernel(inner) if word == "scale" else inner
        if word not in KERNELS:
            hint = did_you_mean(word, KERNELS)
            raise self.error(f"{word or 'the end'!r} is not a kernel.{hint}", place)
        columns = self.columns()
        cls, options, ard = KERNELS[word]
        size = self.d if columns is None else len(columns)
        if word == "cosine" and size > 1:
            raise self.error(
                f"cosine of a distance is a covariance of one input only, not of {size}: write "
                "cosine[0], or a product of such,",
                place,
            )
        if ard:
            options = options | {"ard_num_dims": size}
        return cls(active_dims=columns, **options)

    def columns(self) -> tuple[int, ...] | None:
        if not self.take("["):
            return None if self.active is None else tuple(self.active)
        found: list[int] = []
        while True:
            word, place = self.tokens[self.next]
            if not word.isdigit() or int(word) >= self.d:
                problem = f"{word!r} is not a column of the {self.d} inputs, 0 to {self.d - 1}"
                raise self.error(problem, place)
            if int(word) in found:
                raise self.error(f"column {word} is named twice", place)
            found.append(int(word))
            self.next += 1
            if self.take("]"):
                return tuple(found)
            self.expect(",")


def specification(kernel: Kernel) -> str | None:
    """Write a kernel in the grammar, or None where the grammar has no words for it."""
    if isinstance(kernel, gk.AdditiveKernel):
        parts = [specification(k) for k in kernel.kernels]
        return None if None in parts else " + ".join(str(part) for part in parts)
    if isinstance(kernel, gk.ProductKernel):
        parts = [specification(k) for k in kernel.kernels]
        if None in parts:
            return None
        pairs = zip(parts, kernel.kernels, strict=True)
        return " * ".join(
            f"({p})" if isinstance(k, gk.AdditiveKernel) else str(p) for p, k in pairs
        )
    if isinstance(kernel, gk.ScaleKernel):
        inner = specification(kernel.base_kernel)
        return None if inner is None else f"scale({inner})"
    for name, (cls, options, _) in KERNELS.items():
        if type(kernel) is cls and all(getattr(kernel, k, v) == v for k, v in options.items()):
            columns = kernel.active_dims
            return name + ("" if columns is None else str(columns.tolist()).replace(" ", ""))
    return None


def written(kernel: Kernel, d: int, active: int) -> str:
    """Give the specification over d inputs that rebuilds a live kernel exactly.

    Raises
    ------
    NotSavableError
        If there is none, or not all inputs are active.
    """
    text = specification(kernel) if active == d else None
    if text is None or _signature(build(text, d)) != _signature(kernel) or _priors(kernel):
        raise NotSavableError(
            f"the option 'kernel' is a live {type(kernel).__name__} that has no written form. "
            f"Write it with the names {', '.join(KERNELS)} to save the emulator."
        )
    return text


def _priors(kernel: Kernel) -> list[Any]:
    return list(kernel.named_priors())


def _signature(kernel: Kernel) -> list[tuple[str, torch.Size, str]]:
    listed = kernel.named_parameters_and_constraints()
    return [(name, parameter.shape, str(constraint)) for name, parameter, constraint in listed]


@dataclass(frozen=True)
class Coordinate:
    """One parameter of a kernel, as the optimiser moves it.

    A positive one (a length-scale, a period, an amplitude) moves in its logarithm; one that may
    have either sign moves as GPyTorch stores it.
    """

    module: Kernel
    name: str

    @property
    def raw(self) -> Any:
        """The unconstrained tensor that GPyTorch stores and differentiates."""
        return getattr(self.module, self.name)

    @property
    def constraint(self) -> Any:
        """The constraint that keeps it positive, or None."""
        found = self.module.constraint_for_parameter_name(self.name)
        return found if found is not None and float(found.lower_bound.min()) >= 0 else None

    def get(self) -> FloatArray:
        """Where it stands, a flat array."""
        raw = self.raw.detach()
        place = raw if self.constraint is None else self.constraint.transform(raw).log()
        return np.asarray(place.flatten().cpu().numpy(), dtype=np.float64)

    def set(self, place: FloatArray) -> None:
        """Move it there."""
        value = torch.as_tensor(place, dtype=self.raw.dtype).reshape(self.raw.shape)
        value = value.to(self.raw.device)
        if self.constraint is not None:
            value = self.constraint.inverse_transform(value.exp())
        self.raw.data.copy_(value)

    def gradient(self) -> FloatArray:
        """Carry the gradient that a backward pass left over to this coordinate."""
        raw = self.raw
        if raw.grad is None:
            return np.zeros(raw.numel())
        slope = raw.grad
        if self.constraint is not None:
            with torch.enable_grad():
                twin = raw.detach().clone().requires_grad_()
                log = self.constraint.transform(twin).log()
                (rate,) = torch.autograd.grad(log.sum(), twin)
            slope = slope / rate
        return np.asarray(slope.flatten().cpu().numpy(), dtype=np.float64)

    def bounds(self) -> tuple[float, float]:
        """Range of the search."""
        if self.constraint is None:
            return -np.inf, np.inf
        mean, sd = self.prior()
        low, high = (
            float(b.max()) for b in (self.constraint.lower_bound, self.constraint.upper_bound)
        )
        lowest = np.log(low * (1 + 1e-6)) if low > 0 else -np.inf
        highest = np.log(high * (1 - 1e-6)) if np.isfinite(high) else np.inf
        return max(mean - 6 * sd, lowest), min(mean + 6 * sd, highest)

    def prior(self) -> tuple[float, float]:
        """Mean and sd of the coordinate; for a length-scale the mean knows its kernel's dimension.

        In a box of d inputs distances grow as sqrt(d), so a response that is as smooth for
        twenty inputs as for two has length-scales larger by sqrt(10).
        """
        if self.constraint is None:
            return 0.0, np.inf
        if self.name == "raw_lengthscale":
            return math.log(LENGTH * math.sqrt(self.raw.numel())), 2.0
        return 0.0, 2.0


def coordinates(kernel: Kernel) -> list[Coordinate]:
    """List all parameters of a kernel that may be learned."""
    return [
        Coordinate(module, name)
        for module in kernel.modules()
        for name, parameter in module.named_parameters(recurse=False)
        if parameter.requires_grad
    ]


def dense(kernel: Kernel, x: Tensor, other: Tensor) -> Tensor:
    """Evaluate a kernel (m, n) between x (m, d) and other (n, d).

    Sums and products are taken here: GPyTorch's lazy sum of a full and a low-rank matrix decomposes
    the full one, with jitter added to what the sum then is.
    """
    if type(kernel) in (gk.AdditiveKernel, gk.ProductKernel) and kernel.active_dims is None:
        join = add if type(kernel) is gk.AdditiveKernel else mul
        return reduce(join, (dense(part, x, other) for part in kernel.kernels))
    plain = kernel.active_dims is None and not len(kernel.batch_shape)
    if type(kernel) is gk.ScaleKernel and plain:
        return kernel.outputscale * dense(kernel.base_kernel, x, other)
    return kernel(x, other).to_dense().contiguous()  # a constant is one number, seen often


def load(kernel: Kernel, parameters: FloatArray) -> None:
    """Set all raw parameters of a kernel, one after the other.

    Raises
    ------
    StateError
        If there is another number of them.
    """
    expected = sum(parameter.numel() for parameter in kernel.parameters())
    if expected != parameters.size:
        raise StateError(
            f"the kernel has {expected} parameters, but the state holds {parameters.size}."
        )
    start = 0
    for parameter in kernel.parameters():
        part = torch.as_tensor(parameters[start : start + parameter.numel()].copy())
        parameter.data.copy_(part.reshape(parameter.shape))
        start += parameter.numel()
