"""The leaves of a stored tree: arrays bit for bit, and text that holds JSON values.

Every leaf carries a checksum. Before anything is allocated, an array's claim is compared with what
the file holds and with a limit, so that neither damage nor malice gives a wrong number or a full
memory.
"""

import math
import zlib
from collections.abc import Mapping
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt

from equatorium.errors import NotSavableError
from equatorium.hdf5 import check_storage, refusal

LIMIT = 16 * 2**30

_COMPRESS_ABOVE = 65536
_DEFLATE_AT_MOST = 1100  # deflate cannot shrink more than 1032-fold
# Numbers whose every bit is part of a value: no padding, no pointers.
_NUMBERS = {"b1", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8", "c8", "c16"}


class NotJsonError(Exception):
    """A value has no JSON form; it gets a dataset or a group of its own."""


def write_array(group: h5py.Group, name: str, array: npt.NDArray[Any]) -> None:
    """Write an array bit for bit, with its checksum; a scalar comes back as a scalar."""
    if array.dtype.str[1:] not in _NUMBERS:
        raise NotSavableError(
            f"{group.name}/{name} is an array of {array.dtype}, but files hold numbers only: "
            f"convert it, for instance with astype(float)."
        )
    data = np.ascontiguousarray(array)
    how = {"compression": "gzip", "compression_opts": 1, "shuffle": True}
    big = data.nbytes > _COMPRESS_ABOVE
    dataset = group.create_dataset(
        name, data=data.reshape(np.shape(array)), dtype=data.dtype, **(how if big else {})
    )
    dataset.attrs["crc32"] = _checksum(data)
    dataset.attrs["scalar"] = isinstance(array, np.generic)


def write_text(group: h5py.Group, name: str, text: str) -> None:
    """Write ASCII text, which any HDF5 viewer shows."""
    data = np.array(text.encode("ascii"))
    dataset = group.create_dataset(name, data=data, dtype=data.dtype)
    dataset.attrs["crc32"] = zlib.crc32(data.tobytes())


class Reader:
    """Reads arrays and text of one tree, within a limit of bytes for all of them together."""

    def __init__(self, limit: int = LIMIT) -> None:
        self.left = limit

    def array(self, dataset: h5py.Dataset) -> Any:
        """Read what `write_array` wrote."""
        self._check(dataset, text=False)
        data = np.empty(dataset.shape, dtype=dataset.dtype)
        if data.size:
            dataset.read_direct(data)
        self._compare(dataset, _checksum(data))
        return data[()] if bool(dataset.attrs.get("scalar", False)) else data

    def text(self, dataset: h5py.Dataset) -> str:
        """Read what `write_text` wrote."""
        self._check(dataset, text=True)
        data = np.asarray(dataset[()])
        self._compare(dataset, zlib.crc32(data.tobytes()))
        return bytes(data[()]).decode("ascii")

    def _check(self, dataset: h5py.Dataset, text: bool) -> None:
        """Refuse, before anything is allocated, what was not written by this module."""
        check_storage(dataset)
        dtype = dataset.dtype
        if (dtype.kind != "S" or dataset.shape != ()) if text else dtype.str[1:] not in _NUMBERS:
            raise refusal(dataset, f"it holds {dtype} where only numbers or text may stand")
        size = math.prod(dataset.shape) * dtype.itemsize
        stored = dataset.id.get_storage_size()
        if size > self.left or math.prod(dataset.chunks or ()) * dtype.itemsize > self.left:
            raise refusal(
                dataset,
                f"it claims {size:.3g} bytes, beyond the limit of {self.left:.3g} still free; "
                f"if you trust it, give a larger limit=",
            )
        if size > stored * (1 if dataset.chunks is None else _DEFLATE_AT_MOST):
            raise refusal(dataset, f"it claims {size} bytes, but the file holds {stored} of it")
        self.left -= size

    def _compare(self, dataset: h5py.Dataset, found: int) -> None:
        if int(dataset.attrs["crc32"]) != found:
            raise refusal(dataset, "its checksum does not fit: the file is damaged")


def encode(value: Any) -> Any:
    """Return the JSON form of a value; what JSON lacks stands under a key with a $."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return str(value)
    if isinstance(value, int):
        return int(value)
    if type(value) is float:
        return value if math.isfinite(value) else {"$float": repr(value)}
    if isinstance(value, list | tuple):
        items = [encode(item) for item in value]
        return {"$tuple": items} if isinstance(value, tuple) else items
    if isinstance(value, Mapping):
        if all(isinstance(key, str) and not key.startswith("$") for key in value):
            return {key: encode(item) for key, item in value.items()}
    elif isinstance(value, np.ndarray) and value.dtype.kind in "UO":
        texts = value.ravel().tolist()
        if type(value) is np.ndarray and all(isinstance(text, str) for text in texts):
            return {"$text": texts, "shape": list(value.shape), "object": value.dtype.kind == "O"}
    raise NotJsonError


def decode(value: Any) -> Any:
    """Turn back what `encode` gave."""
    if isinstance(value, list):
        return [decode(item) for item in value]
    if not isinstance(value, dict):
        return value
    if "$float" in value:
        return float(value["$float"])
    if "$tuple" in value:
        return tuple(decode(item) for item in value["$tuple"])
    if "$text" in value:
        texts = [str(text) for text in value["$text"]]
        return np.array(texts, dtype=object if value["object"] else str).reshape(value["shape"])
    return {key: decode(item) for key, item in value.items()}


def _checksum(data: npt.NDArray[Any]) -> int:
    return zlib.crc32(data.reshape(-1).view(np.uint8).data)
