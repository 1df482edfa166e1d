"""Does the inference recover truths that are known? Statistics over mock data sets, able to fail.

If truths are drawn from the prior and data from the likelihood, then in a right posterior the rank
of the truth's log-posterior among the draws is uniform (Talts et al. 2018; Säilynoja et al. 2022,
doi:10.1007/s11222-022-10090-6), and its standardised errors have mean square one. A posterior equal
to the prior passes both; so a third number is asked: how much the data constrained anything.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import stats

from equatorium.checks import FloatArray, Rng, matrix, vector
from equatorium.errors import InputError, ShapeError
from equatorium.inference.draws import Draws
from equatorium.inference.posterior import Posterior
from equatorium.inference.ranks import randomised_rank


def log_posterior_rank(
    draws: Draws, posterior: Posterior, theta_true: Any, rng: Rng = None
) -> float:
    """Rank of the truth's log-posterior among the draws', in (0, 1); 0 is the least probable.

    Parameters
    ----------
    draws : Draws
    posterior : Posterior
        The one that was sampled.
    theta_true : array, shape (d,)
        A truth that is impossible (outside the region) has rank 0.
    rng : int, Generator or None
        Places the truth at random between its neighbours, so that ranks of exact draws are
        uniform, not only on a grid.

    Returns
    -------
    float
    """
    theta = vector(theta_true, "theta_true", draws.d)
    true = posterior.log_prob(theta[None])[0]
    if true == -np.inf:
        return 0.0
    return randomised_rank(draws.log_prob, true, rng)


def uniformity(ranks: Any) -> float:
    """p-value of the Kolmogorov-Smirnov test that ranks are uniform on (0, 1).

    >>> bool(uniformity((np.arange(50) + 0.5) / 50) > 0.99)
    True
    """
    return float(stats.kstest(vector(ranks, "ranks"), "uniform").pvalue)


def standardised_errors(draws: Draws, theta_true: Any) -> FloatArray:
    """(truth - posterior mean) / posterior sd, shape (d,), in the scaled coordinate if known."""
    theta = vector(theta_true, "theta_true", draws.d)[None]
    x, truth = draws.flat, theta
    if draws.space is not None:
        x, truth = draws.space.to_unit(x), draws.space.to_unit(theta)
    return np.asarray((truth[0] - x.mean(axis=0)) / x.std(axis=0))


@dataclass(frozen=True)
class Recovery:
    """Whether truths are recovered, over all mocks; see `recovery`.

    Attributes
    ----------
    names : tuple of str
        The most constrained parameters, best first.
    mean_square : float
        Mean squared standardised error of these, over the mocks; one is right.
    rank_p : float
        p-value of the ranks' uniformity.
    shrinkage : array
        Posterior sd over prior sd of these, in the median mock.
    reasons : tuple of str
        What is wrong; empty if nothing.
    """

    names: tuple[str, ...]
    mocks: int
    mean_square: float
    rank_p: float
    shrinkage: FloatArray
    reasons: tuple[str, ...]

    @property
    def passed(self) -> bool:
        """Whether every criterion is met."""
        return not self.reasons

    def summary(self) -> str:
        """Give the numbers and the verdict as text."""
        shrunk = ", ".join(f"{n} {s:.2f}" for n, s in zip(self.names, self.shrinkage, strict=True))
        lines = [
            f"Truth recovery over {self.mocks} mocks: {'passed' if self.passed else 'FAILED'}",
            f"mean squared standardised error {self.mean_square:.2f}",
            f"ranks of the truth uniform with p = {self.rank_p:.3g}",
            f"posterior sd / prior sd (median mock): {shrunk}",
        ]
        return "\n".join([*lines, *(f"- {reason}" for reason in self.reasons)])


def recovery(
    names: Sequence[str],
    ranks: Any,
    errors: Any,
    shrinkage: Any,
    *,
    constrained: int = 3,
    mean_square: tuple[float, float] = (0.5, 1.7),
    rank_p: float = 1e-3,
    most: float = 0.6,
) -> Recovery:
    """Judge n mocks whose truths are known.

    Parameters
    ----------
    names : sequence of str
        The d parameters.
    ranks : array, shape (n,)
        From `log_posterior_rank`.
    errors : array, shape (n, d)
        From `standardised_errors`.
    shrinkage : array, shape (n, d)
        ``draws.shrinkage`` of each mock.
    constrained : int
        How many of the most constrained parameters are judged.
    mean_square : tuple of float
        Range that the mean squared standardised error must lie in.
    rank_p : float
        Least p-value of the ranks.
    most : float
        Largest posterior sd over prior sd of a judged parameter, in the median mock.

    Returns
    -------
    Recovery
    """
    ranks = vector(ranks, "ranks")
    errors = matrix(errors, "errors", len(names))
    shrinkage = matrix(shrinkage, "shrinkage", len(names))
    if not len(ranks) == len(errors) == len(shrinkage):
        raise ShapeError(
            f"ranks, errors and shrinkage must have one row a mock, but they have {len(ranks)}, "
            f"{len(errors)} and {len(shrinkage)}."
        )
    if not 1 <= constrained <= len(names):
        raise InputError(f"constrained must lie in 1 to {len(names)}, but it is {constrained}.")
    median = np.median(shrinkage, axis=0)
    judged = np.argsort(median, kind="stable")[:constrained]
    square = float(np.mean(errors[:, judged] ** 2))
    p = uniformity(ranks)
    chosen = tuple(names[j] for j in judged)
    loose = [f"{names[j]} {median[j]:.2f}" for j in judged if not median[j] <= most]
    low, high = mean_square
    reasons = []
    if not low <= square <= high:
        wrong = "too narrow" if square > high else "too wide"
        reasons.append(
            f"the mean squared standardised error of {', '.join(chosen)} is {square:.2f}, outside "
            f"[{low:g}, {high:g}]: posteriors are {wrong}"
        )
    if not p > rank_p:
        reasons.append(f"the ranks of the truth are not uniform (p = {p:.2g})")
    if loose:
        reasons.append(f"data constrain too little: posterior sd / prior sd of {', '.join(loose)}")
    return Recovery(chosen, len(ranks), square, p, median[judged], tuple(reasons))
