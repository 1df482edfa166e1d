"""An observation as a table: one row a datum, columns that a person can write by hand."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from equatorium.errors import FileFormatError
from equatorium.records.covariance import Dense, Diagonal, LowRank
from equatorium.records.tables import column

_OWN = ("value", "error", "covariance", "factor", "name", "limit")


def table_of(state: Mapping[str, Any]) -> Any:
    """Make an astropy Table of an observation's state."""
    from astropy.table import Table
    from astropy.units import Unit

    table = Table()
    if state["names"] is not None:
        table["name"] = state["names"]
    for name, values in state["coords"].items():
        table[name] = values
    table["value"] = state["values"]
    covariance = state["covariance"]
    if isinstance(covariance, Diagonal | LowRank):
        table["error"] = np.sqrt(covariance.variance)
    if isinstance(covariance, LowRank):
        table["factor"] = covariance.factor
    if isinstance(covariance, Dense):
        table["covariance"] = covariance.matrix
    if "limit" in state:
        table["limit"] = state["limit"]
    for name, unit in {**state["units"], "value": state["unit"]}.items():
        # Units that astropy knows are shown to other tools; ours are kept as text in any case.
        if unit and not isinstance(Unit(unit, parse_strict="silent"), _unrecognised()):
            table[name].unit = unit
    table.meta.update(state["meta"])
    table.meta["observation"] = {key: state[key] for key in ("label", "unit", "units")}
    return table


def _unrecognised() -> type:
    from astropy.units import UnrecognizedUnit

    return UnrecognizedUnit  # type: ignore[no-any-return]


def fields_of(table: Any, path: str) -> dict[str, Any]:
    """Read the constructor's arguments from a table; see `Observation.read` for its columns."""
    for needed in (("value",), ("error", "covariance")):
        if not set(needed) & set(table.colnames):
            raise FileFormatError(
                f"{path} has no column {' or '.join(map(repr, needed))}; it has "
                f"{', '.join(table.colnames)}. An observation needs 'value' and 'error' (or "
                "'covariance')."
            )
    if {"error", "covariance"} <= set(table.colnames):
        raise FileFormatError(f"{path} has both 'error' and 'covariance'; remove one of them.")
    meta = dict(table.meta)
    own = dict(meta.pop("observation", {}))
    if "covariance" in table.colnames:
        covariance: Any = Dense(column(table, "covariance"))
    elif "factor" in table.colnames:
        factor = column(table, "factor")
        covariance = LowRank(column(table, "error") ** 2, factor.reshape(len(table), -1))
    else:
        covariance = column(table, "error", allow_nan=True)
    coords = [
        n for n in table.colnames if n not in _OWN and np.asarray(table[n]).dtype.kind in "biuf"
    ]
    shown = {n: str(table[n].unit) for n in ("value", *coords) if table[n].unit is not None}
    return {
        "values": column(table, "value", allow_nan=True),
        "covariance": covariance,
        "coords": {name: column(table, name, allow_nan=True) for name in coords},
        "names": [str(n) for n in table["name"]] if "name" in table.colnames else None,
        "unit": own.get("unit") or shown.get("value", ""),
        "units": {n: u for n, u in shown.items() if n != "value"} | dict(own.get("units", {})),
        "label": own.get("label", ""),
        "meta": meta,
        "limit": column(table, "limit") if "limit" in table.colnames else None,
    }
