"""What is expensive: a simulator's contract, and how any Python function becomes one."""

import functools
import hashlib
import inspect
import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import numpy as np

from equatorium.checks import FloatArray, Rng, floats, generator
from equatorium.errors import EquatoriumError, InputError, SimulatorError, did_you_mean
from equatorium.records.covariance import Covariance
from equatorium.records.outputs import Outputs
from equatorium.records.space import Space


@dataclass(frozen=True, eq=False)
class Simulated:
    """What one run gives.

    Parameters
    ----------
    values : ndarray, shape (p,)
    variance : ndarray, shape (p,), optional
        The variance of the run's own noise, independent of all other runs'.
    info : mapping
        JSON values worth keeping, such as the number of iterations.
    """

    values: FloatArray
    variance: FloatArray | None = None
    info: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.values is None:
            raise SimulatorError("a run gave nothing (None); does its function return the values?")
        for name in ("values", "variance"):
            given = getattr(self, name)
            if given is not None:
                array = np.atleast_1d(floats(given, name))
                if array.ndim != 1:
                    raise SimulatorError(f"a run's {name} must be 1-D, not of shape {array.shape}.")
                object.__setattr__(self, name, array)
        if self.variance is not None and self.variance.shape != self.values.shape:
            raise SimulatorError(
                f"a run gave {self.values.size} values but {self.variance.size} variances."
            )


class Simulator(ABC):
    """Base class of simulators; subclasses set the attributes and define ``__call__``.

    Attributes
    ----------
    name : str
    version : str
        Raise it whenever the results change: finished runs are known by it.
    space : Space
        The parameters.
    outputs : Outputs
        The p results of a run.
    covariance : Covariance or None
        The variance that all runs share (one merger forest); not the runs' own noise.
    options : mapping
        The settings that change the results, as JSON values.
    """

    name: str
    version: str = "1"
    space: Space
    outputs: Outputs
    covariance: Covariance | None = None
    options: Mapping[str, Any] = MappingProxyType({})

    @abstractmethod
    def __call__(self, theta: FloatArray, *, rng: Rng) -> Any:
        """Run once.

        Parameters
        ----------
        theta : ndarray, shape (D,)
            All parameters, in the order of ``space.all_names``.
        rng : int, Generator or None

        Returns
        -------
        Simulated, or ndarray of shape (p,), or a pair of values and variance
        """

    def evaluate(self, theta: Any, *, rng: Rng = None) -> Simulated:
        """Run once and check the result's form; NaN is left to the caller to judge.

        Raises
        ------
        SimulatorError
            If the parameters or the outputs have another number than declared.
        """
        theta, names = np.asarray(theta, dtype=np.float64), self.space.all_names
        if theta.shape != (len(names),):
            raise SimulatorError(
                f"{self.name} takes {len(names)} parameters ({', '.join(names)}), but theta has "
                f"shape {theta.shape}."
            )
        return self.judge(self(theta, rng=generator(rng)))

    def judge(self, result: Any) -> Simulated:
        """Bring what a run returned to one form; raise SimulatorError if that is impossible."""
        try:
            parts = result if isinstance(result, tuple) else (result,)
            run = result if isinstance(result, Simulated) else Simulated(*parts)
        except (EquatoriumError, TypeError) as error:
            raise SimulatorError(f"{self.name} returned {result!r:.80}: {error}") from error
        if run.values.size != self.outputs.p:
            raise SimulatorError(
                f"{self.name} returned {run.values.size} values, but declares "
                f"{self.outputs.p} outputs; let it return one value for each of "
                f"{_shortened(self.outputs.names)}."
            )
        return run

    def identity(self) -> str:
        """Return a short hash of all that decides a run's result, apart from theta and seed."""
        parts = {
            "name": self.name,
            "version": self.version,
            "options": dict(self.options),
            "parameters": list(self.space.all_names),
            "outputs": list(self.outputs.names),
        }
        try:
            text = json.dumps(parts, sort_keys=True)
        except TypeError as error:
            raise SimulatorError(
                f"the options of {self.name} must be JSON values: {error}"
            ) from error
        return hashlib.sha256(text.encode()).hexdigest()[:16]


