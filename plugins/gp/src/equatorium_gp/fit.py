"""L-BFGS on the exact likelihood, where automatic differentiation runs through the kernel at most.

One evaluation: the kernel matrix R, its decomposition and the gradient with respect to R in closed
form (:mod:`~equatorium_gp.likelihood`), then that gradient carried to the kernel's parameters: in
closed form too (:mod:`~equatorium_gp.stationary`), or by one backward pass through GPyTorch's
kernel. Parameters move in log scale under log-normal priors.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.optimize
import torch

from equatorium.checks import FloatArray
from equatorium.errors import InputError
from equatorium_gp.cholesky import restricted
from equatorium_gp.kernels import Kernel, coordinates
from equatorium_gp.likelihood import kernel_gradient, profile
from equatorium_gp.spectral import Contrasts, Tensor, tensor
from equatorium_gp.stationary import Stationary

NUGGET_PRIOR = (np.log(1e-4), 3.0)  # mean and sd of log delta, the nugget beside declared noise
NUGGET_BOUNDS = (np.log(1e-9), np.log(1e2))
NUGGETS_DIFFER = 2.0  # log likelihood an output: about what three further parameters gain by chance


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

    The kernel is altered in place. Priors registered on it are honoured in place of ours. With
    `one_nugget` all outputs share one, in place of one each: a Cholesky factor then does.
    """

    def __init__(self, kernel: Kernel, problem: Problem, one_nugget: bool = False) -> None:
        self.kernel, self.problem, self.one_nugget = kernel, problem, one_nugget
        self.contrasts = problem.contrasts()
        self.coordinates, self.closed = coordinates(kernel), Stationary.of(kernel)
        self.sizes = [c.raw.numel() for c in self.coordinates]
        self.registered = list(kernel.named_priors())
        priors = [c.prior() for c in self.coordinates]
        bounds = [c.bounds() for c in self.coordinates]
        sizes = self.sizes
        self.has_delta = one_nugget or problem.noise is not None
        if self.has_delta:
            prior = (0.0, np.inf) if one_nugget else NUGGET_PRIOR
            priors, bounds, sizes = [*priors, prior], [*bounds, NUGGET_BOUNDS], [*sizes, 1]
        self.mean = np.repeat([mean for mean, _ in priors], sizes)
        self.sd = np.repeat([np.inf if self.registered else sd for _, sd in priors], sizes)
        self.bounds = np.repeat(np.reshape(bounds, (-1, 2)), sizes, axis=0)
        self.evaluations = 0

    def read(self, delta: float) -> FloatArray:
        """Give the point (k,) that the kernel stands at."""
        places = [c.get() for c in self.coordinates]
        if self.has_delta:
            places.append(np.log([delta]))
        return np.concatenate(places) if places else np.zeros(0)

    def write(self, point: FloatArray) -> float:
        """Move the kernel to a point and return delta."""
        ends = np.cumsum(self.sizes)
        for coordinate, place in zip(self.coordinates, np.split(point, ends), strict=False):
            coordinate.set(place)
        return float(np.exp(point[-1])) if self.has_delta else 0.0

    def __call__(self, point: FloatArray) -> tuple[float, FloatArray]:
        """Value and gradient at a point (k,)."""
        self.evaluations += 1
        delta = self.write(point)
        self.kernel.zero_grad(set_to_none=True)
        problem, closed = self.problem, self.closed
        K = (
            self.kernel(problem.X, problem.X).to_dense()
            if closed is None
            else closed.matrix(problem.X)
        )
        with torch.no_grad():
            unit = K.diagonal().mean()
            R = K / unit
            if not bool(torch.isfinite(R).all()):
                raise InputError(
                    f"The kernel gave values that are not finite at the parameters {point}. "
                    "Check its parameters and which inputs it is applied to."
                )
            value, weights = self._likelihood(R, delta)
            # R = K / mean(diag K): what a larger diagonal takes from all of R.
            taken = (weights * R).sum() / (unit * len(R))
            upstream = weights / unit - taken * torch.eye(len(R), dtype=R.dtype, device=R.device)
        if K.requires_grad:
            K.backward(upstream)
        for _, module, prior, closure, _ in self.registered:
            density = prior.log_prob(closure(module)).sum()
            density.backward()
            value += float(density.detach())
        slope = [c.gradient() for c in self.coordinates]
        if closed is not None:
            carried = closed.gradient(problem.X, upstream)
            slope = [prior + own for prior, own in zip(slope, carried, strict=True)]
        if self.has_delta:
            slope.append(np.array([delta * float(torch.trace(weights))]))
        away = (point - self.mean) / self.sd
        value -= 0.5 * float((away**2).sum())
        gradient = (np.concatenate(slope) if slope else np.zeros(0)) - away / self.sd
        size = (len(problem.H) - self.contrasts.q) * problem.Y.shape[1]
        return -value / size, -gradient / size

    def _likelihood(self, R: Tensor, delta: float) -> tuple[float, Tensor]:
        """Log likelihood of all outputs and its gradient with respect to R (n, n)."""
        total, problem = R.clone(), self.problem
        total.diagonal().add_(delta)
        if self.one_nugget:
            return restricted(total, problem.Y, self.contrasts.basis)
        spectrum = self.contrasts.decompose(total)
        Z = spectrum.contrasts(problem.Y)
        found = profile(spectrum.values, Z, problem.noise)
        return float(found.log_likelihood.sum()), kernel_gradient(spectrum, Z, found)


def maximise(
    kernel: Kernel, problem: Problem, delta: float, evaluations: int, one_nugget: bool = False
) -> float:
    """Move a kernel to the posterior mode by L-BFGS and return the nugget delta found."""
    objective = Objective(kernel, problem, one_nugget)
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
    part of the cost, and `full` evaluations on all runs finish the work. Without declared noise,
    outputs are first given one nugget, and keep it where nuggets of their own explain little more.
    """
    n, start = len(problem.H), float(np.exp(NUGGET_PRIOR[0]))
    few = problem.subset(np.sort(rng.permutation(n)[:n_subset])) if n > n_subset else problem
    one_nugget = problem.noise is None
    delta = maximise(kernel, few, start, 60, one_nugget)
    if one_nugget and nuggets_differ(kernel, few, delta):
        one_nugget = False
        maximise(kernel, few, 0.0, 60)
    if few is not problem and full:
        delta = maximise(kernel, problem, max(delta, 1e-9), full, one_nugget)
    return 0.0 if problem.noise is None else delta


def nuggets_differ(kernel: Kernel, problem: Problem, delta: float) -> bool:
    """Whether outputs with nuggets of their own are likelier, by `NUGGETS_DIFFER` an output."""
    p = problem.Y.shape[1]
    with torch.no_grad():
        K = kernel(problem.X, problem.X).to_dense()
    each, one = (Objective(kernel, problem, shared) for shared in (False, True))
    R = K / K.diagonal().mean()
    gain = each._likelihood(R, 0.0)[0] - one._likelihood(R, delta)[0]
    return p > 1 and gain > NUGGETS_DIFFER * p


def to_device(kernel: Kernel, device: str) -> Kernel:
    """Put a kernel on a device, in float64."""
    return kernel.double().to(tensor(np.zeros(1), device).device)
