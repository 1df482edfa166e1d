r"""Magnitudes and fluxes in bands, detected or not, as rows for embedders and data for fits."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from numbers import Real
from typing import Any, Self

import numpy as np

from equatorium.checks import FloatArray, read_only
from equatorium.errors import InputError, ShapeError
from equatorium.records.base import Record
from equatorium.records.outputs import unique_names
from equatorium.spectra.values import spread_to, value_in, weights_of

_POGSON = 2.5 / np.log(10)
_NOTHING = 90.0  # 99 and -99, or larger, are no magnitudes but catalogues' words for none


@dataclass(frozen=True, eq=False, repr=False)
class Photometry(Record):
    """Fluxes of n objects in b bands.

    A band in which an object was not looked at is unobserved (ivar 0); one in which it was looked
    at and not seen has a flux near zero with an error, which is information.

    Parameters
    ----------
    bands : sequence of b str
    flux : array_like, shape (n, b)
        NaN where unobserved; may be negative.
    ivar : array_like or Quantity, shape (n, b) or (b,)
        Inverse variances; 0 where unobserved.

    Examples
    --------
    >>> seen = Photometry.from_magnitudes(
    ...     ["g", "r"], [[25.0, np.nan]], [[0.1, np.nan]], limit=[24.0, 24.0]
    ... )
    >>> seen
    Photometry(1 objects in g, r)
    >>> seen.flux.round(3).tolist()  # in units of zero magnitude at 25; r was not detected
    [[1.0, 0.0]]
    """

    bands: Sequence[str]
    flux: FloatArray
    ivar: FloatArray

    def __post_init__(self) -> None:
        bands = unique_names(self.bands, "bands")
        unit = str(getattr(self.flux, "unit", None) or "")
        flux = np.atleast_2d(value_in(self.flux, unit, "flux"))
        if flux.shape[1:] != (len(bands),):
            raise ShapeError(
                f"flux must have one column for each of {len(bands)} bands, but its shape is "
                f"{flux.shape}."
            )
        ivar = weights_of(flux, self.ivar, unit)
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
        zero: Any = 25.0,
    ) -> Self:
        r"""Take Pogson magnitudes m with errors, :math:`f = 10^{-0.4 (m - m_0)}`.

        Parameters
        ----------
        bands : sequence of b str
        magnitude : array_like, shape (n, b)
            NaN, or 90 and above as catalogues write it, where there is no detection; -90 and below
            where nothing was observed.
        error : array_like, shape (n, b) or (b,)
            Where not positive and finite, nothing was observed.
        limit : array_like, shape (b,) or (n, b), optional
            Magnitude that `sigma` standard deviations of the sky's noise have: what a
            non-detection says. NaN, or no limit at all: not observed.
        sigma : float
        zero : float or array_like, shape (b,)
            Magnitude m0 of flux one.
        """
        magnitude = np.atleast_2d(_plain(magnitude, "magnitude"))
        error = spread_to(magnitude.shape, _plain(error, "error"), "error")
        zero = spread_to(magnitude.shape, _plain(zero, "zero"), "zero")
        if not (isinstance(sigma, Real) and 0 < sigma < np.inf and np.isfinite(zero).all()):
            raise InputError(f"sigma must be positive and zero finite, not {sigma!r} and {zero!r}.")
        missed, seen = ~(magnitude < _NOTHING), np.abs(magnitude) < _NOTHING
        seen &= np.isfinite(error) & (error > 0)
        flux = 10 ** (-0.4 * (np.where(seen, magnitude, zero) - zero))
        spread = np.where(seen, flux, 0.0) * np.where(seen, error, 0.0) / _POGSON
        if limit is not None:
            limit = spread_to(magnitude.shape, _plain(limit, "limit"), "limit")
            missed &= np.abs(limit) < _NOTHING
            faint = 10 ** (-0.4 * (np.where(missed, limit, zero) - zero)) / sigma
            flux, spread = np.where(missed, 0.0, flux), np.where(missed, faint, spread)
            seen = seen | missed
        ivar = np.divide(1.0, spread**2, out=np.zeros_like(spread), where=seen)
        return cls(bands, np.where(seen, flux, np.nan), ivar)

    @property
    def n(self) -> int:
        """Number of objects."""
        return len(self.flux)

    def __repr__(self) -> str:
        missing = f", {(self.ivar == 0).mean():.0%} unobserved" if (self.ivar == 0).any() else ""
        return f"Photometry({self.n} objects in {', '.join(self.bands)}{missing})"

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
        b = spread_to(self.flux.shape, value_in(softening, "", "softening"), "softening")
        if not (b > 0).all():
            raise InputError(f"softening must be positive fluxes, but it is {softening!r}.")
        magnitude = -_POGSON * (np.arcsinh(self.flux / (2 * b)) + np.log(b))
        slope = _POGSON / np.sqrt(np.nan_to_num(self.flux) ** 2 + 4 * b**2)
        return magnitude, self.ivar / slope**2

    def subset(self, rows: Any) -> Self:
        """Take the objects at `rows` (an int, list, slice or mask), in that order."""
        chosen = np.atleast_1d(np.arange(self.n)[rows])
        return replace(self, flux=self.flux[chosen], ivar=self.ivar[chosen])


def _plain(x: Any, name: str) -> FloatArray:
    """Numbers of magnitudes, whatever the system that a Quantity names."""
    unit = str(getattr(x, "unit", None) or "")
    if unit and not re.search("(?<!m)mag", unit.lower()):  # thousandths are another unit
        raise InputError(f"{name} must be in magnitudes, but it is in {unit!r}.")
    return value_in(getattr(x, "value", x), "", name)
