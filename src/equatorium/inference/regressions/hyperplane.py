r"""A plane through points with errors in all variables, and intrinsic scatter about it (hyperfit).

.. math::
   \log L = -\tfrac12 \sum_i \left[\log 2\pi s_i^2 + \frac{d_i^2}{s_i^2}\right], \quad
   d_i = \hat n^T (z_i - p), \quad s_i^2 = \sigma_\perp^2 + \hat n^T C_i \hat n

with points :math:`z_i` of covariance :math:`C_i`, the plane's unit normal :math:`\hat n`, and any
point :math:`p` on it (Robotham & Obreschkow 2015, PASA 32, e033, doi:10.1017/pasa.2015.33).
"""

from typing import Any, Literal

import numpy as np

from equatorium.checks import FloatArray, vector
from equatorium.errors import InputError
from equatorium.inference.regressions.curve import Curve, columns, scale, slope_names, spread
from equatorium.inference.regressions.measured import covariances
from equatorium.inference.regressions.ready import PointwiseModel, Values
from equatorium.records.parameter import Parameter

_WIDEST = 3.0  # largest scatter, in scales of the data


class Hyperplane(PointwiseModel):
    r"""A line, plane or hyperplane with Gaussian scatter, and errors in all variables.

    It treats all axes alike: the points are spread evenly *along* the plane, farther than their
    errors reach, and scatter at right angles to it. Scatter along y alone of points spread in
    any other way is what `LinMix` is for.

    Parameters
    ----------
    x : array, shape (n,) or (n, k)
    y : array, shape (n,)
    errors : array
        Standard deviations (n, k + 1) of x and y, or covariances (n, k + 1, k + 1); y is last.
        `error_covariance` makes those of correlated x and y.
    scatter : {"vertical", "orthogonal"}
        The one that has the prior: along y, or at right angles to the plane. The other is derived:
        :math:`\sigma_\perp = \sigma_y / \sqrt{1 + |b|^2}`.
    weights : array, shape (n,), optional
        Powers of each point's likelihood, as for one that stands for several, such as 1/V_max;
        ones by default.

    Notes
    -----
    Default priors: those of `Curve.linear`; flat in the scatter, from 0 to 3 scales of y
    (vertical), or of the axis with the least (orthogonal).

    Examples
    --------
    >>> x = np.linspace(0, 1, 9)
    >>> model = Hyperplane(x, 1 + 2 * x, np.full((9, 2), 0.1))
    >>> model.names
    ('level', 'slope', 'scatter_vertical')
    >>> model.space.derived_names
    ('intercept', 'scatter_orthogonal')
    """

    def __init__(
        self,
        x: Any,
        y: Any,
        errors: Any,
        scatter: Literal["vertical", "orthogonal"] = "vertical",
        weights: Any = None,
    ) -> None:
        x, y = columns(x), vector(y, "y")
        n, k = x.shape
        line = Curve.linear(x, y)
        self.points = np.column_stack([x - x.mean(axis=0), y])
        self.covariance = covariances(errors, n, k + 1)
        self.weights = np.ones(n) if weights is None else vector(weights, "weights", n)
        if (self.weights < 0).any():
            raise InputError(f"weights must not be negative, but one is {self.weights.min()}.")
        self._slopes = slope_names(k)
        self._size = n * (k + 1)
        length = f"sqrt(1 + {' + '.join(f'{name}**2' for name in self._slopes)})"
        if scatter == "vertical":
            other, rule, most = "orthogonal", f"scatter_vertical / {length}", scale(y)
        elif scatter == "orthogonal":
            other, rule = "vertical", f"scatter_orthogonal * {length}"
            most = min(scale(y), *spread(x).tolist())
        else:
            raise InputError(f"scatter must be 'vertical' or 'orthogonal', but it is {scatter!r}.")
        parameter = Parameter(f"scatter_{scatter}", 0.0, _WIDEST * most)
        space = line.space([parameter])
        super().__init__(type(space)(space.declared, {**space.fixed, f"scatter_{other}": rule}))
        self._vertical = scatter == "vertical"

    def _each(self, values: Values) -> FloatArray:
        slopes = np.concatenate([values[name] for name in self._slopes], axis=1)
        normal = np.column_stack([-slopes, np.ones(len(slopes))])
        length = np.linalg.norm(normal, axis=1, keepdims=True)
        normal /= length
        distance = normal @ self.points.T - values["level"] / length
        if self._vertical:
            scatter = values["scatter_vertical"] / length
        else:
            scatter = values["scatter_orthogonal"]
        along = np.einsum("mi,nij,mj->mn", normal, self.covariance, normal, optimize=True)
        variance = scatter**2 + along
        with np.errstate(divide="ignore", invalid="ignore"):  # no scatter and no errors
            each = -0.5 * (np.log(2 * np.pi * variance) + distance**2 / variance)
        return np.asarray(self.weights * each)
