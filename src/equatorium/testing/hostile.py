"""Files that must be refused: a saved model's file, spoilt in ways that a careful reader finds."""

import json
import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import h5py
import numpy as np

from equatorium.leaves import write_text

Spoil = Callable[[h5py.File], None]


def spoilt(path: Path) -> Iterator[tuple[str, Path]]:
    """Yield what was done to copies of a file, and the copies."""
    for what, spoil in SPOILS.items():
        copy = path.with_name(f"hostile-{path.name}")
        shutil.copyfile(path, copy)
        with h5py.File(copy, "r+", locking=False) as file:
            spoil(file)
        yield what, copy


def _place(file: h5py.File) -> tuple[h5py.Group, str]:
    """Find an array of the stored model: its group and name; without one, a free name."""
    found: list[str] = []

    def visit(name: str, item: Any) -> None:
        if isinstance(item, h5py.Dataset) and not name.endswith("%json"):
            found.append(name)

    file.visititems(visit)
    group, _, name = found[0].rpartition("/") if found else ("object", "", "added")
    return file[group], name


def _replaced(**how: Any) -> Spoil:
    def spoil(file: h5py.File) -> None:
        group, name = _place(file)
        if name in group:
            del group[name]
        group.create_dataset(name, **how)

    return spoil


def _link(target: Any) -> Spoil:
    def spoil(file: h5py.File) -> None:
        group, name = _place(file)
        if name in group:
            del group[name]
        group[name] = target

    return spoil


def _loop(file: h5py.File) -> None:
    group, _ = _place(file)
    group["loop"] = group


def _virtual(file: h5py.File) -> None:
    group, name = _place(file)
    if name in group:
        del group[name]
    layout = h5py.VirtualLayout((3,), "f8")
    layout[:] = h5py.VirtualSource("elsewhere.h5", "x", (3,))
    group.create_virtual_dataset(name, layout)


def _wrong_number(file: h5py.File) -> None:
    group, name = _place(file)
    if name in group and group[name].size:
        array = group[name][()]
        group[name][...] = np.logical_not(array) if array.dtype.kind == "b" else array + 1
    else:
        _replaced(data=np.ones(3), dtype="f8")(file)


def _newer_schema(file: h5py.File) -> None:
    file.attrs["schema"] = int(file.attrs["schema"]) + 1


def _head(change: Callable[[dict[str, Any]], None]) -> Spoil:
    """Change what the file says of the model."""

    def spoil(file: h5py.File) -> None:
        group = file["object"]
        document = json.loads(group["%json"][()])
        change(document)
        del group["%json"]
        write_text(group, "%json", json.dumps(document))

    return spoil


def _newer_state(document: dict[str, Any]) -> None:
    document["state_version"] += 1


def _renamed(document: dict[str, Any]) -> None:
    document["spec"]["use"] = "no-such-distribution/no-such-method"


def _unknown_option(document: dict[str, Any]) -> None:
    document["spec"]["options"]["no_such_option"] = 1


SPOILS: Mapping[str, Spoil] = MappingProxyType(
    {
        "a soft link": _link(h5py.SoftLink("/elsewhere")),
        "a link to another file": _link(h5py.ExternalLink("elsewhere.h5", "/x")),
        "numbers stored in another file": _replaced(
            shape=(8,), dtype="u1", external=[("elsewhere", 0, 8)]
        ),
        "numbers gathered from another file": _virtual,
        "a group that holds itself": _loop,
        "text objects": _replaced(shape=(3,), dtype=h5py.string_dtype()),
        "references": _replaced(shape=(3,), dtype=h5py.ref_dtype),
        "a claim of two terabytes": _replaced(
            shape=(2**38,), dtype="f8", chunks=(2**16,), compression="gzip"
        ),
        "a wrong number": _wrong_number,
        "a newer file format": _newer_schema,
        "a newer state": _head(_newer_state),
        "a method of another name": _head(_renamed),
        "an unknown option": _head(_unknown_option),
    }
)
