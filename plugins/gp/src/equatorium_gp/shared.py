"""Components that share one kernel: learned, and built again from the numbers learned."""

from dataclasses import dataclass
from typing import Self

import numpy as np

from equatorium.checks import FloatArray
from equatorium.errors import StateError
from equatorium_gp.correlation import variance_factor
from equatorium_gp.fit import Problem, learn
from equatorium_gp.kernels import Kernel
from equatorium_gp.likelihood import LEAST_NUGGET, profile
from equatorium_gp.posterior import Decomposed, Hyperparameters, Posterior
from equatorium_gp.spectral import tensor


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
    variance_factor : float
    """

    kernel: FloatArray
    ratio: FloatArray
    scale: FloatArray
    delta: float
    variance_factor: float


@dataclass(frozen=True)
class Shared:
    """The process of k components with one kernel, its variance as large as its errors."""

    problem: Problem
    posterior: Posterior
    variance_factor: float

    @classmethod
    def learned(
        cls,
        kernel: Kernel,
        problem: Problem,
        budget: tuple[int, int] | None,
        rng: np.random.Generator,
    ) -> tuple[Learned, Self]:
        """Learn from the runs; the kernel's parameters too, unless there is no `budget`.

        The budget is `n_subset` and `full_evaluations` of `equatorium_gp.fit.learn`.
        """
        delta = LEAST_NUGGET if problem.noise is not None else 0.0
        varies = np.asarray(problem.Y.std(dim=0).cpu()) > 1e-3  # a constant teaches no kernel
        if budget is not None and varies.any():
            delta = learn(kernel, problem.of_outputs(varies), *budget, rng)
        decomposed = Decomposed.of(kernel, problem, delta)
        found = profile(decomposed.spectrum.values, decomposed.Z, problem.noise)
        numbers = Hyperparameters(found.ratio, found.scale, delta)
        posterior = Posterior(kernel, problem, numbers, decomposed)
        mean, variance = posterior.leave_one_out()
        plain = cls(problem, posterior, 1.0)
        factor = variance_factor(plain.scores - mean, variance, plain.declared)
        raw = [p.detach().cpu().numpy().ravel() for p in kernel.parameters()]
        parameters = np.concatenate([np.zeros(0), *raw]).astype(np.float64)
        return (
            Learned(parameters, found.ratio, found.scale, delta, factor),
            cls(problem, posterior, factor),
        )

    @classmethod
    def rebuilt(cls, kernel: Kernel, problem: Problem, numbers: Learned) -> Self:
        """Build again what was learned.

        Raises
        ------
        StateError
            If the kernel has another number of parameters.
        """
        expected = sum(parameter.numel() for parameter in kernel.parameters())
        if expected != numbers.kernel.size:
            raise StateError(
                f"the kernel has {expected} parameters, but the state of TrendGP holds "
                f"{numbers.kernel.size}."
            )
        start = 0
        for parameter in kernel.parameters():
            part = numbers.kernel[start : start + parameter.numel()]
            parameter.data.copy_(tensor(part, str(problem.X.device)).reshape(parameter.shape))
            parameter.requires_grad_(False)
            start += parameter.numel()
        decomposed = Decomposed.of(kernel, problem, numbers.delta)
        known = Hyperparameters(numbers.ratio, numbers.scale, numbers.delta)
        posterior = Posterior(kernel, problem, known, decomposed)
        return cls(problem, posterior, numbers.variance_factor)

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
        return mean, variance * self.variance_factor

    def leave_one_out(self) -> tuple[FloatArray, FloatArray]:
        """Mean and variance (n, k) of every run from all others, without its declared noise."""
        mean, variance = self.posterior.leave_one_out()
        return mean, variance * self.variance_factor

    def standardised_errors(self) -> FloatArray:
        """Leave-one-out errors (n, k) in units of their standard deviations, noise included."""
        mean, variance = self.leave_one_out()
        return np.asarray((self.scores - mean) / np.sqrt(variance + self.declared))
