r"""Stationary ARD kernels in closed form: matrix and gradient without automatic differentiation.

For a kernel that is a sum of scaled terms ``c f(s)`` of squared distances ``s = |u - u'|^2`` of
inputs in units of their length-scales, ``u_j = x_j / l_j``, an upstream gradient G gives

    dL/dlog l_j = sum_ab M_ab (u_aj - u_bj)^2 = 2 [(M 1)' u_j^2 - u_j' M u_j],   M = G c w(s),

with ``w = -2 df/ds``: one matrix product for all length-scales. The same numbers as GPyTorch's own
kernel and its backward pass give, at a part of their time and memory.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import gpytorch.kernels as gk
import numpy as np
import torch

from equatorium.checks import FloatArray
from equatorium_gp.kernels import Coordinate, Kernel, coordinates, dense
from equatorium_gp.spectral import Tensor, array

Family = Callable[[Tensor], tuple[Tensor, Tensor]]


def _rbf(s: Tensor) -> tuple[Tensor, Tensor]:
    k = torch.exp(-0.5 * s)
    return k, k


def _matern12(s: Tensor) -> tuple[Tensor, Tensor]:
    r = s.sqrt()
    k = torch.exp(-r)
    return k, torch.where(r > 0, k / r, 0.0)


def _matern32(s: Tensor) -> tuple[Tensor, Tensor]:
    a = (3.0 * s).sqrt_()
    e = torch.exp(-a)
    return (1.0 + a).mul_(e), 3.0 * e


def _matern52(s: Tensor) -> tuple[Tensor, Tensor]:
    a = (5.0 * s).sqrt_()
    e = torch.exp(-a)
    slope = (1.0 + a).mul_(e)
    return (5.0 / 3.0 * s).mul_(e).add_(slope), slope.mul_(5.0 / 3.0)


_MATERN: dict[float, Family] = {0.5: _matern12, 1.5: _matern32, 2.5: _matern52}


@dataclass(frozen=True)
class Term:
    """One family over some columns (None: all), times the output scales around it."""

    module: Kernel
    family: Family
    scales: tuple[Kernel, ...]
    columns: Any

    def lengths(self, X: Tensor) -> Tensor:
        """Return X (m, d) in units of the length-scales."""
        return (X if self.columns is None else X[:, self.columns]) / self.module.lengthscale

    def amplitude(self) -> Tensor:
        """Return what multiplies the family."""
        one = torch.ones((), dtype=torch.float64, device=self.module.lengthscale.device)
        for scale in self.scales:
            one = one * scale.outputscale
        return one

    def squares(self, u: Tensor, v: Tensor) -> Tensor:
        """Return squared distances (m, n)."""
        if self.family is _matern12:  # its root is not smooth at 0: no cancellation allowed
            return torch.cdist(u, v, compute_mode="donot_use_mm_for_euclid_dist").square_()
        middle = v.mean(dim=0)
        u, v = u - middle, v - middle
        s = torch.addmm((v * v).sum(dim=1)[None], u, v.T, alpha=-2.0)
        return s.add_((u * u).sum(dim=1)[:, None]).clamp_(min=0.0)


class Stationary:
    """A sum of scaled stationary ARD terms; made by `of`."""

    def __init__(self, kernel: Kernel, terms: list[Term]) -> None:
        self.coordinates = coordinates(kernel)
        self.terms = terms

    @classmethod
    def of(cls, kernel: Kernel) -> "Stationary | None":
        """Recognise a GPyTorch kernel, or return None where autograd must serve."""
        terms = _terms(kernel, ())
        moves_in_logs = all(c.constraint is not None for c in coordinates(kernel))
        return cls(kernel, terms) if terms and moves_in_logs else None

    def matrix(self, X: Tensor, other: Tensor | None = None) -> Tensor:
        """Return the kernel (m, n) between X (m, d) and other (n, d), by default X itself."""
        with torch.no_grad():
            total: Tensor = 0.0
            for term in self.terms:
                u = term.lengths(X)
                s = term.squares(u, u if other is None else term.lengths(other))
                if other is None:
                    s.fill_diagonal_(0.0)
                total = term.family(s)[0].mul_(term.amplitude()) + total
            return total

    def variance(self) -> float:
        """Return the kernel of a point with itself."""
        with torch.no_grad():
            return float(sum(term.amplitude() for term in self.terms))

    def evaluate(self, X: Tensor) -> tuple[Tensor, "Slopes"]:
        """Return the kernel (n, n) of X (n, d), and what its gradient needs."""
        with torch.no_grad():
            total: Tensor = 0.0
            kept = []
            for term in self.terms:
                u = term.lengths(X)
                k, w = term.family(term.squares(u, u).fill_diagonal_(0.0))
                amplitude = term.amplitude()
                # Of RBF the kernel is its own slope: what is kept must not be altered.
                k = k.mul(amplitude) if k is w else k.mul_(amplitude)
                kept.append((u - u.mean(dim=0), k, w.mul_(amplitude)))
                total = k + total
            return total, Slopes(self, kept)

    def input_gradient(self, X: Tensor, other: Tensor, upstream: Tensor) -> FloatArray:
        """Carry a gradient by the kernel (m, n) between X (m, d) and other (n, d) back to X."""
        total = torch.zeros_like(X)
        with torch.no_grad():
            for term in self.terms:
                u, v = term.lengths(X), term.lengths(other)
                M = term.family(term.squares(u, v))[1].mul_(upstream).mul_(term.amplitude())
                slope = (M @ v - M.sum(dim=1)[:, None] * u) / term.module.lengthscale
                if term.columns is None:
                    total += slope
                else:
                    total[:, term.columns] += slope
        return array(total)


@dataclass(frozen=True)
class Slopes:
    """What `Stationary.evaluate` keeps: of every term its inputs in lengths, k and w."""

    kernel: Stationary
    terms: list[tuple[Tensor, Tensor, Tensor]]

    def gradient(self, upstream: Tensor) -> list[FloatArray]:
        """Carry a symmetric gradient (n, n) over to the coordinates; to be called once."""
        found: dict[tuple[int, str], Any] = {}
        with torch.no_grad():
            for term, (u, k, w) in zip(self.kernel.terms, self.terms, strict=True):
                for scale in term.scales:
                    place = (id(scale), "raw_outputscale")
                    own = torch.dot(k.view(-1), upstream.view(-1))
                    found[place] = found.get(place, 0.0) + own
                M = w.mul_(upstream)
                slope = 2.0 * ((M.sum(dim=1)[:, None] * u - M @ u) * u).sum(dim=0)
                one = term.module.lengthscale.numel() == 1
                found[id(term.module), "raw_lengthscale"] = slope.sum() if one else slope
        return [_flat(found.get((id(c.module), c.name)), c) for c in self.kernel.coordinates]


def kernel_matrix(kernel: Kernel, X: Tensor) -> Tensor:
    """Kernel (n, n) of X (n, d): in closed form where there is one, without a gradient."""
    closed = Stationary.of(kernel)
    with torch.no_grad():
        return dense(kernel, X, X) if closed is None else closed.matrix(X)


def input_gradient(kernel: Kernel, X: FloatArray, runs: Tensor, upstream: Tensor) -> FloatArray:
    """Carry a gradient by the kernel (m, n) between X (m, d) and runs (n, d) back to X."""
    x, closed = torch.from_numpy(np.ascontiguousarray(X)).to(runs.device), Stationary.of(kernel)
    if closed is not None:
        return closed.input_gradient(x, runs, upstream)
    x.requires_grad_()
    with torch.enable_grad():
        (found,) = torch.autograd.grad(dense(kernel, x, runs), x, upstream)
    return array(found)


def own_gradient(kernel: Kernel, X: FloatArray, upstream: FloatArray, device: Any) -> FloatArray:
    """Carry a gradient (m,) by the kernel of points with themselves back to X (m, d)."""
    x = torch.from_numpy(np.ascontiguousarray(X)).to(device).requires_grad_()
    with torch.enable_grad():
        own = kernel(x, diag=True)
        (found,) = torch.autograd.grad(own, x, torch.from_numpy(upstream).to(device))
    return array(found)


def _flat(slope: Any, coordinate: Coordinate) -> FloatArray:
    size = coordinate.raw.numel()
    return np.zeros(size) if slope is None else array(slope).reshape(size)


def _terms(kernel: Kernel, scales: tuple[Kernel, ...]) -> list[Term]:
    """Take a kernel apart; an empty list if a part is not of the closed form."""
    if len(kernel.batch_shape):
        return []
    # A scale hands its columns' inputs straight to what it scales: the outermost choice counts.
    columns = next((k.active_dims for k in (*scales, kernel) if k.active_dims is not None), None)
    if type(kernel) is gk.AdditiveKernel and columns is None:
        parts = [_terms(part, scales) for part in kernel.kernels]
        return [term for part in parts for term in part] if all(parts) else []
    if type(kernel) is gk.ScaleKernel:
        return _terms(kernel.base_kernel, (*scales, kernel))
    if type(kernel) is gk.RBFKernel:
        return [Term(kernel, _rbf, scales, columns)]
    if type(kernel) is gk.MaternKernel:
        return [Term(kernel, _MATERN[kernel.nu], scales, columns)]
    return []
