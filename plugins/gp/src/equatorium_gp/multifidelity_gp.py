"""The emulator ``multifidelity-gp``: many cheap runs and few dear ones of the same quantity."""

import copy
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Self

import numpy as np
import torch

from equatorium import Dense, Diagonal, Emulator, Gaussian, one_thread, state_array
from equatorium.checks import FloatArray
from equatorium.errors import InputError, StateError
from equatorium_gp import kernels
from equatorium_gp.autoregression import Numbers, Runs, Step, learn
from equatorium_gp.trend_gp import TrendGP

PIECE = 64  # points at a time, where their covariances with each other are worked out


class MultifidelityGP(Emulator):
    r"""Two or more levels of one simulator, each a factor times the one below plus a process.

    .. math:: y_t(x) = \rho_t\, y_{t-1}(x) + b_t + \delta_t(x),
              \qquad \delta_t \sim GP(0, s_t^2 (K + g_t I)),

    learned from the lowest level upwards (Le Gratiet & Garnier 2014). The lowest is a
    :class:`~equatorium_gp.trend_gp.TrendGP`. The next ones may have very few runs: what they learn
    is one rho, offset and scale per output, with priors, and how much longer the lengths of their
    kernel K are than the lowest level's (`equatorium_gp.autoregression`). The variance is

    .. math:: \mathrm{Cov}[y_t] = (\hat\rho \hat\rho^T + \mathrm{diag}(\mathrm{Var} \rho))
              \circ \mathrm{Cov}[y_{t-1}] + \mathrm{Cov}[b_t + (\rho - \hat\rho)(m_{t-1} - c)
              + \delta_t],

    all uncertainty of rho, b and delta, without declared noise.

    Levels must be of the same quantity in the same units: the prior of rho is around one, with a
    width that is learned. Designs need not be nested. Where a run of the level below has the same
    inputs (and no declared noise) its outputs are used, else their prediction. If there are such
    runs, what they say of its error elsewhere is used too: the two levels are one Gaussian process
    (Kennedy & O'Hagan 2000) for the rho that was found, and the variance is what it leaves; only
    the correlation of outputs is then that of the formula above. The prediction of the lower level
    itself knows its own runs alone.

    Parameters
    ----------
    level_column : int or None
        The column of X that holds the level, 0, 1, ...; a query asks for the level that it names.
        None: there is one level.
    kernel, trend, active, output_correlation, n_subset, full_evaluations, device, random_state
        Of the lowest level, as in `TrendGP`.

    Attributes
    ----------
    base_ : TrendGP
        The lowest level.
    rho_, offset_ : (t, p) arrays
        Of the levels 1, ..., t.
    length_, nugget_, tau_ : (t,) arrays
        By what lengths are multiplied; nugget over scale; the prior width of rho.
    scale_ : (t, p) array
        ``s^2``, in the outputs' squared units.

    References
    ----------
    - Kennedy M. C. & O'Hagan A. 2000, Biometrika 87, 1, doi:10.1093/biomet/87.1.1
    - Le Gratiet L. & Garnier J. 2014, International Journal for Uncertainty Quantification 4, 365,
      doi:10.1615/Int.J.UncertaintyQuantification.2014006914

    Examples
    --------
    >>> cheap, dear = np.linspace(0.0, 1.0, 21), np.array([0.0, 0.35, 0.65, 1.0])
    >>> X = np.column_stack([np.r_[cheap, dear], np.repeat([0, 1], [21, 4])])
    >>> y = np.sin(8.0 * X[:, 0]) * (1.0 + 0.2 * X[:, 1]) + 0.3 * X[:, 1]
    >>> model = MultifidelityGP().fit(X, y)
    >>> bool(abs(model.predict([[0.5, 1.0]])[0] - 1.2 * np.sin(4.0) - 0.3) < 0.05)
    True
    """

    def __init__(
        self,
        *,
        level_column: int | None = -1,
        kernel: Any = "auto",
        trend: str = "auto",
        active: Any = "all",
        output_correlation: bool = True,
        n_subset: int = 400,
        full_evaluations: int = 8,
        device: str = "cpu",
        random_state: int | None = None,
    ) -> None:
        self.level_column = level_column
        self.kernel = kernel
        self.trend = trend
        self.active = active
        self.output_correlation = output_correlation
        self.n_subset = n_subset
        self.full_evaluations = full_evaluations
        self.device = device
        self.random_state = random_state

    @classmethod
    def conformance_options(cls) -> dict[str, Any]:
        """Return one level: the kit's runs name none."""
        return {"level_column": None}

    def _fit(self, X: FloatArray, Y: FloatArray, noise: FloatArray | None) -> None:
        if not isinstance(self.kernel, str):
            raise InputError(
                f"kernel={self.kernel!r:.60} must be text such as 'matern52': the levels share it."
            )
        points, level = self._split(X)
        top = int(level.max())
        for t in range(top + 1):
            if top and (level == t).sum() < 2:  # one level alone: TrendGP says what it needs
                raise InputError(
                    f"column {self.level_column} of X holds the level; level {t} of {top} has "
                    f"{(level == t).sum()} runs, and every level needs at least 2."
                )
        own = {n: v for n, v in self.get_params(deep=False).items() if n != "level_column"}
        lowest = level == 0
        self.base_ = TrendGP(**own)
        self.base_.fit(points[lowest], Y[lowest], noise=None if noise is None else noise[lowest])
        self.X_, self.Y_, self.level_ = points.copy(), Y.copy(), level
        self.noise_ = np.zeros_like(Y) if noise is None else noise
        self.lower_, self.lower_variance_ = np.zeros_like(Y), np.zeros_like(Y)
        p = Y.shape[1]
        self.length_, self.nugget_, self.tau_ = np.zeros(top), np.zeros(top), np.zeros(top)
        self.scale_, self.rho_, self.offset_ = np.zeros((3, top, p))
        # A lowest level that is constant tells nothing of how large the steps to the others are.
        constant = np.ptp(Y[lowest], axis=0) <= 1e-12 * np.abs(Y[lowest]).max(axis=0)
        unit = np.where(constant, Y.var(axis=0), Y[lowest].var(axis=0))
        unit = np.maximum(unit, 1e-300)
        steps: list[Step] = []
        for t in range(1, top + 1):
            self._look_below(t, steps)
            runs = self._runs(t, steps)
            found = learn(runs, self._covariance, unit)
            if runs.error.any():
                runs = replace(runs, factor=self._step(runs, found).rho)
                found = learn(runs, self._covariance, unit)
            steps.append(self._step(self._runs(t, steps), found))
            self.length_[t - 1], self.nugget_[t - 1] = found.length, found.nugget
            self.tau_[t - 1], self.scale_[t - 1] = found.tau, found.scale
            self.rho_[t - 1], self.offset_[t - 1] = steps[-1].rho, steps[-1].offset

    def _split(self, X: FloatArray) -> tuple[FloatArray, Any]:
        """Return inputs without the level, and the levels (n,)."""
        if self.level_column is None:
            return X, np.zeros(len(X), dtype=np.int64)
        d, column = X.shape[1], self.level_column
        whole = isinstance(column, int | np.integer) and not isinstance(column, bool)
        if not whole or not -d <= column < d or d < 2:
            raise InputError(
                f"level_column={column!r} is no column of X beside others, which has {d}; it is "
                "None where there is one level."
            )
        level = X[:, column]
        if (level != np.round(level)).any() or (level < 0).any():
            odd = level[(level != np.round(level)) | (level < 0)][0]
            raise InputError(
                f"column {column} of X holds the level, a whole number from 0, but one is {odd:g}. "
                "Give the column that does as level_column=, or None for one level."
            )
        return np.delete(X, column, axis=1), level.astype(np.int64)

    def _look_below(self, t: int, steps: list[Step]) -> None:
        """Note what the level below says at the runs of level t."""
        mine, below = np.flatnonzero(self.level_ == t), np.flatnonzero(self.level_ == t - 1)
        found = self._chain(self.X_[mine], steps)
        self.lower_[mine], self.lower_variance_[mine] = found.mean, found.variance
        for i in mine:
            same = below[(self.X_[below] == self.X_[i]).all(axis=1)]
            if len(same) and not self.noise_[same].any():
                self.lower_[i], self.lower_variance_[i] = self.Y_[same].mean(axis=0), 0.0

    def _runs(self, t: int, steps: list[Step]) -> Runs:
        """Give the runs of level t, and how far what is said of the level below may be wrong."""
        mine = self.level_ == t
        X, Y, noise, lower = (a[mine] for a in (self.X_, self.Y_, self.noise_, self.lower_))
        n, p = Y.shape
        known = (self.lower_variance_[mine] == 0.0).all(axis=1)
        error = np.zeros((p, n, n))
        if not known.all():
            error = self._joint(X, steps)[1]
            error[:, known], error[:, :, known] = 0.0, 0.0
        return Runs(X, Y, noise, lower, error, np.ones(p))

    def _step(self, runs: Runs, numbers: Numbers) -> Step:
        """Take the error of the level below once by itself, then times the rho that is found."""
        step = Step(runs, self._covariance, numbers)
        if not step.apart:
            return step
        return Step(replace(runs, factor=step.rho), self._covariance, numbers)

    def _joint(self, points: FloatArray, steps: list[Step]) -> tuple[FloatArray, FloatArray]:
        """Mean (m, p) of a level, and its outputs' covariances (p, m, m) between points."""
        if not steps:
            return self.base_.predict_dist(points).mean, self.base_._process.joints(points)
        step, m = steps[-1], len(points)
        mean, below = self._joint(np.concatenate([points, step.runs.X]), steps[:-1])
        exact = np.flatnonzero((np.diagonal(step.runs.error, axis1=1, axis2=2) == 0).all(axis=0))
        below[:, m + exact], below[:, :, m + exact] = 0.0, 0.0
        return step.joint(points, mean[:m], below)

    def _covariance(self, A: FloatArray, B: FloatArray, length: float) -> FloatArray:
        """Give the lowest level's kernel with other lengths, of unit mean variance at its runs."""
        base, d = self.base_, self.base_.n_features_in_
        active = [int(j) for j in base.active_]
        kernel = kernels.build(base.kernel_, d, None if len(active) == d else active)
        kernels.load(kernel, base.kernel_parameters_[0])
        for one in kernels.coordinates(kernel):
            if one.name == "raw_lengthscale":
                one.set(one.get() + np.log(length))
        a, b = (torch.from_numpy((x - base.low_) / base.width_) for x in (A, B))
        runs = torch.from_numpy((base.X_ - base.low_) / base.width_)
        with torch.no_grad():
            unit = float(kernel(runs, diag=True).mean())
            return np.asarray(kernel(a, b).to_dense().numpy() / unit)

    def _predict_dist(self, X: FloatArray) -> Gaussian:
        points, level = self._split(X)
        top = len(self.length_)
        if level.max(initial=0) > top:
            raise InputError(
                f"column {self.level_column} of X asks for level {level.max()}, but the runs were "
                f"of levels 0 to {top}."
            )
        asked = np.unique(level)
        if len(asked) == 1:
            return self._chain(points, self._steps[: asked[0]])
        mean = np.empty((len(X), self.n_outputs_))
        alone = self._alone
        spread = np.empty((*mean.shape, self.n_outputs_) if not alone else mean.shape)
        for t in asked:
            part = self._chain(points[level == t], self._steps[:t])
            mean[level == t] = part.mean
            spread[level == t] = part.variance if alone else part.covariance.dense()
        return Gaussian(mean, Diagonal(spread) if alone else Dense(spread))

    @property
    def _alone(self) -> bool:
        return self.n_outputs_ == 1 or not self.output_correlation

    def _chain(self, points: FloatArray, steps: list[Step]) -> Gaussian:
        """Predict the level that so many steps lead to."""
        if not steps:
            return self.base_.predict_dist(points).gaussian()
        step, below = steps[-1], self._chain(points, steps[:-1])
        covariance = below.covariance.scaled(step.rho)
        if step.apart:
            pieces = [points[i : i + PIECE] for i in range(0, max(len(points), 1), PIECE)]
            means, parts = zip(*(self._joint(piece, steps) for piece in pieces), strict=True)
            mean = np.concatenate(means)
            total = np.concatenate([np.diagonal(part, axis1=1, axis2=2).T for part in parts])
            # At most all of it is the error of the level below.
            scaled = covariance.diagonal()
            taken = np.minimum(scaled, total)
            covariance = covariance.scaled(np.sqrt(taken / np.maximum(scaled, 1e-300)))
            own = total - taken
        else:
            mean, own = step.predict(points, below.mean)
            own = own + step.rho_variance * below.variance
        if self._alone:
            return Gaussian(mean, covariance + Diagonal(own))
        std = np.sqrt(own)
        added = step.correlation * std[:, :, None] * std[:, None, :]
        return Gaussian(mean, Dense(covariance.dense() + added))

    def set_state(self, state: Mapping[str, Any]) -> Self:
        """Take on a state whose levels fit together, and build them."""
        if state:
            _check(state, self.level_column)
        twin: Any = copy.copy(self)  # a state that is refused leaves us as we are
        super(MultifidelityGP, twin).set_state(state)
        if state:
            try:
                with one_thread(len(twin.X_)):
                    twin._build()
            except np.linalg.LinAlgError as error:
                raise StateError(
                    f"the state of MultifidelityGP cannot be solved: {error}"
                ) from error
        self.__dict__ = twin.__dict__
        return self

    def _build(self) -> None:
        """Make what predictions need of the numbers learned."""
        parts = zip(self.length_, self.nugget_, self.tau_, self.scale_, strict=True)
        self._steps: list[Step] = []
        for t, (h, g, tau, scale) in enumerate(parts, start=1):
            numbers = Numbers(float(h), float(g), float(tau), scale)
            self._steps.append(self._step(self._runs(t, self._steps), numbers))


