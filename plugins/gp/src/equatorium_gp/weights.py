r"""What each of several emulators is worth for each output, by closed-form leave-one-out scores.

For one output the weights maximise the tempered log score of the mixture,

.. math:: \sum_i \log \sum_k w_k\, p_k(y_i | y_{-i}) + \frac{T}{K} \sum_k \log w_k,

by expectation maximisation. The second term, as of T further runs that like all alike, draws the
weights of members that the runs hardly tell apart towards each other: of several emulators learned
from the same few runs, the one that scores best is in part the one that was lucky. How lucky goes
with the parameters learned from those runs: a sum of scores is too good by about one for each
(Akaike 1974), so T is twice the number of length-scales of a kernel; but 15 at most, for of many
length-scales most are hardly learned. Members that are clearly worse keep less than `LEAST`, are
dropped, and cost nothing.

A member's variance is multiplied so that its leave-one-out errors are as large as predicted. They
leave out a run, but not what it taught the kernel: the errors of k parameters learned from n runs
are larger on new runs by ``(n + k) / (n - k)`` in the square, the final prediction error (Akaike
1969), and so is the variance.

Members each as sure as its errors allow are, mixed, less sure than they should be: their errors
cancel in part, and how much they disagree is added. What the mixture's own left-out errors say is
too small again, for they taught the weights; half of it, in the logarithm, is taken off.

References
----------
- Yao Y., Vehtari A., Simpson D. & Gelman A. 2018, Bayesian Analysis 13, 917,
  doi:10.1214/17-BA1091
- Akaike H. 1969, Annals of the Institute of Statistical Mathematics 21, 243,
  doi:10.1007/BF02532251
- Akaike H. 1974, IEEE Transactions on Automatic Control 19, 716, doi:10.1109/TAC.1974.1100705
"""

import numpy as np

from equatorium.checks import FloatArray
from equatorium_gp.correlation import variance_factor

TEMPER = 2.0  # T in runs, for each length-scale of a kernel, and
MOST_TEMPER = 15.0  # its largest: measured, benchmarks/RESULTS.md
LEAST = 0.05
LEAST_FACTOR = 0.2  # of a member's variance: where a member is exact, its errors are far smaller
OF_MIXTURE = 0.5  # power of what the mixture's left-out errors take off: benchmarks/RESULTS.md
STEPS = 2000


def tempered_weights(scores: FloatArray, temper: float) -> FloatArray:
    """Weights (k,) of the log densities (k, n) that k members give to n left-out values.

    `temper` is T.

    Examples
    --------
    >>> tempered_weights(np.zeros((2, 10)), 4.0).tolist()
    [0.5, 0.5]
    """
    k = len(scores)
    density = np.exp(scores - scores.max(axis=0))
    weights = np.full(k, 1.0 / k)
    for _ in range(STEPS):
        share = weights[:, None] * density
        share /= share.sum(axis=0)
        new = (share.sum(axis=1) + temper / k) / (scores.shape[1] + temper)
        moved, weights = np.abs(new - weights).max(), new
        if moved < 1e-8:
            break
    weights = np.where(weights < min(LEAST, 0.5 / k), 0.0, weights)
    return np.asarray(weights / weights.sum())


def prediction_error(n: int, k: int) -> float:
    """Squared errors on new runs over those left out, where n runs taught k parameters.

    Examples
    --------
    >>> prediction_error(30, 2)
    1.1428571428571428
    """
    k = min(k, n // 3)  # so that it is 2 at most
    return (n + k) / (n - k)


def worth(
    error: FloatArray, variance: FloatArray, declared: FloatArray, lengths: int
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Weights, variance factors and mean log scores, each (k, p).

    Parameters
    ----------
    error, variance : (k, n, p) arrays
        Leave-one-out errors of k members and the variances that they predicted.
    declared : (n, p) array
        The runs' declared noise.
    lengths : int
        Of length-scales in a member's kernel.
    """
    k, n, p = error.shape
    factors, weights = np.empty((k, p)), np.empty((k, p))
    for i in range(k):
        for j in range(p):
            one = (slice(None), slice(j, j + 1))
            parts = (error[i][one], variance[i][one], declared[one])
            factors[i, j] = variance_factor(*parts, least=LEAST_FACTOR)
    factors *= prediction_error(n, lengths)
    total = factors[:, None] * variance + declared
    scores = -0.5 * (np.log(2 * np.pi * total) + error**2 / total)
    for j in range(p):
        weights[:, j] = tempered_weights(scores[:, :, j], min(TEMPER * lengths, MOST_TEMPER))
    mixed = _mixed(error, factors[:, None] * variance, declared, weights)
    several = weights.max(axis=0) < 1.0
    factors *= np.where(several, prediction_error(n, lengths) * mixed, 1.0) ** OF_MIXTURE
    return weights, np.maximum(factors, LEAST_FACTOR), scores.mean(axis=1)


def _mixed(
    error: FloatArray, variance: FloatArray, declared: FloatArray, weights: FloatArray
) -> FloatArray:
    """Factors (p,) by which the errors of the mixture are larger than it says."""
    share = weights[:, None]
    own = (share * error).sum(axis=0)
    total = (share * (variance + (error - own) ** 2)).sum(axis=0)
    columns = [slice(j, j + 1) for j in range(error.shape[2])]
    return np.array(
        [variance_factor(own[:, j], total[:, j], declared[:, j], LEAST_FACTOR) for j in columns]
    )
