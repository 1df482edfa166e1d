"""An honest distribution for any predictor of points: itself, and its errors on unseen runs."""

from collections.abc import Mapping
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from sklearn.base import clone, is_regressor
from sklearn.pipeline import Pipeline
from sklearn.utils import get_tags

from equatorium import registry
from equatorium.checks import FloatArray, finite, floats
from equatorium.emulate.folds import deal
from equatorium.emulate.grouped import Grouped, Labels, told
from equatorium.emulate.nesting import refuse_loops
from equatorium.errors import InputError, ShapeError, StateError
from equatorium.interfaces.emulator import Emulator
from equatorium.interfaces.model import state_array
from equatorium.records.prediction import Prediction, Weighted

_MOST = 200  # enough for intervals of 99 %, few enough for a thousand points at once
_TINY = 1e-100


class Conformal(Grouped):
    r"""Any predictor of points, with the distribution of its errors on runs that it has not seen.

    The predictor is fitted five times, each time without one fold k(i) of the runs. Run i leaves
    the residual :math:`r_i = y_i - f_{-k(i)}(\theta_i)`, and the prediction is the discrete
    distribution of equal weights

    .. math:: y(\theta) \in \{ f_{-k(i)}(\theta) + r_i,\; i = 1 \ldots n \}

    (CV+, Barber et al. 2021): wider where the five predictors disagree. Within each output the
    residuals are moved outwards by one rank, so that the central interval of level
    :math:`1 - \alpha` is that of n + 1 exchangeable residuals, the new one among them.

    Parameters
    ----------
    predictor : Emulator, its name or spec, or a regressor of scikit-learn
        Only its means are used. A model whose predictor is of scikit-learn cannot be saved
        (`NotSavableError`): it has no registered name.

    Attributes
    ----------
    predictors_ : list
        The predictors, one a fold.
    residuals_ : ndarray, shape (s, p)
        Those of at most 200 runs, each moved to a quantile of all runs' in every output.
    fold_ : ndarray of int, shape (s,)
        The predictor that each residual is of.

    Notes
    -----
    The mean is that of the five predictors and of their errors, not that of one fitted on all runs.

    What is promised holds on average over the space and over training sets, not at each point: the
    residuals are the same everywhere. For runs drawn independently from one distribution and
    without declared noise, an interval of level :math:`1 - \alpha` is known to hold a new run with
    a probability of at least :math:`1 - 2\alpha` less a term that vanishes with n; with predictors
    that do not depend on single runs it is :math:`1 - \alpha`. Levels above (s - 1) / (s + 1)
    cannot be promised. The covariance between outputs is that of the residuals, of rank s - 1.

    Where runs come in groups the promise is for runs of a new group; residuals then move by as many
    ranks as a group has runs, on average (Lee, Barber & Willett 2023).

    Declared noise is part of the residuals but not of a prediction. Residual i is drawn towards
    their weighted mean by the factor :math:`\sqrt{\sigma^2 / (\sigma^2 + s_i^2)}`, with its noise
    variance :math:`s_i^2` and the variance :math:`\sigma^2` for which the mean of
    :math:`(r_i - \bar r)^2 / (\sigma^2 + s_i^2)` is one (Paule & Mandel 1982), but at least its own
    uncertainty without any scatter, :math:`(2 / \sum_i s_i^{-4})^{1/2}`. Noise is independent
    between outputs, so that it hides their correlation: the residuals drawn in are mixed, each
    output with its variance as before, to have the correlation of the products of two outputs, of
    which noise is no part. Only a predictor with the capability ``noise`` also learns with it.

    References
    ----------
    Barber R. F., Candes E. J., Ramdas A. & Tibshirani R. J. 2021, Annals of Statistics 49, 486,
    doi:10.1214/20-AOS1965

    Lee Y., Barber R. F. & Willett R. 2023, Distribution-free inference with hierarchical data,
    doi:10.48550/arXiv.2306.06342

    Paule R. C. & Mandel J. 1982, Journal of Research of the National Bureau of Standards 87, 377,
    doi:10.6028/jres.087.022
    """

    capabilities = frozenset({"variance", "covariance", "noise"})

    def __init__(self, predictor: Any) -> None:
        self.predictor = predictor

    @classmethod
    def conformance_options(cls) -> dict[str, Any]:
        """Return a predictor of the kit's own."""
        return {"predictor": "local/reference-ridge"}

    @property
    def capabilities_(self) -> frozenset[str]:
        """The same with every predictor, which is checked, but for gaps in the inputs."""
        predictor = self._given()
        if isinstance(predictor, Emulator):
            _ = predictor.capabilities_  # the parts of a composite are checked too
        # Gaps in the inputs are the predictor's affair.
        return self.capabilities | ({"missing"} if takes_gaps(predictor) else set())

    def _fit(
        self, X: FloatArray, Y: FloatArray, noise: FloatArray | None, groups: Labels = None
    ) -> None:
        predictor = self._given()
        fold = deal(len(X), "Conformal", groups)
        self.predictors_ = []
        residuals = np.empty_like(Y)
        for k in range(fold.max() + 1):
            held = fold == k
            learn = None if noise is None else noise[~held]
            apart = None if groups is None else groups[~held]
            try:
                fitted = learned(predictor, X[~held], Y[~held], learn, apart)
                residuals[held] = Y[held] - points_of(fitted, X[held], Y.shape[1])
            except Exception as error:  # a predictor may fail in any way
                raise InputError(
                    f"Conformal must see the errors of {predictor!r:.80} on unseen runs, but it "
                    f"failed on {np.sum(~held)} of {len(X)} runs: {error}"
                ) from error
            self.predictors_.append(fitted)
        # Any runs, since the first may be of another wave than the last.
        some = np.sort(np.random.default_rng(1).permutation(len(X))[:_MOST])
        self.fold_ = fold[some]
        # Of exchangeable groups the new one is one more: its rank is that of a whole group.
        each = 1.0 if groups is None else len(X) / len(np.unique(groups))
        wide = outwards(_without(residuals, noise), max(1, round(each)))
        self.residuals_ = _representative(wide, some)

    def _predict_dist(self, X: FloatArray) -> Prediction:
        p = self.residuals_.shape[1]
        points = np.stack([points_of(fitted, X, p) for fitted in self.predictors_])
        return Weighted(points[self.fold_] + self.residuals_[:, None])

    def set_state(self, state: Mapping[str, Any]) -> Self:
        """Take on a state whose residuals and predictors fit together."""
        if state:
            predictors = state.get("predictors_")
            if not isinstance(predictors, list) or not predictors:
                raise StateError("the state of Conformal needs a list 'predictors_'.")
            for i, fitted in enumerate(predictors):
                if not hasattr(fitted, "predict") or getattr(
                    fitted, "n_features_in_", None
                ) != state.get("n_features_in_"):
                    raise StateError(
                        f"'predictors_' {i} must be fitted on {state.get('n_features_in_')} "
                        f"inputs, but it is {fitted!r:.80}."
                    )
                if isinstance(fitted, Emulator) and fitted.n_outputs_ != state.get("n_outputs_"):
                    raise StateError(f"'predictors_' {i} is of {fitted.n_outputs_} outputs.")
            residuals = state_array(state, "residuals_", (None, state.get("n_outputs_")))
            fold = state_array(state, "fold_", (len(residuals),), kinds="i")
            if not len(fold) or (fold < 0).any() or (fold >= len(predictors)).any():
                raise StateError("'fold_' must name one of 'predictors_' for every residual.")
        return super().set_state(state)

    def _given(self) -> Any:
        """Return the predictor, made from its spec if it is given so, and check it."""
        refuse_loops(self)
        predictor = registry.from_spec("emulator", self.predictor)
        cloned = hasattr(predictor, "get_params") and not isinstance(predictor, type)
        if isinstance(predictor, Emulator) or (cloned and is_regressor(predictor)):
            return predictor
        raise InputError(
            f"Conformal needs an emulator, its name, or a regressor of scikit-learn, but predictor "
            f"is {predictor!r:.80}."
        )


