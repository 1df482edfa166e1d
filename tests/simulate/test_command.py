"""Executables: how parameters reach them, how numbers come back, what their failures say."""

import json
import os
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from equatorium import registry
from equatorium.errors import EquatoriumError, InputError, NotSavableError, SimulatorError
from equatorium.records.outputs import Outputs
from equatorium.records.space import Parameter, Space
from equatorium.simulate.command import Command

SPACE = {"a": {"low": 0, "high": 10}, "b": {"low": 1e-3, "high": 1e3, "scale": "log"}}


def python(code, outputs=("x", "y"), arguments=("{a}", "{b}"), **options):
    code = code.replace("{", "{{").replace("}", "}}")
    return Command([sys.executable, "-c", code, *arguments], SPACE, outputs, **options)


def run(simulator, theta=(1.1, 2.0), rng=0):
    return simulator.evaluate(np.array(theta), rng=rng).values


ECHO = "import sys; print(sys.argv[1], sys.argv[2])"


def test_arguments_carry_every_digit():
    theta = [0.1 + 0.2, 1 / 3]
    np.testing.assert_array_equal(run(python(ECHO), theta), theta)
    formatted = python(ECHO, arguments=("{a:.1f}", "--b={b}"))
    with pytest.raises(SimulatorError, match=r"not numbers .*'0\.3 --b=0\.333"):
        run(formatted, theta)


@pytest.mark.parametrize(
    "text",
    [
        "1.5 -2e3",
        "# header\n1.5\n  # 7\n-2000\n",
        "1.5, -2.0D+03",
        "[1.5, -2000]",
        '{"y": -2e3, "other": 1, "x": 1.5}',
    ],
)
def test_forms_of_numbers(text):
    np.testing.assert_array_equal(run(python(f"print({text!r})")), [1.5, -2000])


def test_json_on_stdin_and_a_file_in_a_folder_of_its_own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "model.py").write_text(
        "import json, sys\nv = json.load(sys.stdin)\nprint('noise')\n"
        "open('out.txt', 'x').write(f\"{v['a']} {v['seed']}\")\n"
    )
    simulator = Command(
        [sys.executable, "model.py"],
        Space([Parameter("a", 0, 10)]),
        Outputs(["a", "seed"]),
        stdin=True,
        file="out.txt",
        name="mine",
    )
    monkeypatch.chdir("/")  # found from where it was made, wherever it runs
    first, again, other = (run(simulator, [3.25], rng) for rng in (5, 5, 6))
    assert first[0] == 3.25
    np.testing.assert_array_equal(first, again)
    assert first[1] != other[1]
    assert [path.name for path in tmp_path.iterdir()] == ["model.py"]


def test_the_identity_knows_command_and_version_but_not_the_place(tmp_path, monkeypatch):
    def made(**options):
        return Command(["cat", "x", "{a}", "{b}"], SPACE, ["x"], **options).identity()

    here = made()
    monkeypatch.chdir(tmp_path)
    (tmp_path / "x").write_text("")
    assert here == made() == made(timeout=5)
    assert len({here, made(version="2"), made(file="f"), made(stdin=True)}) == 4


def test_its_written_form_is_whole_or_refused():
    table = {"a": {"low": 0, "high": 9, "scale": "linear"}, "b": {"low": 1, "high": 2}}
    made = Command(["echo", "{a}", "{b}"], table, ["x"], timeout=5.0, name="mine", version="2")
    again = registry.from_spec("simulator", json.loads(json.dumps(registry.to_spec(made))))
    assert again.identity() == made.identity() and again.space == made.space
    assert (again.name, again.version, again.timeout) == ("mine", "2", 5.0)
    with pytest.raises(NotSavableError, match="option 'space' of equatorium/command"):
        registry.to_spec(Command(["echo", "{a}", "{b}"], made.space, ["x"]))


@pytest.mark.parametrize(
    ("code", "options", "message"),
    [
        (
            "import sys; print('bad mass', file=sys.stderr); sys.exit(3)",
            {},
            "exit code 3.*bad mass",
        ),
        ("import os; os.kill(os.getpid(), 11)", {}, "ended by the signal SIGSEGV.*nothing"),
        ("print(1, 2, 3)", {}, r"wrote 3 numbers, expected 2.*'1 2 3'"),
        ("", {}, "wrote 0 numbers, expected 2"),
        ("print('1 two')", {}, "is not numbers .*'1 two'"),
        ("print('{\"x\": 1}')", {}, "KeyError: 'y'"),
        ("print('[1, [2]]')", {}, "is not numbers"),
        ("print(1, 2)", {"file": "out.txt"}, "did not write the file 'out.txt'"),
        ("import time; time.sleep(60)", {"timeout": 0.3}, r"time limit of 0\.3 s"),
    ],
)
def test_failures_say_what_went_wrong(code, options, message):
    start = time.monotonic()
    with pytest.raises(SimulatorError, match=message):
        run(python(code, **options))
    assert time.monotonic() - start < 10


def test_a_time_limit_ends_what_the_executable_started(tmp_path):
    script = tmp_path / "slow.sh"
    script.write_text(f"#!/bin/sh\nsleep 60 &\necho $! > {tmp_path}/pid\nsleep 60\n")
    script.chmod(0o755)
    simulator = Command([str(script), "{a}", "{b}"], SPACE, ["x"], timeout=1.0)
    with pytest.raises(SimulatorError, match="time limit"):
        run(simulator)
    child = int((tmp_path / "pid").read_text())
    deadline = time.monotonic() + 5
    while alive(child) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not alive(child)


def alive(pid):
    try:
        os.kill(pid, 0)
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (ProcessLookupError, FileNotFoundError):
        return False
    return state != "Z"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"command": "echo {a}"}, "must be a list"),
        ({"command": []}, "must be a list"),
        ({"command": ["no-such-program", "{a}", "{b}"]}, "no executable 'no-such-program'"),
        ({"command": ["echo", "{alpha}", "{b}"]}, r"\{alpha\}.*no parameter"),
        ({"command": ["echo", "{a}"]}, "never gets the parameter 'b'"),
        ({"command": ["echo", "{a", "{b}"]}, "placeholders cannot be read"),
        ({"space": {"a": {"low": 2, "high": 1}}}, "'a'"),
        ({"space": {"a": {"lo": 2, "high": 1}}}, "unexpected keyword argument 'lo'"),
        ({"space": ["a"]}, "space must be a Space, or a mapping"),
        ({"outputs": ["x", "x"]}, "more than once"),
        ({"timeout": -1}, "timeout must be a positive"),
    ],
)
def test_mistakes_are_told_at_once(arguments, message):
    fine = {"command": ["echo", "{a}", "{b}"], "space": SPACE, "outputs": ["x"]}
    with pytest.raises(EquatoriumError, match=message) as caught:
        Command(**fine | arguments)
    assert isinstance(caught.value, InputError)


def test_a_parameter_may_be_called_seed():
    space = {"seed": {"low": 0, "high": 9}}
    simulator = Command(["echo", "{seed}"], space, ["x"])
    np.testing.assert_array_equal(run(simulator, [2.5]), [2.5])


def test_braces_in_arguments_and_paths(tmp_path):
    script = tmp_path / "a{b}.py"
    script.write_text("import sys; print(sys.argv[1].count('{'))")
    simulator = Command([sys.executable, str(script), "{{{a}}}", "{b}"], SPACE, ["x"])
    np.testing.assert_array_equal(run(simulator), [1])
