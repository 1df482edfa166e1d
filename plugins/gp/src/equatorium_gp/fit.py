"""L-BFGS on the exact likelihood, where automatic differentiation runs through the kernel at most.

One evaluation: the kernel matrix R, its decomposition and the gradient with respect to R in closed
form (:mod:`~equatorium_gp.likelihood`), then that gradient carried to the kernel's parameters: in
closed form too (:mod:`~equatorium_gp.stationary`; :mod:`~equatorium_gp.triangle`), or by one
backward pass through GPyTorch's kernel. Parameters move in log scale under log-normal priors.
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import scipy.optimize
import torch

from equatorium.checks import FloatArray
from equatorium.errors import InputError
from equatorium_gp.cholesky import restricted
from equatorium_gp.doubt import DOUBTFUL, nugget_share
from equatorium_gp.kernels import Kernel, coordinates, dense
from equatorium_gp.likelihood import kernel_gradient, profile
from equatorium_gp.spectral import Contrasts, Tensor
from equatorium_gp.stationary import Stationary, kernel_matrix
from equatorium_gp.triangle import Triangle

# Log likelihood, its gradients by the kernel's coordinates (None: left with the parameters) and by
# the logs of the free ratios.
Evaluated = tuple[float, list[FloatArray] | None, FloatArray]

NUGGET_PRIOR = (np.log(1e-4), 3.0)  # mean and sd of log delta, the nugget beside declared noise
NUGGET_BOUNDS = (np.log(1e-9), np.log(1e2))
RATIO_BOUNDS = (np.log(1e-30), np.log(1e9))  # of declared noise over signal
NUGGETS_DIFFER = 2.0  # log likelihood an output: about what three further parameters gain by chance
START = (1e-4, 1e-2)  # ratios of nugget and declared noise to signal
EXACT = 1e-7  # nugget over signal that one output's optimiser may have missed, and starts from too
POOLED = 0.35  # scale of the Cauchy prior of kernels apart around what all would share: RESULTS.md
NEAR = 10  # evaluations for a subset, if kernels start near, and those of all runs follow
FACTOR_FROM = 3000  # runs beyond which all of them are decomposed once, for nuggets that differ,
DECOMPOSED_TO = 5000  # or not at all, for it would cost too much: outputs then share a nugget


@dataclass(frozen=True)
class Budget:
    """How much work learning may be.

    Attributes
    ----------
    n_subset : int
        Beyond so many runs (and two for each term of the trend) a random subset of so many is
        used first,
    first : int
        with at most so many evaluations of its likelihood,
    full : int
        and so many of the likelihood of all runs finish.
    centre : (k,) array, optional
        Where the kernel's parameters are drawn to, in place of their priors: `POOLED` is how much.
    """

    n_subset: int = 400
    first: int = 60
    full: int = 8
    centre: FloatArray | None = None


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

    def some(self, runs: int, rng: np.random.Generator) -> "Problem":
        """Keep a random few of the runs, but enough for the trend to leave some to learn from."""
        n, size = len(self.H), max(runs, 2 * self.H.shape[1])
        return self.subset(np.sort(rng.permutation(n)[:size])) if n > size else self

    def of_outputs(self, columns: Any) -> "Problem":
        """Keep some of the outputs."""
        noise = None if self.noise is None else self.noise[columns]
        return Problem(self.X, self.Y[:, columns], self.H, self.a, noise)


class Objective:
    """Minus the log posterior of the kernel's parameters, per contrast, with its gradient.

    The kernel is altered in place. Priors registered on it are honoured in place of ours. With
    `one_ratio` all outputs share one ratio of nugget (or declared noise, of one output) to signal,
    in place of one each: a Cholesky factor then does. The ratios that move with the kernel's
    parameters, `free`, are the nugget's (beside declared noise, or with `one_ratio`) and the
    declared noise's (of one output with `one_ratio`). With a `centre` (k,) the kernel's parameters
    are drawn to it, in place of their priors: those near it much, those of an output that is really
    unlike the others little (a Cauchy prior on their logs).
    """

    def __init__(
        self,
        kernel: Kernel,
        problem: Problem,
        one_ratio: bool = False,
        centre: FloatArray | None = None,
    ) -> None:
        self.kernel, self.problem, self.one_ratio = kernel, problem, one_ratio
        self.contrasts = problem.contrasts()
        self.coordinates, self.closed = coordinates(kernel), Stationary.of(kernel)
        self.triangle = None
        if one_ratio and self.closed is not None:
            self.triangle = Triangle(self.closed, problem.X, problem.Y, self.contrasts)
        self.sizes = [c.raw.numel() for c in self.coordinates]
        self.registered = list(kernel.named_priors())
        priors = [c.prior() for c in self.coordinates]
        bounds = [c.bounds() for c in self.coordinates]
        flat, noisy = (0.0, np.inf), problem.noise is not None
        ratios = [(NUGGET_PRIOR if noisy else flat, NUGGET_BOUNDS)] * (noisy or one_ratio)
        ratios += [(flat, RATIO_BOUNDS)] * (noisy and one_ratio)
        self.free = len(ratios)
        priors += [prior for prior, _ in ratios]
        bounds += [bound for _, bound in ratios]
        sizes = [*self.sizes, *[1] * self.free]
        self.mean = np.repeat([mean for mean, _ in priors], sizes)
        self.sd = np.repeat([np.inf if self.registered else sd for _, sd in priors], sizes)
        self.pooled = slice(0, 0 if centre is None else len(centre))
        if centre is not None:
            self.mean[self.pooled], self.sd[self.pooled] = centre, np.inf
        self.bounds = np.repeat(np.reshape(bounds, (-1, 2)), sizes, axis=0)

    def read(self, ratios: Any) -> FloatArray:
        """Give the point (k,) that the kernel stands at, with the free ratios."""
        places = [c.get() for c in self.coordinates]
        return np.concatenate([*places, np.log(np.atleast_1d(ratios)[: self.free]), np.zeros(0)])

    def write(self, point: FloatArray) -> FloatArray:
        """Move the kernel to a point and return the free ratios."""
        ends = np.cumsum(self.sizes)
        for coordinate, place in zip(self.coordinates, np.split(point, ends), strict=False):
            coordinate.set(place)
        return np.exp(point[len(point) - self.free :])

    def __call__(self, point: FloatArray) -> tuple[float, FloatArray]:
        """Value and gradient at a point (k,)."""
        ratios = self.write(point)
        self.kernel.zero_grad(set_to_none=True)
        found = None
        if np.isfinite(point).all():
            found = self._by_triangle(ratios) if self.triangle else self._by_matrix(ratios)
        if found is None:
            raise InputError(
                f"The kernel gave values that are not finite at the parameters {point}. "
                "Check its parameters and which inputs it is applied to."
            )
        value, slopes, by_ratio = found
        for _, module, prior, closure, _ in self.registered:
            density = prior.log_prob(closure(module)).sum()
            density.backward()
            value += float(density.detach())
        slope = [c.gradient() for c in self.coordinates]
        if slopes is not None:
            slope = [prior + own for prior, own in zip(slope, slopes, strict=True)]
        slope.append(by_ratio)
        away = (point - self.mean) / self.sd
        value -= 0.5 * float((away**2).sum())
        gradient = np.concatenate(slope) - away / self.sd
        far = (point - self.mean)[self.pooled]
        value -= float(np.log1p((far / POOLED) ** 2).sum())
        gradient[self.pooled] -= 2.0 * far / (POOLED**2 + far**2)
        size = (self.contrasts.n - self.contrasts.q) * self.problem.Y.shape[1]
        return -value / size, -gradient / size

    def _by_triangle(self, ratios: FloatArray) -> Evaluated:
        """Evaluate a kernel of closed form, where all outputs share one ratio."""
        problem = self.problem
        if problem.noise is None:
            value, slopes, by_ratio, *_ = self.triangle(float(ratios[0]))
            return value, slopes, np.array([by_ratio])
        delta, ratio = map(float, ratios)
        level = float(np.sum(problem.noise))
        value, slopes, by_ratio, by_delta, by_scale = self.triangle(ratio, delta, level / ratio)
        return value, slopes, np.array([by_delta, by_ratio - by_scale])

    def _by_matrix(self, ratios: FloatArray) -> Evaluated | None:
        """Evaluate any kernel; automatic differentiation leaves its part with the parameters."""
        X, slopes = self.problem.X, None
        if self.closed is None:
            K = dense(self.kernel, X, X)
        else:
            K, slopes = self.closed.evaluate(X)
        with torch.no_grad():
            unit = K.diagonal().mean()
            R = K / unit
            if not bool(torch.isfinite(R.sum())):
                return None
            value, weights, by_ratio = self._likelihood(R, ratios)
            # R = K / mean(diag K): what a larger diagonal takes from all of R.
            taken = torch.dot(weights.reshape(-1), R.reshape(-1)) / (unit * len(R))
            upstream = weights.div_(unit)
            upstream.diagonal().sub_(taken)
        if K.requires_grad:
            K.backward(upstream)
        return value, None if slopes is None else slopes.gradient(upstream), by_ratio

    def _likelihood(self, R: Tensor, ratios: FloatArray) -> tuple[float, Tensor, FloatArray]:
        """Log likelihood of all outputs; its gradients by R (n, n) and by the logs of `ratios`."""
        total, problem, contrasts = R.clone(), self.problem, self.contrasts
        if problem.noise is None or not self.one_ratio:
            total.diagonal().add_(float(ratios[:1].sum()))
        if self.one_ratio and problem.noise is None:
            value, weights, _ = restricted(total, problem.Y, contrasts.basis)
            return value, weights, ratios * float(weights.trace())
        if self.one_ratio:
            return self._declared(total, ratios)
        spectrum = contrasts.decompose(total)
        Z = spectrum.contrasts(problem.Y)
        found = profile(spectrum.values, Z, problem.noise)
        weights = kernel_gradient(spectrum, Z, found)
        value = float(found.log_likelihood.sum())
        return value, weights, ratios * (float(weights.trace()) if self.free else 0.0)

    def _declared(self, R: Tensor, ratios: FloatArray) -> tuple[float, Tensor, FloatArray]:
        """One output with declared noise b, whose scale is ``b / lam``, in whitened contrasts."""
        root, (delta, ratio) = self.contrasts.root, ratios
        R.diagonal().add_(delta)
        S = root * R * root.T
        S.diagonal().add_(ratio)
        level = float(np.sum(self.problem.noise))
        value, weights, by_scale = restricted(
            S, root * self.problem.Y, self.contrasts.basis, level / ratio
        )
        by_noise = ratio * float(weights.trace()) - by_scale
        weights = root * weights * root.T
        return value, weights, np.array([delta * float(weights.trace()), by_noise])


def maximise(
    kernel: Kernel,
    problem: Problem,
    ratios: Any,
    evaluations: int,
    one_ratio: bool = False,
    centre: FloatArray | None = None,
) -> FloatArray:
    """Move a kernel to the posterior mode by L-BFGS; return the free ratios found, ones elsewhere.

    Parameters
    ----------
    ratios : (2,) array
        Where the nugget's and the declared noise's start.
    """
    objective = Objective(kernel, problem, one_ratio, centre)
    found = np.array(ratios, dtype=np.float64)
    if one_ratio and problem.noise is not None:
        # A wrong ratio of noise to signal would throw the kernel away at the first step.
        found[1] = max(best_ratios(kernel, problem, found[0])[0], 1e-30)
    start = np.clip(objective.read(found), *objective.bounds.T)
    if start.size:
        best = scipy.optimize.minimize(
            objective,
            start,
            jac=True,
            method="L-BFGS-B",
            bounds=objective.bounds,
            # It looks after each iteration whether there were more than maxfun.
            options={"maxfun": evaluations - 1, "maxiter": evaluations, "ftol": 1e-9, "gtol": 1e-7},
        )
        found[: objective.free] = objective.write(best.x)
    return found


def learn(
    kernel: Kernel,
    problem: Problem,
    budget: Budget,
    rng: np.random.Generator,
    start: tuple[float, float] = START,
) -> tuple[float, float | None, tuple[float, float]]:
    """Learn a kernel's parameters in place.

    Beyond ``budget.n_subset`` runs, a random subset brings the parameters near their optimum at a
    small part of the cost. Without declared noise, outputs are first given one nugget, and keep it
    where nuggets of their own explain little more.

    Returns
    -------
    delta : float
        Nugget that all outputs share beside declared noise, else 0.
    ratio : float or None
        Ratio of nugget (or declared noise) to signal, if all outputs have one; None if it is
        each output's own, and yet to be found.
    found : tuple of float
        The ratios of nugget and declared noise where learning ended.
    """
    n, p = problem.Y.shape
    noisy = problem.noise is not None
    alone = p == 1 and (not noisy or float(np.sum(problem.noise)) > 0)
    few = problem.some(budget.n_subset, rng)
    if budget.centre is not None and budget.full and few is not problem:
        budget = replace(budget, first=min(budget.first, NEAR))
    one = alone or not noisy
    found = np.array(start, dtype=np.float64)
    if budget.first:
        found = maximise(kernel, few, found, budget.first, one, budget.centre)
        if one and budget.centre is None:  # else it started there
            found = of_the_best_ratio(kernel, few, found, budget)
        if alone and budget.centre is not None and nugget_share(kernel, few, found) > DOUBTFUL:
            found = of_a_fresh_start(kernel, few, found, budget, START)
        if alone and not noisy and start == START and found[0] > EXACT:
            found = of_a_fresh_start(kernel, few, found, budget, (EXACT, START[1]))
    shares = alone or (not noisy and n > FACTOR_FROM)
    if one and not alone and n <= DECOMPOSED_TO and nuggets_differ(kernel, few, found):
        one = False
        maximise(kernel, few, found, budget.first, centre=budget.centre)
    if budget.full and (one or not shares) and (few is not problem or not budget.first):
        found = maximise(kernel, problem, np.maximum(found, 1e-9), budget.full, one, budget.centre)
    nugget, noise = map(float, found)
    delta, ratio = (nugget, noise) if noisy else (0.0, nugget)
    return delta, ratio if shares and one else None, (nugget, noise)


def of_the_best_ratio(
    kernel: Kernel, problem: Problem, ratios: FloatArray, budget: Budget
) -> FloatArray:
    """Go on from the ratio that is best over all decades, if the optimiser stopped in a valley."""
    place = int(problem.noise is not None)
    each = best_ratios(kernel, problem, float(ratios[0]) * place)
    best = float(np.exp(np.median(np.log(each))))
    if 0.5 < best / ratios[place] < 2.0:
        return ratios
    start = ratios.copy()
    start[place] = best
    return _better(kernel, problem, (ratios, start), budget)


def best_ratios(kernel: Kernel, problem: Problem, delta: float) -> FloatArray:
    """Ratios (p,) of nugget, or declared noise, to signal that are best for the kernel as it is."""
    R = kernel_matrix(kernel, problem.X)
    R /= R.diagonal().mean()
    R.diagonal().add_(delta)
    spectrum = problem.contrasts().decompose(R)
    return profile(spectrum.values, spectrum.contrasts(problem.Y), problem.noise).ratio


def of_a_fresh_start(
    kernel: Kernel, problem: Problem, ratios: FloatArray, budget: Budget, start: tuple[float, float]
) -> FloatArray:
    """Try the priors' own centre too: what all outputs share, or a nugget, may have led astray."""
    objective = Objective(kernel, problem, True, budget.centre)
    here = objective.read(ratios)
    for coordinate in objective.coordinates:
        if np.isfinite(coordinate.prior()[1]):
            coordinate.set(np.full(coordinate.raw.numel(), coordinate.prior()[0]))
    return _better(kernel, problem, (ratios, np.array(start)), budget, here)


def _better(
    kernel: Kernel,
    problem: Problem,
    ratios: tuple[FloatArray, FloatArray],
    budget: Budget,
    here: FloatArray | None = None,
) -> FloatArray:
    """Go on from the second ratios; return, and leave the kernel, where it is better of the two."""
    objective = Objective(kernel, problem, True, budget.centre)
    before = objective.read(ratios[0]) if here is None else here
    found = maximise(kernel, problem, ratios[1], budget.first, True, budget.centre)
    points = [before, objective.read(found)]
    better = int(np.argmin([objective(point)[0] for point in points]))
    objective.write(points[better])
    return (ratios[0], found)[better]


def nuggets_differ(kernel: Kernel, problem: Problem, ratios: FloatArray) -> bool:
    """Whether outputs with nuggets of their own are likelier, by `NUGGETS_DIFFER` an output."""
    K = kernel_matrix(kernel, problem.X)
    R = K / K.diagonal().mean()
    each, one = (Objective(kernel, problem, shared) for shared in (False, True))
    gain = each._likelihood(R, ratios[:0])[0] - one._likelihood(R, ratios[:1])[0]
    return gain > NUGGETS_DIFFER * problem.Y.shape[1]
