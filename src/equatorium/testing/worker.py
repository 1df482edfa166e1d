"""What runs in a process of its own: loading, damaged states, hostile files, each may crash it.

The parent (`equatorium.testing.distribution`) reads the log, a line of JSON for each thing begun or
done, so that even a crash tells what it was about.
"""

import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.base import clone

from equatorium import storage
from equatorium.errors import FileFormatError
from equatorium.testing.case import answers, differences
from equatorium.testing.hostile import spoilt
from equatorium.testing.reference import lent
from equatorium.testing.tamper import tampered

_ROOM = 4 * 2**30  # bytes that a damaged state may ask for, beyond what is in use

Note = Callable[..., None]


def main(folder: str, start: int) -> None:
    """Do the jobs of ``jobs.json`` from number ``start`` on, logging into ``log``."""
    place = Path(folder)
    jobs = json.loads((place / "jobs.json").read_text())
    with lent(), (place / "log").open("a") as log:
        for number, job in list(enumerate(jobs))[start:]:

            def note(number: int = number, **what: str) -> None:
                log.write(json.dumps({"job": number, **what}) + "\n")
                log.flush()

            note(doing="at the start")
            try:
                complaint = _JOBS[job["job"]](place / job["file"], note)
            except Exception as error:
                complaint = f"{type(error).__name__}: {error}"
            note(done=complaint)


def _load(path: Path, note: Note) -> str:
    """Read a model; it must say what it said in the process that wrote it."""
    kept = storage.load(path.with_suffix(".answers"))
    odd = differences(kept["answers"], answers(storage.load(path), kept["query"]))
    return f"in a fresh process, other numbers than before: {', '.join(odd)}" if odd else ""


def _tamper(path: Path, note: Note) -> str:
    """Hand damaged states to a model; it must refuse them, or still give numbers."""
    query = storage.load(path.with_suffix(".answers"))["query"]
    model = storage.load(path)
    _limit_memory()
    good, odd = answers(model, query), []
    for what, state in tampered(model.get_state()):
        note(doing=f"a state with {what}")
        try:
            found = answers(clone(model).set_state(state), query)
        except Exception:  # a refusal of any kind is fine, a crash or nonsense is not
            continue
        if not _sensible(found, good):
            odd.append(what)
    return f"nonsense was predicted from a state with {'; '.join(odd)}" if odd else ""


def _hostile(path: Path, note: Note) -> str:
    """Read spoilt copies of a file; each must be refused as a file that cannot be trusted."""
    storage.load(path)
    odd = []
    for what, copy in spoilt(path):
        note(doing=f"a file with {what}")
        try:
            storage.load(copy)
            odd.append(f"{what} was accepted")
        except FileFormatError:
            pass
        except Exception as error:
            odd.append(f"{what} raised {type(error).__name__} instead of FileFormatError")
    return "; ".join(odd)


_JOBS = {"load": _load, "tamper": _tamper, "hostile": _hostile}


def _sensible(found: Mapping[str, Any], good: Mapping[str, Any]) -> bool:
    return all(
        len(found[name]) == len(good[name])  # one axis less may be a smaller model
        and (found[name].dtype.kind != "f" or bool(np.isfinite(found[name]).all()))
        for name in good
    )


def _limit_memory() -> None:
    """Let an absurd claim raise MemoryError, where the system can do that."""
    try:
        import resource

        pages = int(Path("/proc/self/statm").read_text().split()[0])
        used = pages * os.sysconf("SC_PAGE_SIZE")
        most = resource.getrlimit(resource.RLIMIT_AS)[1]
        room = used + _ROOM if most == resource.RLIM_INFINITY else min(used + _ROOM, most)
        resource.setrlimit(resource.RLIMIT_AS, (room, most))
    except (ImportError, OSError, ValueError):
        return
