"""In what order parameters take their values: what is tied, derived or bounded comes after."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from equatorium.checks import FloatArray
from equatorium.errors import InputError
from equatorium.records.expression import Expression
from equatorium.records.fixing import Fixed, rule
from equatorium.records.parameter import Parameter

Columns = dict[str, FloatArray]


@dataclass(frozen=True)
class Dependence:
    """Which parameters depend on which others.

    Parameters
    ----------
    declared : tuple of Parameter
    names : tuple of str
        All names, those of fixed parameters too.
    fixed : dict
        See `equatorium.records.fixing`.

    Raises
    ------
    InputError
        If parameters depend on each other in a circle.
    """

    declared: tuple[Parameter, ...]
    names: tuple[str, ...]
    fixed: Fixed

    def __post_init__(self) -> None:
        self.order  # noqa: B018  (a circle raises here, not later)

    @cached_property
    def free(self) -> tuple[Parameter, ...]:
        """The free parameters."""
        return tuple(p for p in self.declared if p.name not in self.fixed)

    @cached_property
    def rules(self) -> dict[str, float | str | Expression]:
        """What the fixed parameters are fixed to."""
        return {name: rule(name, value, self.names) for name, value in self.fixed.items()}

    @cached_property
    def bounded(self) -> dict[str, tuple[Expression | None, Expression | None]]:
        """Conditional bounds of the parameters that have any, fixed ones too."""
        return {
            p.name: (self._bound(p, "above"), self._bound(p, "below"))
            for p in self.declared
            if p.above or p.below
        }

    @cached_property
    def order(self) -> tuple[str, ...]:
        """All names, each after those that it depends on."""
        done: dict[str, bool] = {}

        def visit(name: str, path: tuple[str, ...]) -> None:
            if name in path:
                circle = " -> ".join([*path[path.index(name) :], name])
                raise InputError(f"Parameters depend on each other in a circle: {circle}.")
            if name not in done:
                for other in self._needs(name):
                    visit(other, (*path, name))
                done[name] = True

        for name in self.names:
            visit(name, ())
        return tuple(done)

    @cached_property
    def derived(self) -> tuple[str, ...]:
        """Names of the parameters that are arithmetic on others which vary."""
        moves = {p.name for p in self.free}
        for name in self.order:
            if any(other in moves for other in self._needs(name)):
                moves.add(name)
        return tuple(
            n for n in self.names if n in moves and isinstance(self.rules.get(n), Expression)
        )

    @cached_property
    def for_bounds(self) -> frozenset[str]:
        """Names of the parameters that conditional bounds depend on."""
        sides = [side for both in self.bounded.values() for side in both if side is not None]
        needed = {name for side in sides for name in side.names}
        needed |= self.bounded.keys() & self.fixed.keys()
        for name in reversed(self.order):
            if name in needed:
                needed.update(self._needs(name))
        return frozenset(needed)

    def walk(self, columns: Columns, bounds_only: bool = False) -> Iterator[str]:
        """Go through the free parameters in order, filling in what is fixed, tied or derived.

        Whoever walks puts the column of each free parameter into `columns` when it comes. With
        `bounds_only` nothing is filled in that no bound depends on.
        """
        free = {p.name for p in self.free}
        for name in self.order:
            if name in free:
                yield name
                continue
            if bounds_only and name not in self.for_bounds:
                continue
            found = self.rules[name]
            if isinstance(found, Expression):
                columns[name] = found.unchecked(columns) if bounds_only else found(columns)
            else:
                columns[name] = columns[found] if isinstance(found, str) else np.asarray(found)

    def complete(self, theta: FloatArray, bounds_only: bool = False) -> Columns:
        """Give the columns of all parameters, numbers or (m,), at free ones theta (m, d)."""
        columns = {p.name: theta[:, j] for j, p in enumerate(self.free)}
        for _ in self.walk(columns, bounds_only):
            pass
        return columns

    def bounds(
        self, parameter: Parameter, columns: Mapping[str, FloatArray]
    ) -> tuple[FloatArray, FloatArray]:
        """Lowest and highest value of a bounded parameter, given those that it depends on.

        Bounds may be infinite at the edge of a range, as 1 / a is where a is 0; one that is NaN
        leaves nothing.
        """
        above, below = self.bounded[parameter.name]
        low, high = np.asarray(parameter.low), np.asarray(parameter.high)
        if above is not None:
            value = above.unchecked(columns)
            low = np.where(np.isnan(value), parameter.high, np.maximum(value, parameter.low))
        if below is not None:
            value = below.unchecked(columns)
            high = np.where(np.isnan(value), parameter.low, np.minimum(value, parameter.high))
        return low, high

    def check_bounds(self, theta: FloatArray) -> None:
        """Raise InputError, naming the bound, where one is not finite at points (m, d)."""
        columns = self.complete(theta, bounds_only=True)
        for side in (side for both in self.bounded.values() for side in both if side is not None):
            side(columns)

    def _bound(self, parameter: Parameter, side: str) -> Expression | None:
        text = getattr(parameter, side)
        what = f"The bound '{side}' of parameter {parameter.name!r}"
        return Expression(text, self.names, what) if text else None

    def _needs(self, name: str) -> tuple[str, ...]:
        if name in self.rules:
            found = self.rules[name]
            if isinstance(found, Expression):
                return found.names
            return (found,) if isinstance(found, str) else ()
        sides = self.bounded.get(name, ())
        return tuple(other for side in sides if side is not None for other in side.names)
