r"""How probable each datum is, given parameters and all other data.

Data with correlated errors have no likelihood that is a product over data. What leaves one datum
out is its density given the others, which a Gaussian has in closed form: with residuals r and the
precision matrix :math:`P = S^{-1}`,

.. math::
   y_i \mid y_{-i}, \theta \sim N\!\left(y_i - \frac{(P r)_i}{P_{ii}}, \frac{1}{P_{ii}}\right).

For independent errors that is the usual density of one datum. Where some data are limits, it is the
likelihood of all data over that of the others. Counts, Student's t and joint data have a method
``pointwise`` of their own.

References
----------
Bürkner, Gabry & Vehtari 2021, Computational Statistics 36, 1243, doi:10.1007/s00180-020-01045-4;
Sundararajan & Keerthi 2001, Neural Computation 13, 1103, doi:10.1162/08997660151134343
"""

from typing import Any

import numpy as np

from equatorium.checks import FloatArray, matrix
from equatorium.errors import NotFiniteError, ShapeError
from equatorium.inference.censoring import log_probability
from equatorium.inference.data_parts import require_gaussian, residuals
from equatorium.inference.likelihood_base import _fill
from equatorium.records.covariance import Covariance, Diagonal


def pointwise_log_likelihood(likelihood: Any, theta: Any) -> FloatArray:
    """Log-density of each datum given parameters and the other data.

    Parameters
    ----------
    likelihood : Likelihood
        Gaussian, or with a method ``pointwise(theta (m, d)) -> (m, q)`` of its own.
    theta : array, shape (m, d)
        Physical parameters, inside the box.

    Returns
    -------
    array, shape (m, q)
        NaN where the model gives no finite number, as of ``log_likelihood``: such a point harms no
        other one.

    Raises
    ------
    InputError
        If the likelihood does not know the densities of single data.
    """
    theta = matrix(theta, "theta")
    own = getattr(likelihood, "pointwise", None)
    if own is not None:
        values = np.asarray(own(theta), dtype=np.float64)
        if values.ndim != 2 or len(values) != len(theta):
            raise ShapeError(
                f"pointwise of {type(likelihood).__name__} must give one row for each of "
                f"{len(theta)} points, but its shape is {values.shape}."
            )
        return values
    gaussian = require_gaussian(likelihood, limits=True)
    limit = gaussian.observation.limit

    def each(t: FloatArray) -> tuple[FloatArray]:
        ((residual, total),) = residuals(gaussian, t)
        return (_conditional(residual, total) if limit is None else _ratio(residual, limit, total),)

    values = np.empty((len(theta), gaussian.q))
    _fill(each, theta, (values,), gaussian.chunk)
    return values


def finite_log_likelihood(likelihood: Any, theta: Any) -> FloatArray:
    """Log-density (m, q) as above, of draws, each of which has one.

    Raises
    ------
    NotFiniteError
        If one has none: of these data, under this likelihood, it cannot be a draw.
    """
    values = pointwise_log_likelihood(likelihood, theta)
    bad = ~np.isfinite(values).all(axis=1)
    if bad.any():
        first = int(np.argmax(bad))
        raise NotFiniteError(
            f"Of {len(values)} draws, {int(bad.sum())} have no finite density of each datum under "
            f"this {type(likelihood).__name__}, the first at {np.asarray(theta)[first].tolist()}. "
            "Give the likelihood that the draws were made with, and see what the model predicts "
            "there."
        )
    return values


def _conditional(residual: FloatArray, total: Covariance) -> FloatArray:
    precision = total.precision_diagonal()
    pull = total.solve(residual) / precision
    return np.asarray(0.5 * (np.log(precision / (2 * np.pi)) - precision * np.square(pull)))


def _ratio(residual: FloatArray, limit: Any, total: Covariance) -> FloatArray:
    every, limit = np.arange(residual.shape[1]), np.asarray(limit)
    if isinstance(total, Diagonal):  # the others tell nothing
        alone = (every[[i]] for i in every)
        each = [log_probability(residual[:, i], limit[i], total.marginal(i)) for i in alone]
        return np.stack(each, axis=1)
    without = [
        log_probability(residual[:, rest], limit[rest], total.marginal(rest))
        for rest in (np.delete(every, i) for i in every)
    ]
    return log_probability(residual, limit, total)[:, None] - np.stack(without, axis=1)
