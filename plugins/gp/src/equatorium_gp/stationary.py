r"""Stationary ARD kernels in closed form: matrix and gradient without automatic differentiation.

For a kernel that is a sum of scaled terms ``c f(s)`` of squared distances ``s = |u - u'|^2`` of
inputs in units of their length-scales, ``u_j = x_j / l_j``, an upstream gradient G gives

    dL/dlog l_j = sum_ab M_ab (u_aj - u_bj)^2 = 2 [(M 1)' u_j^2 - u_j' M u_j],   M = G c w(s),

with ``w = -2 df/ds``: one matrix product for all length-scales. The same numbers as GPyTorch's own
kernel and its backward pass give, at a part of their time and memory.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import gpytorch.kernels as gk
import numpy as np
import torch

from equatorium.checks import FloatArray
from equatorium_gp.kernels import Coordinate, Kernel, coordinates, dense
from equatorium_gp.spectral import Tensor, array

# Entries worked on at a time. On the CPU 512 kB: what does not leave the cache is twice as fast; on
# CUDA 128 MB, a part of the memory that matrices need which are of no use later.
BLOCK = {"cpu": 2**16, "cuda": 2**24}
# Of points whose squared distance from the middle is larger, a product gets those between them to
# 1e-11 at best: the matrix of points alike but for a tiny length-scale was not positive definite.
FAR = 1e5


@dataclass(frozen=True)
class Family:
    """A function f of stretched squared distances, ``t = stretch s``.

    Attributes
    ----------
    both : function of t, k, w
        Writes f to k and ``-2 df/dt``, but for the factor `rate`, to w; uses t up.
    value : function of t, e
        Returns f and uses up both, one as room.
    stretch, rate : float
    """

    both: Callable[[Tensor, Tensor, Tensor], None]
    value: Callable[[Tensor, Tensor], Tensor]
    stretch: float = 1.0
    rate: float = 1.0


def _rbf(t: Tensor, k: Tensor, w: Tensor) -> None:
    w.copy_(torch.neg(t, out=k).exp_())


def _matern12(t: Tensor, k: Tensor, w: Tensor) -> None:
    r = t.sqrt_()
    torch.neg(r, out=k).exp_()
    torch.div(k, r, out=w).masked_fill_(r == 0, 0.0)


def _matern32(t: Tensor, k: Tensor, w: Tensor) -> None:
    torch.sqrt(t, out=k)
    torch.neg(k, out=w).exp_()
    k.add_(1.0).mul_(w)


def _matern52(t: Tensor, k: Tensor, w: Tensor) -> None:
    torch.sqrt(t, out=k)
    torch.neg(k, out=w).exp_()
    t.mul_(w)
    w.mul_(k.add_(1.0))
    torch.add(w, t, alpha=1.0 / 3.0, out=k)


def _matern32_value(t: Tensor, e: Tensor) -> Tensor:
    torch.neg(t.sqrt_(), out=e).exp_()
    return t.add_(1.0).mul_(e)


def _matern52_value(t: Tensor, e: Tensor) -> Tensor:
    torch.sqrt(t, out=e)
    torch.add(e, t, alpha=1.0 / 3.0, out=t).add_(1.0)
    return t.mul_(e.neg_().exp_())


RBF = Family(_rbf, lambda t, _: t.neg_().exp_(), 0.5, 2.0)
MATERN12 = Family(_matern12, lambda t, _: t.sqrt_().neg_().exp_())
MATERN32 = Family(_matern32, _matern32_value, 3.0)
MATERN52 = Family(_matern52, _matern52_value, 5.0, 1.0 / 3.0)
_MATERN = {0.5: MATERN12, 1.5: MATERN32, 2.5: MATERN52}


def block_rows(matrix: Tensor) -> int:
    """Count the rows of a matrix (m, n) that are worked on at a time."""
    return max(1, BLOCK[matrix.device.type] // max(matrix.shape[1], 1))


def blocks(matrix: Tensor) -> list[slice]:
    """Rows of a matrix (m, n), as many at a time as stay in the cache."""
    (m, _), rows = matrix.shape, block_rows(matrix)
    return [slice(start, min(start + rows, m)) for start in range(0, m, rows)]


def _exact(u: Tensor, v: Tensor) -> Tensor:
    """Squared distances (m, n) of u (m, d) and v (n, d), without the cancellation of a product."""
    return torch.cdist(u, v, compute_mode="donot_use_mm_for_euclid_dist").square_()


def extended(u: Tensor) -> Tensor:
    """``(u, |u|^2, 1)`` (..., d + 2) of u (..., d): times ``(-2 v, 1, |v|^2)`` it is |u - v|^2."""
    size = (u * u).sum(dim=-1, keepdim=True)
    return torch.cat([u, size, torch.ones_like(size)], dim=-1)


@dataclass(frozen=True)
class Term:
    """One family over some columns (None: all), times the output scales around it."""

    module: Kernel
    family: Family
    scales: tuple[Kernel, ...]
    columns: Any

    @property
    def units(self) -> Tensor:
        """Length-scales (1, d), shortened by the root of the family's stretch."""
        return self.module.lengthscale / self.family.stretch**0.5

    def lengths(self, X: Tensor) -> Tensor:
        """Return X (m, d) in units of the length-scales."""
        return self.chosen(X) / self.units

    def chosen(self, X: Tensor) -> Tensor:
        """Return the columns of X (m, d) that the family sees."""
        return X if self.columns is None else X[:, self.columns]

    def amplitude(self) -> float:
        """Return what multiplies the family."""
        return float(np.prod([float(scale.outputscale) for scale in self.scales]))

    def evaluate(self, u: Tensor, v: Tensor, same: bool = False) -> tuple[Tensor, Tensor]:
        """Return amplitude times f and its ``-2 d/dt`` (m, n) of lengths (m, d) and (n, d)."""
        middle, amplitude = v.mean(dim=0), self.amplitude()
        u, v = self.left(u - middle), self.right(v - middle)
        k = torch.empty(len(u), v.shape[1], dtype=u.dtype, device=u.device)
        w, room = torch.empty_like(k), k.new_empty(block_rows(k) * k.shape[1])
        for rows in blocks(k):
            t = self.squares(u[rows], v, room)
            if same:
                t.diagonal(rows.start).zero_()
            self.family.both(t, k[rows], w[rows])
            k[rows].mul_(amplitude)
            w[rows].mul_(amplitude * self.family.rate)
        return k, w

    def add_to(self, total: Tensor, u: Tensor, v: Tensor, same: bool = False) -> None:
        """Add amplitude times f of lengths (m, d) and (n, d) to what there is (m, n)."""
        middle, amplitude = v.mean(dim=0), self.amplitude()
        u, v = self.left(u - middle), self.right(v - middle)
        s, e = total.new_empty(2, min(block_rows(total), len(total)), total.shape[1])
        for rows in blocks(total):
            t = self.squares(u[rows], v, s.view(-1))
            if same:
                t.diagonal(rows.start).zero_()
            total[rows].add_(self.family.value(t, e[: len(t)]), alpha=amplitude)

    def left(self, u: Tensor) -> Tensor:
        """Return what of lengths u (m, d) is multiplied with `right`."""
        return u if self.family == MATERN12 else extended(u)

    def right(self, v: Tensor) -> Tensor:
        """Return what of lengths v (n, d) is multiplied with `left`."""
        if self.family == MATERN12:
            return v.T
        size = (v * v).sum(dim=1)[None]
        return torch.cat([-2.0 * v.T, torch.ones_like(size), size]).contiguous()

    def squares(self, left: Tensor, right: Tensor, room: Tensor) -> Tensor:
        """Return squared distances (m, n) by one matrix product, in room of m n at least."""
        if self.family == MATERN12:  # its root is not smooth at 0: no cancellation allowed
            return _exact(left, right.T)
        if max(float(left[:, -2].max()), float(right[-1].max())) > FAR:
            return _exact(left[:, :-2], right[:-2].T / -2.0)
        m, n = len(left), right.shape[1]
        return torch.mm(left, right, out=room[: m * n].view(m, n)).clamp_(min=0.0)


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
            total = X.new_zeros(len(X), len(X if other is None else other))
            for term in self.terms:
                u = term.lengths(X)
                v = u if other is None else term.lengths(other)
                term.add_to(total, u, v, same=other is None)
            return total

    def variance(self) -> float:
        """Return the kernel of a point with itself."""
        with torch.no_grad():
            return float(sum(term.amplitude() for term in self.terms))

    def evaluate(self, X: Tensor) -> tuple[Tensor, "Slopes"]:
        """Return the kernel (n, n) of X (n, d), and what its gradient needs."""
        with torch.no_grad():
            lengths = [term.lengths(X) for term in self.terms]
            parts = [t.evaluate(u, u, same=True) for t, u in zip(self.terms, lengths, strict=True)]
            total = parts[0][0].clone()
            for k, _ in parts[1:]:
                total += k
            kept = [(u - u.mean(dim=0), *part) for u, part in zip(lengths, parts, strict=True)]
            return total, Slopes(self, kept)

    def gathered(
        self, by_length: Sequence[Tensor], by_amplitude: Sequence[float]
    ) -> list[FloatArray]:
        """Gather the terms' slopes by log length-scales and log amplitude for the coordinates."""
        found: dict[tuple[int, str], Any] = {}
        for term, lengths, amplitude in zip(self.terms, by_length, by_amplitude, strict=True):
            for scale in term.scales:
                place = (id(scale), "raw_outputscale")
                found[place] = found.get(place, 0.0) + amplitude
            one = term.module.lengthscale.numel() == 1
            found[id(term.module), "raw_lengthscale"] = lengths.sum() if one else lengths
        return [_flat(found.get((id(c.module), c.name)), c) for c in self.coordinates]

    def input_gradient(self, X: Tensor, other: Tensor, upstream: Tensor) -> FloatArray:
        """Carry a gradient by the kernel (m, n) between X (m, d) and other (n, d) back to X."""
        total = torch.zeros_like(X)
        with torch.no_grad():
            for term in self.terms:
                u, v = term.lengths(X), term.lengths(other)
                M = term.evaluate(u, v)[1].mul_(upstream)
                slope = (M @ v - M.sum(dim=1)[:, None] * u) / term.units
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
        by_length, by_amplitude = [], []
        with torch.no_grad():
            for u, k, w in self.terms:
                by_amplitude.append(float(torch.dot(k.view(-1), upstream.view(-1))))
                M = w.mul_(upstream)
                by_length.append(2.0 * ((M.sum(dim=1)[:, None] * u - M @ u) * u).sum(dim=0))
        return self.kernel.gathered(by_length, by_amplitude)


