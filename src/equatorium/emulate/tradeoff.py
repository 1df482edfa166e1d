r"""Bias and variance of a method, and what averaging does about the second.

Of predictions f learned from many data sets D, at a point x with the true value t(x),

.. math:: \big\langle (f_D(x) - t(x))^2 \big\rangle_D
    = \big(\langle f_D(x) \rangle_D - t(x)\big)^2 + \mathrm{Var}_D f_D(x),

error = bias squared + variance. The mean of B predictions whose errors have a mean square
:math:`\sigma^2` and a correlation :math:`\rho` has

.. math:: \rho\, \sigma^2 + (1 - \rho)\, \sigma^2 / B.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.base import clone

from equatorium import registry
from equatorium.checks import FloatArray, Rng, floats, generator, matrix, read_only
from equatorium.emulate.candidates import models_of
from equatorium.emulate.conformal import Conformal
from equatorium.errors import InputError, ShapeError
from equatorium.records.base import Record


@dataclass(frozen=True, eq=False)
class BiasVariance(Record):
    """What R data sets taught a method, at m points.

    Parameters
    ----------
    predicted : array_like, shape (R, m)
        One row a data set.
    truth : array_like, shape (m,)
        Where only noisy values are known, their noise counts as bias.
    """

    predicted: FloatArray
    truth: FloatArray

    def __post_init__(self) -> None:
        for name in ("predicted", "truth"):
            object.__setattr__(self, name, read_only(getattr(self, name)))

    @property
    def variance(self) -> FloatArray:
        """Variance over data sets, shape (m,)."""
        return np.asarray(self.predicted.var(axis=0, ddof=1))

    @property
    def bias2(self) -> FloatArray:
        """Square of the bias, shape (m,), less what R data sets leave of the variance in it.

        Free of bias itself, so that it can be a little negative.
        """
        r = len(self.predicted)
        return np.asarray((self.predicted.mean(axis=0) - self.truth) ** 2 - self.variance / r)

    @property
    def single(self) -> float:
        """Mean squared error of one data set's prediction, over data sets and points."""
        return float(np.mean((self.predicted - self.truth) ** 2))

    @property
    def averaged(self) -> float:
        """Mean squared error of the mean of all R predictions, over points."""
        return float(np.mean((self.predicted.mean(axis=0) - self.truth) ** 2))

    def summary(self) -> str:
        """Give the parts in one line."""
        return (
            f"{len(self.predicted)} data sets: error {self.single:.4g} = bias^2 "
            f"{self.bias2.mean():.4g} + variance {self.variance.mean():.4g}; of the mean of all "
            f"{self.averaged:.4g}"
        )


def bias_variance(
    method: Any,
    source: Any,
    X: Any,
    truth: Any,
    *,
    repeats: int = 100,
    rng: Rng = 0,
) -> BiasVariance:
    """Learn from many data sets, and take the errors apart.

    Parameters
    ----------
    method : a registered name, spec, Emulator, or regressor of scikit-learn
    source : callable, or a tuple (X, y)
        ``source(rng)`` gives a data set (X, y) of one output. Of a tuple, bootstrap samples are
        taken: the variance is then that of what bagging averages.
    X : array_like, shape (m, d)
        Where to predict.
    truth : array_like, shape (m,)
        True values there.
    repeats : int
        Data sets.
    rng : int, Generator or None

    Returns
    -------
    BiasVariance

    References
    ----------
    Geman S., Bienenstock E. & Doursat R. 1992, Neural Computation 4, 1,
    doi:10.1162/neco.1992.4.1.1

    Examples
    --------
    >>> from sklearn.linear_model import LinearRegression
    >>> def line(rng):
    ...     x = rng.uniform(-1, 1, (20, 1))
    ...     return x, x[:, 0] ** 2 + 0.1 * rng.normal(size=20)
    >>> x = np.linspace(-1, 1, 50)[:, None]
    >>> parts = bias_variance(LinearRegression(), line, x, x[:, 0] ** 2)
    >>> bool(parts.bias2.mean() > 5 * parts.variance.mean())
    True
    """
    query = matrix(X, "X")
    target = floats(truth, "truth")
    if target.shape != (len(query),):
        raise ShapeError(f"truth must hold {len(query)} values, but its shape is {target.shape}.")
    if isinstance(repeats, bool) or not isinstance(repeats, int) or repeats < 2:
        raise InputError(f"repeats must be a whole number of at least 2, not {repeats!r}.")
    model = next(iter(models_of([method], "regression", simple=False).values()))
    if isinstance(model, Conformal) and not isinstance(
        registry.from_spec("emulator", method), Conformal
    ):
        model = model.predictor  # its points are wanted, not its distribution
    rng = generator(rng)
    draw = source if callable(source) else _bootstrap(source)
    predicted = np.empty((repeats, len(query)))
    for r in range(repeats):
        drawn = draw(rng)
        if not isinstance(drawn, tuple | list) or len(drawn) != 2:
            raise InputError(f"source(rng) must give (X, y), but it gave {drawn!r:.80}.")
        points = clone(model).fit(*drawn).predict(query)
        if np.size(points) != len(query):
            raise ShapeError(f"y must hold a single output, but {np.shape(points)} was predicted.")
        predicted[r] = np.reshape(points, len(query))
    return BiasVariance(predicted, target)


@dataclass(frozen=True, eq=False)
class ErrorLaw(Record):
    """How the error of a mean falls with the number of members.

    Parameters
    ----------
    square : float
        Mean squared error of one member.
    correlation : float
        Of the errors of two members.
    """

    square: float
    correlation: float

    def __call__(self, members: Any) -> FloatArray:
        """Mean squared error of the mean of so many members."""
        b = np.asarray(members, dtype=np.float64)
        rho = self.correlation
        return np.asarray(self.square * (rho + (1 - rho) / b))


def error_law(errors: Any) -> ErrorLaw:
    """Measure the law of an ensemble's error from the errors of its members.

    Parameters
    ----------
    errors : array_like, shape (B, m)
        (predicted - true) of B members at m points; best on data that none has seen.

    Returns
    -------
    ErrorLaw
        Called with a number of members, it gives the mean squared error of their mean.

    References
    ----------
    Breiman L. 2001, Machine Learning 45, 5, doi:10.1023/A:1010933404324

    Examples
    --------
    >>> law = error_law([[1.0, -1.0, 1.0, -1.0], [1.0, -1.0, -1.0, 1.0]])
    >>> law.correlation, float(law(2))
    (0.0, 0.5)
    """
    e = matrix(errors, "errors")
    b = len(e)
    if b < 2:
        raise InputError("a correlation needs the errors of at least 2 members.")
    square = float(np.mean(e**2))
    # <(sum e)^2> = B <e^2> + B (B - 1) <e e'>
    product = (np.mean(e.sum(axis=0) ** 2) - b * square) / (b * (b - 1))
    return ErrorLaw(square, float(product / square) if square > 0 else 1.0)


def _bootstrap(data: Any) -> Callable[[np.random.Generator], tuple[FloatArray, FloatArray]]:
    if not isinstance(data, tuple | list) or len(data) != 2:
        raise InputError(f"source must be a function of rng, or (X, y), not {data!r:.80}.")
    inputs, y = matrix(data[0], "X"), floats(data[1], "y")
    if y.shape != (len(inputs),):
        raise ShapeError(f"y must hold {len(inputs)} values, but its shape is {y.shape}.")

    def draw(rng: np.random.Generator) -> tuple[FloatArray, FloatArray]:
        chosen = rng.integers(len(y), size=len(y))
        return inputs[chosen], y[chosen]

    return draw
