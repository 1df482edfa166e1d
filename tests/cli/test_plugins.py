"""The commands on plugins, and how the command line tells of errors."""

import errno
import json
from types import SimpleNamespace
from typing import Annotated

import click
import pytest
from click.testing import CliRunner

from equatorium import cli, errors, registry
from equatorium.catalogue import Catalogue
from equatorium.cli import main
from equatorium.cli.options import options_of
from equatorium.discovery import Problem, Timing
from equatorium.entry import Entry
from equatorium.plugin import Method

ENTRIES = [
    Entry(
        "sampler",
        Method(
            name="emcee",
            target="equatorium.interfaces.sampler:Sampler",
            summary="Walkers",
            capabilities=["restart"],
            reference="Someone 2013, doi:10.1/x",
        ),
        "equatorium",
        "0.1",
    ),
    Entry(
        "simulator",
        Method(name="borehole", target="equatorium.simulate.builtin:Borehole", summary="Flow"),
        "equatorium",
        "0.1",
    ),
    Entry(
        "emulator",
        Method(name="gp", target="gp.model:GP", summary="Exact", requires=["no_such_dep"]),
        "their-gp",
        "2.0",
    ),
]
TIMINGS = [Timing("equatorium", "0.1", 1.0), Timing("their-gp", "2.0", 2345.6, ("numpy", "torch"))]


@pytest.fixture
def call(monkeypatch):
    """Run the command line over three methods and the given problems."""

    def run(*arguments, problems=(), entries=ENTRIES):
        catalogue = Catalogue(lambda: (entries, list(problems), TIMINGS))
        for name in ("get", "methods", "problems", "timings", "collisions"):
            monkeypatch.setattr(registry, name, getattr(catalogue, name))
        return CliRunner().invoke(main, arguments)

    return run


def test_list(call):
    result = call("plugins", "list")
    assert result.exit_code == 0
    rows = [line.split() for line in result.output.splitlines()]
    assert rows == [
        ["equatorium/borehole", "simulator", "Flow"],
        ["equatorium/emcee", "sampler", "Walkers"],
        [
            "their-gp/gp",
            "emulator",
            "Exact",
            "[needs",
            "no_such_dep:",
            "pip",
            "install",
            "their-gp]",
        ],
    ]
    assert "restart" in call("plugins", "list", "-v").output


def test_list_of_a_kind_as_json(call):
    result = call("plugins", "list", "--kind", "emulator", "--json")
    data = json.loads(result.output)
    assert [(m["full name"], m["missing"]) for m in data["methods"]] == [
        ("their-gp/gp", ["no_such_dep"])
    ]
    assert data["problems"] == []
    assert call("plugins", "list", "--kind", "emulatr").exit_code == 2


def test_a_broken_plugin_is_told_at_the_foot(call):
    problems = [Problem("bad", "1.0", "import failed: boom", "Traceback: here")]
    result = call("plugins", "list", problems=problems)
    assert result.exit_code == 1 and "borehole" in result.stdout
    assert result.stderr == "broken: bad 1.0: import failed: boom\n"
    assert "Traceback: here" in call("plugins", "list", "-v", problems=problems).stderr
    result = call("plugins", "list", "--json", problems=problems)
    assert result.exit_code == 1
    assert json.loads(result.stdout)["problems"][0]["plugin"] == "bad"


def test_list_by_capability(call):
    rows = call("plugins", "list", "--capability", "restart").output.splitlines()
    assert len(rows) == 1 and rows[0].startswith("equatorium/emcee")
    assert call("plugins", "list", "--capability", "restart", "--capability", "gpu").output == ""
    result = call("plugins", "list", "--capability", "restrat")
    assert result.exit_code == 1 and "Did you mean 'restart'?" in result.stderr


def test_the_cost_of_each_plugin(call):
    output = call("plugins", "list", "-v").output
    assert "  equatorium 0.1: 1.0 ms\n" in output
    assert "  their-gp 2.0: 2345.6 ms, imports eagerly: numpy, torch\n" in output
    assert "eagerly" not in call("plugins", "list").output
    timings = json.loads(call("plugins", "list", "--json").output)["timings"]
    assert timings[1] == {
        "plugin": "their-gp",
        "version": "2.0",
        "milliseconds": 2345.6,
        "imports eagerly": ["numpy", "torch"],
    }


def test_a_shared_name_is_told_at_the_foot(call):
    other = Entry("sampler", Method(name="emcee", target="a:B"), "theirs", "1.0")
    result = call("plugins", "list", entries=[*ENTRIES, other])
    assert result.exit_code == 1
    assert result.stderr == (
        "ambiguous: 'emcee'; ask for equatorium/emcee or theirs/emcee, or uninstall the other\n"
    )
    result = call("plugins", "list", "--json", entries=[*ENTRIES, other])
    assert result.exit_code == 1
    assert json.loads(result.stdout)["ambiguous"] == {"emcee": ["equatorium/emcee", "theirs/emcee"]}


