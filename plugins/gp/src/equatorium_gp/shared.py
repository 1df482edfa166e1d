"""Components that share one kernel: learned, and built again from the numbers learned."""

from dataclasses import dataclass, replace
from typing import Self

import numpy as np
import numpy.typing as npt

from equatorium.checks import FloatArray
from equatorium_gp.correlation import variance_factor
from equatorium_gp.fit import DECOMPOSED_TO, START, Budget, Problem, learn, maximise
from equatorium_gp.kernels import Kernel, load
from equatorium_gp.likelihood import LEAST_NUGGET, TINY, profile
from equatorium_gp.posterior import Decomposed, Hyperparameters, Posterior, Seen
from equatorium_gp.spectral import array
from equatorium_gp.variance_function import VarianceFunction


@dataclass(frozen=True)
class Learned:
    """All that is learned of k components with one kernel.

    Attributes
    ----------
    kernel : (r,) array
        The kernel's raw parameters.
    ratio, scale : (k,) arrays
    delta : float
        As in `equatorium_gp.posterior.Hyperparameters`.
    one_ratio : bool
        Whether the ratio is the same for all, found with the kernel by Cholesky factors.
    variance_factor : float
    variance_function, nugget_function : (1 + 2 d,) arrays
        Of `equatorium_gp.variance_function`: what multiplies the variance, and the nugget alone.
    """

    kernel: FloatArray
    ratio: FloatArray
    scale: FloatArray
    delta: float
    one_ratio: bool
    variance_factor: float
    variance_function: FloatArray
    nugget_function: FloatArray


