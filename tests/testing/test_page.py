"""The page on testing lists every check; the command runs them."""

import json
import re
from pathlib import Path

from click.testing import CliRunner

from equatorium.cli import main
from equatorium.testing.declared import all_checks, summary_of

PAGE = Path(__file__).parents[2] / "docs" / "plugins" / "testing.md"


def test_the_page_lists_every_check():
    rows = re.findall(r"^\| `(\w+)` \| .*? \| (.*) \|$", PAGE.read_text(), re.MULTILINE)
    assert rows == [(one.name, summary_of(one)) for one in all_checks()]


def test_the_check_of_the_page_works(zoo):
    (code,) = re.findall(
        r"```python\n(from equatorium.testing import check_for.*?)```", PAGE.read_text(), re.DOTALL
    )
    from equatorium.testing import declared
    from equatorium.testing.distribution import Distribution

    before = dict(declared._CHECKS)
    try:
        names = {"__name__": "their_conftest"}
        exec(code, names)
        (added,) = [one for one in all_checks() if one.name == "it_is_periodic"]
        assert added.capabilities == {"my-dist:periodic"} and added.roles == ("emulator",)
        (case,) = [c for c in Distribution("zoo-good").cases if c.name == "ridge"]
        try:
            added.function(case)
        except AssertionError as error:
            assert "a period further" in str(error)
        else:
            raise AssertionError("a line is not periodic")
    finally:
        declared._CHECKS.clear()
        declared._CHECKS.update(before)


def test_the_command(zoo):
    run = CliRunner().invoke(main, ["plugins", "check", "zoo-broken"])
    assert run.exit_code == 1, run.output
    assert "failed   zoo-broken: the_plugin_is_whole\n    registering met" in run.output
    assert re.search(r"^1 failed, \d+ passed$", run.output, re.MULTILINE)
    assert "Traceback" not in run.output


def test_the_command_for_programs_and_a_distribution_that_is_not_there(zoo, monkeypatch):
    monkeypatch.setattr("equatorium.testing.check", lambda dist: [])
    run = CliRunner().invoke(main, ["plugins", "check", "zoo-broken", "--json"])
    assert run.exit_code == 0 and json.loads(run.output) == []
    monkeypatch.undo()
    run = CliRunner().invoke(main, ["plugins", "check", "zoo-brokn"])
    assert run.exit_code != 0 and "offers no method" in run.output + str(run.exception)
