"""How any Python function becomes a simulator."""

import functools
import hashlib
import inspect
from collections.abc import Callable
from typing import Any

from equatorium.checks import FloatArray, Rng, generator, instance
from equatorium.errors import InputError, did_you_mean
from equatorium.interfaces.simulator import Simulator
from equatorium.records.covariance import Covariance
from equatorium.records.outputs import Outputs
from equatorium.records.space import Space


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
    instance(space, Space, "space")
    instance(outputs, Outputs, "outputs")
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
