r"""Regression with outliers: each point is good, or drawn from a broad background.

.. math::
   p(y_i) = (1 - P_b)\, N(y_i | f(x_i), \sigma_i^2) + P_b\, N(y_i | Y_b, V_b + \sigma_i^2)

(Hogg, Bovy & Lang 2010, arXiv:1008.4686, eq. 17). Which points are bad is marginalised: it follows
from the draws (`OutlierMixture.outlier_probability`).
"""

from typing import Any

import numpy as np

from equatorium.checks import FloatArray, floats, same_length, vector
from equatorium.inference.regressions.curve import Curve, check_curve, deviations, scale
from equatorium.inference.regressions.ready import CurveModel, PointwiseModel, Values, all_draws
from equatorium.records.parameter import Parameter


class OutlierMixture(PointwiseModel, CurveModel):
    """A curve with Gaussian errors in y, and outliers.

    Parameters
    ----------
    x : array, shape (n,) or (n, k)
        Without errors.
    y : array, shape (n,)
    y_err : float or array, shape (n,)
        Standard deviations.
    curve : Curve, optional
        A line (a plane) by default: `Curve.linear`.

    Notes
    -----
    Default priors, beside those of the curve:

    - ``outlier_fraction``: flat in [0, 0.5]; above, "outlier" would be the wrong word, and the two
      components could change their roles;
    - ``outlier_mean``: flat over the range of y and as much again on either side;
    - ``outlier_std``: log-uniform from the scale of y by its quartiles to ten times its range. A
      narrower background would be a second population, into which good points fall.

    Examples
    --------
    >>> x = np.linspace(0, 1, 9)
    >>> model = OutlierMixture(x, np.where(np.arange(9) == 4, 9.0, 1 + 2 * x), 0.1)
    >>> model.names
    ('level', 'slope', 'outlier_fraction', 'outlier_mean', 'outlier_std')
    >>> model.outlier_probability([[2.0, 2.0, 0.2, 5.0, 4.0]]).round(1).tolist()
    [0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0]
    """

    def __init__(self, x: Any, y: Any, y_err: Any, curve: Curve | None = None) -> None:
        self.x, self.y = floats(x, "x"), vector(y, "y")
        same_length(x=self.x, y=self.y)
        self.variance = deviations(y_err, len(self.y)) ** 2
        self.curve = Curve.linear(self.x, self.y) if curve is None else check_curve(curve)
        self._size = len(self.y)
        low, high = float(self.y.min()), float(self.y.max())
        wide = high - low
        background = [
            Parameter("outlier_fraction", 0.0, 0.5),
            Parameter("outlier_mean", low - wide, high + wide),
            Parameter("outlier_std", scale(self.y), 10 * wide, "log"),
        ]
        super().__init__(self.curve.space(background))

    def outlier_probability(self, draws: Any) -> FloatArray:
        """Probability of each point to be an outlier (n,), averaged over the draws.

        Parameters
        ----------
        draws : Draws or array, shape (s, d)
        """
        return np.asarray(self._batched(self._bad, all_draws(draws)).mean(axis=0))

    def _each(self, values: Values) -> FloatArray:
        return np.asarray(np.logaddexp(*self._terms(values)))

    def _bad(self, values: Values) -> FloatArray:
        good, bad = self._terms(values)
        return np.asarray(np.exp(bad - np.logaddexp(good, bad)))

    def _drawn(self, values: Values, rng: np.random.Generator) -> FloatArray:
        bad = rng.random(self.q) < values["outlier_fraction"][0]
        good = self.curve(self.x, values)[0]
        centre = np.where(bad, values["outlier_mean"][0], good)
        wide = np.where(bad, values["outlier_std"][0] ** 2, 0.0) + self.variance
        return np.asarray(centre + np.sqrt(wide) * rng.standard_normal(self.q))

    def _terms(self, values: Values) -> tuple[FloatArray, FloatArray]:
        """Log-density (m, n) of each point as a good and as a bad one."""
        bad = values["outlier_fraction"]
        wide = values["outlier_std"] ** 2 + self.variance
        with np.errstate(divide="ignore"):  # none, or all, are bad
            return (
                np.log1p(-bad) + _normal(self.y - self.curve(self.x, values), self.variance),
                np.log(bad) + _normal(self.y - values["outlier_mean"], wide),
            )


def _normal(residual: FloatArray, variance: FloatArray) -> FloatArray:
    return np.asarray(-0.5 * (residual**2 / variance + np.log(2 * np.pi * variance)))
