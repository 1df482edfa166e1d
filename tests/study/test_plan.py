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
