"""The space of parameters: points are physical; unit box, prior cube and normals are views.

Bounds of a parameter may depend on others. The prior then is a chain of distributions, each given
those before, and the views remain exact (the transform of Rosenblatt 1952, Ann. Math. Statist. 23,
470, doi:10.1214/aoms/1177729394).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from scipy.special import ndtr, ndtri

from equatorium.checks import FloatArray, Rng, floats, generator, matrix, read_only
from equatorium.errors import InputError, ShapeError, UnknownNameError, did_you_mean
from equatorium.records import chain
from equatorium.records.base import Record, entries
from equatorium.records.dependence import Dependence
from equatorium.records.fixing import Fixed, check_fixed, unknown_parameter
from equatorium.records.outputs import unique_names
from equatorium.records.parameter import Parameter
from equatorium.records.points import named_points

__all__ = ["Parameter", "Space"]

_TINY = float(np.finfo(float).tiny)


@dataclass(frozen=True, eq=False, init=False)
class Space(Record):
    """Named parameters, some free, some fixed, tied or derived; the prior of the free ones.

    Points are always physical values theta of the d *free* parameters, shape (m, d). Three views:
    `to_unit` (the box of the scaled coordinates, what emulators see), `to_cube` (prior cumulative
    probabilities) and `to_normal` (their standard normal quantiles), what samplers see.

    Parameters
    ----------
    parameters : iterable of Parameter
        In the order in which the simulator wants them.
    fixed : mapping, optional
        From a name to a number, to the name of the parameter whose value it takes, or to
        arithmetic on others such as ``"a + 2 * log10(b)"`` (`equatorium.records.expression` says
        what it may hold). A number must lie in the parameter's range, and all that is fixed must
        keep the conditional bounds of its parameter. Names that are not among `parameters` follow
        them in `all_names`.

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
        object.__setattr__(self, "fixed", check_fixed(fixed, declared))
        if not self.parameters:
            raise InputError("A Space needs at least one free parameter, but there is none.")
        chain.check(self)

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

    @cached_property
    def dependence(self) -> Dependence:
        """Which parameters depend on which others."""
        return Dependence(self.declared, self.all_names, self.fixed)

    @property
    def conditional(self) -> bool:
        """Whether bounds of free parameters depend on others."""
        return any(p.above or p.below for p in self.parameters)

    @property
    def derived_names(self) -> tuple[str, ...]:
        """Names of the parameters that are arithmetic on free ones, in the order of `all_names`."""
        return self.dependence.derived

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
        """Default values, shape (d,); prior medians, given these, where there is none."""
        half = np.full((1, self.d), 0.5)
        theta = self.from_unit(half)
        for j, parameter in enumerate(self.parameters):
            if parameter.default is not None:
                theta[:, j] = parameter.default
        for j, prior in chain.distributions(self, theta):
            if self.parameters[j].default is None:
                theta[:, j] = prior.ppf(half[:, j])
        return read_only(theta[0])

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
        """Fix parameters to numbers, tie them to others by name, or derive them: "a + 2 * b"."""
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
        return named_points(self, points)

    def complete(self, theta: Any) -> FloatArray:
        """Fill in fixed and tied parameters: (m, d) to (m, D), in the order of `all_names`."""
        theta = matrix(theta, "theta", self.d)
        columns = self.dependence.complete(theta)
        filled = [np.broadcast_to(columns[name], len(theta)) for name in self.all_names]
        return np.stack(filled, axis=1)

    def contains(self, theta: Any) -> npt.NDArray[np.bool_]:
        """Whether points (m, d) lie within all bounds, edges included, (m,); NaN does not."""
        theta = floats(theta, "theta")
        if theta.ndim != 2 or theta.shape[1] != self.d:
            raise ShapeError(f"theta must have shape (m, {self.d}), but it is {theta.shape}.")
        inside = np.asarray(((theta >= self.low) & (theta <= self.high)).all(1))
        if self.dependence.bounded and inside.any():
            inside[inside] = chain.within(self.dependence, theta[inside])
        return inside

    def outside(self, theta: Any) -> str:
        """Tell of the first point (m, d) that is out of bounds; empty if none is."""
        return chain.first_outside(self, matrix(theta, "theta", self.d))

    def spread(self, u: Any) -> FloatArray:
        """Map a design in the unit box (m, d) to points that fill the space within all bounds.

        The same as `from_unit`, unless bounds depend on other parameters: then the range that is
        left of each is filled evenly.
        """
        if not self.conditional:
            return self.from_unit(u)
        bare = [replace(p, prior=None, default=None) for p in self.declared]
        return Space(bare, self.fixed).from_cube(u)

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
        return chain.tails(self, theta)[0]

    def from_cube(self, c: Any) -> FloatArray:
        """Point with the given prior cumulative probabilities; raises outside [0, 1]."""
        c = matrix(c, "c", self.d)
        if ((c < 0) | (c > 1)).any():
            raise InputError("Prior probabilities must lie in [0, 1]; clip or reject the others.")
        return chain.from_tails(self, c, 1 - c, np.ones(c.shape, dtype=bool))

    def to_normal(self, theta: Any) -> FloatArray:
        """Give normal scores of the prior; edges map to about -37.5 and 37.5, so all are finite."""
        below, above = (np.maximum(tail, _TINY) for tail in chain.tails(self, theta))
        return np.asarray(np.where(below < above, ndtri(below), -ndtri(above)))

    def from_normal(self, z: Any) -> FloatArray:
        """Undo `to_normal`, accurately in both tails."""
        z = matrix(z, "z", self.d)
        return chain.from_tails(self, ndtr(z), ndtr(-z), z < 0)

    def log_prior(self, theta: Any) -> FloatArray:
        """Log density of the prior in physical theta, shape (m,); -inf outside the bounds."""
        theta, inside = floats(theta, "theta"), self.contains(theta)
        jacobian = np.log(theta[inside], out=np.zeros((inside.sum(), self.d)), where=self._log)
        density = -np.log(self._scaled_box[1]) - jacobian
        for j, prior in chain.distributions(self, theta[inside]):
            density[:, j] = prior.logpdf(theta[inside, j])
        result = np.full(len(theta), -np.inf)
        result[inside] = density.sum(1)
        return result

    def sample(self, n: int, rng: Rng = None) -> FloatArray:
        """Draw n points from the prior, shape (n, d); raises where bounds leave nothing."""
        theta = self.from_cube(generator(rng).random((n, self.d)))
        chain.check_left(self, theta)
        return theta

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
    def _scaled_box(self) -> tuple[FloatArray, FloatArray]:
        low = np.array([p.to_scaled(p.low) for p in self.parameters])
        return low, np.array([p.to_scaled(p.high) for p in self.parameters]) - low