class Wrapped(Simulator):
    """A Python function as a simulator; made by `wrap`."""

    def __init__(
        self,
        function: Callable[..., Any],
        space: Space,
        outputs: Outputs,
        *,
        version: str | None = None,
        name: str | None = None,
        as_array: bool = False,
        covariance: Covariance | None = None,
    ) -> None:
        self.function = function
        self.space = space
        self.outputs = outputs
        inner = _innermost(function)
        self.name = name or str(getattr(inner, "__name__", type(inner).__name__))
        self.version = _source_version(function) if version is None else str(version)
        self.as_array = as_array
        self.covariance = covariance
        self.options = {"function": _qualified(function), "as_array": as_array}
        self._takes_rng = "rng" in inspect.signature(function).parameters
        self._check_names()

    def __call__(self, theta: FloatArray, *, rng: Rng) -> Any:
        """Call the function, with an ``rng`` if it takes one."""
        extra = {"rng": generator(rng)} if self._takes_rng else {}
        if self.as_array:
            return self.function(theta, **extra)
        values = dict(zip(self.space.all_names, map(float, theta), strict=True))
        return self.function(**values, **extra)

    def _check_names(self) -> None:
        """Find out now, not in a worker, that the function has no such parameter."""
        signature = inspect.signature(self.function)
        names = () if self.as_array else self.space.all_names
        try:
            extra = {"rng": None} if self._takes_rng else {}
            if self.as_array:
                signature.bind(None, **extra)
            else:
                signature.bind(**dict.fromkeys(names), **extra)
        except TypeError as error:
            known = [name for name in signature.parameters if name != "rng"]
            odd = next((name for name in names if name not in known), "")
            raise InputError(
                f"{self.name}({', '.join(known)}) cannot be called with the space's parameters "
                f"{', '.join(self.space.all_names)}: {error}.{did_you_mean(odd, known)} Rename "
                f"them, or give as_array=True if it takes one array."
            ) from error


def wrap(
    function: Callable[..., Any],
    space: Space,
    outputs: Outputs,
    *,
    version: str | None = None,
    name: str | None = None,
    as_array: bool = False,
    covariance: Covariance | None = None,
) -> Simulator:
    """Make a simulator of a Python function.

    Parameters
    ----------
    function : callable
        Called as ``function(**{name: value})``, or with one array (D,) if ``as_array``; with
        ``rng=Generator`` if it has such a parameter. To run in other processes it must be
        importable: defined at the top of a module or script, no lambda.
    space : Space
    outputs : Outputs
    version : str, optional
        Raise it when the results change. By default a hash of the function's own source text, so
        that editing it makes older runs stale; what it calls is not looked at.
    name : str, optional
        By default the function's.
    as_array : bool
    covariance : Covariance, optional
        The variance that all runs share.

    Raises
    ------
    InputError
        If the function cannot be called with the parameters, or has no source and no version.
    """
    if not callable(function):
        raise InputError(f"wrap needs a function, not {function!r}.")
    return Wrapped(
        function,
        space,
        outputs,
        version=version,
        name=name,
        as_array=as_array,
        covariance=covariance,
    )


def _innermost(function: Any) -> Any:
    while isinstance(function, functools.partial):
        function = function.func
    return function


def _qualified(function: Any) -> str:
    """Name a function, the same in the main process and in a spawned one."""
    inner = _innermost(function)
    inner = inner if hasattr(inner, "__qualname__") else type(inner)
    module = "__main__" if inner.__module__ == "__mp_main__" else inner.__module__
    bound = ""
    while isinstance(function, functools.partial):
        bound += f"{function.args!r}{sorted(function.keywords.items())!r}"
        function = function.func
    return f"{module}:{inner.__qualname__}{bound}"


def _source_version(function: Any) -> str:
    try:
        text = inspect.getsource(_innermost(function))
    except (OSError, TypeError) as error:
        raise InputError(
            f"the source of {_qualified(function)} cannot be read, so changes to it would go "
            f"unnoticed: give wrap a version='1', and raise it when the results change."
        ) from error
    return "source-" + hashlib.sha256(text.encode()).hexdigest()[:12]


def _shortened(names: Sequence[str]) -> str:
    return ", ".join(names[:4]) + (", ..." if len(names) > 4 else "")
