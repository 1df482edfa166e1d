r"""A line through points with errors in x and y, whose true x have a distribution to be learned.

.. math::
   \xi \sim \sum_k \pi_k N(\mu_k, \tau_k^2), \qquad
   \eta = \alpha + \beta \xi + \epsilon,\ \epsilon \sim N(0, \sigma^2), \qquad
   (x, y) \sim N\big((\xi, \eta), C\big)

(Kelly 2007, ApJ 665, 1489, doi:10.1086/519947). The true values integrate out: each point has

.. math::
   p(x, y) = \sum_k \pi_k N\!\left[\binom{x}{y} \Big|
   \binom{\mu_k}{\alpha + \beta\mu_k}, \begin{pmatrix} \tau_k^2 & \beta\tau_k^2 \\
   \beta\tau_k^2 & \beta^2\tau_k^2 + \sigma^2 \end{pmatrix} + C\right]

and a measured y that is only known to lie below a limit integrates to
:math:`\sum_k \pi_k N(x | \cdot)\, \Phi[(y - m_k(x)) / s_k]`, with the mean and the sd of y given x.
"""

from copy import copy
from typing import Any, Self

import numpy as np
from scipy import stats
from scipy.special import log_ndtr, logsumexp

from equatorium.checks import FloatArray, Rng, generator, same_length, vector
from equatorium.errors import InputError, ShapeError
from equatorium.inference.regressions.curve import Curve, scale
from equatorium.inference.regressions.measured import covariances
from equatorium.inference.regressions.ready import PointwiseModel, Values
from equatorium.records.covariance import Dense
from equatorium.records.parameter import Parameter

_NARROW, _WIDE = 0.05, 2.0  # the range of a component's sd, in sd(x)
_WIDEST = 3.0  # largest scatter, in scales of y
_GAP = 1e-6  # room that ordered means leave each other


