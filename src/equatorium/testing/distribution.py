"""A distribution under test: its methods, and what a fresh process says of them, asked once."""

import json
import os
import signal
import subprocess
import sys
import tempfile
from functools import cached_property
from pathlib import Path
from typing import Any

from equatorium import registry, storage
from equatorium.discovery import canonical
from equatorium.entry import LOCAL, Entry
from equatorium.errors import InputError, did_you_mean
from equatorium.testing.case import MODELS, Case, answers
from equatorium.testing.reference import lent

_PATIENCE = 600.0  # seconds for all that is done in the fresh process

_LIST = """
import json, sys
before = set(sys.modules)
import equatorium
equatorium.methods()
print("\\n" + json.dumps(sorted({name.split(".")[0] for name in set(sys.modules) - before})))
"""


class Distribution:
    """All methods of one installed distribution, or ``local``: those of the running process.

    Parameters
    ----------
    name : str

    Raises
    ------
    InputError
        If it offers no method.
    """

    def __init__(self, name: str) -> None:
        self.name = canonical(name)
        entries = [entry for entry in registry.methods() if entry.dist == self.name]
        if not entries:
            raise InputError(_unknown(self.name))
        self.cases = [Case(entry, self._elsewhere) for entry in entries]
        self._failed: dict[tuple[str, str], str] = {}

    @property
    def installed(self) -> bool:
        """Whether a fresh process finds it too."""
        return self.name != LOCAL

    @property
    def models(self) -> list[Case]:
        """The cases of emulators, classifiers and embedders."""
        return [case for case in self.cases if set(MODELS) & set(case.entry.roles)]

    @property
    def entries(self) -> list[Entry]:
        """The registrations."""
        return [case.entry for case in self.cases]

    @cached_property
    def listed(self) -> list[str]:
        """Top-level modules that a fresh process holds once it has listed the methods."""
        out = subprocess.run(
            [sys.executable, "-W", "ignore", "-c", _LIST],
            capture_output=True,
            text=True,
            env={**_environment(), "EQUATORIUM_PLUGINS": self.name},
            check=False,
            timeout=60.0,  # seconds; a plugin that hangs when it is read is told of
        )
        if out.returncode:
            raise RuntimeError(f"listing failed in a fresh process:\n{out.stderr[-2000:]}")
        names: list[str] = json.loads(out.stdout.splitlines()[-1])
        return names

    def hostile(self) -> str:
        """Say what was wrong when spoilt files of the distribution's first savable model were read.

        Empty if all were refused, or if no model can be saved, which is another check's business.
        """
        return self._verdicts.get(("hostile", ""), "")

    def _elsewhere(self, job: str, name: str) -> str:
        return self._verdicts[job, name]

    @cached_property
    def _verdicts(self) -> dict[tuple[str, str], str]:
        """What each job in the fresh process complained of."""
        with tempfile.TemporaryDirectory(prefix="equatorium-") as folder, lent():
            return self._run(Path(folder))

    def _run(self, folder: Path) -> dict[tuple[str, str], str]:
        found: dict[tuple[str, str], str] = {}
        jobs: list[dict[str, str]] = []
        for number, case in enumerate(self.models):
            file = f"{number}.h5"
            try:
                _keep(case, folder / file)
            except Exception as error:
                complaint = f"it cannot be fitted and saved: {type(error).__name__}: {error}"
                found["load", case.name] = found["tamper", case.name] = complaint
                continue
            jobs += [{"job": job, "name": case.name, "file": file} for job in ("load", "tamper")]
        if jobs:
            jobs.append({"job": "hostile", "name": "", "file": jobs[0]["file"]})
        (folder / "jobs.json").write_text(json.dumps(jobs))
        for job, complaint in zip(jobs, _complaints(folder, len(jobs)), strict=True):
            found[job["job"], job["name"]] = complaint
        return found


def _keep(case: Case, path: Path) -> None:
    """Fit a model, write it, and beside it what it says."""
    task = case.task()
    model = case.fitted(task)
    model.save(path)
    told = {"query": task.query, "answers": answers(model, task.query)}
    storage.save(path.with_suffix(".answers"), told)


def _complaints(folder: Path, jobs: int) -> list[str]:
    """Run the jobs in a fresh process, and, after a crash, the rest in another."""
    found: list[str] = []
    log = folder / "log"
    log.touch()
    while len(found) < jobs:
        call = "import sys; from equatorium.testing.worker import main; main(sys.argv[1], "
        ended = _call(f"{call}{len(found)})", folder)
        lines: list[dict[str, Any]] = [json.loads(line) for line in log.read_text().splitlines()]
        found += [line["done"] for line in lines if "done" in line]
        if len(found) < jobs:
            doing = lines[-1].get("doing", "") if lines else ""
            found.append(f"{ended} {'with ' + doing if doing else 'before it began'}")
        log.write_text("")
    return found


def _call(code: str, folder: Path) -> str:
    """Run Python code in a fresh process; say how it ended."""
    command = [sys.executable, "-W", "ignore", "-c", code, str(folder)]
    with (folder / "stderr").open("w+") as stderr:
        try:
            done = subprocess.run(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=stderr,
                env=_environment(),
                timeout=_PATIENCE,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return f"the process hung for {_PATIENCE:g} s"
        stderr.seek(0)
        tail = stderr.read()[-500:].strip()
    if done.returncode < 0:
        name = signal.Signals(-done.returncode).name
        return f"the process died of {name}"
    return f"the process ended with {done.returncode} ({tail})"


def _environment() -> dict[str, str]:
    """Let the fresh process find what this one finds."""
    paths = [path for path in sys.path if path]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}


def _unknown(name: str) -> str:
    known = sorted({entry.dist for entry in registry.methods()})
    broken = [str(problem) for problem in registry.problems() if problem.plugin == name]
    why = f" It is broken: {'; '.join(broken)}." if broken else did_you_mean(name, known)
    return (
        f"the distribution {name!r} offers no method here.{why} Known: {', '.join(known)}. "
        f"Is it installed, with an entry point in the group 'equatorium.plugins'?"
    )
