"""Groups of components that share a kernel: each is learned, or built again, on its own."""

import copy
import ctypes
import sys
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from equatorium.checks import FloatArray
from equatorium.errors import EquatoriumError
from equatorium_gp.correlation import shrunk_correlation
from equatorium_gp.fit import Budget, Objective, Problem, best_ratios, learn
from equatorium_gp.kernels import load
from equatorium_gp.likelihood import LEAST_NUGGET
from equatorium_gp.noise import factorise
from equatorium_gp.shared import Learned, Shared, varying
from equatorium_gp.spectral import tensor
from equatorium_gp.trend import Basis

MANY = 400  # runs from which matrices are large


@dataclass(frozen=True)
class Groups:
    """The components at the runs, and which of them share a kernel.

    Attributes
    ----------
    X : (n, d) array
        Scaled to the box.
    scores : (n, k) array
    H : (n, t) array
        The trend's terms.
    noise : (n, k) array or None
        Declared variances.
    columns : list of arrays
        One a group.
    device : str
    uneven : bool or "nugget"
        Whether the error may vary with the inputs, and the nugget in learning, too.
    """

    X: FloatArray
    scores: FloatArray
    H: FloatArray
    noise: FloatArray | None
    columns: Sequence[npt.NDArray[np.intp]]
    device: str
    uneven: bool | str

    @classmethod
    def of(cls, model: Any, device: str) -> Self:
        """Take them from a `TrendGP` whose structure is known."""
        scaled = (model.X_ - model.low_) / model.width_
        return cls(
            scaled,
            (model.Y_ - model.center_) @ model.unmixing_,
            Basis(model.terms_)(scaled),
            model.noise_ @ model.unmixing_**2 if len(model.noise_) else None,
            [np.flatnonzero(model.group_ == g) for g in range(int(model.group_.max()) + 1)],
            device,
            model.variance_function,
        )

    def problem(self, columns: Any, a: FloatArray, b: FloatArray | None) -> Problem:
        """Give some components as the likelihood sees them, with noise levels b of runs a."""
        scores = tensor(self.scores[:, columns], self.device)
        return Problem(tensor(self.X, self.device), scores, self.H, a, b)

    def declared(self, columns: Any) -> tuple[FloatArray, FloatArray | None, float]:
        """Give declared noise as a product, run by component, and its misfit."""
        ones = np.ones(len(self.X))
        if self.noise is None:
            return ones, None, 0.0
        noise = self.noise[:, columns]
        return factorise(noise) if noise.any() else (ones, np.zeros(len(columns)), 0.0)

    def warm(
        self, kernel: Any, budget: Budget, rng: np.random.Generator
    ) -> list[tuple[float, float]]:
        """Bring a kernel near the optimum that all components, a group each, would share.

        Returns the ratios of nugget and declared noise to signal that are then best for each.
        """
        every = np.concatenate(list(self.columns))
        a, b, _ = self.declared(every)
        problem = self.problem(every, a, b)
        varies = varying(problem)
        taught = problem.of_outputs(varies) if varies.any() else problem
        _, _, (nugget, noise) = learn(kernel, taught, budget, rng)
        few = problem.some(budget.n_subset, rng)
        if b is not None:
            best = np.maximum(best_ratios(kernel, few, nugget), LEAST_NUGGET)
            return [(nugget, float(own)) for own in best]
        return [(float(own), noise) for own in best_ratios(kernel, few, 0.0)]

    def learned(
        self,
        kernels: Sequence[Any],
        starts: Sequence[tuple[float, float]],
        budget: Budget | None,
        rng: np.random.Generator,
    ) -> tuple[dict[str, Any], FloatArray, int]:
        """Learn all groups: from their kernels' present parameters and ratios, within a budget.

        Returns
        -------
        found : dict
            The learned attributes of `TrendGP`, without their underscores.
        coefficients : (t, k) array
            Of the trend.
        rank : int
            Number of independent terms of the trend.
        """
        n, k = self.scores.shape
        found: dict[str, Any] = {name: np.zeros(k) for name in ("ratio", "scale")}
        found["output_noise"] = np.zeros(0 if self.noise is None else k)
        errors, coefficients = np.zeros((n, k)), np.zeros((self.H.shape[1], k))
        run_noise, all_numbers, squares, log_likelihood = [], [], 0.0, 0.0
        alike = self._alike()
        for kernel, start, columns in zip(kernels, starts, self.columns, strict=True):
            a, b, misfit = self.declared(columns)
            problem = self.problem(columns, a, b)
            other = all_numbers[alike[len(run_noise)]] if run_noise else None
            numbers, shared = self._one(kernel, start, problem, budget, rng, other)
            all_numbers.append(numbers)
            run_noise.append(shared.problem.a)
            if b is not None:
                found["output_noise"][columns] = b
            found["ratio"][columns], found["scale"][columns] = numbers.ratio, numbers.scale
            errors[:, columns] = shared.standardised_errors()
            coefficients[:, columns] = shared.posterior.coefficients()
            log_likelihood += float(shared.posterior.log_likelihood().sum())
            squares += len(columns) * misfit**2
        of_groups = {
            "kernel_parameters": np.array([own.kernel for own in all_numbers]),
            "delta": np.array([own.delta for own in all_numbers]),
            "one_ratio": np.array([own.one_ratio for own in all_numbers], dtype=np.int64),
            "variance_factor": np.array([own.variance_factor for own in all_numbers]),
            "variance_function": np.array([own.variance_function for own in all_numbers]),
            "nugget_function": np.array([own.nugget_function for own in all_numbers]),
            "run_noise": np.array(run_noise),
            "error_correlation": shrunk_correlation(errors),
            "log_likelihood": log_likelihood,
            "noise_misfit": float(np.sqrt(squares / k)),
        }
        return found | of_groups, coefficients, shared.posterior.transform.shape[1]

    def _alike(self) -> list[int]:
        """Tell of each group which of those before it has a first component most like its own."""
        first = self.scores[:, [columns[0] for columns in self.columns]]
        size = np.linalg.norm(first, axis=0)
        like = np.abs(first.T @ first) / np.maximum(np.outer(size, size), 1e-300)
        return [int(np.argmax(row[: max(g, 1)])) for g, row in enumerate(like)]

    def _nearer(
        self,
        kernel: Any,
        start: tuple[float, float],
        problem: Problem,
        other: Learned,
        budget: Budget,
        rng: np.random.Generator,
    ) -> tuple[float, float]:
        """Move a kernel to where that of another group ended, if a few runs are likelier there.

        Returns the ratios to start from.
        """
        ratio = max(float(np.median(other.ratio)), LEAST_NUGGET)
        ratios = (ratio, start[1]) if problem.noise is None else (other.delta, ratio)
        objective = Objective(kernel, problem.some(budget.n_subset, rng), True, budget.centre)
        here = objective.read(start)
        load(kernel, other.kernel)
        there = objective.read(ratios)
        better = objective(there)[0] < objective(here)[0]
        objective.write(there if better else here)
        return ratios if better else start

    def _one(
        self,
        kernel: Any,
        start: tuple[float, float],
        problem: Problem,
        budget: Budget | None,
        rng: np.random.Generator,
        other: Learned | None,
    ) -> tuple[Learned, Shared]:
        """Learn a group, with the help of an `other` that is like it where all are drawn together.

        One of many that fails keeps the kernel that it started with.
        """
        before = copy.deepcopy(kernel)
        try:
            if other is not None and budget is not None and budget.centre is not None:
                start = self._nearer(kernel, start, problem, other, budget, rng)
            return Shared.learned(kernel, problem, budget, rng, start, self.uneven)
        except (EquatoriumError, np.linalg.LinAlgError) as error:
            if len(self.columns) == 1 or budget is None:
                raise
            warnings.warn(f"TrendGP keeps the start of a kernel: {error}", stacklevel=7)
            return Shared.learned(before, problem, None, rng, uneven=self.uneven)

    def rebuilt(self, model: Any, kernels: Sequence[Any]) -> list[Shared]:
        """Build all groups again from the attributes of a fitted `TrendGP`."""
        noisy = bool(model.output_noise_.size)
        parts = []
        if large := len(self.X) >= MANY:
            give_back()  # what learning used
        for g, (kernel, columns) in enumerate(zip(kernels, self.columns, strict=True)):
            numbers = Learned(
                model.kernel_parameters_[g],
                model.ratio_[columns],
                model.scale_[columns],
                float(model.delta_[g]),
                bool(model.one_ratio_[g]),
                float(model.variance_factor_[g]),
                model.variance_function_[g],
                model.nugget_function_[g],
            )
            levels = model.output_noise_[columns] if noisy else None
            problem = self.problem(columns, model.run_noise_[g], levels)
            parts.append(Shared.rebuilt(kernel, problem, numbers))
            if large:
                give_back()
        return parts


def give_back() -> None:
    """Return free pages to the system, where the C library can.

    The matrices that groups keep lie between those that come and go, in a heap that would grow to
    twice their size.
    """
    if sys.platform == "linux":
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
        if trim is not None:
            trim(0)
