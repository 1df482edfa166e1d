"""A report of scores as text: compact, aligned, and the same for one output or eighty."""

from typing import Any

import numpy as np

_MANY = 12
_QUANTILES = {"least": 0.0, "25 %": 0.25, "median": 0.5, "75 %": 0.75, "most": 1.0}


def tabulate(report: Any) -> str:
    """Lay a `Report` out as text.

    Parameters
    ----------
    report : Report
        With ``names``, scores (p,), ``pooled_coverage``, ``coverage_band`` and the verdict.

    Returns
    -------
    str
        One row an output; with more than 12, quantiles of each score over the outputs.
    """
    scores = {
        "RMSE": (report.rmse, ".3g"),
        "CRPS": (report.crps, ".3g"),
        "R2": (report.r2, ".3f"),
        "skill": (report.skill, ".3f"),
        "mean z": (report.mean_z, "+.2f"),
        "mean z2": (report.mean_z2, ".2f"),
        **{f"in {100 * a:g} %": (share, ".2f") for a, share in report.coverage.items()},
    }
    names = list(report.names)
    if report.p > _MANY:
        names = list(_QUANTILES)
        scores = {head: (_quantiles(values), form) for head, (values, form) in scores.items()}
    rows = [["output" if report.p <= _MANY else "over outputs", *scores]]
    rows += [
        [name, *(format(float(values[i]), form) for values, form in scores.values())]
        for i, name in enumerate(names)
    ]
    widths = [max(len(row[k]) for row in rows) for k in range(len(rows[0]))]
    lines = [f"{report.n} runs ({report.method}), {report.p} outputs"]
    lines += [
        "  ".join(cell.ljust(w) if k == 0 else cell.rjust(w) for k, (cell, w) in columns)
        for columns in (list(enumerate(zip(row, widths, strict=True))) for row in rows)
    ]
    return "\n".join([*lines, *_pooled(report), _verdict(report)])


def _quantiles(values: Any) -> Any:
    known = values[np.isfinite(values)]
    return np.quantile(known, list(_QUANTILES.values())) if known.size else np.full(5, np.nan)


def _pooled(report: Any) -> list[str]:
    """State the coverage over all outputs, against the honest band and the naive one."""
    if not report.states_variance:
        return []
    lines = []
    for level in report.coverage:
        low, high = report.coverage_band(level)
        naive = report.coverage_band(level, n=report.n * report.p)
        lines.append(
            f"{100 * level:g} % intervals hold {100 * report.pooled_coverage(level):.1f} % of all; "
            f"honest: {100 * low:.1f} to {100 * high:.1f} % "
            f"(worth {report.effective_n(level):.0f} independent values; were all "
            f"{report.n * report.p} independent: {100 * naive[0]:.1f} to {100 * naive[1]:.1f} %)"
        )
    return lines


def _verdict(report: Any) -> str:
    return "PASSED" if report.passed else "FAILED: " + "; ".join(report.reasons)
