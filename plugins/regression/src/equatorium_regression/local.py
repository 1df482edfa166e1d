r"""What the local methods share: neighbours, leave one out, and an error that depends on the place.

A prediction is a weighted sum of the neighbours' outputs, :math:`f(x) = \sum_i L_i(x)\, y_i`. Every
run, left out, is predicted by the same formula; with :math:`g = \sum_i L_i^2`, its error over
:math:`\sqrt{1 + g}` has the size of the scatter there, and the error at a new point is

.. math:: \sigma^2(x) = (1 + g(x))\, s^2(x)

with s^2 the mean square of these residuals over the neighbours of x. Declared noise N of the runs
is taken off s^2, and what of it passes into f, :math:`\sum_i L_i^2 N_i`, is put in.
"""

from abc import abstractmethod

import numpy as np
from sklearn.utils.validation import check_is_fitted

from equatorium import Dense, Diagonal, Emulator, Gaussian, Weighted, errors, state_array
from equatorium_regression.choices import Setting, whole
from equatorium_regression.metric import candidates, coordinates, spread
from equatorium_regression.neighbours import Neighbours
from equatorium_regression.states import near, outputs

_TRIES = 1000  # runs that are left out for each setting
_RESIDUALS = 10_000  # runs whose errors are kept
_NUMBERS = 4_000_000  # in a chunk
_SPREAD = 50  # residuals of which a local scatter is made
_TRACE = 2e-4
DISTRIBUTIONS = ("gaussian", "weighted")


