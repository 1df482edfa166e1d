r"""Which parameters matter: Sobol' indices of an emulator's mean over the prior.

.. math::
   S_j = \frac{\mathrm{Var}[E(y | \theta_j)]}{\mathrm{Var}[y]}, \qquad
   T_j = \frac{E[\mathrm{Var}(y | \theta_{-j})]}{\mathrm{Var}[y]}

The first-order index S is the share of the variance that parameter j explains alone, the total
index T what would remain if all the others were known: T - S is due to interactions.

Where the bounds of a parameter depend on others, it stands for its quantile given these, which is
independent of them: what it owes to its bounds counts as theirs.
"""

from dataclasses import dataclass

import numpy as np
from scipy import stats

from equatorium.checks import FloatArray, Rng, generator
from equatorium.emulate.surrogate import Surrogate
from equatorium.errors import InputError

__all__ = ["SobolIndices", "rank_active", "sobol_indices_of"]

_RESAMPLES = 100


@dataclass(frozen=True)
class SobolIndices:
    """Variance-based sensitivity of p outputs to d parameters.

    Attributes
    ----------
    names : tuple of str
        The parameters.
    outputs : tuple of str
    first, total : array, shape (p, d)
        First-order and total indices; NaN for an output that does not vary.
    first_error, total_error : array, shape (p, d)
        Bootstrap standard errors of the Monte Carlo, which know nothing of the emulator's own.
    variance : array, shape (p,)
        Of the outputs over the prior.
    """

    names: tuple[str, ...]
    outputs: tuple[str, ...]
    first: FloatArray
    total: FloatArray
    first_error: FloatArray
    total_error: FloatArray
    variance: FloatArray


def sobol_indices_of(
    surrogate: Surrogate, n: int = 1024, rng: Rng = None, resamples: int = 100
) -> SobolIndices:
    """Compute Sobol' indices of a surrogate's mean, by Saltelli's estimators.

    Parameters
    ----------
    surrogate : Surrogate
        Evaluated at n (d + 2) points of the prior.
    n : int
        A power of two.
    rng : int, Generator or None
    resamples : int
        Of the bootstrap; 0 leaves the errors NaN.

    References
    ----------
    Saltelli et al. 2010, Comput. Phys. Commun. 181, 259, doi:10.1016/j.cpc.2009.09.018
    """
    if isinstance(n, bool) or not isinstance(n, int) or n < 2 or n & (n - 1):
        raise InputError(f"n must be a power of two, such as 1024, but it is {n!r}.")
    rng, d = generator(rng), surrogate.space.d
    A, B = np.split(stats.qmc.Sobol(2 * d, rng=rng).random(n), 2, axis=1)
    mixed = np.tile(A, (d, 1, 1))
    mixed[np.arange(d), :, np.arange(d)] = B.T
    values = [_outputs(surrogate, cube) for cube in (A, B, *mixed)]
    f = {"f_A": values[0], "f_B": values[1], "f_AB": np.stack(values[2:])}
    varies = f["f_A"].std(axis=1) > 0
    first, total = _indices(f, varies)
    drawn = [
        _indices({name: value[..., chosen] for name, value in f.items()}, varies)
        for chosen in rng.integers(n, size=(resamples, n))
    ]
    spread = np.std(drawn, axis=0) if drawn else np.full((2, *first.shape), np.nan)
    return SobolIndices(
        tuple(surrogate.space.names),
        tuple(surrogate.outputs.names),
        first,
        total,
        spread[0],
        spread[1],
        np.asarray(f["f_A"].var(axis=1)),
    )


def _outputs(surrogate: Surrogate, cube: FloatArray) -> FloatArray:
    """Means (p, n) at points (n, d) of the prior's cube."""
    space = surrogate.space
    theta = np.clip(space.from_cube(cube), space.low, space.high)
    return np.asarray(surrogate.predict(theta).mean.T)


def _indices(f: dict[str, FloatArray], varies: FloatArray) -> tuple[FloatArray, FloatArray]:
    """First-order and total indices (p, d); NaN for the outputs that do not vary."""
    first, total = np.full((2, len(varies), len(f["f_AB"])), np.nan)
    if varies.any():
        # scipy centres in place: indexing hands it copies.
        part = {name: value[..., varies, :] for name, value in f.items()}
        found = stats.sobol_indices(func=part, n=part["f_A"].shape[-1])
        first[varies], total[varies] = found.first_order, found.total_order
    return first, total


def rank_active(surrogate: Surrogate, n: int = 1024, rng: Rng = 0) -> tuple[str, ...]:
    """Sort the parameters by the share of the variance in which they take part, largest first.

    Parameters
    ----------
    surrogate : Surrogate
    n : int
        A power of two; see `sobol_indices_of`.
    rng : int, Generator or None

    Returns
    -------
    tuple of str
        All d names, by their total index averaged over the outputs that vary.
    """
    indices = sobol_indices_of(surrogate, n, rng, resamples=0)
    varies = indices.variance > 0
    mean = indices.total[varies].mean(axis=0) if varies.any() else np.zeros(len(indices.names))
    return tuple(indices.names[j] for j in np.argsort(-mean, kind="stable"))
