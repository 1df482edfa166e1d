r"""Stationary kernels between new points and the runs, for parameters that stay.

Only the kernel's values are wanted, many times: what depends on the runs alone is worked out once,
and a block of squared distances that fits into the cache is one matrix product,

.. math:: |u - v|^2 = (u, |u|^2, 1) \cdot (-2 v, 1, |v|^2).
"""

from dataclasses import dataclass

import torch

from equatorium_gp.spectral import Tensor
from equatorium_gp.stationary import BLOCK, MATERN12, Stationary, Term


def left(X: Tensor, lengths: Tensor, middle: Tensor) -> Tensor:
    """Return ``(u, |u|^2, 1)`` (..., m, d + 2) of points X (m, d), in lengths about a middle."""
    u = X / lengths - middle
    size = (u * u).sum(dim=-1, keepdim=True)
    return torch.cat([u, size, torch.ones_like(size)], dim=-1)


@dataclass(frozen=True)
class Runs:
    """One term, its parameters and the runs that it is to be evaluated with.

    Attributes
    ----------
    term : Term
    lengths, middle : (1, d) and (d,) tensors
        Length-scales, shortened by the root of the family's stretch, and the runs' mean in them.
    right : (d + 2, n) tensor
        ``(-2 v, 1, |v|^2)`` of the runs; of the family Matern 1/2 the runs v (n, d) themselves.
    amplitude : float
    """

    term: Term
    lengths: Tensor
    middle: Tensor
    right: Tensor
    amplitude: float

    @classmethod
    def of(cls, term: Term, X: Tensor) -> "Runs":
        """Prepare for the parameters as they are."""
        lengths = term.module.lengthscale / term.family.stretch**0.5
        v = term.chosen(X) / lengths
        middle = v.mean(dim=0)
        v = v - middle
        if term.family == MATERN12:
            right = v
        else:
            size = (v * v).sum(dim=1)[None]
            right = torch.cat([-2.0 * v.T, torch.ones_like(size), size]).contiguous()
        return cls(term, lengths, middle, right, float(term.amplitude()))

    def left(self, X: Tensor) -> Tensor:
        """Return what of X (m, d) is multiplied with `right`."""
        found = left(self.term.chosen(X), self.lengths, self.middle)
        return found[:, :-2] if self.term.family == MATERN12 else found

    def values(self, points: Tensor, s: Tensor, e: Tensor) -> Tensor:
        """Return the family (m, n) at points of `left`; s and e (m, n) are written over."""
        if self.term.family == MATERN12:  # its root is not smooth at 0: no cancellation allowed
            r = torch.cdist(points, self.right, compute_mode="donot_use_mm_for_euclid_dist")
            return r.neg_().exp_()
        return self.term.family.value(torch.mm(points, self.right, out=s).clamp_(min=0.0), e)


@dataclass(frozen=True)
class Crossed:
    """A sum of terms between new points and n runs."""

    terms: list[Runs]
    n: int

    @classmethod
    def of(cls, closed: Stationary, X: Tensor) -> "Crossed":
        """Prepare a kernel and runs X (n, d)."""
        with torch.no_grad():
            return cls([Runs.of(term, X) for term in closed.terms], len(X))

    def matrix(self, X: Tensor) -> Tensor:
        """Return the kernel (m, n) between X (m, d) and the runs."""
        total = torch.empty(len(X), self.n, dtype=X.dtype, device=X.device)
        points = [term.left(X) for term in self.terms]
        rows = max(1, BLOCK[X.device.type] // self.n)
        s = torch.empty(min(rows, len(X)), self.n, dtype=X.dtype, device=X.device)
        e = torch.empty_like(s)
        for start in range(0, len(X), rows):
            part = slice(start, start + rows)
            out = total[part]
            for place, (term, own) in enumerate(zip(self.terms, points, strict=True)):
                k = term.values(own[part], s[: len(out)], e[: len(out)])
                if place:
                    out.add_(k, alpha=term.amplitude)
                else:
                    torch.mul(k, term.amplitude, out=out)
        return total
