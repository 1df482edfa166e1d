"""L-BFGS on the variational bound: the kernel's parameters, scales and nuggets of all outputs."""

import numpy as np
import scipy.optimize
import torch

from equatorium.checks import FloatArray
from equatorium_gp.bound import Rows, bound, cholesky_of, features
from equatorium_gp.inducing import matrix, own
from equatorium_gp.kernels import Kernel, coordinates
from equatorium_gp.spectral import Tensor, array, tensor

LEAST_NUGGET = 1e-7  # over scale: what factors of 1e5 runs bear in float64
SCALES = (np.log(1e-9), np.log(1e9))  # of scores of unit variance
NUGGETS = (np.log(1e-16), np.log(1e2))


def refined(
    kernel: Kernel,
    Z: Tensor,
    rows: Rows,
    scale: FloatArray,
    nugget: FloatArray,
    evaluations: int,
) -> tuple[FloatArray, FloatArray]:
    """Move a kernel towards the highest bound; return scales and nuggets (k,).

    Parameters
    ----------
    kernel : gpytorch.kernels.Kernel
        Moved in place; log-normal priors keep its parameters where the box makes sense.
    Z : (m, d) tensor
        Inducing inputs, which stay.
    rows : Rows
    scale, nugget : (k,) arrays
        Where they start.
    evaluations : int
        At most so many of the bound.
    """
    # What inducing points leave is noise to the bound: from less, it would start far downhill.
    nugget = np.maximum(nugget, (LEAST_NUGGET + _left(kernel, Z, rows)) * scale)
    if not evaluations:
        return scale, nugget
    places, k = coordinates(kernel), len(scale)
    sizes = [c.raw.numel() for c in places]
    prior = np.repeat([c.prior() for c in places], sizes, axis=0).reshape(-1, 2)
    bounds = np.repeat([c.bounds() for c in places], sizes, axis=0).reshape(-1, 2)
    bounds = np.concatenate([bounds, np.tile(SCALES, (k, 1)), np.tile(NUGGETS, (k, 1))])
    size = len(rows) * k
    device = str(Z.device)

    def split(point: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Move the kernel, and give scale and nugget."""
        for coordinate, place in zip(places, np.split(point, np.cumsum(sizes)), strict=False):
            coordinate.set(place)
        scale = np.exp(point[-2 * k : -k])
        return scale, np.maximum(np.exp(point[-k:]), LEAST_NUGGET * scale)

    def objective(point: FloatArray) -> tuple[float, FloatArray]:
        scale, nugget = split(point)
        kernel.zero_grad(set_to_none=True)
        value, by_scale, by_nugget = bound(
            kernel, Z, rows, tensor(scale, device), tensor(nugget, device)
        )
        away = (point[: len(prior)] - prior[:, 0]) / prior[:, 1]
        value -= 0.5 * float((away**2).sum())
        least = nugget > np.exp(point[-k:])
        by_log = array(by_nugget) * nugget
        slope = [*(c.gradient() for c in places), array(by_scale) * scale + least * by_log]
        gradient = np.concatenate([*slope, np.where(least, 0.0, by_log)])
        gradient[: len(prior)] -= away / prior[:, 1]
        return -value / size, -gradient / size

    start = np.concatenate([*(c.get() for c in places), np.log(scale), np.log(nugget)])
    best = scipy.optimize.minimize(
        objective,
        np.clip(start, *bounds.T),
        jac=True,
        method="L-BFGS-B",
        bounds=bounds,
        options={"maxfun": evaluations, "maxiter": evaluations, "ftol": 1e-9, "gtol": 1e-7},
    )
    return split(best.x)


def _left(kernel: Kernel, Z: Tensor, rows: Rows) -> float:
    """Mean variance of the runs' process, for a scale of one, that inducing points leave."""
    some = rows.of(slice(0, 2000))
    with torch.no_grad():
        F = features(matrix(kernel, Z, some.X), cholesky_of(matrix(kernel, Z, Z)), some.H)
        left = own(kernel, some.X) - (F[: len(Z)] ** 2).sum(dim=0)
    return max(float(left.mean()), 0.0)
