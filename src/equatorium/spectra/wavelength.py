r"""Wavelengths: even steps in their logarithm, edges of pixels, air and vacuum.

On a grid of even steps in :math:`\ln \lambda` a Doppler shift is a translation and a kernel of
constant width in velocity a convolution.
"""

from typing import Any

import numpy as np

from equatorium.checks import FloatArray, vector
from equatorium.errors import InputError
from equatorium.spectra.values import value_in

SPEED_OF_LIGHT = 299792.458
"""In km/s."""


def log_wavelengths(low: float, high: float, step: float) -> FloatArray:
    r"""Wavelengths from `low` to at most `high` whose steps are `step` km/s each.

    Parameters
    ----------
    low, high : float
        In any unit of length.
    step : float
        Width of a pixel, :math:`c\, \Delta \ln \lambda`, in km/s.

    Examples
    --------
    >>> log_wavelengths(5000.0, 5002.0, 50.0).round(3).tolist()
    [5000.0, 5000.834, 5001.668]
    """
    if not (0 < low < high < np.inf and 0 < step < np.inf):
        raise InputError(
            f"Wavelengths need 0 < low < high and a positive step, not {low}, {high} and {step}."
        )
    n = int(np.log(high / low) * SPEED_OF_LIGHT / step + 1e-9) + 1
    return np.asarray(low * np.exp(np.arange(n) * step / SPEED_OF_LIGHT))


def velocity_step(wavelength: FloatArray) -> float:
    """Width of a pixel in km/s, if all are alike in the logarithm.

    Raises
    ------
    InputError
        If they are not.
    """
    steps = np.diff(np.log(wavelength))
    if np.ptp(steps) > 1e-3 * steps.mean():
        raise InputError(
            "Shifts and broadening need wavelengths with even steps in their logarithm, but these "
            f"steps are {steps.min() * SPEED_OF_LIGHT:.4g} to {steps.max() * SPEED_OF_LIGHT:.4g} "
            "km/s. Resample the spectra to log_wavelengths(low, high, step) before the emulator "
            "learns from them."
        )
    return float(steps.mean() * SPEED_OF_LIGHT)


def unit_factor(old: str, new: str) -> float:
    """Units `new` of length in one unit `old`."""
    from astropy import units

    try:
        return float(units.Unit(old).to(new))
    except (ValueError, TypeError) as error:  # unknown, or not convertible
        raise InputError(f"Wavelengths in {old!r} cannot be in {new!r}: {error}") from error


def log_shift(velocity: FloatArray) -> FloatArray:
    r"""Shift of :math:`\ln \lambda` by a Doppler velocity in km/s, :math:`\mathrm{artanh}(v / c)`.

    Raises
    ------
    InputError
        If one is not below the speed of light.
    """
    if not (np.abs(velocity) < SPEED_OF_LIGHT).all():
        raise InputError(
            f"A velocity must be below that of light, {SPEED_OF_LIGHT} km/s, but they are "
            f"{np.min(velocity):g} to {np.max(velocity):g}."
        )
    return np.asarray(np.arctanh(velocity / SPEED_OF_LIGHT))


def stretch_of(redshift: Any, velocity: Any) -> FloatArray:
    """Factors by which a redshift, or else a velocity (km/s), stretches wavelengths.

    Raises
    ------
    InputError
        If both are given or none, or one is no number, at or below -1, or not below that of light.
    """
    if (redshift is None) == (velocity is None):
        raise InputError("Give either redshift or velocity.")
    if velocity is not None:
        return np.asarray(np.exp(log_shift(value_in(velocity, "km/s", "velocity"))))
    stretch = 1 + value_in(redshift, "", "redshift")
    if not (np.isfinite(stretch) & (stretch > 0)).all():
        raise InputError("A redshift must be finite and above -1.")
    return stretch


def increasing(wavelength: Any, name: str = "wavelength") -> FloatArray:
    """Check wavelengths (p,): at least two, positive and increasing."""
    array = vector(wavelength, name)
    if array.size < 2 or array[0] <= 0 or not (np.diff(array) > 0).all():
        raise InputError(
            f"{name} must hold at least two positive, increasing numbers; sort the pixels."
        )
    return array


def pixel_edges(wavelength: FloatArray) -> FloatArray:
    """Edges (p + 1,) of pixels: half-way to the neighbours, the outermost as wide as the next."""
    middle = 0.5 * (wavelength[1:] + wavelength[:-1])
    first, last = 2 * wavelength[0] - middle[0], 2 * wavelength[-1] - middle[-1]
    return np.concatenate([[first], middle, [last]])


def pixel_bounds(wavelength: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Lower and upper ends (q,) of pixels of which some neighbours may be missing.

    They reach half-way to a neighbour, unless it is more than half as far again as the other one:
    then there is a gap, of which the pixel saw nothing.

    >>> low, high = pixel_bounds(np.array([1.0, 2.0, 3.0, 7.0, 8.0]))
    >>> low.tolist(), high.tolist()
    ([0.5, 1.5, 2.5, 6.5, 7.5], [1.5, 2.5, 3.5, 7.5, 8.5])
    """
    steps = np.diff(wavelength)
    left, right = np.append(steps[0], steps), np.append(steps, steps[-1])
    low, high = np.where(left > 1.5 * right, right, left), np.where(right > 1.5 * left, left, right)
    return wavelength - low / 2, wavelength + high / 2


def refractive_index(vacuum: FloatArray) -> FloatArray:
    """Refractive index of standard air (15 C, 450 ppm CO2) at vacuum wavelengths in Angstrom.

    Raises
    ------
    InputError
        If one is below 2000, where air absorbs and the formula has its poles.

    References
    ----------
    Ciddor 1996, Applied Optics 35, 1566, doi:10.1364/AO.35.001566
    """
    if (vacuum < 1999.0).any():  # 2000 in vacuum is 1999.35 in air
        raise InputError(
            f"Wavelengths in air are those above 2000 Angstrom, but one is {np.min(vacuum):g}. "
            "Below, vacuum wavelengths are in use: leave these pixels out, or medium as it is."
        )
    square = (1e4 / vacuum) ** 2
    return np.asarray(1 + 0.05792105 / (238.0185 - square) + 0.00167917 / (57.362 - square))


def vacuum_to_air(vacuum: Any) -> FloatArray:
    """Wavelengths in air, of those in vacuum; Angstrom, for above 2000.

    >>> vacuum_to_air([6564.614]).round(2).tolist()  # H alpha
    [6562.8]
    """
    vacuum = value_in(vacuum, "Angstrom", "wavelength")
    return np.asarray(vacuum / refractive_index(vacuum))


def air_to_vacuum(air: Any) -> FloatArray:
    """Wavelengths in vacuum, of those in air: the inverse, by iteration."""
    air = value_in(air, "Angstrom", "wavelength")
    vacuum = air
    for _ in range(4):  # each gains four digits
        vacuum = air * refractive_index(vacuum)
    return np.asarray(vacuum)
