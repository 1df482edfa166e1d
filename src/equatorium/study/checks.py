"""Questions to a study whose posterior is sampled: is it right, and what does it rest on."""

import inspect
from collections.abc import Callable, Mapping
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

from equatorium import plots
from equatorium.errors import ConfigurationError, InputError, UnknownNameError, did_you_mean
from equatorium.inference.budget import ErrorBudget, error_budget
from equatorium.inference.draws import Draws
from equatorium.inference.goodness import GoodnessOfFit, goodness_of_fit
from equatorium.inference.information import Information, waic
from equatorium.inference.likelihood import GaussianLikelihood
from equatorium.inference.loo import LeaveOneOut, leave_one_out
from equatorium.inference.posterior import Posterior
from equatorium.inference.predicted import Predictive
from equatorium.inference.predictive import posterior_predictive, prior_predictive
from equatorium.inference.reweight import Reweighted
from equatorium.inference.robustness import DiscrepancySensitivity, discrepancy_sensitivity
from equatorium.inference.true_runs import reweighted_by_runs
from equatorium.records.discrepancy import Discrepancy
from equatorium.records.runs import Runs
from equatorium.simulate.execute import run_design
from equatorium.simulate.ledger import Ledger
from equatorium.study.stage import Stage
from equatorium.study.steps import Steps, entropy
from equatorium.study.walk import Problem

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class Asked:
    """The study that is asked: what is calibrated, how far it came, and where its runs are kept."""

    problem: Problem
    stage: Stage
    draws: Draws | None
    steps: Steps

    @property
    def sampled(self) -> tuple[Draws, GaussianLikelihood]:
        """The posterior's draws, and the likelihood behind them."""
        if self.draws is None:
            raise InputError("This check needs the posterior's draws: call sample first.")
        return self.draws, self.problem.likelihood(self.stage)

    def seed(self, check: str) -> int:
        """Give a check its own seed, the same each time."""
        return entropy(self.steps.seed, f"check/{check}")


@dataclass(frozen=True)
class Refused:
    """A check that could not be made, in a report that is made all the same."""

    reason: str

    def summary(self) -> str:
        """Say why."""
        return f"NOT MADE: {self.reason}"


def _prior(study: Asked, n: int = 500) -> Predictive:
    if not study.stage.waves:
        raise InputError("This check needs an emulator: call emulate or history_match first.")
    # Only the first wave's emulator knows the whole prior.
    first = replace(study.stage, waves=study.stage.waves[:1])
    posterior = Posterior(study.problem.space, study.problem.likelihood(first))
    predicted: Predictive = prior_predictive(posterior, n, study.seed("prior-predictive"))
    return predicted


def _posterior(study: Asked, n: int = 500) -> Predictive:
    return posterior_predictive(*study.sampled, n, study.seed("posterior-predictive"))


def _goodness(study: Asked, n: int = 1000) -> GoodnessOfFit:
    return goodness_of_fit(*study.sampled, n)


def _left_out(study: Asked, n: int = 4000) -> LeaveOneOut:
    return leave_one_out(*study.sampled, n)


def _waic(study: Asked, n: int = 4000) -> Information:
    return waic(*study.sampled, n)


def _budget(study: Asked, n: int = 500) -> ErrorBudget:
    return error_budget(*study.sampled, n)


def _discrepancy(
    study: Asked, alternatives: Mapping[str, Discrepancy] | None = None, n: int = 2000
) -> DiscrepancySensitivity:
    return discrepancy_sensitivity(*study.sampled, alternatives, n)


def _true_runs(
    study: Asked, n: int = 200, executor: Executor | Literal["serial"] | None = None
) -> Reweighted:
    source = study.problem.source
    if isinstance(source, Runs):
        raise InputError("A table of runs cannot be run at the posterior's draws.")
    draws, likelihood = study.sampled
    runs = run_design(
        source,
        study.problem.space,
        draws.thinned(n),
        ledger=Ledger(study.steps.path),
        executor=executor,
        seed=study.seed("true-runs"),
        progress=study.steps.progress,
    )
    return reweighted_by_runs(draws, likelihood, runs)


CHECKS: Mapping[str, Callable[..., Any]] = {
    "prior-predictive": _prior,
    "posterior-predictive": _posterior,
    "goodness-of-fit": _goodness,
    "leave-one-out": _left_out,
    "waic": _waic,
    "true-runs": _true_runs,
    "error-budget": _budget,
    "discrepancy": _discrepancy,
}
_FIGURES: Mapping[type, Callable[[Any], Any]] = {
    Predictive: plots.predicted_data,
    GoodnessOfFit: plots.chi_squared,
    LeaveOneOut: plots.left_out_data,
    Reweighted: plots.posterior_shifts,
    ErrorBudget: plots.error_shares,
    DiscrepancySensitivity: plots.posterior_shifts,
}


def find_check(name: str) -> Callable[..., Any]:
    """Look a check up.

    Raises
    ------
    UnknownNameError
        If there is none of that name.
    """
    if name not in CHECKS:
        raise UnknownNameError(
            f"There is no check {name!r}.{did_you_mean(name, CHECKS)} Known: {', '.join(CHECKS)}."
        )
    return CHECKS[name]


def ask(name: str, study: Asked, options: Mapping[str, Any]) -> Any:
    """Make a check, and return its record.

    Raises
    ------
    UnknownNameError, ConfigurationError
        If there is no such check, or it has no such option.
    InputError
        If the study has not come so far.
    """
    check = find_check(name)
    known = list(inspect.signature(check).parameters)[1:]
    for option in options:
        if option not in known:
            raise ConfigurationError(
                f"The check {name!r} has no option {option!r}.{did_you_mean(option, known)} "
                f"Known: {', '.join(known)}."
            )
    return check(study, **options)


def figure_of(record: Any) -> "Figure | None":
    """Draw a check's record, if a picture says more than its text."""
    draw = _FIGURES.get(type(record))
    return None if draw is None else draw(record)
