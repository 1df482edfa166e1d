"""The whole line on a linear problem: right answers, resumption, invalidation, bad input."""

import dataclasses

import numpy as np
import pytest

import equatorium as eq
from equatorium import errors
from equatorium.study.steps import Steps
from equatorium.study.waveplan import WavePlan

QUICK = {"walkers": 16, "max_steps": 400, "until": {"rhat": 1.5, "ess": 40}}


def make(simulator, observed, tmp_path, **options):
    options = {"store": tmp_path / "study.h5", "seed": 1, "progress": False, **options}
    return eq.Study(simulator, observed, **options)


def match(study, waves=2, runs=40, **options):
    return study.history_match(waves, runs=runs, particles=300, executor="serial", **options)


def test_the_posterior_is_the_analytic_one(line, observed, tmp_path):
    study = make(line(), observed, tmp_path)
    region = match(study)
    draws = study.sample(
        "emcee", **(QUICK | {"max_steps": 1200, "walkers": 32, "until": {"rhat": 1.1, "ess": 300}})
    )
    # Offset and slope of a straight line with known errors; log-scale hardly matters.
    x = observed.coords["x"]
    design = np.stack([x, np.ones(4)], axis=1)
    covariance = np.linalg.inv(design.T @ design / 0.1**2)
    sd = draws.std
    assert sd[0] == pytest.approx(covariance[0, 0] ** 0.5, rel=0.2)
    assert sd[1] == pytest.approx((covariance[1, 1] + (0.1 * 2 / 12**0.5) ** 2) ** 0.5, rel=0.2)
    assert abs(draws.mean[0] - 0.3) < 0.4 * sd[0]
    assert region.contains(np.array([[0.3, 1.2, 2.0]]))[0]
    assert not region.contains(np.array([[-0.9, 2.8, 2.0]]))[0]
    text = study.summary()
    assert "wave" in text and "slope" in text and "Error budget" in text


def test_a_finished_study_is_read_back(line, observed, tmp_path):
    first = make(line(), observed, tmp_path)
    match(first)
    draws = first.sample("emcee", **QUICK)
    simulator = line()
    again = make(simulator, observed, tmp_path)
    match(again)
    np.testing.assert_array_equal(again.sample("emcee", **QUICK).samples, draws.samples)
    assert simulator.calls == 0
    theta = first.problem.space.sample(20, 3)
    np.testing.assert_array_equal(first.stage.region.level(theta), again.stage.region.level(theta))


def test_changed_options_recompute_what_depends_on_them(line, observed, tmp_path):
    match(make(line(), observed, tmp_path))
    before = Steps(tmp_path / "study.h5").current()
    simulator = line()
    study = make(simulator, observed, tmp_path)
    match(study, probability=0.05)
    after = Steps(tmp_path / "study.h5").current()
    kept = {name for name in before if before[name] == after[name]}
    assert kept == {"wave-1/design", "wave-1/runs"}
    assert simulator.calls == 40  # the second wave's; the first wave's runs are kept
    assert Steps(tmp_path / "study.h5").fetch("wave-1/region", before["wave-1/region"])


def test_a_new_version_of_the_simulator_runs_again(line, observed, tmp_path):
    match(make(line(), observed, tmp_path), waves=1)
    simulator = line(version="2")
    match(make(simulator, observed, tmp_path), waves=1)
    assert simulator.calls == 40


def test_a_new_version_of_the_emulator_is_fitted_again(line, observed, tmp_path, monkeypatch):
    match(make(line(), observed, tmp_path), waves=1)
    before = Steps(tmp_path / "study.h5").current()
    simulator = line()
    study = make(simulator, observed, tmp_path)
    monkeypatch.setattr(type(study.problem.emulator), "state_version", 99)
    match(study, waves=1)
    after = Steps(tmp_path / "study.h5").current()
    assert before["wave-1/emulator"] != after["wave-1/emulator"]
    assert simulator.calls == 0


def test_an_interrupted_wave_repeats_no_finished_run(line, observed, tmp_path):
    simulator = line()
    honest = type(simulator).__call__

    class Interrupted(type(simulator)):
        def __call__(self, theta, *, rng):
            if self.calls == 25:
                raise KeyboardInterrupt
            return honest(self, theta, rng=rng)

    with pytest.raises(KeyboardInterrupt):
        match(make(Interrupted(), observed, tmp_path), waves=1)
    match(make(simulator, observed, tmp_path), waves=1)
    assert simulator.calls == 40 - 25


