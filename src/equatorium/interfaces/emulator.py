"""What predicts numbers: an emulator's contract, and the template that keeps it in a few lines.

A new emulator writes `_fit` and `_predict_dist` only; checking inputs, number of dimensions, state
and files come with the base class::

    class Ridge(Emulator):
        def __init__(self, *, alpha=1.0):
            self.alpha = alpha

        def _fit(self, X, Y, noise):
            A = np.column_stack([np.ones(len(X)), X])
            self.coef_ = np.linalg.solve(A.T @ A + self.alpha * np.eye(A.shape[1]), A.T @ Y)
            self.variance_ = np.mean((Y - A @ self.coef_) ** 2, axis=0)

        def _predict_dist(self, X):
            mean = np.column_stack([np.ones(len(X)), X]) @ self.coef_
            return Gaussian(mean, Diagonal(np.broadcast_to(self.variance_, mean.shape)))
"""

import copy
from abc import abstractmethod
from typing import Any, ClassVar, Self

import numpy as np
from sklearn.base import RegressorMixin

from equatorium.checks import FloatArray, finite, floats
from equatorium.errors import InputError, NotFiniteError, ShapeError
from equatorium.interfaces.model import Model
from equatorium.records.prediction import Prediction

_HUGE = 1e150


class Emulator(RegressorMixin, Model):
    """Base class of all that predicts numbers with their uncertainty.

    Subclasses define `_fit` and `_predict_dist`. By capability they also define

    - ``joint``: ``predict_joint(X, output) -> (m, m)``, the covariance across points;
    - ``gradient``: ``predict_dist_vjp(X, mean_bar (m, p), cov_bar (m, p, p)) -> (m, d)``;
    - ``loo``: ``loo() -> Prediction`` of every run from all others;
    - ``update``: ``update(X, y) -> self``.

    Attributes
    ----------
    y_ndim_ : int
        1 or 2, as y had in `fit`.
    n_outputs_ : int
        The number of outputs p.
    """

    # One without a variance says so: history matching and likelihoods then refuse it.
    capabilities: ClassVar[frozenset[str]] = frozenset({"variance"})
    y_ndim_: int
    n_outputs_: int

    def fit(self, X: Any, y: Any, *, noise: Any = None) -> Self:
        """Learn the outputs as functions of the inputs.

        Parameters
        ----------
        X : array_like, shape (n, d)
        y : array_like, shape (n,) or (n, p)
        noise : array_like, shape (n,) or (n, p), optional
            The declared variance of y, independent between runs. It is no part of a prediction.

        Raises
        ------
        InputError
            If an array has the wrong shape or values that are not finite, or if noise is declared
            to an emulator that has no capability ``noise``.
        """
        X, Y, noise = self._validate_fit(X, y, noise)
        return self._fit_whole(X, Y, noise)

    def predict_dist(self, X: Any) -> Prediction:
        """Predict the distribution of the outputs, (m, p): all that was learned, no declared noise.

        Parameters
        ----------
        X : array_like, shape (m, d)
        """
        X = self._validate_query(X)
        prediction = self._predict_dist(X)
        # What is of another shape may be broadcast further on, and give wrong numbers.
        shape = prediction.mean.shape if isinstance(prediction, Prediction) else None
        if shape != (len(X), self.n_outputs_):
            found = type(prediction).__name__ if shape is None else f"one of shape {shape}"
            raise ShapeError(
                f"{type(self).__name__} must give a Prediction of {self.n_outputs_} outputs at "
                f"{len(X)} points, but gave {found}: its _predict_dist is wrong."
            )
        return prediction

    def predict(self, X: Any, return_std: bool = False) -> Any:
        """Predict the mean, and the standard deviation if asked, with y's number of dimensions.

        Parameters
        ----------
        X : array_like, shape (m, d)
        return_std : bool

        Returns
        -------
        mean : ndarray, shape (m,) or (m, p)
        std : ndarray of the same shape, only with ``return_std``
        """
        prediction = self.predict_dist(X)
        column = (slice(None), 0) if self.y_ndim_ == 1 else slice(None)
        mean = prediction.mean[column]
        return (mean, prediction.std[column]) if return_std else mean

    @abstractmethod
    def _fit(self, X: FloatArray, Y: FloatArray, noise: FloatArray | None) -> None:
        """Learn from checked arrays X (n, d), Y (n, p), noise (n, p) or None."""

    @abstractmethod
    def _predict_dist(self, X: FloatArray) -> Prediction:
        """Predict at checked points X (m, d)."""

    def _validate_fit(
        self, X: Any, y: Any, noise: Any = None
    ) -> tuple[FloatArray, FloatArray, FloatArray | None]:
        """Check what `fit` was given; learn its shape; forget an earlier fit."""
        X, y = self._validate(X, y=y, reset=True, y_numeric=True, multi_output=True)
        self.y_ndim_ = y.ndim
        Y = _numbers(y).reshape(len(X), -1)
        self.n_outputs_ = Y.shape[1]
        span, most = np.ptp(Y), np.abs(Y).max()
        if most > _HUGE or 0 < span < 1 / _HUGE:
            raise InputError(
                f"y reaches {most:.2g} and spans {span:.2g}, whose squares no double can hold: "
                f"give it in other units."
            )
        return X, Y, self._validate_noise(noise, Y)

    def _validate_update(
        self, X: Any, y: Any, noise: Any = None
    ) -> tuple[FloatArray, FloatArray, FloatArray | None]:
        """Check further runs as `fit` checks the first; forget nothing."""
        twin = copy.copy(self)
        X, Y, noise = twin._validate_fit(self._validate_query(X), y, noise)
        if (twin.n_outputs_, twin.y_ndim_) != (self.n_outputs_, self.y_ndim_):
            expected = ("m",) if self.y_ndim_ == 1 else ("m", self.n_outputs_)
            raise ShapeError(
                f"y has shape {np.shape(y)}; for an update of what was fitted it must have shape "
                f"({', '.join(map(str, expected))}{',' * (self.y_ndim_ == 1)})."
            )
        return X, Y, noise

    def _validate_query(self, X: Any) -> FloatArray:
        """Check points at which to predict."""
        # Samplers ask a million times: what is plainly right is let through at once.
        if (
            type(X) is np.ndarray
            and X.dtype == np.float64
            and X.ndim == 2
            and len(X)
            and X.shape[1] == getattr(self, "n_features_in_", None)
            and not hasattr(self, "feature_names_in_")
            and np.isfinite(X).all()
        ):
            return X
        checked: FloatArray = self._validate(X, reset=False)
        return checked

    def _validate_noise(self, noise: Any, Y: FloatArray) -> FloatArray | None:
        """Bring the declared variance to the shape of Y."""
        if noise is None:
            return None
        if "noise" not in self.capabilities_:
            raise InputError(
                f"{type(self).__name__} makes no use of the noise of the runs; leave noise out, "
                f"or take an emulator with the capability 'noise'."
            )
        variance = floats(noise, "noise")
        if variance.shape not in (Y.shape, Y.shape[:1]):
            raise ShapeError(
                f"noise must have shape {Y.shape[:1]} or {Y.shape}, one variance a run or a "
                f"value, not {variance.shape}."
            )
        if not np.isfinite(variance).all():
            raise NotFiniteError("noise holds NaN or infinity; declare a finite variance.")
        if (variance < 0).any():
            raise InputError(f"noise is a variance, but its smallest value is {variance.min()}.")
        if variance.max() > _HUGE:
            raise InputError(
                f"noise reaches {variance.max():.2g}; leave out runs that say nothing, or give y "
                f"in other units."
            )
        column = variance if variance.ndim == 2 else variance[:, None]
        return np.broadcast_to(column, Y.shape).copy()

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags


def _numbers(y: Any) -> FloatArray:
    """Check what scikit-learn lets pass: text, dates, None."""
    try:
        found = floats(y, "y")
    except InputError as error:
        raise InputError(f"{error} For labels take a classifier.") from error
    finite(found, "y")
    return found
