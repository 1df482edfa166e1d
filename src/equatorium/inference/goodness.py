r"""Do the data lie as far from the model as its errors say? A posterior predictive check.

.. math::
   \chi^2(y, \theta) = r^T S(\theta)^{-1} r, \qquad
   p = P(\chi^2(y^{rep}, \theta) \ge \chi^2(y, \theta) \mid y)
     = E_{\theta | y}\, P(\chi^2_q \ge \chi^2(y, \theta)),

with all that is uncertain in S, so that data measured anew have a chi-squared of q degrees of
freedom at each theta, and none have to be simulated. The parameters were fitted to the same data:
if the model is right p gathers about one half, and :math:`p \le a` happens at most 2 a of the time,
as a rule less than a (Meng 1994). A small p is grave; a p near one half proves little.

References
----------
Gelman, Meng & Stern 1996, Statistica Sinica 6, 733; Meng 1994, Annals of Statistics 22, 1142,
doi:10.1214/aos/1176325622
"""

from dataclasses import dataclass

import numpy as np
from scipy import stats

from equatorium.checks import FloatArray
from equatorium.inference.data_parts import (
    datum_labels,
    require_gaussian,
    residuals,
    taken,
)
from equatorium.inference.draws import Draws
from equatorium.inference.likelihood import GaussianLikelihood

_LEVEL = 0.05  # how often a right model may be blamed, at most


@dataclass(frozen=True, eq=False)
class GoodnessOfFit:
    """Chi-squared of the data over the posterior; see `goodness_of_fit`.

    Attributes
    ----------
    labels : tuple of str
        The q data.
    chi2 : array, shape (n,)
        Of the observed data at each draw.
    below : array, shape (q,)
        Probability of a new measurement of each datum below the observed one.
    notice : str
        What must be said with it, such as that the draws have not converged.
    """

    labels: tuple[str, ...]
    chi2: FloatArray
    below: FloatArray
    notice: str = ""

    @property
    def q(self) -> int:
        """Number of data."""
        return len(self.labels)

    @property
    def p_value(self) -> float:
        """Posterior predictive p-value of chi-squared."""
        return float(stats.chi2.sf(self.chi2, self.q).mean())

    @property
    def verdict(self) -> str:
        """What the p-value means; a right model is blamed in 5 % of all cases at most."""
        if self.p_value < _LEVEL / 4:
            return (
                "The data lie farther from the model than all its errors allow: look for a missing "
                "discrepancy, underestimated errors, or an output that the model cannot give."
            )
        if self.p_value > 1 - _LEVEL / 4:
            return "The data lie closer to the model than its errors allow: these are too large."
        return "The data lie as far from the model as its errors say."

    def summary(self) -> str:
        """Give the numbers and what they mean as text."""
        low, middle, high = np.quantile(self.chi2, [0.05, 0.5, 0.95])
        worst = int(np.argmax(np.abs(self.below - 0.5)))
        lines = [
            f"Chi-squared of {self.q} data over {len(self.chi2)} posterior draws: median "
            f"{middle:.1f}, 5 to 95 % {low:.1f} to {high:.1f}",
            f"Posterior predictive p-value: {self.p_value:.3g}",
            self.verdict,
            "(It is conservative: the parameters were fitted to these data. Were the model right, "
            "p <= a would happen at most 2 a of the time, as a rule less than a.)",
            f"Farthest datum: {self.labels[worst]}; a new measurement lies below it with "
            f"probability {self.below[worst]:.3g}",
        ]
        return "\n".join([*lines, *([self.notice] if self.notice else [])])


def goodness_of_fit(draws: Draws, likelihood: GaussianLikelihood, n: int = 1000) -> GoodnessOfFit:
    """Compare the data's chi-squared with what the model itself would give.

    Parameters
    ----------
    draws : Draws
    likelihood : GaussianLikelihood
        The one behind the draws.
    n : int
        Number of draws; all if there are fewer.

    Returns
    -------
    GoodnessOfFit

    Raises
    ------
    InputError
        If the likelihood is of another kind, or of other parameters.
    """
    likelihood = require_gaussian(likelihood)
    theta = taken(draws.thinned(n), draws.names, draws.space, likelihood)
    chi2, below = [], []
    for residual, total in residuals(likelihood, theta):
        chi2.append(total.mahalanobis(residual))
        below.append(stats.norm.cdf(residual / np.sqrt(total.diagonal())))
    return GoodnessOfFit(
        datum_labels(likelihood.observation),
        np.concatenate(chi2),
        np.concatenate(below).mean(axis=0),
        draws.notice,
    )
