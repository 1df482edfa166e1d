"""Whose uncertainty it is: each error's share of the variance of each datum."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from equatorium.checks import FloatArray
from equatorium.inference.data_parts import (
    datum_labels,
    predictions,
    require_gaussian,
    taken,
)
from equatorium.inference.draws import Draws
from equatorium.inference.likelihood import GaussianLikelihood
from equatorium.inference.text_table import aligned

_MUCH = 0.25  # of the variance of a datum, beyond which more runs are worth their price


@dataclass(frozen=True, eq=False)
class ErrorBudget:
    """Shares of the data's variance over the posterior; see `error_budget`.

    Attributes
    ----------
    labels : tuple of str
        The q data.
    std : array, shape (q,)
        Root mean square of each datum's total standard deviation.
    shares : mapping of str to array (q,)
        The mean share of each error in each datum's variance: emulator, observation, discrepancy,
        and simulator where its runs share an error; they sum to one.
    overall : mapping of str to float
        The mean share in the variance summed over the data.
    notice : str
        What must be said with it, such as that the draws have not converged.
    """

    labels: tuple[str, ...]
    std: FloatArray
    shares: Mapping[str, FloatArray]
    overall: Mapping[str, float]
    notice: str = ""

    def summary(self) -> str:
        """Lay out the shares, datum by datum, and say whether more runs would help."""
        rows = [["datum", "sd", *self.shares], ["all", "", *map(_percent, self.overall.values())]]
        for i, (label, sd) in enumerate(zip(self.labels, self.std, strict=True)):
            own = [_percent(share[i]) for share in self.shares.values()]
            rows.append([label, f"{sd:.3g}", *own])
        limited = np.flatnonzero(self.shares["emulator"] > _MUCH)
        advice = "More runs would change little: the emulator is a small part of every datum."
        if limited.size:
            names = ", ".join(self.labels[i] for i in limited[:6])
            more = f" and {limited.size - 6} more" if limited.size > 6 else ""
            advice = (
                f"The emulator is more than {_MUCH:.0%} of the variance of {names}{more}: runs at "
                "draws of the posterior would sharpen it."
            )
        lines = ["Error budget over the posterior: shares of each datum's variance"]
        lines += [*aligned(rows), advice]
        return "\n".join([*lines, *([self.notice] if self.notice else [])])


def error_budget(draws: Draws, likelihood: GaussianLikelihood, n: int = 500) -> ErrorBudget:
    """Share each datum's variance out among its errors, over draws of the posterior.

    The emulator's share counts also where the likelihood leaves it out: it says whether more runs
    would help.

    Parameters
    ----------
    draws : Draws
    likelihood : GaussianLikelihood
        The one behind the draws.
    n : int
        Number of draws; all if there are fewer.

    Returns
    -------
    ErrorBudget

    Raises
    ------
    InputError
        If the likelihood is of another kind, or of other parameters.
    """
    likelihood = require_gaussian(likelihood)
    theta = taken(draws.thinned(n), draws.names, draws.space, likelihood)
    found: dict[str, list[FloatArray]] = {}
    for own, parts in predictions(likelihood, theta):
        variances = {"emulator": own.variance}
        variances |= {name: covariance.diagonal() for name, covariance in parts.items()}
        for name, part in variances.items():
            found.setdefault(name, []).append(np.broadcast_to(part, own.mean.shape))
    variance = {name: np.concatenate(rows) for name, rows in found.items()}
    total = np.sum(list(variance.values()), axis=0)
    return ErrorBudget(
        datum_labels(likelihood.observation),
        np.sqrt(total.mean(axis=0)),
        {name: (part / total).mean(axis=0) for name, part in variance.items()},
        {
            name: float((part.sum(axis=1) / total.sum(axis=1)).mean())
            for name, part in variance.items()
        },
        draws.notice,
    )


def _percent(share: float) -> str:
    return f"{share:.0%}"
