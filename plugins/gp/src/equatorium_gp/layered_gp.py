"""The emulator ``layered-gp``: processes that also see what the one before them predicts."""

from collections.abc import Mapping
from typing import Any, Self

import numpy as np
from sklearn.base import clone

import equatorium
from equatorium import Covariance, Emulator, Gaussian, LowRank
from equatorium.checks import FloatArray
from equatorium.errors import InputError, StateError
from equatorium_gp import input_errors
from equatorium_gp.options import check_flag, check_whole
from equatorium_gp.outputs import Mixing
from equatorium_gp.predicting import checked_bars
from equatorium_gp.trend_gp import TrendGP

FOLDS = 10
EXPLAINED = 1 / 3  # of a component's variance, by a process that has not seen the runs
STEP = 0.1  # of differences for slopes, in standard deviations of the inputs' errors


class LayeredGP(Emulator):
    r"""Gaussian processes in layers: each sees the inputs and what the layer before predicts.

    .. math:: y = f_1(\theta), \qquad y = f_k(\theta, z_{k-1}), \qquad
              z_k = W' (\mathrm{E}[f_k] - \bar{y}),

    with the `leading` principal components z of the scaled outputs. Where many outputs are curved
    functions of few combinations of the inputs, a stationary process over all inputs needs many
    runs to learn each curve; over what is predicted of the leading components it is a simple
    function of few variables, steep where they are steep.

    Each layer learns from what the one before predicts of a tenth of the runs from all others, so
    that no run has told what is predicted of itself, and errors of z are part of the errors that
    the layer sees. (Single runs left out would not do: where there is nothing to learn, the mean of
    all others tells what the run was.) Components that are not predicted are not passed on; without
    any there is one layer. The variance is the last layer's, at the mean of z; with `input_errors`
    part of it goes along the slopes of all outputs, as errors of the inputs would.

    Parameters
    ----------
    layer : TrendGP or None
        What is fitted in each layer; None is `TrendGP` with a constant trend. A `domain` of "warn"
        or "raise" is that of the inputs.
    layers : int
        From 2: one process would be `trend-gp`.
    leading : int
        Number of components, all there are at most, of which those are taken whose left-out
        predictions explain a third of their variance.
    input_errors : bool
        Let the errors of all outputs follow their slopes by the inputs, as far as left-out runs
        show that they do (`equatorium_gp.input_errors`). Predictions then take two further means
        for each input, their gradients two further gradients.

    Attributes
    ----------
    layers_ : list of TrendGP
    center_ : (p,) array
        Mean of the outputs.
    loadings_ : (p, k) array
        ``z = (y - center_) @ loadings_``.
    input_covariance_ : (d, d) array
        Of errors of the inputs, in their units, where z is predicted with the mean variance of the
        runs, `size_`; else in proportion. Zeros without any.

    References
    ----------
    - Wolpert D. H. 1992, Neural Networks 5, 241, doi:10.1016/S0893-6080(05)80023-1
    - Damianou A. & Lawrence N. 2013, AISTATS 31, 207, doi:10.48550/arXiv.1211.0358

    Examples
    --------
    >>> x = np.linspace(0.0, 1.0, 16)[:, None]
    >>> model = LayeredGP().fit(x, np.tanh(9.0 * (x[:, 0] - 0.5)))
    >>> mean, std = model.predict([[0.37]], return_std=True)
    >>> bool(abs(mean[0] - np.tanh(9.0 * (0.37 - 0.5))) < 4.0 * std[0]), bool(std[0] < 0.1)
    (True, True)
    """

    capabilities = frozenset({"variance", "covariance", "noise", "gradient", "gpu"})
    state_version = 2  # version 1 had no errors of the inputs

    def __init__(
        self, *, layer: Any = None, layers: int = 2, leading: int = 6, input_errors: bool = False
    ) -> None:
        self.layer = layer
        self.layers = layers
        self.leading = leading
        self.input_errors = input_errors

    def _fit(self, X: FloatArray, Y: FloatArray, noise: FloatArray | None) -> None:
        check_whole("layers", self.layers, 2)
        check_whole("leading", self.leading, 1)
        check_flag("input_errors", self.input_errors)
        layer = TrendGP(trend="constant") if self.layer is None else self.layer
        if not isinstance(layer, TrendGP):
            raise InputError(f"layer={layer!r:.80} must be a TrendGP: eq.emulator('trend-gp').")
        if self.input_errors and not layer.output_correlation:
            raise InputError("input_errors=True needs layers with output_correlation=True.")
        self.center_ = Y.mean(axis=0)
        spread = Y.std(axis=0)
        spread = np.where(spread > 1e-12 * np.abs(Y).max(axis=0), spread, np.inf)
        _, _, directions = np.linalg.svd((Y - self.center_) / spread, full_matrices=False)
        self.loadings_ = (directions[: self.leading] / spread).T
        fold = np.random.default_rng(0).permutation(len(X)) % FOLDS
        self.layers_ = [clone(layer).fit(X, Y, noise=noise)]
        left_out = self.layers_[0]._process.left_out(fold)
        error, known = (Y - left_out) @ self.loadings_, self._components(Y)
        told = (error**2).mean(axis=0) < (1.0 - EXPLAINED) * known.var(axis=0)
        self.loadings_ = self.loadings_[:, told]
        if layer.domain in ("warn", "raise"):  # the box is that of the inputs: `_beyond`
            layer = clone(layer).set_params(domain="ignore")
        while told.any() and len(self.layers_) < self.layers and np.isfinite(left_out).all():
            seen = np.hstack([X, self._components(left_out)])
            self.layers_.append(clone(layer).fit(seen, Y, noise=noise))
            left_out = self.layers_[-1]._process.left_out(fold)
        self.input_covariance_, self.size_ = np.zeros((X.shape[1], X.shape[1])), 1.0
        if self.input_errors and Y.shape[1] > 1 and self.loadings_.size:
            self._learn_input_errors(X)

    def _learn_input_errors(self, X: FloatArray) -> None:
        """Divide what the last layer errs between the inputs and all else."""
        last = self.layers_[-1]
        process, width = last._process, self.layers_[0].width_
        few = input_errors.chosen(len(X), X.shape[1], self.n_outputs_)
        errors, std, variance = (part[few] for part in process.left_out_scores())
        left_out = process.mixing.along(variance, self.loadings_)
        self.size_ = float(left_out.mean())
        slopes = self._slopes(X[few], np.diag(STEP * width)) / STEP @ last.unmixing_
        A, rest = input_errors.learned(
            errors / std, slopes / std[:, None], left_out / self.size_, last.error_correlation_
        )
        self.input_covariance_ = A * np.outer(width, width)
        last.error_correlation_ = rest
        process.mixing = Mixing(last.center_, last.mixing_, rest, False)

    def _leading_variance(self, covariance: Covariance) -> FloatArray:
        """Variance (m,) of all leading components together."""
        return np.asarray(covariance.project(self.loadings_.T).diagonal().sum(axis=-1))

    @property
    def _shifts(self) -> FloatArray:
        """Independent errors of the inputs (d, d), one a column."""
        return input_errors.roots(self.input_covariance_)

    def _slopes(self, X: FloatArray, shifts: FloatArray) -> FloatArray:
        """Change of the mean (m, r, p) with each of r shifts of the inputs (d, r)."""
        found = np.empty((len(X), shifts.shape[1], self.n_outputs_))
        for j, shift in enumerate(STEP * shifts.T):
            found[:, j] = (self._mean(X + shift) - self._mean(X - shift)) / (2.0 * STEP)
        return found

    def _mean(self, X: FloatArray) -> FloatArray:
        """Mean (m, p) of the outputs."""
        return self.layers_[-1]._process.mean(self._inputs(X)[-1])

    def _components(self, mean: FloatArray) -> FloatArray:
        """Leading components (m, k) of predicted means (m, p)."""
        return np.asarray((mean - self.center_) @ self.loadings_)

    def _inputs(self, X: FloatArray) -> list[FloatArray]:
        """Give what each layer sees of points X (m, d)."""
        found = [X]
        for layer in self.layers_[:-1]:
            found.append(np.hstack([X, self._components(layer._process.mean(found[-1]))]))
        return found

    def _predict_dist(self, X: FloatArray) -> Gaussian:
        self._beyond(X)
        found = self.layers_[-1].predict_dist(self._inputs(X)[-1])
        if not self.input_covariance_.any():
            return found
        size = self._leading_variance(found.covariance) / self.size_
        factor = np.swapaxes(self._slopes(X, self._shifts), 1, 2) * np.sqrt(size)[:, None, None]
        return Gaussian(found.mean, found.covariance + LowRank(np.zeros(self.n_outputs_), factor))

    def _beyond(self, X: FloatArray) -> None:
        """Warn of points outside the box of the inputs, or refuse them, as the first layer does."""
        if len(self.layers_) > 1:
            self.layers_[0]._box.inflation(X, self.layers_[0].domain)

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
        self._beyond(X)
        if not self.input_covariance_.any():
            return self._pulled(X, mean_bar, cov_bar)
        both = cov_bar + np.swapaxes(cov_bar, 1, 2)
        seen, shifts = self._inputs(X), self._shifts
        covariance = self.layers_[-1].predict_dist(seen[-1]).covariance
        size, slopes = self._leading_variance(covariance) / self.size_, self._slopes(X, shifts)
        by_slopes = slopes @ both
        by_size = 0.5 * (slopes * by_slopes).sum(axis=(1, 2)) / self.size_
        by_slopes = size[:, None, None] * by_slopes / (2.0 * STEP)
        leading = self.loadings_ @ self.loadings_.T
        found = self._pulled(X, mean_bar, cov_bar + by_size[:, None, None] * leading)
        for j, shift in enumerate(STEP * shifts.T):
            found += self._mean_pulled(X + shift, by_slopes[:, j])
            found -= self._mean_pulled(X - shift, by_slopes[:, j])
        return found

    def _pulled(self, X: FloatArray, mean_bar: FloatArray, cov_bar: FloatArray) -> FloatArray:
        """Carry gradients by the last layer's mean and covariance back through all layers."""
        seen = self._inputs(X)
        return self._back(seen, self.layers_[-1].predict_dist_vjp(seen[-1], mean_bar, cov_bar))

    def _mean_pulled(self, X: FloatArray, mean_bar: FloatArray) -> FloatArray:
        """Carry gradients by the mean back through all layers, in the box of the runs or not."""
        seen = self._inputs(X)
        return self._back(seen, _by_mean(self.layers_[-1], seen[-1], mean_bar))

    def _back(self, seen: list[FloatArray], bar: FloatArray) -> FloatArray:
        """Carry gradients by what the last layer sees back through those before it."""
        d = seen[0].shape[1]
        found = bar[:, :d]
        for layer, own in zip(self.layers_[-2::-1], seen[-2::-1], strict=True):
            bar = _by_mean(layer, own, bar[:, d:] @ self.loadings_.T)
            found = found + bar[:, :d]
        return np.asarray(found)

    @classmethod
    def migrate(cls, state: Mapping[str, Any], version: int) -> dict[str, Any]:
        """Translate a state of version 1."""
        d = state.get("n_features_in_", 0)
        return {**state, "input_covariance_": np.zeros((d, d)), "size_": 1.0}

    def set_state(self, state: Mapping[str, Any]) -> Self:
        """Take on a state whose parts fit together."""
        if state:
            d, p = state.get("n_features_in_", 0), state.get("n_outputs_")
            parts, loadings = state.get("layers_"), state.get("loadings_")
            k = loadings.shape[-1] if isinstance(loadings, np.ndarray) and loadings.ndim else 0
            equatorium.state_array(state, "center_", (p,))
            equatorium.state_array(state, "loadings_", (p, k))
            inputs = equatorium.state_array(state, "input_covariance_", (d, d))
            size = state.get("size_")
            if not isinstance(size, float) or not 0.0 < size < np.inf or (inputs != inputs.T).any():
                raise StateError("'input_covariance_' or 'size_' of LayeredGP's state is damaged.")
            if not isinstance(parts, list) or not parts:
                raise StateError("the state of LayeredGP needs a list 'layers_'.")
            for i, part in enumerate(parts):
                wanted = (d + k * (i > 0), p)
                if not isinstance(part, TrendGP) or wanted != (
                    getattr(part, "n_features_in_", None),
                    getattr(part, "n_outputs_", None),
                ):
                    raise StateError(
                        f"'layers_[{i}]' of the state of LayeredGP must be a TrendGP fitted on "
                        f"{wanted[0]} inputs and {p} outputs, but it is {part!r:.80}."
                    )
        return super().set_state(state)


def _by_mean(layer: TrendGP, X: FloatArray, mean_bar: FloatArray) -> FloatArray:
    """Gradient of ``sum(mean_bar * mean)`` of a layer by X, whatever its `domain` says of them."""
    p = mean_bar.shape[1]
    return layer._process.pulled(X, mean_bar, np.zeros((len(X), p, p)), None)[0]
