"""The restricted likelihood by one Cholesky factor, where all outputs share kernel and nugget.

With K = L L', ``B = L^-1 H = Q T`` and the residuals ``Z = (1 - Q Q') L^-1 Y`` an output's scale
is ``s_j^2 = |z_j|^2 / N``, N = n - q, and

    log L = -1/2 sum_j [N log(2 pi e s_j^2) + log|K| + log|B' B|],
    dL/dK =  1/2 [sum_j alpha_j alpha_j' / s_j^2 - p (K^-1 - C C')],   alpha = L^-T Z,  C = L^-T Q.

A tenth of the cost of the decomposition (:mod:`~equatorium_gp.spectral`) that outputs with nuggets
of their own need. Where noise of level b is declared, ``s^2 = b / lam`` is not free: the nugget
ratio lam then moves with the kernel's parameters.
"""

from dataclasses import dataclass

import numpy as np
import torch
from scipy.linalg import lapack

from equatorium.checks import FloatArray
from equatorium_gp.likelihood import TINY
from equatorium_gp.spectral import Contrasts, Tensor, array

JITTERS = (0.0, *(10.0**power for power in range(-14, -7)))  # in units of the mean diagonal


def factor(K: Tensor) -> Tensor:
    """Lower Cholesky factor; on the CPU by SciPy, whose LAPACK is the faster one there.

    Where rounding has made K indefinite, the least of 1e-14, 1e-13, ... 1e-8 times its mean
    diagonal that mends it is added.

    Raises
    ------
    numpy.linalg.LinAlgError
        If K is not positive definite beyond rounding.
    """
    size = float(K.diagonal().mean())
    for jitter in JITTERS:
        total = K.clone()
        total.diagonal().add_(jitter * size)
        found = factored(total)
        if found is not None:
            return found
    raise np.linalg.LinAlgError("The kernel matrix is not positive definite.")


def root_of(covariance: FloatArray) -> FloatArray:
    """Lower root of a covariance that rounding may have made indefinite."""
    return array(factor(torch.from_numpy(np.ascontiguousarray(covariance))))


def factored(K: Tensor, clean: bool = True) -> Tensor | None:
    """Lower factor of the lower triangle of K, which is used up; None if K is not positive.

    What is above the diagonal is of no meaning unless it is to be `clean`.
    """
    if K.device.type != "cpu":
        lower, info = torch.linalg.cholesky_ex(K)
        return None if int(info) else lower
    # LAPACK's matrices are transposed: the upper factor of one is the lower of the other.
    upper, info = lapack.dpotrf(K.numpy().T, lower=0, clean=clean, overwrite_a=1)
    return None if info else torch.from_numpy(upper.T)


def inverse_triangle(L: Tensor) -> Tensor:
    """Lower triangle of the inverse of L L'; L is used up."""
    if L.device.type != "cpu":
        return torch.cholesky_inverse(L)
    upper, _ = lapack.dpotri(L.numpy().T, lower=0, overwrite_c=1)
    return torch.from_numpy(upper.T)


def inverse(L: Tensor) -> Tensor:
    """Inverse of L L', as a full symmetric matrix."""
    return _mirrored(inverse_triangle(L.clone()))


def _mirrored(lower: Tensor, rows: int = 128) -> Tensor:
    """Copy the lower triangle to the upper one, in place, by blocks that stay in the cache."""
    for start in range(0, len(lower), rows):
        part = slice(start, start + rows)
        lower[:start, part] = lower[part, :start].T
        block = lower[part, part]
        block.copy_(block.tril() + block.tril(-1).T)
    return lower


def inverse_root(L: Tensor) -> Tensor:
    """Inverse of a lower triangular matrix."""
    if L.device.type != "cpu":
        one = torch.eye(len(L), dtype=L.dtype, device=L.device)
        return torch.linalg.solve_triangular(L, one, upper=False)
    upper, _ = lapack.dtrtri(L.numpy().T, lower=0)
    return torch.from_numpy(upper.T)


