"""Simulator runs: inputs, outputs, their noise, and which of them failed and why."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from os import PathLike
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from equatorium.checks import (
    FloatArray,
    Rng,
    floats,
    generator,
    instance,
    matrix,
    read_only,
    same_length,
)
from equatorium.errors import InputError, NotFiniteError, ShapeError
from equatorium.records.base import Record
from equatorium.records.outputs import Outputs
from equatorium.records.runs_table import inferred_space, runs_fields, stored_records, table_of_runs
from equatorium.records.space import Space
from equatorium.records.tables import read_table, write_table

_SUFFIXES = (".ecsv", ".csv", ".fits")


@dataclass(frozen=True, eq=False)
class Runs(Record):
    """n runs of a simulator; failed ones are kept with their reason and never reach an emulator.

    Parameters
    ----------
    space : Space
    outputs : Outputs
    X : array_like, shape (n, d)
        Physical values of the free parameters, inside the box.
    Y : array_like, shape (n, p)
        Outputs; NaN in failed runs, and only there.
    noise : array_like, shape (n, p), optional
        Known noise variance, independent between runs.
    status : sequence of n str, optional
        "ok", or "failed: reason".
    meta : mapping
        Provenance; JSON values.
    """

    space: Space
    outputs: Outputs
    X: FloatArray
    Y: FloatArray
    noise: FloatArray | None = None
    status: Sequence[str] | None = None
    meta: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        instance(self.space, Space, "space")
        instance(self.outputs, Outputs, "outputs")
        X = matrix(self.X, "X", self.space.d)
        Y = matrix_like(self.Y, "Y", self.outputs.p)
        noise = None if self.noise is None else matrix_like(self.noise, "noise", self.outputs.p)
        status = np.array(["ok"] * len(X) if self.status is None else list(self.status), dtype=str)
        same_length(X=X, Y=Y, noise=noise, status=status)
        ok = status == "ok"
        odd = [s for s in status[~ok] if not s.startswith("failed")]
        if odd:
            raise InputError(f"A status must be 'ok' or 'failed: reason', but one is {odd[0]!r}.")
        self._check_inside(X)
        for what, values in (("output", Y), ("noise of output", noise)):
            if values is not None:
                self._check_ok(what, values, ok)
        if noise is not None and (noise[ok] < 0).any():
            raise InputError("noise is a variance and must not be negative.")
        Y = np.where(ok[:, None], Y, np.nan)
        noise = None if noise is None else np.where(ok[:, None], noise, np.nan)
        status.setflags(write=False)
        for name, value in {
            "X": read_only(X),
            "Y": read_only(Y),
            "noise": None if noise is None else read_only(noise),
            "status": status,
            "meta": dict(self.meta),
        }.items():
            object.__setattr__(self, name, value)

    def _check_inside(self, X: FloatArray) -> None:
        # Single-precision tables put an edge of the box a little outside.
        slack = 1e-6 * (self.space.high - self.space.low)
        outside = (self.space.low - slack > X) | (self.space.high + slack < X)
        if outside.any():
            i, j = np.argwhere(outside)[0]
            raise InputError(
                f"Run {i} has {self.space.names[j]} = {X[i, j]:.6g}, outside its range "
                f"[{self.space.low[j]:.6g}, {self.space.high[j]:.6g}]; {outside.any(1).sum()} runs "
                "lie outside. Widen the range with space.replace, or leave these runs out."
            )

    def _check_ok(self, what: str, values: FloatArray, ok: npt.NDArray[np.bool_]) -> None:
        bad = ~np.isfinite(values) & ok[:, None]
        if bad.any():
            i, j = np.argwhere(bad)[0]
            raise NotFiniteError(
                f"Run {i} is 'ok', but its {what} {self.outputs.names[j]!r} is {values[i, j]}. "
                "Give failed runs a status 'failed: reason'."
            )

    @property
    def n(self) -> int:
        """Number of runs, failed ones included."""
        return len(self.X)

    @cached_property
    def ok(self) -> npt.NDArray[np.bool_]:
        """Which runs succeeded, shape (n,)."""
        return np.asarray(np.asarray(self.status) == "ok")

    @property
    def good(self) -> Self:
        """Runs that succeeded."""
        return self if self.ok.all() else self.subset(self.ok)

    def subset(self, indices: Any) -> Self:
        """Take the runs at `indices` (a list, slice or mask), in that order."""
        chosen = np.atleast_1d(np.arange(self.n)[indices])
        noise = None if self.noise is None else self.noise[chosen]
        status = np.asarray(self.status)[chosen].tolist()
        return type(self)(
            self.space, self.outputs, self.X[chosen], self.Y[chosen], noise, status, self.meta
        )

    def with_outputs(self, indices: Any) -> Self:
        """Keep the outputs at `indices` of every run."""
        chosen = np.atleast_1d(np.arange(self.outputs.p)[indices])
        noise = None if self.noise is None else self.noise[:, chosen]
        kept = self.outputs.subset(chosen)
        return type(self)(
            self.space, kept, self.X, self.Y[:, chosen], noise, self.status, self.meta
        )

    def split(self, n_held: int, rng: Rng = None) -> tuple[Self, Self]:
        """Split at random into (training, held out); failed runs count like any other."""
        if not 0 < n_held < self.n:
            raise InputError(f"n_held must lie between 1 and {self.n - 1}, but it is {n_held}.")
        order = generator(rng).permutation(self.n)
        return self.subset(np.sort(order[n_held:])), self.subset(np.sort(order[:n_held]))

    @classmethod
    def concatenate(cls, parts: Iterable[Self]) -> Self:
        """Join runs with the same space and outputs; noise is kept only if all have it."""
        parts = list(parts)
        if not parts:
            raise InputError("There are no runs to concatenate.")
        first = parts[0]
        for part in parts[1:]:
            if part.space != first.space or part.outputs != first.outputs:
                raise InputError("Only runs with the same space and outputs can be joined.")
        noises = [part.noise for part in parts]
        if any(n is None for n in noises) and any(n is not None for n in noises):
            raise InputError("Some of the runs have noise and others not; give all or none.")
        return cls(
            first.space,
            first.outputs,
            np.concatenate([part.X for part in parts]),
            np.concatenate([part.Y for part in parts]),
            None if noises[0] is None else np.concatenate([n for n in noises if n is not None]),
            np.concatenate([np.asarray(part.status) for part in parts]).tolist(),
            first.meta,
        )

    @classmethod
    def from_table(
        cls,
        table: Any,
        inputs: Sequence[str],
        outputs: Sequence[str] | Outputs,
        noise: Sequence[str] | None = None,
        space: Space | None = None,
    ) -> Self:
        """Take runs that exist already from named columns.

        Parameters
        ----------
        table : astropy Table, DataFrame, mapping or structured array
        inputs : sequence of str
            Columns of parameters: all free ones of `space`, if that is given.
        outputs : sequence of str, or Outputs
            Columns of outputs. Rows with a missing value become failed runs.
        noise : sequence of str, optional
            Columns of noise *variances*, one per output, in their order.
        space : Space, optional
            Default: linear parameters whose box is the range of the data.
        """
        if any(isinstance(names, str) for names in (inputs, outputs, noise)):
            raise InputError("inputs, outputs and noise must be lists of column names.")
        space = inferred_space(table, inputs) if space is None else space
        if set(inputs) != set(space.names):
            raise InputError(f"inputs must be the free parameters {', '.join(space.names)}.")
        outputs = outputs if isinstance(outputs, Outputs) else Outputs(outputs)
        if both := set(inputs) & set(outputs.names):
            raise InputError(
                f"Column {min(both)!r} is among both inputs and outputs; leave out one."
            )
        if noise is not None and len(noise) != outputs.p:
            raise ShapeError(f"There are {outputs.p} outputs but {len(noise)} columns of noise.")
        return cls(space, outputs, **runs_fields(table, space, outputs, noise))

    def to_table(self) -> Any:
        """Make an astropy Table: parameters, outputs, `<output>_variance`, status."""
        return table_of_runs(self.get_state())

    @classmethod
    def read(
        cls,
        path: str | PathLike[str],
        inputs: Sequence[str] | None = None,
        outputs: Sequence[str] | Outputs | None = None,
        noise: Sequence[str] | None = None,
        space: Space | None = None,
    ) -> Self:
        """Read an .ecsv, .csv or .fits table; columns need naming unless `write` made the file.

        Files of `write` say what their columns are, but for .csv, which has no place for it.
        """
        table = read_table(path, _SUFFIXES)
        stored = stored_records(table) if inputs is None and outputs is None else None
        if stored is not None:
            space, outputs, meta = stored
            fields = runs_fields(table, space, outputs, None)
            return cls(space, outputs, **{**fields, "meta": fields["meta"] | meta})
        if inputs is None or outputs is None:
            raise InputError(
                f"{path} does not say which columns are inputs and outputs. Name them: "
                f"Runs.read(path, inputs=[...], outputs=[...]). It has {', '.join(table.colnames)}."
            )
        return cls.from_table(table, inputs, outputs, noise, space)

    def write(self, path: str | PathLike[str]) -> None:
        """Write as .ecsv, .csv or .fits; `equatorium.save` writes .h5."""
        write_table(self.to_table(), path, _SUFFIXES)


def matrix_like(values: Any, name: str, columns: int) -> FloatArray:
    """Check the shape (n, columns) only: which values may be missing depends on the status."""
    array = floats(values, name)
    if array.ndim != 2 or array.shape[1] != columns:
        raise ShapeError(f"{name} must have shape (n, {columns}), but it is {array.shape}.")
    return array
