r"""The widely applicable information criterion, for independent data.

.. math::
   \mathrm{elpd} = \sum_i \left[\log E_\theta\, p(y_i | \theta)
                   - \mathrm{Var}_\theta \log p(y_i | \theta)\right]

Leave-one-out says the same more safely, and what to do where it fails; this is for comparison.

References
----------
Watanabe 2010, JMLR 11, 3571; Vehtari, Gelman & Gabry 2017, doi:10.1007/s11222-016-9696-4
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import logsumexp

from equatorium.checks import FloatArray
from equatorium.errors import InputError
from equatorium.inference.data_parts import labels_of, taken
from equatorium.inference.draws import Draws
from equatorium.inference.pointwise import finite_log_likelihood

_LARGEST = 0.4  # variance of a log-density beyond which WAIC fails (Vehtari et al. 2017)


@dataclass(frozen=True, eq=False)
class Information:
    """WAIC; see `waic`.

    Attributes
    ----------
    labels : tuple of str
        The q data.
    pointwise : array, shape (q,)
        Terms of elpd.
    penalty : array, shape (q,)
        Variances of the log-densities; the sum is the effective number of parameters.
    notice : str
        What must be said with it, such as that the draws have not converged.
    """

    labels: tuple[str, ...]
    pointwise: FloatArray
    penalty: FloatArray
    notice: str = ""

    @property
    def elpd(self) -> float:
        """Expected log predictive density; WAIC is -2 times it."""
        return float(self.pointwise.sum())

    @property
    def unreliable(self) -> tuple[str, ...]:
        """The data for which the formula fails."""
        bad = ~(self.penalty <= _LARGEST)
        return tuple(label for label, is_bad in zip(self.labels, bad, strict=True) if is_bad)

    def summary(self) -> str:
        """Give the numbers and whether they may be trusted as text."""
        lines = [
            f"WAIC {-2 * self.elpd:.2f} (elpd {self.elpd:.2f}), {self.penalty.sum():.1f} effective "
            "parameters"
        ]
        if self.unreliable:
            lines.append(
                f"NOT RELIABLE for {', '.join(self.unreliable)}: use leave_one_out instead."
            )
        return "\n".join([*lines, *([self.notice] if self.notice else [])])


def waic(draws: Draws, likelihood: Any, n: int = 4000) -> Information:
    """Compute the widely applicable information criterion.

    Parameters
    ----------
    draws : Draws
    likelihood : Likelihood
        The one behind the draws, or one with a method ``pointwise(theta (m, d)) -> (m, q)``; of
        independent data.
    n : int
        Number of draws; all if there are fewer.

    Returns
    -------
    Information

    Raises
    ------
    InputError
        If the data are correlated: their likelihood is no product over data, and the criterion
        has no meaning.
    NotFiniteError
        If a draw has no finite density of a datum.
    """
    theta = taken(draws.thinned(n), draws.names, draws.space, likelihood)
    density = finite_log_likelihood(likelihood, theta)
    joint = np.asarray(likelihood.log_likelihood(theta[:8]))
    if not np.allclose(density[:8].sum(axis=1), joint, rtol=1e-8, atol=1e-8):
        raise InputError(
            "WAIC is for independent data, but these are correlated given the parameters (by their "
            "errors, the discrepancy or the emulator). Use leave_one_out."
        )
    penalty = density.var(axis=0, ddof=1)
    seen = logsumexp(density, axis=0) - np.log(len(theta))
    labels = labels_of(likelihood, density.shape[1])
    return Information(labels, seen - penalty, penalty, draws.notice)
