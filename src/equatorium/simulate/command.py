"""Any executable as a simulator: parameters as arguments or JSON, numbers from what it writes."""

import contextlib
import json
import os
import shutil
import signal
import string
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from equatorium.checks import FloatArray, Rng, generator
from equatorium.errors import InputError, SimulatorError, did_you_mean
from equatorium.interfaces.simulator import Simulated, Simulator
from equatorium.records.outputs import Outputs
from equatorium.records.space import Parameter, Space
from equatorium.simulate.workers import describe_exit

_SHOWN = 600  # characters of a program's own words in an error


class Command(Simulator):
    """Run an executable in a fresh folder of its own.

    The executable gets its parameters by placeholders in its arguments, or as a JSON object on
    stdin, and writes p numbers, separated by blanks, commas or line ends (lines that start with #
    are skipped), or JSON: a list of p numbers, or an object with a number for every output name.

    Parameters
    ----------
    command : sequence of str
        The executable and its arguments. ``{name}`` stands for a parameter's value, with all its
        digits (or as formatted, ``{name:.3f}``), ``{seed}`` for a seed of the run; write ``{{``
        for a brace. The executable, and arguments that name existing files, are found from the
        folder in which this object is made.
    space : Space, or mapping
        The parameters; as a mapping ``{name: {"low": 0, "high": 1, ...}}``, which alone has a
        written form.
    outputs : Outputs, or sequence of str
        The outputs; as names alone, which have a written form, where they have no coordinates.
    stdin : bool
        Write ``{"parameter": value, ..., "seed": seed}`` to the executable's stdin.
    file : str, optional
        The file in its folder that it writes; by default its stdout is read.
    timeout : float, optional
        Seconds after which a run is stopped and counts as failed.
    name, version : str
        Raise the version whenever the executable changes: finished runs are known by it.

    Raises
    ------
    InputError
        When there is no such executable, a placeholder is no parameter, or a free parameter would
        not reach the executable.

    Examples
    --------
    >>> simulator = Command(
    ...     ["expr", "{a:.0f}", "+", "{b:.0f}"],
    ...     {"a": {"low": 0, "high": 9}, "b": {"low": 0, "high": 9}},
    ...     ["sum"],
    ... )
    >>> simulator.evaluate([2.0, 3.0], rng=0).values.tolist()
    [5.0]
    """

    def __init__(
        self,
        command: Sequence[str],
        space: Space | Mapping[str, Mapping[str, Any]],
        outputs: Outputs | Sequence[str],
        *,
        stdin: bool = False,
        file: str | None = None,
        timeout: float | None = None,
        name: str = "command",
        version: str = "1",
    ) -> None:
        if isinstance(command, str) or not command:
            raise InputError(
                f"command must be a list, the executable and its arguments, not {command!r}"
            )
        if timeout is not None and not timeout > 0:
            raise InputError(f"timeout must be a positive number of seconds, but it is {timeout!r}")
        self.name, self.version = name, str(version)
        self.space = _as_space(space)
        self.outputs = outputs if isinstance(outputs, Outputs) else Outputs(outputs)
        self.stdin, self.file, self.timeout = bool(stdin), file, timeout
        self.options = {"command": [str(part) for part in command], "stdin": self.stdin}
        if file is not None:
            self.options["file"] = file
        self._check_placeholders()
        self._parts = _located(self.options["command"])
        self._declared = {"space": space, "outputs": outputs}

    @classmethod
    def conformance_options(cls) -> dict[str, Any]:
        """Return a program that is everywhere, adding two numbers."""
        between = {"low": 0, "high": 9}
        return {
            "command": ["expr", "{a:.0f}", "+", "{b:.0f}"],
            "space": {"a": between, "b": between},
            "outputs": ["sum"],
        }

    def get_params(self, deep: bool = False) -> dict[str, Any]:
        """Return all that it was made with; `options` are what decides a run's result."""
        rest = {name: getattr(self, name) for name in ("file", "timeout", "name", "version")}
        return {**self.options, **self._declared, **rest}

    def __call__(self, theta: FloatArray, *, rng: Rng) -> Simulated:
        """Run the executable once.

        Raises
        ------
        SimulatorError
            When it fails, takes too long, or does not write what is expected.
        """
        values: dict[str, Any] = dict(zip(self.space.all_names, map(float, theta), strict=True))
        values.setdefault("seed", int(generator(rng).integers(2**31)))
        message = json.dumps(values) if self.stdin else ""
        parts = [part.format(**values) for part in self._parts]
        with tempfile.TemporaryDirectory(prefix="equatorium-") as folder:
            text = self._run(parts, message, folder)
            if self.file is not None:
                text = self._read(Path(folder) / self.file)
        return Simulated(self._numbers(text), info={"seed": values["seed"]})

    def _run(self, parts: list[str], message: str, folder: str) -> str:
        """Run to the end, and end all that it started if that does not come."""
        try:
            process = subprocess.Popen(
                parts,
                cwd=folder,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                errors="replace",
                start_new_session=True,
            )
        except OSError as error:
            raise SimulatorError(f"cannot start {parts[0]}: {error.strerror}") from error
        try:
            out, err = process.communicate(message, timeout=self.timeout)
        except subprocess.TimeoutExpired:
            _end(process)
            raise SimulatorError(
                f"{self._shown(parts)} was stopped after its time limit of {self.timeout:g} s"
            ) from None
        except BaseException:
            _end(process)
            raise
        if process.returncode != 0:
            raise SimulatorError(
                f"{self._shown(parts)} {describe_exit(process.returncode)}. It wrote: "
                f"{_tail(err) or _tail(out) or 'nothing'}"
            )
        return out

    def _read(self, path: Path) -> str:
        try:
            return path.read_text(errors="replace")
        except OSError as error:
            raise SimulatorError(
                f"{self.name} did not write the file {self.file!r} in the folder that it ran in: "
                f"{error.strerror}"
            ) from error

    def _numbers(self, text: str) -> FloatArray:
        """Find p numbers in what the executable wrote."""
        try:
            found = _parsed(text, self.outputs.names)
        except (ValueError, TypeError, KeyError) as error:
            raise SimulatorError(
                f"what {self.name} wrote is not numbers ({type(error).__name__}: {error}). "
                f"It ends: {_tail(text)!r}"
            ) from error
        if found.shape != (self.outputs.p,):
            raise SimulatorError(
                f"{self.name} wrote {found.size} numbers, expected {self.outputs.p}, one for each "
                f"output. It ends: {_tail(text)!r}"
            )
        return found

    def _check_placeholders(self) -> None:
        names = self.space.all_names
        try:
            pieces = [piece for part in self.options["command"] for piece in _PARSE(part)]
        except ValueError as error:
            raise InputError(f"the command's placeholders cannot be read: {error}") from error
        used = {field for _, field, _, _ in pieces if field is not None}
        for field in sorted(used - {*names, "seed"}):
            raise InputError(
                f"the command has a placeholder {{{field}}}, which is no parameter."
                f"{did_you_mean(field, names)} Known: {', '.join(names)}, seed. "
                "Write {{ and }} for braces"
            )
        missing = [name for name in self.space.names if name not in used]
        if missing and not self.stdin:
            raise InputError(
                f"the command never gets the parameter {missing[0]!r}: put {{{missing[0]}}} into "
                "its arguments, or set stdin=True to give all parameters as JSON"
            )

    @staticmethod
    def _shown(parts: list[str]) -> str:
        line = " ".join(parts)
        return line if len(line) <= 200 else line[:197] + "..."


