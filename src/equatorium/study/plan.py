"""A study written down: the schema of study.toml, and its way into a `Study`.

Every table and key is listed in `SCHEMA`; anything else raises with a did-you-mean.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_type_hints

from equatorium import registry
from equatorium.errors import ConfigurationError, EquatoriumError, did_you_mean
from equatorium.inference.convergence import limits
from equatorium.records.discrepancy import Discrepancy
from equatorium.records.observation import Observation
from equatorium.records.runs import Runs
from equatorium.records.space import Space
from equatorium.study.checks import Refused, find_check
from equatorium.study.study import Study
from equatorium.study.waveplan import WavePlan

# The forms that a value may have, with the words for them in an error.
_NUMBER, _TEXT, _TABLE, _YES_NO = "a number", "text", "a table { ... }", "true or false"
_WHOLE, _NAMES = "a whole number", "a list of names"
_FORMS: dict[str, tuple[type, ...]] = {
    _NUMBER: (int, float),
    _WHOLE: (int,),
    _TEXT: (str,),
    _TABLE: (dict,),
    _NAMES: (list,),
    _YES_NO: (bool,),
    "a number, a parameter's name or arithmetic": (int, float, str),
    "text or a table { ... }": (str, dict),
}
_METHOD = {"use": _TEXT, "options": _TABLE}
_WAVE = {int: _WHOLE, float: _NUMBER, str: _TEXT}
SCHEMA: dict[str, dict[str, str]] = {
    "study": {"seed": _WHOLE, "store": _TEXT, "report": _TEXT, "checks": _NAMES},
    "simulator": _METHOD,
    "runs": {"path": _TEXT, "inputs": _NAMES, "outputs": _NAMES, "noise": _NAMES},
    "observation": {"use": _TEXT, "path": _TEXT, "select": _TABLE},
    "discrepancy": {
        "std": _NUMBER,
        "fraction": _NUMBER,
        "length": _TABLE,
        "shift": _TABLE,
        "diagonal": _YES_NO,
    },
    "emulator": {**_METHOD, "accept": _YES_NO},
    "wave": {name: _WAVE[kind] for name, kind in get_type_hints(WavePlan).items()},
    "sampler": {**_METHOD, "until": _TABLE},
}
PARAMETER_KEYS = {
    "fixed": "a number, a parameter's name or arithmetic",
    **dict.fromkeys(("low", "high", "default"), _NUMBER),
    **dict.fromkeys(("scale", "unit", "label", "above", "below"), _TEXT),
    "prior": "text or a table { ... }",
}


@dataclass(frozen=True)
class Plan:
    """What a study.toml asks for; `execute` does it, and resumes where it was interrupted.

    Attributes
    ----------
    study : Study
        The study, with nothing computed yet.
    waves : tuple of WavePlan
        The waves of history matching; empty for none.
    sampler : dict or None
        ``{"use": name, "options": {...}}``.
    report : Path
        The folder of the figures and the summary.
    accept : bool
        Go on with an emulator that fails its validation (recorded).
    checks : tuple of str
        The checks of the posterior that are made for the report.
    """

    study: Study
    waves: tuple[WavePlan, ...]
    sampler: dict[str, Any] | None
    report: Path
    accept: bool = False
    checks: tuple[str, ...] = ()

    def execute(self) -> list[Path]:
        """Walk the whole line and return the files of the report."""
        _check_writable(self.report)
        if self.waves:
            self.study.history_match(self.waves, accept=self.accept)
        else:
            self.study.emulate(accept=self.accept)
        if self.sampler is not None:
            self.study.sample(
                registry.create("sampler", self.sampler["use"], **self.sampler["options"])
            )
        for name in self.checks:
            try:
                self.study.check(name)
            except EquatoriumError as error:  # what took hours is reported all the same
                self.study.checks[name] = Refused(str(error))
        return self.study.write_report(self.report)


def read_plan(path: str | Path) -> Plan:
    """Read a study.toml.

    Parameters
    ----------
    path : str or Path
        The file; relative paths in it are seen from its folder, except ``store`` and
        ``report``, which are seen from the working directory.

    Raises
    ------
    ConfigurationError
        For a file that is not TOML, an unknown table or key, or a value that does not fit.
    """
    path = Path(path)
    try:
        tables = tomllib.loads(path.read_text())
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"cannot read {path}: {error}") from error
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError(f"{path} is not valid TOML: {error}") from error
    try:
        return _plan(tables, path.parent)
    except EquatoriumError as error:
        raise ConfigurationError(f"{path}: {error}") from error


def _plan(tables: dict[str, Any], folder: Path) -> Plan:
    _check(tables)
    head = tables.get("study", {})
    source, space = _source(tables, folder)
    space = _parameters(space, tables.get("parameters", {}))
    emulator = dict(tables.get("emulator", {"use": "trend-gp"}))
    accept = bool(emulator.pop("accept", False))
    study = Study(
        source,
        _observation(tables.get("observation", {}), source, folder),
        space=space,
        emulator=registry.from_spec("emulator", emulator),
        discrepancy=Discrepancy(**tables.get("discrepancy", {})),
        store=head.get("store", "study.h5"),
        seed=head.get("seed", 0),
    )
    checks = tuple(head.get("checks", ()))
    for name in checks:
        find_check(name)
    return Plan(
        study=study,
        waves=tuple(WavePlan(**wave) for wave in tables.get("wave", ())),
        sampler=_sampler(tables.get("sampler")),
        report=Path(head.get("report", "report")),
        accept=accept,
        checks=checks,
    )


def _check(tables: dict[str, Any]) -> None:
    """Refuse unknown tables and keys, and values of the wrong form."""
    known = {*SCHEMA, "parameters"}
    for name, table in tables.items():
        if name not in known:
            raise ConfigurationError(
                f"unknown table [{name}].{did_you_mean(name, known)} Known: {sorted(known)}"
            )
        rows = table if name == "wave" else [table]
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            form = "[[wave]] (an array of tables)" if name == "wave" else f"[{name}] (a table)"
            raise ConfigurationError(f"{name} must be written as {form}")
        for row in rows if name != "parameters" else ():
            _check_keys(f"[{name}]", row, SCHEMA[name])
    for name, row in tables.get("parameters", {}).items():
        if not isinstance(row, dict):
            raise ConfigurationError(
                f"[parameters] {name} must be a table such as {{ fixed = 1.0 }} or "
                f"{{ low = 0.0, high = 1.0 }}, not {row!r}"
            )
        _check_keys(f"[parameters] {name}", row, PARAMETER_KEYS)
    if ("simulator" in tables) == ("runs" in tables):
        raise ConfigurationError(
            "give either a [simulator] (to run it) or [runs] (a table of runs made already)"
        )


def _check_keys(where: str, row: dict[str, Any], known: Mapping[str, str]) -> None:
    for key, value in row.items():
        if key not in known:
            raise ConfigurationError(
                f"unknown key {key!r} in {where}.{did_you_mean(key, known)} Known: {sorted(known)}"
            )
        form = known[key]
        if not isinstance(value, _FORMS[form]) or (isinstance(value, bool) and form != _YES_NO):
            raise ConfigurationError(f"{key} in {where} must be {form}, but it is {value!r}")


def _source(tables: dict[str, Any], folder: Path) -> tuple[Any, Space]:
    if "simulator" in tables:
        spec = tables["simulator"]
        _need("[simulator]", spec, "use")
        simulator = registry.create("simulator", spec["use"], **spec.get("options", {}))
        return simulator, simulator.space
    spec = dict(tables["runs"])
    for key in ("path", "inputs", "outputs"):
        _need("[runs]", spec, key)
    runs = Runs.read(folder / spec.pop("path"), **spec)
    return runs, runs.space


def _need(where: str, table: dict[str, Any], key: str) -> None:
    if key not in table:
        raise ConfigurationError(f"{where} needs the key {key!r}")


def _parameters(space: Space, rows: dict[str, dict[str, Any]]) -> Space:
    for name, row in rows.items():
        if "fixed" in row:
            if len(row) > 1:
                raise ConfigurationError(f"[parameters] {name}: 'fixed' stands alone")
            space = space.fix(**{name: row["fixed"]})
        else:
            space = space.replace(name, **row)
    return space


def _observation(table: dict[str, Any], source: Any, folder: Path) -> Observation:
    if ("use" in table) == ("path" in table):
        raise ConfigurationError("[observation] needs either 'use' (a name) or 'path' (a file)")
    if "path" in table:
        observation = Observation.read(folder / table["path"])
    else:
        if isinstance(source, Runs):
            raise ConfigurationError("a table of runs brings no observation: give 'path'")
        observation = source.observed(table["use"])
    select = {name: _range(name, value) for name, value in table.get("select", {}).items()}
    return observation.select(**select) if select else observation


def _range(name: str, value: Any) -> Any:
    numbers = value if isinstance(value, list) else [value]
    if len(numbers) > 2 or not all(type(x) in (int, float) for x in numbers):
        raise ConfigurationError(
            f"select of {name!r} must be a number or a range [low, high], but it is {value!r}"
        )
    return tuple(value) if len(numbers) == 2 else value


def _sampler(table: dict[str, Any] | None) -> dict[str, Any] | None:
    if table is None:
        return None
    options = dict(table.get("options", {}))
    if "until" in table:
        options["until"] = limits(table["until"])
    spec = {"use": table.get("use", "emcee"), "options": options}
    registry.from_spec("sampler", spec)  # a typing error is told before hours of runs
    return spec


def _check_writable(folder: Path) -> None:
    """Find out before hours of work, not after them."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / ".writable"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise ConfigurationError(
            f"cannot write the report into {folder}: {error.strerror}; "
            f"choose another folder with report = ... in [study]"
        ) from error
