r"""How probable each datum is, given parameters and all other data.

Data with correlated errors have no likelihood that is a product over data. What leaves one datum
out is its density given the others, which a Gaussian has in closed form: with residuals r and the
precision matrix :math:`P = S^{-1}`,

.. math::
   y_i \mid y_{-i}, \theta \sim N\!\left(y_i - \frac{(P r)_i}{P_{ii}}, \frac{1}{P_{ii}}\right).

For independent errors that is the usual density of one datum.

References
----------
Bürkner, Gabry & Vehtari 2021, Computational Statistics 36, 1243, doi:10.1007/s00180-020-01045-4;
Sundararajan & Keerthi 2001, Neural Computation 13, 1103, doi:10.1162/08997660151134343
"""

from collections.abc import Iterator
from typing import Any

import numpy as np

from equatorium.checks import FloatArray, matrix
from equatorium.errors import InputError, ShapeError
from equatorium.inference.likelihood import GaussianLikelihood
from equatorium.records.covariance import Covariance
from equatorium.records.observation import Observation
from equatorium.records.prediction import Gaussian


def pointwise_log_likelihood(likelihood: Any, theta: Any) -> FloatArray:
    """Log-density of each datum given parameters and the other data.

    Parameters
    ----------
    likelihood : GaussianLikelihood
        Or any likelihood with a method ``pointwise(theta (m, d)) -> (m, q)`` of its own.
    theta : array, shape (m, d)
        Physical parameters, inside the box.

    Returns
    -------
    array, shape (m, q)

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
    require_gaussian(likelihood)
    return np.concatenate(
        [_conditional(residual, total) for residual, total in residuals(likelihood, theta)]
    )


def require_gaussian(likelihood: Any) -> GaussianLikelihood:
    """Return the likelihood, or raise InputError where it is not Gaussian with known parts."""
    if not isinstance(likelihood, GaussianLikelihood):
        raise InputError(
            f"This needs the covariances of a GaussianLikelihood, which {type(likelihood).__name__}"
            " does not have."
        )
    return likelihood


def predictions(likelihood: GaussianLikelihood, theta: FloatArray) -> Iterator[Gaussian]:
    """Predict the data at points (m, d), a part of them at a time, to bound memory."""
    for start in range(0, len(theta), likelihood.chunk):
        yield likelihood.predict(theta[start : start + likelihood.chunk])


def total_covariance(
    likelihood: GaussianLikelihood, own: Gaussian, constant: Covariance | None = None
) -> Covariance:
    """Covariance of the data about predictions (m,): the constant parts, and the emulator's."""
    constant = likelihood.constant if constant is None else constant
    return constant + own.covariance if likelihood.emulator_covariance else constant


def residuals(
    likelihood: GaussianLikelihood, theta: FloatArray
) -> Iterator[tuple[FloatArray, Covariance]]:
    """Give data minus predictions (m, q) and their covariance, part of the points at a time."""
    for own in predictions(likelihood, theta):
        yield likelihood.observation.values - own.mean, total_covariance(likelihood, own)


def datum_labels(observation: Observation) -> tuple[str, ...]:
    """Name the q data: by their names, coordinates or numbers.

    >>> datum_labels(Observation([1.0, 2.0], [0.1, 0.1], {"mass": [9.0, 9.5]}))
    ('mass=9', 'mass=9.5')
    """
    if observation.names is not None:
        return tuple(observation.names)
    if observation.coords:
        columns = [[f"{k}={x:.4g}" for x in values] for k, values in observation.coords.items()]
        return tuple(", ".join(row) for row in zip(*columns, strict=True))
    return tuple(str(i) for i in range(observation.q))


def _conditional(residual: FloatArray, total: Covariance) -> FloatArray:
    precision = total.precision_diagonal()
    pull = total.solve(residual) / precision
    return np.asarray(0.5 * (np.log(precision / (2 * np.pi)) - precision * np.square(pull)))