_PARSE = string.Formatter().parse


def _as_space(space: Space | Mapping[str, Mapping[str, Any]]) -> Space:
    if isinstance(space, Space):
        return space
    try:
        return Space([Parameter(name, **dict(rest)) for name, rest in dict(space).items()])
    except (TypeError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(
            "space must be a Space, or a mapping such as {'a': {'low': 0, 'high': 1}}; "
            f"this one does not do: {error}"
        ) from error


def _located(command: Sequence[str]) -> list[str]:
    """Make the executable's path, and those of existing files, absolute."""
    executable = shutil.which(command[0])
    if executable is None:
        raise InputError(
            f"there is no executable {command[0]!r}, neither on the PATH nor seen from "
            f"{Path.cwd()}. Give its path, and make it executable (chmod +x)"
        )
    return [
        str(Path(part).absolute()).replace("{", "{{").replace("}", "}}")
        if Path(part).is_file()
        else part
        for part in (executable, *command[1:])
    ]


def _parsed(text: str, names: Sequence[str]) -> FloatArray:
    text = text.strip()
    if text[:1] in ("[", "{"):
        found = json.loads(text)
        if isinstance(found, dict):
            found = [found[name] for name in names]
        return np.array(found, dtype=np.float64)
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    words = " ".join(lines).replace(",", " ").split()
    # Fortran writes 1.0D+03.
    return np.array([float(word.replace("D", "E").replace("d", "e")) for word in words])


def _end(process: "subprocess.Popen[str]") -> None:
    """Kill a process and, where the system has process groups, all that it started."""
    with contextlib.suppress(ProcessLookupError):
        if hasattr(os, "killpg"):
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.communicate(timeout=5)


def _tail(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= _SHOWN else "..." + text[-_SHOWN:]
