"""What a study did and found, as text: waves, emulators, volumes, posterior, error budget."""

import numpy as np

from equatorium.emulate.report import Report
from equatorium.history.wave import Wave
from equatorium.inference.draws import Draws
from equatorium.records.runs import Runs
from equatorium.study.stage import Stage
from equatorium.study.walk import Problem

_BUDGET_ADVICE = 0.25


def text_of(
    problem: Problem, stage: Stage, draws: Draws | None, budget: dict[str, float] | None
) -> str:
    """Return the summary of a study.

    Parameters
    ----------
    problem : Problem
        What is calibrated.
    stage : Stage
        How far the waves have come.
    draws : Draws or None
        The posterior, once sampled.
    budget : dict or None
        Each error's share of the total variance over the posterior.
    """
    blocks = [_head(problem), _waves(stage)]
    if draws is not None:
        blocks.append("Posterior\n" + draws.summary())
    if budget is not None:
        blocks.append(_budget(budget))
    return "\n\n".join(block for block in blocks if block)


def _head(problem: Problem) -> str:
    source = problem.source
    what = f"a table of {source.n} runs" if isinstance(source, Runs) else source.name
    return (
        f"Study of {what}: {problem.space.d} free parameters, "
        f"{problem.observation.q} data, discrepancy {problem.discrepancy}"
    )


def _waves(stage: Stage) -> str:
    if not stage.waves:
        return "Nothing computed yet."
    lines = [
        f"{'wave':>4} {'runs':>5} {'failed':>6} {'trained':>7} {'tested':>6} {'R2 (median)':>11} "
        f"{'95 % coverage':>13} {'cut-off':>12} {'prior left':>20}"
    ]
    for k, wave in enumerate(stage.waves):
        runs = stage.runs[k]
        volume = stage.volumes[k] if k < len(stage.volumes) else None
        left = f"{volume.fraction:.2g} +- {volume.error:.1g}" if volume else "-"
        lines.append(
            f"{k + 1:>4} {runs.n:>5} {int((~runs.ok).sum()):>6} {wave.n_runs:>7} "
            f"{_scores(wave.report)} {wave.rule[:3]} < {wave.cutoff:>6.2f} {left:>20}"
        )
    notes = [note for k, wave in enumerate(stage.waves, 1) for note in _notes(k, wave)]
    return "\n".join(["Waves of history matching", *lines, *notes])


def _scores(report: Report | None) -> str:
    if report is None:
        return f"{'-':>6} {'-':>11} {'-':>13}"
    r2 = float(np.median(report.r2))
    return f"{report.n:>6} {r2:>11.3f} {report.pooled_coverage(0.95):>13.3f}"


def _notes(k: int, wave: Wave) -> list[str]:
    return [f"wave {k}, accepted all the same: {wave.override}"] if wave.override else []


def _budget(budget: dict[str, float]) -> str:
    shares = ", ".join(f"{name} {share:.0%}" for name, share in budget.items())
    more = budget.get("emulator", 0.0) > _BUDGET_ADVICE
    advice = (
        "more runs inside the last region would sharpen the posterior"
        if more
        else "more runs would change little; better data or a better simulator would"
    )
    return f"Error budget over the posterior (share of the total variance): {shares}; {advice}."
