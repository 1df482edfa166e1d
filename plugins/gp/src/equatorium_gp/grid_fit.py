"""Lengths, scale and nugget of a process whose kernel is a product over axes.

On a complete grid with one noise variance the restricted likelihood of all pixels is exact, by the
eigendecompositions of the axes. Else that of some pixels is, by a Cholesky decomposition: blocks
of neighbours, which tell short lengths and the nugget, and others spread over the grid. The mean is
a constant with a flat prior, and outputs have unit variance.
"""

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt
import scipy.linalg
import scipy.optimize

from equatorium.checks import FloatArray
from equatorium_gp.lattice import FAMILIES, Axis, along, outer

LENGTHS = (0.01, 0.03, 0.1, 0.3, 1.0)  # tried as starts, in widths of the axes
PRIOR = (np.log(0.3), 2.0)  # of a log length: mean and sd
NUGGET = (np.log(1e-4), 3.0)  # of the log nugget over the scale, beside declared noise
EVALUATIONS = 80
BLOCKS = 5

Likelihood = Callable[[FloatArray], tuple[float, FloatArray]]


def dense_likelihood(
    X: FloatArray, y: FloatArray, noise: FloatArray, families: Sequence[str]
) -> Likelihood:
    """Give the log likelihood of any pixels, as a function of log lengths, scale and nugget.

    Parameters
    ----------
    X : (n, d) array
    y, noise : (n,) arrays
    families : list of str
        One an axis.
    """
    apart = [np.abs(x[:, None] - x) for x in X.T]

    def evaluate(point: FloatArray) -> tuple[float, FloatArray]:
        lengths, (scale, nugget) = np.exp(point[:-2]), np.exp(point[-2:])
        parts = [FAMILIES[f](r / h) for f, r, h in zip(families, apart, lengths, strict=True)]
        K = scale * np.prod([k for k, _ in parts], axis=0)
        S = K.copy()
        S[np.diag_indices(len(S))] += nugget + noise
        L, _ = scipy.linalg.cho_factor(S, lower=True, overwrite_a=True, check_finite=False)
        inverse, _ = scipy.linalg.lapack.dpotri(L, lower=True)
        inverse = np.tril(inverse) + np.tril(inverse, -1).T
        h, plain = inverse.sum(axis=1), inverse @ y
        c = h.sum()
        alpha = plain - h * (h @ y) / c
        value = -0.5 * (2 * np.log(np.diagonal(L)).sum() + np.log(c) + y @ alpha)
        upstream = 0.5 * (np.outer(alpha, alpha) + np.outer(h, h) / c - inverse)
        slope = [
            scale
            * (
                upstream * D * np.prod([k for b, (k, _) in enumerate(parts) if b != a], axis=0)
            ).sum()
            for a, (_, D) in enumerate(parts)
        ]
        slope += [(upstream * K).sum(), nugget * np.trace(upstream)]
        return value, np.array(slope)

    return evaluate


def grid_likelihood(
    points: Sequence[FloatArray], y: FloatArray, noise: float, families: Sequence[str]
) -> Likelihood:
    """Give the log likelihood of a complete grid y (shape) with one noise variance."""

    def evaluate(point: FloatArray) -> tuple[float, FloatArray]:
        lengths, (scale, nugget) = np.exp(point[:-2]), np.exp(point[-2:])
        axes = [Axis.of(x, f, h) for x, f, h in zip(points, families, lengths, strict=True)]
        turn = [axis.vectors.T for axis in axes]
        values = outer([axis.values for axis in axes])
        total = scale * values + nugget + noise
        one = outer([t.sum(axis=1) for t in turn])
        h, plain = one / total, along(y, turn) / total
        c = (one * h).sum()
        alpha = plain - h * (one * plain).sum() / c
        value = -0.5 * (np.log(total).sum() + np.log(c) + (alpha**2 * total).sum())

        def quadratic(matrices: Sequence[FloatArray], diagonal: FloatArray) -> float:
            moved = (a * along(a, matrices) for a in (alpha, h / np.sqrt(c)))
            return 0.5 * float(sum(m.sum() for m in moved) - (diagonal / total).sum())

        slope = []
        for a, axis in enumerate(axes):
            D = axis.slope()
            matrices = [D if b == a else np.diag(other.values) for b, other in enumerate(axes)]
            diagonal = outer([np.diagonal(M) for M in matrices])
            slope.append(scale * quadratic(matrices, diagonal))
        weights = 0.5 * (alpha**2 + h**2 / c - 1.0 / total)
        slope += [scale * (weights * values).sum(), nugget * weights.sum()]
        return value, np.array(slope)

    return evaluate


def learn(likelihood: Likelihood, d: int, declared: bool) -> FloatArray:
    """Maximise a likelihood under weak priors; return lengths (d), scale and nugget.

    The search starts from the best of some lengths and nuggets.
    """
    share = NUGGET if declared else (0.0, np.inf)

    def objective(point: FloatArray) -> tuple[float, FloatArray]:
        try:
            value, slope = likelihood(point)
        except (np.linalg.LinAlgError, scipy.linalg.LinAlgError):
            return 1e10, np.zeros_like(point)
        away, ratio = (point[:d] - PRIOR[0]) / PRIOR[1], point[-1] - point[-2] - share[0]
        ratio = ratio / share[1]
        value -= 0.5 * float((away**2).sum() + ratio**2)
        slope = slope - np.concatenate([away / PRIOR[1], [-ratio / share[1], ratio / share[1]]])
        return -value, -slope

    starts = [
        np.array([*[np.log(length)] * d, 0.0, np.log(nugget)])
        for length in LENGTHS
        for nugget in (1e-4, 1e-1)
    ]
    start = min(starts, key=lambda point: objective(point)[0])
    bounds = [(PRIOR[0] - 8.0, PRIOR[0] + 5.0)] * d + [(-12.0, 8.0), (np.log(1e-9), 4.0)]
    best = scipy.optimize.minimize(
        objective,
        start,
        jac=True,
        method="L-BFGS-B",
        bounds=bounds,
        options={"maxfun": EVALUATIONS, "maxiter": EVALUATIONS},
    )
    return np.asarray(np.exp(best.x))


def telling(X: FloatArray, most: int, rng: np.random.Generator) -> npt.NDArray[np.intp]:
    """Choose pixels X (n, d) that tell lengths: half in blocks of neighbours, half anywhere."""
    if len(X) <= most:
        return np.arange(len(X))
    chosen = rng.choice(len(X), most // 2, replace=False)
    unit = np.array([np.diff(np.unique(x)).mean() if np.ptp(x) > 0 else 1.0 for x in X.T])
    for center in rng.choice(len(X), BLOCKS, replace=False):
        away = (np.abs(X - X[center]) / unit).max(axis=1)
        near = np.argsort(away, kind="stable")[: most // (2 * BLOCKS)]
        chosen = np.concatenate([chosen, near])
    return np.unique(chosen)
