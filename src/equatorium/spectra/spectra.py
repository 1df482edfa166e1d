"""Observed spectra on common pixels, with what was not observed, ready for embedders and fits."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from os import PathLike
from typing import Any, Self

import numpy as np

from equatorium.checks import FloatArray, instance, read_only
from equatorium.errors import InputError, ShapeError
from equatorium.records.base import Record
from equatorium.records.observation import Observation
from equatorium.records.outputs import Outputs
from equatorium.records.tables import read_table
from equatorium.spectra.continuum import continuum_of
from equatorium.spectra.exchange import (
    flags,
    from_specutils,
    from_table,
    inverse_square,
    to_specutils,
)
from equatorium.spectra.resampling import check_reach, conserved, resampled_rows
from equatorium.spectra.values import number_in, spread_to, value_in, weights_of
from equatorium.spectra.wavelength import (
    air_to_vacuum,
    increasing,
    stretch_of,
    unit_factor,
    vacuum_to_air,
)


@dataclass(frozen=True, eq=False, repr=False)
class Spectra(Record):
    """n spectra over the same p wavelengths.

    Parameters
    ----------
    wavelength : array_like or Quantity, shape (p,)
        Centres of the pixels, increasing.
    flux : array_like or Quantity, shape (n, p) or (p,)
        Flux density; NaN where it was not observed.
    ivar : array_like or Quantity, optional
        Inverse variance, of the shape of flux or one that broadcasts to it; 0 where it was not
        observed. Without, all that is finite counts alike (1).
    unit : str
        Of the wavelengths, a length.
    medium : {"vacuum", "air"}
        In which they are measured.
    flux_unit : str
        To which quantities are converted; that of flux by default.
    names : sequence of n str, optional

    Examples
    --------
    >>> Spectra([4000.0, 4001.0, 4002.0], [[1.0, np.nan, 3.0]])
    Spectra(1 x 3 pixels, 4000 to 4002 Angstrom in vacuum, 33% unobserved)
    """

    wavelength: FloatArray
    flux: FloatArray
    ivar: FloatArray | None = None
    unit: str = "Angstrom"
    medium: str = "vacuum"
    flux_unit: str = ""
    names: Sequence[str] | None = None

    def __post_init__(self) -> None:
        if self.medium not in ("vacuum", "air"):
            raise InputError(f"medium must be 'vacuum' or 'air', but it is {self.medium!r}.")
        unit_factor(self.unit, "Angstrom")  # or it is no length
        given = getattr(self.flux, "unit", None)
        object.__setattr__(self, "flux_unit", str(self.flux_unit or given or ""))
        wavelength = increasing(value_in(self.wavelength, self.unit, "wavelength"))
        flux = np.atleast_2d(value_in(self.flux, self.flux_unit, "flux"))
        if flux.ndim != 2 or flux.shape[1] != wavelength.size:
            raise ShapeError(
                f"flux must have one column for each of {wavelength.size} wavelengths, but its "
                f"shape is {flux.shape}."
            )
        ivar = weights_of(flux, 1.0 if self.ivar is None else self.ivar, self.flux_unit)
        if self.names is not None:
            object.__setattr__(self, "names", tuple(str(name) for name in self.names))
            if len(self.names) != len(flux):
                raise ShapeError(f"There are {len(flux)} spectra but {len(self.names)} names.")
        object.__setattr__(self, "wavelength", read_only(wavelength))
        object.__setattr__(self, "ivar", read_only(ivar))
        # What was not observed is no number that could be taken for one.
        object.__setattr__(self, "flux", read_only(np.where(ivar > 0, flux, np.nan)))

    @classmethod
    def measured(
        cls, wavelength: Any, flux: Any, error: Any, mask: Any = None, **said: Any
    ) -> Self:
        """Take errors (standard deviations) and a mask (True: not to be used).

        Both are of the shape of flux, or one that broadcasts to it. Errors that are not positive
        and finite mean that the pixel was not observed.
        """
        unit = str(said.get("flux_unit") or getattr(flux, "unit", None) or "")
        shape = np.atleast_2d(value_in(flux, unit, "flux")).shape
        ivar = spread_to(shape, inverse_square(value_in(error, unit, "error")), "error")
        if mask is not None:
            ivar = np.where(spread_to(shape, flags(mask, "mask"), "mask"), 0.0, ivar)
        return cls(wavelength, flux, ivar, **said)

    @classmethod
    def read(cls, path: str | PathLike[str], **said: Any) -> Self:
        """Read one spectrum from a table (ECSV, csv, FITS); see `from_table`."""
        return cls.from_table(read_table(path, (".ecsv", ".csv", ".fits")), **said)

    @classmethod
    def from_table(cls, table: Any, **said: Any) -> Self:
        """Take one spectrum from named columns.

        Columns: ``wavelength`` (or ``wave``, ``lambda``, or ``loglam``, its decadic logarithm),
        ``flux``, and ``ivar`` or ``error`` (or ``err``, ``sigma``), ``mask``, if there are any;
        units of an astropy Table are used.
        """
        return cls(**from_table(table, said))

    @classmethod
    def from_specutils(cls, spectrum: Any, **said: Any) -> Self:
        """Take a specutils Spectrum, one or many rows, with its uncertainty and mask."""
        return cls(**from_specutils(spectrum, said))

    def to_specutils(self) -> Any:
        """Give a specutils Spectrum (extra ``spectra``)."""
        return to_specutils(self.wavelength, self.unit, self.flux, self.flux_unit, self._weights)

    @classmethod
    def stacked(cls, spectra: Iterable["Spectra"], wavelength: Any) -> Self:
        """Put spectra with pixels of their own on common ones, in the units of the first.

        One that reaches none of them is unobserved there; it is an error that all are.
        """
        parts = list(spectra)
        if not parts:
            raise InputError("There are no spectra to stack.")
        for part in parts:
            instance(part, Spectra, "each of the spectra")
        first = parts[0]
        new = increasing(value_in(wavelength, first.unit, "wavelength"))
        here = [s.in_unit(first.unit).in_medium(first.medium) for s in parts]
        check_reach(new, [s.wavelength for s in here], first.unit)
        rows = [resampled_rows(s.wavelength, new, *s.rows) for s in here]
        if len({s.flux_unit for s in parts}) > 1:
            raise InputError(f"Fluxes are in {sorted({s.flux_unit for s in parts})}; convert them.")
        known = [s.names for s in parts if s.names is not None]
        return cls(
            new,
            np.concatenate([flux for flux, _ in rows]),
            np.concatenate([ivar for _, ivar in rows]),
            first.unit,
            first.medium,
            first.flux_unit,
            [name for names in known for name in names] if len(known) == len(parts) else None,
        )

    @property
    def n(self) -> int:
        """Number of spectra."""
        return len(self.flux)

    @property
    def p(self) -> int:
        """Number of pixels."""
        return int(self.wavelength.size)

    @property
    def mask(self) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
        """Where nothing was observed, shape (n, p)."""
        return np.asarray(self._weights == 0)

    @property
    def rows(self) -> tuple[FloatArray, FloatArray]:
        """X (n, p) and ivar (n, p) as embedders take them: ``embedder.fit(X, ivar=ivar)``."""
        return self.flux, self._weights

    @property
    def outputs(self) -> Outputs:
        """Pixels as the outputs that an emulator of these spectra has."""
        names = [f"pixel{i}" for i in range(self.p)]
        units = {"wavelength": self.unit}
        return Outputs(names, {"wavelength": self.wavelength}, units, "flux", self.flux_unit)

    def observation(self, i: int = 0) -> Observation:
        """Give the observed pixels of one spectrum, as likelihoods take them."""
        seen = self._weights[i] > 0
        return Observation(
            self.flux[i][seen],
            1 / np.sqrt(self._weights[i][seen]),
            {"wavelength": self.wavelength[seen]},
            unit=self.flux_unit,
            units={"wavelength": self.unit},
            label="flux",
        )

    def subset(self, rows: Any) -> Self:
        """Take the spectra at `rows` (an int, list, slice or mask), in that order."""
        chosen = np.atleast_1d(np.arange(self.n)[rows])
        names = None if self.names is None else [self.names[i] for i in chosen]
        return replace(self, flux=self.flux[chosen], ivar=self._weights[chosen], names=names)

    __getitem__ = subset

    def select(self, low: Any, high: Any) -> Self:
        """Keep the pixels whose centres lie in a closed range of wavelengths."""
        low, high = (number_in(end, self.unit, "a wavelength") for end in (low, high))
        inside = (self.wavelength >= low) & (self.wavelength <= high)
        if inside.sum() < 2:
            raise InputError(
                f"Fewer than two pixels lie from {low:g} to {high:g}; they reach from "
                f"{self.wavelength[0]:g} to {self.wavelength[-1]:g} {self.unit}."
            )
        return self._with(self.wavelength[inside], self.flux[:, inside], self._weights[:, inside])

    def in_unit(self, unit: str) -> Self:
        """Convert the wavelengths (not the flux density)."""
        factor = unit_factor(self.unit, unit)
        return replace(self, wavelength=self.wavelength * factor, unit=unit)

    def in_medium(self, medium: str) -> Self:
        """Convert the wavelengths to those in "vacuum" or "air"."""
        if medium == self.medium:
            return self
        converted = vacuum_to_air if medium == "air" else air_to_vacuum
        wavelength = converted(self.in_unit("Angstrom").wavelength)
        moved = replace(self, wavelength=wavelength, unit="Angstrom", medium=medium)
        return moved.in_unit(self.unit)

    def rest_frame(
        self, redshift: Any = None, velocity: Any = None, wavelength: Any = None
    ) -> Self:
        """Divide the wavelengths by 1 + z, or undo a radial velocity in km/s.

        Flux values stay as they are. Shifts (n,) of single spectra need common wavelengths to
        resample to; one shift of all needs none.
        """
        stretch = stretch_of(redshift, velocity)
        if stretch.ndim == 0:
            moved = replace(self, wavelength=self.wavelength / stretch)
            return moved if wavelength is None else moved.resampled(wavelength)
        if wavelength is None or stretch.shape != (self.n,):
            raise InputError(
                f"{stretch.size} shifts need as many spectra, not {self.n}, and common wavelengths "
                "to resample to: rest_frame(..., wavelength=...)."
            )
        each = [replace(self[i], wavelength=self.wavelength / by) for i, by in enumerate(stretch)]
        return self.stacked(each, wavelength)

    def resampled(self, wavelength: Any, least: float = 0.5, sharp: bool = False) -> Self:
        """Give the spectra on new pixels.

        Parameters
        ----------
        wavelength : array_like or Quantity, shape (q,)
            Where the spectra do not reach, new pixels are unobserved; all of them is an error.
        least : float
            A new pixel of which less than this share, 0 to 1, was observed is unobserved.
        sharp : bool
            Instead of averages, which broaden lines by the width of a pixel once more, take those
            of a spline that conserves flux: for spectra without gaps and noise, as of a library.
        """
        new = increasing(value_in(wavelength, self.unit, "wavelength"))
        if np.array_equal(new, self.wavelength):
            return self
        check_reach(new, [self.wavelength], self.unit)
        flux, ivar = resampled_rows(self.wavelength, new, self.flux, self._weights, least)
        if sharp:
            if self.mask.any() or (ivar == 0).any():
                raise InputError("Spectra with gaps, or shorter than asked for, take sharp=False.")
            flux = conserved(self.wavelength, new, self.flux)
        return self._with(new, flux, ivar)

    def normalised(self, degree: int = 5, low: float = 1.5, high: float = 3.0) -> Self:
        """Divide by the continuum; see `equatorium.spectra.continuum.continuum_of`."""
        weights = self._weights
        flux = np.where(weights > 0, self.flux, 0.0)
        level = continuum_of(self.wavelength, flux, weights, degree, low, high)
        return replace(self, flux=self.flux / level, ivar=weights * level**2, flux_unit="")

    def __repr__(self) -> str:
        reach = f"{self.wavelength[0]:.6g} to {self.wavelength[-1]:.6g} {self.unit}"
        missing = f", {self.mask.mean():.0%} unobserved" if self.mask.any() else ""
        return f"Spectra({self.n} x {self.p} pixels, {reach} in {self.medium}{missing})"

    def __len__(self) -> int:
        return self.n

    def _with(self, wavelength: FloatArray, flux: FloatArray, ivar: FloatArray) -> Self:
        return replace(self, wavelength=wavelength, flux=flux, ivar=ivar)

    @property
    def _weights(self) -> FloatArray:
        assert self.ivar is not None  # set by __post_init__
        return self.ivar
