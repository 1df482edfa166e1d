"""Classifiers that are networks: trained together, their probabilities averaged and calibrated."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
import torch

from equatorium import Classifier
from equatorium.checks import FloatArray
from equatorium.errors import InputError, StateError
from equatorium_nets.examples import most_held
from equatorium_nets.fitting import held_out, seeds_of, trained
from equatorium_nets.heads import best_temperature, cross_entropy, probabilities
from equatorium_nets.networks import Networks, checked_bar


@dataclass(kw_only=True, eq=False, repr=False)
class NetworkClassifier(Networks, Classifier):
    r"""Base class of classifiers that are K networks of one architecture.

    .. math:: p(c \,|\, x) = \frac{1}{K} \sum_k \mathrm{softmax}_c (a_k(x) / T)

    where the temperature T is the one that gives held-out labels the highest probability, each
    counted as in the loss.

    Parameters
    ----------
    class_weight : str, dict, list or None
        What the classes count in the loss, by label (1 where none is given); ``"balanced"``: rare
        ones as much as frequent ones. Labels that are numbers stand in a list of pairs, ``[(0,
        1.0), (1, 5.0)]``, if the model is to be saved.

    Attributes
    ----------
    weights_ : dict of ndarray, shapes (K, ...)
    temperature_ : float
    history_ : dict of ndarray
        ``loss`` and ``validation_loss`` at every epoch.

    References
    ----------
    Guo C., Pleiss G., Sun Y. & Weinberger K. 2017, ICML, doi:10.48550/arXiv.1706.04599
    """

    EPOCHS: ClassVar[int] = 100
    class_weight: str | Mapping[Any, float] | Sequence[Any] | None = None
    patience: int | None = 30

    def fit(self, X: Any, y: Any, *, ivar: Any = None) -> Self:
        """Learn the classes.

        Parameters
        ----------
        X : array_like or h5py.Dataset, shape (n, d)
            A dataset stays in its file, and is read in batches.
        y : array_like, shape (n,)
            Labels: text or whole numbers.
        ivar : array_like, shape (n, d) or (d,), optional
            Inverse variances of X, for the augmentation ``errors`` and for `adversarial`.
        """
        return self._fitted(super().fit, X, y, ivar)

    def _fit(self, X: Any, codes: Any) -> None:
        *seeds, rng = seeds_of(self.random_state, self.n_members)
        fit, held = held_out(len(X), self.validation, rng, codes, most_held(X))
        rows = self._examples(X, fit)
        c = len(self.classes_)
        numbers, weight = torch.from_numpy(codes), self._class_weights(codes)

        def loss(out: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
            of_class = None if weight is None else out.new_tensor(weight)
            return cross_entropy(out, numbers.to(out.device)[rows], of_class)

        members, self.history_ = trained(self, rows, c, loss, held, tuple(seeds), (codes,))
        self.weights_ = members.arrays()
        self.temperature_ = 1.0
        if len(held):
            out = self._built(X.shape[1], c, self.weights_).predict(rows.take(held))
            self.temperature_ = best_temperature(out, codes[held], weight)

    def _class_weights(self, codes: Any) -> FloatArray | None:
        if self.class_weight is None:
            return None
        if not isinstance(self.class_weight, str):
            try:
                given = dict(self.class_weight)
            except (TypeError, ValueError):
                given = None
            if given is not None and len(given) == len(self.class_weight):
                return self._given_weights(given)
        if self.class_weight != "balanced":
            raise InputError(
                f"class_weight must be None, 'balanced', or label and weight, each once, in a "
                f"dict or in pairs, not {self.class_weight!r:.80}."
            )
        count = np.bincount(codes)
        return np.asarray(len(codes) / (len(count) * count))

    def _given_weights(self, given: Mapping[Any, float]) -> FloatArray:
        for label, weight in given.items():
            if not isinstance(weight, int | float | np.number) or not 0 <= weight < np.inf:
                raise InputError(
                    f"class_weight of {label!r} must be a number from 0, not {weight!r}."
                )
        labels = self.classes_.tolist()
        unknown = [label for label in given if label not in labels]
        # Folds may lack a rare class; a label that is spelt wrong leaves its class without weight.
        if unknown and not set(labels) <= set(given):
            raise InputError(
                f"class_weight names {unknown[0]!r}, but the classes of y are {labels[:20]}."
            )
        return np.array([float(given.get(label, 1.0)) for label in labels])

    def _predict_proba(self, X: FloatArray) -> FloatArray:
        return probabilities(self.module_.predict(self._scaled(X)), self.temperature_)

    def predict_members(self, X: Any) -> FloatArray:
        """Return every member's probabilities, shape (K, m, c)."""
        out = self.module_.predict(self._scaled(self._validate(X, reset=False)))
        each = out.reshape(self.module_.n, -1, *out.shape[1:])
        return np.stack([probabilities(one, self.temperature_) for one in each])

    def predict_proba_vjp(self, X: Any, proba_bar: Any) -> FloatArray:
        """Return the slope of sum(predict_proba(X) proba_bar) with X, shape (m, d).

        Parameters
        ----------
        X : array_like, shape (m, d)
        proba_bar : array_like, shape (m, c)
        """
        X = self._validate(X, reset=False)
        bar = self.module_.tensor(checked_bar(proba_bar, "proba_bar", (len(X), len(self.classes_))))
        slopes = []
        for start in range(0, len(X), self.module_.rows):
            these = slice(start, start + self.module_.rows)
            with torch.enable_grad():
                x = self.module_.tensor(self._scaled(X[these])).requires_grad_()
                chances = torch.softmax(self.module_.shared(x) / self.temperature_, dim=-1)
                slopes += torch.autograd.grad((chances.mean(dim=0) * bar[these]).sum(), x)
        return np.concatenate([slope.cpu().numpy() for slope in slopes]) / self.x_scale_

    def _numbers_of(self, state: Mapping[str, Any]) -> int:
        temperature, classes = state.get("temperature_"), state.get("classes_")
        if not (isinstance(temperature, float) and 0 < temperature < np.inf):
            raise StateError("'temperature_' of the state must be a positive number.")
        if not isinstance(classes, np.ndarray) or classes.ndim != 1 or not len(classes):
            raise StateError("'classes_' of the state must be a list of labels.")
        return len(classes)
