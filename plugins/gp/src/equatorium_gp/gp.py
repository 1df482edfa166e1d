"""The emulator ``gp``: Gaussian processes with several kernels and trends, stacked by output."""

import copy
import warnings
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from sklearn.utils.validation import check_is_fitted

from equatorium import Dense, Diagonal, Emulator, Gaussian, LowRank, one_thread, state_array
from equatorium.checks import FloatArray
from equatorium.errors import EquatoriumError, InputError, StateError
from equatorium_gp.logarithm import Logarithm
from equatorium_gp.options import (
    RICH,
    check_choice,
    check_flag,
    check_seed,
    check_whole,
    tells_two_scales,
)
from equatorium_gp.predicting import checked_bars, checked_output, strange_runs
from equatorium_gp.trend import terms
from equatorium_gp.trend_gp import TrendGP
from equatorium_gp.weights import worth

KERNELS = ("rbf", "matern52")
TRENDS = ("constant", "linear", "quadratic")
MOST_APART = 40  # outputs up to which some members have a kernel for each
OF_MEMBERS = (
    "active",
    "output_correlation",
    "variance_function",
    "n_subset",
    "full_evaluations",
    "domain",
    "device",
    "random_state",
)


class GP(Emulator):
    r"""A stack of Gaussian processes: no kernel and no trend is best everywhere, so none is picked.

    Every pair of a kernel and a trend is a member, a :class:`~equatorium_gp.trend_gp.TrendGP`. For
    each output j the members' predictions are mixed,

    .. math:: \mu_j = \sum_k w_{kj} \mu_{kj}, \qquad
              \Sigma = \sum_k D_k \Sigma_k D_k + \sum_k v_k v_k^T,

    with :math:`D_k = \mathrm{diag}(\sqrt{w_{kj} f_{kj}})` and
    :math:`v_{kj} = \sqrt{w_{kj}} (\mu_{kj} - \mu_j)`: members that disagree are less sure together.
    Weights w and factors f of the variance follow from closed-form leave-one-out predictions, and
    from how many length-scales so few runs had to teach (`equatorium_gp.weights`): no member is
    fitted more than once.

    Parameters
    ----------
    kernels : "auto" or list of str
        Kernels of the members, as `TrendGP` takes them; by default ``rbf``, ``matern52`` and, where
        runs are many, ``scale(matern52) + scale(rbf)``.
    trends : "auto" or list of str
        Trends of the members; ``["constant", "linear", "quadratic"]`` by default. But for the
        first, those with more terms than half the runs are left out.
    sharing : str
        As in `TrendGP`; "auto" are both: members through components of the outputs, and, with 2 to
        40 outputs, two with a kernel for each output. The former know the outputs' differences, the
        latter the outputs themselves better.
    scale : str
        Of the outputs. ``"linear"``; ``"log"``: the members emulate the logarithms of all outputs,
        which must be positive; ``"auto"``: of those whose left-out runs are likelier so
        (`equatorium_gp.logarithm`). Mean and covariance are always those of the outputs.
    active, output_correlation, variance_function, n_subset, full_evaluations
        Of every member, as in `TrendGP`,
    domain, device, random_state
        likewise.

    Attributes
    ----------
    members_ : list of k TrendGP
        Those that have a weight for some output.
    logged_ : (p,) array of int
        1: what they emulate is the output's logarithm.
    weights_, factors_ : (k, p) arrays
    scores_ : (k, p) array
        Mean leave-one-out log density of a value, declared noise added.

    References
    ----------
    - Yao Y., Vehtari A., Simpson D. & Gelman A. 2018, Bayesian Analysis 13, 917,
      doi:10.1214/17-BA1091
    - Sundararajan S. & Keerthi S. S. 2001, Neural Computation 13, 1103,
      doi:10.1162/08997660151134343

    Examples
    --------
    >>> x = np.linspace(0.0, 1.0, 12)[:, None]
    >>> model = GP().fit(x, np.sin(4.0 * x[:, 0]))
    >>> mean, std = model.predict([[0.33]], return_std=True)
    >>> bool(abs(mean[0] - np.sin(1.32)) < 4.0 * std[0] + 1e-6), bool(std[0] < 0.01)
    (True, True)
    """

    state_version = 2

    def __init__(
        self,
        *,
        kernels: str | Sequence[str] = "auto",
        trends: str | Sequence[str] = "auto",
        active: Any = "all",
        sharing: str = "auto",
        scale: str = "auto",
        output_correlation: bool = True,
        variance_function: bool = True,
        n_subset: int = 400,
        full_evaluations: int = 8,
        domain: str = "ignore",
        device: str = "cpu",
        random_state: int | None = None,
    ) -> None:
        self.kernels = kernels
        self.trends = trends
        self.active = active
        self.sharing = sharing
        self.scale = scale
        self.output_correlation = output_correlation
        self.variance_function = variance_function
        self.n_subset = n_subset
        self.full_evaluations = full_evaluations
        self.domain = domain
        self.device = device
        self.random_state = random_state

    @classmethod
    def conformance_options(cls) -> dict[str, Any]:
        """Return two members instead of six."""
        return {"kernels": ["matern52"], "trends": ["constant", "linear"]}

    def _fit(self, X: FloatArray, Y: FloatArray, noise: FloatArray | None) -> None:
        check_flag("output_correlation", self.output_correlation)
        check_flag("variance_function", self.variance_function)
        check_seed(self.random_state)
        check_whole("n_subset", self.n_subset, 2)
        self.logged_ = self._logged(X, Y, noise)
        Y, noise = self._logarithm.forward(Y, noise)
        pairs = list(self._pairs(*X.shape, Y.shape[1]))
        together = "components" if self.sharing == "auto" else self.sharing
        members = self._fitted([(*pair, together) for pair in pairs], X, Y, noise)
        if self.sharing == "auto" and 1 < Y.shape[1] <= MOST_APART:
            trend = self._best_trend(members, Y, noise)
            apart = [(kernel, trend, "each") for kernel in KERNELS if (kernel, trend) in pairs]
            members += self._fitted(apart, X, Y, noise) if apart else []
        self._weigh(members, Y, noise)

    def _logged(self, X: FloatArray, Y: FloatArray, noise: FloatArray | None) -> Any:
        """Choose the outputs that are emulated by their logarithms."""
        check_choice("scale", self.scale, ("auto", "linear", "log"))
        if self.scale != "auto":
            return np.full(Y.shape[1], self.scale == "log", dtype=np.int64)
        options = {name: getattr(self, name) for name in ("active", "device")}
        return Logarithm.chosen(X, Y, noise, self.n_subset, **options).of.astype(np.int64)

    @property
    def _logarithm(self) -> Logarithm:
        return Logarithm(self.logged_ == 1)

    def _best_trend(self, members: list[TrendGP], Y: FloatArray, noise: FloatArray | None) -> str:
        """Give the trend whose members have the largest weights."""
        total: dict[str, float] = {}
        for member, weights in zip(members, _worth(members, Y, noise)[0], strict=True):
            total[member.trend] = total.get(member.trend, 0.0) + float(weights.sum())
        return max(total, key=total.__getitem__)

    def _weigh(self, members: list[TrendGP], Y: FloatArray, noise: FloatArray | None) -> None:
        """Keep the members that are of use, each with its weights."""
        weights, factors, scores = _worth(members, Y, noise)
        used = np.flatnonzero(weights.any(axis=1))
        self.members_ = [members[i] for i in used]
        self.weights_, self.factors_ = weights[used], factors[used]
        self.scores_ = scores[used] - self.logged_ * Y.mean(axis=0)

    def _fitted(
        self,
        members: Sequence[tuple[str, str, str]],
        X: FloatArray,
        Y: FloatArray,
        noise: FloatArray | None,
    ) -> list[TrendGP]:
        """Fit members (kernel, trend, sharing); one that fails is told of and left out."""
        fitted, failures = [], []
        for kernel, trend, sharing in members:
            options = {name: getattr(self, name) for name in OF_MEMBERS}
            member = TrendGP(kernel=kernel, trend=trend, sharing=sharing, **options)
            like = [m for m in fitted if (m.kernel, m.sharing) == (kernel, sharing)]
            try:
                if like:  # another trend: the kernel is near
                    fitted.append(member.fit_from(like[0], X, Y, noise=noise))
                else:
                    fitted.append(member.fit(X, Y, noise=noise))
            except (EquatoriumError, np.linalg.LinAlgError) as error:
                failures.append(f"{kernel} with trend {trend}: {error}")
        if not fitted:
            raise InputError(f"GP has no member that could be fitted. {' '.join(failures)}")
        for text in failures:
            warnings.warn(f"GP goes on without a member: {text}", stacklevel=4)
        return fitted

    def _pairs(self, n: int, d: int, p: int) -> Iterator[tuple[str, str]]:
        """Kernels and trends of the members; the first trend is always tried."""
        columns = d if not isinstance(self.active, int | list | tuple) else None
        usual = (*KERNELS, RICH) if tells_two_scales(n * p, d) else KERNELS
        for kernel in _names("kernels", self.kernels, usual):
            for place, trend in enumerate(_names("trends", self.trends, TRENDS)):
                # How many inputs "auto" finds active is not known yet: a member may still refuse.
                many = columns is not None and len(terms(trend, range(columns))) > n / 2
                if place == 0 or not many:
                    yield kernel, trend

    def _predict_dist(self, X: FloatArray) -> Gaussian:
        return self._logarithm.back(self._latent(X))

    def _latent(self, X: FloatArray) -> Gaussian:
        with one_thread(len(self.members_[0].X_)):  # once for all: to look it up takes time
            return self._mixed([member.predict_dist(X).gaussian() for member in self.members_])

    def _left_out(self, even: bool) -> Gaussian:
        check_is_fitted(self)
        return self._mixed([member.loo(even=even) for member in self.members_])

    def loo(self, *, even: bool = False) -> Gaussian:
        """Predict every run from all others at the hyperparameters and weights of all.

        Parameters
        ----------
        even : bool
            Leave the members' variance functions aside.

        Returns
        -------
        Gaussian
            (n, p): with the nugget, without the declared noise.
        """
        return self._logarithm.back(self._left_out(even))

    def outliers(self, level: float = 0.01) -> npt.NDArray[np.intp]:
        """Numbers of the runs that do not fit to all others, as `TrendGP.outliers` tells.

        Parameters
        ----------
        level : float
            Probability that any run is named where all are sound.
        """
        left_out, first = self._left_out(even=True), self.members_[0]
        return strange_runs(left_out, first.Y_, first.noise_, level)

    def update(self, X: Any, y: Any, *, noise: Any = None) -> Self:
        """Learn from further runs too: every member does, and all are weighed anew.

        Parameters
        ----------
        X : array_like, shape (m, d)
        y : array_like, shape (m,) or (m, p)
        noise : array_like, shape (m,) or (m, p), optional
            To be given if it was given to `fit`.
        """
        X, Y, noise = self._validate_update(X, y, noise)
        Y, noise = self._logarithm.forward(Y, noise)
        twin = copy.copy(self)  # what fails leaves us as we are
        members = [copy.copy(member).update(X, Y, noise=noise) for member in self.members_]
        first = members[0]
        twin._weigh(members, first.Y_, first.noise_ if len(first.noise_) else None)
        self.__dict__.update(twin._finish().__dict__)
        return self

    def predict_dist_vjp(self, X: Any, mean_bar: FloatArray, cov_bar: FloatArray) -> FloatArray:
        """Gradient (m, d) of ``sum(mean_bar * mean) + sum(cov_bar * covariance)`` by X.

        Parameters
        ----------
        X : array_like, shape (m, d)
        mean_bar : (m, p) array
        cov_bar : (m, p, p) array
        """
        X = self._validate_query(X)
        mean_bar, cov_bar = checked_bars(mean_bar, cov_bar, len(X), self.n_outputs_)
        cov_bar = 0.5 * (cov_bar + np.swapaxes(cov_bar, 1, 2))
        if self._alone:  # the covariance is a diagonal
            cov_bar = cov_bar * np.eye(self.n_outputs_)
        if self._logarithm.any:
            mean_bar, cov_bar = self._logarithm.pulled(self._latent(X), mean_bar, cov_bar)
        means = np.stack([member.predict(X).reshape(len(X), -1) for member in self.members_])
        root = np.sqrt(self.weights_)[:, None]
        apart = root * (means - (self.weights_[:, None] * means).sum(axis=0))
        pull = 2.0 * np.einsum("mpq,kmq->kmp", cov_bar, apart) * root
        by_mean = self.weights_[:, None] * (mean_bar - pull.sum(axis=0)) + pull
        scale = np.sqrt(self.weights_ * self.factors_)
        return np.asarray(
            sum(
                member.predict_dist_vjp(X, mean, cov_bar * s[:, None] * s)
                for member, mean, s in zip(self.members_, by_mean, scale, strict=True)
            )
        )

    def predict_joint(self, X: Any, output: int = 0) -> FloatArray:
        """Covariance (m, m) of one output between points X (m, d), the nugget on its diagonal."""
        X, output = self._validate_query(X), checked_output(output, self.n_outputs_)
        means = np.stack([m.predict(X).reshape(len(X), -1)[:, output] for m in self.members_])
        weights, factors = self.weights_[:, output], self.factors_[:, output]
        apart = np.sqrt(weights)[:, None] * (means - weights @ means)
        parts = (
            w * f * member.predict_joint(X, output)
            for w, f, member in zip(weights, factors, self.members_, strict=True)
        )
        total = np.asarray(apart.T @ apart + sum(parts))
        return self._logarithm.joint(weights @ means, total, output)

    def distance(self, X: Any) -> FloatArray:
        """Distance (m,) of X (m, d) to the nearest run, in widths of the box of the runs."""
        X = self._validate_query(X)
        return self.members_[0].distance(X)

    @property
    def _alone(self) -> bool:
        return self.n_outputs_ == 1 or not self.output_correlation

    def _mixed(self, parts: Sequence[Gaussian]) -> Gaussian:
        """Mean and covariance of the mixture, output by output."""
        means, weights = np.stack([part.mean for part in parts]), self.weights_[:, None]
        mean = (weights * means).sum(axis=0)
        apart = np.sqrt(weights) * (means - mean)
        scale = np.sqrt(self.weights_ * self.factors_)
        if self._alone:
            own = sum(s**2 * part.variance for s, part in zip(scale, parts, strict=True))
            return Gaussian(mean, Diagonal(own + np.square(apart).sum(axis=0)))
        total = LowRank(np.zeros_like(mean), np.moveaxis(apart, 0, -1)).dense()
        for s, part in zip(scale, parts, strict=True):
            total += part.covariance.dense() * s[:, None] * s
        return Gaussian(mean, Dense(total))

    @classmethod
    def migrate(cls, state: Mapping[str, Any], version: int) -> dict[str, Any]:
        """Version 1 knew no logarithms."""
        return {**state, "logged_": np.zeros(state.get("n_outputs_", 0), dtype=np.int64)}

    def set_state(self, state: Mapping[str, Any]) -> Self:
        """Take on a state whose members and weights fit together."""
        if state:
            members = state.get("members_")
            if not isinstance(members, list) or not members:
                raise StateError("the state of GP needs a list 'members_'.")
            for i, member in enumerate(members):
                sizes = [getattr(member, n, None) for n in ("n_features_in_", "n_outputs_")]
                wanted = [state.get("n_features_in_"), state.get("n_outputs_")]
                if not isinstance(member, TrendGP) or sizes != wanted:
                    raise StateError(f"'members_' {i} of the state of GP is no member of it.")
            shape = (len(members), state["n_outputs_"])
            weights = state_array(state, "weights_", shape)
            factors = state_array(state, "factors_", shape)
            state_array(state, "scores_", shape)
            if not np.isin(state_array(state, "logged_", shape[1:], "i"), (0, 1)).all():
                raise StateError("'logged_' of the state of GP must hold zeros and ones.")
            if (weights < 0).any() or np.abs(weights.sum(axis=0) - 1).max() > 1e-9:
                raise StateError("'weights_' must not be negative, and must sum to one.")
            if (factors <= 0).any():
                raise StateError("'factors_' of the state of GP must be positive.")
        super().set_state(state)
        for member in self.members_ if state else ():
            member._box.names = getattr(self, "feature_names_in_", None)
        return self


def _worth(
    members: Sequence[TrendGP], Y: FloatArray, noise: FloatArray | None
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Weights, variance factors and scores (k, p), by `equatorium_gp.weights.worth`."""
    left_out = [member.loo() for member in members]
    error = np.stack([Y - each.mean for each in left_out])
    variance = np.stack([each.variance for each in left_out])
    declared = np.zeros_like(Y) if noise is None else noise
    return worth(error, variance, declared, max(len(member.active_) for member in members))


def _names(option: str, given: Any, usual: Sequence[str]) -> Sequence[str]:
    """Check a list of names; "auto" stands for the usual ones."""
    if isinstance(given, str) and given == "auto":
        return usual
    good = isinstance(given, list | tuple) and all(isinstance(name, str) for name in given)
    if not good or not given:
        raise InputError(f"{option} must be 'auto' or a list of names, not {given!r}.")
    return list(given)
