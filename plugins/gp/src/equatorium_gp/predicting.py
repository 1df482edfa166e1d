"""What an emulator with a fitted process can do: predictions, their slopes, joint errors, draws."""

from typing import Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from equatorium import Emulator, Gaussian
from equatorium.checks import FloatArray, Rng, finite, floats, generator
from equatorium.errors import InputError, ShapeError
from equatorium_gp.domain import Box
from equatorium_gp.process import Process


def checked_bars(mean_bar: Any, cov_bar: Any, m: int, p: int) -> tuple[FloatArray, FloatArray]:
    """Check upstream gradients by mean (m, p) and covariance (m, p, p)."""
    found = floats(mean_bar, "mean_bar"), floats(cov_bar, "cov_bar")
    for name, bar, shape in zip(("mean_bar", "cov_bar"), found, ((m, p), (m, p, p)), strict=True):
        if bar.shape != shape:
            raise ShapeError(f"{name} has shape {bar.shape}, but must have shape {shape}.")
        finite(bar, name)
    return found


def checked_output(output: Any, p: int) -> int:
    """Check the number of an output."""
    whole = isinstance(output, int | np.integer) and not isinstance(output, bool)
    if not whole or not 0 <= output < p:
        raise InputError(f"output={output!r} must be a whole number from 0 to {p - 1}.")
    return int(output)


class ProcessEmulator(Emulator):
    """Base of emulators whose `set_state` builds a process and the box of the runs."""

    X_: FloatArray
    domain: str
    _process: Process
    _box: Box

    def _predict_dist(self, X: FloatArray) -> Gaussian:
        return self._process.predict(X, self._box.inflation(X, self.domain))

    def loo(self) -> Gaussian:
        """Predict every run from all others at the hyperparameters of all, in closed form.

        Returns
        -------
        Gaussian
            (n, p), as `predict_dist` would give: with the nugget, without the declared noise.
        """
        check_is_fitted(self)
        return self._process.leave_one_out()

    def predict_dist_vjp(self, X: Any, mean_bar: FloatArray, cov_bar: FloatArray) -> FloatArray:
        """Gradient (m, d) of ``sum(mean_bar * mean) + sum(cov_bar * covariance)`` by X.

        Parameters
        ----------
        X : array_like, shape (m, d)
        mean_bar : (m, p) array
        cov_bar : (m, p, p) array
        """
        X = self._validate_query(X)
        mean_bar, cov_bar = checked_bars(mean_bar, cov_bar, len(X), self.n_outputs_)
        factor = self._box.inflation(X, self.domain)
        found, by_factor = self._process.pulled(X, mean_bar, cov_bar, factor)
        if factor is not None:
            found += by_factor[:, None] * self._box.slope(X)
        return found

    def predict_joint(self, X: Any, output: int = 0) -> FloatArray:
        """Covariance (m, m) of one output between points X (m, d), the nugget on its diagonal."""
        X = self._validate_query(X)
        total = self._process.joint(X, checked_output(output, self.n_outputs_))
        factor = self._box.inflation(X, self.domain)
        return total if factor is None else total * np.sqrt(np.outer(factor, factor))

    def sample_functions(
        self, X: Any, size: int = 1, rng: Rng = None, *, prior: bool = False
    ) -> FloatArray:
        """Draw smooth functions, without nugget, at points X (m, d).

        Parameters
        ----------
        X : array_like, shape (m, d)
        size : int
        rng : int, Generator or None
        prior : bool
            Draw the process from its prior, around the fitted trend, in place of the posterior.

        Returns
        -------
        (size, m, p) array
        """
        X = self._validate_query(X)
        self._box.inflation(X, "ignore" if self.domain == "inflate" else self.domain)
        if not isinstance(size, int | np.integer) or isinstance(size, bool) or size < 0:
            raise InputError(f"size={size!r} must be a whole number of draws.")
        draw = self._process.prior_functions if prior else self._process.functions
        return draw(X, int(size), generator(rng))

    def distance(self, X: Any) -> FloatArray:
        """Distance (m,) of X (m, d) to the nearest run, in widths of the box of the runs."""
        X = self._validate_query(X)
        return self._box.distance(X)
