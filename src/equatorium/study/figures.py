"""The figures of a study as PNG files; what cannot be drawn yet is left out."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from equatorium import plots
from equatorium.history.sensitivity import rank_active
from equatorium.inference.draws import Draws
from equatorium.inference.predictive import posterior_predictive
from equatorium.study.checks import figure_of
from equatorium.study.stage import Stage
from equatorium.study.walk import Problem

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_ACTIVE = 5


def write_all(
    problem: Problem,
    stage: Stage,
    draws: Draws | None,
    checks: Mapping[str, Any],
    folder: Path,
) -> list[Path]:
    """Draw what can be drawn so far into a folder, and return the files.

    Parameters
    ----------
    problem : Problem
        What is calibrated.
    stage : Stage
        How far the waves have come.
    draws : Draws or None
        The posterior, once sampled.
    checks : mapping
        Records of the checks that were made, by name.
    folder : Path
        Where the PNG files go.
    """
    files = []
    drawn = ((f"check-{name}", figure_of(record)) for name, record in checks.items())
    for name, figure in [*_figures(problem, stage, draws), *drawn]:
        if figure is None:
            continue
        files.append(folder / f"{name}.png")
        figure.savefig(files[-1], dpi=150)
    return files


def _figures(problem: Problem, stage: Stage, draws: Draws | None) -> Iterator[tuple[str, "Figure"]]:
    for k, wave in enumerate(stage.waves, 1):
        outputs = wave.surrogate.outputs
        yield f"emulated-wave-{k}", plots.emulated_vs_simulated(wave.report, outputs)
    if stage.waves:
        yield "coverage", plots.coverage(stage.waves[-1].report)
    if stage.volumes:
        shares, errors = (
            [getattr(v, name) for v in stage.volumes] for name in ("fraction", "error")
        )
        yield "volumes", plots.volumes(shares, errors)
        active = rank_active(stage.waves[0].surrogate)[:_ACTIVE]
        yield (
            "implausibility",
            plots.implausibility_map(
                stage.region,
                active,
                particles=stage.volumes[-1].particles,
                volume=stage.volumes[-1].fraction,
            ),
        )
    if draws is not None:
        yield "corner", plots.corner(draws)
        yield "trace", plots.trace(draws)
        if problem.observation.coords:
            yield "predictive", _predictive(problem, stage, draws)


def _predictive(problem: Problem, stage: Stage, draws: Draws) -> "Figure":
    """Draw the posterior's reality (model and discrepancy) over the data and the first runs."""
    likelihood = problem.likelihood(stage)
    predicted = posterior_predictive(draws, likelihood, rng=0)
    runs = stage.runs[0].good
    figure: Figure = plots.predictive_functions(
        problem.observation,
        predicted.reality,
        background=runs.Y @ problem.observation.match(runs.outputs).T,
        background_label="runs of the first wave",
        samples_label="posterior, with discrepancy",
        notice=predicted.notice,
    )
    return figure
