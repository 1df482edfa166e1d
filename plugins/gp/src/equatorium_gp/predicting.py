"""What an emulator with a fitted process can do: predictions, their slopes, joint errors, draws."""

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.stats import f as f_distribution
from sklearn.utils.validation import check_is_fitted

from equatorium import Diagonal, Emulator, Gaussian, one_thread
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


ROUNDING = 1e-6  # of an output's range: smaller errors are nobody's fault


def strange_runs(
    left_out: Gaussian, Y: FloatArray, noise: FloatArray, level: Any
) -> npt.NDArray[np.intp]:
    r"""Find runs whose leave-one-out errors are too large to be chance, the strangest first.

    The squared Mahalanobis distances :math:`D_i` of the errors of p outputs are compared each with
    the mean of all others: :math:`D_i (n - 1) / \sum_{j \neq i} D_j` has the distribution
    F(p, (n - 1) p), and its probability is corrected for the n runs (Bonferroni).

    Parameters
    ----------
    left_out : Gaussian
        (n, p): every run from all others.
    Y : (n, p) array
    noise : (n, p) or (0, p) array
        Declared variances.
    level : float
        Probability that any of n sound runs is named.
    """
    if isinstance(level, bool) or not isinstance(level, int | float) or not 0.0 < level < 1.0:
        raise InputError(f"level={level!r} must be a probability between 0 and 1.")
    total = left_out.covariance + Diagonal(noise) if len(noise) else left_out.covariance
    error, (n, p) = Y - left_out.mean, Y.shape
    distance = total.mahalanobis(error)
    others = np.maximum((distance.sum() - distance) / (n - 1), 1e-300)
    chance = n * f_distribution.sf(distance / others, p, (n - 1) * p)
    order = np.lexsort((-distance, chance))
    large = (np.abs(error) > ROUNDING * np.ptp(Y, axis=0)).any(axis=1)
    return order[(chance < level)[order] & large[order]]


class ProcessEmulator(Emulator):
    """Base of emulators whose `set_state` builds a process and the box of the runs."""

    X_: FloatArray
    Y_: FloatArray
    noise_: FloatArray
    domain: str
    _process: Process
    _box: Box

    def _predict_dist(self, X: FloatArray) -> Gaussian:
        with one_thread(len(self.X_)):
            return self._process.predict(X, self._box.inflation(X, self.domain))

    def loo(self, *, even: bool = False) -> Gaussian:
        """Predict every run from all others at the hyperparameters of all, in closed form.

        Parameters
        ----------
        even : bool
            Leave the variance function aside: errors of one size everywhere.

        Returns
        -------
        Gaussian
            (n, p), as `predict_dist` would give: with the nugget, without the declared noise.
        """
        check_is_fitted(self)
        return self._process.leave_one_out(even)

    def outliers(self, level: float = 0.01) -> npt.NDArray[np.intp]:
        """Numbers of the runs that do not fit to all others, the strangest first.

        By their leave-one-out errors, all outputs together: see
        `equatorium_gp.predicting.strange_runs`. A run that went wrong spoils the predictions of its
        neighbours too: look at the first, mend or leave it out, and fit again. The variance
        function is left aside, lest a bad run among few pass for a rough part of the box.

        Parameters
        ----------
        level : float
            Probability that any run is named where all are sound and errors of one size.

        References
        ----------
        Beckman R. J. & Cook R. D. 1983, Technometrics 25, 119,
        doi:10.1080/00401706.1983.10487840

        Examples
        --------
        >>> from equatorium_gp.trend_gp import TrendGP
        >>> x = np.linspace(0.0, 1.0, 30)[:, None]
        >>> y = np.sin(4.0 * x[:, 0]) + 0.01 * np.cos(99.0 * x[:, 0])
        >>> y[12] += 0.2
        >>> TrendGP().fit(x, y).outliers().tolist()
        [12]
        """
        return strange_runs(self.loo(even=True), self.Y_, self.noise_, level)

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
        with one_thread(len(self.X_)):
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
