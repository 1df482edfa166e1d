"""Components that share one kernel: learned, and built again from the numbers learned."""

from dataclasses import dataclass
from typing import Self

import numpy as np

from equatorium.checks import FloatArray
from equatorium_gp.correlation import variance_factor
from equatorium_gp.fit import START, Budget, Problem, learn
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
    variance_function : (1 + 2 d,) array
        Of `equatorium_gp.variance_function`.
    """

    kernel: FloatArray
    ratio: FloatArray
    scale: FloatArray
    delta: float
    one_ratio: bool
    variance_factor: float
    variance_function: FloatArray


@dataclass(frozen=True)
class Shared:
    """The process of k components with one kernel, its variance as large as its errors."""

    problem: Problem
    posterior: Posterior
    variance_factor: float
    variance_function: VarianceFunction

    @classmethod
    def learned(
        cls,
        kernel: Kernel,
        problem: Problem,
        budget: Budget | None,
        rng: np.random.Generator,
        start: tuple[float, float] = START,
        uneven: bool = False,
    ) -> tuple[Learned, Self]:
        """Learn from the runs; the kernel's parameters too, unless there is no `budget`.

        Learning begins at the kernel's parameters and at the ratios `start`. The error may vary
        with the inputs if `uneven`.
        """
        delta, ratio = (0.0 if problem.noise is None else LEAST_NUGGET), None
        varies = np.asarray(problem.Y.std(dim=0).cpu()) > 1e-3  # a constant teaches no kernel
        if budget is not None and varies.any():
            taught = problem.of_outputs(varies)
            delta, ratio, _ = learn(kernel, taught, budget, rng, start)
        decomposed = Decomposed.of(kernel, problem, delta, ratio)
        if ratio is None:
            found = profile(decomposed.parts.values, decomposed.Z, problem.noise)
            ratios, scale = found.ratio, found.scale
        else:
            ratios = np.full(len(varies), ratio)
            squares = (decomposed.Z**2).sum(axis=0) / decomposed.parts.free
            scale = squares if problem.noise is None else problem.noise / ratio
            scale = np.maximum(scale, TINY)
        posterior = Posterior(kernel, problem, Hyperparameters(ratios, scale, delta), decomposed)
        mean, variance = posterior.leave_one_out()
        X = array(problem.X)
        even = VarianceFunction.constant(X.shape[1])
        plain = cls(problem, posterior, 1.0, even)
        errors = plain.scores - mean, variance, plain.declared
        function = VarianceFunction.learned(X, *errors) if uneven else even
        factor = variance_factor(errors[0], variance * function(X)[:, None], errors[2])
        raw = [p.detach().cpu().numpy().ravel() for p in kernel.parameters()]
        parameters = np.concatenate([np.zeros(0), *raw]).astype(np.float64)
        one = ratio is not None
        return (
            Learned(parameters, ratios, scale, delta, one, factor, function.coefficients),
            cls(problem, posterior, factor, function),
        )

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
        function = VarianceFunction(numbers.variance_function)
        return cls(problem, posterior, numbers.variance_factor, function)

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
        return mean, variance * self.factor(X)[:, None]

    def factor(self, X: FloatArray) -> FloatArray:
        """Give what multiplies the variance (m,) at scaled inputs X (m, d)."""
        return self.variance_factor * self.variance_function(X)

    def joint(self, X: FloatArray, H: FloatArray, nugget: bool) -> FloatArray:
        """Covariances (k, m, m) of the components between points, with the nugget or without."""
        root = np.sqrt(self.factor(X))
        return self.posterior.joint(X, H, nugget) * np.outer(root, root)

    def prior(self, X: FloatArray, H: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Trend (m, k) and covariances (k, m, m) of the process before any run."""
        return self.posterior.prior(X, H)

    def seen(self, X: FloatArray, H: FloatArray) -> tuple[Seen, FloatArray]:
        """See points as the runs do, and give their variance (m, k)."""
        seen = self.posterior.seen(X, H)
        return seen, self.posterior.variance(seen) * self.factor(X)[:, None]

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
        mean, variance = self.leave_one_out()
        return np.asarray((self.scores - mean) / np.sqrt(variance + self.declared))