def kernel_matrix(kernel: Kernel, X: Tensor) -> Tensor:
    """Kernel (n, n) of X (n, d): in closed form where there is one, without a gradient."""
    closed = Stationary.of(kernel)
    with torch.no_grad():
        return dense(kernel, X, X) if closed is None else closed.matrix(X)


def input_gradient(kernel: Kernel, x: Tensor, runs: Tensor, upstream: Tensor) -> FloatArray:
    """Carry a gradient by the kernel (m, n) between x (m, d) and runs (n, d) back to x."""
    closed = Stationary.of(kernel)
    if closed is not None:
        return closed.input_gradient(x, runs, upstream)
    x = x.detach().clone().requires_grad_()
    with torch.enable_grad():
        (found,) = torch.autograd.grad(dense(kernel, x, runs), x, upstream)
    return array(found)


def own_gradient(kernel: Kernel, x: Tensor, upstream: Tensor) -> FloatArray:
    """Carry a gradient (m,) by the kernel of points with themselves back to x (m, d)."""
    x = x.detach().clone().requires_grad_()
    with torch.enable_grad():
        (found,) = torch.autograd.grad(kernel(x, diag=True), x, upstream)
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
        return [Term(kernel, RBF, scales, columns)]
    if type(kernel) is gk.MaternKernel:
        return [Term(kernel, _MATERN[kernel.nu], scales, columns)]
    return []
