"""L-BFGS on the exact likelihood, where automatic differentiation runs through the kernel only.

One evaluation: the kernel matrix R by GPyTorch, its decomposition and the gradient with respect
to R in closed form (:mod:`~equatorium_gp.likelihood`), then one backward pass through the kernel
with that gradient. Parameters move in log scale under log-normal priors.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.optimize
import torch

from equatorium.checks import FloatArray
from equatorium.errors import InputError
from equatorium_gp.kernels import Kernel, coordinates
from equatorium_gp.likelihood import kernel_gradient, profile
from equatorium_gp.spectral import Contrasts, Tensor, tensor

NUGGET_PRIOR = (np.log(1e-4), 3.0)  # mean and sd of log delta, the nugget beside declared noise
NUGGET_BOUNDS = (np.log(1e-9), np.log(1e2))


@dataclass(frozen=True)
class Problem:
    """The runs as the likelihood sees them: scaled, whitened, without trend.

    Attributes
    ----------
    X : (n, d) tensor
        Inputs in the unit box.
    Y : (n, p) tensor
        Outputs scaled to unit variance.
    H : (n, t) array
        The trend's terms at the runs.
    a : (n,) array
        Relative noise of the runs.
    noise : (p,) array or None
        Declared noise levels of the outputs.
    """

    X: Tensor
    Y: Tensor
    H: FloatArray
    a: FloatArray
    noise: FloatArray | None

    def contrasts(self) -> Contrasts:
        """Give what is free of the trend."""
        return Contrasts.of(self.H, self.a, str(self.X.device))

    def subset(self, rows: Any) -> "Problem":
        """Keep some of the runs."""
        return Problem(self.X[rows], self.Y[rows], self.H[rows], self.a[rows], self.noise)

    def of_outputs(self, columns: Any) -> "Problem":
        """Keep some of the outputs."""
        noise = None if self.noise is None else self.noise[columns]
        return Problem(self.X, self.Y[:, columns], self.H, self.a, noise)


class Objective:
    """Minus the log posterior of the kernel's parameters, per contrast, with its gradient.

    The kernel is altered in place. Priors registered on it are honoured in place of ours.
    """

    def __init__(self, kernel: Kernel, problem: Problem) -> None:
        self.kernel, self.problem = kernel, problem
        self.contrasts = problem.contrasts()
        self.coordinates = coordinates(kernel)
        self.sizes = [c.raw.numel() for c in self.coordinates]
        self.registered = list(kernel.named_priors())
        priors = [c.prior() for c in self.coordinates]
        bounds = [c.bounds() for c in self.coordinates]
        sizes = self.sizes
        if problem.noise is not None:
            priors, bounds, sizes = [*priors, NUGGET_PRIOR], [*bounds, NUGGET_BOUNDS], [*sizes, 1]
        self.mean = np.repeat([mean for mean, _ in priors], sizes)
        self.sd = np.repeat([np.inf if self.registered else sd for _, sd in priors], sizes)
        self.bounds = np.repeat(np.reshape(bounds, (-1, 2)), sizes, axis=0)
        self.evaluations = 0

    def read(self, delta: float) -> FloatArray:
        """Give the point (k,) that the kernel stands at."""
        places = [c.get() for c in self.coordinates]
        if self.problem.noise is not None:
            places.append(np.log([delta]))
        return np.concatenate(places) if places else np.zeros(0)

    def write(self, point: FloatArray) -> float:
        """Move the kernel to a point and return delta."""
        ends = np.cumsum(self.sizes)
        for coordinate, place in zip(self.coordinates, np.split(point, ends), strict=False):
            coordinate.set(place)
        return float(np.exp(point[-1])) if self.problem.noise is not None else 0.0

    def __call__(self, point: FloatArray) -> tuple[float, FloatArray]:
        """Value and gradient at a point (k,)."""
        self.evaluations += 1
        delta = self.write(point)
        self.kernel.zero_grad(set_to_none=True)
        problem = self.problem
        K = self.kernel(problem.X, problem.X).to_dense()
        with torch.no_grad():
            unit = K.diagonal().mean()
            R = K / unit
            if not bool(torch.isfinite(R).all()):
                raise InputError(
                    f"The kernel gave values that are not finite at the parameters {point}. "
                    "Check its parameters and which inputs it is applied to."
                )
            diagonal = delta * torch.eye(len(R), dtype=R.dtype, device=R.device)
            spectrum = self.contrasts.decompose(R + diagonal)
            Z = spectrum.contrasts(problem.Y)
            found = profile(spectrum.values, Z, problem.noise)
            weights = kernel_gradient(spectrum, Z, found)
            # R = K / mean(diag K): what a larger diagonal takes from all of R.
            taken = (weights * R).sum() / (unit * len(R))
            upstream = weights / unit - taken * torch.eye(len(R), dtype=R.dtype, device=R.device)
        value = float(found.log_likelihood.sum())
        if K.requires_grad:
            K.backward(upstream)
        for _, module, prior, closure, _ in self.registered:
            density = prior.log_prob(closure(module)).sum()
            density.backward()
            value += float(density.detach())
        slope = [c.gradient() for c in self.coordinates]
        if problem.noise is not None:
            slope.append(np.array([delta * float(torch.trace(weights))]))
        away = (point - self.mean) / self.sd
        value -= 0.5 * float((away**2).sum())
        gradient = (np.concatenate(slope) if slope else np.zeros(0)) - away / self.sd
        return -value / Z.size, -gradient / Z.size


def maximise(kernel: Kernel, problem: Problem, delta: float, evaluations: int) -> float:
    """Move a kernel to the posterior mode by L-BFGS and return the nugget delta found."""
    objective = Objective(kernel, problem)
    start = np.clip(objective.read(delta), *objective.bounds.T)
    if not start.size:
        return 0.0
    found = scipy.optimize.minimize(
        objective,
        start,
        jac=True,
        method="L-BFGS-B",
        bounds=objective.bounds,
        options={"maxfun": evaluations, "maxiter": evaluations, "ftol": 1e-9, "gtol": 1e-7},
    )
    return objective.write(found.x)


def learn(
    kernel: Kernel, problem: Problem, n_subset: int, full: int, rng: np.random.Generator
) -> float:
    """Learn a kernel's parameters in place; return the nugget delta beside declared noise.

    Beyond `n_subset` runs, a random subset brings the parameters near their optimum at a small
    part of the cost, and `full` evaluations on all runs finish the work.
    """
    n, delta = len(problem.H), float(np.exp(NUGGET_PRIOR[0]))
    if n > n_subset:
        rows = np.sort(rng.permutation(n)[:n_subset])
        delta = maximise(kernel, problem.subset(rows), max(delta, 1e-9), 60)
        return maximise(kernel, problem, max(delta, 1e-9), full) if full else delta
    return maximise(kernel, problem, delta, 60)


def to_device(kernel: Kernel, device: str) -> Kernel:
    """Put a kernel on a device, in float64."""
    return kernel.double().to(tensor(np.zeros(1), device).device)
