"""Declared noise: how much of the errors is not noise, and runs weighed by how little they have."""

import numpy as np

_TINY = 1e-300


def scatter(residuals, noise):
    r"""Variance of residuals beyond their declared noise, shape (p,).

    The :math:`\sigma^2` for which the mean of :math:`r_i^2 / (\sigma^2 + s_i^2)` is one (Paule &
    Mandel 1982), but at least what it may be by chance, :math:`(2 / \sum_i s_i^{-4})^{1/2}`.

    Parameters
    ----------
    residuals, noise : ndarray, shape (n, p)

    Examples
    --------
    >>> r = np.array([[3.0], [-3.0], [3.0], [-3.0]])
    >>> scatter(r, np.full((4, 1), 1e-9)).round(6)
    array([9.])

    References
    ----------
    Paule R. C. & Mandel J. 1982, Journal of Research of the National Bureau of Standards 87, 377,
    doi:10.6028/jres.087.022
    """
    low, high = np.zeros(residuals.shape[1]), np.max(residuals**2, axis=0)
    for _ in range(60):  # halvings: the digits of a double
        middle = (low + high) / 2
        small = np.mean(residuals**2 / np.maximum(middle + noise, _TINY), axis=0) > 1
        low, high = np.where(small, middle, low), np.where(small, high, middle)
    chance = np.sqrt(2 / np.sum(np.maximum(noise, 1e-150) ** -2.0, axis=0))
    return np.maximum(high, chance)


def weights(noise, own):
    """Weight of every run by its noise beside a variance of its own (p,): 1 for none."""
    return 1.0 / (1.0 + np.mean(noise / np.maximum(own, _TINY), axis=1))


def robust_variance(Y):
    """Variance (p,) that a few wild runs do not change: by the median absolute deviation."""
    middle = np.median(np.abs(Y - np.median(Y, axis=0)), axis=0)
    return np.where(middle > 0, (1.4826 * middle) ** 2, np.maximum(Y.var(axis=0), _TINY))