def test_failed_runs_are_kept_and_left_out(line, observed, tmp_path):
    study = make(line(fails=5), observed, tmp_path)
    match(study, waves=1)
    runs = study.stage.runs[0]
    assert (~runs.ok).sum() == 5 and runs.n == 40
    assert "did not converge" in runs.status[0]
    assert study.stage.waves[0].n_runs == 35


def test_an_impossible_observation_stops_and_names_the_outputs(line, observed, tmp_path):
    x = observed.coords["x"]
    impossible = eq.Observation(
        np.array([1.3, 1.3, 9.0, 1.3]), np.full(4, 0.05), coords={"x": x}, unit="dex"
    )
    study = make(line(), impossible, tmp_path)
    with pytest.raises(errors.EmptyRegionError, match="discrepancy"):
        match(study, waves=1, rule="maximum")
    # Nothing already computed is lost.
    assert "wave-1/emulator" in Steps(tmp_path / "study.h5").current()
    # A larger discrepancy goes on, and is recorded.
    study = make(line(), impossible, tmp_path, discrepancy=eq.Discrepancy(0.5, diagonal=True))
    match(study, waves=1, rule="maximum", discrepancy_factor=6.0)
    assert study.stage.waves[0].discrepancy.std == pytest.approx(3.0)


def test_a_table_of_runs_is_enough(line, observed, tmp_path):
    simulator = line()
    runs = eq.run_design(
        simulator,
        simulator.space,
        simulator.space.sample(60, 1),
        executor="serial",
        progress=False,
    )
    study = make(runs, observed, tmp_path)
    assert study.emulate().report.passed
    draws = study.sample("emcee", **QUICK)
    assert abs(draws.mean[0] - 0.3) < 3 * draws.std[0]
    with pytest.raises(errors.InputError, match="a table of runs serves one wave"):
        study.history_match(2)
    # The draws belong to the emulator before: they are not shown beside another.
    wave = study.emulate(held_out=20)
    assert study.draws is None and "Posterior" not in study.summary()
    assert wave.n_runs == 40 and wave.report.n == 20


def test_a_sorted_table_is_tested_all_over_and_not_at_its_end(line, observed, tmp_path, polynomial):
    simulator = line()
    theta = simulator.space.sample(60, 1)
    theta = theta[np.argsort(theta[:, 1])]
    runs = eq.run_design(simulator, simulator.space, theta, executor="serial", progress=False)
    study = make(runs, observed, tmp_path, emulator=polynomial())
    truth = study.emulate(held_out=20, accept=True).report.truth
    rows = [int(np.flatnonzero((runs.Y[:, 1:4] == row[1:4]).all(1))[0]) for row in truth]
    assert len(set(rows)) == 20 and 20 < np.mean(rows) < 40
    with pytest.raises(errors.InputError, match="between 1 and 59"):
        study.emulate(held_out=60)


def test_another_shared_variance_is_another_study(line, observed, tmp_path):
    digests = set()
    for variance in (None, 0.01, 0.02):
        simulator = line()
        simulator.covariance = None if variance is None else eq.Diagonal(np.full(5, variance))
        digests.add(make(simulator, observed, tmp_path).stage.key)
    assert len(digests) == 3


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"runs": 1}, "runs must be a whole number of at least 2"),
        ({"particles": 10.5}, "particles must be a whole number"),
        ({"probability": 0}, "between 0 and 1"),
        ({"desing": "sobol"}, "Did you mean 'design'"),
        ({"design": "sobl"}, "Did you mean 'sobol'"),
        ({"rule": "max"}, "max"),
        ({"discrepancy_factor": -1.0}, "between 0 and inf"),
    ],
)
def test_bad_waves_are_refused(line, observed, tmp_path, change, message):
    with pytest.raises(errors.InputError, match=message):
        make(line(), observed, tmp_path).history_match([change])


