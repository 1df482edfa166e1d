r"""What is linear in its coefficients: :math:`f(x) = b + w^T \phi(x)`, with the exact posterior.

Given the scatter sigma of the outputs and the penalty alpha, the coefficients are Gaussian, and

.. math:: \sigma^2(x) = \sigma^2 + u^2 \left[1 / \textstyle\sum_i v_i + (\phi(x) - \bar\phi)^T
          (\Phi^T V \Phi + \alpha)^{-1} (\phi(x) - \bar\phi)\right]

where runs of declared noise N_i weigh :math:`v_i = u^2 / (\sigma^2 + N_i)`, u^2 the least of the
denominators. The errors of several outputs are as correlated as their residuals, which hold the
declared noise: where that is large, the correlation comes out too small.
"""

from abc import abstractmethod

import numpy as np
from scipy.optimize import brentq
from sklearn.utils.validation import check_is_fitted

from equatorium import Dense, Diagonal, Emulator, Gaussian, errors, state_array
from equatorium_regression.choices import output_number
from equatorium_regression.design import Design
from equatorium_regression.states import outputs

_LEAST = 1e-12


class Linear(Emulator):
    """Base class: subclasses give the features, and choose the penalty."""

    _start, _rounds = 0.1, 40  # of the scatter beside declared noise, in units of y's variance

    @abstractmethod
    def _features(self, X):
        """Return the features (m, k)."""

    @abstractmethod
    def _feature_slopes(self, X):
        """Return the slopes of the features with X, (m, d, k)."""

    def _penalty(self, design, y):
        """Return alpha for one output, (n, 1)."""
        return 0.0

    def _solve(self, design, y):
        """Return alpha, the `Solution`, the root of the slopes' covariance, and the `Design` of it.

        Of one output.
        """
        alpha = self._penalty(design, y)
        return alpha, design.solve(y, alpha), design.covariance_root(alpha), design

    def _scale(self, design, solution, alpha):
        """Return the variance of one output's errors, of weight 1."""
        return float(design.weight @ np.square(solution.errors[:, 0])) / solution.left

    def _surplus(self, ratio, left):
        """Return how much too large squared errors over their variances are, (n,), for so many."""
        return float(ratio.sum()) - left

    def _limited(self, mean, gain):
        """Return the mean (m, p) and its variance, held back where features know nothing."""
        return mean, gain

    def _limited_vjp(self, mean, gain, mean_bar, gain_bar):
        """Return the slopes with what `_limited` was given, from those with what it returned."""
        return mean_bar, gain_bar

    def _left_out(self, Y, mean, gain):
        """Do as `_limited` for runs left out."""
        return mean, gain

    def _learn_best(self, X, Y, noise, kinds):
        """Learn with each kind of features, an attribute dictionary, and keep what predicts best.

        Best is the log score of runs left out, all outputs together.
        """
        if len(X) < 2:
            raise errors.InputError(
                f"{type(self).__name__} needs 2 runs to see its errors, but n_samples={len(X)}."
            )
        best = -np.inf
        for kind in kinds:
            vars(self).update(kind)
            learned = _learn(self, self._features(X), Y, noise)
            scatter = learned["scatter_"]
            left_out = self._left_out(Y, learned["loo_mean_"], learned["loo_variance_"] - scatter)
            learned["loo_mean_"], learned["loo_variance_"] = left_out[0], left_out[1] + scatter
            variance = learned["loo_variance_"] + (0.0 if noise is None else noise)
            with np.errstate(divide="ignore", invalid="ignore"):
                error = np.square(Y - learned["loo_mean_"]) / variance
                score = -np.nansum(np.log(variance) + error)
            if score > best or best == -np.inf:
                best, kept = score, kind | learned
        vars(self).update(kept)

    def _predict_dist(self, X):
        return self._gaussian(*self._limited(*self._moments(self._features(X))))

    def _moments(self, features):
        """Return the mean (m, p) and its variance."""
        return self.intercept_ + features @ self.coef_, self._gain(features)

    def _gain(self, features):
        """Return the variance of the mean (m, p)."""
        gain = []
        for j in range(len(self.root_)):
            offset = features - self.feature_mean_[min(j, len(self.feature_mean_) - 1)]
            gain.append(np.square(offset @ self.root_[j]).sum(axis=1))
        return self.unit_ * (self.offset_ + np.stack(gain, axis=1))

    def _gaussian(self, mean, gain):
        if mean.shape[1] == 1:
            return Gaussian(mean, Diagonal(self.scatter_ + gain))
        std = np.sqrt(gain)
        fixed = np.outer(np.sqrt(self.scatter_), np.sqrt(self.scatter_))
        return Gaussian(mean, Dense(self.correlation_ * (fixed + std[:, :, None] * std[:, None])))

    def loo(self):
        """Predict every run from all others, in closed form; the penalty stays.

        Returns
        -------
        Gaussian
            Of the n runs.
        """
        check_is_fitted(self)
        return self._gaussian(self.loo_mean_, self.loo_variance_ - self.scatter_)

    def predict_joint(self, X, output):
        """Return the covariance (m, m) of one output across points X (m, d)."""
        features = self._features(self._validate_query(X))
        j = output_number(output, self.n_outputs_)
        q, k = min(j, len(self.root_) - 1), min(j, len(self.feature_mean_) - 1)
        A = (features - self.feature_mean_[k]) @ self.root_[q]
        K = self.unit_[j] * (self.offset_[k] + A @ A.T)
        mean, gain = self._moments(features)
        less = self._limited(mean, gain)[1]
        ratio = np.divide(less, gain, out=np.ones_like(gain), where=gain > 0)[:, j]
        return K * np.outer(np.sqrt(ratio), np.sqrt(ratio)) + self.scatter_[j] * np.eye(len(K))

    def predict_dist_vjp(self, X, mean_bar, cov_bar):
        """Return the slope (m, d) of ``sum(mean_bar * mean) + sum(cov_bar * cov)`` with X."""
        X = self._validate_query(X)
        features = self._features(X)
        mean, gain = self._moments(features)
        std = np.sqrt(self._limited(mean, gain)[1])
        both = (cov_bar + np.swapaxes(cov_bar, 1, 2)) * self.correlation_
        # cov_jl holds std_j std_l, and d gain_j = 2 unit_j A_j (phi - mean).
        pull = 0.5 * (both @ std[..., None])[..., 0]
        pull = np.divide(pull, std, out=np.zeros_like(std), where=std > 0)
        mean_bar, pull = self._limited_vjp(mean, gain, np.asarray(mean_bar), pull)
        back, pull = mean_bar @ self.coef_.T, 2.0 * self.unit_ * pull
        for j in range(self.n_outputs_):
            q, k = min(j, len(self.root_) - 1), min(j, len(self.feature_mean_) - 1)
            offset = (features - self.feature_mean_[k]) @ self.root_[q] @ self.root_[q].T
            back += pull[:, [j]] * offset
        return np.einsum("mdk,mk->md", self._feature_slopes(X), back)

    def set_state(self, state):
        """Take on what was learned, checked."""
        if state:
            p = outputs(state)
            k = len(state_array(state, "coef_", (None, p)))
            n = len(state_array(state, "loo_mean_", (None, p)))
            for name in ("intercept_", "scatter_", "unit_", "alpha_"):
                state_array(state, name, (p,))
            state_array(state, "loo_variance_", (n, p))
            state_array(state, "correlation_", (p, p))
            q = len(state_array(state, "offset_", (None,)))
            state_array(state, "feature_mean_", (q, k))
            r = len(state_array(state, "root_", (None, k, k)))
            if q not in (1, p) or r not in (1, p):
                raise errors.StateError(f"'root_' and 'offset_' must be of 1 or {p} outputs.")
            for name in ("scatter_", "unit_", "offset_", "loo_variance_"):
                if (state[name] < 0).any():
                    raise errors.StateError(f"{name!r} of the state holds negative numbers.")
            if (state["loo_variance_"] < state["scatter_"]).any():
                raise errors.StateError("'loo_variance_' of the state is less than its 'scatter_'.")
        return super().set_state(state)


