"""Objects in files: a tree of numbers, JSON values, records and models, and never a pickle.

In HDF5 a mapping is a group: its arrays are datasets, its JSON values stand together in one text
called ``%json``, with the order of the keys and what the group is. A record is named by a word of a
closed table, a model by its ``distribution/name`` in the registry: a file never names a module.
"""

import importlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

import h5py
import numpy as np

from equatorium import registry
from equatorium.errors import (
    EquatoriumError,
    FileFormatError,
    NotSavableError,
    PluginLoadError,
    UnknownMethodError,
)
from equatorium.hdf5 import atomic, check_writable, explained, opened, refusal
from equatorium.leaves import (
    LIMIT,
    NotJsonError,
    Reader,
    decode,
    encode,
    write_array,
    write_text,
)

__all__ = [
    "atomic",
    "check_writable",
    "describe",
    "load",
    "opened",
    "read_tree",
    "save",
    "write_tree",
]

RECORDS = {
    "parameter": "equatorium.records.space:Parameter",
    "space": "equatorium.records.space:Space",
    "outputs": "equatorium.records.outputs:Outputs",
    "runs": "equatorium.records.runs:Runs",
    "diagonal": "equatorium.records.covariance:Diagonal",
    "lowrank": "equatorium.records.covariance:LowRank",
    "dense": "equatorium.records.covariance:Dense",
    "observation": "equatorium.records.observation:Observation",
    "discrepancy": "equatorium.records.discrepancy:Discrepancy",
    "gaussian": "equatorium.records.prediction:Gaussian",
    "mixture": "equatorium.records.prediction:Mixture",
    "weighted": "equatorium.records.prediction:Weighted",
    "categorical": "equatorium.records.prediction:Categorical",
    "surrogate": "equatorium.emulate.surrogate:Surrogate",
    "report": "equatorium.emulate.validate:Report",
    "implausibility": "equatorium.history.implausibility:Implausibility",
    "wave": "equatorium.history.region:Wave",
    "region": "equatorium.history.region:Region",
    "particle-prior": "equatorium.inference.particle_prior:ParticlePrior",
    "draws": "equatorium.inference.draws:Draws",
    "calibration": "equatorium.inference.calibrated:Calibration",
}

_DOCUMENT = "%json"  # no quoted key can read so: after % stand two hexadecimal digits
_OBJECT = "object"


def save(path: str | Path, thing: Any) -> None:
    """Write one model or record to an HDF5 file, as a whole or not at all.

    Parameters
    ----------
    path : str or Path
        A file of ours that exists is replaced; a foreign one is refused.
    thing : Model, record, or mapping
        What `load` gives back.

    Raises
    ------
    NotSavableError
        Naming the part of it that has no form in a file.
    FileFormatError, OSError
        If the file cannot be written.
    """
    with atomic(path, fresh=True) as file:
        write_tree(file, {_OBJECT: thing})


def load(path: str | Path, *, limit: int = LIMIT) -> Any:
    """Read what `save` wrote.

    Parameters
    ----------
    path : str or Path
    limit : int
        The largest total size of the arrays, in bytes.

    Raises
    ------
    FileNotFoundError, FileFormatError
        If it is missing, damaged, foreign or newer, or needs a plugin that is not installed.
    """
    with opened(path) as file:
        if _DOCUMENT not in file:
            raise FileFormatError(
                f"{path} holds no single object, but {', '.join(file) or 'nothing'}. If it is the "
                f"file of a study, see it with: equatorium info {path}"
            )
        return read_tree(file, limit=limit)[_OBJECT]


def write_tree(group: h5py.Group, tree: Mapping[str, Any]) -> None:
    """Write a mapping of arrays, JSON values, mappings, records and models into an empty group."""
    if not isinstance(tree, Mapping):
        raise NotSavableError(f"a tree is a mapping, not a {type(tree).__name__}.")
    _write(group, {"is": "dict"}, tree)


def read_tree(group: h5py.Group, *, limit: int = LIMIT) -> dict[str, Any]:
    """Read what `write_tree` wrote; arrays bit for bit, the keys in their order.

    Raises
    ------
    FileFormatError
        Naming the file, the object in it, and the remedy.
    """
    tree: dict[str, Any] = _read(group, Reader(limit), set())
    return tree


def describe(thing: Any) -> str:
    """Return one line on what a stored thing is.

    >>> describe({"a": np.zeros((2, 3)), "b": 1})
    'a: float64 array (2, 3), b: 1'
    """
    if isinstance(thing, np.ndarray):
        return f"{thing.dtype} array {thing.shape}"
    if isinstance(thing, str) and len(thing) > 60:
        return f"text of {len(thing.splitlines())} lines"
    if isinstance(thing, Mapping):
        return ", ".join(f"{key}: {describe(value)}" for key, value in thing.items())
    sizes = {"n": "runs", "d": "parameters", "p": "outputs", "q": "data", "n_features_in_": "d"}
    have = [f"{getattr(thing, k)} {word}" for k, word in sizes.items() if hasattr(thing, k)]
    if have:
        return f"{type(thing).__name__} ({', '.join(have)})"
    return repr(thing) if _is_plain(thing) else type(thing).__name__


