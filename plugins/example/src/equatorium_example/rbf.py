"""Radial basis functions, with an uncertainty from the errors on runs left out."""

import numpy as np
from scipy.interpolate import RBFInterpolator

from equatorium import Dense, Emulator, Gaussian, errors, state_array


class RBF(Emulator):
    r"""Interpolate between the runs by radial basis functions, one around each of them.

    .. math:: f(x) = b + \sum_i w_i \, \phi(\epsilon \, |A (x - x_i)|)

    The diagonal matrix A weighs an input by how much the outputs change with it. The runs are
    left out in ten groups, one after the other, and predicted from the rest: the mean product of
    these errors is the covariance of the prediction, the same everywhere.

    Parameters
    ----------
    kernel : str
        Any that SciPy has: ``"multiquadric"``, ``"inverse_multiquadric"``, ``"gaussian"``, ...
    epsilon : float
        One over the radius of the basis functions; 1 is about the distance over which the outputs
        change by their spread.
    smoothing : float or None
        0 goes through every run; None takes what predicts the left-out runs best.

    References
    ----------
    Hardy R. L. 1971, Journal of Geophysical Research 76, 1905, doi:10.1029/JB076i008p01905
    """

    def __init__(self, *, kernel="multiquadric", epsilon=0.3, smoothing=None):
        self.kernel = kernel
        self.epsilon = epsilon
        self.smoothing = smoothing

    def _fit(self, X, Y, noise):
        if len(X) < 2:
            raise errors.InputError("RBF needs 2 runs to see its errors, but n_samples=1.")
        self.weight_ = _weights(X, Y)
        self.inputs_, self.outputs_ = X * self.weight_, Y.copy()  # the caller may change his
        tries = [1e-9, 1e-6, 1e-4, 1e-2, 1.0] if self.smoothing is None else [self.smoothing]
        found = [self._errors(smoothing) for smoothing in tries]
        # Outputs count alike, whatever their units.
        best = int(np.argmin([np.mean(np.square(e / _spread(Y))) for e in found]))
        self.smoothing_ = tries[best]
        self.covariance_ = found[best].T @ found[best] / len(X)

    def _errors(self, smoothing):
        """Return the error (n, p) of every run, predicted from the groups that it is not in."""
        X, Y = self.inputs_, self.outputs_
        group = np.arange(len(X)) % min(10, len(X))
        error = np.empty_like(Y)
        for one in np.unique(group):
            out = group == one
            error[out] = Y[out] - self._interpolant(X[~out], Y[~out], smoothing)(X[out])
        return error

    def _interpolant(self, X, Y, smoothing):
        how = {"kernel": self.kernel, "epsilon": self.epsilon, "smoothing": smoothing}
        return RBFInterpolator(X, Y, degree=0, **how)

    def _predict_dist(self, X):
        shape = (len(X), *self.covariance_.shape)
        covariance = Dense(np.broadcast_to(self.covariance_, shape))
        return Gaussian(self._mean(X * self.weight_), covariance)

    def set_state(self, state):
        """Take on what was learned, checked, and solve for the weights of the basis functions."""
        if state:
            p, d = state.get("n_outputs_"), state.get("n_features_in_")
            n = len(state_array(state, "inputs_", (None, d)))
            state_array(state, "outputs_", (n, p))
            state_array(state, "weight_", (d,))
            state_array(state, "covariance_", (p, p))
        super().set_state(state)
        if state:
            self._mean = self._interpolant(self.inputs_, self.outputs_, self.smoothing_)
        return self


def _weights(X, Y):
    """Return the slopes of the outputs, each in units of its spread, with the inputs: (d,)."""
    spread = _spread(X)
    slopes = np.linalg.lstsq((X - X.mean(0)) / spread, (Y - Y.mean(0)) / _spread(Y), rcond=None)[0]
    # A tenth more, because an input without a slope may matter all the same.
    return (0.1 + np.sqrt(np.mean(np.square(slopes), axis=1))) / spread


def _spread(values):
    spread = values.std(axis=0)
    return np.where(spread > 0, spread, 1.0)