def _learn(model, features, Y, noise):
    """Return all that is learned of features (n, k), output by output."""
    n, p = Y.shape
    same = Design(features, np.ones(n)) if noise is None else None
    found = []
    for j in range(p):
        if noise is None:
            found.append(_plain(model, same, Y[:, [j]]))
        else:
            found.append(_noisy(model, features, Y[:, [j]], noise[:, j]))
    learned = {name: np.array([one[name] for one in found]) for name in found[0]}
    residual = learned.pop("residual").T
    size = np.sqrt(np.square(residual).sum(axis=0))
    residual = np.divide(residual, size, out=np.zeros_like(residual), where=size > 0)
    learned["correlation_"] = residual.T @ residual
    np.fill_diagonal(learned["correlation_"], 1.0)
    for name in ("coef_", "loo_mean_", "loo_variance_"):
        learned[name] = np.ascontiguousarray(learned[name].T)  # as from a file, to the last bit
    for names in (("feature_mean_", "offset_"), ("root_",)):  # once, where all outputs share them
        if all((learned[name] == learned[name][0]).all() for name in names):
            learned.update({name: learned[name][:1] for name in names})
    return learned


def _solved(model, design, y):
    """Solve, unless the solution goes through all runs, so that nobody can see its errors."""
    solved = model._solve(design, y)
    if solved[1].left <= 0:
        raise errors.InputError(
            f"{type(model).__name__} with {design.features.shape[1]} features passes through all "
            f"{len(y)} runs, and would take itself for exact: take fewer features or more runs, or "
            f"a larger penalty."
        )
    return solved


