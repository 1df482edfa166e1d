"""Composites: an emulator that works in the latent space of an embedder."""

from collections.abc import Mapping
from typing import Any, Self

import numpy as np
from sklearn.base import clone

from equatorium import registry
from equatorium.checks import FloatArray
from equatorium.emulate.folds import deal
from equatorium.emulate.grouped import Grouped, Labels, told
from equatorium.emulate.nesting import refuse_loops
from equatorium.errors import InputError, StateError
from equatorium.interfaces.embedder import Embedder
from equatorium.interfaces.emulator import Emulator
from equatorium.interfaces.model import state_array
from equatorium.records.prediction import Gaussian, Prediction


class Embedded(Grouped):
    r"""An emulator of latent coordinates, carried back to the outputs with all its uncertainty.

    With ``on="y"`` the embedder compresses the outputs, :math:`y \approx g(z)`, the emulator
    predicts :math:`z \sim N(\mu, \Sigma)` and

    .. math:: y \sim N\left(g(\mu),\; J \Sigma J^T + \mathrm{diag}(t)\right), \quad
              J = \partial g / \partial z,

    exact where g is linear (J = W), first order elsewhere. The truncation variance t, what the
    embedder leaves out, is measured per output on runs that the embedder has not seen (five folds).
    Declared noise becomes the variance of the latent coordinates, where the embedder knows it
    (``transform_dist``). With ``on="X"`` the embedder compresses the inputs, as fixed numbers.

    Parameters
    ----------
    embedder : Embedder, or its name or spec
        With the capability ``inverse`` for ``on="y"``.
    emulator : Emulator, or its name or spec
    on : {"y", "X"}

    Attributes
    ----------
    embedder_, emulator_ : the fitted parts
    truncation_ : ndarray, shape (p,)
        The truncation variance; zero for ``on="X"``.

    References
    ----------
    Higdon D., Gattiker J., Williams B. & Rightley M. 2008, JASA 103, 570,
    doi:10.1198/016214507000000888
    """

    def __init__(self, embedder: Any, emulator: Any, on: str = "y") -> None:
        self.embedder = embedder
        self.emulator = emulator
        self.on = on

    @classmethod
    def conformance_options(cls) -> dict[str, Any]:
        """Return parts of the kit's own."""
        return {"embedder": "local/reference-pca", "emulator": "local/reference-ridge"}

    @property
    def capabilities_(self) -> frozenset[str]:
        """What the parts can do together."""
        embedder, emulator = self._parts()
        able: frozenset[str] = emulator.capabilities_ & {"variance", "covariance", "noise"}
        if self.on != "y":
            return able
        if "variance" in able:
            able |= {"covariance"}
        carries_noise = "noise" in embedder.capabilities_ and hasattr(embedder, "transform_dist")
        return able if carries_noise else able - {"noise"}

    def _fit(
        self, X: FloatArray, Y: FloatArray, noise: FloatArray | None, groups: Labels = None
    ) -> None:
        embedder, emulator = map(clone, self._parts())
        more = told(emulator, groups)
        if self.on != "y":
            self.embedder_ = embedder.fit(X)
            self.emulator_ = emulator.fit(embedder.transform(X), Y, noise=noise, **more)
            self.truncation_ = np.zeros(Y.shape[1])
            return
        self.truncation_ = truncation(embedder, Y, noise, groups)
        ivar = _weights(noise)
        self.embedder_ = embedder.fit(Y, ivar=ivar)
        if ivar is None:
            self.emulator_ = emulator.fit(X, embedder.transform(Y), **more)
        else:
            latent = embedder.transform_dist(Y, ivar=ivar)
            self.emulator_ = emulator.fit(X, latent.mean, noise=latent.variance, **more)

    def _predict_dist(self, X: FloatArray) -> Prediction:
        if self.on != "y":
            prediction: Prediction = self.emulator_.predict_dist(self.embedder_.transform(X))
            return prediction
        carried: Gaussian = self.embedder_.inverse_dist(self.emulator_.predict_dist(X))
        return carried.with_noise(self.truncation_)

    def set_state(self, state: Mapping[str, Any]) -> Self:
        """Take on a state whose parts are what they should be."""
        if state:
            for name, kind in (("embedder_", Embedder), ("emulator_", Emulator)):
                if not isinstance(state.get(name), kind):
                    raise StateError(f"the state of Embedded needs a fitted {name!r}.")
            if (state_array(state, "truncation_", (state.get("n_outputs_"),)) < 0).any():
                raise StateError("'truncation_' holds variances, but one of them is negative.")
        return super().set_state(state)

    def _parts(self) -> tuple[Any, Any]:
        """Return the parts, made from their specs where they are given so, and check them."""
        if self.on not in ("y", "X", "x"):  # files of version 0.1.0 may say 'x'
            raise InputError(f"on must be 'y' (outputs) or 'X' (inputs), not {self.on!r}.")
        refuse_loops(self)
        embedder = registry.from_spec("embedder", self.embedder)
        emulator = registry.from_spec("emulator", self.emulator)
        for part, kind in ((embedder, Embedder), (emulator, Emulator)):
            if not isinstance(part, kind):
                raise InputError(f"Embedded needs an {kind.__name__}, but got {part!r}.")
        if self.on == "y" and not hasattr(embedder, "inverse_transform"):
            raise InputError(
                f"{type(embedder).__name__} knows no way back from its latent space, so it cannot "
                f"embed outputs; take one with the capability 'inverse', such as pca."
            )
        return embedder, emulator


def truncation(
    embedder: Any, Y: FloatArray, noise: FloatArray | None = None, groups: Labels = None
) -> FloatArray:
    """Measure what an embedder leaves out of rows that it has not seen.

    Parameters
    ----------
    embedder : Embedder
        Cloned, not fitted.
    Y : ndarray, shape (n, p)
    noise : ndarray, shape (n, p), optional
        The declared variance of Y, which is not the embedder's fault and is taken off.
    groups : ndarray, shape (n,), optional
        Rows of one group are left out together.

    Returns
    -------
    ndarray, shape (p,)
        The mean squared error of the reconstruction, over at most five folds.
    """
    fold = deal(len(Y), "What an embedder leaves out of unseen rows", groups)
    ivar, squares, own = _weights(noise), np.empty_like(Y), np.zeros_like(Y)
    for k in np.unique(fold):
        held = fold == k
        learn, test = (None, None) if ivar is None else (ivar[~held], ivar[held])
        learned = clone(embedder).fit(Y[~held], ivar=learn)
        again = learned.inverse_transform(learned.transform(Y[held], ivar=test))
        squares[held] = (Y[held] - again) ** 2
        if noise is not None and test is not None:
            # The coordinates take up some of the noise; the rest of it is in the reconstruction.
            taken = learned.inverse_dist(learned.transform_dist(Y[held], ivar=test)).variance
            own[held] = np.maximum(noise[held] - taken, 0.0)
    return np.asarray(np.maximum(np.mean(squares - own, axis=0), 0.0))


def _weights(noise: FloatArray | None) -> FloatArray | None:
    """Return inverse variances; exact values get a very large one, not an infinite one."""
    if noise is None or not noise.any():
        return None
    return np.asarray(1.0 / np.maximum(noise, 1e-12 * noise.max()))
