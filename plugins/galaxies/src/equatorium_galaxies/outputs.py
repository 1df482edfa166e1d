"""The stellar mass function of a catalogue, and how uncertain its sample of halos leaves it."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.special import ndtr

from equatorium_galaxies.arrays import FloatArray, IntArray
from equatorium_galaxies.evolution import Catalogue, evolve
from equatorium_galaxies.forest import OUTPUT_SNAPSHOTS, Forest
from equatorium_galaxies.parameters import Parameters

__all__ = ["BIN_CENTRES", "BIN_WIDTH", "PHI_FLOOR", "MassFunctions", "Run", "mass_functions", "run"]

BIN_WIDTH = 0.2  # dex
_EDGES = np.linspace(8.0, 12.0, 21)
BIN_CENTRES = np.round(0.5 * (_EDGES[1:] + _EDGES[:-1]), 1)
"""Bins of log10 (M_* / Msun)."""

PHI_FLOOR = 1e-6
"""Smallest mass function that is told apart from none [1/Mpc^3/dex]."""


@dataclass(frozen=True, eq=False)
class MassFunctions:
    """Stellar mass functions, p bins over all redshifts.

    Parameters
    ----------
    contributions : (T, p) array
        What each tree adds to each bin, weight * galaxies / bin width [1/Mpc^3/dex].
    stratum : (T,) integer array
        Stratum of root masses to which each tree belongs.
    """

    contributions: FloatArray
    stratum: IntArray

    @cached_property
    def phi(self) -> FloatArray:
        """Number density of galaxies, (p,) [1/Mpc^3/dex]."""
        return np.asarray(self.contributions.sum(axis=0))

    @cached_property
    def covariance(self) -> FloatArray:
        """Sampling covariance of `phi`, (p, p): trees are the units, sum_h n_h cov_h(y)."""
        number = np.bincount(self.stratum)
        means = np.stack(
            [np.bincount(self.stratum, weights=y) / number for y in self.contributions.T], axis=1
        )
        residual = self.contributions - means[self.stratum]
        scaled = residual * np.sqrt(number / (number - 1.0))[self.stratum][:, None]
        return np.asarray(scaled.T @ scaled)

    @cached_property
    def log_phi(self) -> FloatArray:
        """log10 phi, (p,), not below log10 `PHI_FLOOR`."""
        return np.asarray(np.log10(np.maximum(self.phi, PHI_FLOOR)))

    @cached_property
    def log_covariance(self) -> FloatArray:
        """Sampling covariance of `log_phi`, (p, p), in dex^2.

        To first order it is cov(phi) / (phi ln10)^2, with phi not below the floor. In a bin with
        few galaxies or none, the sample's own scatter says little or nothing: the square of the
        floor is therefore added to the variance of phi, which leaves 0.43 dex to an empty bin, and
        is less than 0.0043 dex where phi > 10^-4.
        """
        scale = np.log(10.0) * np.maximum(self.phi, PHI_FLOOR)
        covariance = self.covariance + np.diag(np.full(len(scale), PHI_FLOOR**2))
        return np.asarray(covariance / (scale[:, None] * scale[None, :]))


def mass_functions(
    forest: Forest, catalogues: Iterable[Catalogue], scatter: tuple[float, float] = (0.1, 0.04)
) -> MassFunctions:
    """Stellar mass functions of catalogues, one after the other.

    phi_j = sum_i w_i p_ij / 0.2 dex, where p_ij is the probability that the mass of galaxy i is
    measured in bin j with an error of ``scatter[0] + scatter[1] * z`` dex (Gaussian).

    Parameters
    ----------
    forest : Forest
    catalogues : iterable of Catalogue
    scatter : pair of float
        Error of a measured log10 stellar mass at z = 0 and its slope with redshift.
    """
    blocks = []
    for catalogue in catalogues:
        error = scatter[0] + scatter[1] * catalogue.redshift
        stars = catalogue.galaxies.stars
        seen = stars > 10.0 ** (_EDGES[0] - 6.0 * error)
        log_mass, tree = np.log10(stars[seen]), forest.tree[catalogue.branch[seen]]
        below = ndtr((_EDGES[:, None] - log_mass) / error)
        counts = [
            np.bincount(tree, weights=share, minlength=forest.n_trees)
            for share in np.diff(below, axis=0)
        ]
        blocks.append(np.stack(counts, axis=1) * (forest.weight / BIN_WIDTH)[:, None])
    return MassFunctions(np.concatenate(blocks, axis=1), forest.stratum)


@dataclass(frozen=True, eq=False)
class Run:
    """One run of the model: the mass functions at the four redshifts, and all galaxies there."""

    mass_functions: MassFunctions
    catalogues: dict[int, Catalogue]


def run(
    forest: Forest,
    parameters: Parameters,
    *,
    substeps: int = 2,
    scatter: tuple[float, float] = (0.1, 0.04),
) -> Run:
    """Run the model: the same forest and parameters give the same numbers.

    Parameters
    ----------
    forest : Forest
    parameters : Parameters
    substeps : int
        Sub-steps between snapshots.
    scatter : pair of float
        Error of measured stellar masses [dex] at z = 0, and its slope with redshift.

    Examples
    --------
    >>> from equatorium_galaxies.forest import grow
    >>> result = run(grow(1, scale=0.02, mass_floor=1e11), Parameters())
    >>> result.mass_functions.phi.shape
    (80,)
    """
    catalogues = evolve(forest, parameters, substeps=substeps)
    ordered = [catalogues[k] for k in OUTPUT_SNAPSHOTS]
    return Run(mass_functions(forest, ordered, scatter), catalogues)
