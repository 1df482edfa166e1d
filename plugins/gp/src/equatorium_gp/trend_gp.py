"""The emulator ``trend-gp``: polynomial trend + Gaussian process + nugget, many outputs at once."""

import copy
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Self

import gpytorch
import numpy as np
import numpy.typing as npt
import torch

from equatorium import Diagonal, Emulator, Gaussian, LowRank
from equatorium.checks import FloatArray
from equatorium.errors import InputError, NotSavableError, StateError
from equatorium_gp import kernels
from equatorium_gp.components import Components
from equatorium_gp.correlation import shrunk_correlation
from equatorium_gp.fit import Problem, to_device
from equatorium_gp.noise import factorise
from equatorium_gp.shared import Learned, Shared
from equatorium_gp.spectral import tensor
from equatorium_gp.state import check_state, without_components
from equatorium_gp.trend import Basis, active_inputs, terms

RICH = "scale(matern52) + scale(rbf)"  # two scales of variation: needs runs to tell them apart
PLAIN = "matern52"
# Variance of what the components of outputs leave out (a constant output, one that repeats
# another), relative to the output's: far below the least nugget, far above rounding.
LEAST = 1e-13


class TrendGP(Emulator):
    r"""Polynomial trend, Gaussian process and nugget, for many outputs at the cost of a few.

    For every output i

    .. math:: M_i(\theta) = \sum_j \beta_{ij} g_{ij}(\theta) + u_i(\theta) + \nu_i(\theta),

    a polynomial g of the active inputs by generalised least squares (a flat prior on beta, whose
    uncertainty the prediction carries), a Gaussian process u, and a nugget nu for what the inputs
    do not explain.

    Where there are three runs per output, outputs are emulated through the components that
    diagonalise their covariance and their noise (`equatorium_gp.components`): the few that vary
    most share one kernel, the others, rougher functions, a second. Each component has its own
    trend, signal variance and nugget, at the cost of one (`equatorium_gp.spectral`). With fewer
    runs, or without `output_correlation`, the outputs themselves take the components' place and
    share one kernel. Its parameters maximise the exact restricted likelihood, by L-BFGS, under
    weak log-normal priors.

    Parameters
    ----------
    kernel : str or gpytorch.kernels.Kernel
        A sum of products of kernel names (`equatorium_gp.kernels`), such as ``"matern52"`` or
        ``"scale(rbf[0,1] * periodic[2])"``; it sees inputs scaled to the unit box of the runs. A
        live kernel is copied, its values are the start, its registered priors replace ours. "auto":
        ``"scale(matern52) + scale(rbf)"`` where there are 20 values of outputs for each of its
        parameters, else ``"matern52"``.
    trend : str
        ``"constant"``, ``"linear"``, ``"purequadratic"`` (no products), ``"quadratic"`` or
        ``"cubic"`` in the active inputs; ``"auto"`` is linear where there are 3 runs per term, else
        constant.
    active : "all", "auto", int or list of int
        Inputs that trend and process see (a factor of the kernel with its own ``[columns]``
        sees those); what the others do goes to the nugget. See `equatorium_gp.trend.active_inputs`.
    output_correlation : bool
        Predict the covariance between outputs; else each output is emulated on its own, with one
        kernel for all, and the covariance is diagonal.
    optimise : bool
        Whether to learn the kernel's parameters; scale and nugget are always learned.
    n_subset : int
        Beyond this number of runs, a random subset of so many brings the kernel's parameters
        near their optimum,
    full_evaluations : int
        and so many evaluations of the full likelihood finish.
    device : str
        Where the matrices live, ``"cpu"`` or ``"cuda"``; arrays go in and come out on the CPU.
    random_state : int or None
        For the subset.

    Attributes
    ----------
    kernel_ : str
        The kernel in use; ``""`` for a live one. `kernel_parameters_` are its raw parameters.
    trend_ : str
    active_ : (k,) array
    coefficients_ : (t, p) array
        ``beta`` of the terms that `terms_` lists, in Legendre polynomials of the inputs scaled to
        [-1, 1], by generalised least squares.
    signal_variance_, nugget_variance_ : (p,) arrays
        In the outputs' squared units.
    mixing_, unmixing_ : (k, p) and (p, k) arrays
        From components to outputs and back; `group_` (k,) says which components share a kernel.
    variance_factor_ : (g,) array
        By which predicted variances are larger than the kernel says, so that the leave-one-out
        errors are as large as predicted; one per group.
    error_correlation_ : (k, k) array
        Of the components' errors, from the leave-one-out errors, shrunk towards the identity.
    log_likelihood_ : float
        Restricted log marginal likelihood of all outputs.
    noise_misfit_ : float
        Declared noise is used as a product, run by component (`equatorium_gp.noise.factorise`);
        this is the rms of the log ratio of declared to used variances; 0 is exact.

    References
    ----------
    Rodrigues, Vernon & Bower 2017, MNRAS 466, 2418, doi:10.1093/mnras/stw3269

    Examples
    --------
    >>> x = np.linspace(0.0, 1.0, 12)[:, None]
    >>> model = TrendGP(kernel="rbf", trend="linear").fit(x, np.sin(4.0 * x[:, 0]))
    >>> mean, std = model.predict([[0.33]], return_std=True)
    >>> bool(abs(mean[0] - np.sin(1.32)) < 4.0 * std[0] + 1e-6), bool(std[0] < 0.01)
    (True, True)
    """

    state_version = 2  # 1 had no components

    def __init__(
        self,
        *,
        kernel: Any = "auto",
        trend: str = "auto",
        active: Any = "all",
        output_correlation: bool = True,
        optimise: bool = True,
        n_subset: int = 400,
        full_evaluations: int = 8,
        device: str = "cpu",
        random_state: int | None = None,
    ) -> None:
        self.kernel = kernel
        self.trend = trend
        self.active = active
        self.output_correlation = output_correlation
        self.optimise = optimise
        self.n_subset = n_subset
        self.full_evaluations = full_evaluations
        self.device = device
        self.random_state = random_state

    def _fit(self, X: FloatArray, Y: FloatArray, noise: FloatArray | None) -> None:
        n = len(X)
        if n < 2:
            raise InputError(
                f"TrendGP needs at least 2 runs to tell signal from nugget: n_samples={n}."
            )
        _check_device(self.device)
        self.low_, width = X.min(axis=0), np.ptp(X, axis=0)
        self.width_ = np.where(width > 0, width, 1.0)
        noise = None if noise is None or not noise.any() else noise
        found = Components.of(Y, noise, self.output_correlation)
        self.X_, self.Y_, self.center_ = X, Y, found.center
        self.mixing_, self.unmixing_, self.group_ = found.mixing, found.unmixing, found.group
        scaled, spread = (X - self.low_) / self.width_, np.maximum(Y.std(axis=0), 1e-300)
        active = active_inputs(scaled, (Y - self.center_) / spread, self.active)
        self.active_ = np.array(active)
        self.trend_ = self._choose_trend(n, len(active))
        self.kernel_ = self._choose_kernel(n, len(active), int((self.group_ == 0).sum()))
        self._declare(None if noise is None else found.noise(noise))
        self._learn()

    def _declare(self, noise: FloatArray | None) -> None:
        """Take the declared noise of the components, group by group, as a product."""
        groups, n = self._groups, len(self.X_)
        self.run_noise_, self.noise_misfit_ = np.ones((len(groups), n)), 0.0
        self.output_noise_ = np.zeros(0 if noise is None else len(self.group_))
        if noise is None:
            return
        squares = 0.0
        for g, columns in enumerate(groups):
            self.run_noise_[g], self.output_noise_[columns], misfit = factorise(noise[:, columns])
            squares += len(columns) * misfit**2
        self.noise_misfit_ = float(np.sqrt(squares / len(self.group_)))

    def _learn(self) -> None:
        """Learn kernel, scale and nugget of each group, and what follows from them."""
        rng = np.random.default_rng(self.random_state)
        budget = (self.n_subset, self.full_evaluations) if self.optimise else None
        learned = [
            Shared.learned(self._build_kernel(), self._problem(g), budget, rng)
            for g in range(len(self._groups))
        ]
        k = len(self.group_)
        self.ratio_, self.scale_, coefficients = np.zeros(k), np.zeros(k), [np.zeros(0)] * k
        log_likelihood, errors = 0.0, np.zeros((len(self.X_), k))
        for (numbers, shared), columns in zip(learned, self._groups, strict=True):
            self.ratio_[columns], self.scale_[columns] = numbers.ratio, numbers.scale
            log_likelihood += float(shared.posterior.log_likelihood().sum())
            errors[:, columns] = shared.standardised_errors()
            for j, column in enumerate(columns):
                coefficients[column] = shared.posterior.coefficients()[:, j]
        self.kernel_parameters_ = np.array([numbers.kernel for numbers, _ in learned])
        self.delta_ = np.array([numbers.delta for numbers, _ in learned])
        self.variance_factor_ = np.array([numbers.variance_factor for numbers, _ in learned])
        self.error_correlation_ = shrunk_correlation(errors)
        contrasts = len(self.X_) - learned[0][1].posterior.transform.shape[1]
        sizes = np.linalg.svd(self.mixing_, compute_uv=False)
        self.log_likelihood_ = log_likelihood - contrasts * float(np.log(sizes).sum())
        self.coefficients_ = np.transpose(coefficients) @ self.mixing_
        self.coefficients_[0] += self.center_

    @property
    def terms_(self) -> list[tuple[int, ...]]:
        """The trend's monomials, each as the tuple of its columns."""
        return terms(self.trend_, [int(j) for j in self.active_])

    @property
    def signal_variance_(self) -> FloatArray:
        """What multiplies the kernel (p,), in the outputs' squared units."""
        return np.asarray(self.scale_ @ self.mixing_**2)

    @property
    def nugget_variance_(self) -> FloatArray:
        """The learned nugget (p,), in the outputs' squared units."""
        share = self.delta_[self.group_] if self.output_noise_.size else self.ratio_
        factor = np.sqrt(share * self.scale_)[:, None] * self.mixing_
        return np.asarray((factor * (self.error_correlation_ @ factor)).sum(axis=0))

    def _predict_dist(self, X: FloatArray) -> Gaussian:
        scaled = (X - self.low_) / self.width_
        H = self._basis(scaled)
        return self._of_outputs(
            *_side_by_side(shared.predict(scaled, H) for shared in self._shared)
        )

    def loo(self) -> Gaussian:
        """Predict every run from all others at the hyperparameters of all, in closed form.

        Returns
        -------
        Gaussian
            (n, p), as `predict_dist` would give: with the nugget, without the declared noise.
        """
        self._validate_query(self.X_)
        return self._of_outputs(*_side_by_side(one.leave_one_out() for one in self._shared))

    def _of_outputs(self, mean: FloatArray, variance: FloatArray) -> Gaussian:
        """Carry mean and variance (m, k) of the components back to the outputs."""
        own, std = self.center_ + mean @ self.mixing_, np.sqrt(variance)
        if not self.output_correlation or self.n_outputs_ == 1:
            return Gaussian(own, Diagonal((std * np.diagonal(self.mixing_)) ** 2))
        factor = self.mixing_.T * std[:, None, :]
        if self._correlated:
            factor = factor @ self._correlation_root
        return Gaussian(own, LowRank(self._least, factor))

    def set_state(self, state: Mapping[str, Any]) -> Self:
        """Take on a state and decompose the kernel matrices anew."""
        self._shared: Any = None
        super().set_state(state)
        if state:
            check_state(self)
            _check_device(self.device)
            self._correlation_root = np.linalg.cholesky(self.error_correlation_)
            self._correlated = bool(np.any(self.error_correlation_ != np.eye(len(self.scale_))))
            spread2 = np.square(self.mixing_).sum(axis=0)
            size2 = np.where(self.center_ != 0.0, self.center_**2, 1.0)
            self._least = LEAST * np.where(spread2 > 0.0, spread2, size2)
            self._shared = [
                Shared.rebuilt(self._build_kernel(), self._problem(g), self._learned(g))
                for g in range(len(self._groups))
            ]
        return self

    @classmethod
    def migrate(cls, state: Mapping[str, Any], version: int) -> dict[str, Any]:
        """Translate a state of version 1."""
        try:
            return without_components(state)
        except (KeyError, AttributeError, TypeError, ValueError) as error:
            raise StateError(f"the state of TrendGP, version {version}, is damaged.") from error

    def save(self, path: str | Path) -> None:
        """Write to an HDF5 file; a live kernel is written in the grammar of kernels, if it can be.

        Raises
        ------
        NotSavableError
            If the kernel is a live one that the grammar has no words for.
        """
        if isinstance(self.kernel, str):
            super().save(path)
            return
        d = self.n_features_in_
        text = kernels.writable(self.kernel, d) if len(self.active_) == d else None
        if text is None:
            raise NotSavableError(
                f"the option 'kernel' is a live {type(self.kernel).__name__} that has no written "
                f"form. Write it with the names {', '.join(kernels.KERNELS)} to save the emulator."
            )
        twin = type(self)(**{**self.get_params(deep=False), "kernel": text})
        twin.set_state({**self.get_state(), "kernel_": text}).save(path)

    def _choose_trend(self, n: int, d: int) -> str:
        trend = self.trend
        if trend == "auto":
            trend = "linear" if n >= 3 * (d + 1) else "constant"
        t = len(terms(trend, range(d)))
        if t >= n:
            raise InputError(
                f"trend={trend!r} in {d} active inputs has {t} terms, but there are only {n} runs. "
                "Use a lower trend, fewer active inputs (active=k), or more runs."
            )
        return str(trend)

    def _choose_kernel(self, n: int, d: int, p: int) -> str:
        if isinstance(self.kernel, gpytorch.kernels.Kernel):
            return ""
        if not isinstance(self.kernel, str):
            raise InputError(
                f"kernel={self.kernel!r} must be text such as 'matern52', or a GPyTorch kernel."
            )
        if self.kernel == "auto":
            return RICH if tells_two_scales(n * p, d) else PLAIN
        return self.kernel

    def _build_kernel(self) -> Any:
        d = self.n_features_in_
        if isinstance(self.kernel, gpytorch.kernels.Kernel):
            return to_device(copy.deepcopy(self.kernel), self.device)
        active = [int(j) for j in self.active_]
        return to_device(
            kernels.build(self.kernel_, d, None if len(active) == d else active), self.device
        )

    @property
    def _groups(self) -> list[npt.NDArray[np.intp]]:
        """Columns of the components that share a kernel."""
        return [np.flatnonzero(self.group_ == g) for g in range(int(self.group_.max()) + 1)]

    def _learned(self, g: int) -> Learned:
        columns = self._groups[g]
        return Learned(
            self.kernel_parameters_[g],
            self.ratio_[columns],
            self.scale_[columns],
            float(self.delta_[g]),
            float(self.variance_factor_[g]),
        )

    def _basis(self, scaled: FloatArray) -> FloatArray:
        return Basis(self.terms_)(scaled)

    def _problem(self, g: int) -> Problem:
        columns, scaled = self._groups[g], (self.X_ - self.low_) / self.width_
        scores = (self.Y_ - self.center_) @ self.unmixing_[:, columns]
        return Problem(
            tensor(scaled, self.device),
            tensor(scores, self.device),
            self._basis(scaled),
            self.run_noise_[g],
            self.output_noise_[columns] if self.output_noise_.size else None,
        )


def tells_two_scales(values: int, d: int) -> bool:
    """Whether so many values of outputs can teach the parameters of `RICH` over d inputs."""
    return values >= 20 * (2 * d + 2)


def _side_by_side(parts: Iterable[tuple[FloatArray, FloatArray]]) -> list[FloatArray]:
    """Join mean and variance (m, k) of the groups."""
    return [np.concatenate(both, axis=1) for both in zip(*parts, strict=True)]


def _check_device(device: str) -> None:
    """Refuse a device that is not there, before anything is computed."""
    try:
        kind = torch.device(device).type
    except (RuntimeError, TypeError) as error:
        raise InputError(
            f"device={device!r} is no device of torch; use 'cpu' or 'cuda'."
        ) from error
    if kind == "cuda" and not torch.cuda.is_available():
        raise InputError(
            f"device={device!r}, but torch finds no CUDA device here; use device='cpu'."
        )
