"""Intervals with a guarantee for any predictor, as wide as the errors are at each place."""

from collections.abc import Mapping
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from sklearn.base import is_regressor

from equatorium import registry
from equatorium.checks import FloatArray
from equatorium.emulate.conformal import learned, outwards, points_of, takes_gaps
from equatorium.emulate.grouped import Grouped, Labels
from equatorium.emulate.nesting import refuse_loops
from equatorium.errors import InputError, StateError
from equatorium.interfaces.emulator import Emulator
from equatorium.interfaces.model import state_array
from equatorium.records.prediction import Prediction, Weighted

_MOST = 2000
_NARROW = 0.1  # of the median width: no place has narrower errors than this


class SplitConformal(Grouped):
    r"""Any predictor of points, with its errors on held-out runs, scaled by a local width.

    A share of the runs is held out. With the predictor f and the width s learned on the others, and
    the standardised errors :math:`r_i = (y_i - f(\theta_i)) / s(\theta_i)` of the n that were held
    out, the prediction is the discrete distribution of equal weights

    .. math:: y(\theta) \in \{ f(\theta) + s(\theta)\, r_i,\; i = 1 \ldots n \},

    the r moved outwards by one rank, so that the central interval of level :math:`1 - \alpha` holds
    a new run with a probability of at least :math:`1 - \alpha`, whatever f and s are, if runs are
    drawn independently from one distribution. No level above (n - 1) / (n + 1) can be promised: 90
    % need n = 19 held-out runs. Given the runs, what an interval holds is distributed as
    Beta(l, n + 1 - l), with l about :math:`(1 - \alpha)(n + 1)`.

    Parameters
    ----------
    predictor : Emulator, its name or spec, or a regressor of scikit-learn
        A model whose predictor is of scikit-learn cannot be saved (`NotSavableError`).
    scale : None, "own", or a predictor of another kind
        None: the errors are the same everywhere. ``"own"``: s is the predictor's standard
        deviation. Otherwise a predictor that learns \|y - f\| on runs that f has not seen, as many
        as are held out to calibrate.
    held : float
        Share of the runs that calibrates.
    random_state : int
        Chooses them.

    Attributes
    ----------
    predictor_, scale_ : fitted predictors; `scale_` is None unless it was learned
    residuals_ : ndarray, shape (s, p)
        Standardised errors, moved outwards; of at most 2000 runs.
    floor_ : ndarray, shape (p,)
        Least width.

    Notes
    -----
    Beside `Conformal`: one predictor in place of five, a promise of :math:`1 - \alpha` in place of
    :math:`1 - 2\alpha`, errors that differ from place to place; at the price of the runs held out.
    Declared noise is not taken off: give none. Groups are held out as a whole, a share of their
    number; the promise is then for runs of a new group, as with `Conformal`.

    References
    ----------
    Lei J., G'Sell M., Rinaldo A., Tibshirani R. J. & Wasserman L. 2018, Journal of the American
    Statistical Association 113, 1094, doi:10.1080/01621459.2017.1307116

    Vovk V. 2012, Proceedings of Machine Learning Research 25, 475 (the beta distribution)
    """

    capabilities = frozenset({"variance", "covariance"})

    def __init__(
        self, predictor: Any, scale: Any = None, held: float = 0.25, random_state: int = 0
    ) -> None:
        self.predictor = predictor
        self.scale = scale
        self.held = held
        self.random_state = random_state

    @classmethod
    def conformance_options(cls) -> dict[str, Any]:
        """Return a predictor of the kit's own."""
        return {"predictor": "local/reference-ridge"}

    @property
    def capabilities_(self) -> frozenset[str]:
        """The same with every predictor, but for gaps in the inputs."""
        gaps = all(takes_gaps(part) for part in self._given() if part is not None)
        return self.capabilities | ({"missing"} if gaps else set())

    def _fit(
        self, X: FloatArray, Y: FloatArray, noise: FloatArray | None, groups: Labels = None
    ) -> None:
        predictor, scale = self._given()
        p = Y.shape[1]
        one = np.arange(len(X)) if groups is None else np.unique(groups, return_inverse=True)[1]
        calibrate, aside, rest = self._shares(one, scale is not None)
        tell = (lambda rows: None) if groups is None else (lambda rows: groups[rows])
        self.scale_ = None
        self.predictor_ = learned(predictor, X[rest], Y[rest], None, tell(rest))
        self.floor_ = np.zeros(p)
        if scale is not None:
            size = np.abs(Y[aside] - points_of(self.predictor_, X[aside], p))
            self.floor_ = np.maximum(_NARROW * np.median(size, axis=0), 1e-12 * (1 + Y.std(axis=0)))
            self.scale_ = learned(scale, X[aside], size, None, tell(aside))
        elif self.scale == "own":
            size = self._width(X[rest], p)
            self.floor_ = np.maximum(_NARROW * np.median(size, axis=0), 1e-12 * (1 + Y.std(axis=0)))
        calibrate = calibrate[:_MOST]  # any subset of exchangeable runs keeps the promise
        error = Y[calibrate] - points_of(self.predictor_, X[calibrate], p)
        each = len(calibrate) / len(np.unique(one[calibrate]))
        self.residuals_ = outwards(error / self._width(X[calibrate], p), max(1, round(each)))

    def _shares(self, one: npt.NDArray[np.intp], widths: bool) -> list[npt.NDArray[np.intp]]:
        """Choose runs to calibrate, to learn widths and to learn the rest, by groups 0, 1, ..."""
        if not isinstance(self.held, float | np.floating) or not 0 < self.held < 0.5:
            raise InputError(f"held must be a share between 0 and 0.5, but it is {self.held!r}.")
        n, count = len(one), int(one.max()) + 1
        parts = 3 if widths else 2
        if count < parts:
            what = f"n_samples={n}" if n == count else f"{n} runs are of {count}"
            raise InputError(
                f"SplitConformal needs at least {parts} runs, or groups of them, but {what}."
            )
        held = max(1, round(self.held * count))
        more = min(held, count - held - 1) if widths else 0
        turn = np.argsort(np.random.default_rng(self.random_state).permutation(count))[one]
        order = np.argsort(turn, kind="stable")
        return np.split(order, np.searchsorted(turn[order], [held, held + more]))

    def _predict_dist(self, X: FloatArray) -> Prediction:
        p = self.residuals_.shape[1]
        points = points_of(self.predictor_, X, p)
        return Weighted(points + self._width(X, p) * self.residuals_[:, None])

    def _width(self, X: FloatArray, p: int) -> FloatArray:
        """Width of the errors at X, shape (m, p)."""
        if self.scale_ is not None:
            return np.maximum(points_of(self.scale_, X, p), self.floor_)
        if self.scale is None:
            return np.ones((len(X), p))
        return np.asarray(np.maximum(self.predictor_.predict_dist(X).std, self.floor_))

    def set_state(self, state: Mapping[str, Any]) -> Self:
        """Take on a state whose parts fit together."""
        if state:
            d, p = state.get("n_features_in_"), state.get("n_outputs_")
            learns = self.scale is not None and not isinstance(self.scale, str)
            learns = learns or (isinstance(self.scale, str) and self.scale != "own")
            for name, needed in (("predictor_", True), ("scale_", learns)):
                part = state.get(name)
                if not needed and part is None:
                    continue
                if not hasattr(part, "predict") or getattr(part, "n_features_in_", None) != d:
                    raise StateError(f"{name!r} must be fitted on {d} inputs, but is {part!r:.80}.")
                if isinstance(part, Emulator) and part.n_outputs_ != p:
                    raise StateError(f"{name!r} is of {part.n_outputs_} outputs, not {p}.")
            state_array(state, "floor_", (p,))
            if not len(state_array(state, "residuals_", (None, p))):
                raise StateError("'residuals_' of the state is empty.")
        return super().set_state(state)

    def _given(self) -> tuple[Any, Any]:
        """Return the predictor and what learns the width (or None), and check them."""
        refuse_loops(self)
        predictor = self._predictor("predictor", self.predictor)
        if self.scale is None:
            return predictor, None
        if isinstance(self.scale, str) and self.scale == "own":
            if not isinstance(predictor, Emulator) or "variance" not in predictor.capabilities_:
                raise InputError(
                    f"scale='own' needs a predictor that states a variance, and {predictor!r:.80} "
                    f"does not; give a method that learns the width, such as 'knn'."
                )
            return predictor, None
        return predictor, self._predictor("scale", self.scale)

    def _predictor(self, name: str, given: Any) -> Any:
        predictor = registry.from_spec("emulator", given)
        made = hasattr(predictor, "get_params") and not isinstance(predictor, type)
        if made and (isinstance(predictor, Emulator) or is_regressor(predictor)):
            return predictor
        raise InputError(
            f"SplitConformal needs an emulator, its name, or a regressor of scikit-learn, but "
            f"{name} is {given!r:.80}."
        )
