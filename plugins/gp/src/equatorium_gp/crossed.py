r"""Stationary kernels between new points and the runs, for parameters that stay.

Only the kernel's values are wanted, many times: what depends on the runs alone is worked out once,
and a block of squared distances that fits into the cache is one matrix product,

.. math:: |u - v|^2 = (u, |u|^2, 1) \cdot (-2 v, 1, |v|^2).
"""

from dataclasses import dataclass

import torch

from equatorium_gp.spectral import Tensor
from equatorium_gp.stationary import Stationary, Term, block_rows, blocks


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
        v = term.lengths(X)
        middle = v.mean(dim=0)
        return cls(term, term.units, middle, term.right(v - middle), term.amplitude())

    def left(self, X: Tensor) -> Tensor:
        """Return what of X (m, d) is multiplied with `right`."""
        return self.term.left(self.term.chosen(X) / self.lengths - self.middle)

    def values(self, points: Tensor, s: Tensor, e: Tensor) -> Tensor:
        """Return the family (m, n) at points of `left`; s and e (m, n) are written over."""
        return self.term.family.value(self.term.squares(points, self.right, s.view(-1)), e)


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
        s, e = total.new_empty(2, min(block_rows(total), len(X)), self.n)
        for part in blocks(total):
            out = total[part]
            for place, (term, own) in enumerate(zip(self.terms, points, strict=True)):
                k = term.values(own[part], s[: len(out)], e[: len(out)])
                if place:
                    out.add_(k, alpha=term.amplitude)
                else:
                    torch.mul(k, term.amplitude, out=out)
        return total
