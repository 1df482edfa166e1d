r"""How little it takes to mislead a network: inputs moved against it, beside noise of that size.

.. math:: x' = x + \epsilon \, s \, \mathrm{sign} \, \nabla_x \, (-\ln p(y \,|\, x))

moves every input by at most :math:`\epsilon` of its scale s, the errors of the data where they are
known. A model that is right in noise of this size, but wrong at x', has learned features that the
eye, or the physics, does not see.

Goodfellow I. J., Shlens J. & Szegedy C. 2015, ICLR, arXiv:1412.6572
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from equatorium.checks import FloatArray, Rng, floats, generator, matrix, vector
from equatorium.errors import InputError, ShapeError

_ROWS = 256  # moved at once


@dataclass(frozen=True)
class Sensitivity:
    """How a score falls with the size of a change of the inputs.

    Attributes
    ----------
    epsilon : ndarray, shape (e,)
        Sizes, 0 first.
    attacked, noisy : ndarray, shape (e,)
        The score where inputs are moved against the model, and by as much with random signs.
    score : str
        ``"accuracy"`` of a classifier, ``"rms error"`` of an emulator, in units of y.
    unit : str
        Of `epsilon`.
    """

    epsilon: FloatArray
    attacked: FloatArray
    noisy: FloatArray
    score: str
    unit: str


def sensitivity(
    model: Any,
    X: Any,
    y: Any,
    epsilon: float | Sequence[float] = (0.05, 0.1, 0.2),
    *,
    errors: Any = None,
    limits: tuple[float, float] | None = None,
    rng: Rng = 0,
) -> Sensitivity:
    """Score a model on inputs moved against it, and on inputs moved at random.

    Parameters
    ----------
    model : classifier with ``predict_proba_vjp``, or emulator with the capability ``gradient``
    X : array_like, shape (n, d)
    y : array_like, shape (n,) or (n, p)
        The truth.
    epsilon : float or sequence of float
    errors : array_like, shape (n, d) or (d,), optional
        Standard deviations of X: the unit of `epsilon`, otherwise that of X.
    limits : tuple of float, optional
        Lowest and highest value that an input can have, such as (0, 1) of pixels.
    rng : int, Generator or None

    Returns
    -------
    Sensitivity
    """
    X, scale = _with_scale(X, errors)
    y = np.asarray(y)
    sizes = np.append(0.0, vector(np.atleast_1d(epsilon), "epsilon"))
    if (sizes < 0).any():
        raise InputError(f"epsilon must hold numbers from 0, not {epsilon!r:.80}.")
    uphill = _uphill(model, X, y) * scale
    by_chance = generator(rng).choice([-1.0, 1.0], X.shape) * scale
    judged = [
        [_score(model, _within(X + size * step, limits), y) for size in sizes]
        for step in (uphill, by_chance)
    ]
    return Sensitivity(
        sizes,
        np.array(judged[0]),
        np.array(judged[1]),
        "accuracy" if hasattr(model, "predict_proba") else "rms error",
        "the inputs" if errors is None else "their errors",
    )


def attack(
    model: Any,
    X: Any,
    y: Any,
    epsilon: float,
    *,
    errors: Any = None,
    limits: tuple[float, float] | None = None,
) -> FloatArray:
    """Return X moved against the model by the fast gradient sign method; see `sensitivity`."""
    X, scale = _with_scale(X, errors)
    return _within(X + epsilon * scale * _uphill(model, X, np.asarray(y)), limits)


def _with_scale(X: Any, errors: Any) -> tuple[FloatArray, FloatArray]:
    X = matrix(X, allow_nan=True)  # the model says whether NaN may be
    scale = np.ones(X.shape[1]) if errors is None else floats(errors, "errors")
    if scale.shape not in (X.shape, X.shape[1:]):
        raise ShapeError(
            f"errors must have shape {X.shape} or {X.shape[1:]}, as X or its columns, not "
            f"{scale.shape}."
        )
    if not (np.isfinite(scale).all() and (scale >= 0).all()):
        raise InputError("errors are standard deviations: finite, and not negative.")
    return X, scale


def _within(X: FloatArray, limits: tuple[float, float] | None) -> FloatArray:
    return X if limits is None else np.clip(X, *limits)


def _uphill(model: Any, X: FloatArray, y: Any) -> FloatArray:
    """Return the sign of the gradient of the loss, some rows at a time."""
    slope = _slope_of_class if hasattr(model, "predict_proba_vjp") else _slope_of_numbers
    if slope is _slope_of_numbers and not hasattr(model, "predict_dist_vjp"):
        raise InputError(f"{type(model).__name__} gives no gradients; take a network.")
    if len(y) != len(X):
        raise ShapeError(f"X has {len(X)} rows, but y has {len(y)}.")
    parts = [slice(start, start + _ROWS) for start in range(0, len(X), _ROWS)]
    return np.sign(np.concatenate([slope(model, X[rows], y[rows]) for rows in parts]))


def _slope_of_class(model: Any, X: FloatArray, y: Any) -> FloatArray:
    chances = model.predict_proba(X)
    codes = np.searchsorted(model.classes_, y)
    if not np.isin(y, model.classes_).all():
        raise InputError(f"y holds labels other than those learned, {model.classes_.tolist()}.")
    rows = np.arange(len(X))
    bar = np.zeros_like(chances)
    bar[rows, codes] = -1.0 / np.maximum(chances[rows, codes], 1e-300)
    found: FloatArray = model.predict_proba_vjp(X, bar)
    return found


def _slope_of_numbers(model: Any, X: FloatArray, y: Any) -> FloatArray:
    prediction = model.predict_dist(X)
    error = prediction.mean - np.asarray(y, dtype=np.float64).reshape(prediction.mean.shape)
    nothing = np.zeros((*error.shape, error.shape[1]))
    found: FloatArray = model.predict_dist_vjp(X, error / prediction.variance, nothing)
    return found


def _score(model: Any, X: FloatArray, y: Any) -> float:
    found = model.predict(X)
    if hasattr(model, "predict_proba"):
        return float((found == y).mean())
    return float(np.sqrt(np.mean((found - np.asarray(y).reshape(found.shape)) ** 2)))