class LinMix(PointwiseModel):
    """A line with scatter along y, errors in both variables, and upper limits in y.

    Parameters
    ----------
    x, y : array, shape (n,)
    errors : array
        Standard deviations (n, 2) of x and y, or covariances (n, 2, 2): `error_covariance`.
    components : int
        Gaussians of the mixture for the true x.
    limit : array of bool, shape (n,), optional
        Where y is an upper limit: the measurement would have been below it.

    Notes
    -----
    Default priors, beside those of `Curve.linear`:

    - ``scatter``: flat from 0 to 3 scales of y;
    - ``mean_1`` < ``mean_2`` < ...: flat over the range of x, in order, so that the components
      have one numbering only;
    - ``std_1``, ...: log-uniform from 0.05 to 2 sd(x);
    - ``share_1``, ...: the weight of a component in what those before it leave, such that the
      weights are flat on their simplex.

    Kelly's scale of the mixture is itself learned; ours is taken from the data.

    Examples
    --------
    >>> x = np.linspace(0, 1, 9)
    >>> model = LinMix(x, 1 + 2 * x, np.full((9, 2), 0.1), components=2)
    >>> model.names
    ('level', 'slope', 'scatter', 'mean_1', 'mean_2', 'std_1', 'std_2', 'share_1')
    """

    def __init__(self, x: Any, y: Any, errors: Any, components: int = 2, limit: Any = None) -> None:
        x, y = vector(x, "x"), vector(y, "y")
        n = same_length(x=x, y=y)
        if isinstance(components, bool) or not isinstance(components, int) or components < 1:
            raise InputError(f"components must be a whole number above 0, not {components!r}.")
        self.x, self.y, self.components = x, y, components
        self.covariance = covariances(errors, n, 2)
        self.limit = np.zeros(n, dtype=bool) if limit is None else np.asarray(limit)
        if self.limit.dtype != bool or self.limit.shape != (n,):
            raise ShapeError(
                f"limit must be {n} times True (y is an upper limit) or False, but it has type "
                f"{self.limit.dtype} and shape {self.limit.shape}."
            )
        self._size = n * components
        self._centre = float(x.mean())
        scatter = Parameter("scatter", 0.0, _WIDEST * scale(y))
        super().__init__(Curve.linear(x, y).space([scatter, *_mixture(x, components)]))

    @property
    def q(self) -> int:
        """Number of data: x and y."""
        return 2 * len(self.x)

    def simulate(self, theta: Any, rng: Rng = None) -> FloatArray:
        """Draw data at one point theta (d,): all x, then all y, (2 n,).

        Raises
        ------
        InputError
            If there are none to draw; `why_no_data` says why.
        """
        if reason := self.why_no_data():
            raise InputError(f"No data can be drawn from this likelihood: {reason}.")
        values, rng, n = self._at(theta), generator(rng), len(self.x)
        weights = np.exp(_log_weights(values, self.components)).ravel()
        which = 1 + rng.choice(self.components, n, p=weights / weights.sum())
        mean, std = (np.array([values[f"{w}_{k}"].item() for k in which]) for w in ("mean", "std"))
        xi = mean + std * rng.standard_normal(n)
        eta = values["level"] + values["slope"] * (xi - self._centre)
        eta = eta[0] + values["scatter"].item() * rng.standard_normal(n)
        errors = Dense(self.covariance).sample(1, rng)[0]
        return np.concatenate([xi + errors[:, 0], eta + errors[:, 1]])

    def why_no_data(self) -> str:
        """Say why no data can be drawn; nothing if they can."""
        if not self.limit.any():
            return ""
        return "some y are upper limits, and which would change with each draw"

    def with_data(self, data: Any) -> Self:
        """Give the same model, its priors included, of other data: all x, then all y, (2 n,)."""
        other = copy(self)
        other.x, other.y = np.split(vector(data, "data", self.q), 2)
        return other

    def _each(self, values: Values) -> FloatArray:
        numbers = range(1, self.components + 1)
        mean, std = (np.stack([values[f"{w}_{k}"] for k in numbers]) for w in ("mean", "std"))
        slope, (xx, xy, yy) = values["slope"], self.covariance.reshape(-1, 4).T[[0, 1, 3]]
        spread = std**2 + xx
        shared = slope * std**2 + xy
        # y given x, in each component; the variance as a sum of what is never negative.
        line = values["level"] + slope * (mean - self._centre)
        expected = line + shared / spread * (self.x - mean)
        unexplained = slope**2 * xx - 2 * slope * xy + yy - (slope * xx - xy) ** 2 / spread
        variance = values["scatter"] ** 2 + np.maximum(unexplained, 0.0)
        with np.errstate(divide="ignore", invalid="ignore"):  # no scatter and no errors
            z = (self.y - expected) / np.sqrt(variance)
            given = -0.5 * (np.log(2 * np.pi * variance) + z**2)
        given[..., self.limit] = log_ndtr(z[..., self.limit])
        own = -0.5 * (np.log(2 * np.pi * spread) + (self.x - mean) ** 2 / spread)
        return np.asarray(logsumexp(_log_weights(values, self.components) + own + given, axis=0))


def _mixture(x: FloatArray, components: int) -> list[Parameter]:
    """Parameters of a mixture of Gaussians, with flat priors on ordered means and on weights."""
    low, wide, sd = float(x.min()), float(np.ptp(x)), float(x.std())
    means, shares = [], []
    for k in range(components):
        # The least of r values that are uniform above the one before: Beta(1, r), truncated there.
        left = components - k
        prior = stats.beta(1, left, loc=low, scale=wide)
        high = low + wide * (1 - _GAP * (left - 1))
        above = f"mean_{k}" if k else ""
        means.append(Parameter(f"mean_{k + 1}", low, high, prior=prior, above=above))
        if left > 1:
            # Stick-breaking of a flat Dirichlet.
            shares.append(Parameter(f"share_{k + 1}", 0.0, 1.0, prior=stats.beta(1, left - 1)))
    stds = [Parameter(f"std_{k + 1}", _NARROW * sd, _WIDE * sd, "log") for k in range(components)]
    return [*means, *stds, *shares]


def _log_weights(values: Values, components: int) -> FloatArray:
    """Log-weights (k, m, 1) of the components."""
    left, found = np.zeros_like(values["slope"]), []
    with np.errstate(divide="ignore"):
        for k in range(1, components):
            share = values[f"share_{k}"]
            found.append(left + np.log(share))
            left = left + np.log1p(-share)
    return np.stack([*found, left])
