"""The Gaussian process given the runs, for all outputs at the cost of one.

With C, V, Lambda and lam_j of :mod:`~equatorium_gp.spectral` and k = k(X, x), h = h(x),
subtract from the response at x what generalised least squares on the whitened runs, ``C' y``,
says of it. What remains has the covariance ``t = k - R C h`` with the runs, so

    mean_j = k' alpha_j + h' gamma_j,     alpha_j = V (Lambda + lam_j)^-1 V' y_j,
                                          gamma_j = C' (y_j - R alpha_j),
    var_j / s_j^2 = k(x, x) + nugget - h' C' (k + t) + lam_j |h|^2 - |(Lambda + lam_j)^-1/2 V' t|^2,

the trend's uncertainty included (universal kriging). All of it comes from one matrix product,
``[k, h]`` times ``[[V, alpha, 2 C], [-C' R V, gamma, -C' R C]]``. The variance is a difference of
sums of squares in an orthogonal basis, as safe as with a Cholesky factor; K^-1 is never formed.
"""

from dataclasses import dataclass
from typing import Any

import gpytorch
import numpy as np
import numpy.typing as npt
import torch

from equatorium.checks import FloatArray
from equatorium_gp.cholesky import Factor
from equatorium_gp.crossed import Crossed
from equatorium_gp.devices import block
from equatorium_gp.fit import Problem
from equatorium_gp.kernels import Kernel, dense
from equatorium_gp.spectral import Contrasts, Spectrum, Tensor, array, native, tensor
from equatorium_gp.stationary import Stationary, input_gradient, kernel_matrix, own_gradient


@dataclass(frozen=True)
class Hyperparameters:
    """What is learned beside the kernel's parameters.

    Attributes
    ----------
    ratio, scale : (p,) arrays
        ``lam_j`` (nugget, or declared noise, over signal) and signal variance ``s_j^2``.
    delta : float
        Nugget over signal that all outputs share, beside declared noise; else 0.
    """

    ratio: FloatArray
    scale: FloatArray
    delta: float


@dataclass(frozen=True)
class Decomposed:
    """The kernel matrix of the runs, decomposed before scales and noise are known.

    Attributes
    ----------
    R : (n, n) tensor
        The kernel in units of its mean variance at the runs, plus the nugget delta.
    unit : float
        That mean variance.
    parts : Spectrum or Factor
        Its eigendecomposition, for any ratios, or its Cholesky factor with one.
    """

    R: Tensor
    unit: float
    contrasts: Contrasts
    parts: Spectrum | Factor
    Z: FloatArray

    @classmethod
    def of(
        cls, kernel: Kernel, problem: Problem, delta: float, ratio: float | None = None
    ) -> "Decomposed":
        """Decompose the kernel with the nugget delta; by Cholesky if all have one `ratio`."""
        contrasts = problem.contrasts()
        with torch.no_grad():
            R = kernel_matrix(kernel, problem.X)
            unit = float(R.diagonal().mean())
            R /= unit
            R.diagonal().add_(delta)
            parts = contrasts.decompose(R) if ratio is None else Factor.of(contrasts, R, ratio)
            return cls(R, unit, contrasts, parts, parts.contrasts(problem.Y))


@dataclass(frozen=True)
class Seen:
    """Points as the runs see them, on the device.

    Attributes
    ----------
    x : (m, d) tensor
    h : (m, q)
        The independent terms of the trend.
    white, mean, trend : (m, N), (m, p) and (m, q)
        ``V' t``, the mean, and ``2 C' k - C' R C h``.
    """

    x: Tensor
    h: Any
    white: Any
    mean: Any
    trend: Any