class Local(Emulator):
    """Base class: subclasses say which settings to try, and give the weights L."""

    def _fit(self, X, Y, noise):
        n = len(X)
        if n < 3:
            raise errors.InputError(
                f"{type(self).__name__} needs 3 runs to see its errors, but n_samples={n}."
            )
        if self.distribution not in DISTRIBUTIONS:
            raise errors.InputError(
                f"distribution must be one of {DISTRIBUTIONS}, not {self.distribution!r}."
            )
        self.centre_, self.outputs_, self.noise_ = X.mean(axis=0), Y.copy(), noise
        self._set_weights(0.1)
        self._choose(X - self.centre_, candidates(self.metric, X, Y))
        self.rows_, self.spread_ = _some(n, _RESIDUALS), _SPREAD
        error = self._learn_residuals()
        if noise is not None:
            self._set_weights(self._scatter(error))
            self._learn_residuals()

    @abstractmethod
    def _settings(self, distance):
        """Yield the settings to try, given the distances of neighbours of some runs, (m, k)."""

    def _refined(self, setting):
        """Yield more settings, near the best one."""
        return ()

    @abstractmethod
    def _weights(self, setting, distance, index, query):
        """Return L (m, k) of neighbours at these distances (m, k) from points (m, r)."""

    @property
    def _setting(self):
        return Setting(self.neighbours_, self.bandwidth_, self.ridge_)

    def _set_weights(self, scatter):
        """Weigh runs by one over learned scatter plus declared noise, in units of y's variance."""
        size = np.ones(len(self.outputs_))
        if self.noise_ is not None:
            size = 1.0 / (scatter + self._relative_noise())
        self.weight_ = size / size.max()

    def _relative_noise(self):
        return (self.noise_ / np.square(spread(self.outputs_))).mean(axis=1)

    def _scatter(self, error):
        """Return the variance of errors left out, less the noise, in units of y's variance."""
        weight = self.weight_[self.rows_]
        square = np.square(error / spread(self.outputs_)).mean(axis=1)
        left = np.average(square - self._relative_noise()[self.rows_], weights=weight)
        return max(left, 1e-3 * np.average(square, weights=weight), 1e-12)

    def _choose(self, X, maps):
        """Take the metric and the setting that predict runs left out best."""
        rows = _some(len(X), _TRIES)
        best = np.inf
        for M in maps:
            self.points_ = coordinates(X, 0.0, M)
            near = Neighbours(self.points_)
            distance, index = near.others(rows, self._most(len(X) - 1))
            tried = {}
            for setting in self._settings(distance):
                tried[setting] = self._score(setting, distance, index, rows)
            for setting in self._refined(min(tried, key=tried.get)):
                tried[setting] = self._score(setting, distance, index, rows)
            setting = min(tried, key=tried.get)
            if tried[setting] < best:
                best, found = tried[setting], (M, self.points_, near, setting)
        self.metric_, self.points_, self._near, setting = found
        self.neighbours_, self.bandwidth_, self.ridge_ = setting

    def _most(self, n):
        """Return the largest number of neighbours that is looked for, of n."""
        most = whole(self.max_neighbours, "max_neighbours")
        asked = 1 if self.neighbours is None else whole(self.neighbours, "neighbours")
        return min(n, max(most, asked))

    def _score(self, setting, distance, index, rows):
        """Return the mean squared error of runs left out, outputs in units of their spread."""
        k = setting.neighbours
        mean = self._smooth(setting, distance[:, :k], index[:, :k], self.points_[rows])[0]
        error = np.square((mean - self.outputs_[rows]) / spread(self.outputs_)).mean(axis=1)
        return float(np.average(error, weights=self.weight_[rows]))

    def _smooth(self, setting, distance, index, query):
        """Return the mean (m, p), the sum of L^2 (m,), and the noise that passes on (m, p)."""
        mean = np.empty((len(query), self.outputs_.shape[1]))
        gain, passed = np.empty(len(query)), np.zeros_like(mean)
        step = max(1, _NUMBERS // (index.shape[1] * max(mean.shape[1], query.shape[1] + 1)))
        for at in range(0, len(query), step):
            rows = slice(at, at + step)
            L = self._weights(setting, distance[rows], index[rows], query[rows])
            mean[rows] = (L[:, None] @ self.outputs_[index[rows]])[:, 0]
            gain[rows] = np.square(L).sum(axis=1)
            if self.noise_ is not None:
                passed[rows] = (np.square(L)[:, None] @ self.noise_[index[rows]])[:, 0]
        return mean, gain, passed

    def _learn_residuals(self):
        """Predict runs from all others; keep their errors, in units of sqrt(1 + g)."""
        rows = self.rows_
        distance, index = self._near.others(rows, self.neighbours_)
        mean, gain, _ = self._smooth(self._setting, distance, index, self.points_[rows])
        error = self.outputs_[rows] - mean
        self.residuals_ = error / np.sqrt(1.0 + gain)[:, None]
        return error

    def _predict_dist(self, X):
        query = coordinates(X, self.centre_, self.metric_)
        return self._distribution(query, self._near.nearest, self._near_residuals.nearest, query)

    def loo(self):
        """Predict every run from all others.

        Returns
        -------
        Prediction
            Of the n runs; metric, bandwidth and ridge stay as they were chosen with all of them.
        """
        check_is_fitted(self)
        if len(self.rows_) < len(self.points_):
            raise errors.InputError(
                f"the errors of {len(self.rows_)} of {len(self.points_)} runs are known, not of "
                f"all: leave-one-out is for {_RESIDUALS} runs at most."
            )
        near = self._near.others
        return self._distribution(np.arange(len(self.points_)), near, near, self.points_)

    def _distribution(self, where, near, near_residuals, query):
        """Predict at points, which `near` and `near_residuals` know as `where`."""
        k, one_search = self.neighbours_, near == near_residuals
        distance, index = near(where, max(k, self.spread_) if one_search else k)
        mean, gain, passed = self._smooth(self._setting, distance[:, :k], index[:, :k], query)
        index = index if one_search else near_residuals(where, self.spread_)[1]
        index = index[:, : self.spread_]
        weight = self.weight_[self.rows_][index]
        weight = weight / weight.sum(axis=1, keepdims=True)
        residual = self.residuals_[index]
        square = (weight[:, None] @ np.square(residual))[:, 0]
        if self.noise_ is not None:
            noise = (weight[:, None] @ self.noise_[self.rows_][index])[:, 0]
            square = np.maximum(square - noise, 0.0)
        # A trace of all residuals: neighbours that agree by chance are not certain.
        square = square + _TRACE * self._mean_square
        variance = (1.0 + gain)[:, None] * square + passed
        if self.distribution == "weighted":
            return _scattered(mean, variance, residual, weight)
        if mean.shape[1] == 1:
            return Gaussian(mean, Diagonal(variance))
        std = np.sqrt(variance)
        return Gaussian(mean, Dense(std[:, :, None] * self._correlation * std[:, None, :]))

    def set_state(self, state):
        """Take on what was learned, checked, and prepare the search."""
        if state:
            n, r = np.shape(state_array(state, "points_", (None, None)))
            near(state["points_"], "points_")
            d, p = state.get("n_features_in_"), outputs(state)
            state_array(state, "outputs_", (n, p))
            state_array(state, "metric_", (d, r))
            state_array(state, "centre_", (d,))
            if (state_array(state, "weight_", (n,)) <= 0).any():
                raise errors.StateError("'weight_' of the state must be positive.")
            noise = state.get("noise_", 0)
            if noise is not None and (state_array(state, "noise_", (n, p)) < 0).any():
                raise errors.StateError("'noise_' of the state holds negative numbers.")
            rows = state_array(state, "rows_", (None,), "i")
            state_array(state, "residuals_", (len(rows), p))
            if not len(rows) or rows.min() < 0 or rows.max() >= n:
                raise errors.StateError(f"'rows_' of the state must number some of {n} runs.")
            _check_setting(state)
        super().set_state(state)
        if state:
            self._near = Neighbours(self.points_)
            every = len(self.rows_) == len(self.points_)
            self._near_residuals = self._near if every else Neighbours(self.points_[self.rows_])
            weight = self.weight_[self.rows_]
            self._mean_square = np.average(np.square(self.residuals_), axis=0, weights=weight)
            self._correlation = _correlation(self.residuals_, weight)
        return self


def _some(n, most):
    """Return evenly spaced row numbers, all if these are few enough."""
    return np.unique(np.linspace(0, n - 1, most).astype(np.int64))


def _scattered(mean, variance, residual, weight):
    """Put the neighbours' residuals (m, k, p), made as large as they should be, on the mean."""
    residual = residual - (weight[:, None] @ residual)
    own = (weight[:, None] @ np.square(residual))[:, 0]
    scale = np.sqrt(np.divide(variance, own, out=np.zeros_like(own), where=own > 0))
    values = mean[:, None] + scale[:, None] * residual
    return Weighted(np.moveaxis(values, 1, 0), weight.T)


def _correlation(residuals, weight):
    """Return the correlation of residuals (n, p), 1 on the diagonal."""
    root = np.sqrt(weight)[:, None] * residuals
    size = np.sqrt(np.square(root).sum(axis=0))
    root = np.divide(root, size, out=np.zeros_like(root), where=size > 0)
    correlation = root.T @ root
    np.fill_diagonal(correlation, 1.0)
    return correlation


def _check_setting(state):
    kinds = {"neighbours_": int, "spread_": int, "bandwidth_": float, "ridge_": float}
    for name, kind in kinds.items():
        value = state.get(name)
        if type(value) is not kind or not (kind is int) <= value < np.inf:
            raise errors.StateError(f"{name!r} of the state cannot be {value!r}.")
