"""From the components back to the outputs: mean, covariance, their gradients, joint covariance."""

import numpy as np

from equatorium import Diagonal, Gaussian, LowRank
from equatorium.checks import FloatArray
from equatorium_gp.cholesky import root_of

# Variance of what the components of outputs leave out (a constant output, one that repeats
# another), relative to the output's: far below the least nugget, far above rounding.
LEAST = 1e-13


class Mixing:
    """The map of k components to p outputs, ``y = center + scores @ mixing``.

    Parameters
    ----------
    center : (p,) array
    mixing : (k, p) array
    correlation : (k, k) array
        Of the components' errors.
    alone : bool
        Whether outputs are the components, and their covariance is diagonal.
    """

    def __init__(
        self, center: FloatArray, mixing: FloatArray, correlation: FloatArray, alone: bool
    ) -> None:
        self.center, self.mixing, self.correlation, self.alone = center, mixing, correlation, alone
        correlated = not np.array_equal(correlation, np.eye(len(mixing)))
        self._root = np.linalg.cholesky(correlation) if correlated else None
        own = np.diagonal(mixing)
        single = len(mixing) == mixing.shape[1] and np.array_equal(mixing, np.diag(own))
        root = np.eye(len(own)) if self._root is None else self._root
        self._own_root = own[:, None] * root if single else None
        spread = np.square(mixing).sum(axis=0)
        size = np.where(center != 0.0, center**2, 1.0)
        self.least = LEAST * np.where(spread > 0.0, spread, size)

    def gaussian(self, mean: FloatArray, variance: FloatArray) -> Gaussian:
        """Carry mean and variance (m, k) of the components over to the outputs."""
        own, std = self.center + mean @ self.mixing, np.sqrt(variance)
        if self.alone:
            return Gaussian(own, Diagonal((std * np.diagonal(self.mixing)) ** 2))
        if self._own_root is not None:  # outputs are components
            return Gaussian(own, LowRank(self.least, std[:, :, None] * self._own_root))
        factor = np.multiply(self.mixing.T, std[:, None, :], order="C")
        if self._root is not None:
            factor = (factor.reshape(-1, len(self._root)) @ self._root).reshape(factor.shape)
        return Gaussian(own, LowRank(self.least, factor))

    def along(self, variance: FloatArray, directions: FloatArray) -> FloatArray:
        """Variance (m,) of l combinations (p, l) of the outputs, added, from (m, k)."""
        parts = np.sqrt(variance)[:, :, None] * (self.mixing @ directions)
        root = np.eye(len(self.mixing)) if self._root is None else self._root
        return np.asarray(np.square(root.T @ parts).sum(axis=(1, 2)))

    def pulled(
        self, mean_bar: FloatArray, cov_bar: FloatArray, variance: FloatArray
    ) -> tuple[FloatArray, FloatArray]:
        """Carry gradients by mean (m, p) and covariance (m, p, p) of the outputs back.

        Returns the gradients by mean and variance (m, k) of the components.
        """
        if self.alone:
            own = np.diagonal(self.mixing)
            return mean_bar * own, np.einsum("mpp->mp", cov_bar) * own**2
        between = self.mixing @ cov_bar @ self.mixing.T * self.correlation
        between = between + np.swapaxes(between, 1, 2)
        std = np.sqrt(variance)
        by_variance = np.einsum("mab,mb->ma", between, std) / (2.0 * std)
        return mean_bar @ self.mixing.T, by_variance

    def joint(self, covariances: FloatArray, output: int) -> FloatArray:
        """Covariance (m, m) of one output between points, from those (k, m, m) of the components.

        The components' errors a and b have the covariance ``C_ab L_a L_b'``, with the roots L of
        their own: it is positive definite, and right for every single point and component.
        """
        weight = self.mixing[:, output]
        total: FloatArray = np.einsum("a,aij->ij", weight**2, covariances)
        if self._root is None or self.alone:
            return total + self.least[output] * np.eye(len(total)) * (not self.alone)
        variances = np.einsum("aii->ai", covariances)
        std = np.sqrt(variances) * weight[:, None]
        wanted = np.einsum("ai,ab,bi->i", std, self.correlation, std) + self.least[output]
        roots = np.stack([w * root_of(c) for w, c in zip(weight, covariances, strict=True)])
        mixed = np.einsum("ac,aij->cij", self._root, roots)
        total = np.einsum("cik,cjk->ij", mixed, mixed)
        size = np.sqrt(wanted / np.maximum(np.diagonal(total), 1e-300))
        return total * size[:, None] * size

    def draw(
        self, mean: FloatArray, covariances: FloatArray, size: int, rng: np.random.Generator
    ) -> FloatArray:
        """Draw functions (size, m, p) at m points, from mean (m, k) and covariances (k, m, m)."""
        k, m = len(covariances), len(mean)
        white = rng.standard_normal((k, m, size))
        if self._root is not None and not self.alone:
            white = np.einsum("ac,cms->ams", self._root, white)
        scores = np.stack([root_of(c) @ w for c, w in zip(covariances, white, strict=True)])
        return np.asarray(self.center + (mean + np.transpose(scores, (2, 1, 0))) @ self.mixing)
