r"""The log-posterior, in the coordinates that a sampler wants.

The prior is exact in each view: uniform in the cube, :math:`N(0, I)` in the normal view, with its
Jacobian in the unit box of the scaled coordinates.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from equatorium.checks import FloatArray
from equatorium.errors import InputError, ShapeError, did_you_mean
from equatorium.history.region import Region
from equatorium.inference.likelihood import GaussianLikelihood
from equatorium.records.space import Space


@dataclass(frozen=True)
class View:
    """A posterior in a sampler's coordinates x, shape (m, d).

    Attributes
    ----------
    log_prob : callable
        x -> log-density (m,) in x, up to the evidence.
    to_theta, from_theta : callable
        Between x and physical parameters.
    """

    name: str
    d: int
    log_prob: Callable[[FloatArray], FloatArray]
    to_theta: Callable[[FloatArray], FloatArray]
    from_theta: Callable[[FloatArray], FloatArray]


class Posterior:
    """Prior times likelihood, zero outside the box and outside what history matching left.

    Parameters
    ----------
    space : Space
        Parameters with their priors.
    likelihood : GaussianLikelihood
        Anything with ``log_likelihood(theta (m, d)) -> (m,)``.
    region : Region, optional
        What the waves have not ruled out; outside the density is zero.
    identity : str
        Whatever distinguishes this posterior from others with the same parameters (a hash of the
        study): chains kept under another identity are not resumed.

    Attributes
    ----------
    n_nan : int
        Points at which the likelihood was NaN or +inf; they count as impossible.
    first_nan : array or None
        The first of them, shape (d,).
    """

    def __init__(
        self,
        space: Space,
        likelihood: GaussianLikelihood,
        region: Region | None = None,
        identity: str = "",
    ) -> None:
        if region is not None and region.space.names != space.names:
            raise InputError(
                f"The region is over {', '.join(region.space.names)}, but the posterior over "
                f"{', '.join(space.names)}. Use the space of the waves."
            )
        self.space = space
        self.likelihood = likelihood
        self.region = region
        self.identity = identity
        self.n_nan = 0
        self.first_nan: FloatArray | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the free parameters."""
        return self.space.names

    @property
    def d(self) -> int:
        """Number of free parameters."""
        return self.space.d

    def log_likelihood(self, theta: FloatArray) -> FloatArray:
        """Log-likelihood (m,) of theta (m, d); -inf outside the box, the region, and at NaN."""
        theta = np.asarray(theta, dtype=np.float64)
        if theta.ndim != 2 or theta.shape[1] != self.d:
            raise ShapeError(
                f"theta must have shape (m, {self.d}) for {', '.join(self.names)}, but it is "
                f"{theta.shape}."
            )
        alive = np.flatnonzero(self.space.contains(theta))
        if self.region is not None and alive.size:
            # It asks the last wave first, the strictest: most points never see the others.
            alive = alive[self.region.contains(theta[alive])]
        result = np.full(len(theta), -np.inf)
        if alive.size:
            values = np.asarray(self.likelihood.log_likelihood(theta[alive]), dtype=np.float64)
            if values.shape != alive.shape:
                raise ShapeError(
                    f"The likelihood of {alive.size} points has shape {values.shape}, but one "
                    "number a point is needed."
                )
            # Plus infinity is no probability either: a chain would never leave it.
            nan = np.isnan(values) | (values == np.inf)
            if nan.any():
                if self.first_nan is None:
                    self.first_nan = theta[alive[nan][0]].copy()
                self.n_nan += int(nan.sum())
            result[alive] = np.where(nan, -np.inf, values)
        return result

    def log_prob(self, theta: FloatArray) -> FloatArray:
        """Log of prior times likelihood (m,), a density in the physical theta (m, d)."""
        theta = np.asarray(theta, dtype=np.float64)
        result = self.log_likelihood(theta)
        alive = result > -np.inf
        result[alive] += self.space.log_prior(theta[alive])
        return result

    def log_prob_box(self, u: FloatArray) -> FloatArray:
        """Log-density (m,) in the unit box of the scaled coordinates u (m, d)."""
        u = np.asarray(u, dtype=np.float64)
        inside = ((u >= 0) & (u <= 1)).all(axis=1)
        result = np.full(len(u), -np.inf)
        if inside.any():
            theta = self.space.from_unit(u[inside])
            result[inside] = self.log_prob(theta) + self._log_jacobian(theta)
        return result

    def log_prob_cube(self, c: FloatArray) -> FloatArray:
        """Log-density (m,) in the unit cube of prior probabilities c (m, d): the likelihood."""
        c = np.asarray(c, dtype=np.float64)
        inside = ((c >= 0) & (c <= 1)).all(axis=1)
        result = np.full(len(c), -np.inf)
        if inside.any():
            result[inside] = self.log_likelihood(self.space.from_cube(c[inside]))
        return result

    def log_prob_normal(self, z: FloatArray) -> FloatArray:
        """Log-density (m,) in z (m, d), whose prior is N(0, I)."""
        z = np.asarray(z, dtype=np.float64)
        prior = -0.5 * (np.square(z).sum(axis=1) + z.shape[1] * np.log(2 * np.pi))
        return np.asarray(prior + self.log_likelihood(self.space.from_normal(z)))

    def view(self, name: str) -> View:
        """Return the posterior in the coordinates "box", "cube" or "normal".

        Raises
        ------
        InputError
            If there is no such view.
        """
        space = self.space
        views = {
            "box": (self.log_prob_box, space.from_unit, space.to_unit),
            "cube": (self.log_prob_cube, space.from_cube, space.to_cube),
            "normal": (self.log_prob_normal, space.from_normal, space.to_normal),
        }
        if name not in views:
            raise InputError(
                f"There is no view {name!r} of a posterior; there are {', '.join(views)}."
                f"{did_you_mean(name, views)}"
            )
        return View(name, self.d, *views[name])

    def _log_jacobian(self, theta: FloatArray) -> FloatArray:
        """Log |d theta / d u| (m,): width of the box, times theta / 1 where the scale is log."""
        total = np.zeros(len(theta))
        for j, parameter in enumerate(self.space.parameters):
            if parameter.scale == "log":
                total += np.log(theta[:, j] * np.log(parameter.high / parameter.low))
            else:
                total += np.log(parameter.high - parameter.low)
        return total
