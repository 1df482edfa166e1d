"""Operators that multiply: extinction by dust, and a continuum that is free."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from numbers import Integral
from typing import Any, ClassVar

import numpy as np
from numpy.polynomial.chebyshev import chebvander

from equatorium.checks import FloatArray
from equatorium.errors import InputError, UnknownNameError, did_you_mean
from equatorium.records.covariance import LowRank
from equatorium.records.prediction import Gaussian
from equatorium.spectra.operator import Operator, Values, carry


@dataclass(frozen=True)
class Extinction(Operator):
    r"""Reddening by interstellar dust of `A_V` magnitudes, :math:`10^{-0.4 A_V k(\lambda)}`.

    Needs the package ``dust_extinction`` (extra ``spectra``).

    Parameters
    ----------
    R_V : float
        Ratio of total to selective extinction.
    law : str
        A model of ``dust_extinction.parameter_averages``, such as "G23", "F99" or "CCM89".
    unit : str
        Of the wavelengths.

    References
    ----------
    Gordon et al. 2023, ApJ 950, 86, doi:10.3847/1538-4357/accb59
    """

    R_V: float = 3.1
    law: str = "G23"
    unit: str = "Angstrom"
    names: ClassVar[tuple[str, ...]] = ("A_V",)

    def apply(self, wavelength: FloatArray, prediction: Gaussian, values: Values) -> Gaussian:
        """Dim mean and covariance."""
        curve = _extinction_curve(self.law, self.R_V, self.unit, wavelength.tobytes())
        dimmed = 10 ** (-0.4 * np.multiply.outer(values["A_V"], curve))[:, None, :]
        return carry(prediction, lambda rows: rows * dimmed)


@lru_cache(maxsize=32)
def _extinction_curve(law: str, R_V: float, unit: str, wavelength: bytes) -> FloatArray:
    """A(lambda) / A_V at wavelengths, given as the bytes of their array."""
    from astropy import units

    try:
        from dust_extinction import parameter_averages
    except ImportError as error:
        raise InputError(
            "Extinction needs the package dust_extinction: pip install 'equatorium[spectra]'."
        ) from error
    if law not in parameter_averages.__all__:
        known = [name for name in parameter_averages.__all__ if name[0].isalpha()]
        raise UnknownNameError(
            f"There is no extinction law {law!r}; there are {', '.join(known)}."
            f"{did_you_mean(law, known)}"
        )
    x = np.frombuffer(wavelength) * units.Unit(unit)
    try:
        return np.asarray(getattr(parameter_averages, law)(Rv=R_V)(x), dtype=np.float64)
    except ValueError as error:  # beyond the wavelengths, or the R_V, of the law
        raise InputError(f"The extinction law {law} with R_V = {R_V!r}: {error}.") from error


@dataclass(frozen=True)
class FreeContinuum(Operator):
    r"""A smooth factor that nobody knows, :math:`1 + \sum_k c_k T_k(x)`, integrated out.

    With :math:`c_k \sim N(0, s_k^2)` the coefficients of the Chebyshev polynomials need no
    sampling: each adds the factor :math:`s_k T_k \mu` to the covariance, one more column for
    Woodbury. x runs from -1 to 1 over the wavelengths.

    Parameters
    ----------
    degree : int
    std : float or sequence of degree + 1 floats
        Prior standard deviations s_k; one large first number leaves the overall scale free.
    """

    degree: int = 3
    std: Any = 0.1

    def __post_init__(self) -> None:
        whole = isinstance(self.degree, Integral) and not isinstance(self.degree, bool)
        if not whole or self.degree < 0:
            raise InputError(f"degree must be a whole number >= 0, but it is {self.degree!r}.")
        many = isinstance(self.std, Sequence | np.ndarray)
        std = tuple(self.std) if many else (self.std,) * (self.degree + 1)
        if len(std) != self.degree + 1 or not all(0 <= float(s) < np.inf for s in std):
            raise InputError(
                f"std must be one number >= 0, or {self.degree + 1} for the degree {self.degree}, "
                f"but it is {self.std!r}."
            )
        object.__setattr__(self, "std", tuple(float(s) for s in std))

    def basis(self, wavelength: FloatArray) -> FloatArray:
        """Polynomials times their standard deviations, shape (p, degree + 1)."""
        low, high = wavelength[0], wavelength[-1]
        x = (2 * wavelength - low - high) / (high - low)
        return np.asarray(chebvander(x, self.degree) * np.array(self.std))

    def apply(self, wavelength: FloatArray, prediction: Gaussian, values: Values) -> Gaussian:
        """Widen the covariance by what the continuum may do."""
        columns = prediction.mean[:, :, None] * self.basis(wavelength)
        free = LowRank(np.zeros(prediction.mean.shape), columns)
        return Gaussian(prediction.mean, prediction.cov() + free)
