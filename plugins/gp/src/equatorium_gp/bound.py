r"""The collapsed variational bound of sparse Gaussian processes, and what it says of new points.

With inducing inputs Z, ``K_ZZ = L L'`` and features ``phi(x) = L^-1 k(Z, x)``, output j with scale
``s_j``, noise variances ``D_j`` and trend ``h(x)' beta`` (flat prior) has the bound (Titsias 2009)

    F_j = log N(y_j | H beta, s_j Phi' Phi + D_j) - s_j / 2 sum_i (k_ii - |phi_i|^2) / D_ji,

beta integrated out: a linear model of the features ``(sqrt(s_j) phi, h)``, with prior precision
one and zero. It needs only sums over runs, of ``phi phi' / D`` and ``phi y / D``, made chunk by
chunk in a fixed memory; the gradient goes through them by a second walk over the chunks. All is
solved with Cholesky factors in float64, no inverse is formed.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from equatorium.errors import InputError
from equatorium_gp.inducing import own
from equatorium_gp.kernels import Kernel, dense
from equatorium_gp.spectral import Tensor

JITTER = 1e-13  # on K_ZZ, relative to its diagonal; more only where the factor does not exist
MEMORY = 2**28  # bytes that a chunk's arrays may take


@dataclass(frozen=True)
class Rows:
    """Runs as the bound sees them: scaled inputs and scores, in tensors of float64.

    Attributes
    ----------
    X : (n, d) tensor
    Y : (n, k) tensor
    H : (n, q) tensor
        The trend's terms.
    noise : (n, k) tensor or None
        Declared variances.
    """

    X: Tensor
    Y: Tensor
    H: Tensor
    noise: Tensor | None

    def __len__(self) -> int:
        return len(self.X)

    def of(self, rows: Any) -> "Rows":
        """Keep some of the runs."""
        noise = None if self.noise is None else self.noise[rows]
        return Rows(self.X[rows], self.Y[rows], self.H[rows], noise)

    def chunks(self, m: int) -> Iterator["Rows"]:
        """Cut into pieces whose kernel with m inducing points fits the memory."""
        step = max(MEMORY // (64 * m), 1)
        for start in range(0, len(self), step):
            yield self.of(slice(start, start + step))

    def weights(self, nugget: Tensor) -> Tensor:
        """Inverse noise (n, k), or ones (n, 1) where no noise is declared: see `precision`."""
        if self.noise is None:
            return torch.ones_like(self.X[:, :1])
        return 1.0 / (nugget + self.noise)

    def precision(self, nugget: Tensor) -> Tensor:
        """Give what all weights of an output (k,) are to be multiplied by."""
        return 1.0 / nugget if self.noise is None else torch.ones_like(nugget)


def cholesky_of(K: Tensor) -> Tensor:
    """Factor of a kernel matrix (m, m), with as little on its diagonal as it needs."""
    unit, eye = K.diagonal().mean(), torch.eye(len(K), dtype=K.dtype, device=K.device)
    for power in range(8):
        L, failed = torch.linalg.cholesky_ex(K + JITTER * 10.0**power * unit * eye)
        if not int(failed):
            return L
    raise InputError(
        "the kernel between inducing points is not positive definite at some of its parameters: "
        "check that its formula is a kernel, or use fewer inducing points (n_inducing)."
    )


def features(cross: Tensor, L: Tensor, H: Tensor) -> Tensor:
    """``(L^-1 k(Z, X), h(X))`` (m + q, n) from the kernel (m, n) and trend terms (n, q)."""
    return torch.cat([torch.linalg.solve_triangular(L, cross, upper=False), H.T])


def sums(F: Tensor, diagonal: Tensor, Y: Tensor, weights: Tensor, m: int) -> tuple[Tensor, ...]:
    """Sum over runs, all that the bound is a function of.

    Parameters
    ----------
    F : (r, n) tensor
        The features, of m inducing points and q trend terms.
    diagonal : (n,) tensor
        The kernel of each run with itself.
    Y, weights : (n, k) and (n, g) tensors
        Scores and inverse noise, the same of all scores (g = 1) or of each (g = k).

    Returns
    -------
    tuple of tensors
        ``F w F'`` (g, r, r), ``F w Y`` (r, k), ``y w y`` (k,), ``sum log w`` (g,) and
        ``sum w (k_ii - |phi_i|^2)`` (g,).
    """
    gram = torch.stack([(F * w) @ F.T for w in weights.T])
    left = (diagonal - (F[:m] ** 2).sum(dim=0))[:, None]
    return (
        gram,
        F @ (weights * Y),
        (weights * Y**2).sum(dim=0),
        weights.log().sum(dim=0),
        (weights * left).sum(dim=0),
    )


def total(kernel: Kernel, Z: Tensor, L: Tensor, rows: Rows, nugget: Tensor) -> list[Tensor]:
    """Take `sums` over all runs, chunk by chunk, without a gradient."""
    found: list[Tensor] = []
    with torch.no_grad():
        for chunk in rows.chunks(len(Z)):
            parts = _of_chunk(kernel, Z, L, chunk, nugget)
            found = [a + b for a, b in zip(found, parts, strict=True)] if found else list(parts)
    return found


def _of_chunk(
    kernel: Kernel, Z: Tensor, L: Tensor, chunk: Rows, nugget: Tensor
) -> tuple[Tensor, ...]:
    F = features(dense(kernel, Z, chunk.X), L, chunk.H)
    return sums(F, own(kernel, chunk.X), chunk.Y, chunk.weights(nugget), len(Z))


@dataclass(frozen=True)
class Solved:
    """The linear model of one output: the factor of its precision matrix, and its coefficients.

    Attributes
    ----------
    root : (r,) tensor
        By which features are multiplied: ``sqrt(s)`` for phi, one for the trend.
    factor : (r, r) tensor
    coefficients : (r,) tensor
        In the factor's coordinates: ``factor^-1 root F w y``.
    """

    root: Tensor
    factor: Tensor
    coefficients: Tensor

    @classmethod
    def of(
        cls, gram: Tensor, projected: Tensor, scale: Tensor, precision: Tensor, m: int
    ) -> "Solved":
        """Solve for one output's sums ``F w F'`` (r, r) and ``F w y`` (r,)."""
        ones = torch.ones_like(projected)
        trend = torch.arange(len(ones), device=ones.device) >= m
        root = torch.where(trend, ones, scale.sqrt() * ones)
        A = precision * root[:, None] * gram * root + torch.diag((~trend).to(gram.dtype))
        factor = torch.linalg.cholesky(A)
        right = (precision * root * projected)[:, None]
        return cls(root, factor, torch.linalg.solve_triangular(factor, right, upper=False)[:, 0])

    def ask(self, F: Tensor) -> tuple[Tensor, Tensor]:
        """Mean (n,) and variance (n,) of the linear model at features F (r, n)."""
        u = torch.linalg.solve_triangular(self.factor, self.root[:, None] * F, upper=False)
        return self.coefficients @ u, (u**2).sum(dim=0)


def value(
    parts: list[Tensor], j: int, scale: Tensor, precision: Tensor, shape: tuple[int, int]
) -> Tensor:
    """Bound of output j from its `sums`, for n runs and m inducing points.

    The trend's terms are taken to be orthonormal over the runs, or the value is off by a constant.
    """
    gram, projected, squares, logs, rest = parts
    (n, m), g = shape, j if len(gram) > 1 else 0
    solved = Solved.of(gram[g], projected[:, j], scale, precision, m)
    q = len(projected) - m
    return -0.5 * (
        (n - q) * np.log(2 * np.pi)
        - logs[g]
        - n * precision.log()
        + 2.0 * solved.factor.diagonal().log().sum()
        + precision * squares[j]
        - (solved.coefficients**2).sum()
        + scale * precision * rest[g]
    )


def bound(
    kernel: Kernel, Z: Tensor, rows: Rows, scale: Tensor, nugget: Tensor
) -> tuple[float, Tensor, Tensor]:
    """Bound of all outputs; gradients by `scale` and `nugget`, and left in the kernel's parameters.

    Parameters
    ----------
    kernel : gpytorch.kernels.Kernel
    Z : (m, d) tensor
    rows : Rows
    scale, nugget : (k,) tensors
    """
    scale, nugget = (t.detach().clone().requires_grad_() for t in (scale, nugget))
    with torch.enable_grad():
        outer = cholesky_of(dense(kernel, Z, Z))
        L = outer.detach().clone().requires_grad_()
        parts = [t.requires_grad_() for t in total(kernel, Z, L, rows, nugget)]
        found = 0.0
        for j in range(len(scale)):
            part = value(parts, j, scale[j], rows.precision(nugget)[j], (len(rows), len(Z)))
            part.backward()
            found += float(part.detach())
        upstream = [torch.zeros_like(t) if t.grad is None else t.grad for t in parts]
        for chunk in rows.chunks(len(Z)):
            again = _of_chunk(kernel, Z, L, chunk, nugget)
            moves = [(t, g) for t, g in zip(again, upstream, strict=True) if t.requires_grad]
            torch.autograd.backward([t for t, _ in moves], [g for _, g in moves])
        outer.backward(L.grad)
    return found, scale.grad, nugget.grad
