"""Runs as a table: a column for each parameter, output and noise variance, and the status."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from equatorium.checks import FloatArray
from equatorium.errors import FileFormatError, InputError
from equatorium.records.base import entries
from equatorium.records.outputs import Outputs
from equatorium.records.space import Parameter, Space
from equatorium.records.tables import column, column_names, columns

_KEY = "EQRUNS"  # six letters, so that it is a FITS keyword
_VARIANCE = "_variance"


def table_of_runs(state: Mapping[str, Any]) -> Any:
    """Make an astropy Table of the state of runs; space and outputs travel in its meta as JSON."""
    from astropy.table import Table

    space, outputs = state["space"], state["outputs"]
    table = Table()
    blocks = [(space.names, state["X"]), (outputs.names, state["Y"])]
    if state["noise"] is not None:
        blocks.append((tuple(name + _VARIANCE for name in outputs.names), state["noise"]))
    for names, block in blocks:
        for name, values in zip(names, block.T, strict=True):
            if name in table.colnames or name == "status":
                raise InputError(f"{name!r} would name two columns of the table; rename one.")
            table[name] = values
    table["status"] = state["status"]
    outline = outputs.get_state()
    outline["coords"] = {name: values.tolist() for name, values in outline["coords"].items()}
    told = {"space": space.get_state(), "outputs": outline, "meta": state["meta"]}
    table.meta[_KEY] = json.dumps(told)
    return table


def stored_records(table: Any) -> tuple[Space, Outputs, dict[str, Any]] | None:
    """Give the space, outputs and meta that `table_of_runs` left in a table's meta, or None."""
    if _KEY not in table.meta:
        return None
    try:
        told = dict(json.loads(table.meta[_KEY]))
    except (TypeError, ValueError) as error:
        raise FileFormatError(
            f"The table's entry {_KEY}, which says what its columns are, is damaged: {error}. "
            "Name the columns instead: inputs=[...], outputs=[...]."
        ) from error
    space, outputs, meta = entries(told, "space", "outputs", "meta", of="table of runs")
    return Space.from_state(space), Outputs.from_state(outputs), dict(meta)


def inferred_space(table: Any, inputs: Sequence[str]) -> Space:
    """Give a space of linear parameters whose box is the range of the data."""
    parameters = []
    for name in inputs:
        values = column(table, name)
        low, high = float(np.min(values)), float(np.max(values))
        if not low < high:
            raise InputError(
                f"Column {name!r} is {low:.6g} in all rows, so no range can be taken from it. "
                "Leave it out of inputs, or give a space."
            )
        unit = getattr(table[name], "unit", None)
        parameters.append(Parameter(name, low, high, unit="" if unit is None else str(unit)))
    return Space(parameters)


def runs_fields(
    table: Any, space: Space, outputs: Outputs, noise: Sequence[str] | None
) -> dict[str, Any]:
    """Read X, Y, noise, status and meta from a table; rows with missing outputs become failed."""
    known = column_names(table)
    X = columns(table, space.names, tuple(p.unit for p in space.parameters))
    Y = _block(table, tuple(outputs.names))
    own = [name + _VARIANCE for name in outputs.names]
    if noise is None and set(own) <= set(known):
        noise = own
    variance = None if noise is None else _block(table, tuple(noise))
    status = [str(s) for s in table["status"]] if "status" in known else ["ok"] * len(X)
    gone = ~np.isfinite(Y if variance is None else np.hstack([Y, variance]))
    labels = [*outputs.names, *(noise or ())]
    for i in np.flatnonzero(gone.any(1)):
        if status[i] == "ok":
            status[i] = f"failed: no value in column {labels[int(np.argmax(gone[i]))]!r}"
    meta = {k: v for k, v in dict(getattr(table, "meta", None) or {}).items() if k != _KEY}
    return {"X": X, "Y": Y, "noise": variance, "status": status, "meta": meta}


def _block(table: Any, names: tuple[str, ...]) -> FloatArray:
    return columns(table, names, ("",) * len(names), allow_nan=True)
