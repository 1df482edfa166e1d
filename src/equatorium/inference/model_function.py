"""A model that is cheap enough to be its own emulator."""

import inspect
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from equatorium.checks import FloatArray, floats, instance, matrix
from equatorium.errors import InputError, ShapeError
from equatorium.records.outputs import Outputs, unique_names


class ModelFunction:
    """A vectorised function of the parameters that predicts the data exactly.

    Parameters
    ----------
    function : callable
        With `names` it is given points theta (m, d) and gives (m, p). Without, its own arguments
        are the parameters and it is given one column (m, 1) for each, so that arithmetic with the
        data's coordinates (q,) gives (m, q) as it stands.
    names : sequence of str, optional
        The d parameters.
    outputs : Outputs, optional
        What the p numbers are, so that data are matched to them as to a simulator's; without, they
        are the q data in their order.
    jacobian : callable, optional
        Slope of `function`, called in the same way: (m, p, d) with `names`, else a sequence of d
        arrays that broadcast to (m, p), one a parameter. With it the posterior has a gradient.

    Raises
    ------
    InputError
        If the parameters' names cannot be told from the function.

    Examples
    --------
    >>> x = np.array([0.0, 1.0, 2.0])
    >>> line = ModelFunction(lambda slope, intercept: intercept + slope * x)
    >>> line.names
    ('slope', 'intercept')
    >>> line([[2.0, 1.0], [0.0, 5.0]]).tolist()
    [[1.0, 3.0, 5.0], [5.0, 5.0, 5.0]]
    """

    def __init__(
        self,
        function: Callable[..., Any],
        names: Sequence[str] | None = None,
        outputs: Outputs | None = None,
        jacobian: Callable[..., Any] | None = None,
    ) -> None:
        for what, given in (("function", function), ("jacobian", jacobian)):
            if given is not None and not callable(given):
                raise InputError(f"The {what} of a ModelFunction is called, but it is {given!r}.")
        if outputs is not None:
            instance(outputs, Outputs, "outputs")
        self.function = function
        self.outputs = outputs
        self.jacobian = jacobian
        self._by_name = names is None
        self.names = _arguments(function) if names is None else unique_names(names, "parameters")
        if not self.names:
            raise InputError("A ModelFunction needs at least one parameter, but there is none.")

    @property
    def title(self) -> str:
        """What to call it in a message."""
        return f"The model function {getattr(self.function, '__name__', 'given')}"

    def __call__(self, theta: Any) -> FloatArray:
        """Predict the p numbers at points theta (m, d), shape (m, p)."""
        theta = matrix(theta, "theta", len(self.names))
        values = floats(self._call(self.function, theta), "What a model function gives")
        if self._by_name and values.ndim <= 2:
            values = np.broadcast_to(values, np.broadcast_shapes(values.shape, (len(theta), 1)))
        if values.ndim != 2 or len(values) != len(theta):
            raise ShapeError(
                f"{self.title} must give one row for each of {len(theta)} points, but its result "
                f"has the shape {values.shape}."
            )
        if self.outputs is not None and values.shape[1] != self.outputs.p:
            raise ShapeError(
                f"{self.title} gives {values.shape[1]} numbers a point, but {self.outputs.p} "
                "outputs are declared."
            )
        return values

    def slope(self, theta: FloatArray, p: int) -> FloatArray:
        """Give derivatives (m, p, d) at points theta (m, d)."""
        if self.jacobian is None:
            raise InputError(f"{self.title} is given without a jacobian.")
        given = self._call(self.jacobian, theta)
        wide = (len(theta), p)
        try:
            if self._by_name:
                given = np.stack([np.broadcast_to(part, wide) for part in given], axis=-1)
            slope = floats(given, "A jacobian")
            if slope.shape != (*wide, len(self.names)):
                raise ValueError(f"its shape is {slope.shape}")
        except ValueError as error:
            raise ShapeError(
                f"The jacobian of a model with parameters {', '.join(self.names)} must be of shape "
                f"{(*wide, len(self.names))} (or, called by name, have as many arrays as there are "
                f"parameters), but {error}."
            ) from error
        return slope

    def _call(self, function: Callable[..., Any], theta: FloatArray) -> Any:
        if not self._by_name:
            return function(theta)
        columns = (theta[:, j : j + 1] for j in range(len(self.names)))
        return function(**dict(zip(self.names, columns, strict=True)))


def _arguments(function: Callable[..., Any]) -> tuple[str, ...]:
    """Names of a function's own arguments."""
    try:
        found = inspect.signature(function).parameters
    except (TypeError, ValueError):
        found = {}  # type: ignore[assignment]
    named = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    if not found or any(p.kind not in named for p in found.values()):
        raise InputError(
            "The parameters of a model function are told by the names of its arguments, but "
            f"{function!r:.60} has none, or takes any. Give names=[...]; it is then called with "
            "theta (m, d)."
        )
    return tuple(name for name, p in found.items() if p.default is inspect.Parameter.empty)