def restricted(
    K: Tensor, Y: Tensor, H: Tensor, scale: float | None = None
) -> tuple[float, Tensor, float]:
    """Log likelihood of all outputs, and its gradient.

    Parameters
    ----------
    K : (n, n) tensor
        Kernel and nugget, in units of the scales.
    Y : (n, p) tensor
    H : (n, q) tensor
        Orthonormal columns that span the trend, so that ``log|H' H|`` is 0.
    scale : float, optional
        ``s^2`` of every output; by default profiled out.

    Returns
    -------
    value : float
    by_matrix : (n, n) tensor
        Gradient with respect to K.
    by_scale : float
        Derivative with respect to ``log s^2``; zero where it is profiled out.

    Raises
    ------
    numpy.linalg.LinAlgError
        If K is not positive definite.
    """
    L = factor(K)
    value, back, by_scale = reduced(L, Y, H, scale)
    by_matrix = torch.addmm(inverse(L), back, back.T, beta=-0.5 * Y.shape[1], alpha=0.5)
    return value, by_matrix, 0.0 if scale is None else by_scale


def reduced(
    L: Tensor, Y: Tensor, H: Tensor, scale: float | None = None
) -> tuple[float, Tensor, float]:
    """Log likelihood of all outputs by the factor L, and what its gradient needs.

    Returns
    -------
    value : float
    back : (n, p + q) tensor
        B with ``dL/dK = 1/2 (B B' - p K^-1)``.
    by_size : float
        ``trace(K dL/dK)``: the derivative with respect to the log of all of K, or of a `scale`
        that is given. Zero where scales are profiled out (but for outputs without any).
    """
    p, N = Y.shape[1], len(H) - H.shape[1]
    whitened = torch.linalg.solve_triangular(L, torch.cat([H, Y], dim=1), upper=False)
    Q, T = torch.linalg.qr(whitened[:, : H.shape[1]])
    Z = whitened[:, H.shape[1] :]
    Z = Z - Q @ (Q.T @ Z)
    squares = (Z * Z).sum(dim=0)
    own = torch.clamp(squares / N, min=TINY) if scale is None else torch.full_like(squares, scale)
    logdet = torch.log(L.diagonal()).sum() + torch.log(T.diagonal().abs()).sum()
    value = -0.5 * (N * torch.log(2 * np.pi * own) + squares / own).sum() - p * logdet
    back = torch.linalg.solve_triangular(
        L.T, torch.cat([Z / own.sqrt(), p**0.5 * Q], dim=1), upper=True
    )
    return float(value), back, float(0.5 * (squares / own - N).sum())


@dataclass(frozen=True)
class Factor:
    """What `equatorium_gp.spectral.Spectrum` is, for one nugget ratio, by a Cholesky factor.

    Attributes
    ----------
    vectors : (n, n) tensor
        V with ``V V'`` the inverse covariance of an output, trend projected out, scale one.
    logdet : float
        Log-determinant of the contrasts' covariance.
    free : int
        Number of contrasts N.
    """

    vectors: Tensor
    logdet: float
    free: int

    @classmethod
    def of(cls, contrasts: Contrasts, R: Tensor, ratio: float) -> "Factor":
        """Factorise ``R + ratio D``."""
        S = contrasts.root * R
        S *= contrasts.root.T
        S.diagonal().add_(ratio)
        L = factor(S)
        white = inverse_root(L)
        Q, T = torch.linalg.qr(white @ contrasts.basis)
        white -= Q @ (Q.T @ white)
        logdet = 2.0 * (torch.log(L.diagonal()).sum() + torch.log(T.diagonal().abs()).sum())
        return cls(contrasts.root * white.T, float(logdet), contrasts.n - contrasts.q)

    def contrasts(self, Y: Tensor) -> FloatArray:
        """``V' Y`` (n, p)."""
        return array(self.vectors.T @ Y)

    def weights(self, ratio: FloatArray) -> FloatArray:
        """Ones (n, p): the ratio is in V."""
        return np.ones((len(self.vectors), len(ratio)))

    def log_likelihood(self, Z: FloatArray, ratio: FloatArray, scale: FloatArray) -> FloatArray:
        """``log L_j`` (p,) of contrasts Z (n, p)."""
        squares = (Z**2).sum(axis=0) / scale
        return -0.5 * (self.free * np.log(2 * np.pi * scale) + self.logdet + squares)
