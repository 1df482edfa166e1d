"""How much of an output its nugget takes: what a kernel that is lost does not find is a nugget."""

from typing import Any

import numpy as np

from equatorium.checks import FloatArray
from equatorium_gp.cholesky import Factor
from equatorium_gp.kernels import Kernel
from equatorium_gp.spectral import array
from equatorium_gp.stationary import kernel_matrix

DOUBTFUL = 0.1  # share from which an output may have been lost to another's kernel


def nugget_share(kernel: Kernel, problem: Any, ratios: FloatArray) -> float:
    """Nugget over what the trend leaves of one output, for ratios as `equatorium_gp.fit` has them.

    Over the signal it says little: signals of long lengths are large.
    """
    if problem.noise is None:
        R = kernel_matrix(kernel, problem.X)
        R /= R.diagonal().mean()
        factor = Factor.of(problem.contrasts(), R, float(ratios[0]))
        scale = float((factor.contrasts(problem.Y) ** 2).sum()) / factor.free
    else:
        scale = float(np.sum(problem.noise)) / float(ratios[1])
    Y = array(problem.Y)
    left = Y - problem.H @ np.linalg.lstsq(problem.H, Y)[0]
    return float(ratios[0]) * scale / max(float(np.mean(left**2)), 1e-300)
