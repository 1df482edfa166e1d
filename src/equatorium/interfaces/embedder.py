"""What maps rows to fewer numbers, and perhaps back, carrying uncertainty along.

A new embedder writes `_fit` and `_transform`; one with a way back also `_inverse_transform`,
and, if that is linear, `_inverse_jacobian`, which makes the propagated covariance exact.
"""

from abc import abstractmethod
from typing import Any, Self

import numpy as np
from sklearn.base import TransformerMixin
from sklearn.utils.metaestimators import available_if

from equatorium import registry
from equatorium.checks import FloatArray, floats
from equatorium.errors import InputError, NotFiniteError, ShapeError
from equatorium.interfaces.model import Model
from equatorium.records.covariance import LowRank
from equatorium.records.factor import square_root
from equatorium.records.prediction import Gaussian, Prediction

_STEP = float(np.finfo(np.float64).eps ** (1 / 3))


def _has_inverse(embedder: Any) -> bool:
    return hasattr(embedder, "_inverse_transform")


class Embedder(TransformerMixin, Model):
    """Base class of maps from X (n, p) to Z (n, k).

    By capability: ``noise`` weighs pixels by ``ivar``; ``missing`` allows NaN and ``ivar`` 0 where
    nothing was observed; ``inverse`` has the way back. Where an embedder knows the uncertainty of
    its latent coordinates it also defines ``transform_dist(X, *, ivar=None) -> Prediction``.
    """

    def fit(self, X: Any, y: Any = None, *, ivar: Any = None) -> Self:
        """Learn the map.

        Parameters
        ----------
        X : array_like, shape (n, p)
        y : ignored
            Present for pipelines.
        ivar : array_like, shape (n, p), optional
            Inverse variance of every value; 0 where it was not observed.

        Raises
        ------
        InputError
            If the arrays do not fit, or ivar is given to an embedder that cannot use it.
        """
        X, ivar = self._weighted(self._rows(X, reset=True), ivar)
        return self._fit_whole(X, ivar)

    def transform(self, X: Any, *, ivar: Any = None) -> FloatArray:
        """Map rows to their latent coordinates, shape (m, k)."""
        return self._transform(*self._weighted(self._rows(X, reset=False), ivar))

    def fit_transform(self, X: Any, y: Any = None, *, ivar: Any = None) -> FloatArray:
        """Learn the map and return the latent coordinates of the same rows."""
        X, ivar = self._weighted(self._rows(X, reset=True), ivar)
        return self._fit_whole(X, ivar)._transform(X, ivar)

    @available_if(_has_inverse)  # type: ignore[untyped-decorator]
    def inverse_transform(self, Z: Any) -> FloatArray:
        """Map latent coordinates (m, k) back to rows (m, p)."""
        return self._inverse(self._latent(Z))

    @available_if(_has_inverse)  # type: ignore[untyped-decorator]
    def inverse_dist(self, prediction: Prediction) -> Gaussian:
        """Carry a distribution of latent coordinates back to rows.

        Mean: the image of the mean. Covariance: J Sigma J^T with the Jacobian J of the way back:
        exact for a linear one, first order otherwise. What the map itself leaves out is not in it;
        `equatorium.Embedded` adds it, measured on rows that the map has not seen.

        Parameters
        ----------
        prediction : Prediction
            Over the k latent coordinates, at m points.

        Returns
        -------
        Gaussian
            Over the p columns.
        """
        latent = prediction.gaussian()
        factor = self._inverse_jacobian(latent.mean) @ square_root(latent.cov().dense())
        nothing = np.zeros(factor.shape[:-1])
        return Gaussian(self._inverse(latent.mean), LowRank(nothing, factor))

    @abstractmethod
    def _fit(self, X: FloatArray, ivar: FloatArray | None) -> None:
        """Learn from checked X (n, p); where ``ivar`` is 0, X is 0 and means nothing."""

    @abstractmethod
    def _transform(self, X: FloatArray, ivar: FloatArray | None) -> FloatArray:
        """Map checked rows, (m, p), to (m, k)."""

    def _inverse_jacobian(self, Z: FloatArray) -> FloatArray:
        """Return dx/dz, (m, p, k), by central differences; linear maps return their matrix."""
        step = _STEP * np.maximum(1.0, np.abs(Z).max(axis=0, initial=0.0))
        shifts = np.eye(Z.shape[1]) * step
        return np.stack(
            [
                (self._inverse(Z + shift) - self._inverse(Z - shift)) / (2 * size)
                for shift, size in zip(shifts, step, strict=True)
            ],
            axis=-1,
        )

    def _inverse(self, Z: FloatArray) -> FloatArray:
        X: FloatArray = getattr(self, "_inverse_transform")(Z)  # noqa: B009  (optional)
        return X

    def _latent(self, Z: Any) -> FloatArray:
        Z = floats(Z, "Z")
        if Z.ndim != 2:
            raise ShapeError(f"Z must be 2-D (rows, latent coordinates), not of shape {Z.shape}.")
        if not np.isfinite(Z).all():
            raise NotFiniteError("Z holds NaN or infinity; latent coordinates must be finite.")
        return np.asarray(Z)

    def _rows(self, X: Any, *, reset: bool) -> FloatArray:
        """Check rows; gaps given to an embedder that cannot leave values out raise the remedy."""
        try:
            checked: FloatArray = self._validate(X, reset=reset)
        except InputError as error:
            if "missing" in self.capabilities_ or "NaN" not in str(error):
                raise
            raise NotFiniteError(f"{error.args[0].splitlines()[0]} {self._remedy}") from error
        return checked

    @property
    def _remedy(self) -> str:
        entry = registry.entry_of(type(self))
        name = type(self).__name__ if entry is None else entry.name
        return (
            f"{name} cannot leave values out: let 'hmf' fill the gaps by what it learns from all "
            f'rows, with make_pipeline(eq.embedder("hmf"), eq.embedder("{name}")) of scikit-learn.'
        )

    def _weighted(self, X: FloatArray, ivar: Any) -> tuple[FloatArray, FloatArray | None]:
        """Check the inverse variances; what was not observed becomes X = 0 with weight 0."""
        name, can = type(self).__name__, self.capabilities_
        if ivar is None and "missing" not in can:
            return X, None  # gaps have been refused already
        seen = np.isfinite(X)
        if ivar is None:
            return (X, None) if seen.all() else (np.where(seen, X, 0.0), seen.astype(float))
        if not {"noise", "missing"} & can:
            raise InputError(f"{name} makes no use of ivar; leave it out, or take e.g. 'hmf'.")
        weight = floats(ivar, "ivar")
        if weight.shape != X.shape:
            raise ShapeError(f"ivar must have the shape of X, {X.shape}, not {weight.shape}.")
        if not np.isfinite(weight).all() or (weight < 0).any():
            raise InputError("ivar must be finite and at least 0 (0: not observed).")
        if "missing" not in can and not (weight > 0).all():
            raise InputError(f"some ivar are 0, not observed. {self._remedy}")
        if (weight[~seen] > 0).any():
            raise NotFiniteError("X holds NaN where ivar is above 0; set ivar to 0 there.")
        return np.where(weight > 0, X, 0.0), weight
