"""Inducing points chosen among the runs: each where the others leave the most variance.

The greedy choice is the pivoted Cholesky decomposition of the kernel matrix; with it the bound
comes near the exact likelihood with few points (Burt, Rasmussen & van der Wilk 2020, Journal of
Machine Learning Research 21, 131, arXiv:2008.00323).
"""

from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from equatorium_gp.kernels import Kernel, dense
from equatorium_gp.spectral import Tensor
from equatorium_gp.stationary import Stationary

LEAST = 1e-12  # variance left, relative to the kernel's, below which a point adds only rounding


def matrix(kernel: Kernel, X: Tensor, other: Tensor) -> Tensor:
    """Kernel (m, n) between X (m, d) and other (n, d), without a gradient."""
    closed = Stationary.of(kernel)
    with torch.no_grad():
        return dense(kernel, X, other) if closed is None else closed.matrix(X, other)


def own(kernel: Kernel, X: Tensor) -> Tensor:
    """Kernel (m,) of points X (m, d) with themselves."""
    return kernel(X, diag=True)


def greedy(kernel: Kernel, X: Tensor, number: int) -> npt.NDArray[np.int64]:
    """Choose rows of X (n, d) by the greatest conditional variance.

    Parameters
    ----------
    kernel : gpytorch.kernels.Kernel
    X : (n, d) tensor
    number : int
        At most so many; fewer where the others are known to rounding.

    Returns
    -------
    (m,) array of int
        In the order of choice.
    """
    with torch.no_grad():
        left: Any = own(kernel, X).clone()
        least = LEAST * float(left.mean())
        number = min(number, len(X))
        rows = torch.empty((number, len(X)), dtype=X.dtype, device=X.device)
        chosen: list[int] = []
        for k in range(number):
            best = int(left.argmax())
            if not float(left[best]) > least:
                break
            column = matrix(kernel, X[best : best + 1], X)[0] - rows[:k, best] @ rows[:k]
            rows[k] = column / left[best].sqrt()
            left = (left - rows[k] ** 2).clamp_(min=0.0)
            left[best] = 0.0
            chosen.append(best)
    return np.array(chosen, dtype=np.int64)