@dataclass(frozen=True)
class Shared:
    """The process of k components with one kernel, its variance as large as its errors."""

    problem: Problem
    posterior: Posterior
    variance_factor: float
    variance_function: VarianceFunction
    nugget_function: VarianceFunction

    @classmethod
    def learned(
        cls,
        kernel: Kernel,
        problem: Problem,
        budget: Budget | None,
        rng: np.random.Generator,
        start: tuple[float, float] = START,
        uneven: bool | str = False,
    ) -> tuple[Learned, Self]:
        """Learn from the runs; the kernel's parameters too, unless there is no `budget`.

        Learning begins at the kernel's parameters and at the ratios `start`. The error may vary
        with the inputs if `uneven`; if that is "nugget" and it does, it is the nugget that varies,
        and all is learned again.
        """
        delta, ratio = (0.0 if problem.noise is None else LEAST_NUGGET), None
        if budget is not None and (varies := varying(problem)).any():
            delta, ratio, _ = learn(kernel, problem.of_outputs(varies), budget, rng, start)
        even = VarianceFunction.constant(problem.X.shape[1])
        shared = cls._solved(kernel, problem, delta, ratio, even)
        function = shared._errors_vary() if uneven else even
        if uneven == "nugget" and function.varies and problem.noise is None:
            X = array(problem.X)
            function = function.of_mean_one(X)
            weighted = replace(problem, a=function(X))
            ratio = cls._again(kernel, weighted, budget, rng, shared.posterior.learned.ratio)
            shared = cls._solved(kernel, weighted, 0.0, ratio, function)
            function = shared._errors_vary()
        shared = replace(shared, variance_function=function)
        mean, variance = shared.leave_one_out()
        factor = variance_factor(shared.scores - mean, variance, shared.declared)
        raw = [p.detach().cpu().numpy().ravel() for p in kernel.parameters()]
        numbers = Learned(
            np.concatenate([np.zeros(0), *raw]).astype(np.float64),
            shared.posterior.learned.ratio,
            shared.posterior.learned.scale,
            delta,
            ratio is not None,
            factor,
            function.coefficients,
            shared.nugget_function.coefficients,
        )
        return numbers, replace(shared, variance_factor=factor)

    @staticmethod
    def _again(
        kernel: Kernel,
        problem: Problem,
        budget: Budget | None,
        rng: np.random.Generator,
        ratios: FloatArray,
    ) -> float | None:
        """Learn the kernel anew with runs that are not alike; return the ratio if all share one."""
        small, varies = len(problem.H) <= DECOMPOSED_TO, varying(problem)
        if budget is not None and varies.any():
            problem = problem.of_outputs(varies)
            few = problem.some(budget.n_subset, rng)
            if budget.first:
                maximise(kernel, few, np.array(START), budget.first, centre=budget.centre)
            if budget.full and small and few is not problem:
                maximise(kernel, problem, np.array(START), budget.full, centre=budget.centre)
        return None if small else float(np.median(ratios[varies] if varies.any() else ratios))

    @classmethod
    def _solved(
        cls,
        kernel: Kernel,
        problem: Problem,
        delta: float,
        ratio: float | None,
        nugget_function: VarianceFunction,
    ) -> Self:
        """Solve for scales and nuggets with a kernel; the variance is as the kernel says."""
        decomposed = Decomposed.of(kernel, problem, delta, ratio)
        if ratio is None:
            found = profile(decomposed.parts.values, decomposed.Z, problem.noise)
            ratios, scale = found.ratio, found.scale
        else:
            ratios = np.full(problem.Y.shape[1], ratio)
            squares = (decomposed.Z**2).sum(axis=0) / decomposed.parts.free
            scale = squares if problem.noise is None else problem.noise / ratio
            scale = np.maximum(scale, TINY)
        posterior = Posterior(kernel, problem, Hyperparameters(ratios, scale, delta), decomposed)
        even = VarianceFunction.constant(problem.X.shape[1])
        return cls(problem, posterior, 1.0, even, nugget_function)

    def _errors_vary(self) -> VarianceFunction:
        """Learn how the leave-one-out errors vary with the inputs, if they do."""
        mean, variance = self.posterior.leave_one_out()
        X = array(self.problem.X)
        return VarianceFunction.learned(X, self.scores - mean, variance, self.declared)

    @classmethod
    def rebuilt(cls, kernel: Kernel, problem: Problem, numbers: Learned) -> Self:
        """Build again what was learned.

        Raises
        ------
        StateError
            If the kernel has another number of parameters.
        """
        load(kernel, numbers.kernel)
        for parameter in kernel.parameters():
            parameter.requires_grad_(False)
        ratio = float(numbers.ratio[0]) if numbers.one_ratio else None
        decomposed = Decomposed.of(kernel, problem, numbers.delta, ratio)
        known = Hyperparameters(numbers.ratio, numbers.scale, numbers.delta)
        posterior = Posterior(kernel, problem, known, decomposed)
        functions = map(VarianceFunction, (numbers.variance_function, numbers.nugget_function))
        return cls(problem, posterior, numbers.variance_factor, *functions)

    @property
    def scores(self) -> FloatArray:
        """The components at the runs (n, k)."""
        return np.asarray(self.problem.Y.cpu())

    @property
    def declared(self) -> FloatArray:
        """Their declared noise (n, k)."""
        noise = self.problem.noise
        return np.zeros(self.scores.shape) if noise is None else self.problem.a[:, None] * noise

    def predict(self, X: FloatArray, H: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Mean and variance (m, k) at scaled inputs X (m, d) with trend terms H (m, t)."""
        mean, variance = self.posterior.predict(X, H)
        return mean, (variance + self._further(X)) * self.factor(X)[:, None]

    def factor(self, X: FloatArray) -> FloatArray:
        """Give what multiplies the variance (m,) at scaled inputs X (m, d)."""
        return self.variance_factor * self.variance_function(X)

    def _further(self, X: FloatArray) -> FloatArray:
        """Give what the nugget at X (m, d) has beyond its mean over the runs (m, k)."""
        if not self.nugget_function.varies:
            return np.zeros((len(X), 1))
        return (self.nugget_function(X) - 1.0)[:, None] * self._nugget

    @property
    def _nugget(self) -> FloatArray:
        """Mean nugget of the runs (k,)."""
        return self.posterior.learned.scale * self.posterior.nugget

    def joint(self, X: FloatArray, H: FloatArray, nugget: bool) -> FloatArray:
        """Covariances (k, m, m) of the components between points, with the nugget or without."""
        root, found = np.sqrt(self.factor(X)), self.posterior.joint(X, H, nugget)
        if nugget:
            found[:, range(len(X)), range(len(X))] += self._further(X).T
        return found * np.outer(root, root)

    def prior(self, X: FloatArray, H: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Trend (m, k) and covariances (k, m, m) of the process before any run."""
        return self.posterior.prior(X, H)

    def seen(self, X: FloatArray, H: FloatArray) -> tuple[Seen, FloatArray]:
        """See points as the runs do, and give their variance (m, k)."""
        seen = self.posterior.seen(X, H)
        return seen, (self.posterior.variance(seen) + self._further(X)) * self.factor(X)[:, None]

    def pulled(
        self,
        X: FloatArray,
        seen: tuple[Seen, FloatArray],
        by_mean: FloatArray,
        by_variance: FloatArray,
    ) -> tuple[FloatArray, FloatArray]:
        """Carry gradients by mean and variance (m, k) of points `seen` back to their X and H."""
        points, variance = seen
        by_own = by_variance * self.factor(X)[:, None]
        x_bar, h_bar = self.posterior.pulled(points, by_mean, by_own)
        if self.variance_function.varies:
            by_log = (by_variance * variance).sum(axis=1, keepdims=True)
            x_bar = x_bar + by_log * self.variance_function.log_slope(X)
        if self.nugget_function.varies:
            by_log = self.nugget_function(X)[:, None] * (by_own @ self._nugget)[:, None]
            x_bar = x_bar + by_log * self.nugget_function.log_slope(X)
        return x_bar, h_bar

    def leave_one_out(self, even: bool = False) -> tuple[FloatArray, FloatArray]:
        """Mean and variance (n, k) of every run from all others, without its declared noise.

        Without the variance function, too, if `even`.
        """
        mean, variance = self.posterior.leave_one_out()
        if even:
            return mean, variance * self.variance_factor
        return mean, variance * self.factor(array(self.problem.X))[:, None]

    def standardised_errors(self) -> FloatArray:
        """Leave-one-out errors (n, k) in units of their standard deviations, noise included."""
        errors, std = self.left_out_scores()
        return errors / std

    def left_out_scores(self) -> tuple[FloatArray, FloatArray]:
        """Leave-one-out errors (n, k) and their standard deviations, noise included."""
        mean, variance = self.leave_one_out()
        return self.scores - mean, np.sqrt(variance + self.declared)


def varying(problem: Problem) -> npt.NDArray[np.bool_]:
    """Which components vary (k,): a constant teaches no kernel."""
    return np.asarray(problem.Y.std(dim=0).cpu()) > 1e-3
