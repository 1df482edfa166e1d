r"""A curve with correlated noise about it: a Gaussian process, jitter, and measurement errors.

.. math::
   y \sim N(f(t), K), \quad
   K_{ij} = s^2 k(|t_i - t_j|) + (\sigma_i^2 + \sigma_{jit}^2)\,\delta_{ij}

Dense, and a batch over points of the parameter space: made for a few hundred data.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from equatorium.checks import FloatArray, same_length, vector
from equatorium.errors import InputError, UnknownNameError, did_you_mean
from equatorium.inference.regressions.curve import Curve, check_curve, deviations, scale
from equatorium.inference.regressions.ready import CurveModel, Values, all_draws
from equatorium.records.factor import cholesky, solve_lower
from equatorium.records.parameter import Parameter

_Kernel = Callable[[FloatArray, Values], FloatArray]

_WIDEST = 3.0  # largest amplitude, in scales of y


def _exponential(lag: FloatArray, v: Values) -> FloatArray:
    return np.asarray(np.exp(-lag / v["noise_time"]))


def _matern32(lag: FloatArray, v: Values) -> FloatArray:
    x = np.sqrt(3.0) * lag / v["noise_time"]
    return np.asarray((1 + x) * np.exp(-x))


def _squared_exponential(lag: FloatArray, v: Values) -> FloatArray:
    return np.asarray(np.exp(-0.5 * (lag / v["noise_time"]) ** 2))


def _quasi_periodic(lag: FloatArray, v: Values) -> FloatArray:
    wave = np.sin(np.pi * lag / v["noise_period"]) / v["noise_width"]
    return np.asarray(np.exp(-0.5 * ((lag / v["noise_time"]) ** 2 + wave**2)))


KERNELS: dict[str, _Kernel] = {
    "exponential": _exponential,
    "matern32": _matern32,
    "squared-exponential": _squared_exponential,
    "quasi-periodic": _quasi_periodic,
}
"""Correlation at a lag, by name."""


class CorrelatedNoise(CurveModel):
    r"""A curve in time (or along any one coordinate) whose noise remembers.

    Parameters
    ----------
    t, y : array, shape (n,)
    y_err : float or array, shape (n,)
        Standard deviations.
    curve : Curve, optional
        A line by default: `Curve.linear`.
    kernel : {"matern32", "exponential", "squared-exponential", "quasi-periodic"}
        The last is :math:`\exp[-\tau^2/(2T^2) - \sin^2(\pi\tau/P)/(2w^2)]`, as for spots on a
        rotating star.

    Notes
    -----
    Default priors, beside those of the curve:

    - ``jitter``, white noise beyond the errors, and ``noise_std``: flat from 0 to 3 scales of y;
    - ``noise_time`` T: log-uniform from the median gap between times to the length of the series;
    - ``noise_period`` P: log-uniform from twice that gap to the length of the series;
    - ``noise_width`` w: log-uniform from 0.1 to 3; a large one is a sine.

    References
    ----------
    Rasmussen & Williams 2006, Gaussian Processes for Machine Learning; for radial velocities
    Haywood et al. 2014, MNRAS 443, 2517, doi:10.1093/mnras/stu1320.

    Examples
    --------
    >>> t = np.linspace(0, 10, 20)
    >>> CorrelatedNoise(t, np.sin(t), 0.1).names
    ('level', 'slope', 'jitter', 'noise_std', 'noise_time')
    """

    def __init__(
        self, t: Any, y: Any, y_err: Any, curve: Curve | None = None, kernel: str = "matern32"
    ) -> None:
        self.t, self.y = vector(t, "t"), vector(y, "y")
        n = same_length(t=self.t, y=self.y)
        self.variance = deviations(y_err, n) ** 2
        if kernel not in KERNELS:
            raise UnknownNameError(
                f"There is no kernel {kernel!r}; there are {', '.join(KERNELS)}."
                f"{did_you_mean(str(kernel), KERNELS)}"
            )
        self.kernel = kernel
        self.curve = Curve.linear(self.t, self.y) if curve is None else check_curve(curve)
        self._size = n * n
        super().__init__(self.curve.space(_noise(self.t, self.y, kernel)))

    def noise(self, draws: Any, t: Any) -> tuple[FloatArray, FloatArray]:
        """Mean and sd (s, q) of the correlated noise at q times, given each draw.

        Parameters
        ----------
        draws : Draws or array, shape (s, d)
        t : array, shape (q,)
        """
        t = vector(t, "t")

        def both(values: Values) -> FloatArray:
            factor, residual = self._factor(values), self.y - self.curve(self.t, values)
            cross = self._correlated(np.subtract.outer(self.t, t), values)
            half = solve_lower(factor, np.concatenate([residual[..., None], cross], axis=2))
            mean = np.einsum("mn,mnq->mq", half[..., 0], half[..., 1:])
            variance = values["noise_std"] ** 2 - np.square(half[..., 1:]).sum(axis=1)
            return np.stack([mean, np.sqrt(np.maximum(variance, 0.0))], axis=1)

        found = self._batched(both, all_draws(draws))
        return found[:, 0], found[:, 1]

    def _log_likelihood(self, values: Values) -> FloatArray:
        factor, residual = self._factor(values), self.y - self.curve(self.t, values)
        half = solve_lower(factor, residual[..., None])[..., 0]
        pivots = np.log(np.diagonal(factor, axis1=1, axis2=2)).sum(axis=1)
        squared = np.square(half).sum(axis=1)
        return np.asarray(-0.5 * (squared + self.y.size * np.log(2 * np.pi)) - pivots)

    def _drawn(self, values: Values, rng: np.random.Generator) -> FloatArray:
        noise = self._factor(values)[0] @ rng.standard_normal(self.q)
        return np.asarray(self.curve(self.t, values)[0] + noise)

    def _factor(self, values: Values) -> FloatArray:
        """Cholesky factors (m, n, n) of the covariance."""
        K = self._correlated(np.subtract.outer(self.t, self.t), values)
        diagonal = np.arange(self.t.size)
        K[:, diagonal, diagonal] += self.variance + values["jitter"] ** 2
        return cholesky(K)

    def _correlated(self, lag: FloatArray, values: Values) -> FloatArray:
        v = {name: value[:, :, None] for name, value in values.items()}
        return np.asarray(v["noise_std"] ** 2 * KERNELS[self.kernel](np.abs(lag), v))


def _noise(t: FloatArray, y: FloatArray, kernel: str) -> list[Parameter]:
    times = np.unique(t)
    if times.size < 3:
        raise InputError(f"t must hold at least three different times, not {times.size}.")
    gap, length = float(np.median(np.diff(times))), float(np.ptp(times))
    most = _WIDEST * scale(y)
    found = [
        Parameter("jitter", 0.0, most),
        Parameter("noise_std", 0.0, most),
        Parameter("noise_time", min(gap, 0.1 * length), length, "log"),
    ]
    if kernel == "quasi-periodic":
        found.append(Parameter("noise_period", min(2 * gap, 0.1 * length), length, "log"))
        found.append(Parameter("noise_width", 0.1, 3.0, "log"))
    return found
