"""The fitted process of all outputs: groups of components with a kernel each, mixed to outputs."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from equatorium import Gaussian
from equatorium.checks import FloatArray
from equatorium_gp.devices import block
from equatorium_gp.outputs import Mixing
from equatorium_gp.shared import Shared
from equatorium_gp.together import Together
from equatorium_gp.trend import Basis


class Process:
    """Predicts outputs at inputs in the user's units.

    Parameters
    ----------
    low, width : (d,) arrays
        The box to which inputs are scaled.
    basis : Basis
    groups : list of arrays
        Columns of the components that share a kernel,
    shared : list of Shared
        and what was learned of them.
    mixing : Mixing
    """

    def __init__(
        self,
        low: FloatArray,
        width: FloatArray,
        basis: Basis,
        groups: Sequence[npt.NDArray[np.intp]],
        shared: Sequence[Shared],
        mixing: Mixing,
    ) -> None:
        self.low, self.width, self.basis = low, width, basis
        self.groups, self.shared, self.mixing = groups, shared, mixing
        self.together = Together.of(shared)

    def predict(self, X: FloatArray, inflation: FloatArray | None) -> Gaussian:
        """Mean and covariance of the outputs, the variance multiplied by `inflation` (m,)."""
        mean, variance = self._predicted(*self._inputs(X))
        factor = 1.0 if inflation is None else inflation[:, None]
        return self.mixing.gaussian(mean, variance * factor)

    def leave_one_out(self, even: bool = False) -> Gaussian:
        """Every run from all others; if `even`, with errors that do not vary with the inputs."""
        return self.mixing.gaussian(*self._joined(one.leave_one_out(even) for one in self.shared))

    def mean(self, X: FloatArray) -> FloatArray:
        """Mean (m, p) of the outputs, without the cost of their variance."""
        x, H = self._inputs(X)
        (mean,) = self._joined((one.posterior.mean(x, H),) for one in self.shared)
        return np.asarray(self.mixing.center + mean @ self.mixing.mixing)

    def left_out_scores(self) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Give the components' leave-one-out errors (n, k), what is predicted of them, and of runs.

        That is their standard deviations, and variances without declared noise.
        """
        errors, std = self._joined(one.left_out_scores() for one in self.shared)
        _, variance = self._joined(one.leave_one_out() for one in self.shared)
        return errors, std, variance

    def left_out(self, fold: npt.NDArray[np.intp]) -> FloatArray:
        """Mean (n, p) of every run from those of other folds (n,)."""
        (mean,) = self._joined((one.posterior.left_out(fold),) for one in self.shared)
        return np.asarray(self.mixing.center + mean @ self.mixing.mixing)

    def pulled(
        self,
        X: FloatArray,
        mean_bar: FloatArray,
        cov_bar: FloatArray,
        inflation: FloatArray | None,
    ) -> tuple[FloatArray, FloatArray]:
        """Carry gradients by mean (m, p) and covariance (m, p, p) back to X and the inflation."""
        problem = self.shared[0].problem
        values = len(self.shared) * len(problem.H)  # of kernels, kept for every point
        size = max(1, block(len(X) * values, problem.X.device) // values)
        if len(X) > size:
            given = (X, mean_bar, cov_bar, np.ones(len(X)) if inflation is None else inflation)
            pieces = [slice(start, start + size) for start in range(0, len(X), size)]
            parts = [self.pulled(*(array[piece] for array in given)) for piece in pieces]
            slopes, factors = zip(*parts, strict=True)
            return np.concatenate(slopes), np.concatenate(factors)
        x, H = self._inputs(X)
        seen = [one.seen(x, H) for one in self.shared]
        (variance,) = self._joined((own,) for _, own in seen)
        factor = np.ones((len(X), 1)) if inflation is None else inflation[:, None]
        by_mean, by_variance = self.mixing.pulled(mean_bar, cov_bar, variance * factor)
        by_factor = (by_variance * variance).sum(axis=1)
        by_variance = by_variance * factor
        x_bar, h_bar = np.zeros_like(x), np.zeros_like(H)
        for one, points, columns in zip(self.shared, seen, self.groups, strict=True):
            own = one.pulled(x, points, by_mean[:, columns], by_variance[:, columns])
            x_bar, h_bar = x_bar + own[0], h_bar + own[1]
        return np.asarray((x_bar + self.basis.pulled(x, h_bar)) / self.width), by_factor

    def joint(self, X: FloatArray, output: int) -> FloatArray:
        """Covariance (m, m) of one output between points, with the nugget."""
        return self.mixing.joint(self._covariances(*self._inputs(X), True), output)

    def joints(self, X: FloatArray) -> FloatArray:
        """Covariances (p, m, m) of all outputs between points, with the nugget."""
        found = self._covariances(*self._inputs(X), True)
        return np.stack([self.mixing.joint(found, j) for j in range(self.mixing.mixing.shape[1])])

    def functions(self, X: FloatArray, size: int, rng: np.random.Generator) -> FloatArray:
        """Draws (size, m, p) from the posterior, without nugget."""
        x, H = self._inputs(X)
        mean, _ = self._predicted(x, H)
        return self.mixing.draw(mean, self._covariances(x, H, False), size, rng)

    def prior_functions(self, X: FloatArray, size: int, rng: np.random.Generator) -> FloatArray:
        """Draws (size, m, p) of the process around the fitted trend, as before any run."""
        x, H = self._inputs(X)
        means, covariances = zip(*(one.prior(x, H) for one in self.shared), strict=True)
        (mean,) = self._joined((one,) for one in means)
        return self.mixing.draw(mean, self._stacked(covariances), size, rng)

    def _inputs(self, X: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Scaled inputs and the trend's terms there."""
        scaled = (X - self.low) / self.width
        return scaled, self.basis(scaled)

    def _predicted(self, x: FloatArray, H: FloatArray) -> list[FloatArray]:
        """Mean and variance (m, k) of the components."""
        if self.together is None or not self.together.serves(len(x)):
            return self._joined(one.predict(x, H) for one in self.shared)
        order = np.argsort(np.concatenate(list(self.groups)))
        return [part[:, order] for part in self.together.predict(x, H)]

    def _covariances(self, x: FloatArray, H: FloatArray, nugget: bool) -> FloatArray:
        """Covariances (k, m, m) of the components."""
        return self._stacked(one.joint(x, H, nugget) for one in self.shared)

    def _stacked(self, parts: Iterable[Any]) -> FloatArray:
        """Put what the groups give of their components, one a row, in the components' order."""
        parts = list(parts)
        if len(parts) == 1:
            return np.asarray(parts[0])
        found = np.empty((sum(map(len, self.groups)), *parts[0].shape[1:]))
        for part, columns in zip(parts, self.groups, strict=True):
            found[columns] = part
        return found

    def _joined(self, parts: Iterable[tuple[FloatArray, ...]]) -> list[FloatArray]:
        """Join the groups' arrays (m, of the group), such as mean and variance, to (m, k)."""
        return [self._stacked(x.T for x in same).T for same in zip(*parts, strict=True)]
