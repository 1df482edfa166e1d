"""Outputs seen in components whose errors are uncorrelated, so that each can be emulated alone.

Neighbouring outputs of a simulator vary together: their sums are smooth functions of the inputs,
their differences small and rough. Emulated one by one with a common kernel they would have errors
as correlated as the outputs themselves, which is far too sure of the differences. In the components
that diagonalise both the noise and the covariance of the outputs (the minimum noise fraction
transform; Green et al. 1988, doi:10.1109/36.3001) each has its own share of signal and noise, and
``y = center + scores @ mixing`` carries mean and covariance back exactly. Nothing is truncated.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from equatorium.checks import FloatArray

IntArray = npt.NDArray[np.int64]

RUNS_PER_OUTPUT = 3  # fewer cannot tell the components
LEADING = 0.95  # share of the signal's variance in the components that vary most
LEAST_NOISE = 1e-6  # variance, of an output scaled to unit variance: keeps the whitening finite
LEAST_SPREAD = 1e-9  # of a component: what repeats another output is nothing but rounding


@dataclass(frozen=True)
class Components:
    """A linear map of outputs (n, p) to scores (n, k) of unit variance, and back.

    Attributes
    ----------
    center : (p,) array
    mixing : (k, p) array
    unmixing : (p, k) array
        ``scores = (y - center) @ unmixing`` and ``y = center + scores @ mixing``.
    group : (k,) array of int
        0: the components that vary most; 1: the rest, which are rougher functions.
    """

    center: FloatArray
    mixing: FloatArray
    unmixing: FloatArray
    group: IntArray

    @classmethod
    def of(cls, Y: FloatArray, noise: FloatArray | None, rotate: bool) -> "Components":
        """Find the components of outputs Y (n, p) with noise variances (n, p) or None.

        They are the outputs themselves where `rotate` is False or runs are too few.
        """
        n, p = Y.shape
        center, spread = Y.mean(axis=0), Y.std(axis=0)
        size = np.abs(Y).max(axis=0)
        varies = spread > 1e-12 * size
        # A constant output keeps a variance that is tiny beside its value, but positive.
        spread = np.where(varies, spread, np.where(size > 0, size, 1.0))
        if not rotate or not 1 < varies.sum() <= n / RUNS_PER_OUTPUT:
            group = np.zeros(p, dtype=np.int64)
            return cls(center, np.diag(spread), np.diag(1.0 / spread), group)
        scaled = ((Y - center) / spread)[:, varies]
        root = _noise_sd(noise, spread)[varies]
        _, size, directions = np.linalg.svd(scaled / root, full_matrices=False)
        size = size / np.sqrt(n)
        kept = size > LEAST_SPREAD * size[0]
        size, directions = size[kept], directions[kept]
        mixing, unmixing = np.zeros((len(size), p)), np.zeros((p, len(size)))
        mixing[:, varies] = size[:, None] * directions * root * spread[varies]
        unmixing[varies] = directions.T / size / (root * spread[varies])[:, None]
        signal = size**2 if noise is None else np.maximum(size**2 - 1.0, 0.0)
        return cls(center, mixing, unmixing, _groups(signal))

    def noise(self, noise: FloatArray) -> FloatArray:
        """Noise variances (n, k) of the scores, for those of the outputs, (n, p)."""
        return np.asarray(noise @ self.unmixing**2)


def _noise_sd(noise: FloatArray | None, spread: FloatArray) -> FloatArray:
    """Root of the mean noise variance of the scaled outputs; ones if there is none."""
    if noise is None:
        return np.ones(len(spread))
    return np.asarray(np.sqrt(noise.mean(axis=0) / spread**2 + LEAST_NOISE))


def _groups(signal: FloatArray) -> IntArray:
    """0 for the components, largest first, that hold `LEADING` of the signal; 1 for the rest."""
    before = np.cumsum(signal) - signal
    return np.asarray((before > 0) & (before >= LEADING * signal.sum()), dtype=np.int64)
