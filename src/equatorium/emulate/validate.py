"""Judge an emulator by runs that it has not seen: held out once, or fold by fold."""

from typing import Any

import numpy as np
import numpy.typing as npt

from equatorium.checks import FloatArray, Rng, generator
from equatorium.emulate.ranked_probability import crps
from equatorium.emulate.report import Gates, Report
from equatorium.emulate.surrogate import Surrogate
from equatorium.errors import InputError
from equatorium.interfaces.emulator import Emulator
from equatorium.records.runs import Runs

__all__ = ["Gates", "Report", "crps", "cross_validation_report", "holdout_report"]


def holdout_report(surrogate: Surrogate, runs: Runs, gates: Gates | None = None) -> Report:
    """Score a surrogate on runs that it was not fitted on.

    Parameters
    ----------
    surrogate : Surrogate
    runs : Runs
        Over the same parameters and outputs; failed ones are left out. Their declared noise is
        added to the prediction: they scatter by it, and that is not the emulator's fault.
    gates : Gates, optional
        What counts as passing.

    Raises
    ------
    InputError
        If the runs are over other parameters or outputs.
    """
    good = runs.good
    if good.space.names != surrogate.space.names or good.outputs.names != surrogate.outputs.names:
        raise InputError(
            "The held-out runs must have the parameters and outputs of the surrogate: "
            f"{', '.join(surrogate.space.names)} and {surrogate.outputs.p} outputs."
        )
    return _report(surrogate, [_scored(surrogate, good)], good, "held out", gates)


def cross_validation_report(
    emulator: Emulator,
    runs: Runs,
    folds: int = 5,
    rng: Rng = None,
    gates: Gates | None = None,
) -> Report:
    """Score an emulator by refitting it k times, each time without one fold of the runs.

    The emulator of all runs knows a little more than those that are scored, so the scores are a
    little pessimistic.

    Parameters
    ----------
    emulator : Emulator
        Cloned and fitted afresh for every fold; not altered.
    runs : Runs
        Failed ones are left out.
    folds : int
        At least 2.
    rng : int, Generator or None
        Deals the runs to the folds.
    gates : Gates, optional
        What counts as passing.

    Raises
    ------
    InputError
        If there are fewer good runs than folds.
    """
    good = runs.good
    if isinstance(folds, bool) or not isinstance(folds, int) or folds < 2:
        raise InputError(f"folds must be a whole number of at least 2, but it is {folds!r}.")
    if good.n < folds:
        raise InputError(
            f"A cross-validation of {folds} folds needs at least {folds} runs that succeeded, but "
            f"there are {good.n} (and {runs.n - good.n} failed). Make more runs."
        )
    fold = generator(rng).permutation(good.n) % folds
    order = np.argsort(fold, kind="stable")
    scored = []
    for k in range(folds):
        surrogate = Surrogate.fitted(good.subset(fold != k), emulator)
        scored.append(_scored(surrogate, good.subset(fold == k)))
    back = np.argsort(order)  # rows in the order of the runs
    return _report(surrogate, scored, good, f"{folds}-fold", gates, back)


def _scored(surrogate: Surrogate, good: Runs) -> dict[str, FloatArray]:
    """Predictions and scores, each (n, p), of the held-out runs."""
    own = surrogate.predict(np.clip(good.X, good.space.low, good.space.high))
    total = own.with_noise(good.noise)
    scores = {"mean": total.mean, "crps": crps(total, good.Y)}
    if "variance" in surrogate.emulator.capabilities_:
        return {**scores, "std": total.std, "pit": total.cdf(good.Y)}
    unknown = np.full(good.Y.shape, np.nan)
    return {**scores, "std": unknown, "pit": unknown}


def _report(
    surrogate: Surrogate,
    scored: list[dict[str, FloatArray]],
    good: Runs,
    method: str,
    gates: Gates | None,
    order: npt.NDArray[np.intp] | None = None,
) -> Report:
    def joined(name: str) -> Any:
        rows = np.concatenate([part[name] for part in scored])
        return rows if order is None else rows[order]

    return Report(
        names=surrogate.outputs.names,
        truth=good.Y,
        mean=joined("mean"),
        std=joined("std"),
        pit=joined("pit"),
        crps=joined("crps").mean(axis=0),
        noise=good.noise,
        method=method,
        gates=gates or Gates(),
    )
