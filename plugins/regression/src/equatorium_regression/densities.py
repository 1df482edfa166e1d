"""Classifiers by a density for each class, calibrated."""

import copy
from abc import abstractmethod

import numpy as np

from equatorium import Classifier, errors, state_array
from equatorium_regression.calibration import calibrated, calibration, folds, log_prior
from equatorium_regression.metric import FAR, spread
from equatorium_regression.states import classes


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
        share = self.counts_ / len(X)
        self.temperature_, self.bias_, self.doubt_ = 1.0, np.log(share), 0.0
        self._learn(Z, codes)
        # The only one of its class cannot be left out.
        known = self.counts_[codes] > 1
        if self.calibrate and len(share) > 1 and known.any():
            score, fold = np.empty((len(X), len(share))), folds(codes)
            for one in np.unique(fold[known]):
                out = known & (fold == one)
                twin = copy.copy(self)
                twin._learn(Z[~out], codes[~out])
                score[out] = twin._log_densities(Z[out])
            found = calibration(score[known], codes[known], share)
            self.temperature_, self.bias_, self.doubt_ = found

    def _check(self, Z):
        """Refuse options that make no sense."""

    @abstractmethod
    def _learn(self, Z, codes):
        """Learn the classes' densities of standardised inputs."""

    @abstractmethod
    def _log_densities(self, Z):
        """Return the log densities (m, c) of standardised inputs."""

    def _standard(self, X):
        # What is farther away than a double's square can tell is as far as that.
        return np.clip((X - self.centre_) / self.scale_, -FAR, FAR)

    def _predict_proba(self, X):
        score, share = self._log_densities(self._standard(X)), self.counts_ / self.counts_.sum()
        chance = calibrated(score, self.temperature_, self.bias_, self.doubt_, share)
        chance = chance * np.exp(log_prior(self.prior, self.counts_)) / share
        return chance / chance.sum(axis=1, keepdims=True)

    def log_density(self, X):
        """Return the log density of each class at X (m, d), (m, c), in the inputs' units.

        The calibration is no part of it.
        """
        Z = self._standard(self._validate(X, reset=False))
        return self._log_densities(Z) - np.log(self.scale_).sum()

    def set_state(self, state):
        """Take on what was learned, checked."""
        if state:
            d = state.get("n_features_in_")
            counts = state_array(state, "counts_", (classes(state),), "i")
            state_array(state, "centre_", (d,))
            scale = state_array(state, "scale_", (d,))
            state_array(state, "bias_", counts.shape)
            if (counts <= 0).any() or (scale <= 0).any():
                raise errors.StateError("'counts_' and 'scale_' of the state must be positive.")
            for name, most in (("temperature_", np.inf), ("doubt_", 1.0)):
                if not isinstance(state.get(name), float) or not 0 <= state[name] < most:
                    raise errors.StateError(f"{name!r} of the state cannot be {state.get(name)!r}.")
        return super().set_state(state)
