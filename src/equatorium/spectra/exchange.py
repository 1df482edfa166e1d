"""Spectra from tables and from specutils, and back."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from equatorium.checks import FloatArray, finite
from equatorium.errors import InputError, UnknownNameError
from equatorium.records.tables import column, column_names
from equatorium.spectra.values import value_in

_NAMES = {
    "wavelength": ("wavelength", "wave", "lambda", "lam", "loglam"),
    "flux": ("flux",),
    "ivar": ("ivar",),
    "error": ("error", "err", "sigma", "flux_err", "uncertainty"),
    "mask": ("mask", "and_mask"),
}


def from_table(table: Any, said: Mapping[str, Any]) -> dict[str, Any]:
    """Fields of a `Spectra` in the columns of a table; `said` comes first."""
    unit = str(said.get("unit", "Angstrom"))
    by_lower = {name.lower(): name for name in column_names(table)}
    found = {
        field: next((by_lower[name] for name in names if name in by_lower), None)
        for field, names in _NAMES.items()
    }
    for field in ("wavelength", "flux"):
        if found[field] is None:
            raise UnknownNameError(
                f"The table has no column for the {field} ({', '.join(_NAMES[field])}) among "
                f"{', '.join(column_names(table))}."
            )
    log = found["wavelength"].lower() == "loglam"  # type: ignore[union-attr]
    wavelength = column(table, found["wavelength"] or "", "" if log else unit)
    flux_unit = str(said.get("flux_unit") or getattr(table[found["flux"]], "unit", None) or "")
    flux = _in_unit(table, found["flux"] or "", flux_unit)
    made: dict[str, Any] = {"wavelength": 10**wavelength if log else wavelength, "flux": flux}
    made["flux_unit"] = flux_unit
    ivar = np.isfinite(flux).astype(float)
    if found["ivar"]:
        ivar = np.nan_to_num(_in_unit(table, found["ivar"], flux_unit, -2), nan=0.0)
    elif found["error"]:
        ivar = inverse_square(_in_unit(table, found["error"], flux_unit))
    if found["mask"]:
        ivar = np.where(flags(table[found["mask"]], found["mask"]), 0.0, ivar)
    return {**made, "ivar": ivar, **said}


def _in_unit(table: Any, name: str, unit: str, power: int = 1) -> FloatArray:
    """Numbers of a column in the unit of the flux, to a power."""
    if getattr(table[name], "unit", None) is None:
        return column(table, name, allow_nan=True)
    numbers = value_in(table[name], unit, name, power)
    finite(numbers, f"column {name!r}", allow_nan=True)
    return numbers


def flags(values: Any, name: str) -> Any:
    """Read flags that are numbers, or, in a csv file, words: any text would count as True."""
    values = np.asarray(values)
    if values.dtype.kind in "bifu":
        return values.astype(bool)
    words = np.char.lower(values.astype(str))
    if not np.isin(words, ("true", "false")).all():
        raise InputError(f"{name!r} must hold numbers, or True and False, not {values[0]!r:.40}.")
    return words == "true"


def inverse_square(error: FloatArray) -> FloatArray:
    """One over the square of errors; 0 where there is no error that could be one."""
    good = np.isfinite(error) & (error > 0)
    return np.divide(1.0, error**2, out=np.zeros_like(error), where=good)


def from_specutils(spectrum: Any, said: Mapping[str, Any]) -> dict[str, Any]:
    """Fields of a `Spectra` in a specutils Spectrum."""
    from astropy.nddata import InverseVariance

    unit = str(said.get("unit", "Angstrom"))
    flux_unit = str(said.get("flux_unit") or spectrum.flux.unit)
    flux = np.atleast_2d(value_in(spectrum.flux, flux_unit, "flux"))
    ivar = np.isfinite(flux).astype(float)
    if spectrum.uncertainty is not None:
        given = spectrum.uncertainty
        with np.errstate(divide="ignore"):  # an error of zero
            given = (
                given if isinstance(given, InverseVariance) else given.represent_as(InverseVariance)
            )
        given = value_in(given.quantity, flux_unit, "uncertainty", -2)
        ivar = np.nan_to_num(np.atleast_2d(given), nan=0.0, posinf=0.0)
    if spectrum.mask is not None:
        ivar = np.where(np.atleast_2d(spectrum.mask), 0.0, ivar)
    wavelength = np.asarray(spectrum.spectral_axis.to_value(unit))
    order = np.argsort(wavelength)
    made = {"wavelength": wavelength[order], "flux": flux[:, order], "ivar": ivar[:, order]}
    return {**made, "flux_unit": flux_unit, **said}


def to_specutils(
    wavelength: FloatArray, unit: str, flux: FloatArray, flux_unit: str, ivar: FloatArray
) -> Any:
    """Make a specutils Spectrum; one spectrum gives one of one dimension."""
    from astropy import units
    from astropy.nddata import InverseVariance

    try:
        from specutils import Spectrum
    except ImportError as error:
        raise InputError(
            "to_specutils needs the package specutils: pip install 'equatorium[spectra]'."
        ) from error
    one = 0 if len(flux) == 1 else slice(None)
    return Spectrum(
        flux=flux[one] * units.Unit(flux_unit),
        spectral_axis=wavelength * units.Unit(unit),
        uncertainty=InverseVariance(ivar[one]),
        mask=ivar[one] == 0,
    )
