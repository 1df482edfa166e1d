"""The emulator ``trend-gp``: polynomial trend + Gaussian process + nugget, many outputs at once."""

import copy
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

import gpytorch
import numpy as np
import torch

from equatorium import Dense, Diagonal, Emulator, Gaussian
from equatorium.checks import FloatArray
from equatorium.errors import InputError, NotSavableError, StateError
from equatorium_gp import kernels
from equatorium_gp.correlation import shrunk_correlation, variance_factor
from equatorium_gp.fit import Problem, learn, to_device
from equatorium_gp.likelihood import LEAST_NUGGET, profile
from equatorium_gp.noise import factorise
from equatorium_gp.posterior import Decomposed, Hyperparameters, Posterior
from equatorium_gp.spectral import tensor
from equatorium_gp.state import check_state
from equatorium_gp.trend import Basis, active_inputs, terms

RICH = "scale(matern52) + scale(rbf)"  # two scales of variation: needs runs to tell them apart
PLAIN = "matern52"


class TrendGP(Emulator):
    r"""Polynomial trend, Gaussian process and nugget, with one kernel for all outputs.

    For every output i

    .. math:: M_i(\theta) = \sum_j \beta_{ij} g_{ij}(\theta) + u_i(\theta) + \nu_i(\theta),

    a polynomial g of the active inputs by generalised least squares (a flat prior on beta, whose
    uncertainty the prediction carries), a Gaussian process u, and a nugget nu for what the inputs
    do not explain. The outputs share the kernel's shape; each has its own trend, signal variance
    and nugget, at the cost of one output (see `equatorium_gp.spectral`). The kernel's parameters
    maximise the exact restricted likelihood, by L-BFGS, under weak log-normal priors.

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
        Predict a dense covariance between outputs, from the correlation of their residuals.
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
    variance_factor_ : float
        By which predicted variances are larger than the kernel says, so that the leave-one-out
        errors are as large as predicted.
    output_correlation_ : (p, p) array
        Of the errors of prediction, from the leave-one-out errors.
    log_likelihood_ : (p,) array
        Restricted log marginal likelihood.
    noise_misfit_ : float
        Declared noise is used as a product, run by output (`equatorium_gp.noise.factorise`); this
        is the rms of the log ratio of declared to used variances; 0 is exact.

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
        self.center_, spread = Y.mean(axis=0), Y.std(axis=0)
        size = np.abs(Y).max(axis=0)
        varies = spread > 1e-12 * size
        # A constant output keeps a variance that is tiny beside its value, but positive.
        self.spread_ = np.where(varies, spread, np.where(size > 0, size, 1.0))
        self.X_, self.Y_ = X, Y
        scaled = (X - self.low_) / self.width_
        active = active_inputs(scaled, self._scaled_outputs(), self.active)
        self.active_ = np.array(active)
        self.trend_ = self._choose_trend(n, len(active))
        self.kernel_ = self._choose_kernel(n, len(active), Y.shape[1])
        if noise is None or not noise.any():
            self.run_noise_, self.output_noise_, self.noise_misfit_ = np.ones(n), np.zeros(0), 0.0
        else:
            self.run_noise_, self.output_noise_, self.noise_misfit_ = factorise(noise)
        problem, kernel = self._problem(), self._build_kernel()
        delta = LEAST_NUGGET if problem.noise is not None else 0.0
        if self.optimise and varies.any():
            seen = Problem(
                problem.X,
                problem.Y[:, varies],
                problem.H,
                problem.a,
                None if problem.noise is None else problem.noise[varies],
            )
            rng = np.random.default_rng(self.random_state)
            delta = learn(kernel, seen, self.n_subset, self.full_evaluations, rng)
        places = [p.detach().cpu().numpy().ravel() for p in kernel.parameters()]
        self.kernel_parameters_ = np.concatenate([np.zeros(0), *places]).astype(np.float64)
        self._profile(kernel, problem, delta)

    def _profile(self, kernel: Any, problem: Problem, delta: float) -> None:
        """Learn scale and nugget of each output, given the kernel, and what follows from them."""
        decomposed = Decomposed.of(kernel, problem, delta)
        found = profile(decomposed.spectrum.values, decomposed.Z, problem.noise)
        self.ratio_, self.scale_, self.delta_ = found.ratio, found.scale, delta
        learned = Hyperparameters(found.ratio, found.scale, delta)
        posterior = Posterior(kernel, problem, learned, decomposed)
        self._learn_from_errors(posterior, problem)
        contrasts = decomposed.spectrum.values.size
        self.log_likelihood_ = posterior.log_likelihood() - contrasts * np.log(self.spread_)
        self.coefficients_ = posterior.coefficients() * self.spread_
        self.coefficients_[0] += self.center_

    def _learn_from_errors(self, posterior: Posterior, problem: Problem) -> None:
        """Learn the variance factor and the outputs' correlation from leave-one-out errors."""
        mean, variance = posterior.leave_one_out()
        noise = np.zeros(variance.shape[1]) if problem.noise is None else problem.noise
        error, declared = self._scaled_outputs() - mean, problem.a[:, None] * noise
        self.variance_factor_ = variance_factor(error, variance, declared)
        total = self.variance_factor_ * variance + declared
        self.output_correlation_ = shrunk_correlation(error / np.sqrt(total))

    @property
    def terms_(self) -> list[tuple[int, ...]]:
        """The trend's monomials, each as the tuple of its columns."""
        return terms(self.trend_, [int(j) for j in self.active_])

    @property
    def signal_variance_(self) -> FloatArray:
        """``s_j^2`` (p,), in the outputs' squared units: what multiplies the kernel."""
        return np.asarray(self.scale_ * self.spread_**2)

    @property
    def nugget_variance_(self) -> FloatArray:
        """The learned nugget (p,), in the outputs' squared units."""
        share = self.delta_ if self.output_noise_.size else self.ratio_
        return np.asarray(share * self.signal_variance_)

    def _predict_dist(self, X: FloatArray) -> Gaussian:
        scaled = (X - self.low_) / self.width_
        mean, variance = self._posterior.predict(scaled, self._basis(scaled))
        mean, std = mean * self.spread_ + self.center_, np.sqrt(variance) * self._spread_of_errors
        if self.output_correlation and self.n_outputs_ > 1:
            return Gaussian(mean, self._correlation.scaled(std))
        return Gaussian(mean, Diagonal(std**2))

    def loo(self) -> Gaussian:
        """Predict every run from all others at the hyperparameters of all, in closed form.

        Returns
        -------
        Gaussian
            (n, p), as `predict_dist` would give: with the nugget, without the declared noise.
        """
        self._validate_query(self.X_)
        mean, variance = self._posterior.leave_one_out()
        return Gaussian(
            mean * self.spread_ + self.center_, Diagonal(variance * self._spread_of_errors**2)
        )

    def set_state(self, state: Mapping[str, Any]) -> Self:
        """Take on a state and decompose the kernel matrix anew."""
        self._posterior: Any = None
        super().set_state(state)
        if state:
            check_state(self)
            _check_device(self.device)
            kernel = self._build_kernel()
            start = 0
            for parameter in kernel.parameters():
                size = parameter.numel()
                part = tensor(self.kernel_parameters_[start : start + size], self.device)
                parameter.data.copy_(part.reshape(parameter.shape))
                parameter.requires_grad_(False)
                start += size
            if start != self.kernel_parameters_.size:
                raise StateError(
                    f"kernel {self.kernel_ or self.kernel!r} has {start} parameters, but the state "
                    f"holds {self.kernel_parameters_.size}."
                )
            self._correlation = Dense(self.output_correlation_)
            learned = Hyperparameters(self.ratio_, self.scale_, self.delta_)
            problem = self._problem()
            decomposed = Decomposed.of(kernel, problem, self.delta_)
            self._posterior = Posterior(kernel, problem, learned, decomposed)
        return self

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
            return RICH if n * p >= 20 * (2 * d + 2) else PLAIN
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
    def _spread_of_errors(self) -> FloatArray:
        return np.asarray(self.spread_ * self.variance_factor_**0.5)

    def _scaled_outputs(self) -> FloatArray:
        return np.asarray((self.Y_ - self.center_) / self.spread_)

    def _basis(self, scaled: FloatArray) -> FloatArray:
        return Basis(self.terms_)(scaled)

    def _problem(self) -> Problem:
        scaled = (self.X_ - self.low_) / self.width_
        noise = self.output_noise_ / self.spread_**2 if self.output_noise_.size else None
        return Problem(
            tensor(scaled, self.device),
            tensor(self._scaled_outputs(), self.device),
            self._basis(scaled),
            self.run_noise_,
            noise,
        )


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