def test_info(call):
    result = call("plugins", "info", "borehole")
    assert result.exit_code == 0
    assert "full name     equatorium/borehole" in result.output
    data = json.loads(call("plugins", "info", "emcee", "--json").output)
    assert data["reference"] == ["Someone 2013, doi:10.1/x"]
    # Not loadable is no error here: all that is known is shown, with the remedy.
    result = call("plugins", "info", "gp")
    assert result.exit_code == 0 and "pip install their-gp" in result.output


def test_info_shows_options_with_their_defaults():
    result = CliRunner().invoke(main, ["plugins", "info", "embedded"])
    assert result.exit_code == 0, result.output
    assert "embedder = (required)  (Embedder, or its name or spec)" in result.output
    assert """With the capability ``inverse`` for ``on="y"``.""" in result.output
    data = json.loads(CliRunner().invoke(main, ["plugins", "info", "embedded", "--json"]).output)
    assert data["options"]["on"]["default"] == "'y'"
    assert data["options"]["on"]["type"].startswith('{"y", ')


class Base:
    """Base.

    Parameters
    ----------
    shared : int
        From the base.

    Returns
    -------
    shared : not an option
    """


class Documented(Base):
    """Documented.

    Parameters
    ----------
    low, high : float
        The range,
        on two lines.

        A second paragraph.
    mode : {"a", "b"}
    bare
        No type.

    Attributes
    ----------
    mode : str
        Not this one.
    """

    def __init__(
        self,
        low,
        high=2.0,
        *,
        mode: str = "a",
        bare=None,
        shared=1,
        noted: Annotated[int, "in pixels"] = 3,
        hinted: float | None = None,
        nothing=(),
        **rest,
    ):
        pass


def test_options_are_explained_by_annotations_or_docstrings():
    found = {o.name: (o.default, o.type, o.text) for o in options_of(Documented)}
    assert found == {
        "low": ("(required)", "float", "The range, on two lines."),
        "high": ("2.0", "float", "The range, on two lines."),
        "mode": ("'a'", '{"a", "b"}', ""),
        "bare": ("None", "", "No type."),
        "shared": ("1", "int", "From the base."),
        "noted": ("3", "int", "in pixels"),
        "hinted": ("None", "float | None", ""),
        "nothing": ("()", "", ""),
    }


def test_every_option_of_every_method_is_explained():
    unexplained = [
        f"{entry.qualname}: {option.name}"
        for entry in registry.methods()
        if entry.dist != "local"
        for option in options_of(entry.load())
        if not (option.text or option.type)
    ]
    assert unexplained == []


def test_errors_are_a_paragraph(call):
    result = call("plugins", "info", "emce")
    assert result.exit_code == 1
    assert result.stderr.startswith("Error: no method 'emce'. Did you mean 'emcee'?")
    result = call("plugin", "list")
    assert result.exit_code == 2 and "Did you mean 'plugins'?" in result.stderr


@pytest.mark.parametrize(
    "error", [errors.ConfigurationError("study.toml: bad key"), PermissionError("no way in")]
)
def test_what_the_user_can_mend_has_no_traceback(monkeypatch, error):
    @click.command()
    def fails():
        raise error

    monkeypatch.setitem(cli.COMMANDS, "fails", ("click:Command", "Fail."))
    monkeypatch.setattr(cli.Commands, "get_command", lambda *_: fails)
    result = CliRunner().invoke(main, ["fails"])
    assert result.exit_code == 1 and result.stderr == f"Error: {error}\n"


def test_a_reader_that_has_seen_enough_gets_no_error(monkeypatch):
    @click.command()
    def fails():
        raise BrokenPipeError(errno.EPIPE, "Broken pipe")

    monkeypatch.setattr(cli.Commands, "get_command", lambda *_: fails)
    assert CliRunner().invoke(main, ["run"]).stderr == ""


def test_what_a_plugin_prints_is_no_part_of_the_answer(monkeypatch):
    def find():
        print("hello")
        return ENTRIES[:1], []

    catalogue = Catalogue(find)
    for name in ("get", "methods", "problems", "timings", "collisions"):
        monkeypatch.setattr(registry, name, getattr(catalogue, name))
    result = CliRunner().invoke(main, ["plugins", "list", "--json"])
    assert json.loads(result.stdout)["methods"][0]["name"] == "emcee"
    assert result.stderr == "hello\n"


def test_a_mistake_of_ours_is_a_paragraph_and_a_trace_on_request(monkeypatch):
    @click.command()
    def fails():
        raise ZeroDivisionError

    monkeypatch.setattr(cli.Commands, "get_command", lambda *_: fails)
    result = CliRunner().invoke(main, ["run"])
    assert result.exit_code == 1 and result.stderr.startswith("Error: ZeroDivisionError")
    assert "Traceback" not in result.output and "PYTHONDEVMODE=1" in result.stderr
    monkeypatch.setattr(cli, "sys", SimpleNamespace(flags=SimpleNamespace(dev_mode=True)))
    assert isinstance(CliRunner().invoke(main, ["run"]).exception, ZeroDivisionError)


def test_help_lists_all_commands_and_each_exists():
    output = CliRunner().invoke(main, ["--help"]).output
    for name, (target, text) in cli.COMMANDS.items():
        assert name in output and text in output
        assert isinstance(main.get_command(None, name), click.Command), target
