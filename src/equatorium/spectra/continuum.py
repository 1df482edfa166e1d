"""The continuum of spectra with absorption lines: a polynomial that clips more below than above."""

from numbers import Integral

import numpy as np
from numpy.polynomial.chebyshev import chebvander

from equatorium.checks import FloatArray, floats
from equatorium.errors import InputError

_MAD = 1.4826  # median absolute deviations in a standard deviation


def continuum_of(
    wavelength: FloatArray,
    flux: FloatArray,
    ivar: FloatArray,
    degree: int = 5,
    low: float = 1.5,
    high: float = 3.0,
    iterations: int = 10,
) -> FloatArray:
    """Fit Chebyshev polynomials, leaving out lines step by step.

    Pixels more than `low` robust standard deviations of the residuals below the fit, or `high`
    above, are left out, and the fit is repeated until nothing changes.

    Parameters
    ----------
    wavelength : array, shape (p,)
    flux, ivar : array, shape (n, p)
        Pixels with ivar 0 do not count.
    degree : int
    low, high : float
        The smaller `low`, the nearer to the upper envelope.
    iterations : int

    Returns
    -------
    array, shape (n, p)

    Raises
    ------
    InputError
        If a spectrum has too few observed pixels, or its continuum is not positive; if the degree
        is no whole number >= 0, or `low` or `high` not positive.
    """
    for name, clip in (("low", low), ("high", high)):
        if floats(clip, name).ndim:
            raise InputError(f"{name} must be one number, but it is {clip!r}.")
    whole = isinstance(degree, Integral) and not isinstance(degree, bool)
    if not (whole and degree >= 0 and low > 0 and high > 0):
        raise InputError(
            "A continuum needs a whole number >= 0 for its degree and positive low and high, not "
            f"{degree!r}, {low!r} and {high!r}."
        )
    x = (2 * wavelength - wavelength[0] - wavelength[-1]) / np.ptp(wavelength)
    basis = chebvander(x, degree)
    result = np.empty_like(flux)
    for i, (y, weight) in enumerate(zip(flux, np.sqrt(ivar), strict=True)):
        seen = weight > 0
        if seen.sum() < 2 * (degree + 1):
            raise InputError(
                f"Spectrum {i} has {int(seen.sum())} observed pixels, too few for a continuum of "
                f"degree {degree}. Leave it out, or lower the degree."
            )
        result[i] = _clipped(basis, y, weight, seen, low, high, iterations)
        if not (result[i][seen] > 0).all():
            raise InputError(
                f"The continuum of spectrum {i} is not positive everywhere. Lower the degree "
                f"({degree}), or select wavelengths where there is light."
            )
    return result


def _clipped(
    basis: FloatArray,
    y: FloatArray,
    weight: FloatArray,
    seen: np.ndarray[tuple[int, ...], np.dtype[np.bool_]],
    low: float,
    high: float,
    iterations: int,
) -> FloatArray:
    kept, fit = seen, np.zeros_like(y)
    for _ in range(iterations):
        w = np.where(kept, weight, 0.0)
        fit = basis @ np.linalg.lstsq(basis * w[:, None], y * w, rcond=None)[0]
        residual = y - fit
        inner = residual[kept]
        spread = _MAD * np.median(np.abs(inner - np.median(inner)))
        good = seen & (residual > -low * spread) & (residual < high * spread)
        # Rounding errors of a perfect fit are no lines; and a fit needs pixels to stand on.
        if good.sum() < 2 * basis.shape[1] or (good == kept).all():
            break
        kept = good
    return np.asarray(fit)
