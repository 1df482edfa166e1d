"""A comparison of methods as text."""

from typing import Any

import numpy as np


def layout(comparison: Any) -> str:
    """Lay a `Comparison` out: a row a method, the best first; failures and remarks below.

    A score is followed by its difference to that of the best method, paired over folds, with the
    standard error of the difference.
    """
    first, *others = comparison.scores
    heads = {name: comparison.heading(name) for name in comparison.scores}
    rows = [
        ["", heads[first], "more than the best", *(heads[s] for s in others), "fit s", "predict s"]
    ]
    for label in comparison.labels:
        seconds = np.mean(comparison.seconds[label], axis=0)
        rows.append(
            [
                label,
                _number(comparison.value(label)),
                _difference(comparison, label),
                *(_number(comparison.value(label, s)) for s in others),
                *(f"{t:.2g}" for t in seconds),
            ]
        )
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [
        f"{len(comparison.row)} values held out in {comparison.folds} folds, ranked by "
        f"{heads[first]}"
    ]
    lines += [
        "  ".join(
            c.rjust(w) if k else c.ljust(w) for k, (c, w) in enumerate(zip(r, widths, strict=True))
        )
        for r in rows
    ]
    if "pit" in comparison.scores:
        lines.append(
            f"Honest predictions have a PIT deviation below {comparison.honest_pit:.4f} in 95 % of "
            f"cases."
        )
    lines += [f"{label} failed: {why}" for label, why in comparison.failures.items()]
    for label, remarks in comparison.remarks.items():
        lines += [f"{label} warned: {text}" for text in remarks]
    return "\n".join(lines)


def _difference(comparison: Any, label: str) -> str:
    if label == comparison.best:
        return ""
    size, error = comparison.difference(label, comparison.best)
    return f"{size:+.2g} +- {error:.2g}"


def _number(value: float) -> str:
    return "-" if np.isnan(value) else f"{value:.4g}"