def takes_gaps(predictor: Any) -> bool:
    """Tell whether a predictor takes NaN in its inputs for not observed."""
    first = predictor.steps[0][1] if isinstance(predictor, Pipeline) else predictor
    return bool(get_tags(first).input_tags.allow_nan)


def learned(
    predictor: Any, X: FloatArray, Y: FloatArray, noise: FloatArray | None, groups: Labels = None
) -> Any:
    """Fit a clone, with what it can make use of."""
    fresh = clone(predictor)
    more = told(fresh, groups)
    if isinstance(fresh, Emulator):
        return fresh.fit(X, Y, noise=noise if "noise" in fresh.capabilities_ else None, **more)
    return fresh.fit(X, Y[:, 0] if Y.shape[1] == 1 else Y, **more)


def points_of(fitted: Any, X: FloatArray, p: int) -> FloatArray:
    """Predict points, shape (m, p)."""
    name = f"the prediction of {type(fitted).__name__}"
    points = floats(fitted.predict(X), name)
    if points.shape != (len(X), p) and (p > 1 or points.shape != (len(X),)):
        raise ShapeError(f"{name} must have shape ({len(X)}, {p}), not {points.shape}.")
    finite(points, name)
    return points.reshape(len(X), p)


def _without(residuals: FloatArray, noise: FloatArray | None) -> FloatArray:
    """Draw every residual towards their mean by what of its variance is declared noise."""
    if noise is None or not noise.any():
        return residuals
    low, high = np.zeros(residuals.shape[1]), np.ptp(residuals, axis=0) ** 2
    for _ in range(60):  # halvings: the digits of a double
        middle = (low + high) / 2
        total = np.maximum(middle + noise, _TINY)
        too_small = np.mean((residuals - _center(residuals, total)) ** 2 / total, axis=0) > 1
        low, high = np.where(too_small, middle, low), np.where(too_small, high, middle)
    own = np.maximum(high, np.sqrt(2 / np.sum(np.maximum(noise, _TINY) ** -2, axis=0)))
    total = own + noise
    center = _center(residuals, total)
    standard = (residuals - center) / np.sqrt(total)
    # The noise of two outputs is independent, so that the mean of their product is free of it.
    weight = total**-0.5
    products = (standard.T @ standard) / (weight.T @ weight) / np.sqrt(np.outer(own, own))
    return np.asarray(center + np.sqrt(own) * _correlated(standard, products))


