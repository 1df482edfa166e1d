"""The emulator ``layered-gp``: processes that also see what the one before them predicts."""

from collections.abc import Mapping
from typing import Any, Self

import numpy as np
from sklearn.base import clone

import equatorium
from equatorium import Emulator, Gaussian
from equatorium.checks import FloatArray
from equatorium.errors import InputError, StateError
from equatorium_gp.options import check_whole
from equatorium_gp.trend_gp import TrendGP

FOLDS = 10
EXPLAINED = 1 / 3  # of a component's variance, by a process that has not seen the runs


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
    any there is one layer. The variance is the last layer's, at the mean of z.

    Parameters
    ----------
    layer : TrendGP or None
        What is fitted in each layer; None is `TrendGP` with a constant trend.
    layers : int
        From 2: one process would be `trend-gp`.
    leading : int
        Number of components, all there are at most, of which those are taken whose left-out
        predictions explain a third of their variance.

    Attributes
    ----------
    layers_ : list of TrendGP
    center_ : (p,) array
        Mean of the outputs.
    loadings_ : (p, k) array
        ``z = (y - center_) @ loadings_``.

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

    def __init__(self, *, layer: Any = None, layers: int = 2, leading: int = 6) -> None:
        self.layer = layer
        self.layers = layers
        self.leading = leading

    def _fit(self, X: FloatArray, Y: FloatArray, noise: FloatArray | None) -> None:
        check_whole("layers", self.layers, 2)
        check_whole("leading", self.leading, 1)
        layer = TrendGP(trend="constant") if self.layer is None else self.layer
        if not isinstance(layer, TrendGP):
            raise InputError(f"layer={layer!r:.80} must be a TrendGP: eq.emulator('trend-gp').")
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
        while told.any() and len(self.layers_) < self.layers and np.isfinite(left_out).all():
            seen = np.hstack([X, self._components(left_out)])
            self.layers_.append(clone(layer).fit(seen, Y, noise=noise))
            left_out = self.layers_[-1]._process.left_out(fold)

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
        return self.layers_[-1].predict_dist(self._inputs(X)[-1])

    def predict_dist_vjp(self, X: Any, mean_bar: FloatArray, cov_bar: FloatArray) -> FloatArray:
        """Gradient (m, d) of ``sum(mean_bar * mean) + sum(cov_bar * covariance)`` by X.

        Parameters
        ----------
        X : array_like, shape (m, d)
        mean_bar : (m, p) array
        cov_bar : (m, p, p) array
        """
        X = self._validate_query(X)
        d, seen = X.shape[1], self._inputs(X)
        bar = self.layers_[-1].predict_dist_vjp(seen[-1], mean_bar, cov_bar)
        found, none = bar[:, :d], np.zeros((len(X), self.n_outputs_, self.n_outputs_))
        for layer, own in zip(self.layers_[-2::-1], seen[-2::-1], strict=True):
            bar = layer.predict_dist_vjp(own, bar[:, d:] @ self.loadings_.T, none)
            found = found + bar[:, :d]
        return np.asarray(found)

    def set_state(self, state: Mapping[str, Any]) -> Self:
        """Take on a state whose parts fit together."""
        if state:
            d, p = state.get("n_features_in_", 0), state.get("n_outputs_")
            parts, loadings = state.get("layers_"), state.get("loadings_")
            k = loadings.shape[-1] if isinstance(loadings, np.ndarray) and loadings.ndim else 0
            equatorium.state_array(state, "center_", (p,))
            equatorium.state_array(state, "loadings_", (p, k))
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
