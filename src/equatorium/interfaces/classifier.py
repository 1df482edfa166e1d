"""What predicts classes: probabilities first, the label is the most probable one."""

from abc import abstractmethod
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from sklearn.base import ClassifierMixin
from sklearn.utils.multiclass import check_classification_targets

from equatorium.checks import FloatArray
from equatorium.errors import InputError
from equatorium.interfaces.model import Model
from equatorium.records.prediction import Categorical


class Classifier(ClassifierMixin, Model):
    """Base class of classifiers; subclasses define `_fit` and `_predict_proba`.

    Attributes
    ----------
    classes_ : ndarray, shape (c,)
        The labels seen in `fit`, sorted.
    """

    classes_: npt.NDArray[Any]

    def fit(self, X: Any, y: Any) -> Self:
        """Learn the classes.

        Parameters
        ----------
        X : array_like, shape (n, d)
        y : array_like, shape (n,)
            Labels: text or whole numbers.

        Raises
        ------
        InputError
            If the arrays do not fit, or y holds measurements instead of labels, or labels that are
            missing or of several kinds.
        """
        X, y = self._validate(X, y=y, reset=True)
        try:
            check_classification_targets(y)
            if y.dtype.kind in "mM":
                raise TypeError("They are dates.")
            self.classes_, codes = np.unique(y, return_inverse=True)
        except (ValueError, TypeError) as error:
            raise InputError(
                f"y must hold labels of one kind, text or whole numbers, none of them missing: "
                f"leave out rows without one, make others y.astype(str) or y.astype(int). {error}"
            ) from error
        return self._fit_whole(X, codes)

    def predict_proba(self, X: Any) -> FloatArray:
        """Return the probability of every class, shape (m, c)."""
        return self._predict_proba(self._validate(X, reset=False))

    def predict_dist(self, X: Any) -> Categorical:
        """Return the distribution over the classes."""
        return Categorical(self.predict_proba(X), self.classes_.tolist())

    def predict(self, X: Any) -> npt.NDArray[Any]:
        """Return the most probable label of every row, shape (m,)."""
        most_probable = np.argmax(self.predict_proba(X), axis=1)
        return np.asarray(self.classes_[most_probable])

    @abstractmethod
    def _fit(self, X: FloatArray, codes: npt.NDArray[np.intp]) -> None:
        """Learn from checked X (n, d) and the classes' numbers 0..c-1, shape (n,)."""

    @abstractmethod
    def _predict_proba(self, X: FloatArray) -> FloatArray:
        """Return probabilities, (m, c), rows summing to one."""
