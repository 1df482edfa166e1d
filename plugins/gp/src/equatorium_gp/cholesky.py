"""The restricted likelihood by one Cholesky factor, where all outputs share kernel and nugget.

With K = L L', ``B = L^-1 H = Q T`` and the residuals ``Z = (1 - Q Q') L^-1 Y`` an output's scale
is ``s_j^2 = |z_j|^2 / N``, N = n - q, and

    log L = -1/2 sum_j [N log(2 pi e s_j^2) + log|K| + log|B' B|],
    dL/dK =  1/2 [sum_j alpha_j alpha_j' / s_j^2 - p (K^-1 - C C')],   alpha = L^-T Z,  C = L^-T Q.

A tenth of the cost of the decomposition (:mod:`~equatorium_gp.spectral`) that outputs with nuggets
of their own need.
"""

import numpy as np
import torch
from scipy.linalg import lapack

from equatorium_gp.likelihood import TINY
from equatorium_gp.spectral import Tensor


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
    for jitter in (0.0, *(10.0**power for power in range(-14, -7))):
        total = K.clone()
        total.diagonal().add_(jitter * size)
        found = _factor(total)
        if found is not None:
            return found
    raise np.linalg.LinAlgError("The kernel matrix is not positive definite.")


def _factor(K: Tensor) -> Tensor | None:
    if K.device.type != "cpu":
        lower, info = torch.linalg.cholesky_ex(K)
        return None if int(info) else lower
    # LAPACK's matrices are transposed: the upper factor of one is the lower of the other.
    upper, info = lapack.dpotrf(K.numpy().T, lower=0, clean=1, overwrite_a=1)
    return None if info else torch.from_numpy(upper.T)


def inverse(L: Tensor) -> Tensor:
    """Inverse of L L', as a full symmetric matrix."""
    if L.device.type != "cpu":
        return torch.cholesky_inverse(L)
    upper, _ = lapack.dpotri(L.numpy().T, lower=0)
    lower = torch.from_numpy(upper.T)
    found = torch.tril(lower)
    return found + torch.tril(lower, -1).T


def restricted(K: Tensor, Y: Tensor, H: Tensor) -> tuple[float, Tensor]:
    """Log likelihood of all outputs, their scales profiled out, and its gradient (n, n) by K.

    Parameters
    ----------
    K : (n, n) tensor
        Kernel and nugget, in units of the scales.
    Y : (n, p) tensor
    H : (n, q) tensor
        Orthonormal columns that span the trend, so that ``log|H' H|`` is 0.

    Raises
    ------
    numpy.linalg.LinAlgError
        If K is not positive definite.
    """
    p, N = Y.shape[1], len(H) - H.shape[1]
    L = factor(K)
    whitened = torch.linalg.solve_triangular(L, torch.cat([H, Y], dim=1), upper=False)
    Q, T = torch.linalg.qr(whitened[:, : H.shape[1]])
    Z = whitened[:, H.shape[1] :]
    Z = Z - Q @ (Q.T @ Z)
    scale = torch.clamp((Z * Z).sum(dim=0) / N, min=TINY)
    logdet = torch.log(L.diagonal()).sum() + torch.log(T.diagonal().abs()).sum()
    value = -0.5 * N * torch.log(2 * np.pi * np.e * scale).sum() - p * logdet
    back = torch.linalg.solve_triangular(
        L.T, torch.cat([Z / scale.sqrt(), p**0.5 * Q], dim=1), upper=True
    )
    return float(value), (0.5 * back) @ back.T - 0.5 * p * inverse(L)