def _correlated(standard: FloatArray, products: FloatArray) -> FloatArray:
    """Mix the outputs of standardised residuals (n, p) to be correlated so, each of its old size.

    What noisy products say may be no correlation: the nearest that is one is taken.
    """
    wanted = np.clip(products, -1.0, 1.0)
    np.fill_diagonal(wanted, 1.0)
    present = standard.T @ standard / len(standard)
    mixed = standard @ _power(present, -0.5) @ _power(wanted, 0.5)
    old, new = np.linalg.norm(standard, axis=0), np.linalg.norm(mixed, axis=0)
    return np.asarray(mixed * np.where(new > 0, old / np.where(new > 0, new, 1.0), 0.0))


def _power(matrix: FloatArray, power: float) -> FloatArray:
    """Raise a symmetric matrix to a power; what is not positive of it counts as zero."""
    values, axes = np.linalg.eigh(matrix)
    good = values > 1e-10 * values[-1]
    return np.asarray((axes[:, good] * values[good] ** power) @ axes[:, good].T)


def _center(residuals: FloatArray, total: FloatArray) -> FloatArray:
    """Return the mean of each output, with weights 1 / total variance."""
    return np.asarray(np.average(residuals, axis=0, weights=1 / total))


def _representative(values: FloatArray, some: npt.NDArray[np.intp]) -> FloatArray:
    """Keep some rows, with their ranks in each output, but the quantiles of all rows there.

    Of 200 rows alone the ends of a 90 % interval would be known to 2 % of the probability.
    """
    n, kept = len(values), values[some]
    place = (np.arange(len(kept)) + 0.5) * n / len(kept) - 0.5
    rank = np.where(2 * place < n - 1, np.floor(place), np.ceil(place)).astype(np.intp)
    out = np.empty_like(kept)
    order = np.argsort(kept, axis=0, kind="stable")
    np.put_along_axis(out, order, np.sort(values, axis=0)[rank], axis=0)
    return out


def outwards(residuals: FloatArray, ranks: int = 1) -> FloatArray:
    """Move the residuals of each output by one rank, or more, away from their median.

    The k-th of n + 1 exchangeable values bounds the new one with probability k / (n + 1), so that
    the upper quantile is the one of rank ceil(q (n + 1)), which is at most ceil(q n) + 1.
    """
    n = len(residuals)
    order = np.argsort(residuals, axis=0, kind="stable")
    ranked = np.take_along_axis(residuals, order, axis=0)
    rank = np.arange(n)
    moved = np.clip(rank + ranks * np.sign(2 * rank - (n - 1)), 0, n - 1)
    out = np.empty_like(residuals)
    np.put_along_axis(out, order, ranked[moved], axis=0)
    return out
