"""Which values a likelihood takes from the points of a space, by name."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from equatorium.checks import FloatArray
from equatorium.errors import InputError, UnknownNameError, did_you_mean
from equatorium.inference.gradient import unit_slope
from equatorium.records.conversion import same_unit
from equatorium.records.space import Space

_STEP = 1e-6  # of central differences, in the unit box of the scaled coordinates


class Columns:
    """Values of named parameters at points of a space: free, fixed, tied or derived ones.

    Parameters
    ----------
    space : Space
        Of the points.
    names : sequence of str
        What is taken, in this order.
    owner : str
        Who takes it, for messages.

    Raises
    ------
    UnknownNameError
        If the space has no such parameter.

    Examples
    --------
    >>> from equatorium.records.space import Parameter
    >>> space = Space([Parameter("a", 0, 1), Parameter("b", 0, 1)], {"c": "a + b", "d": 4.0})
    >>> Columns(space, ["c", "a", "d"]).take(np.array([[0.25, 0.5]])).tolist()
    [[0.75, 0.25, 4.0]]
    """

    def __init__(self, space: Space, names: tuple[str, ...], owner: str = "The likelihood") -> None:
        for name in names:
            if name not in space.all_names:
                raise UnknownNameError(
                    f"{owner} needs the parameter {name!r}, but the space has "
                    f"{', '.join(space.all_names)}.{did_you_mean(name, space.all_names)} Add it to "
                    "the space, free or fixed."
                )
        self.space = space
        self.names = tuple(names)
        self._same = self.names == space.names
        self._whole = [space.all_names.index(name) for name in self.names]

    def take(self, theta: FloatArray) -> FloatArray:
        """Values (m, k) of the names at points theta (m, d)."""
        return theta if self._same else self.space.complete(theta)[:, self._whole]

    def back(self, theta: FloatArray, gradient: FloatArray) -> FloatArray:
        """Gradient (m, d) by the points, of one (m, k) by the values taken from them.

        Free parameters just pass it on; tied and derived ones do so by central differences of
        their arithmetic, which costs no likelihood.
        """
        if self._same:
            return gradient
        result = np.zeros(theta.shape)
        free = np.array([name in self.space.names for name in self.names])
        for k in np.flatnonzero(free):
            result[:, self.space.index(self.names[k])] += gradient[:, k]
        if free.all():
            return result
        step = _STEP * unit_slope(self.space, theta)
        for j in range(theta.shape[1]):
            up, down = theta.copy(), theta.copy()
            up[:, j] = np.minimum(theta[:, j] + step[:, j], self.space.high[j])
            down[:, j] = np.maximum(theta[:, j] - step[:, j], self.space.low[j])
            with np.errstate(all="ignore"):
                change = (self.take(up) - self.take(down)) / (up - down)[:, j, None]
            result[:, j] += (gradient * change)[:, ~free].sum(axis=1)
        return result


def check_units(space: Space, likelihood: Any) -> None:
    """Raise InputError where an emulator that a likelihood asks has other units.

    Values are picked by name alone: a speed of 3 km / s would be taken for one of 3 m / s.
    """
    ours = {parameter.name: parameter.unit for parameter in space.parameters}
    model = getattr(likelihood, "surrogate", None)
    known = getattr(model, "space", None)
    for parameter in known.parameters if isinstance(known, Space) else ():
        unit = ours.get(parameter.name, "")
        if unit and parameter.unit and not same_unit(unit, parameter.unit):
            raise InputError(
                f"Parameter {parameter.name!r} is in {unit!r} in the space of the posterior, but "
                f"in {parameter.unit!r} in that of the emulator. Give its range in the emulator's "
                "unit."
            )
    if known is None:
        parts = getattr(likelihood, "parts", None)
        for part in (model, *(parts.values() if isinstance(parts, Mapping) else ())):
            if part is not None:
                check_units(space, part)