@pytest.mark.parametrize(
    ("emulator", "message"),
    [
        ({"use": "committee", "options": {"members": ["trend-gb"]}}, "Did you mean 'trend-gp'"),
        ({"use": "committee", "options": {"members": ["trend-gp"], "rule": "x"}}, "rule must be"),
        ({"use": "conformal", "options": {"predictor": 3}}, "predictor is 3"),
        (
            {
                "use": "conformal",
                "options": {"predictor": {"use": "committee", "options": {"members": [3]}}},
            },
            "Member 0 of the Committee",
        ),
        (
            {"use": "embedded", "options": {"embedder": "committee", "emulator": "trend-gp"}},
            "no embedder 'committee'",
        ),
    ],
)
def test_wrong_parts_of_a_composite_are_told_before_any_run(
    line, observed, tmp_path, emulator, message
):
    with pytest.raises((errors.InputError, errors.PluginError), match=message):
        make(line(), observed, tmp_path, emulator=emulator)


def test_options_that_would_be_ignored_are_refused(line, observed, tmp_path):
    study = make(line(), observed, tmp_path)
    with pytest.raises(errors.ConfigurationError, match=r"runs.* do not reach a WavePlan"):
        study.history_match([WavePlan()], runs=40)


def test_an_observation_outside_the_outputs_is_refused(line, tmp_path):
    beyond = eq.Observation(np.ones(1), np.ones(1), coords={"x": np.array([1.5])}, unit="dex")
    with pytest.raises(errors.InputError, match=r"1\.5"):
        make(line(), beyond, tmp_path)


def test_more_steps_go_on_with_the_chains(line, observed, tmp_path, monkeypatch):
    short = {"walkers": 16, "max_steps": 100, "until": {"ess": 1e6}}
    long = short | {"max_steps": 300}
    whole = make(line(), observed, tmp_path, store=tmp_path / "other.h5")
    match(whole, waves=1)
    study = make(line(), observed, tmp_path)
    match(study, waves=1)
    with pytest.warns(errors.NotConvergedWarning):
        wanted = whole.sample("emcee", **long)
        study.sample("emcee", **short)
    asked = []
    monkeypatch.setattr(
        eq.GaussianLikelihood,
        "log_likelihood",
        lambda self, theta, inner=eq.GaussianLikelihood.log_likelihood: (
            asked.append(len(theta)) or inner(self, theta)
        ),
    )
    with pytest.warns(errors.NotConvergedWarning):
        found = study.sample("emcee", **long)
    np.testing.assert_array_equal(found.samples, wanted.samples)
    # 64 walkers, 200 steps more, and a check of the store; what is outside is not asked for.
    assert 100 * 64 < sum(asked) < 203 * 64


def test_changed_data_start_the_chains_anew(line, observed, tmp_path):
    study = make(line(), observed, tmp_path)
    match(study, waves=1)

    def interrupt(*args, **options):
        raise KeyboardInterrupt

    posterior = study.posterior()
    study.posterior = lambda: posterior
    posterior.log_likelihood = interrupt
    with pytest.raises(KeyboardInterrupt):
        study.sample("emcee", **QUICK)
    moved = dataclasses.replace(observed, values=observed.values + 0.05)
    other = make(line(), moved, tmp_path)
    match(other, waves=1)
    assert other.sample("emcee", **QUICK).converged
    assert not list(tmp_path.glob("*.chains*"))


def test_a_file_that_cannot_be_written_is_found_out_first(line, observed, tmp_path):
    (tmp_path / "folder").write_text("a file")
    with pytest.raises(OSError, match="folder"):
        make(line(), observed, tmp_path, store=tmp_path / "folder" / "study.h5")
    foreign = tmp_path / "notes.h5"
    foreign.write_text("my notes")
    with pytest.raises(errors.FileFormatError, match=r"notes\.h5"):
        make(line(), observed, tmp_path, store=foreign)
    assert foreign.read_text() == "my notes"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"discrepancy": 0.1}, "discrepancy must be of the type Discrepancy, but it is 0.1"),
        ({"emulator": "trend-pg"}, "Did you mean 'trend-gp'"),
        ({"seed": "1"}, "seed must be a whole number"),
        ({"source": 3}, "needs a Simulator or Runs"),
        ({"observation": [1.0]}, "observation must be of the type Observation"),
    ],
)
def test_what_is_no_part_of_a_study_is_named(line, observed, tmp_path, change, message):
    parts = {"source": line(), "observation": observed, "store": tmp_path / "s.h5"} | change
    with pytest.raises(errors.EquatoriumError, match=message):
        eq.Study(**parts)
