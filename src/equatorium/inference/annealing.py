"""Starting points for chains, where the likelihood has summits that a chain would not leave."""

import numpy as np
from scipy.optimize import brentq
from scipy.special import logsumexp

from equatorium.checks import FloatArray, Rng, generator
from equatorium.errors import InputError
from equatorium.inference.chain_sampler import check_counts
from equatorium.inference.posterior import Posterior

_STEPS = 6  # moves of every point at each temperature


def annealed_starts(posterior: Posterior, n: int = 512, rng: Rng = None) -> FloatArray:
    """Cool draws from the prior until they are nearly draws from the posterior.

    The likelihood is raised to a power that grows from 0 to 1, as fast as leaves half of the points
    effective; at each, points are drawn anew by weight and moved by differences of others (Del
    Moral, Doucet & Jasra 2006, J. R. Stat. Soc. B 68, 411, doi:10.1111/j.1467-9868.2006.00553.x;
    ter Braak 2006, Stat. Comput. 16, 239, doi:10.1007/s11222-006-8769-1). Points on minor summits
    die out, where a chain would be stuck. They are starts, not draws to be reported.

    Parameters
    ----------
    posterior : Posterior
    n : int
        Points; more than the chains that start from them.
    rng : int, Generator or None

    Returns
    -------
    array, shape (n, d)
        For ``sampler.run(posterior, starts=...)``.

    Raises
    ------
    InputError
        If no prior draw has a finite likelihood.
    """
    d = posterior.d
    check_counts({"n": (n, 4 * d)}, d)
    rng, z = (made := generator(rng)), made.standard_normal((n, d))
    log_l, power = _log_likelihood(posterior, z), 0.0
    if not np.isfinite(log_l).any():
        raise InputError(f"None of {n} prior draws has a finite likelihood: narrow the priors.")
    while power < 1.0:
        new = _next(log_l, power)
        weights = np.exp((new - power) * log_l - logsumexp((new - power) * log_l))
        chosen = rng.choice(n, n, p=weights / weights.sum())
        z, log_l, power = z[chosen], log_l[chosen], new
        for _ in range(_STEPS):
            # At times by a whole difference, from summit to summit.
            a, b = rng.integers(n, size=(2, n))
            gamma = np.where(rng.random(n) < 0.1, 1.0, 2.38 / np.sqrt(2 * d) * rng.random(n))
            moved = z + gamma[:, None] * (z[a] - z[b]) + 1e-5 * rng.standard_normal((n, d))
            there = _log_likelihood(posterior, moved)
            prior = 0.5 * (np.square(z).sum(axis=1) - np.square(moved).sum(axis=1))
            accepted = np.log(rng.random(n)) < prior + power * (there - log_l)
            z[accepted], log_l[accepted] = moved[accepted], there[accepted]
    return posterior.space.from_normal(z)


def _log_likelihood(posterior: Posterior, z: FloatArray) -> FloatArray:
    """Give what multiplies the prior N(0, I), (n,), a joint prior's excess included."""
    prior = -0.5 * (np.square(z).sum(axis=1) + z.shape[1] * np.log(2 * np.pi))
    return np.asarray(posterior.log_prob_normal(z) - prior)


def _next(log_l: FloatArray, power: float) -> float:
    """Give the power at which half of the points remain effective, at most 1."""
    possible = log_l[np.isfinite(log_l)]

    def excess(new: float) -> float:
        w = (new - power) * possible
        return float(2 * logsumexp(w) - logsumexp(2 * w) - np.log(0.5 * len(possible)))

    return 1.0 if excess(1.0) >= 0 else float(brentq(excess, power, 1.0, xtol=1e-12))
