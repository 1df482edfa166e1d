"""One eigendecomposition serves every output: the Gaussian process seen in trend-free coordinates.

With covariance ``s_j^2 (R + lam_j D)`` for output j, ``D = diag(a)``, and a polynomial trend
``H beta`` under a flat prior, all that the data say about R, s_j and lam_j is in the contrasts
``Q' D^-1/2 y``, where Q is an orthonormal basis of what the whitened trend ``D^-1/2 H`` leaves
(restricted maximum likelihood; Patterson & Thompson 1971, doi:10.1093/biomet/58.3.545). With the
one decomposition

    Q' D^-1/2 R D^-1/2 Q = U diag(Lambda) U',        V = D^-1/2 Q U,

the contrasts of output j are independent with variances ``s_j^2 (Lambda + lam_j)``, for every j.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.linalg
import torch

from equatorium.checks import FloatArray

Tensor = Any  # torch.Tensor; torch ships no types that the type checker follows


def tensor(array: Any, device: str) -> Tensor:
    """Copy an array to float64 on ``device``."""
    return torch.as_tensor(np.ascontiguousarray(array), dtype=torch.float64).to(device)


def native(values: Tensor) -> Any:
    """Show a tensor of the CPU as a numpy array, whose BLAS is the faster one there."""
    return values.detach().numpy() if values.device.type == "cpu" else values.detach()


def array(values: Any) -> FloatArray:
    """Bring a tensor back as a numpy array."""
    if isinstance(values, torch.Tensor):
        values = values.detach().cpu().numpy()
    return np.asarray(values, dtype=np.float64)


def symmetric_eigen(matrix: Tensor) -> tuple[Tensor, Tensor]:
    """Eigenvalues (ascending) and eigenvectors of a symmetric matrix.

    On the CPU through SciPy, whose LAPACK is half again as fast as torch's.
    """
    if matrix.device.type != "cpu":
        values, vectors = torch.linalg.eigh(matrix)
        return values, vectors
    w, u = scipy.linalg.eigh(matrix.numpy().T, driver="evd", overwrite_a=True, check_finite=False)
    return torch.from_numpy(w), torch.from_numpy(u)


@dataclass(frozen=True)
class Spectrum:
    """The eigenvalues of the contrasts' correlation and their directions.

    Attributes
    ----------
    values : (N,) array
        ``Lambda``, ascending, never negative.
    vectors : (n, N) tensor
        ``V = D^-1/2 Q U``: ``V' y`` are the independent contrasts of an output.
    """

    values: FloatArray
    vectors: Tensor

    def contrasts(self, Y: Tensor) -> FloatArray:
        """``V' Y`` (N, p)."""
        return array(self.vectors.T @ Y)

    def weights(self, ratio: FloatArray) -> FloatArray:
        """``(Lambda + lam_j)^-1`` (N, p) for the ratios (p,)."""
        return np.asarray(1.0 / np.maximum(self.values[:, None] + ratio, 1e-300))

    def log_likelihood(self, Z: FloatArray, ratio: FloatArray, scale: FloatArray) -> FloatArray:
        """``log L_j`` (p,) of contrasts Z (N, p)."""
        return log_likelihood(self.values, Z, np.maximum(ratio, 1e-300), scale)


def log_likelihood(
    values: FloatArray, Z: FloatArray, ratio: FloatArray, scale: FloatArray
) -> FloatArray:
    """``log L_j`` (p,) of the contrasts Z (N, p) whose correlation has the eigenvalues (N,)."""
    variance = scale * (values[:, None] + ratio)
    return np.asarray(-0.5 * (np.log(2 * np.pi * variance) + Z**2 / variance).sum(axis=0))


@dataclass(frozen=True)
class Contrasts:
    """What of the data is free of the trend: fixed by the runs and noise, before any kernel.

    Attributes
    ----------
    root : (n, 1) tensor
        ``a^-1/2``, the whitening of the runs' relative noise variances a.
    basis : (n, q) tensor
        Orthonormal columns spanning ``D^-1/2 H``.
    transform : (t, q) array
        ``h(x)' transform`` are the basis functions whose whitened values at the runs are ``basis``.
    jacobian : float
        What whitening takes from the log likelihood.
    """

    root: Tensor
    basis: Tensor
    transform: FloatArray
    jacobian: float

    @classmethod
    def of(cls, H: FloatArray, a: FloatArray, device: str = "cpu") -> "Contrasts":
        """Whiten and orthonormalise the trend's values H (n, t) at the runs.

        Terms that the others already express at the runs (those of a constant input, say) are
        dropped, found by a QR decomposition with column pivoting.
        """
        root = 1.0 / np.sqrt(a)[:, None]
        Q, R, pivot = scipy.linalg.qr(root * H, mode="economic", pivoting=True)
        size = np.abs(np.diagonal(R))
        rank = int((size > 1e-10 * size.max(initial=0.0)).sum())
        transform = np.zeros((H.shape[1], rank))
        transform[pivot[:rank]] = scipy.linalg.solve_triangular(R[:rank, :rank], np.eye(rank))
        plain = scipy.linalg.qr(H, mode="economic", pivoting=True)[0][:, :rank]
        jacobian = (
            -0.5 * np.log(a).sum() - np.log(np.linalg.svd(root * plain, compute_uv=False)).sum()
        )
        return cls(tensor(root, device), tensor(Q[:, :rank], device), transform, float(jacobian))

    @property
    def n(self) -> int:
        """Number of runs."""
        return int(self.basis.shape[0])

    @property
    def q(self) -> int:
        """Number of independent trend terms."""
        return int(self.basis.shape[1])

    @property
    def gls(self) -> Tensor:
        """The (n, q) matrix C with ``C' H = 1`` and ``C' D V = 0``: trend coefficients of data."""
        return self.root * self.basis

    def decompose(self, R: Tensor) -> Spectrum:
        """Decompose the contrasts' correlation for the kernel matrix R (n, n) of the runs.

        The trend's directions are not projected out (that would need Q) but moved to eigenvalues
        above all others, where they are cut off; the same lines then serve the CPU and CUDA.
        """
        B = self.basis
        S = self.root * R  # the one matrix of its size: all that follows is added in place
        S *= self.root.T
        SB = S @ B
        inner = B.T @ SB
        S.addmm_(SB, B.T, alpha=-1.0).addmm_(B, SB.T, alpha=-1.0).addmm_(B @ inner, B.T)
        above = 1.0 + 2.0 * float(torch.linalg.vector_norm(S))
        values, vectors = symmetric_eigen(S.addmm_(B, B.T, alpha=above))
        N = self.n - self.q
        return Spectrum(np.maximum(array(values[:N]), 0.0), vectors[:, :N].mul_(self.root))
