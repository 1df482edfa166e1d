"""How much the posterior depends on the discrepancy that was stated, without sampling anew."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from equatorium.checks import FloatArray
from equatorium.errors import InputError
from equatorium.inference.data_parts import (
    log_density,
    predictions,
    require_gaussian,
    taken,
    total_covariance,
)
from equatorium.inference.draws import Draws
from equatorium.inference.likelihood import GaussianLikelihood
from equatorium.inference.reweight import Reweighted, reweighted
from equatorium.inference.text_table import aligned
from equatorium.records.discrepancy import Discrepancy

_REMEDY = "Re-sample: give this discrepancy to the likelihood and draw anew."


@dataclass(frozen=True, eq=False)
class DiscrepancySensitivity:
    """The posterior under other discrepancies; see `discrepancy_sensitivity`.

    Attributes
    ----------
    names : tuple of str
        The d parameters.
    cases : mapping of str to Reweighted
        One for each other discrepancy.
    notice : str
        What must be said with it, such as that the draws have not converged.
    """

    names: tuple[str, ...]
    cases: Mapping[str, Reweighted]
    notice: str = ""

    @property
    def shifts(self) -> FloatArray:
        """Shifts of the means in standard deviations, (case, d); NaN where weights cannot tell."""
        nothing = np.full(len(self.names), np.nan)
        return np.array([c.shift if c.reliable else nothing for c in self.cases.values()])

    def summary(self) -> str:
        """Lay out shift and widening of each parameter, one column a discrepancy."""
        rows = [["", *self.cases], ["Pareto k"], ["efficiency"], *([name] for name in self.names)]
        for case in self.cases.values():
            rows[1].append(f"{case.pareto_k:.2f}")
            rows[2].append(f"{case.efficiency:.2f}")
            cells = ["re-sample"] * len(self.names)
            if case.reliable:
                pairs = zip(case.shift, case.stretch, strict=True)
                cells = [f"{shift:+.2f} x{ratio:.2f}" for shift, ratio in pairs]
            for row, cell in zip(rows[3:], cells, strict=True):
                row.append(cell)
        head = "Posterior under other discrepancies: shift of the mean [sd], and ratio of the sd"
        lines = [head, *aligned(rows)]
        if not all(case.reliable for case in self.cases.values()):
            lines.append("re-sample: the weights cannot tell; draw anew with this discrepancy.")
        return "\n".join([*lines, *([self.notice] if self.notice else [])])


def discrepancy_sensitivity(
    draws: Draws,
    likelihood: GaussianLikelihood,
    alternatives: Mapping[str, Discrepancy] | None = None,
    n: int = 2000,
) -> DiscrepancySensitivity:
    """Weigh the draws as if another discrepancy had been stated.

    Parameters
    ----------
    draws : Draws
    likelihood : GaussianLikelihood
        The one behind the draws.
    alternatives : mapping of str to Discrepancy, optional
        By default half and twice all sizes, and half and twice each correlation length.
    n : int
        Number of draws; all if there are fewer.

    Returns
    -------
    DiscrepancySensitivity

    Raises
    ------
    InputError
        If the likelihood is of another kind or of other parameters, or there is nothing to vary.
    """
    likelihood = require_gaussian(likelihood)
    stated = likelihood.discrepancy
    others = varied(stated) if alternatives is None else dict(alternatives)
    if not others:
        raise InputError(
            f"There is no discrepancy to vary in {stated}. Give alternatives, such as "
            "{'10 %': Discrepancy(fraction=0.1, diagonal=True)}."
        )
    covariances = {name: d.covariance(likelihood.observation) for name, d in others.items()}
    theta = draws.thinned(n)
    found: dict[str, list[FloatArray]] = {name: [] for name in others}
    at = taken(theta, draws.names, draws.space, likelihood)
    for own, parts in predictions(likelihood, at):
        if parts["discrepancy"].batch:
            raise InputError(
                "The size of the discrepancy is a parameter of this posterior: the draws hold its "
                "uncertainty already."
            )
        residual = likelihood.observation.values - own.mean
        before = log_density(residual, total_covariance(likelihood, own, parts))
        for name, covariance in covariances.items():
            total = total_covariance(likelihood, own, {**parts, "discrepancy": covariance})
            found[name].append(log_density(residual, total) - before)
    cases = {
        name: reweighted(draws, theta, np.concatenate(ratios), f"Discrepancy {name}", _REMEDY)
        for name, ratios in found.items()
    }
    return DiscrepancySensitivity(draws.names, cases, draws.notice)


def varied(stated: Discrepancy) -> dict[str, Discrepancy]:
    """Give half and twice the sizes, and half and twice each correlation length.

    >>> list(varied(Discrepancy(0.1, length={"mass": 0.5})))
    ['sizes x 0.5', 'sizes x 2', 'length of mass x 0.5', 'length of mass x 2']
    """
    if not (stated.std or stated.fraction or any(stated.shift.values())):
        return {}
    others = {f"sizes x {factor:g}": stated.inflated(factor) for factor in (0.5, 2.0)}
    for name, length in stated.length.items():
        for factor in (0.5, 2.0):
            lengths = {**stated.length, name: factor * length}
            others[f"length of {name} x {factor:g}"] = replace(stated, length=lengths)
    return others