def _check(state: Mapping[str, Any], level_column: int | None) -> None:
    """Check all of a state before anything is computed with it."""
    base, p = state.get("base_"), state.get("n_outputs_")
    d = state.get("n_features_in_", 0) - (level_column is not None)
    if not isinstance(base, TrendGP) or (base.n_features_in_, base.n_outputs_) != (d, p):
        raise StateError("the state of MultifidelityGP needs a fitted TrendGP 'base_'.")
    level = state_array(state, "level_", (None,), kinds="i")
    n = len(level)
    state_array(state, "X_", (n, d))
    for name in ("Y_", "noise_", "lower_", "lower_variance_"):
        values = state_array(state, name, (n, p))
        if name in ("noise_", "lower_variance_") and (values < 0).any():
            raise StateError(f"{name!r} of the state of MultifidelityGP must not be negative.")
    top = int(level.max(initial=0))
    if set(level.tolist()) != set(range(top + 1)):
        raise StateError("'level_' of the state of MultifidelityGP must number levels 0, 1, ...")
    for name in ("length_", "nugget_", "tau_"):
        if (state_array(state, name, (top,)) <= 0).any():
            raise StateError(f"{name!r} of the state of MultifidelityGP must be positive.")
    for name in ("scale_", "rho_", "offset_"):
        values = state_array(state, name, (top, p))
        if name == "scale_" and (values <= 0).any():
            raise StateError("'scale_' of the state of MultifidelityGP must be positive.")
