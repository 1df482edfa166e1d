"""What is expensive: a simulator's contract."""

import hashlib
import importlib
import json
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import numpy as np

from equatorium.checks import FloatArray, Rng, floats, generator
from equatorium.errors import (
    EquatoriumError,
    SimulatorError,
    UnknownNameError,
    did_you_mean,
)
from equatorium.records.covariance import Covariance
from equatorium.records.observation import Observation
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
    observations : mapping
        Observed data that come along: name -> ``"package.module:function"`` that returns them.
    """

    name: str
    version: str = "1"
    space: Space
    outputs: Outputs
    covariance: Covariance | None = None
    options: Mapping[str, Any] = MappingProxyType({})
    observations: Mapping[str, str] = MappingProxyType({})

    @classmethod
    def conformance_options(cls) -> dict[str, Any]:
        """Return small settings, with which the conformance kit runs it in a second."""
        return {}

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
                + (" A tuple is read as (values, variance)." if isinstance(result, tuple) else "")
            )
        return run

    def observed(self, name: str) -> Observation:
        """Return one of the `observations` that come along with the simulator.

        Raises
        ------
        UnknownNameError
            If it brings none of that name.
        """
        if name not in self.observations:
            raise UnknownNameError(
                f"no observation {name!r} comes with {self.name}."
                f"{did_you_mean(name, self.observations)} "
                f"Known: {', '.join(self.observations) or 'none'}; Observation.read reads a file."
            )
        module, _, function = self.observations[name].partition(":")
        found: Observation = getattr(importlib.import_module(module), function)()
        return found

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


def _shortened(names: Sequence[str]) -> str:
    return ", ".join(names[:4]) + (", ..." if len(names) > 4 else "")