def _write(group: h5py.Group, head: Mapping[str, Any], items: Mapping[str, Any]) -> None:
    """Write the items of a mapping: JSON values together, the rest each on its own."""
    values = {}
    for key, value in items.items():
        where = f"{group.name.rstrip('/')}/{key}"
        if not isinstance(key, str):
            raise NotSavableError(f"{where}: the keys of a mapping must be text, not {key!r}.")
        try:
            values[key] = encode(value)
        except NotJsonError:
            _write_item(group, quote(key, safe=" ,=+()[]").replace(".", "%2E"), value, where)
    document = {**head, "keys": list(items), "values": values}
    write_text(group, _DOCUMENT, json.dumps(document, allow_nan=False))


def _write_item(group: h5py.Group, name: str, value: Any, where: str) -> None:
    if type(value) in (np.ndarray, np.memmap) or isinstance(value, np.generic):
        write_array(group, name or "%", value)
        return
    head, items = _dissect(value, where)
    _write(group.create_group(name or "%"), head, items)


def _dissect(value: Any, where: str) -> tuple[dict[str, Any], Mapping[str, Any]]:
    """Return what a thing is, and the parts that it is made of."""
    if isinstance(value, Mapping):
        return {"is": "dict"}, value
    if isinstance(value, list | tuple):
        kind = "tuple" if isinstance(value, tuple) else "list"
        return {"is": kind}, {str(i): item for i, item in enumerate(value)}
    for tag, target in RECORDS.items():
        if type(value).__name__ == target.partition(":")[2] and _class(tag) is type(value):
            return {"is": "record", "tag": tag}, value.get_state()
    if registry.entry_of(type(value)) is not None or hasattr(value, "get_params"):
        head = {"is": "method", "spec": registry.to_spec(value)}
        if not hasattr(value, "set_state"):
            return head, {}
        entry = registry.entry_of(type(value))
        by = "" if entry is None else f"{entry.dist} {entry.version}"
        return {**head, "state_version": value.state_version, "by": by}, value.get_state()
    raise NotSavableError(
        f"{where} is a {type(value).__name__}, which has no form in a file: files hold numbers, "
        f"text, lists, tables, records and registered methods."
    )


def _read(item: h5py.Group | h5py.Dataset, reader: Reader, seen: set[Any]) -> Any:
    """Read a dataset or a group; each object of a file once, so that a loop of links ends."""
    with explained(item):
        address = h5py.h5o.get_info(item.id).addr
        if address in seen:
            raise refusal(item, "it occurs a second time")
        seen.add(address)
        if isinstance(item, h5py.Dataset):
            return reader.array(item)
        document = json.loads(reader.text(_child(item, _DOCUMENT)))
        values, keys = document["values"], [str(key) for key in document["keys"]]
        names = {unquote(name) if name != "%" else "": name for name in item if name != _DOCUMENT}
        if set(keys) != {*values, *names}:
            raise refusal(item, "its parts are not those that it lists")
        parts = {
            key: decode(values[key])
            if key in values
            else _read(_child(item, names[key]), reader, seen)
            for key in keys
        }
        return _assemble(item, document, parts)


def _child(group: h5py.Group, name: str) -> h5py.Group | h5py.Dataset:
    if not isinstance(group.get(name, getlink=True), h5py.HardLink):
        raise refusal(group, f"{name!r} is missing, or a link to somewhere else")
    child = group[name]
    if not isinstance(child, h5py.Dataset if name == _DOCUMENT else h5py.Group | h5py.Dataset):
        raise refusal(group, f"{name!r} is neither a group nor an array")
    return child


def _assemble(group: h5py.Group, document: Mapping[str, Any], parts: dict[str, Any]) -> Any:
    """Build what a group is, from its parts."""
    what = document["is"]
    if what == "dict":
        return parts
    if what in ("list", "tuple"):
        return (tuple if what == "tuple" else list)(parts.values())
    try:
        if what == "record" and document["tag"] in RECORDS:
            return _class(document["tag"]).from_state(parts)
        if what == "method":
            return _method(group, document, parts)
    except (FileFormatError, PluginLoadError):
        raise
    except UnknownMethodError as error:
        dist = str(document["spec"]["use"]).partition("/")[0]
        raise FileFormatError(
            f"{group.file.filename}: {group.name} needs a method that is not installed: {error} "
            f"Try: pip install {dist}"
        ) from error
    except EquatoriumError as error:
        raise refusal(group, f"it cannot be rebuilt: {error}") from error
    raise refusal(group, f"it is of an unknown kind, {document.get('tag', what)!r}")


def _method(group: h5py.Group, document: Mapping[str, Any], parts: dict[str, Any]) -> Any:
    made = registry.from_spec(None, document["spec"])
    if not parts:
        return made
    version, now = int(document["state_version"]), made.state_version
    if version > now:
        raise FileFormatError(
            f"{group.file.filename}: {group.name} was written by {document['by']}, whose state has "
            f"version {version}; the one installed reads up to {now}: pip install -U "
            f"{str(document['by']).partition(' ')[0]}"
        )
    return made.set_state(parts if version == now else made.migrate(parts, version))


def _class(tag: str) -> Any:
    module, _, name = RECORDS[tag].partition(":")
    return getattr(importlib.import_module(module), name)


def _is_plain(value: Any) -> bool:
    return value is None or isinstance(value, bool | int | float | str | Sequence)
