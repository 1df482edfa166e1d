r"""A normalising flow whose numbers are the last ones of a network.

Every layer is a triangular map and a monotone spline for each output,

.. math:: z = S(A (y - \mu)), \qquad
          \ln p(y) = \ln N(z \,|\, 0, I) + \sum \ln S' + \ln \det A,

with :math:`\mu`, the lower triangular A (upper, in every second layer) and the splines S
(Durkan et al. 2019, doi:10.48550/arXiv.1906.04032) functions of x. The splines are zuko's.
"""

from typing import Any

import numpy as np
import torch

from equatorium.errors import PluginLoadError

Tensor = torch.Tensor
_BINS = 8
_LOG_SCALE = 7.0


def numbers(p: int, parts: int) -> int:
    """Return how many numbers a flow of so many layers needs."""
    splines()
    return parts * (2 * p + p * (p - 1) // 2 + p * (3 * _BINS - 1))


def loss(out: Tensor, y: Tensor, noise: Tensor | None, parts: int) -> Tensor:
    """Return minus the log density of every example, shape (...).

    Parameters
    ----------
    out : Tensor, shape (..., q)
    y : Tensor, shape (..., p)
    noise : None
    parts : int
        Layers.
    """
    z, log_slope = y, torch.zeros_like(y[..., 0])
    for shift, A, spline in _layers(out, y.shape[-1], parts):
        z = (A @ (z - shift)[..., None])[..., 0]
        z, slope = spline.call_and_ladj(z)
        diagonal = A.diagonal(dim1=-2, dim2=-1)
        log_slope = log_slope + slope.sum(-1) + diagonal.log().sum(-1)
    return 0.5 * (z**2 + np.log(2.0 * np.pi)).sum(-1) - log_slope


def backward(out: Tensor, z: Tensor, parts: int) -> Tensor:
    """Return the y (..., p) of standard normal z (..., p)."""
    for i, (shift, A, spline) in reversed(list(enumerate(_layers(out, z.shape[-1], parts)))):
        z = spline.inv(z)
        solved = torch.linalg.solve_triangular(
            A.expand(*z.shape, z.shape[-1]), z[..., None], upper=bool(i % 2)
        )
        z = solved[..., 0] + shift
    return z


def _layers(out: Tensor, p: int, parts: int) -> list[tuple[Tensor, Tensor, Any]]:
    """Return shift (..., p), triangular matrix (..., p, p) and spline of each layer."""
    made = []
    for i, own in enumerate(out.chunk(parts, dim=-1)):
        shift, scale, mixing, knots = own.split(
            [p, p, p * (p - 1) // 2, p * (3 * _BINS - 1)], dim=-1
        )
        A = torch.diag_embed(scale.clamp(-_LOG_SCALE, _LOG_SCALE).exp())
        aside = torch.zeros_like(A)
        rows, columns = torch.tril_indices(p, p, -1)
        aside[..., rows, columns] = mixing
        A = A + (aside.mT if i % 2 else aside)
        widths, heights, slopes = knots.unflatten(-1, (p, -1)).split([_BINS, _BINS, _BINS - 1], -1)
        made.append((shift, A, splines()(widths, heights, slopes)))
    return made


def splines() -> Any:
    """Return zuko's class of splines.

    Raises
    ------
    PluginLoadError
        If zuko is not installed.
    """
    try:
        from zuko.transforms import MonotonicRQSTransform
    except ImportError as error:
        raise PluginLoadError(
            "the head 'flow' needs zuko: pip install 'equatorium-nets[flow]'"
        ) from error
    return MonotonicRQSTransform