def _plain(model, design, y):
    """Learn one output without declared noise."""
    solved = _solved(model, design, y)
    scatter = model._scale(design, solved[1], solved[0])
    return _summary(design, y, solved, scatter, scatter)


def _noisy(model, features, y, noise):
    """Learn one output: scatter and weights depend on each other.

    The scatter is Paule and Mandel's: with it, the squared errors over their variances sum to the
    degrees of freedom that are left.
    """
    least = _LEAST * float(y.var()) + 1e-300
    scatter = max(model._start * float(y.var()), least)
    for _ in range(model._rounds):
        unit = scatter + noise.min()
        design = Design(features, unit / (scatter + noise), unit)
        solved = _solved(model, design, y)
        square = np.square(solved[1].errors[:, 0])
        left = max(solved[1].left, 1e-3)

        def surplus(s, square=square, left=left):
            return model._surplus(square / (s + noise), left)

        most = 3.0 * float(square.max()) * len(y) / left + 2.0 * least
        before = scatter
        scatter = least if surplus(least) <= 0 else brentq(surplus, least, most, rtol=1e-13)
        if abs(scatter - before) <= 1e-12 * unit:
            break
    return _summary(design, y, solved, unit, scatter)


def _summary(design, y, solved, unit, scatter):
    """Name what was learned of one output."""
    alpha, solution, root, base = solved
    stays = np.maximum(1.0 - solution.leverage, 1e-12)
    left_out = solution.errors[:, 0] / stays
    gain = unit * solution.leverage / (design.weight * stays)
    return {
        "coef_": solution.slopes[:, 0],
        "intercept_": solution.intercept[0],
        "alpha_": float(alpha),
        "scatter_": float(scatter),
        "unit_": float(unit),
        "feature_mean_": base.mean,
        "offset_": 1.0 / base.total,
        "root_": root,
        "loo_mean_": y[:, 0] - left_out,
        "loo_variance_": scatter + gain,
        "residual": design.root[:, 0] * solution.errors[:, 0],
    }
