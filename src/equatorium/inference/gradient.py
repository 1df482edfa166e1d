"""The slope of the log-posterior, through the likelihood and the prior's normal scores.

**The convention for likelihoods.** A likelihood that knows its slope has a method
``log_likelihood_and_gradient(theta (m, d)) -> (values (m,), gradient (m, d))``, the gradient by the
physical parameters, the values those of `log_likelihood`; a row whose value is not finite may hold
anything in its gradient. If whether it knows depends on its parts (an emulator), it also has a
method ``why_no_gradient() -> str``, empty if it does.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from equatorium.checks import FloatArray
from equatorium.errors import InputError, ShapeError
from equatorium.records.space import Space

Pair = tuple[FloatArray, FloatArray]

_STEP = 1e-5  # of central differences in normal scores, where bounds depend on other parameters


def require_gradient(likelihood: Any) -> None:
    """Refuse a likelihood that does not know its slope.

    Raises
    ------
    InputError
        Saying why, and what to use instead.
    """
    if reason := why_no_gradient(likelihood):
        raise InputError(
            f"This posterior has no gradient: {reason}. Use a sampler that needs none, such as "
            "emcee."
        )


def why_no_gradient(likelihood: Any) -> str:
    """Say why a likelihood does not know its slope; nothing if it does."""
    if hasattr(likelihood, "why_no_gradient"):
        return str(likelihood.why_no_gradient())
    if hasattr(likelihood, "log_likelihood_and_gradient"):
        return ""
    return f"{type(likelihood).__name__} has no method log_likelihood_and_gradient"


def likelihood_and_gradient(likelihood: Any, theta: FloatArray) -> Pair:
    """Log-likelihood (m,) of points theta (m, d) and its gradient (m, d) by theta.

    Raises
    ------
    InputError
        If the likelihood has no gradient.
    ShapeError
        If it gives arrays of another shape.
    """
    require_gradient(likelihood)
    both = likelihood.log_likelihood_and_gradient(theta)
    values, gradient = (np.asarray(a, dtype=np.float64) for a in both)
    if values.shape != theta.shape[:1] or gradient.shape != theta.shape:
        raise ShapeError(
            f"log_likelihood_and_gradient of {type(likelihood).__name__} must give arrays of shape "
            f"{theta.shape[:1]} and {theta.shape}, but gives {values.shape} and {gradient.shape}."
        )
    return values, gradient


def unit_slope(space: Space, theta: FloatArray) -> FloatArray:
    """Give d theta / d u (m, d): the width of the box, times theta where the scale is log."""
    slope = np.empty(theta.shape)
    for j, parameter in enumerate(space.parameters):
        if parameter.scale == "log":
            slope[:, j] = theta[:, j] * np.log(parameter.high / parameter.low)
        else:
            slope[:, j] = parameter.high - parameter.low
    return slope


def pulled_to_normal(
    space: Space, z: FloatArray, theta: FloatArray, gradient: FloatArray
) -> FloatArray:
    r"""Pull a gradient (m, d) by theta back to the normal scores z (m, d) with theta(z).

    Each parameter has :math:`d\theta_j/dz_j = \phi(z_j) / \pi_j(\theta_j)`. Where the bounds of
    some depend on others the Jacobian is not diagonal; then it comes from central differences of
    the map itself, which costs no likelihood.
    """
    if space.conditional:
        return slope_by_differences(space.from_normal, z, gradient)
    log_normal = -0.5 * (np.square(z) + np.log(2 * np.pi))
    log_prior = -np.log(unit_slope(space, theta))
    for j, parameter in enumerate(space.parameters):
        if not parameter.flat:
            log_prior[:, j] = parameter.distribution.logpdf(theta[:, j])
    with np.errstate(over="ignore", invalid="ignore"):
        return np.asarray(gradient * np.exp(log_normal - log_prior))


def slope_by_differences(
    function: Callable[[FloatArray], FloatArray], z: FloatArray, bar: FloatArray | None = None
) -> FloatArray:
    """Central differences (m, d) of a cheap function z (m, d) -> (m,), or of bar . function(z)."""
    result = np.empty(z.shape)
    for j in range(z.shape[1]):
        up, down = z.copy(), z.copy()
        up[:, j] += _STEP
        down[:, j] -= _STEP
        with np.errstate(invalid="ignore"):
            change = (function(up) - function(down)) / (2 * _STEP)
        result[:, j] = change if bar is None else (bar * change).sum(axis=1)
    return result
