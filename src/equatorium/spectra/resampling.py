r"""Resampling that conserves flux, as the matrix that it is.

A pixel's flux density is the average over its width, so that of a new pixel is the average of the
old ones, weighted by how much of the new one each covers, :math:`f'_j = \sum_i A_{ji} f_i`. The
libraries that do this (spectres, specutils; the tests compare) give the numbers but not the matrix,
which is what carries covariances.
"""

from collections.abc import Sequence
from numbers import Real

import numpy as np
from scipy.interpolate import make_interp_spline
from scipy.sparse import csr_array

from equatorium.checks import FloatArray
from equatorium.errors import InputError
from equatorium.spectra.wavelength import pixel_bounds, pixel_edges


def overlaps(old: FloatArray, new: FloatArray) -> csr_array:
    """Shares A (q, p) of new pixels (q,) that old ones (p,) cover; rows sum to one inside.

    >>> overlaps(np.array([1.0, 2.0, 3.0, 4.0]), np.array([1.5, 3.5])).toarray().tolist()
    [[0.5, 0.5, 0.0, 0.0], [0.0, 0.0, 0.5, 0.5]]
    """
    a, b = pixel_edges(old), pixel_edges(new)
    first = np.clip(np.searchsorted(a, b[:-1], side="right") - 1, 0, old.size)
    last = np.clip(np.searchsorted(a, b[1:], side="left"), 0, old.size)
    count = np.maximum(last - first, 0)
    rows = np.repeat(np.arange(new.size), count)
    columns = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count) + first[rows]
    shared = np.minimum(a[columns + 1], b[rows + 1]) - np.maximum(a[columns], b[rows])
    share = np.clip(shared / np.diff(b)[rows], 0.0, None)
    return csr_array((share, (rows, columns)), shape=(new.size, old.size))


def check_reach(new: FloatArray, olds: Sequence[FloatArray], unit: str) -> None:
    """Raise InputError if new pixels share nothing with any of the old ones."""
    a = np.array([pixel_edges(old)[[0, -1]] for old in olds])
    b = pixel_edges(new)[[0, -1]]
    if ((a[:, 1] <= b[0]) | (a[:, 0] >= b[1])).all():
        raise InputError(
            f"New pixels from {b[0]:.6g} to {b[1]:.6g} {unit} share nothing with the spectra, "
            f"which reach from {a[:, 0].min():.6g} to {a[:, 1].max():.6g} {unit}. Take pixels "
            "that they cover, in their unit."
        )


def resampled_rows(
    old: FloatArray, new: FloatArray, flux: FloatArray, ivar: FloatArray, least: float = 0.5
) -> tuple[FloatArray, FloatArray]:
    r"""Resample rows of flux (n, p) with inverse variances, which may be 0, to new pixels (q,).

    The average is over what was observed; its variance is
    :math:`\sum_i A_{ji}^2 \sigma_i^2 / (\sum_i A_{ji})^2`. A new pixel of which less than the
    share `least` was observed is unobserved. That neighbours share old pixels, so that their errors
    are correlated, an inverse variance cannot say.
    """
    if not (isinstance(least, Real) and 0 <= least <= 1):
        raise InputError(f"least is a share, 0 to 1, not {least!r}.")
    share = overlaps(old, new)
    seen = ivar > 0
    covered = np.asarray((share @ seen.T.astype(float)).T)
    total = np.asarray((share @ np.where(seen, flux, 0.0).T).T)
    variance = np.divide(1.0, ivar, out=np.zeros_like(ivar), where=seen)
    spread = np.asarray((share.power(2) @ variance.T).T)
    good = (covered > 0) & (covered >= least - 1e-9)
    new_flux = np.divide(total, covered, out=np.zeros_like(total), where=good)
    weight = np.divide(covered**2, spread, out=np.zeros_like(total), where=good & (spread > 0))
    return new_flux, weight


def conserved(old: FloatArray, new: FloatArray, rows: FloatArray) -> FloatArray:
    """Resample well-sampled rows (..., p) to pixels (q,) inside theirs, without broadening lines.

    The flux up to every edge is interpolated by a cubic spline, and its differences are the new
    pixels' flux: linear in the rows, and conserving as averages are, but those broaden a line by
    the width of a pixel once more.
    """
    if old.size < 3:
        raise InputError(f"A spline needs at least 3 pixels, but there are {old.size}.")
    a, (low, high) = pixel_edges(old), pixel_bounds(new)
    up_to = np.zeros((*rows.shape[:-1], a.size))
    np.cumsum(rows * np.diff(a), axis=-1, out=up_to[..., 1:])
    spline = make_interp_spline(a, up_to, k=3, axis=-1)
    return np.asarray((spline(high) - spline(low)) / (high - low))
