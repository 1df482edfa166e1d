r"""Magnitudes and fluxes in bands, detected or not, as rows for embedders and data for fits."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np

from equatorium.checks import FloatArray, finite, floats, read_only
from equatorium.errors import InputError, ShapeError
from equatorium.records.base import Record
from equatorium.records.outputs import unique_names

_POGSON = 2.5 / np.log(10)


@dataclass(frozen=True, eq=False)
class Photometry(Record):
    """Fluxes of n objects in b bands.

    A band in which an object was not looked at is unobserved (ivar 0); one in which it was looked
    at and not seen has a flux near zero with an error, which is information.

    Parameters
    ----------
    bands : sequence of b str
    flux : array_like, shape (n, b)
        NaN where unobserved; may be negative.
    ivar : array_like, shape (n, b)
        Inverse variances; 0 where unobserved.

    Examples
    --------
    >>> seen = Photometry.from_magnitudes(
    ...     ["g", "r"], [[25.0, np.nan]], [[0.1, np.nan]], limit=[24.0, 24.0]
    ... )
    >>> seen.flux.round(3).tolist()  # in units of zero magnitude at 25; r was not detected
    [[1.0, 0.0]]
    """

    bands: Sequence[str]
    flux: FloatArray
    ivar: FloatArray

    def __post_init__(self) -> None:
        bands = unique_names(self.bands, "bands")
        flux, ivar = np.atleast_2d(floats(self.flux, "flux")), np.atleast_2d(self.ivar)
        ivar = floats(ivar, "ivar")
        if flux.shape[1:] != (len(bands),) or ivar.shape != flux.shape:
            raise ShapeError(
                f"flux and ivar must have one column for each of {len(bands)} bands, but their "
                f"shapes are {flux.shape} and {ivar.shape}."
            )
        finite(ivar, "ivar")
        if (ivar < 0).any():
            raise InputError("ivar must be at least 0 (0: not observed).")
        ivar = np.where(np.isfinite(flux), ivar, 0.0)
        object.__setattr__(self, "bands", bands)
        object.__setattr__(self, "ivar", read_only(ivar))
        object.__setattr__(self, "flux", read_only(np.where(ivar > 0, flux, np.nan)))

    @classmethod
    def from_magnitudes(
        cls,
        bands: Sequence[str],
        magnitude: Any,
        error: Any,
        limit: Any = None,
        sigma: float = 3.0,
        zero: float = 25.0,
    ) -> Self:
        r"""Take Pogson magnitudes m with errors, :math:`f = 10^{-0.4 (m - m_0)}`.

        Parameters
        ----------
        bands : sequence of b str
        magnitude, error : array_like, shape (n, b)
            NaN where there is no detection.
        limit : array_like, shape (b,) or (n, b), optional
            Magnitude that `sigma` standard deviations of the sky's noise have: what a
            non-detection says. NaN, or no limit at all: not observed.
        sigma : float
        zero : float
            Magnitude m0 of flux one.
        """
        magnitude, error = np.atleast_2d(floats(magnitude, "magnitude")), floats(error, "error")
        if not sigma > 0:
            raise InputError(f"sigma must be positive, but it is {sigma!r}.")
        error = _wide(error, "error", magnitude.shape)
        with np.errstate(over="ignore"):  # -9999 stands for nothing, not for a flux
            flux = 10 ** (-0.4 * (magnitude - zero))
        seen = np.isfinite(magnitude) & np.isfinite(flux) & np.isfinite(error) & (error > 0)
        spread = np.where(seen, flux, 0.0) * np.where(seen, error, 0.0) / _POGSON
        if limit is not None:
            faint = 10 ** (-0.4 * (floats(limit, "limit") - zero)) / sigma
            faint = _wide(faint, "limit", magnitude.shape)
            missed = np.isnan(magnitude) & np.isfinite(faint)
            flux, spread = np.where(missed, 0.0, flux), np.where(missed, faint, spread)
            seen = seen | missed
        ivar = np.divide(1.0, spread**2, out=np.zeros_like(spread), where=seen)
        return cls(bands, np.where(seen, flux, np.nan), ivar)

    @property
    def n(self) -> int:
        """Number of objects."""
        return len(self.flux)

    @property
    def rows(self) -> tuple[FloatArray, FloatArray]:
        """X (n, b) and ivar (n, b) of the fluxes, as embedders take them."""
        return self.flux, self.ivar

    def asinh_rows(self, softening: Any) -> tuple[FloatArray, FloatArray]:
        r"""X and ivar of asinh magnitudes, which stay finite and Gaussian about zero flux.

        .. math:: \mu = -a \left[\mathrm{arsinh}\frac{f}{2 b} + \ln b\right], \qquad
                  \sigma_\mu = \frac{a\, \sigma_f}{\sqrt{f^2 + 4 b^2}}, \qquad a = 2.5 / \ln 10

        Parameters
        ----------
        softening : float or array_like, shape (b,)
            b, about one standard deviation of the sky's noise in each band.

        References
        ----------
        Lupton, Gunn & Szalay 1999, AJ 118, 1406, doi:10.1086/301004
        """
        b = _wide(floats(softening, "softening"), "softening", self.flux.shape)
        if not (b > 0).all():
            raise InputError(f"softening must be positive fluxes, but it is {softening!r}.")
        magnitude = -_POGSON * (np.arcsinh(self.flux / (2 * b)) + np.log(b))
        slope = _POGSON / np.sqrt(np.nan_to_num(self.flux) ** 2 + 4 * b**2)
        return magnitude, self.ivar / slope**2

    def subset(self, rows: Any) -> Self:
        """Take the objects at `rows` (an int, list, slice or mask), in that order."""
        chosen = np.atleast_1d(np.arange(self.n)[rows])
        return replace(self, flux=self.flux[chosen], ivar=self.ivar[chosen])


def _wide(array: FloatArray, name: str, shape: tuple[int, ...]) -> FloatArray:
    """One value for each magnitude."""
    try:
        return np.broadcast_to(array, shape)
    except ValueError as error:
        raise ShapeError(
            f"{name} must have the shape of the magnitudes, {shape}, or (b,), not {array.shape}."
        ) from error
