"""Two plain methods that composites are tested with: straight lines, and principal components.

They are registered as ``local/reference-ridge`` and ``local/reference-pca`` while the kit runs, so
that a composite's ``conformance_options`` can name them whatever else is installed.
"""

import contextlib
from collections.abc import Iterator
from typing import Any

import numpy as np

from equatorium import registry
from equatorium.checks import FloatArray
from equatorium.interfaces.embedder import Embedder
from equatorium.interfaces.emulator import Emulator
from equatorium.records.covariance import Dense
from equatorium.records.prediction import Gaussian, Prediction

_LEAST = 1e-12


class ReferenceRidge(Emulator):
    """Straight lines by weighted least squares; the covariance is that of the residuals.

    Parameters
    ----------
    alpha : float
        What is added to the diagonal of the normal equations.
    """

    capabilities = frozenset({"variance", "covariance", "noise"})

    def __init__(self, *, alpha: float = 1e-6) -> None:
        self.alpha = alpha

    def _fit(self, X: FloatArray, Y: FloatArray, noise: FloatArray | None) -> None:
        A = _lines(X)
        noise = np.zeros_like(Y) if noise is None else noise
        scatter = Y.var(axis=0) + _LEAST
        for _ in range(3):  # scatter and weights depend on each other
            weight = 1.0 / (scatter + noise)
            weight /= weight.max(axis=0)
            normal = np.einsum("nj,ni,nk->jik", weight, A, A) + self.alpha * np.eye(A.shape[1])
            right = np.einsum("nj,ni,nj->ji", weight, A, Y)
            self.coef_ = np.linalg.solve(normal, right[..., None])[..., 0].T
            residual = Y - A @ self.coef_
            own = (weight * (residual**2 - noise)).sum(axis=0) / weight.sum(axis=0)
            scatter = np.maximum(own, _LEAST * (1.0 + Y.var(axis=0)))
        scaled = np.sqrt(weight) * residual
        size = np.sqrt(np.maximum((scaled**2).sum(axis=0), 1e-300))
        correlation = 0.99 * (scaled / size).T @ (scaled / size)
        np.fill_diagonal(correlation, 1.0)
        self.covariance_ = correlation * np.sqrt(np.outer(scatter, scatter))

    def _predict_dist(self, X: FloatArray) -> Prediction:
        return Gaussian(_lines(X) @ self.coef_, Dense(self.covariance_))


class ReferencePCA(Embedder):
    """Principal components; values of small weight are drawn towards the mean.

    Parameters
    ----------
    n_components : int
    """

    capabilities = frozenset({"inverse", "noise", "missing"})

    def __init__(self, *, n_components: int = 2) -> None:
        self.n_components = n_components

    def _fit(self, X: FloatArray, ivar: FloatArray | None) -> None:
        weight = np.ones_like(X) if ivar is None else ivar / np.maximum(ivar.max(axis=0), _LEAST)
        self.mean_ = (weight * X).sum(axis=0) / np.maximum(weight.sum(axis=0), _LEAST)
        axes = np.linalg.svd(weight * (X - self.mean_), full_matrices=False)[2]
        self.components_ = axes[: self.n_components]

    def _transform(self, X: FloatArray, ivar: FloatArray | None) -> FloatArray:
        W = self.components_
        if ivar is None:
            return np.asarray((X - self.mean_) @ W.T)
        right = (ivar * (X - self.mean_)) @ W.T
        return np.asarray(np.linalg.solve(self._precision(ivar), right[..., None])[..., 0])

    def _inverse_transform(self, Z: FloatArray) -> FloatArray:
        return np.asarray(Z @ self.components_ + self.mean_)

    def _inverse_jacobian(self, Z: FloatArray) -> FloatArray:
        return self.components_.T

    def transform_dist(self, X: Any, *, ivar: Any = None) -> Gaussian:
        """Map rows to latent coordinates with their errors."""
        X, weight = self._weighted(self._validate(X, reset=False), ivar)
        weight = np.ones_like(X) if weight is None else weight
        covariance = np.asarray(np.linalg.inv(self._precision(weight)), dtype=np.float64)
        return Gaussian(self._transform(X, weight), Dense(covariance))

    def _precision(self, ivar: FloatArray) -> FloatArray:
        W = self.components_
        precision = np.einsum("kp,np,lp->nkl", W, ivar, W)
        ridge = 1e-9 * np.trace(precision, axis1=1, axis2=2) + 1e-300
        return np.asarray(precision + ridge[:, None, None] * np.eye(len(W)))


@contextlib.contextmanager
def lent() -> Iterator[None]:
    """Register the reference methods for a while; one within another changes nothing."""
    if registry.entry_of(ReferenceRidge) is not None:
        yield
        return
    registry.register("emulator", ReferenceRidge)
    registry.register("embedder", ReferencePCA, name="reference-pca")
    try:
        yield
    finally:
        for name in ("reference-ridge", "reference-pca"):
            registry.withdraw(name)


def _lines(X: FloatArray) -> FloatArray:
    return np.column_stack([np.ones(len(X)), X])
