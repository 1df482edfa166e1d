"""What must hold of files: the same numbers elsewhere, damage refused, nothing hostile believed."""

import tempfile
from pathlib import Path

from equatorium import storage
from equatorium.testing.case import Case, answers, differences, expect
from equatorium.testing.declared import check_for
from equatorium.testing.distribution import Distribution


@check_for("model")
def a_file_gives_the_same_numbers(case: Case) -> None:
    """Saved and loaded, a model answers bit for bit the same, and has the same options."""
    task = case.task()
    model = case.fitted(task)
    with tempfile.TemporaryDirectory(prefix="equatorium-") as folder:
        path = Path(folder) / "model.h5"
        model.save(path)
        again = storage.load(path)
    expect(type(again) is type(model), f"a {type(again).__name__} comes back")
    odd = differences(answers(model, task.query), answers(again, task.query))
    expect(not odd, f"loaded, it answers otherwise: {', '.join(odd)}")
    options = model.get_params(deep=False)
    changed = [k for k, v in again.get_params(deep=False).items() if repr(v) != repr(options[k])]
    expect(not changed, f"the options {', '.join(changed)} come back changed")


@check_for("model", installed=True)
def a_fresh_process_gives_the_same_numbers(case: Case) -> None:
    """Loaded in a process that has not fitted anything, it answers bit for bit the same."""
    complaint = case.elsewhere("load")
    expect(not complaint, complaint)


@check_for("model", installed=True)
def a_damaged_state_is_refused(case: Case) -> None:
    """Every array of its state, cut, misshapen, emptied of sense or missing: refused, no crash."""
    complaint = case.elsewhere("tamper")
    expect(not complaint, complaint)


@check_for("model", once=True, installed=True)
def hostile_files_are_refused(distribution: Distribution) -> None:
    """Links, foreign storage, objects, absurd claims, newer formats: FileFormatError, no crash."""
    complaint = distribution.hostile()
    expect(not complaint, complaint)
