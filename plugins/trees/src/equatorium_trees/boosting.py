"""Gradient boosting with a predictive distribution: a location, a local scale, and a shape."""

import numpy as np

from equatorium import Emulator, Ensemble, errors, state_array
from equatorium_trees import additive, residuals
from equatorium_trees import noise as declared
from equatorium_trees.libraries import boost
from equatorium_trees.nodes import whole_number


class Boosted:
    """What boosting for numbers and for classes share: five boosters, each without a fifth."""

    def __init__(
        self,
        *,
        n_estimators=150,
        learning_rate=0.06,
        max_leaf_nodes=16,
        min_samples_leaf=10,
        l2=1.0,
        library="scikit-learn",
        random_state=None,
    ):
        self.n_estimators = n_estimators
        self.learning_rate = learning_rate
        self.max_leaf_nodes = max_leaf_nodes
        self.min_samples_leaf = min_samples_leaf
        self.l2 = l2
        self.library = library
        self.random_state = random_state

    @classmethod
    def conformance_options(cls):
        """Return a few small trees."""
        return {"n_estimators": 8, "learning_rate": 0.4, "max_leaf_nodes": 4, "min_samples_leaf": 4}

    @property
    def members_(self):
        """The boosters' sums of trees: functions of X (m, d)."""
        return tuple(self._members)

    def _boost(self, X, y, weight, loss, **changes):
        options = self.get_params()
        library = options.pop("library")
        X = np.where(np.isnan(X).all(axis=0), 0.0, X)  # scikit-learn wants a value in every column
        try:
            return boost(library, X, y, weight, loss, {**options, **changes})
        except errors.EquatoriumError:
            raise
        except ValueError as error:
            raise errors.InputError(f"{type(self).__name__}: {error}") from error


class GradientBoosting(Boosted, Ensemble, Emulator):
    r"""Gradient boosting of location and scale, cross-fitted.

    .. math:: y(x) = f(x) + s(x)\, z

    Five boosters of the mean are each fitted without a fifth of the runs; f is their average. Runs
    leave the errors :math:`r_i = y_i - f_{-k(i)}(x_i)`, whose size is boosted in turn (gamma
    deviance of :math:`|r_i|`), again without the fifth that is left out: s is the geometric mean of
    the five. The errors :math:`r_i / s_{-k(i)}(x_i)`, which no booster has seen, are the shape z of
    the distribution, 200 of equal weight.

    Parameters
    ----------
    n_estimators : int
        The number of trees of a booster of the mean; those of the scale have half as many.
    learning_rate : float
    max_leaf_nodes : int
        Leaves of a tree.
    min_samples_leaf : int
    l2 : float
        Draws leaves of few runs towards zero.
    library : {"scikit-learn", "lightgbm"}
        Which grows the trees; LightGBM is the extra ``lightgbm``. What is learned are plain arrays
        either way.
    random_state : int or None

    Attributes
    ----------
    oob_prediction_ : ndarray, shape (n, p)
        Every run, predicted by the booster that has not seen it.
    oob_score_ : float
        Share of the outputs' variance that these explain.

    Notes
    -----
    NaN in X is missing, and goes where a split says. Several outputs have boosters each; their
    correlation is that of their errors. Declared noise makes runs count less, and is taken out of
    the errors on average.

    References
    ----------
    Friedman J. H. 2001, Annals of Statistics 29, 1189, doi:10.1214/aos/1013203451

    Ke G. et al. 2017, LightGBM, Advances in Neural Information Processing Systems 30, 3146
    """

    def _fit(self, X, Y, noise):
        fold = residuals.folds(len(X), "GradientBoosting")
        weight = None
        if noise is not None:
            weight = declared.weights(noise, declared.robust_variance(Y))
        means, expected = self._cross_fitted(X, Y, weight, fold, "squared")
        error = Y - expected
        if noise is not None:
            own = declared.scatter(error, noise)
            error = error * np.sqrt(own / (own + noise))
        size = np.abs(error)
        least = 1e-3 * size.mean(axis=0) + 1e-9 * np.abs(Y).max(axis=0) + 1e-150
        # Sizes have tails: small steps, large leaves.
        gentle = {"n_estimators": -(-self.n_estimators // 2), "max_leaf_nodes": 8}
        gentle["min_samples_leaf"] = 2 * self.min_samples_leaf
        scales, logs = self._cross_fitted(X, size + least, weight, fold, "gamma", **gentle)
        self.shape_ = residuals.shape_of(error / np.exp(logs))
        self.oob_prediction_ = expected
        left = ((Y - expected) ** 2).mean(axis=0) / np.maximum(Y.var(axis=0), 1e-300)
        self.oob_score_ = float(np.mean(1.0 - left))
        for name, value in additive.joined(means + scales).items():
            setattr(self, name, value)

    def _cross_fitted(self, X, Y, weight, fold, loss, **changes):
        """Boost each output without each fold: the sums of trees, and what they say of the fold."""
        sums, left_out = [], np.empty_like(Y)
        for k in range(fold.max() + 1):
            held = fold == k
            own = None if weight is None else weight[~held]
            one = [self._in_units(X[~held], y[~held], own, loss, changes) for y in Y.T]
            sums.append(additive.joined(one))
            left_out[held] = additive.Additive(sums[-1])(X[held])
        return sums, left_out

    def _in_units(self, X, y, weight, loss, changes):
        """Boost y in units of its own: the libraries' gradients are of single precision."""
        if loss == "gamma":
            unit = y.mean()
            found = self._boost(X, y / unit, weight, loss, **changes)
            return {**found, "base_": found["base_"] + np.log(unit)}
        middle, unit = y.mean(), y.std() or 1.0
        found = self._boost(X, (y - middle) / unit, weight, loss, **changes)
        base, leaf = found["base_"], found["leaf_value_"]
        return {**found, "base_": middle + unit * base, "leaf_value_": unit * leaf}

    def predict_members(self, X):
        """Return the mean by every booster, shape (members, m, p)."""
        return self._all(self._validate_query(X))[0]

    def _all(self, X):
        """Means and logarithms of scales of all boosters, each (members, m, p)."""
        columns = self._sums(X).T.reshape(2, -1, self.n_outputs_, len(X))
        return columns.swapaxes(2, 3)

    def _predict_dist(self, X):
        means, logs = self._all(X)
        return residuals.around(means.mean(axis=0), np.exp(logs.mean(axis=0)), self.shape_)

    def set_state(self, state):
        """Take on sums of trees and a shape that fit together."""
        if state:
            d, p = (whole_number(state, name) for name in ("n_features_in_", "n_outputs_"))
            residuals.check_shape(state, p)
            expected = state_array(state, "oob_prediction_", (None, p))
            additive.check(state, d, 2 * p * min(residuals.FOLDS, len(expected)))
        super().set_state(state)
        if state:
            self._sums = additive.Additive(state)
            self._members = self._sums.split(p)[: len(self.base_) // (2 * p)]
        return self
