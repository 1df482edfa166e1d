r"""From one level of a simulator to the next: a factor, an offset and a process of the difference.

For output j, with the level below written z,

.. math:: y_j(x) = z_j(x) + b_j + (\rho_j - 1)(z_j(x) - c_j) + \delta_j(x), \quad
          \rho_j \sim N(1, \tau^2), \quad \delta_j \sim GP(0, s_j^2 (K + g I)),

a flat prior on the offset b and c the mean of z over the runs. The factor is one more Gaussian
component of the difference, so that its uncertainty, and what the runs cannot tell apart, are in
the posterior. K is the kernel of the lowest level with all lengths multiplied by one number h: a
few runs cannot teach a kernel. h, g and tau are shared by all outputs and found by the restricted
likelihood under weak priors; s_j^2, too, in which the outputs' scales have a common prior of a
factor e, whose middle is found with them. A few runs of many outputs thus know them.

Where z is not known but predicted, with an error of its own at every run, these errors are one
smooth function: their covariance between runs, and between runs and new points, times the square of
rho, is one more part of that of y (co-kriging, for a rho that is known).
"""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import product

import numpy as np

from equatorium.checks import FloatArray
from equatorium_gp.correlation import shrunk_correlation

LENGTHS = np.array([0.25, 0.5, 1.0, 2.0, 4.0, 8.0])  # h
NUGGETS = np.array([1e-8, 1e-6, 1e-4, 1e-2, 1e-1, 1.0])  # g
TAUS = np.array([0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0])  # tau
SCALES = 10.0 ** np.arange(-9.0, 1.6, 0.5)  # s_j^2, in units of the variance of the lowest level
WIDTH = 1.0  # of the outputs' common prior of log s_j^2
PRIORS = ((np.log(4.0), 1.0), (np.log(1e-4), 6.0), (0.0, 1.5))  # of log h, g, tau: mean, sd
MOST = 2_000_000  # numbers in one batch of matrices

Kernel = Callable[[FloatArray, FloatArray, float], FloatArray]


@dataclass(frozen=True)
class Runs:
    """Runs of one level, and what is known of the level below at the same points.

    Attributes
    ----------
    X : (n, d) array
    Y : (n, p) array
    noise : (n, p) array
        Declared variance of Y.
    lower : (n, p) array
        Mean of the level below.
    error : (p, n, n) array
        Covariance of its error between runs.
    factor : (p,) array
        What that is multiplied with: rho, as well as it is known.
    """

    X: FloatArray
    Y: FloatArray
    noise: FloatArray
    lower: FloatArray
    error: FloatArray
    factor: FloatArray

    @property
    def center(self) -> FloatArray:
        """Where the factor turns (p,)."""
        return np.asarray(self.lower.mean(axis=0))

    @property
    def slope(self) -> FloatArray:
        """What rho - 1 multiplies (n, p)."""
        return np.asarray(self.lower - self.center)

    @property
    def own(self) -> FloatArray:
        """Covariance (p, n, n) of what the runs have beside this level's process."""
        found = self.factor[:, None, None] ** 2 * self.error
        found[:, np.arange(len(self.X)), np.arange(len(self.X))] += self.noise.T
        return found


@dataclass(frozen=True)
class Numbers:
    """What is learned of one level.

    Attributes
    ----------
    length, nugget, tau : float
        h, g and tau.
    scale : (p,) array
        s_j^2.
    """

    length: float
    nugget: float
    tau: float
    scale: FloatArray


def learn(runs: Runs, kernel: Kernel, unit: FloatArray) -> Numbers:
    """Learn a level: one number after the other on its grid, until none changes, from four starts.

    Parameters
    ----------
    runs : Runs
    kernel : callable
        ``kernel(A, B, length)``, of unit variance.
    unit : (p,) array
        Variances of the lowest level's outputs.
    """
    grids = {"length": LENGTHS, "nugget": NUGGETS, "tau": TAUS}
    seen: dict[tuple[int, ...], tuple[float, FloatArray]] = {}

    def judged(place: dict[str, int]) -> tuple[float, FloatArray]:
        key = tuple(place.values())
        if key not in seen:
            values = [float(grids[name][i]) for name, i in place.items()]
            K = kernel(runs.X, runs.X, values[0])
            score, scale = _scales(_likelihoods(runs, K, values[1], values[2], unit))
            away = zip(values, PRIORS, strict=True)
            prior = sum(-0.5 * ((np.log(x) - mean) / sd) ** 2 for x, (mean, sd) in away)
            seen[key] = score + float(prior), scale * unit
        return seen[key]

    ends = []
    for length, tau in product((2, 5), (1, 4)):  # one factor for all, or another; smooth or not
        place = {"length": length, "nugget": 2, "tau": tau}
        for _ in range(4):
            before = place
            for name, grid in grids.items():
                tries = [{**place, name: i} for i in range(len(grid))]
                place = max(tries, key=lambda one: judged(one)[0])
            if place == before:
                break
        ends.append(place)
    place = max(ends, key=lambda one: judged(one)[0])
    length, nugget, tau = (float(grids[name][i]) for name, i in place.items())
    return Numbers(length, nugget, tau, judged(place)[1])


