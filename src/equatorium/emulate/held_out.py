"""What is kept of predictions whose truth is known: a few numbers a value, of which scores follow.

Predictions of any type are reduced to the same arrays, so that one set of scores serves them all.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from scipy.special import logsumexp

from equatorium.checks import FloatArray, finite, floats, read_only
from equatorium.emulate.ranked_probability import crps
from equatorium.errors import InputError, ShapeError, UnknownNameError
from equatorium.records.base import Record
from equatorium.records.prediction import Categorical, Mixture, Prediction, Weighted

Scale = Callable[[FloatArray], FloatArray] | None

_SURE = 1e-6  # of the spread of the truths: a standard deviation of zero has no density
_KERNEL = 1e-3


@dataclass(frozen=True, eq=False)
class HeldOut(Record):
    """Predicted distributions and what came, each (N, p).

    Parameters
    ----------
    truth, mean, std : array_like
        True values, predicted means and standard deviations.
    error : array_like
        (mean - truth), divided by a scale where one is given, such as 1 + z.
    pit : array_like
        Probability integral transforms F(truth).
    crps : array_like
        Continuous ranked probability scores, in the unit of the truth.
    log_density : array_like
        Natural logarithm of the predicted density at the truth.
    """

    truth: FloatArray
    mean: FloatArray
    std: FloatArray
    error: FloatArray
    pit: FloatArray
    crps: FloatArray
    log_density: FloatArray

    def __post_init__(self) -> None:
        for field in fields(self):
            object.__setattr__(self, field.name, read_only(getattr(self, field.name)))

    def subset(self, rows: Any) -> Self:
        """Take some of the rows."""
        return replace(self, **{f.name: getattr(self, f.name)[rows] for f in fields(self)})

    @classmethod
    def joined(cls, parts: Sequence[Self]) -> Self:
        """Put parts one after the other."""
        return cls(*(np.concatenate([getattr(p, f.name) for p in parts]) for f in fields(cls)))

    @classmethod
    def of(cls, prediction: Prediction, y: Any, scale: Scale = None, spread: Any = None) -> Self:
        """Reduce a prediction of the values y (m,) or (m, p).

        Parameters
        ----------
        prediction : Prediction
        y : array_like, shape (m, p), or (m,) for one output
        scale : callable, optional
            Of the truth: what the errors are divided by.
        spread : array_like, shape (p,), optional
            A typical width of the truths; by default their standard deviation.
        """
        truth = floats(y, "y")
        truth = truth[:, None] if truth.ndim == 1 else truth
        if truth.shape != prediction.mean.shape:
            raise ShapeError(
                f"y must have the shape of the prediction, {prediction.mean.shape}, but it has "
                f"{np.shape(y)}."
            )
        finite(truth, "y")
        spread = truth.std(axis=0) if spread is None else spread
        spread = np.where(spread > 0, spread, np.maximum(1.0, np.abs(truth).max(axis=0)))
        return cls(
            truth=truth,
            mean=prediction.mean,
            std=prediction.std,
            error=(prediction.mean - truth) / _divisor(scale, truth),
            pit=prediction.cdf(truth),
            crps=crps(prediction, truth),
            log_density=log_density(prediction, truth, spread),
        )


@dataclass(frozen=True, eq=False)
class HeldOutClasses(Record):
    """Predicted probabilities (N, c) and the classes' numbers that came, (N,).

    Parameters
    ----------
    truth : array_like of int, shape (N,)
    probability : array_like, shape (N, c)
    classes : sequence of c labels
    """

    truth: npt.NDArray[np.intp]
    probability: FloatArray
    classes: Sequence[Any]

    def __post_init__(self) -> None:
        codes = np.array(self.truth, dtype=np.intp)
        codes.setflags(write=False)
        object.__setattr__(self, "truth", codes)
        object.__setattr__(self, "probability", read_only(self.probability))
        object.__setattr__(self, "classes", tuple(self.classes))

    def subset(self, rows: Any) -> Self:
        """Take some of the rows."""
        return replace(self, truth=self.truth[rows], probability=self.probability[rows])

    @classmethod
    def joined(cls, parts: Sequence[Self]) -> Self:
        """Put parts one after the other."""
        truth = np.concatenate([part.truth for part in parts])
        return cls(truth, np.concatenate([p.probability for p in parts]), parts[0].classes)

    @classmethod
    def of(cls, prediction: Categorical, y: Any, classes: Sequence[Any] | None = None) -> Self:
        """Reduce a prediction of the labels y (m,); classes that it does not know get zero."""
        known = np.asarray(prediction.classes)
        every = known if classes is None else np.asarray(classes)
        y = np.asarray(y)
        if y.shape != (prediction.m,):
            raise ShapeError(f"y must hold {prediction.m} labels, but its shape is {y.shape}.")
        hits = y[:, None] == every
        if not hits.any(axis=1).all():
            odd = y[~hits.any(axis=1)].tolist()[0]
            raise UnknownNameError(f"{odd!r} is not one of the classes {every.tolist()}.")
        where = known[:, None] == every
        if not where.any(axis=1).all():
            raise InputError(f"The prediction has classes {known.tolist()}, not {every.tolist()}.")
        return cls(hits.argmax(axis=1), prediction.probabilities @ where, every.tolist())


def log_density(prediction: Prediction, y: FloatArray, spread: FloatArray) -> FloatArray:
    """Log density of single outputs at y (m, p), shape (m, p).

    Draws have none; a Gaussian kernel of Silverman's width is put on each (`Weighted.smoothed`), at
    least a thousandth of ``spread`` (p,) wide. Gaussians are at least a millionth of it wide.
    """
    if isinstance(prediction, Weighted):
        w = np.asarray(prediction.weights)
        # One output alone: p = 1 in Silverman's rule.
        square = np.square(w).sum(axis=0)[:, None]
        own = prediction.variance * (4 * square / 3) ** 0.4 / np.maximum(1 - square, 1e-9)
        variance = np.maximum(own, (_KERNEL * spread) ** 2)
        return _mixed(w, prediction.values, variance, y)
    floor = (_SURE * spread) ** 2
    if isinstance(prediction, Mixture):
        each = np.stack([member.variance for member in prediction.members]) + floor
        return _mixed(prediction.weights, prediction.means, each, y)
    variance = prediction.variance + floor
    z2 = (y - prediction.mean) ** 2 / variance
    return np.asarray(-0.5 * (z2 + np.log(2 * np.pi * variance)))


def _mixed(w: FloatArray, means: FloatArray, variance: FloatArray, y: FloatArray) -> FloatArray:
    single = -0.5 * ((y - means) ** 2 / variance + np.log(2 * np.pi * variance))
    with np.errstate(divide="ignore"):
        return np.asarray(logsumexp(single + np.log(w)[..., None], axis=0))


def _divisor(scale: Scale, truth: FloatArray) -> FloatArray:
    """Evaluate what errors are divided by."""
    if scale is None:
        return np.ones_like(truth)
    if not callable(scale):
        raise InputError(
            f"scale must be a function of the true values, such as lambda z: 1 + z, not {scale!r}."
        )
    divisor = floats(scale(truth), "scale(y)")
    finite(divisor, "scale(y)")
    try:
        divisor = np.broadcast_to(divisor, truth.shape)
    except ValueError as error:
        raise ShapeError(
            f"scale(y) must have the shape of y, {truth.shape}, not {divisor.shape}."
        ) from error
    if not (divisor > 0).all():
        raise InputError(f"scale(y) must be positive, but it reaches {divisor.min():g}.")
    return divisor
