"""The checks of a study: each answers by its name, on a problem whose answers are known."""

import numpy as np
import pytest

import equatorium as eq
from equatorium import errors
from equatorium.study.checks import CHECKS, figure_of
from equatorium.study.plan import read_plan

QUICK = {"walkers": 16, "max_steps": 400, "until": {"rhat": 1.5, "ess": 40}}


@pytest.fixture(scope="module")
def make(line, observed, tmp_path_factory, polynomial):
    def make(source=None, **options):
        options.setdefault("discrepancy", eq.Discrepancy(0.05, diagonal=True))
        return eq.Study(
            line() if source is None else source,
            observed,
            emulator=polynomial(),
            store=tmp_path_factory.mktemp("study") / "study.h5",
            seed=1,
            progress=False,
            **options,
        )

    return make


@pytest.fixture(scope="module")
def study(make):
    made = make()
    made.history_match(1, runs=40, particles=300, executor="serial")
    made.sample("emcee", **QUICK)
    return made


def options_of(name):
    return {"n": 60, "executor": "serial"} if name == "true-runs" else {}


@pytest.mark.parametrize("name", CHECKS)
def test_every_check_answers_in_words_and_most_with_a_figure(study, name):
    record = study.check(name, **options_of(name))
    assert record is study.checks[name]
    assert len(record.summary().splitlines()) >= 1
    assert (figure_of(record) is None) == (name == "waic")


def test_an_exact_emulator_needs_no_more_runs_and_true_runs_agree(study):
    """The data lie on the line: chi-squared is small, the emulator's share nothing."""
    assert study.check("goodness-of-fit").p_value > 0.5
    assert study.check("error-budget").overall["emulator"] < 1e-3
    true = study.check("true-runs", n=60, executor="serial")
    assert true.efficiency > 0.99
    assert np.abs(true.shift).max() < 0.05


def test_true_runs_are_kept(study, line):
    before = study.problem.source.calls
    study.check("true-runs", n=60, executor="serial")
    first = study.problem.source.calls
    study.check("true-runs", n=60, executor="serial")
    assert study.problem.source.calls == first <= before + 60


def test_the_prior_is_predicted_by_the_emulator_that_knows_it(study):
    """Later emulators saw a region only. Here: offset + x slope over the whole prior."""
    found = study.check("prior-predictive", n=4000).mean
    x = study.problem.observation.coords["x"]
    variance = 3.0**2 / 12 + x**2 * 2.0**2 / 12 + 0.1**2 * 2.0**2 / 12
    assert found.mean(axis=0) == pytest.approx(np.full(4, 1.5), abs=0.06)
    assert found.var(axis=0) == pytest.approx(variance, rel=0.1)


def test_checks_are_of_the_draws_that_there_are(make, line, observed):
    fresh = make()
    with pytest.raises(errors.InputError, match="call sample first"):
        fresh.check("goodness-of-fit")
    with pytest.raises(errors.InputError, match="call emulate or history_match first"):
        fresh.check("prior-predictive")
    fresh.emulate(20, accept=True, executor="serial")
    fresh.check("prior-predictive")
    fresh.emulate(20, accept=True, executor="serial")
    assert fresh.checks == {}


def test_what_is_no_check_is_named(study):
    with pytest.raises(errors.UnknownNameError, match="Did you mean 'leave-one-out'"):
        study.check("leave-one")
    with pytest.raises(errors.ConfigurationError, match="has no option 'm'"):
        study.check("waic", m=3)


def test_a_table_cannot_be_run(make, line):
    simulator = line()
    theta = simulator.space.sample(5, 1)
    runs = eq.run_design(simulator, simulator.space, theta, executor="serial", progress=False)
    with pytest.raises(errors.InputError, match="table of runs cannot be run"):
        make(runs).check("true-runs")


PLAN = """
[study]
store = "{folder}/study.h5"
report = "{folder}/report"
checks = ["goodness-of-fit", "true-runs"]
[runs]
path = "runs.csv"
inputs = ["a"]
outputs = ["y"]
[observation]
path = "seen.ecsv"
[emulator]
use = "trend-gp"
options = {{ trend = "linear" }}
accept = true
[sampler]
options = {{ walkers = 16, max_steps = 400 }}
until = {{ rhat = 1.5, ess = 40 }}
"""


def test_the_report_holds_texts_and_figures_and_what_could_not_be_made(tmp_path):
    a = np.linspace(0, 1, 30)
    rows = "\n".join(f"{x},{2 * x + 1}" for x in a)
    (tmp_path / "runs.csv").write_text(f"a,y\n{rows}\n")
    eq.Observation([2.0], [0.1], names=["y"]).write(tmp_path / "seen.ecsv")
    path = tmp_path / "study.toml"
    path.write_text(PLAN.format(folder=tmp_path))
    plan = read_plan(path)
    plan.study.steps.progress = False
    files = {file.name: file for file in plan.execute()}
    assert "p-value" in files["check-goodness-of-fit.txt"].read_text()
    assert files["check-goodness-of-fit.png"].stat().st_size > 5000
    assert files["check-true-runs.txt"].read_text().startswith("NOT MADE: A table of runs")
    assert "check-true-runs.png" not in files
    path.write_text(PLAN.format(folder=tmp_path).replace("goodness-of-fit", "goodnes-of-fit"))
    with pytest.raises(errors.ConfigurationError, match="Did you mean 'goodness-of-fit'"):
        read_plan(path)
