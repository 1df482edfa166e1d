"""Points outside the box of the training runs: what an emulator does there is the user's choice."""

import warnings
from typing import Any

import numpy as np
from scipy.spatial import cKDTree

from equatorium.checks import FloatArray
from equatorium.errors import InputError

POLICIES = ("ignore", "warn", "raise", "inflate")
TOLERANCE = 0.01  # widths of the box: a new design of the same space reaches a little further
DOUBLED = 0.1  # widths outside the box at which "inflate" has doubled the standard deviation


class Box:
    """The box of the training runs.

    Parameters
    ----------
    X : (n, d) array
    names : sequence of str or None
    """

    def __init__(self, X: FloatArray, names: Any = None) -> None:
        self.low, width = X.min(axis=0), np.ptp(X, axis=0)
        # An input that never varied is known at one value only: its size is the unit.
        size = np.where(self.low != 0.0, np.abs(self.low), 1.0)
        self.width, self.span = np.where(width > 0, width, size), (width > 0).astype(np.float64)
        self.runs, self.names = self.scaled(X), names

    def scaled(self, X: FloatArray) -> FloatArray:
        """Give inputs in units of the box."""
        return np.asarray((X - self.low) / self.width)

    def away(self, X: FloatArray) -> FloatArray:
        """Give how far (m, d) points are outside, with the sign of the side."""
        scaled = self.scaled(X)
        return np.asarray(np.maximum(scaled - self.span, 0.0) + np.minimum(scaled, 0.0))

    def distance(self, X: FloatArray) -> FloatArray:
        """Distance (m,) of X (m, d) to the nearest run, in widths of the box."""
        return np.asarray(cKDTree(self.runs).query(self.scaled(X))[0])

    def inflation(self, X: FloatArray, policy: str) -> FloatArray | None:
        """Apply a policy; return factors (m,) of the variance, or None for ones.

        Raises
        ------
        InputError
            If the policy is "raise" and a point is outside.
        """
        if policy == "ignore":
            return None
        away = self.away(X)
        distance = np.sqrt((away**2).sum(axis=1))
        outside = distance > TOLERANCE
        if not outside.any():
            return None
        if policy == "inflate":
            return np.asarray((1.0 + np.maximum(distance - TOLERANCE, 0.0) / DOUBLED) ** 2)
        worst = int(np.argmax(distance))
        column = int(np.argmax(np.abs(away[worst])))
        name = f"column {column}" if self.names is None else repr(str(self.names[column]))
        text = (
            f"{int(outside.sum())} of {len(X)} points are outside the box of the training runs; "
            f"row {worst} by {distance[worst]:.2g} of its width, most in {name}. An emulator "
            f"interpolates: add runs there, or take domain='inflate'."
        )
        if policy == "raise":
            raise InputError(text)
        warnings.warn(text, stacklevel=5)
        return None

    def slope(self, X: FloatArray) -> FloatArray:
        """Gradient (m, d) of the factors of "inflate"."""
        away = self.away(X)
        distance = np.sqrt((away**2).sum(axis=1, keepdims=True))
        beyond = np.maximum(distance - TOLERANCE, 0.0)
        rate = 2.0 * (1.0 + beyond / DOUBLED) / DOUBLED * (beyond > 0)
        return np.asarray(rate * away / np.maximum(distance, 1e-300) / self.width)
