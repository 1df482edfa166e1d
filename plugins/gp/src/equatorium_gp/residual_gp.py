"""The emulator ``residual-gp``: any emulator as the mean, a Gaussian process on what it leaves."""

from collections.abc import Mapping
from typing import Any, Self

import numpy as np
from sklearn.base import clone

import equatorium
from equatorium import Dense, Diagonal, Emulator, Gaussian, LowRank
from equatorium.checks import FloatArray
from equatorium.errors import EquatoriumError, InputError, StateError
from equatorium_gp.correlation import variance_factor
from equatorium_gp.trend_gp import TrendGP

KINDS = ("refitted", "held out")


class ResidualGP(Emulator):
    r"""Any emulator as the mean, and a Gaussian process on its residuals.

    .. math:: y(\theta) = f(\theta) + u(\theta), \qquad
              u \,|\, r \sim GP, \qquad
              \mathrm{Cov}[y(\theta)] = F\, \mathrm{Cov}[u(\theta) \,|\, r]\, F + S V_f(\theta) S,

    with :math:`F = \mathrm{diag}(\sqrt{f_j})` of `variance_factor_`, and without declared noise.
    A stationary process cannot be steep here and flat there; a mean f that follows the steep part
    (a polynomial, a tree, a network) leaves it something that it can.

    Without declared noise S = 0: the covariance is that of the process alone, for the residuals r
    already hold the error of f: their scale is that of ``y - f`` where f was not told y. So that
    this is true, the runs are dealt to folds, f is fitted without each of them in turn, and of two
    kinds of residuals the one is taken with which the whole gives held-out values the higher log
    density, all folds together, declared noise added:

    - ``held out``, :math:`r_i = y_i - f_{-k(i)}(\theta_i)`: right for a mean that is flexible (a
      network, an interpolator), whose errors at its own runs are far too small;
    - ``refitted``, :math:`r_i = y_i - f(\theta_i)`: right for a mean that is stiff (a constant, a
      low polynomial), whose errors at its own runs tell the truth. Held-out residuals would add
      the jumps from one fold's mean to the next, which are no smooth function.

    The mean that predicts is fitted on all runs; the variance that it states is not used. A stiff
    mean follows declared noise a little, by less than residuals can show. :math:`V_f` is the
    jackknife of its variance from the means of the folds (half of it, for five folds say little of
    one point, and half of its average over the runs). It is added by the share of the residuals'
    variance that noise is, :math:`S = \mathrm{diag}(\sqrt{s_j})` of `noise_share_`: what is not
    noise of the mean's error, the process takes up.

    Parameters
    ----------
    mean : Emulator, or its name or spec
        One with the capability ``noise`` is told of declared noise.
    residual : Emulator, or its name or spec, or None
        What learns the residuals, with the capabilities ``variance`` and ``noise``; None is
        `TrendGP` with a constant trend.
    folds : int
        From 2; the mean is fitted ``folds + 1`` times, the residual ``2 folds + 1`` times.

    Attributes
    ----------
    mean_, residual_ : fitted Emulators
    kind_ : str
        ``"refitted"`` or ``"held out"``: the residuals that were taken.
    variance_factor_ : (p,) array
        From 1: by which held-out errors, less a standard error, are larger than the process says;
        its variance is multiplied by it.
    noise_share_ : (p,) array
    means_ : list of Emulator
        The means of the folds; empty where they are not needed.
    mean_variance_ : (p, p) array
        The average of :math:`S V_f S` over the runs.
    scores_ : (2,) array
        Mean log density of a held-out value with refitted and with held-out residuals.

    References
    ----------
    Kennedy M. C. & O'Hagan A. 2001, J. R. Statist. Soc. B 63, 425, doi:10.1111/1467-9868.00294

    Examples
    --------
    >>> x = np.linspace(0.0, 1.0, 12)[:, None]
    >>> model = ResidualGP(mean=TrendGP(trend="cubic")).fit(x, np.sin(4.0 * x[:, 0]))
    >>> mean, std = model.predict([[0.33]], return_std=True)
    >>> bool(abs(mean[0] - np.sin(1.32)) < 4.0 * std[0] + 1e-6), bool(std[0] < 0.1)
    (True, True)
    """

    def __init__(self, mean: Any, residual: Any = None, folds: int = 5) -> None:
        self.mean = mean
        self.residual = residual
        self.folds = folds

    @classmethod
    def conformance_options(cls) -> dict[str, Any]:
        """Return parts of the kit's own, which are fitted at once."""
        return {"mean": "local/reference-ridge", "residual": "local/reference-ridge"}

    @property
    def capabilities_(self) -> frozenset[str]:
        """What the residual's emulator can do of what a sum can; the parts are checked."""
        mean, residual = self._parts()
        _ = mean.capabilities_  # the parts of a composite are checked too
        return frozenset({"variance", "covariance", "noise"}) & residual.capabilities_

    def _fit(self, X: FloatArray, Y: FloatArray, noise: FloatArray | None) -> None:
        mean, residual = self._parts()
        fold = self._dealt(len(X))
        held_out, means = np.empty_like(Y), []
        for k in range(fold.max() + 1):
            out = fold == k
            means.append(_learned(mean, X[~out], Y[~out], _rows(noise, ~out)))
            held_out[out] = Y[out] - means[k].predict_dist(X[out]).mean
        self.mean_ = _learned(mean, X, Y, noise)
        error, variance = np.empty((2, *Y.shape)), np.empty((2, *Y.shape))
        for k, fitted in enumerate(means):
            out = fold == k
            targets = (Y[~out] - fitted.predict_dist(X[~out]).mean, held_out[~out])
            for kind, target in enumerate(targets):
                found = _learned(residual, X[~out], target, _rows(noise, ~out)).predict_dist(X[out])
                error[kind, out], variance[kind, out] = held_out[out] - found.mean, found.variance
        self._judge(error, variance, np.zeros_like(Y) if noise is None else noise)
        stiff = self.kind_ == KINDS[0]
        target = Y - self.mean_.predict_dist(X).mean if stiff else held_out
        self.residual_ = _learned(residual, X, target, noise)
        self.noise_share_ = np.zeros(Y.shape[1])
        if stiff and noise is not None:
            # Weighted, or one run of huge noise would speak for all.
            weight = 1.0 / np.maximum(noise + np.median(target**2, axis=0), 1e-300)
            square = np.maximum((weight * target**2).sum(axis=0), 1e-300)
            self.noise_share_ = np.minimum((weight * noise).sum(axis=0) / square, 1.0)
        self.means_ = means if self.noise_share_.any() else []
        apart = self._apart(X)
        self.mean_variance_ = np.einsum("npk,nqk->pq", apart, apart) / len(X)

    def _judge(self, error: FloatArray, variance: FloatArray, declared: FloatArray) -> None:
        """Choose the kind of residuals, and how much larger held-out errors are than predicted."""
        factors = np.array(
            [_factors(*both, declared) for both in zip(error, variance, strict=True)]
        )
        total = np.maximum(factors[:, None] * variance + declared, 1e-300)
        self.scores_ = -0.5 * (np.log(2 * np.pi * total) + error**2 / total).mean(axis=(1, 2))
        best = int(np.argmax(self.scores_))
        self.kind_, self.variance_factor_ = KINDS[best], factors[best]

    def _dealt(self, n: int) -> Any:
        """Deal the runs to folds: interleaved in a fixed shuffle, so that a fit is repeatable."""
        whole = isinstance(self.folds, int | np.integer) and not isinstance(self.folds, bool)
        if not whole or self.folds < 2:
            raise InputError(f"folds must be a whole number from 2, not {self.folds!r}.")
        if n < 4:
            raise InputError(
                f"ResidualGP leaves runs out and learns from the rest: it needs at least 4 runs, "
                f"but n_samples={n}."
            )
        return np.random.default_rng(0).permutation(n) % min(self.folds, n // 2)

    def _predict_dist(self, X: FloatArray) -> Gaussian:
        own = self.residual_.predict_dist(X).gaussian()
        mean = self.mean_.predict_dist(X).mean + own.mean
        covariance = own.covariance.scaled(np.sqrt(self.variance_factor_))
        if not self.means_:
            return Gaussian(mean, covariance)
        apart, average = np.sqrt(0.5) * self._apart(X), 0.5 * self.mean_variance_
        if self.n_outputs_ == 1:
            return Gaussian(mean, covariance + Diagonal((apart**2).sum(axis=-1) + average))
        level = Dense(np.broadcast_to(average, (len(X), *average.shape)))
        return Gaussian(mean, covariance + LowRank(np.zeros_like(mean), apart) + level)

    def _apart(self, X: FloatArray) -> FloatArray:
        """How far the folds' means are apart (m, p, k): a root of the jackknife of noise's part."""
        k = len(self.means_)
        if k == 0:
            return np.zeros((len(X), self.n_outputs_, 0))
        apart = np.stack([each.predict_dist(X).mean for each in self.means_], axis=-1)
        apart -= apart.mean(axis=-1, keepdims=True)
        return np.asarray(apart * np.sqrt(self.noise_share_ * (k - 1) / k)[:, None])

    def set_state(self, state: Mapping[str, Any]) -> Self:
        """Take on a state whose parts fit together."""
        if state:
            means = state.get("means_")
            if not isinstance(means, list):
                raise StateError("the state of ResidualGP needs a list 'means_'.")
            named = {f"means_[{i}]": part for i, part in enumerate(means)}
            for name, part in [
                ("mean_", state.get("mean_")),
                ("residual_", state.get("residual_")),
                *named.items(),
            ]:
                sizes = [getattr(part, size, None) for size in ("n_features_in_", "n_outputs_")]
                wanted = [state.get("n_features_in_"), state.get("n_outputs_")]
                if not isinstance(part, Emulator) or sizes != wanted:
                    raise StateError(
                        f"{name!r} of the state of ResidualGP must be an emulator fitted on "
                        f"{wanted[0]} inputs and {wanted[1]} outputs, but it is {part!r:.80}."
                    )
            equatorium.state_array(state, "scores_", (2,))
            factor = equatorium.state_array(state, "variance_factor_", (state["n_outputs_"],))
            average = equatorium.state_array(state, "mean_variance_", (state["n_outputs_"],) * 2)
            ends, apart = np.linalg.eigvalsh(average)[[0, -1]], average - average.T
            if min(ends[0], -np.abs(apart).max()) < -1e-9 * abs(ends[1]):
                raise StateError("'mean_variance_' of the state of ResidualGP is no covariance.")
            share = equatorium.state_array(state, "noise_share_", (state["n_outputs_"],))
            if (share < 0).any() or (share > 1).any():
                raise StateError("'noise_share_' of the state of ResidualGP must be from 0 to 1.")
            if (factor < 1).any():
                raise StateError("'variance_factor_' of the state of ResidualGP must be from 1.")
            if state.get("kind_") not in KINDS:
                raise StateError(f"'kind_' of the state of ResidualGP must be one of {KINDS}.")
        return super().set_state(state)

    def _parts(self) -> tuple[Any, Any]:
        """Return mean and residual, made from their specs where they are given so, and check."""
        _refuse_loops(self, ())
        residual = TrendGP(trend="constant") if self.residual is None else self.residual
        parts = _made(self.mean, "mean"), _made(residual, "residual")
        for needed in ("variance", "noise"):
            if needed not in parts[1].capabilities_:
                raise InputError(
                    f"residual={parts[1]!r:.80} lacks the capability {needed!r}: take one that has "
                    "it, such as trend-gp."
                )
        return parts


def _made(given: Any, option: str) -> Any:
    """Make an emulator from its name or spec."""
    spec = {"use": given} if isinstance(given, str) else given
    if isinstance(spec, Mapping):
        if "use" not in spec or not set(spec) <= {"use", "options"}:
            raise InputError(
                f"{option} must be written {{'use': name, 'options': {{...}}}}, not {given!r:.80}."
            )
        options: Any = spec.get("options", {})
        spec = equatorium.emulator(spec["use"], **options)
    if not isinstance(spec, Emulator):
        raise InputError(f"{option} must be an emulator or its name, but it is {given!r:.80}.")
    return spec


def _refuse_loops(part: Any, above: tuple[Any, ...]) -> None:
    """Refuse a composite that is a part of itself: it would never end."""
    if isinstance(part, list | tuple):
        for one in part:
            _refuse_loops(one, above)
    elif hasattr(part, "get_params") and not isinstance(part, type):
        if any(part is one for one in above):
            raise InputError(
                f"this {type(part).__name__} is a part of itself: take it out of its own options."
            )
        for one in part.get_params(deep=False).values():
            _refuse_loops(one, (*above, part))


def _learned(part: Any, X: FloatArray, Y: FloatArray, noise: FloatArray | None) -> Any:
    """Fit a clone, with noise where it can make use of it."""
    fresh = clone(part)
    told = noise if "noise" in fresh.capabilities_ else None
    try:
        return fresh.fit(X, Y, noise=told)
    except (EquatoriumError, np.linalg.LinAlgError) as error:
        raise InputError(f"ResidualGP could not fit {part!r:.80} on {len(X)} runs: {error}") from (
            error
        )


def _factors(error: FloatArray, variance: FloatArray, declared: FloatArray) -> FloatArray:
    """Factors (p,) on the variances at which held-out errors are as large as predicted.

    One standard error is taken off, for folds are fitted on fewer runs than the whole.
    """
    square = error**2 / np.maximum(variance + declared, 1e-300)
    mean, sd = square.mean(axis=0), square.std(axis=0)
    sure = 1.0 - sd / np.maximum(np.sqrt(len(error)) * mean, 1e-300)
    full = np.empty(len(mean))
    for j in range(len(mean)):
        column = (slice(None), slice(j, j + 1))
        full[j] = variance_factor(error[column], variance[column], declared[column])
    return np.asarray(np.maximum(1.0, sure * full))


def _rows(noise: FloatArray | None, rows: Any) -> FloatArray | None:
    return None if noise is None else noise[rows]
