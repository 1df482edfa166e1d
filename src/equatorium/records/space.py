"""The space of parameters: points are physical; unit box, prior cube and normals are views."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from scipy.special import ndtr, ndtri

from equatorium.checks import FloatArray, Rng, floats, generator, matrix, read_only
from equatorium.errors import InputError, ShapeError, UnknownNameError, did_you_mean
from equatorium.records.base import Record, entries
from equatorium.records.fixing import Fixed, check_fixed, resolve, unknown_parameter
from equatorium.records.outputs import unique_names
from equatorium.records.parameter import Parameter
from equatorium.records.tables import column_names, columns

__all__ = ["Parameter", "Space"]

_TINY = float(np.finfo(float).tiny)


@dataclass(frozen=True, eq=False, init=False)
class Space(Record):
    """Named parameters, some free, some fixed or tied; the prior is their product.

    Points are always physical values theta of the d *free* parameters, shape (m, d). Three views:
    `to_unit` (the box of the scaled coordinates, what emulators see), `to_cube` (prior cumulative
    probabilities) and `to_normal` (their standard normal quantiles), what samplers see.

    Parameters
    ----------
    parameters : iterable of Parameter
        In the order in which the simulator wants them.
    fixed : mapping, optional
        From a name to a number, or to the name of the parameter whose value it takes. Names that
        are not among `parameters` follow them in `all_names`.

    Examples
    --------
    >>> space = Space([Parameter("a", 0, 2), Parameter("b", 1, 100, "log")], {"c": "a"})
    >>> space.from_unit([[0.5, 0.5]]).round(6).tolist()
    [[1.0, 10.0]]
    >>> space.complete([[1.0, 10.0]]).tolist()
    [[1.0, 10.0, 1.0]]
    """

    declared: tuple[Parameter, ...]
    fixed: Fixed

    def __init__(
        self, parameters: Iterable[Parameter], fixed: Mapping[str, float | str] | None = None
    ) -> None:
        declared = tuple(parameters)
        for parameter in declared:
            if not isinstance(parameter, Parameter):
                raise InputError(f"A Space is made of Parameters, but one is {parameter!r}.")
        unique_names((p.name for p in declared), "parameters")
        object.__setattr__(self, "declared", declared)
        object.__setattr__(self, "fixed", check_fixed(fixed, tuple(p.name for p in declared)))
        if not self.parameters:
            raise InputError("A Space needs at least one free parameter, but there is none.")

    @cached_property
    def parameters(self) -> tuple[Parameter, ...]:
        """The free parameters."""
        return tuple(p for p in self.declared if p.name not in self.fixed)

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Names of the free parameters."""
        return tuple(p.name for p in self.parameters)

    @cached_property
    def all_names(self) -> tuple[str, ...]:
        """Names of all parameters, as the simulator wants them."""
        declared = tuple(p.name for p in self.declared)
        return declared + tuple(name for name in self.fixed if name not in declared)

    @property
    def d(self) -> int:
        """Number of free parameters."""
        return len(self.parameters)

    @cached_property
    def low(self) -> FloatArray:
        """Lower edges of the box, shape (d,)."""
        return read_only([p.low for p in self.parameters])

    @cached_property
    def high(self) -> FloatArray:
        """Upper edges of the box, shape (d,)."""
        return read_only([p.high for p in self.parameters])

    @property
    def labels(self) -> tuple[str, ...]:
        """Labels of the free parameters with units, for axes."""
        return tuple(p.axis_label for p in self.parameters)

    @cached_property
    def defaults(self) -> FloatArray:
        """Default values, shape (d,); prior medians where none is given."""
        median = self.from_cube(np.full((1, self.d), 0.5))[0]
        given = [p.default for p in self.parameters]
        return read_only([m if g is None else g for g, m in zip(given, median, strict=True)])

    def index(self, name: str) -> int:
        """Position of a free parameter; raises UnknownNameError."""
        if name not in self.names:
            fixed = " It is fixed." if name in self.fixed else ""
            hint = did_you_mean(name, self.names)
            raise UnknownNameError(
                f"{name!r} is not a free parameter (free: {', '.join(self.names)}).{fixed}{hint}"
            )
        return self.names.index(name)

    def fix(self, **values: float | str) -> "Space":
        """Fix parameters to numbers, or tie them to other parameters by name."""
        for name in values:
            if name not in self.all_names:
                raise unknown_parameter(name, self.all_names, f"{name!r}, which is to be fixed,")
        return Space(self.declared, {**self.fixed, **values})

    def replace(self, name: str, **changes: Any) -> "Space":
        """Change fields of one parameter, such as low, high or prior."""
        known = tuple(p.name for p in self.declared)
        if name not in known:
            raise unknown_parameter(name, known, f"{name!r}, which is to be changed,")
        for key in changes:
            if key not in Parameter.__dataclass_fields__:
                fields = tuple(Parameter.__dataclass_fields__)
                raise UnknownNameError(
                    f"A Parameter has no field {key!r} (fields: {', '.join(fields)})."
                    f"{did_you_mean(key, fields)}"
                )
        changed = [replace(p, **changes) if p.name == name else p for p in self.declared]
        return Space(changed, self.fixed)

    def array(self, points: Any) -> FloatArray:
        """Turn a mapping, astropy Table, DataFrame or array into theta, shape (m, d).

        Raises
        ------
        UnknownNameError
            If a parameter is missing, or a mapping has a name that no parameter has.
        InputError
            If a mapping contradicts the value of a fixed parameter.
        """
        named = isinstance(points, Mapping) or hasattr(points, "columns")
        if not named and getattr(getattr(points, "dtype", None), "names", None) is None:
            theta = floats(points, "theta")
            return matrix(theta[None] if theta.ndim == 1 else theta, "theta", self.d)
        theta = columns(points, self.names, tuple(p.unit for p in self.parameters))
        if isinstance(points, Mapping):
            for name in column_names(points):
                if name not in self.all_names:
                    raise unknown_parameter(name, self.all_names, f"{name!r}")
                if name in self.fixed:
                    expected = self.complete(theta)[:, self.all_names.index(name)]
                    if not np.allclose(floats(points[name], name), expected, rtol=1e-12, atol=0):
                        raise InputError(
                            f"Parameter {name!r} is fixed to {self.fixed[name]!r}, "
                            f"but the point gives {points[name]!r}."
                        )
        return theta

    def complete(self, theta: Any) -> FloatArray:
        """Fill in fixed and tied parameters: (m, d) to (m, D), in the order of `all_names`."""
        theta = matrix(theta, "theta", self.d)
        filled = np.empty((len(theta), len(self.all_names)))
        for column, name in enumerate(self.all_names):
            value = resolve(name, self.fixed)
            filled[:, column] = theta[:, self.index(value)] if isinstance(value, str) else value
        return filled

    def contains(self, theta: Any) -> npt.NDArray[np.bool_]:
        """Whether points (m, d) lie in the closed box, shape (m,); NaN does not."""
        theta = floats(theta, "theta")
        if theta.ndim != 2 or theta.shape[1] != self.d:
            raise ShapeError(f"theta must have shape (m, {self.d}), but it is {theta.shape}.")
        return np.asarray(((theta >= self.low) & (theta <= self.high)).all(1))

    def to_unit(self, theta: Any) -> FloatArray:
        """Scale the box of the scaled coordinates to [0, 1]^d; points outside it lie outside."""
        low, width = self._scaled_box
        theta = matrix(theta, "theta", self.d)
        if (theta[:, self._log] <= 0).any():
            j = int(np.flatnonzero(self._log & (theta <= 0).any(0))[0])
            raise InputError(
                f"Parameter {self.names[j]!r} is on a log scale, but a point has the value "
                f"{theta[:, j].min():.6g}."
            )
        scaled = np.log(theta, out=theta.copy(), where=self._log)
        return np.asarray((scaled - low) / width)

    def from_unit(self, u: Any) -> FloatArray:
        """Undo `to_unit`; points of the unit box land inside the box, edges included."""
        low, width = self._scaled_box
        u = matrix(u, "u", self.d)
        theta = low + u * width
        theta = np.exp(theta, out=theta, where=self._log)
        # Rounding in exp(log(high)) must not push an edge of the unit box out of the box.
        theta = np.where(u >= 0, np.maximum(theta, self.low), theta)
        return np.asarray(np.where(u <= 1, np.minimum(theta, self.high), theta))

    def to_cube(self, theta: Any) -> FloatArray:
        """Prior cumulative probability of each parameter, shape (m, d); raises outside the box."""
        return self._tails(theta)[0]

    def from_cube(self, c: Any) -> FloatArray:
        """Point with the given prior cumulative probabilities; raises outside [0, 1]."""
        c = matrix(c, "c", self.d)
        if ((c < 0) | (c > 1)).any():
            raise InputError("Prior probabilities must lie in [0, 1]; clip or reject the others.")
        return self._from_tails(c, 1 - c, np.ones(c.shape, dtype=bool))

    def to_normal(self, theta: Any) -> FloatArray:
        """Give normal scores of the prior; edges map to about -37.5 and 37.5, so all are finite."""
        below, above = (np.maximum(tail, _TINY) for tail in self._tails(theta))
        return np.asarray(np.where(below < above, ndtri(below), -ndtri(above)))

    def from_normal(self, z: Any) -> FloatArray:
        """Undo `to_normal`, accurately in both tails."""
        z = matrix(z, "z", self.d)
        return self._from_tails(ndtr(z), ndtr(-z), z < 0)

    def log_prior(self, theta: Any) -> FloatArray:
        """Log density of the prior in physical theta, shape (m,); -inf outside the box."""
        inside = self.contains(theta)
        safe = np.where(inside[:, None], floats(theta, "theta"), self.defaults)
        jacobian = np.log(safe, out=np.zeros_like(safe), where=self._log)
        density = -np.log(self._scaled_box[1]) - jacobian
        for j in self._curved:
            density[:, j] = self.parameters[j].distribution.logpdf(safe[:, j])
        return np.where(inside, density.sum(1), -np.inf)

    def sample(self, n: int, rng: Rng = None) -> FloatArray:
        """Draw n points from the prior, shape (n, d)."""
        return self.from_cube(generator(rng).random((n, self.d)))

    def get_state(self) -> dict[str, Any]:
        """All parameters and what is fixed, as JSON."""
        return {
            "parameters": [p.get_state() for p in self.declared],
            "fixed": dict(self.fixed),
        }

    @classmethod
    def _rebuild(cls, state: Mapping[str, Any]) -> Self:
        parameters, fixed = entries(state, "parameters", "fixed", of="Space")
        return cls([Parameter.from_state(p) for p in parameters], fixed)

    @cached_property
    def _log(self) -> npt.NDArray[np.bool_]:
        return np.array([p.scale == "log" for p in self.parameters])

    @cached_property
    def _curved(self) -> tuple[int, ...]:
        return tuple(j for j, p in enumerate(self.parameters) if not p.flat)

    @cached_property
    def _scaled_box(self) -> tuple[FloatArray, FloatArray]:
        low = np.array([p.to_scaled(p.low) for p in self.parameters])
        return low, np.array([p.to_scaled(p.high) for p in self.parameters]) - low

    def _tails(self, theta: Any) -> tuple[FloatArray, FloatArray]:
        theta = matrix(theta, "theta", self.d)
        if not self.contains(theta).all():
            i, j = np.argwhere((theta < self.low) | (theta > self.high))[0]
            raise InputError(
                f"Point {i} has {self.names[j]} = {theta[i, j]:.6g}, outside "
                f"[{self.low[j]:.6g}, {self.high[j]:.6g}], where the prior has no probability."
            )
        below = np.clip(self.to_unit(theta), 0.0, 1.0)
        above = 1 - below
        for j in self._curved:
            prior = self.parameters[j].distribution
            below[:, j], above[:, j] = prior.cdf(theta[:, j]), prior.sf(theta[:, j])
        return below, above

    def _from_tails(
        self, below: FloatArray, above: FloatArray, lower: npt.NDArray[np.bool_]
    ) -> FloatArray:
        theta = self.from_unit(below)
        for j in self._curved:
            prior = self.parameters[j].distribution
            up = ~lower[:, j]
            theta[:, j] = prior.ppf(below[:, j])
            theta[up, j] = prior.isf(above[up, j])
        return theta
