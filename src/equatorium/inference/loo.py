r"""How well a model predicts data that it has not seen: each datum from all the others.

.. math::
   \mathrm{elpd} = \sum_i \log p(y_i | y_{-i}), \qquad
   p(y_i | y_{-i}) = \int p(y_i | y_{-i}, \theta)\, p(\theta | y_{-i})\, d\theta

Nothing is fitted anew: draws of the posterior get the weights
:math:`1 / p(y_i | y_{-i}, \theta)`, Pareto-smoothed. Correlated data count by their conditional
densities (see `equatorium.inference.pointwise`).

References
----------
Vehtari, Gelman & Gabry 2017, Statistics and Computing 27, 1413, doi:10.1007/s11222-016-9696-4;
Bürkner, Gabry & Vehtari 2021, Computational Statistics 36, 1243, doi:10.1007/s00180-020-01045-4
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
from equatorium.inference.psis import largest_k, smoothed


@dataclass(frozen=True, eq=False)
class LeaveOneOut:
    """Log-densities of data left out; see `leave_one_out`.

    Attributes
    ----------
    labels : tuple of str
        The q data.
    pointwise : array, shape (q,)
        log p(y_i | y_-i).
    pareto_k : array, shape (q,)
        Shape of the weights' tails.
    excess : array, shape (q,)
        By how much each datum was predicted better when it was seen; of independent data, the sum
        is the effective number of parameters.
    n : int
        Draws.
    notice : str
        What must be said with it, such as that the draws have not converged.
    """

    labels: tuple[str, ...]
    pointwise: FloatArray
    pareto_k: FloatArray
    excess: FloatArray
    n: int
    notice: str = ""

    @property
    def elpd(self) -> float:
        """Expected log predictive density: the sum over the data."""
        return float(self.pointwise.sum())

    @property
    def error(self) -> float:
        """Standard error of elpd, as if the data's terms were independent."""
        return _standard_error(self.pointwise)

    @property
    def unreliable(self) -> tuple[str, ...]:
        """The data whose left-out density is not to be trusted; they rule the posterior."""
        bad = ~(self.pareto_k <= largest_k(self.n))
        return tuple(label for label, is_bad in zip(self.labels, bad, strict=True) if is_bad)

    def difference(self, other: "LeaveOneOut") -> tuple[float, float]:
        """Elpd of this model minus that of another one of the same data, and its standard error.

        Raises
        ------
        InputError
            If the data differ.
        """
        if self.labels != other.labels:
            raise InputError("Two models are compared by the same data, but these have others.")
        each = self.pointwise - other.pointwise
        return float(each.sum()), _standard_error(each)

    def summary(self) -> str:
        """Give the numbers and whether they may be trusted as text."""
        lines = [
            f"Leave-one-out over {len(self.labels)} data: elpd {self.elpd:.2f} +- {self.error:.2f},"
            f" {self.excess.sum():.1f} below that of data seen",
            f"Pareto k at most {self.pareto_k.max():.2f}; up to {largest_k(self.n):.2f} is good",
        ]
        if self.unreliable:
            lines.append(
                f"NOT RELIABLE for {', '.join(self.unreliable)}: without them the posterior is "
                "another one. Leave them out of the observation (subset) and sample anew."
            )
        return "\n".join([*lines, *([self.notice] if self.notice else [])])


def leave_one_out(draws: Draws, likelihood: Any, n: int = 4000) -> LeaveOneOut:
    """Predict each datum from all the others.

    Parameters
    ----------
    draws : Draws
    likelihood : Likelihood
        The one behind the draws, or one with a method ``pointwise(theta (m, d)) -> (m, q)``.
    n : int
        Number of draws; all if there are fewer.

    Returns
    -------
    LeaveOneOut

    Raises
    ------
    InputError
        If the likelihood knows no densities of single data, or is of other parameters.
    NotFiniteError
        If a draw has no finite density of a datum.
    """
    theta = taken(draws.thinned(n), draws.names, draws.space, likelihood)
    density = finite_log_likelihood(likelihood, theta)
    efficiency = min(1.0, max(min(draws.ess.values()), 1.0) / len(theta))
    weights, k = smoothed(-density.T, efficiency)
    left_out = logsumexp(weights + density.T, axis=1)
    seen = logsumexp(density, axis=0) - np.log(len(theta))
    labels = labels_of(likelihood, density.shape[1])
    return LeaveOneOut(labels, left_out, k, seen - left_out, len(theta), draws.notice)


def _standard_error(terms: FloatArray) -> float:
    return float(np.sqrt(terms.size * np.var(terms, ddof=1))) if terms.size > 1 else float("nan")