def _likelihoods(runs: Runs, K: FloatArray, g: float, tau: float, unit: FloatArray) -> FloatArray:
    """Restricted log likelihoods (p, scales): of the runs' contrasts, which know no offset."""
    n, p = runs.Y.shape
    contrasts = np.linalg.svd(np.ones((n, 1)))[0][:, 1:]
    known = np.stack([runs.Y - runs.lower, runs.slope], axis=2)  # (n, p, 2)
    pairs = np.einsum("ni,npk->pik", contrasts, known)
    smooth = contrasts.T @ (K + g * np.eye(n)) @ contrasts
    found = np.empty((p, len(SCALES)))
    for j, own in enumerate(runs.own):
        fixed = contrasts.T @ own @ contrasts
        scales = SCALES * unit[j]
        step = max(1, MOST // n**2)
        for start in range(0, len(scales), step):
            some = slice(start, start + step)
            V = scales[some, None, None] * smooth + fixed
            L = np.linalg.cholesky(V)
            both = np.linalg.solve(L, np.broadcast_to(pairs[j], (*V.shape[:2], 2)))
            shrink, gain = _factor(both[..., 1], tau)
            white = both[..., 0] - shrink * (both[..., 1] * both[..., 0]).sum(axis=1)[:, None]
            logdet = 2.0 * np.log(np.diagonal(L, axis1=1, axis2=2)).sum(axis=1) + gain
            found[j, some] = -0.5 * (np.square(white).sum(axis=1) + logdet)
    return found


def _factor(w: FloatArray, tau: float) -> tuple[FloatArray, FloatArray]:
    """Put the factor's ``tau^2 a a'`` into a whitened matrix, for w = L^-1 a (k, n).

    Added to the matrix itself, it would hide all that is small from a Cholesky factor.

    Returns
    -------
    shrink : (k, n) array
        ``c w``, for which ``(1 - c w w')' (1 - c w w') = (1 + tau^2 w w')^-1``.
    gain : (k,) array
        ``log |1 + tau^2 w w'|``.
    """
    size = np.square(w).sum(axis=1)
    root = np.sqrt(1.0 + tau**2 * size)
    c = tau**2 / (root * (1.0 + root))  # (1 - 1 / root) / size, also where size is 0
    return c[:, None] * w, 2.0 * np.log(root)


def _scales(log: FloatArray) -> tuple[float, FloatArray]:
    """Log evidence, and posterior mean scales (p,) under the common prior that gives most of it."""
    place = np.log(SCALES)
    best, scale = -np.inf, np.ones(len(log))
    for middle in place:
        prior = -0.5 * ((place - middle) / WIDTH) ** 2
        prior -= np.log(np.exp(prior).sum())
        joint = log + prior
        top = joint.max(axis=1, keepdims=True)
        weight = np.exp(joint - top)
        evidence = float((top[:, 0] + np.log(weight.sum(axis=1))).sum())
        if evidence > best:
            best, scale = evidence, (weight * SCALES).sum(axis=1) / weight.sum(axis=1)
    return best, scale


class Step:
    """What the runs of one level say of it, given the level below.

    Parameters
    ----------
    runs : Runs
    kernel : callable
    numbers : Numbers
    """

    def __init__(self, runs: Runs, kernel: Kernel, numbers: Numbers) -> None:
        self.runs, self.kernel, self.numbers = runs, kernel, numbers
        n, p = runs.Y.shape
        self.apart = bool(runs.error.any())
        K = kernel(runs.X, runs.X, numbers.length) + numbers.nugget * np.eye(n)
        a = runs.slope.T
        V = numbers.scale[:, None, None] * K + runs.own
        root = np.linalg.inv(np.linalg.cholesky(V))
        w = np.einsum("pij,pj->pi", root, a)
        along = np.einsum("pi,pij->pj", w, root)
        # (p, n, n): the inverse with the factor is root' root.
        self._root = root - _factor(w, numbers.tau)[0][:, :, None] * along[:, None, :]
        white = self._root.sum(axis=2)
        z = np.einsum("pij,jp->pi", self._root, runs.Y - runs.lower)
        self._known = np.square(white).sum(axis=1)
        self.offset = (white * z).sum(axis=1) / self._known
        self._ones = np.einsum("pij,pi->pj", self._root, white)
        self._alpha = np.einsum("pij,pi->pj", self._root, z - self.offset[:, None] * white)
        self.rho = 1.0 + numbers.tau**2 * (a * self._alpha).sum(axis=1)
        taken = np.square(np.einsum("pij,pj->pi", self._root, a)).sum(axis=1)
        taken -= (a * self._ones).sum(axis=1) ** 2 / self._known
        self.rho_variance = np.maximum(numbers.tau**2 - numbers.tau**4 * taken, 0.0)
        self.correlation = shrunk_correlation(self._errors()) if p > 1 else np.eye(1)

    def _errors(self) -> FloatArray:
        """Leave-one-out errors (n, p) in units of their standard deviations."""
        precision = np.square(self._root).sum(axis=1) - self._ones**2 / self._known[:, None]
        return np.asarray((self._alpha / np.sqrt(np.maximum(precision, 1e-300))).T)

    def predict(self, X: FloatArray, lower: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Mean of the level (m, p), and variance of what it has beyond ``rho z``, at X (m, d).

        Parameters
        ----------
        X : (m, d) array
        lower : (m, p) array
            Mean of the level below.
        """
        parts = [
            self._predict(X[some], lower[some])
            for some in np.array_split(
                np.arange(len(X)), 1 + len(X) * self._root[:, 0].size // MOST
            )
        ]
        means, variances = zip(*parts, strict=True)
        return np.concatenate(means), np.concatenate(variances)

    def _predict(self, X: FloatArray, lower: FloatArray) -> tuple[FloatArray, FloatArray]:
        of, slope = self.numbers, lower - self.runs.center
        k = self.kernel(X, self.runs.X, of.length)
        K = of.scale[:, None, None] * k
        K = K + of.tau**2 * slope.T[:, :, None] * self.runs.slope.T[:, None, :]
        mean = lower + self.offset + np.einsum("pmn,pn->mp", K, self._alpha)
        known = np.square(K @ np.swapaxes(self._root, 1, 2)).sum(axis=2).T
        trend = (1.0 - np.einsum("pmn,pn->mp", K, self._ones)) ** 2 / self._known
        free = np.maximum(of.scale + of.tau**2 * slope**2 - known + trend, 0.0)
        return mean, free + of.scale * of.nugget

    def joint(
        self, X: FloatArray, lower: FloatArray, below: FloatArray
    ) -> tuple[FloatArray, FloatArray]:
        """Mean (m, p) of the level and its covariance (p, m, m) between points X (m, d).

        Parameters
        ----------
        X : (m, d) array
        lower : (m, p) array
            Mean of the level below.
        below : (p, m + n, m + n) array
            Covariance of its error between the points and the runs, in this order.
        """
        of, runs, m = self.numbers, self.runs, len(X)
        slope = np.concatenate([lower - runs.center, runs.slope]).T
        K = of.scale[:, None, None] * self.kernel(X, np.concatenate([X, runs.X]), of.length)
        K += of.tau**2 * slope[:, :m, None] * slope[:, None]
        K += runs.factor[:, None, None] ** 2 * below[:, :m]
        k = K[:, :, m:]
        mean = lower + self.offset + np.einsum("pmn,pn->mp", k, self._alpha)
        white = k @ np.swapaxes(self._root, 1, 2)
        trend = (1.0 - np.einsum("pmn,pn->pm", k, self._ones)) / np.sqrt(self._known)[:, None]
        found = K[:, :, :m] - white @ np.swapaxes(white, 1, 2) + trend[:, :, None] * trend[:, None]
        i = np.arange(m)
        own = of.scale[:, None] * of.nugget + self.rho_variance[:, None] * below[:, i, i]
        found[:, i, i] = np.maximum(found[:, i, i], 0.0) + own
        return mean, found
