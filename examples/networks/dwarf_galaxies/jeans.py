"""What the Jeans equation says of one galaxy: the likelihood of its stars, for any sampler."""

import numpy as np
from galaxy import ERROR, ISOTROPIC, SPACE, columns, dispersion_seen, slopes

import equatorium as eq


class Jeans:
    """Stars at R with velocities v: a Plummer sphere's, Gaussian with the dispersion at R.

    Parameters
    ----------
    R, v : ndarray, shape (stars,)
        In kpc and km/s.
    """

    names = SPACE.all_names

    def __init__(self, R, v, error=ERROR):
        self.R, self.v, self.error = R, v, error

    def log_likelihood(self, theta):
        """Return the log likelihood (m,) of galaxies theta (m, 5), isotropic ones."""
        a = 10 ** columns(theta)[3]
        U = self.R / a
        grid = np.geomspace(U.min() * 0.999, U.max() * 1.001, 32)
        # The variance is interpolated between the points of the grid, in the logarithm of R.
        square = dispersion_seen(grid, theta) ** 2
        place = np.log(U / grid[0]) / np.log(grid[1] / grid[0])
        left, row = place.astype(int), np.arange(len(a))[:, None]
        low, high = square[row, left], square[row, left + 1]
        variance = low + (place - left) * (high - low) + self.error**2
        of_velocities = -0.5 * (self.v**2 / variance + np.log(2 * np.pi * variance))
        of_places = np.log(2 * U / a) - 2 * np.log1p(U**2)
        return (of_velocities + of_places).sum(axis=1)


def sampled_slopes(R, v, rng):
    """Return draws (s, 2) of the slopes of an isotropic galaxy, given its stars, by emcee."""
    posterior = eq.Posterior(ISOTROPIC, Jeans(R, v))
    sampler = eq.sampler("emcee", walkers=16, until={"rhat": 1.03, "ess": 300})
    draws = sampler.run(posterior, rng=rng, progress=False)
    return slopes(ISOTROPIC.complete(draws.flat))
