"""Inputs brought to [-1, 1], and the polynomials over that box."""

import numpy as np

from equatorium import errors, state_array
from equatorium_regression.features import polynomial_slopes, polynomials
from equatorium_regression.linear import Linear


class Box(Linear):
    """Base class: the inputs' range becomes [-1, 1]; one that does not vary becomes 0."""

    def _measure(self, X):
        low, high = X.min(axis=0), X.max(axis=0)
        self.centre_, half = 0.5 * (low + high), 0.5 * (high - low)
        self.half_ = np.where(half > 1e-13 * np.abs(X).max(axis=0), half, 1.0)

    def _unit(self, X):
        return (X - self.centre_) / self.half_

    def set_state(self, state):
        """Take on what was learned, checked."""
        if state:
            d = state.get("n_features_in_")
            state_array(state, "centre_", (d,))
            if (state_array(state, "half_", (d,)) <= 0).any():
                raise errors.StateError("'half_' of the state must be positive.")
        return super().set_state(state)


class Terms(Box):
    """Base class: the features are polynomial terms, of powers ``powers_`` (k, d)."""

    def _features(self, X):
        return polynomials(self._unit(X), self.powers_)

    def _feature_slopes(self, X):
        return polynomial_slopes(self._unit(X), self.powers_) / self.half_[:, None]

    def set_state(self, state):
        """Take on what was learned, checked."""
        if state:
            check_powers(state)
        return super().set_state(state)


def check_powers(state):
    """Refuse powers that are not those of the state's coefficients.

    Raises
    ------
    StateError
    """
    shape = (len(state_array(state, "coef_", (None, None))), state.get("n_features_in_"))
    powers = state_array(state, "powers_", shape, "i")
    if powers.size and not 0 <= powers.min() <= powers.max() <= 100:
        raise errors.StateError("'powers_' of the state must be from 0 to 100.")
