r"""The log-posterior, in the coordinates that a sampler wants.

The prior is exact in each view: uniform in the cube, :math:`N(0, I)` in the normal view, with its
Jacobian in the unit box of the scaled coordinates.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from equatorium.checks import FloatArray
from equatorium.errors import InputError, ShapeError, did_you_mean
from equatorium.history.region import Region
from equatorium.inference.by_name import Columns, check_units
from equatorium.inference.gradient import (
    likelihood_and_gradient,
    pulled_to_normal,
    require_gradient,
    slope_by_differences,
    unit_slope,
)
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
    value_and_gradient : callable or None
        x -> log-density (m,) and its gradient (m, d) by x; only the normal view has it.
    """

    name: str
    d: int
    log_prob: Callable[[FloatArray], FloatArray]
    to_theta: Callable[[FloatArray], FloatArray]
    from_theta: Callable[[FloatArray], FloatArray]
    value_and_gradient: Callable[[FloatArray], tuple[FloatArray, FloatArray]] | None = None


class Posterior:
    """Prior times likelihood, zero outside the box and outside what history matching left.

    Parameters
    ----------
    space : Space
        Parameters with their priors.
    likelihood : GaussianLikelihood
        Anything with ``log_likelihood(theta (m, d)) -> (m,)``. If it says in ``names`` which
        parameters it takes, it is given these, free, fixed, tied or derived ones; else all free
        ones in the space's order.
    region : Region, optional
        What the waves have not ruled out; outside the density is zero.
    prior : callable, optional
        Log-density of a joint prior, theta (m, d) -> (m,), in place of the space's own: a function,
        or a `ParticlePrior`. The space still says what is possible. It must be normalised over the
        space if the evidence is to mean something.
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
        likelihood: Any,
        region: Region | None = None,
        identity: str = "",
        prior: Callable[[FloatArray], FloatArray] | None = None,
    ) -> None:
        if region is not None and region.space.names != space.names:
            raise InputError(
                f"The region is over {', '.join(region.space.names)}, but the posterior over "
                f"{', '.join(space.names)}. Use the space of the waves."
            )
        known = getattr(getattr(prior, "space", None), "names", space.names)
        if known != space.names:
            raise InputError(
                f"The joint prior is over {', '.join(known)}, but the posterior over "
                f"{', '.join(space.names)}. Make it in the space of the posterior."
            )
        if not hasattr(likelihood, "log_likelihood") or not (prior is None or callable(prior)):
            raise InputError(
                "A posterior needs a likelihood with a method log_likelihood, and a joint prior is "
                f"a function, but they are {likelihood!r:.60} and {prior!r:.60}."
            )
        check_units(space, likelihood)
        self.space = space
        self.likelihood = likelihood
        names = tuple(getattr(likelihood, "names", space.names))
        self._columns = Columns(space, names, type(likelihood).__name__)
        self.region = region
        self.identity = identity
        self.prior = prior
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
        theta = self._points(theta)
        alive = self._alive(theta)
        result = np.full(len(theta), -np.inf)
        if alive.size:
            taken = self._columns.take(theta[alive])
            values = np.asarray(self.likelihood.log_likelihood(taken), dtype=np.float64)
            result[alive] = self._counted(values, theta[alive])
        return result

    def log_likelihood_and_gradient(self, theta: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Log-likelihood (m,) and its gradient (m, d) by theta, zero where that is -inf.

        Raises
        ------
        InputError
            If the likelihood does not know its gradient.
        """
        theta = self._points(theta)
        alive = self._alive(theta)
        result, gradient = np.full(len(theta), -np.inf), np.zeros(theta.shape)
        if alive.size:
            taken = self._columns.take(theta[alive])
            values, slope = likelihood_and_gradient(self.likelihood, taken)
            slope = self._columns.back(theta[alive], slope)
            result[alive] = self._counted(values, theta[alive])
            possible = result[alive] > -np.inf
            gradient[alive] = np.where(possible[:, None], slope, 0.0)
        return result, gradient

    def log_prob(self, theta: FloatArray) -> FloatArray:
        """Log of prior times likelihood (m,), a density in the physical theta (m, d)."""
        theta = np.asarray(theta, dtype=np.float64)
        result = self._weighted(theta)
        alive = result > -np.inf
        result[alive] += self.space.log_prior(theta[alive])
        return result

    def _weighted(self, theta: FloatArray) -> FloatArray:
        """Log-likelihood (m,) plus what a joint prior says beyond the space's own."""
        result = self.log_likelihood(theta)
        alive = result > -np.inf
        if self.prior is not None and alive.any():
            result[alive] += self._joint(theta[alive])
        return result

    def _joint(self, theta: FloatArray) -> FloatArray:
        """Log of the joint prior over the space's own (m,), at points (m, d) inside."""
        if self.prior is None or not len(theta):
            return np.zeros(len(theta))
        joint = np.asarray(self.prior(theta), dtype=np.float64)
        if joint.shape != theta.shape[:1] or np.isnan(joint).any() or (joint == np.inf).any():
            raise InputError(
                f"The joint prior of {len(theta)} points must be one log-density each, a number or "
                f"-inf, but it is {joint!r:.200}."
            )
        own = self.space.log_prior(theta)
        # Where the space's own prior is zero, no view comes, whatever the joint one says.
        impossible = np.full(len(theta), -np.inf)
        return np.asarray(np.subtract(joint, own, out=impossible, where=np.isfinite(own)))

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
            result[inside] = self._weighted(self.space.from_cube(c[inside]))
        return result

    def log_prob_normal(self, z: FloatArray) -> FloatArray:
        """Log-density (m,) in z (m, d), whose prior is N(0, I)."""
        z = np.asarray(z, dtype=np.float64)
        prior = -0.5 * (np.square(z).sum(axis=1) + z.shape[1] * np.log(2 * np.pi))
        return np.asarray(prior + self._weighted(self.space.from_normal(z)))

    def value_and_gradient(self, z: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Log-density (m,) in z (m, d), whose prior is N(0, I), and its gradient (m, d) by z.

        Where the density is zero the gradient is that of the prior: any force there will do, for a
        trajectory that ends there is rejected.

        Raises
        ------
        InputError
            If the likelihood does not know its gradient.
        """
        z = np.asarray(z, dtype=np.float64)
        theta = self.space.from_normal(z)
        values, gradient = self.log_likelihood_and_gradient(theta)
        pulled = pulled_to_normal(self.space, z, theta, gradient)
        if self.prior is not None:
            alive = values > -np.inf
            values[alive] += self._joint(theta[alive])
            pulled[alive] += slope_by_differences(
                lambda t: self._joint(self.space.from_normal(t)), z[alive]
            )
        # Where a prior's density vanishes the slope has no number; the value has.
        pulled[~np.isfinite(pulled).all(axis=1)] = 0.0
        prior = -0.5 * (np.square(z).sum(axis=1) + z.shape[1] * np.log(2 * np.pi))
        return np.asarray(prior + values), pulled - z

    def require_gradient(self) -> None:
        """Raise InputError, saying what to use instead, if the likelihood knows no gradient."""
        require_gradient(self.likelihood)

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
        slope = self.value_and_gradient if name == "normal" else None
        return View(name, self.d, *views[name], slope)

    def _points(self, theta: FloatArray) -> FloatArray:
        theta = np.asarray(theta, dtype=np.float64)
        if theta.ndim != 2 or theta.shape[1] != self.d:
            raise ShapeError(
                f"theta must have shape (m, {self.d}) for {', '.join(self.names)}, but it is "
                f"{theta.shape}."
            )
        return theta

    def _alive(self, theta: FloatArray) -> npt.NDArray[np.intp]:
        """Find the points inside the box and the region."""
        alive = np.flatnonzero(self.space.contains(theta))
        if self.region is not None and alive.size:
            # It asks the last wave first, the strictest: most points never see the others.
            alive = alive[self.region.contains(theta[alive])]
        return alive

    def _counted(self, values: FloatArray, theta: FloatArray) -> FloatArray:
        """Turn NaN into -inf and count it; plus infinity too: a chain would never leave it."""
        if values.shape != theta.shape[:1]:
            raise ShapeError(
                f"The likelihood of {len(theta)} points has shape {values.shape}, but one number a "
                "point is needed."
            )
        nan = np.isnan(values) | (values == np.inf)
        if nan.any():
            if self.first_nan is None:
                self.first_nan = theta[nan][0].copy()
            self.n_nan += int(nan.sum())
        return np.where(nan, -np.inf, values)

    def _log_jacobian(self, theta: FloatArray) -> FloatArray:
        """Log |d theta / d u|, shape (m,)."""
        return np.asarray(np.log(unit_slope(self.space, theta)).sum(axis=1))
