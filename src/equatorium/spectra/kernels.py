r"""Radial velocity, rotation and resolution: translations and convolutions in log wavelength.

All are products in Fourier space, with f in cycles per km/s; those that follow each other need one
transform together.
"""

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Real
from typing import ClassVar

import numpy as np
import numpy.typing as npt
from scipy.fft import irfft, next_fast_len, rfft, rfftfreq
from scipy.special import j1

from equatorium.checks import FloatArray
from equatorium.errors import InputError
from equatorium.records.prediction import Gaussian
from equatorium.spectra.operator import Operator, Values, carry
from equatorium.spectra.wavelength import SPEED_OF_LIGHT, log_shift, velocity_step

_FWHM = 2 * np.sqrt(2 * np.log(2))
_PADDING = 0.1  # of the spectrum's length, over which its ends are joined smoothly


class Kernel(Operator):
    """An operator that is a product in Fourier space."""

    @abstractmethod
    def transfer(self, f: FloatArray, values: Values) -> npt.NDArray[np.complex128]:
        """Give the transform (m, len(f)) of the kernel at frequencies f, in s/km."""

    @abstractmethod
    def reach(self, values: Values) -> FloatArray:
        """Give how far (m,) the kernel moves light, in km/s."""

    def apply(self, wavelength: FloatArray, prediction: Gaussian, values: Values) -> Gaussian:
        """Convolve mean and covariance."""
        return convolved([self], wavelength, prediction, values)


@dataclass(frozen=True)
class RadialVelocity(Kernel):
    r"""The Doppler shift of a star that recedes with `v` km/s.

    .. math:: \ln \lambda \to \ln \lambda + \mathrm{artanh}(v / c)
    """

    names: ClassVar[tuple[str, ...]] = ("v",)

    def transfer(self, f: FloatArray, values: Values) -> npt.NDArray[np.complex128]:
        """Give a phase."""
        shift = SPEED_OF_LIGHT * log_shift(values["v"])
        return np.asarray(np.exp(-2j * np.pi * np.multiply.outer(shift, f)), dtype=np.complex128)

    def reach(self, values: Values) -> FloatArray:
        """Give the shift."""
        return np.asarray(SPEED_OF_LIGHT * np.abs(log_shift(values["v"])))


@dataclass(frozen=True)
class Rotation(Kernel):
    r"""Broadening by rotation with a projected velocity `vsini`, in km/s.

    With :math:`x = 2 \pi f v \sin i` and linear limb darkening :math:`\epsilon`,

    .. math:: G(x) = \frac{2}{1 - \epsilon/3} \left[ (1 - \epsilon) \frac{J_1(x)}{x}
              + \epsilon\, \frac{\sin x - x \cos x}{x^3} \right].

    References
    ----------
    Gray 2005, The Observation and Analysis of Stellar Photospheres, 3rd ed., eq. 18.14,
    doi:10.1017/CBO9781316036570
    """

    limb_darkening: float = 0.6
    names: ClassVar[tuple[str, ...]] = ("vsini",)

    def __post_init__(self) -> None:
        if not (isinstance(self.limb_darkening, Real) and 0 <= self.limb_darkening <= 1):
            raise InputError(f"limb_darkening lies between 0 and 1, not {self.limb_darkening!r}.")

    def transfer(self, f: FloatArray, values: Values) -> npt.NDArray[np.complex128]:
        """Give the transform of the profile, which is real."""
        if (values["vsini"] < 0).any():
            raise InputError("vsini must not be negative.")
        e, x = self.limb_darkening, 2 * np.pi * np.multiply.outer(values["vsini"], f)
        small = x < 1e-2  # where the fraction cancels; its series is good to 1e-10
        safe = np.where(small, 1.0, x)
        disc = np.where(small, 0.5 - x**2 / 16, j1(safe) / safe)
        dark = np.where(small, 1 / 3 - x**2 / 30, (np.sin(safe) - safe * np.cos(safe)) / safe**3)
        profile = ((1 - e) * disc + e * dark) * (2 / (1 - e / 3))
        return np.asarray(profile, dtype=np.complex128)

    def reach(self, values: Values) -> FloatArray:
        """Give vsini, half the width of the profile."""
        return values["vsini"]


@dataclass(frozen=True)
class LineSpread(Kernel):
    r"""A Gaussian line-spread function: spectra as an instrument of `resolution` sees them.

    :math:`R = \lambda / \mathrm{FWHM}`, everywhere the same. What the model spectra have already
    is taken off: :math:`\mathrm{FWHM}^2 \propto R^{-2} - R_0^{-2}`.

    Parameters
    ----------
    native : float
        Resolution R0 of the model spectra; infinite by default.
    """

    native: float = np.inf
    names: ClassVar[tuple[str, ...]] = ("resolution",)

    def __post_init__(self) -> None:
        if not (isinstance(self.native, Real) and self.native > 0):
            raise InputError(f"native is a resolution and positive, not {self.native!r}.")

    def transfer(self, f: FloatArray, values: Values) -> npt.NDArray[np.complex128]:
        """Give a Gaussian."""
        R = values["resolution"]
        if not ((R > 0) & (self.native >= R)).all():
            raise InputError(
                f"A resolution lies above 0 and up to the {self.native:g} of the model spectra, "
                f"which cannot be sharpened; it is {R.min():g} to {R.max():g}."
            )
        gauss = np.exp(-2 * np.square(np.pi * np.multiply.outer(self.reach(values) / _FWHM, f)))
        return np.asarray(gauss, dtype=np.complex128)

    def reach(self, values: Values) -> FloatArray:
        """Give the full width at half maximum."""
        R = values["resolution"]
        return np.asarray(SPEED_OF_LIGHT * np.sqrt(R**-2.0 - self.native**-2.0))


def convolved(
    kernels: Sequence[Kernel], wavelength: FloatArray, prediction: Gaussian, values: Values
) -> Gaussian:
    """Apply kernels that follow each other by one transform.

    The spectrum counts as periodic: its ends are joined by a smooth bridge of a tenth of its
    length. Pixels closer to an end than a kernel reaches mean little; one that reaches further
    than the spectrum is long is an InputError.
    """
    step, p = velocity_step(wavelength), wavelength.size
    n = next_fast_len(p + max(int(_PADDING * p), 8), real=True)
    f = rfftfreq(n, step)
    transfer = np.prod([kernel.transfer(f, values) for kernel in kernels], axis=0)
    for kernel in kernels:
        if (kernel.reach(values) > p * step).any():
            raise InputError(
                f"{type(kernel).__name__} reaches as far as {kernel.reach(values).max():g} km/s, "
                f"beyond the {p * step:g} km/s of the spectrum. Narrow the prior of "
                f"{', '.join(kernel.names)}."
            )
    bridge = 0.5 + 0.5 * np.cos(np.pi * np.arange(1, n - p + 1) / (n - p + 1))

    def linear(rows: FloatArray) -> FloatArray:
        joined = rows[..., -1:] * bridge + rows[..., :1] * (1 - bridge)
        periodic = np.concatenate([rows, joined], axis=-1)
        return np.asarray(irfft(rfft(periodic) * transfer[:, None, :], n)[..., :p])

    return carry(prediction, linear)
