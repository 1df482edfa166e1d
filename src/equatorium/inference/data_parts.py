"""What the data's scatter about a prediction is made of, at points: the one place that asks."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from equatorium.checks import FloatArray
from equatorium.errors import InputError
from equatorium.inference.by_name import Columns
from equatorium.inference.likelihood import GaussianLikelihood
from equatorium.records.covariance import Covariance
from equatorium.records.observation import Observation
from equatorium.records.prediction import Gaussian
from equatorium.records.space import Space


def require_gaussian(likelihood: Any, limits: bool = False) -> GaussianLikelihood:
    """Return the likelihood, or raise InputError where it is not Gaussian.

    Data that are upper or lower limits are refused, too, unless `limits` are welcome.
    """
    if not isinstance(likelihood, GaussianLikelihood):
        raise InputError(
            f"This needs the covariances of a GaussianLikelihood, which {type(likelihood).__name__}"
            " does not have."
        )
    if likelihood.observation.limit is not None and not limits:
        raise InputError(
            "This is for measured data, but some of these are upper or lower limits, which have no "
            "residual."
        )
    return likelihood


def taken(
    theta: FloatArray, names: tuple[str, ...], space: Space | None, likelihood: Any
) -> FloatArray:
    """Values (m, k) of the likelihood's parameters at points theta (m, d) of these names.

    Raises
    ------
    InputError
        If the points do not tell a parameter that the likelihood takes.
    """
    own = tuple(getattr(likelihood, "names", names))
    if own == names:
        return theta
    if space is not None and set(own) <= set(space.all_names):
        return Columns(space, own).take(theta)
    if not set(own) <= set(names):
        raise InputError(
            f"The draws are of {', '.join(names)}, but the likelihood takes {', '.join(own)}."
        )
    return theta[:, [names.index(name) for name in own]]


def predictions(
    likelihood: GaussianLikelihood, theta: FloatArray
) -> Iterator[tuple[Gaussian, Mapping[str, Covariance]]]:
    """Predict the data at points (m, d), part of them at a time, beside the other covariances."""
    for start in range(0, len(theta), likelihood.chunk):
        part = theta[start : start + likelihood.chunk]
        yield likelihood.predict(part), likelihood.parts_at(part)


def total_covariance(
    likelihood: GaussianLikelihood, own: Gaussian, parts: Mapping[str, Covariance]
) -> Covariance:
    """Covariance of the data about predictions: the parts, and the emulator's if it counts."""
    first, *others = parts.values()
    total = first
    for part in others:
        total = total + part
    return total + own.covariance if likelihood.emulator_covariance else total


def residuals(
    likelihood: GaussianLikelihood, theta: FloatArray
) -> Iterator[tuple[FloatArray, Covariance]]:
    """Give data minus predictions (m, q) and their covariance, part of the points at a time."""
    for own, parts in predictions(likelihood, theta):
        yield likelihood.observation.values - own.mean, total_covariance(likelihood, own, parts)


def log_density(residual: FloatArray, total: Covariance) -> FloatArray:
    """Log of N(residual; 0, total), shape (m,)."""
    constant = residual.shape[-1] * np.log(2 * np.pi)
    return np.asarray(-0.5 * (total.mahalanobis(residual) + total.logdet() + constant))


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


def labels_of(likelihood: Any, q: int) -> tuple[str, ...]:
    """Name the q data of any likelihood: by its observation, by its parts', or by numbers."""
    observation = getattr(likelihood, "observation", None)
    if observation is not None:
        return datum_labels(observation)
    parts = getattr(likelihood, "parts", None)  # a joint one's
    if isinstance(parts, Mapping) and parts and all(hasattr(part, "q") for part in parts.values()):
        named = ((name, labels_of(part, part.q)) for name, part in parts.items())
        return tuple(f"{name}: {label}" for name, labels in named for label in labels)
    return tuple(map(str, range(q)))
