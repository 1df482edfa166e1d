"""Inputs with errors: learn from noisy copies of the inputs, predict over draws of them."""

from collections.abc import Mapping
from typing import Any, Self

import numpy as np
from sklearn.base import clone

from equatorium import registry
from equatorium.checks import FloatArray, floats, generator
from equatorium.emulate.grouped import Grouped, Labels, told
from equatorium.emulate.nesting import checked_members, refuse_loops
from equatorium.emulate.stacking import as_mixture
from equatorium.errors import InputError, ShapeError
from equatorium.interfaces.emulator import Emulator
from equatorium.records.prediction import Mixture, Prediction, Weighted


class NoisyInputs(Grouped):
    r"""Any emulator for inputs that are measured with errors, which `ivar` declares.

    There are two cases, and they are not the same:

    - The inputs of the *training* set are better known than those to predict (a grid of models, a
      deep survey). `fit` with `ivar`: each of `copies` members learns from inputs to which noise of
      that variance is added, so that it learns :math:`p(y | x_\mathrm{observed})`. Predict without
      `ivar`.
    - The members are to know the clean relation :math:`p(y | x)`. `fit` without `ivar`, and
      `predict_dist` with that of the objects: the prediction is averaged over `draws` of the true
      input, :math:`x \sim N(x_\mathrm{observed}, 1/\mathrm{ivar})`, as if all true inputs
      were equally likely beforehand. The error of each object counts.

    Where both sets are measured alike, a method has learned the errors from the data: give neither.

    Parameters
    ----------
    emulator : Emulator, its name or spec
    copies : int
        Members, when `fit` gets an `ivar`; otherwise there is one.
    draws : int
        Inputs drawn for every object, when a prediction gets an `ivar`.
    random_state : int

    Attributes
    ----------
    members_ : list of Emulator

    Notes
    -----
    Predictions are mixtures with equal weights: exact for draws (forests, conformal) and Gaussians,
    so that they are broader where inputs are uncertain and the relation is steep. An ivar of 0 (not
    observed) has no draw: put NaN and take a method with the capability ``missing``.

    References
    ----------
    Ucci G. et al. 2018, MNRAS 477, 1484, doi:10.1093/mnras/sty804 (noise in training)
    """

    capabilities = frozenset({"variance", "covariance", "noise"})

    def __init__(
        self, emulator: Any, copies: int = 8, draws: int = 16, random_state: int = 0
    ) -> None:
        self.emulator = emulator
        self.copies = copies
        self.draws = draws
        self.random_state = random_state

    @classmethod
    def conformance_options(cls) -> dict[str, Any]:
        """Return an emulator of the kit's own."""
        return {"emulator": "local/reference-ridge"}

    @property
    def capabilities_(self) -> frozenset[str]:
        """What the emulator can do of `capabilities`, and whether it takes gaps."""
        able: frozenset[str] = self._given().capabilities_ & (self.capabilities | {"missing"})
        return able

    def fit(
        self, X: Any, y: Any, *, noise: Any = None, groups: Any = None, ivar: Any = None
    ) -> Self:
        """Learn; with `ivar`, (n, d) or (d,), from copies of X to which that noise is added.

        `groups` name runs that belong together, for members that leave runs out.
        """
        self._ivar = None if ivar is None else self._inverse(ivar, np.shape(X))
        try:
            return super().fit(X, y, noise=noise, groups=groups)
        finally:
            del self._ivar

    def predict_dist(self, X: Any, *, ivar: Any = None) -> Prediction:
        """Predict; with `ivar`, (m, d) or (d,), averaged over the inputs that X may really be."""
        if ivar is None:
            return super().predict_dist(X)
        X = self._validate_query(X)
        ivar = self._inverse(ivar, X.shape)
        _check_number(self.draws, "draws")
        rng = generator(self.random_state)
        noisy = [X + rng.normal(size=X.shape) / np.sqrt(ivar) for _ in range(self.draws)]
        return _pooled([member.predict_dist(x) for member in self.members_ for x in noisy])

    def _fit(
        self, X: FloatArray, Y: FloatArray, noise: FloatArray | None, groups: Labels = None
    ) -> None:
        emulator = self._given()
        _check_number(self.copies, "copies")
        rng, more = generator(self.random_state), told(emulator, groups)
        self.members_ = []
        for _ in range(1 if self._ivar is None else self.copies):
            noisy = X if self._ivar is None else X + rng.normal(size=X.shape) / np.sqrt(self._ivar)
            self.members_.append(clone(emulator).fit(noisy, Y, noise=noise, **more))

    def _predict_dist(self, X: FloatArray) -> Prediction:
        return _pooled([member.predict_dist(X) for member in self.members_])

    def set_state(self, state: Mapping[str, Any]) -> Self:
        """Take on a state whose members fit together."""
        if state:
            checked_members(state, "NoisyInputs")
        return super().set_state(state)

    def _given(self) -> Any:
        refuse_loops(self)
        emulator = registry.from_spec("emulator", self.emulator)
        if not isinstance(emulator, Emulator):
            raise InputError(
                f"NoisyInputs needs an emulator, but emulator is {emulator!r:.80}. Wrap a "
                f"regressor of scikit-learn: equatorium.Conformal(...)."
            )
        return emulator

    @staticmethod
    def _inverse(ivar: Any, shape: tuple[int, ...]) -> FloatArray:
        """Check inverse variances: positive; infinite where there is no error."""
        array = floats(ivar, "ivar")
        if len(shape) != 2 or array.shape not in (shape, shape[1:]):
            raise ShapeError(
                f"ivar must have the shape of X, {shape}, or one value a column, not {array.shape}."
            )
        if not (array > 0).all():
            raise InputError(
                "ivar must be positive (infinite for no error). Where it is 0 an input was not "
                "observed: put NaN there, and use a method with the capability 'missing'."
            )
        return np.broadcast_to(array, shape)


def _check_number(number: Any, name: str) -> None:
    whole = isinstance(number, int | np.integer) and not isinstance(number, bool)
    if not whole or number < 1:
        raise InputError(f"{name} must be a whole number, at least 1, but it is {number!r:.80}.")


def _pooled(parts: list[Any]) -> Prediction:
    """Mix predictions with equal weights, exactly where all are draws or all Gaussian."""
    if len(parts) == 1:
        one: Prediction = parts[0]
        return one
    if all(isinstance(part, Weighted) for part in parts):
        weights = np.concatenate([part.weights for part in parts])
        return Weighted(np.concatenate([part.values for part in parts]), weights)
    mixtures = [as_mixture(part) for part in parts]
    return Mixture(
        np.concatenate([mixture.weights for mixture in mixtures]),
        np.concatenate([mixture.means for mixture in mixtures]),
        [covariance for mixture in mixtures for covariance in mixture.covariances],
    )
