"""study.toml: what it means, and what happens when it is wrong."""

import numpy as np
import pytest

import equatorium as eq
from equatorium import errors
from equatorium.study.plan import read_plan

GOOD = """
[study]
seed = 3
store = "{folder}/study.h5"
report = "{folder}/report"
[simulator]
use = "borehole"
[parameters]
r = {{ fixed = 20000.0 }}
L = {{ low = 1200.0, high = 1600.0 }}
[observation]
path = "flow.ecsv"
[discrepancy]
std = 0.5
diagonal = true
[emulator]
use = "trend-gp"
options = {{ trend = "linear" }}
[[wave]]
runs = 40
[[wave]]
runs = 30
rule = "maximum"
[sampler]
use = "emcee"
until = {{ rhat = 1.2, ess = 50 }}
"""


@pytest.fixture
def write(tmp_path):
    eq.Observation([75.0], [1.5], names=["flow"], unit="m3 / yr").write(tmp_path / "flow.ecsv")

    def write(old="", new=""):
        text = GOOD.format(folder=tmp_path)
        assert old in text
        path = tmp_path / "study.toml"
        path.write_text(text.replace(old, new))
        return path

    return write


def test_a_plan_is_read_as_written(write, tmp_path):
    plan = read_plan(write())
    problem = plan.study.problem
    assert problem.space.names == ("r_w", "T_u", "H_u", "T_l", "H_l", "L", "K_w")
    assert problem.space.high[problem.space.index("L")] == 1600.0
    assert problem.space.complete(problem.space.sample(1, 0))[0, 1] == 20000.0
    assert problem.discrepancy == eq.Discrepancy(0.5, diagonal=True)
    assert [wave.runs for wave in plan.waves] == [40, 30]
    assert plan.waves[1].rule == "maximum"
    assert plan.sampler["options"]["until"] == {"rhat": 1.2, "ess": 50}
    assert plan.report == tmp_path / "report"
    np.testing.assert_array_equal(problem.observation.values, [75.0])


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("seed = 3", "sed = 3", r"unknown key 'sed' in \[study\]. Did you mean 'seed'"),
        ("[simulator]", "[simulater]", r"unknown table \[simulater\]. Did you mean 'simulator'"),
        ('use = "borehole"', 'use = "borehol"', "Did you mean 'borehole'"),
        ('use = "trend-gp"', 'use = "trendgp"', "Did you mean 'trend-gp'"),
        ('trend = "linear"', 'tredn = "linear"', "Did you mean 'trend'"),
        ("r = {", "rr = {", "rr"),
        ("low = 1200.0, high = 1600.0", "low = 1600.0, high = 1200.0", "L"),
        ("fixed = 20000.0", "fixed = 20000.0, low = 1.0", "stands alone"),
        ("[[wave]]\nruns = 40", "[wave]\nruns = 40", "TOML"),
        ("runs = 40", "rnus = 40", "Did you mean 'runs'"),
        ('rule = "maximum"', 'rule = "max"', "max"),
        ('path = "flow.ecsv"', 'path = "flaw.ecsv"', "flaw.ecsv"),
        ('path = "flow.ecsv"', 'use = "stellar"', "no observation 'stellar'"),
        ('path = "flow.ecsv"', "", "needs either"),
        ("seed = 3", "seed = ", "not valid TOML"),
        ("std = 0.5", "std = -0.5", "std"),
        ("std = 0.5", 'std = "0.5"', r"std in \[discrepancy\] must be a number, but it is '0.5'"),
        ("diagonal = true", 'diagonal = "no"', "must be true or false"),
        ("diagonal = true", "length = 0.5", r"length in \[discrepancy\] must be a table"),
        ("diagonal = true", "length = { flaw = 0.5 }", "no coordinate 'flaw'"),
        ("seed = 3", "seed = 1.5", r"seed in \[study\] must be a whole number"),
        ("seed = 3", "seed = true", "must be a whole number"),
        ("seed = 3", "seed = -1", "seed must be a whole number >= 0"),
        ('use = "borehole"', 'use = "borehole"\noptions = [1]', "must be a table"),
        ('path = "flow.ecsv"', "path = 3", r"path in \[observation\] must be text"),
        ('path = "flow.ecsv"', 'path = "flow.ecsv"\nselect = 3', "must be a table"),
        (
            'path = "flow.ecsv"',
            'path = "flow.ecsv"\nselect = { z = [0, 1, 2] }',
            r"'z' must be a number or a range \[low, high\]",
        ),
        ("low = 1200.0", 'low = "1200"', r"low in \[parameters\] L must be a number"),
        ("low = 1200.0", "unit = 3", "must be text"),
        ('rule = "maximum"', "rule = [1]", "rule in .* must be text"),
        ('rule = "maximum"', 'probability = "0.1"', "probability in .* must be a number"),
        ('rule = "maximum"', "probability = 1", "between 0 and 1"),
        ('rule = "maximum"', "discrepancy_factor = inf", "between 0 and inf"),
        ('rule = "maximum"', "held_out = 1", "held_out must be 0"),
        ('use = "emcee"', 'use = "emceee"', "Did you mean 'emcee'"),
        ('use = "emcee"', "options = { walker = 8 }", "Did you mean 'walkers'"),
        ("rhat = 1.2", "rhut = 1.2", "Did you mean 'rhat'"),
        ("ess = 50", 'ess = "50"', "must be a number above 0"),
    ],
)
def test_mistakes_are_named(write, old, new, message):
    with pytest.raises(errors.ConfigurationError, match=message):
        read_plan(write(old, new))


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(errors.ConfigurationError, match=r"nowhere\.toml"):
        read_plan(tmp_path / "nowhere.toml")


def test_a_report_that_cannot_be_written_stops_before_the_runs(write, tmp_path):
    (tmp_path / "report").write_text("a file, not a folder")
    plan = read_plan(write())
    with pytest.raises(errors.ConfigurationError, match="cannot write the report"):
        plan.execute()
    assert not plan.study.steps.path.exists()
