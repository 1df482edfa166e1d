r"""What happens to a spectrum between the star and the detector, with its uncertainty.

An operator maps a model spectrum linearly, y -> A y, with A set by parameters that have names. It
acts on a `Prediction`: mean and shared factors of the covariance are mapped exactly,

.. math:: N(\mu,\; D + F F^T) \;\to\; N(A \mu,\; \mathrm{diag}(A \sqrt{d})^2 + A F (A F)^T).

What the emulator leaves out of single pixels, D, is exact where A is diagonal. A kernel takes it as
wholly correlated over its width, for it is (an error of a line is one error), so that no smoothing
averages it away.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import ClassVar

import numpy as np

from equatorium.checks import FloatArray
from equatorium.records.covariance import Covariance, Dense, Diagonal, LowRank
from equatorium.records.factor import square_root
from equatorium.records.prediction import Gaussian

Values = Mapping[str, FloatArray]
"""One number (m,) a point for every parameter."""


class Operator(ABC):
    """Base class: a map of spectra over the same wavelengths, set by the parameters `names`."""

    names: ClassVar[tuple[str, ...]] = ()

    @abstractmethod
    def apply(self, wavelength: FloatArray, prediction: Gaussian, values: Values) -> Gaussian:
        """Map a prediction at m points over wavelengths (p,), with `values` for `names`."""


def carry(prediction: Gaussian, linear: Callable[[FloatArray], FloatArray]) -> Gaussian:
    """Map mean and covariance by what `linear` does to rows (m, r, p), giving (m, r, q)."""
    variance, factor = _parts(prediction.cov())
    own = np.sqrt(variance)[:, None, :]
    rows = np.concatenate([prediction.mean[:, None, :], own, factor.swapaxes(1, 2)], axis=1)
    mapped = linear(rows)
    spread = np.square(mapped[:, 1])
    if not factor.size:
        return Gaussian(mapped[:, 0], Diagonal(spread))
    return Gaussian(mapped[:, 0], LowRank(spread, mapped[:, 2:].swapaxes(1, 2)))


def _parts(covariance: Covariance) -> tuple[FloatArray, FloatArray]:
    """Independent variances (m, p) and shared factors (m, p, k)."""
    if isinstance(covariance, LowRank):
        return covariance.variance, covariance.factor
    variance = covariance.diagonal()
    if isinstance(covariance, Dense):
        return np.zeros_like(variance), square_root(covariance.matrix)
    return variance, np.zeros((*variance.shape, 0))
