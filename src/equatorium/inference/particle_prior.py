"""A joint prior from particles: what history matching left, or an earlier posterior."""

from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from equatorium.checks import FloatArray, Rng, finite, floats, generator, matrix, vector
from equatorium.errors import InputError
from equatorium.records.base import Record
from equatorium.records.space import Space

_NARROWEST = 1e-3  # variance of a component, in units of that of all particles
_FARTHEST = 8.0  # normal score: an edge of the space, a prior probability of 1e-15, is at 37


@dataclass(frozen=True, eq=False)
class ParticlePrior(Record):
    """A mixture of Gaussians, fitted to particles in the space's normal view.

    There the space's own prior is N(0, I) and has no edges, so that the mixture is normalised over
    the space and nothing leaks out of it.

    Parameters
    ----------
    space : Space
    weights : (k,) array
    means : (k, d) array
    covariances : (k, d, d) array
        In the normal view.

    Examples
    --------
    >>> from equatorium import Parameter
    >>> space = Space([Parameter("a", 0, 1), Parameter("b", 0, 1)])
    >>> a = np.random.default_rng(0).uniform(0.2, 0.4, (500, 1))
    >>> prior = ParticlePrior.of(space, np.hstack([a, 1.0 - a]) + 0.01)
    >>> low, high = prior([[0.3, 0.3], [0.3, 0.71]])
    >>> bool(high > low + 5.0)
    True
    """

    space: Space
    weights: FloatArray
    means: FloatArray
    covariances: FloatArray

    def __post_init__(self) -> None:
        weights = vector(self.weights, "weights of a ParticlePrior")
        k, d = len(weights), self.space.d
        for name, shape in {"means": (k, d), "covariances": (k, d, d)}.items():
            array = floats(getattr(self, name), name)
            if array.shape != shape:
                raise InputError(
                    f"{name} of a ParticlePrior of {k} components over {d} parameters must have "
                    f"shape {shape}, but it has {array.shape}."
                )
            finite(array, f"{name} of a ParticlePrior")
            object.__setattr__(self, name, array)
        total = weights.sum()
        if not np.isclose(total, 1.0) or (weights <= 0).any():
            raise InputError(f"weights must be shares > 0 that sum to 1, but they are {weights}.")
        # Divided only once, so that a file gives back the very numbers.
        exact = abs(total - 1.0) < 1e-12
        object.__setattr__(self, "weights", weights if exact else weights / total)
        if not all(map(_is_covariance, self.covariances)):
            raise InputError(
                "covariances of a ParticlePrior must be symmetric and positive definite, but they "
                f"are {self.covariances!r:.200}."
            )

    @classmethod
    def of(cls, space: Space, particles: Any, max_components: int = 8, rng: Rng = 0) -> Self:
        """Fit to particles, with as many components as the Bayesian information criterion wants.

        No component is narrower than 3 % of all particles, in any direction: repeated ones (a
        walker that stood still) must not make a spike. Normal scores beyond +-8 count as 8.

        Parameters
        ----------
        space : Space
        particles : (n, d) array
            Physical parameters within the space: ``region.sample(n).particles``, or ``draws.flat``
            of an earlier analysis of independent data.
        max_components : int
        rng : int, Generator or None

        Raises
        ------
        InputError
            If there are fewer than d + 2 particles, they do not span the space, or some lie
            outside it.
        """
        from sklearn.mixture import GaussianMixture

        z = space.to_normal(matrix(particles, "particles", space.d)).clip(-_FARTHEST, _FARTHEST)
        n, d = z.shape
        if n < d + 2 or np.linalg.matrix_rank(z - z.mean(axis=0)) < d:
            raise InputError(
                f"{n} particles do not span {d} parameters: at least {d + 2} are needed that "
                "differ in all."
            )
        seed = int(generator(rng).integers(2**31))
        # A component needs particles to have a covariance.
        most = max(1, min(int(max_components), n // (5 * (d + 1))))
        centre, root = z.mean(axis=0), np.linalg.cholesky(np.atleast_2d(np.cov(z, rowvar=False)))
        white = np.linalg.solve(root, (z - centre).T).T
        fits = [
            GaussianMixture(k, random_state=seed, reg_covar=_NARROWEST).fit(white)
            for k in range(1, most + 1)
        ]
        best = min(fits, key=lambda fit: float(fit.bic(white)))
        means = centre + best.means_ @ root.T
        return cls(space, best.weights_, means, root @ best.covariances_ @ root.T)

    def __call__(self, theta: Any) -> FloatArray:
        """Log-density (m,) in physical theta (m, d); -inf outside the space."""
        theta = matrix(theta, "theta", self.space.d)
        inside = self.space.contains(theta)
        result = np.full(len(theta), -np.inf)
        z = self.space.to_normal(theta[inside])
        own = self.space.log_prior(theta[inside])
        # p(theta) = q(z) |dz / dtheta|, and the space's own prior is N(z; 0, I) |dz / dtheta|.
        normal = -0.5 * (np.square(z).sum(axis=1) + z.shape[1] * np.log(2 * np.pi))
        result[inside] = self._mixture(z) + own - normal
        return result

    def sample(self, n: int, rng: Rng = None) -> FloatArray:
        """Draw n points (n, d)."""
        rng = generator(rng)
        chosen = rng.choice(len(self.weights), n, p=np.asarray(self.weights))
        roots = np.linalg.cholesky(self.covariances)
        z = np.einsum("nij,nj->ni", roots[chosen], rng.standard_normal((n, self.space.d)))
        return self.space.from_normal(z + self.means[chosen])

    def _mixture(self, z: FloatArray) -> FloatArray:
        from scipy.linalg import solve_triangular
        from scipy.special import logsumexp

        terms = np.empty((len(self.weights), len(z)))
        for k, root in enumerate(np.linalg.cholesky(self.covariances)):
            away = solve_triangular(root, (z - self.means[k]).T, lower=True)
            terms[k] = -0.5 * np.square(away).sum(axis=0) - np.log(np.diag(root)).sum()
        level = np.log(self.weights) - 0.5 * z.shape[1] * np.log(2 * np.pi)
        return np.asarray(logsumexp(terms + level[:, None], axis=0))


def _is_covariance(a: FloatArray) -> bool:
    return np.allclose(a, a.T, rtol=1e-8) and bool(np.linalg.eigvalsh(a)[0] > 0)
