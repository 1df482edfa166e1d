"""The posterior as text: a row for each parameter, and what a reader must know."""

from itertools import zip_longest
from typing import Any

import numpy as np

from equatorium.inference.text_table import aligned


def draws_as_text(draws: Any) -> str:
    """Lay out the parameters of `Draws`, and the verdict on convergence."""
    c = draws.convergence
    x = np.column_stack([draws.flat, *(values.ravel() for values in draws.derived.values())])
    low, median, high = np.quantile(x, [0.05, 0.5, 0.95], axis=0)
    columns: dict[str, list[str]] = {"": [*draws.names, *draws.derived]}
    numbers = {"mean": x.mean(0), "sd": x.std(0), "5 %": low, "50 %": median, "95 %": high}
    columns |= {k: [f"{v:.4g}" for v in values] for k, values in numbers.items()}
    if draws.space is not None:
        columns["sd/prior"] = [f"{v:.2f}" for v in draws.shrinkage]
    columns["ess_bulk"] = [f"{v:.0f}" for v in c.ess_bulk]
    columns["ess_tail"] = [f"{v:.0f}" for v in c.ess_tail]
    columns["rhat"] = [f"{v:.3f}" for v in c.rhat]
    # The prior and convergence are told of the free parameters.
    rows = zip_longest(*([head, *values] for head, values in columns.items()), fillvalue="")
    ensembles, steps, walkers, _ = draws.samples.shape
    title = f"{ensembles} ensembles x {steps} stored steps x {walkers} walkers after burn-in"
    if draws.meta.get("independent_runs"):
        title = f"{ensembles} independent runs x {steps} draws of equal weight"
    verdict = (
        ["Converged."]
        if c.converged
        else [f"{draws.notice}:", *(f"- {reason}" for reason in c.reasons)]
    )
    if "log_evidence" in draws.meta:
        z, error = draws.meta["log_evidence"], draws.meta["log_evidence_error"]
        verdict.append(f"Log-evidence {z:.3f} +- {error:.3f}.")
    if n_nan := draws.meta.get("n_nan"):
        first = dict(zip(draws.names, draws.meta.get("first_nan", ()), strict=False))
        verdict.append(f"{n_nan} NaN likelihoods counted as impossible, the first at {first}.")
    if why := draws.meta.get("override"):
        verdict.append(f"The emulator did not pass its validation and was accepted: {why}")
    if not draws.meta.get("emulator_covariance", True):
        verdict.append("The emulator's own uncertainty was left out of the likelihood.")
    return "\n".join([title, *aligned(list(rows)), *verdict])
