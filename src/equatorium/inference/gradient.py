r"""The slope of the log-posterior, through the emulator and through the prior's normal scores.

With :math:`r = y - R\mu(\theta)`, :math:`S(\theta)` the total covariance and :math:`a = S^{-1} r`,

.. math::
   d\log L = a^T R\, d\mu + \tfrac12 \mathrm{tr}\left[(a a^T - S^{-1})\, R\, d\Sigma_{em} R^T\right]

where the second term holds the slope of the log-determinant. The emulator pulls both back to its
inputs (`predict_dist_vjp`); the chain rule does the rest.

**The convention for likelihoods.** A likelihood that knows its slope has a method
``log_likelihood_and_gradient(theta (m, d)) -> (values (m,), gradient (m, d))``, the gradient by the
physical parameters, the values those of `log_likelihood`; a row whose value is not finite may hold
anything in its gradient. If whether it knows depends on its parts (an emulator), it also has a
method ``why_no_gradient() -> str``, empty if it does. `GaussianLikelihood` is served here.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from equatorium.checks import FloatArray
from equatorium.errors import InputError, NotFiniteError, ShapeError
from equatorium.inference.likelihood import GaussianLikelihood
from equatorium.records.space import Space

Pair = tuple[FloatArray, FloatArray]

_ENTRIES = 2**24  # of the upstream gradient (m, p, p) that are held at once
_STEP = 1e-5  # of central differences in normal scores, where bounds depend on other parameters


def require_gradient(likelihood: Any) -> None:
    """Refuse a likelihood that does not know its slope.

    Raises
    ------
    InputError
        Saying why, and what to use instead.
    """
    reason = ""
    if hasattr(likelihood, "why_no_gradient"):
        reason = str(likelihood.why_no_gradient())
    elif hasattr(likelihood, "log_likelihood_and_gradient"):
        pass
    elif not isinstance(likelihood, GaussianLikelihood):
        reason = f"{type(likelihood).__name__} has no method log_likelihood_and_gradient"
    elif "gradient" not in likelihood.surrogate.emulator.capabilities_:
        emulator = type(likelihood.surrogate.emulator).__name__
        reason = f"the emulator {emulator} has no capability 'gradient' (trend-gp and gp have it)"
    if reason:
        raise InputError(
            f"This posterior has no gradient: {reason}. Use a sampler that needs none, such as "
            "emcee."
        )


def likelihood_and_gradient(likelihood: Any, theta: FloatArray) -> Pair:
    """Log-likelihood (m,) of points theta (m, d) and its gradient (m, d) by theta.

    Raises
    ------
    InputError
        If the likelihood has no gradient.
    ShapeError
        If it gives arrays of another shape.
    """
    own = getattr(likelihood, "log_likelihood_and_gradient", None)
    if own is None:
        require_gradient(likelihood)
        return gaussian_and_gradient(likelihood, theta)
    values, gradient = (np.asarray(a, dtype=np.float64) for a in own(theta))
    if values.shape != theta.shape[:1] or gradient.shape != theta.shape:
        raise ShapeError(
            f"log_likelihood_and_gradient of {type(likelihood).__name__} must give arrays of shape "
            f"{theta.shape[:1]} and {theta.shape}, but gives {values.shape} and {gradient.shape}."
        )
    return values, gradient


def gaussian_and_gradient(likelihood: GaussianLikelihood, theta: FloatArray) -> Pair:
    """Value (m,) and gradient (m, d) of the Gaussian likelihood; NaN where it cannot be had."""
    p = likelihood.surrogate.outputs.p
    chunk = min(likelihood.chunk, max(1, _ENTRIES // p**2))
    values, gradient = np.empty(len(theta)), np.empty(theta.shape)
    for start in range(0, len(theta), chunk):
        part = slice(start, start + chunk)
        values[part], gradient[part] = _isolating(lambda t: _gaussian(likelihood, t), theta[part])
    return values, gradient


def _gaussian(likelihood: GaussianLikelihood, theta: FloatArray) -> Pair:
    surrogate, R = likelihood.surrogate, likelihood.response
    own = likelihood.predict(theta)
    through = likelihood.emulator_covariance
    total = likelihood.constant + own.covariance if through else likelihood.constant
    r = likelihood.observation.values - own.mean
    a = total.solve(r)
    values = -0.5 * ((a * r).sum(axis=1) + total.logdet() + likelihood.q * np.log(2 * np.pi))
    p = R.shape[1]
    cov_bar = np.zeros((len(theta), p, p))
    if through:
        by_covariance = 0.5 * (a[:, :, None] * a[:, None, :] - np.linalg.inv(total.dense()))
        cov_bar = R.T @ by_covariance @ R
    u = np.clip(surrogate.space.to_unit(theta), 0.0, 1.0)
    by_unit = surrogate.emulator.predict_dist_vjp(u, a @ R, cov_bar)
    return values, by_unit / unit_slope(surrogate.space, theta)


def _isolating(function: Callable[[FloatArray], Pair], theta: FloatArray) -> Pair:
    """Evaluate a batch; points that cannot be predicted give NaN and do not harm others."""
    try:
        return function(theta)
    except NotFiniteError:
        if len(theta) == 1:
            return np.full(1, np.nan), np.full(theta.shape, np.nan)
        half = len(theta) // 2
        halves = [_isolating(function, t) for t in (theta[:half], theta[half:])]
        return np.concatenate([h[0] for h in halves]), np.concatenate([h[1] for h in halves])


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
