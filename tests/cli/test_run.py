"""What a user sees: a study from its file, its summary, and one-paragraph errors."""

import pytest
from click.testing import CliRunner

import equatorium as eq
from equatorium.cli import main

PLAN = """
[study]
seed = 3
store = "{folder}/study.h5"
report = "{folder}/report"
[simulator]
use = "borehole"
[parameters]
{fixed}
[observation]
path = "flow.ecsv"
[[wave]]
runs = 30
particles = 200
[sampler]
options = {{ walkers = 32, max_steps = 400 }}
until = {{ rhat = 1.3, ess = 50 }}
"""
FIXED = "\n".join(
    f"{name} = {{ fixed = {value} }}"
    for name, value in {"r": 20000, "T_u": 9e4, "H_u": 1050, "T_l": 90, "H_l": 760}.items()
)


@pytest.fixture
def plan(tmp_path):
    eq.Observation([75.0], [1.5], names=["flow"], unit="m3 / yr").write(tmp_path / "flow.ecsv")
    path = tmp_path / "study.toml"
    path.write_text(PLAN.format(folder=tmp_path, fixed=FIXED))
    return path


def call(*words):
    return CliRunner().invoke(main, [str(word) for word in words])


def test_run_info_and_cite(plan, tmp_path):
    result = call("run", plan, "--quiet")
    assert result.exit_code == 0, result.output
    assert "Posterior" in result.output and "r_w" in result.output
    pictures = sorted(path.name for path in (tmp_path / "report").glob("*.png"))
    assert "corner.png" in pictures and len(pictures) >= 4
    info = call("info", tmp_path / "study.h5")
    assert info.exit_code == 0 and "wave-1/runs" in info.output and "posterior" in info.output
    cited = call("cite", tmp_path / "study.h5")
    assert cited.exit_code == 0
    assert "10.1086/670067" in cited.output and "10.1093/mnras/stw3269" in cited.output
    again = call("run", plan)
    assert again.exit_code == 0 and "done before" in again.output


@pytest.mark.parametrize("command", ["info", "cite"])
@pytest.mark.parametrize("content", [b"", b"not a file of ours", b"\x89HDF\r\n\x1a\n broken"])
def test_foreign_and_broken_files(tmp_path, command, content):
    path = tmp_path / "study.h5"
    path.write_bytes(content)
    result = call(command, path)
    assert result.exit_code == 1
    assert "study.h5" in result.output and "Traceback" not in result.output


def test_what_was_not_foreseen_is_one_paragraph_too(plan, monkeypatch):
    def fault(self):
        raise ZeroDivisionError("a fault of ours")

    monkeypatch.setattr("equatorium.study.plan.Plan.execute", fault)
    result = call("run", plan)
    assert result.exit_code == 1 and "Traceback" not in result.output
    assert "ZeroDivisionError: a fault of ours (from fault in" in result.output
    assert "PYTHONDEVMODE=1" in result.output


def test_a_typing_error_is_one_paragraph(plan):
    plan.write_text(plan.read_text().replace("runs = 30", "rusn = 30"))
    result = call("run", plan)
    assert result.exit_code == 1
    assert "Did you mean 'runs'" in result.output
    assert "Traceback" not in result.output and "\n\n" not in result.output.strip()
