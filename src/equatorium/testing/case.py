"""What a check is given: one method under test, and how to make, fit and ask it."""

import inspect
from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from equatorium import registry
from equatorium.entry import Entry
from equatorium.testing.problems import TASKS, Task

MODELS = ("emulator", "classifier", "embedder")


class UnmetError(AssertionError):
    """A method does not keep its contract."""


class NotHere(Exception):  # noqa: N818  (no error: a reason to skip)
    """A check needs what this machine lacks."""


def expect(condition: object, text: str) -> None:
    """Fail the check with an explanation unless the condition holds.

    >>> expect(1 + 1 == 2, "arithmetic is broken")
    """
    if not condition:
        raise UnmetError(text)


class Case:
    """One method under test.

    Attributes
    ----------
    entry : Entry
        Its registration.
    name : str
        Its short name.
    """

    def __init__(self, entry: Entry, elsewhere: Callable[[str, str], str]) -> None:
        self.entry = entry
        self.name = entry.name
        self._elsewhere = elsewhere

    @cached_property
    def cls(self) -> type[Any]:
        """The class."""
        return self.entry.load()

    @property
    def capabilities(self) -> frozenset[str]:
        """What it was registered with."""
        return frozenset(self.entry.method.capabilities)

    @property
    def options(self) -> dict[str, Any]:
        """Its small settings, and a fixed seed if it takes one."""
        options = dict(getattr(self.cls, "conformance_options", dict)())
        if "random_state" in inspect.signature(self.cls).parameters:
            options.setdefault("random_state", 0)
        return options

    def make(self, **changes: Any) -> Any:
        """Make one with its ``conformance_options``, and with the changes."""
        return registry.create(None, self.entry.qualname, **{**self.options, **changes})

    def elsewhere(self, job: str) -> str:
        """Return what went wrong with the method in a process of its own; empty if nothing."""
        return self._elsewhere(job, self.name)

    @property
    def role(self) -> str:
        """The first of emulator, classifier, embedder that it is."""
        return next(role for role in MODELS if role in self.entry.roles)

    def task(self, seed: int = 0, **how: Any) -> Task:
        """Return data that fit its role."""
        return TASKS[self.role](seed, **how)

    def fitted(self, task: Task | None = None) -> Any:
        """Make one and fit it."""
        return self.make().fit(*(self.task() if task is None else task).given)


def answers(model: Any, query: npt.NDArray[Any]) -> dict[str, npt.NDArray[Any]]:
    """Return all that a fitted model says at some points, by name."""
    if hasattr(model, "predict_proba"):
        return {"probabilities": model.predict_proba(query), "labels": model.predict(query)}
    if hasattr(model, "transform"):
        latent = model.transform(query)
        back = {"rows": model.inverse_transform(latent)} if can_invert(model) else {}
        return {"latent coordinates": latent, **back}
    prediction = model.predict_dist(query)
    found = {"mean": np.asarray(prediction.mean), "predict": np.asarray(model.predict(query))}
    if "variance" in model.capabilities_:
        found["variance"] = np.asarray(prediction.variance)
        found["covariance"] = np.asarray(prediction.cov().dense())
    return found


def can_invert(model: Any) -> bool:
    """Say whether an embedder has a way back."""
    return "inverse" in model.capabilities_ and hasattr(model, "inverse_transform")


def differences(a: Mapping[str, npt.NDArray[Any]], b: Mapping[str, npt.NDArray[Any]]) -> list[str]:
    """Say which of two models' answers are not the same in every bit."""
    found = []
    for name, x in a.items():
        y = b.get(name)
        number = x.dtype.kind == "f"
        if y is None or x.shape != y.shape or x.dtype.kind != y.dtype.kind:
            found.append(f"{name} has another shape or type")
        elif x.tobytes() != y.tobytes() if number else x.tolist() != y.tolist():
            found.append(name + (f" by up to {np.abs(x - y).max():.2g}" if number else ""))
    return found


def spread(Y: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    """Return the standard deviation of each column, shape (p,)."""
    return np.asarray(np.std(Y, axis=0))
