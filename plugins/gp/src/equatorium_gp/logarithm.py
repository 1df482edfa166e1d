r"""Outputs whose logarithm is emulated: products and powers of the inputs, which span factors.

A stationary process has one size of variation everywhere; a simulator that multiplies varies in
proportion to its output. Of a positive output the logarithm z may do better. The densities of left
out runs tell, y's being that of z over y (Box & Cox 1964). Mean and covariance come back exactly,

.. math:: m_j = e^{\mu_j + C_{jj} / 2}, \qquad S_{jk} = m_j m_k (e^{C_{jk}} - 1),

and between a logarithm j and an output k that is none, :math:`S_{jk} = m_j C_{jk}`.

References
----------
- Box G. E. P. & Cox D. R. 1964, J. R. Statist. Soc. B 26, 211,
  doi:10.1111/j.2517-6161.1964.tb00553.x
- Snelson E., Rasmussen C. E. & Ghahramani Z. 2003, NeurIPS 16 (warped Gaussian processes)
"""

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from equatorium import Dense, Diagonal, Gaussian
from equatorium.checks import FloatArray
from equatorium.errors import EquatoriumError, InputError
from equatorium_gp.trend_gp import TrendGP

LEAST_RUNS = 20  # fewer do not tell
LEAST_RATIO = 1.2  # of largest and least value: below, a logarithm is a straight line
PROOF = 1.0  # standard errors by which the logarithm must be better: it has no parameter more
# Of a logarithm: far outside, numbers and their squares stay finite and above zero.
LARGEST_MEAN, LARGEST_VARIANCE = 300.0, 50.0


@dataclass(frozen=True)
class Logarithm:
    """Which outputs are emulated by their logarithms.

    Attributes
    ----------
    of : (p,) array of bool
    """

    of: npt.NDArray[np.bool_]

    @classmethod
    def chosen(
        cls, X: FloatArray, Y: FloatArray, noise: FloatArray | None, few: int, **options: Any
    ) -> Self:
        """Find the outputs whose logarithms predict runs that are left out better.

        Outputs with declared noise are left as they are: that of a logarithm is not normal.

        Parameters
        ----------
        few : int
            Of more runs, a random few, but `LEAST_RUNS` at least.
        options : dict
            Of the `TrendGP` that is tried on both.
        """
        least = Y.min(axis=0)
        may = (least > 0) & (Y.max(axis=0) > LEAST_RATIO * least)
        if noise is not None:
            may &= ~noise.any(axis=0)
        if len(Y) < LEAST_RUNS or not may.any():
            return cls(np.zeros(len(may), dtype=bool))
        rows = np.random.default_rng(0).permutation(len(Y))[: max(few, LEAST_RUNS)]
        x, y = X[rows], Y[rows][:, may]
        try:
            gain = _scores(x, np.log(y), options) - np.log(y) - _scores(x, y, options)
        except (EquatoriumError, np.linalg.LinAlgError):
            return cls(np.zeros(len(may), dtype=bool))
        may[may] = gain.mean(axis=0) > PROOF * gain.std(axis=0) / np.sqrt(len(gain))
        return cls(may)

    @property
    def any(self) -> bool:
        """Whether there is one."""
        return bool(self.of.any())

    def forward(
        self, Y: FloatArray, noise: FloatArray | None = None
    ) -> tuple[FloatArray, FloatArray | None]:
        """Take the logarithms of outputs (n, p), with their noise variances to first order.

        Raises
        ------
        InputError
            If one is not positive.
        """
        bad = np.flatnonzero(self.of & (Y <= 0).any(axis=0))
        if bad.size:
            raise InputError(
                f"output {bad[0]} is emulated by its logarithm, but has a value of "
                f"{Y[:, bad[0]].min():g}; values must be positive, or scale='linear'."
            )
        size = np.where(self.of, Y, 1.0)
        latent = np.where(self.of, np.log(size), Y)
        return latent, None if noise is None else noise / size**2

    def back(self, latent: Gaussian) -> Gaussian:
        """Carry mean and covariance of the logarithms (m, p) over to the outputs."""
        if not self.any:
            return latent
        mean, scale = self._means(latent.mean, latent.variance)
        if isinstance(latent.covariance, Diagonal):
            variance = np.where(self.of, np.expm1(_least(latent.variance)), latent.variance)
            return Gaussian(mean, Diagonal(scale**2 * variance))
        between = self._between(latent.covariance.dense())
        return Gaussian(mean, Dense(between * scale[:, :, None] * scale[:, None, :]))

    def joint(self, mean: FloatArray, covariance: FloatArray, output: int) -> FloatArray:
        """Carry the covariance (m, m) of one output between points, of mean (m,), over too."""
        if not self.of[output]:
            return covariance
        size = _size(mean, np.diagonal(covariance))
        return np.asarray(np.expm1(_least(covariance)) * np.outer(size, size))

    def pulled(
        self, latent: Gaussian, mean_bar: FloatArray, cov_bar: FloatArray
    ) -> tuple[FloatArray, FloatArray]:
        """Carry gradients by mean (m, p) and symmetric covariance (m, p, p) back."""
        if not self.any:
            return mean_bar, cov_bar
        C, diagonal = latent.covariance.dense(), np.arange(len(self.of))
        mean, scale = self._means(latent.mean, latent.variance)
        between, both = self._between(C), np.logical_and.outer(self.of, self.of)
        by_scale = 2.0 * np.einsum("mjk,mk,mjk->mj", cov_bar, scale, between)
        by_size = np.where(self.of, (mean_bar + by_scale) * mean, 0.0)
        by_mean = np.where(self.of, by_size * (np.abs(latent.mean) < LARGEST_MEAN), mean_bar)
        by_cov = cov_bar * scale[:, :, None] * scale[:, None, :] * np.where(both, between + 1, 1.0)
        by_cov[:, diagonal, diagonal] += 0.5 * by_size
        by_cov[both & (C >= LARGEST_VARIANCE)] = 0.0
        return by_mean, by_cov

    def _means(self, mean: FloatArray, variance: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Means of the outputs (m, p), and these again, or ones, that scale the covariance."""
        size = np.where(self.of, _size(mean, variance), 1.0)
        return np.where(self.of, size, mean), size

    def _between(self, C: FloatArray) -> FloatArray:
        """Covariance (m, p, p) in units of the means."""
        both = np.logical_and.outer(self.of, self.of)
        return np.where(both, np.expm1(np.where(both, _least(C), 0.0)), C)


def _least(variance: FloatArray) -> FloatArray:
    return np.minimum(variance, LARGEST_VARIANCE)


def _size(mean: FloatArray, variance: FloatArray) -> FloatArray:
    """Mean of the output whose logarithm has this mean and variance."""
    return np.exp(np.clip(mean, -LARGEST_MEAN, LARGEST_MEAN) + 0.5 * _least(variance))


def _scores(X: FloatArray, Y: FloatArray, options: dict[str, Any]) -> FloatArray:
    """Log density (n, p) of every run, predicted from all others by one kernel for all outputs."""
    plain = {"sharing": "all", "output_correlation": False, "variance_function": False}
    left_out = TrendGP(kernel="matern52", **plain, **options).fit(X, Y).loo()
    total = left_out.variance
    return np.asarray(-0.5 * (np.log(2 * np.pi * total) + (Y - left_out.mean) ** 2 / total))
