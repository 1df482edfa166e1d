"""Classifiers by a density for each class: Bayes' theorem, and a temperature."""

from abc import abstractmethod

import numpy as np

from equatorium import Classifier, errors, state_array
from equatorium_regression.metric import spread
from equatorium_regression.tempering import folds, log_prior, temperature, tempered


class Densities(Classifier):
    """Base class: subclasses learn the density of a class, and give its logarithm.

    Inputs are standardised first.
    """

    def _fit(self, X, codes):
        self.centre_, self.scale_ = X.mean(axis=0), spread(X)
        self.counts_ = np.bincount(codes)
        log_prior(self.prior, self.counts_)
        Z = (X - self.centre_) / self.scale_
        self._check(Z)
        self.temperature_ = 1.0
        if self.calibrate and len(self.counts_) > 1 and self.counts_.min() > 1:
            fold, score = folds(codes), np.empty((len(X), len(self.counts_)))
            for one in np.unique(fold):
                out = fold == one
                self._learn(Z[~out], codes[~out])
                score[out] = self._log_densities(Z[out])
            self.temperature_ = temperature(score, codes, self.counts_)
        self._learn(Z, codes)

    def _check(self, Z):
        """Refuse options that make no sense."""

    @abstractmethod
    def _learn(self, Z, codes):
        """Learn the classes' densities of standardised inputs."""

    @abstractmethod
    def _log_densities(self, Z):
        """Return the log densities (m, c) of standardised inputs."""

    def _standard(self, X):
        return (self._validate(X, reset=False) - self.centre_) / self.scale_

    def _predict_proba(self, X):
        score = self._log_densities((X - self.centre_) / self.scale_)
        return tempered(score, log_prior(self.prior, self.counts_), self.temperature_)

    def log_density(self, X):
        """Return the log density of each class at X (m, d), (m, c), in the inputs' units.

        The temperature is no part of it.
        """
        return self._log_densities(self._standard(X)) - np.log(self.scale_).sum()

    def set_state(self, state):
        """Take on what was learned, checked."""
        if state:
            d = state.get("n_features_in_")
            counts = state_array(state, "counts_", (len(state.get("classes_", ())),), "i")
            state_array(state, "centre_", (d,))
            scale = state_array(state, "scale_", (d,))
            T = state.get("temperature_")
            if (counts <= 0).any() or (scale <= 0).any():
                raise errors.StateError("'counts_' and 'scale_' of the state must be positive.")
            if not isinstance(T, float) or not 0 < T < np.inf:
                raise errors.StateError(f"'temperature_' of the state cannot be {T!r}.")
        return super().set_state(state)