class Posterior:
    """Predictions and leave-one-out predictions at fixed hyperparameters.

    Parameters
    ----------
    kernel : GPyTorch kernel
    problem : Problem
        All runs.
    learned : Hyperparameters
    decomposed : Decomposed
        Of the same kernel, problem and delta.
    """

    def __init__(
        self, kernel: Kernel, problem: Problem, learned: Hyperparameters, decomposed: Decomposed
    ) -> None:
        self.kernel, self.problem, self.learned = kernel, problem, learned
        closed = Stationary.of(kernel)
        self.runs = None if closed is None else Crossed.of(closed, problem.X)
        parts, Z, R = decomposed.parts, decomposed.Z, decomposed.R
        self.transform = decomposed.contrasts.transform
        self.weight = parts.weights(learned.ratio)
        V, C = parts.vectors, decomposed.contrasts.gls
        self._device = str(problem.X.device)
        alpha = V @ tensor(self.weight * Z, self._device)
        gamma = C.T @ (problem.Y - R @ alpha)
        CR = C.T @ R
        self._alpha, self._gamma = array(alpha), array(gamma)
        self._weight, self._transform = self._placed(self.weight), self._placed(self.transform)
        self._ratio, self._scale = self._placed(learned.ratio), self._placed(learned.scale)
        self._nugget = self._placed(self.nugget)
        self.unit = decomposed.unit
        self.of_k = native(torch.cat([V, alpha, 2.0 * C], dim=1).div_(self.unit))
        self.of_h = native(torch.cat([-CR @ V, gamma, -CR @ C], dim=1))
        self._log_likelihood = decomposed.contrasts.jacobian + parts.log_likelihood(
            Z, learned.ratio, learned.scale
        )
        with torch.no_grad():
            one = float(kernel(problem.X[:1], diag=True)) / self.unit
        self.own = one if kernel.is_stationary else None

    def coefficients(self) -> FloatArray:
        """Trend coefficients (t, p) of the named terms, by generalised least squares."""
        return np.asarray(self.transform @ self._gamma)

    def predict(self, X: FloatArray, H: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Mean and variance (m, p) at scaled inputs X (m, d) with trend terms H (m, t).

        The variance is that of a new run: with the learned nugget, without declared noise.
        """
        n = len(self.problem.H)
        size = max(1, block(len(X) * n, self.problem.X.device) // n)
        parts = [
            self._predict(X[start : start + size], H[start : start + size])
            for start in range(0, max(len(X), 1), size)
        ]
        means, variances = zip(*parts, strict=True)
        return np.concatenate(means), np.concatenate(variances)

    def mean(self, X: FloatArray, H: FloatArray) -> FloatArray:
        """Mean (m, p) alone, at the cost of the kernel."""
        n, (_, part, _) = len(self.problem.H), self._parts
        of_k, h = self.of_k[:, part], self._placed(H) @ self._transform
        found = h @ self.of_h[:, part]
        size = max(1, block(len(X) * n, self.problem.X.device) // n)
        for start in range(0, len(X), size):
            rows = slice(start, start + size)
            with torch.no_grad(), gpytorch.settings.lazily_evaluate_kernels(False):
                found[rows] += native(self._covariance(tensor(X[rows], self._device))) @ of_k
        return array(found)

    def _predict(self, X: FloatArray, H: FloatArray) -> tuple[FloatArray, FloatArray]:
        seen = self.seen(X, H)
        return array(seen.mean), self.variance(seen)

    def seen(self, X: FloatArray, H: FloatArray) -> Seen:
        """See points X (m, d) with trend terms H (m, t) as the runs do."""
        x, h = tensor(X, self._device), self._placed(H) @ self._transform
        return Seen(x, h, *self._projected(x, h))

    def variance(self, seen: Seen) -> FloatArray:
        """Variance (m, p) at points seen."""
        h, square = seen.h, seen.white**2
        free = self._own(seen.x) - (h * seen.trend).sum(axis=1, keepdims=True)
        free = free - square @ self._weight
        free += self._ratio * (h**2).sum(axis=1, keepdims=True)
        # Rounding cannot take away the nugget, which every new run has afresh.
        return array(self._scale * (free.clip(0.0) + self._nugget))

    def joint(self, X: FloatArray, H: FloatArray, nugget: bool) -> FloatArray:
        """Covariances (p, m, m) between points, with the nugget on the diagonal or without."""
        seen = self.seen(X, H)
        h, white = seen.h, seen.white
        common = native(kernel_matrix(self.kernel, seen.x)) / self.unit
        cross, square = 0.5 * h @ seen.trend.T, h @ h.T
        common = common - cross - cross.T
        found = np.empty((self.weight.shape[1], *common.shape))
        for j, (ratio, scale) in enumerate(
            zip(self.learned.ratio, self.learned.scale, strict=True)
        ):
            own = array(common + ratio * square - (white * self._weight[:, j]) @ white.T)
            # Rounding alone makes a variance negative.
            own[np.diag_indices_from(own)] = np.maximum(np.diagonal(own), 0.0)
            own[np.diag_indices_from(own)] += self.nugget[j] * nugget
            found[j] = scale * own
        return found

    def prior(self, X: FloatArray, H: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Trend (m, p) and covariances (p, m, m) of the process before any run."""
        common = array(kernel_matrix(self.kernel, tensor(X, self._device))) / self.unit
        return H @ self.coefficients(), self.learned.scale[:, None, None] * common

    def pulled(
        self, seen: Seen, by_mean: FloatArray, by_variance: FloatArray
    ) -> tuple[FloatArray, FloatArray]:
        """Carry gradients by mean and variance (m, p) of points seen back to their X and H."""
        x, h, white, trend = seen.x, seen.h, seen.white, seen.trend
        slope = self._placed(by_variance * self.learned.scale)
        total = slope.sum(axis=1, keepdims=True)
        parts = (-2.0 * white * (slope @ self._weight.T), self._placed(by_mean), -total * h)
        k_bar, h_bar = self._back(parts, self.of_k), self._back(parts, self.of_h)
        h_bar = h_bar - total * trend + 2.0 * h * (slope @ self._ratio)[:, None]
        x_bar = input_gradient(self.kernel, x, self.problem.X, torch.as_tensor(k_bar))
        if self.own is None:
            x_bar = x_bar + own_gradient(self.kernel, x, torch.as_tensor(total[:, 0] / self.unit))
        return x_bar, array(h_bar @ self._transform.T)

    @property
    def nugget(self) -> FloatArray:
        """What a new run has of its own (p,), in units of the scales."""
        learned = self.learned
        return (
            learned.ratio
            if self.problem.noise is None
            else np.full_like(learned.ratio, learned.delta)
        )

    def _placed(self, values: FloatArray) -> Any:
        """Bring an array to the device; there it stays what torch takes, here what numpy does."""
        return native(tensor(values, self._device))

    def _projected(self, x: Tensor, h: Any) -> list[Any]:
        """``V' t`` (m, N), mean (m, p) and ``2 C' k - C' R C h`` (m, q), on the device."""
        # Eager: samplers ask for a few points at a time, where a lazy kernel costs as much again.
        with torch.no_grad(), gpytorch.settings.lazily_evaluate_kernels(False):
            both = native(self._covariance(x)) @ self.of_k
            both += h @ self.of_h
        return [both[:, part] for part in self._parts]

    def _back(self, parts: Any, matrix: Any) -> Any:
        """Carry gradients by what `_projected` gives back through one of its two matrices."""
        return sum(p @ matrix[:, own].T for p, own in zip(parts, self._parts, strict=True))

    @property
    def _parts(self) -> tuple[slice, slice, slice]:
        """Columns of the projection: of variance, mean and trend."""
        N, p = self.weight.shape
        return slice(N), slice(N, N + p), slice(N + p, None)

    def _own(self, x: Tensor) -> Any:
        """Kernel of points with themselves, (m, 1) or one number."""
        if self.own is not None:
            return self.own
        with torch.no_grad():
            return native(self.kernel(x, diag=True))[:, None] / self.unit

    def _covariance(self, x: Tensor) -> Tensor:
        """Kernel (m, n) between scaled inputs (m, d) and the runs."""
        if self.runs is not None:
            return self.runs.matrix(x)
        return dense(self.kernel, x, self.problem.X)

    def leave_one_out(self) -> tuple[FloatArray, FloatArray]:
        """Mean and variance (n, p) of every run from all others, trend and all, in closed form.

        With ``P = V (Lambda + lam)^-1 V'`` the error is ``(P y)_i / P_ii`` and its variance
        ``s^2 / P_ii``, less the run's declared noise (Dubrule 1983, doi:10.1007/BF01033030;
        Sundararajan & Keerthi 2001, doi:10.1162/08997660151134343). A run that alone
        determines a trend term (``P_ii = 0``) cannot be predicted by the others: its variance is
        made enormous.
        """
        learned = self.learned
        V = self.of_k[:, : len(self.weight)]
        P = np.maximum(array(V**2 @ self._weight) * self.unit**2, 1e-12)
        mean = array(self.problem.Y) - self._alpha / P
        free = 1.0 / P
        if self.problem.noise is not None:
            free = free - self.problem.a[:, None] * learned.ratio
        return mean, learned.scale * np.maximum(free, learned.delta + 1e-16)

    def left_out(self, fold: npt.NDArray[np.intp]) -> FloatArray:
        """Mean (n, p) of every run from those of other folds (n,), trend and all, in closed form.

        As `leave_one_out`, with the block ``P_ff`` of a fold in place of ``P_ii``; NaN of a fold
        that alone determines a trend term.
        """
        V, mean = array(self.of_k[:, : len(self.weight)]) * self.unit, array(self.problem.Y).copy()
        alike = (np.ptp(self.weight, axis=1) == 0.0).all()
        for j in [slice(None)] if alike else range(mean.shape[1]):
            root = V * np.sqrt(self.weight[:, 0 if alike else j])
            for f in np.unique(fold):
                rows = fold == f
                among = root[rows] @ root[rows].T
                if np.linalg.matrix_rank(among, hermitian=True) < len(among):
                    mean[rows, j] = np.nan
                else:
                    mean[rows, j] -= np.linalg.solve(among, array(self._alpha)[rows, j])
        return mean

    def log_likelihood(self) -> FloatArray:
        """Restricted log marginal likelihood (p,) of the scaled outputs.

        ``-1/2 [(n - q) log 2 pi + log|K| + log|H' K^-1 H| - log|H' H| + y' P y / s^2]``.
        """
        return self._log_likelihood
