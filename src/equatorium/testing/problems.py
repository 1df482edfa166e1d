"""The small data and the small posterior that every check uses: made from fixed seeds."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from equatorium.checks import FloatArray
from equatorium.inference.posterior import Posterior
from equatorium.records.space import Parameter, Space

N, D, P = 40, 2, 3


@dataclass(frozen=True)
class Task:
    """What a model is fitted on, and points to ask it at.

    Attributes
    ----------
    X : ndarray, shape (n, d)
    y : ndarray or None
        Outputs (n, p) for emulators, labels (n,) for classifiers, None for embedders.
    query : ndarray, shape (m, d)
    """

    X: FloatArray
    y: Any
    query: FloatArray

    @property
    def given(self) -> tuple[Any, ...]:
        """The arguments of `fit`, as fresh copies."""
        return (self.X.copy(),) if self.y is None else (self.X.copy(), self.y.copy())


def outputs_at(X: FloatArray) -> FloatArray:
    """Return three smooth functions, (n, 3), of two inputs: mostly straight, related to each other.

    >>> outputs_at(np.zeros((1, 2))).tolist()
    [[1.0, 2.0, 0.0]]
    """
    bend = np.sin(3.0 * X[:, 0]) * X[:, 1]
    return np.column_stack(
        [
            1.0 + 2.0 * X[:, 0] - X[:, 1] + 0.3 * bend,
            2.0 + X[:, 0] + 2.0 * X[:, 1] - 0.2 * bend,
            X[:, 0] - 0.5 * X[:, 1] + 0.1 * bend,
        ]
    )


def regression(seed: int = 0, n: int = N, scatter: float = 0.1) -> Task:
    """Make runs of `outputs_at` with scatter, (n, 2) and (n, 3), and 15 points between them."""
    rng = np.random.default_rng([seed, 1])
    X, query = rng.random((n, D)), 0.1 + 0.8 * rng.random((15, D))
    common = scatter * rng.normal(size=(n, 1))
    own = 0.7 * common + 0.7 * scatter * rng.normal(size=(n, P))
    return Task(X, outputs_at(X) + own, query)


def classification(seed: int = 0, n: int = 45) -> Task:
    """Make three well separated clouds of points with labels of text."""
    rng = np.random.default_rng([seed, 2])
    centres = np.array([[0.0, 0.0], [6.0, 0.0], [0.0, 6.0]])
    code = np.arange(n) % 3
    X = centres[code] + rng.normal(size=(n, D))
    query = centres[np.arange(15) % 3] + rng.normal(size=(15, D))
    return Task(X, np.array(["disc", "elliptical", "merger"])[code], query)


def rows(seed: int = 0, n: int = N, scatter: float = 0.02) -> Task:
    """Make positive rows of six pixels that vary in two directions, with little scatter."""
    rng = np.random.default_rng([seed, 3])
    directions = np.array([[1.0, 2.0, 1.5, 1.0, 0.5, 1.0], [0.5, 0.2, 0.6, 1.0, 1.2, 0.1]])
    X = (0.5 + rng.random((n + 15, 2))) @ directions + 1.0
    X += scatter * rng.normal(size=X.shape)
    return Task(X[:n], None, X[n:])


def line(n: int = N) -> FloatArray:
    """Make rows (n, 6) along one direction: within the reach of any map with a way back."""
    t = np.random.default_rng(4).permutation(np.linspace(1.0, 2.0, n))
    return np.outer(t, [1.0, 2.0, 1.5, 1.0, 0.5, 1.0])


TASKS = {"emulator": regression, "classifier": classification, "embedder": rows}


class Bell:
    """A correlated Gaussian likelihood of two parameters that can be told to stop on the way.

    Parameters
    ----------
    stop_after : int, optional
        After so many calls, it raises `KeyboardInterrupt`.
    """

    mean = np.array([0.3, -0.5])
    covariance = np.array([[0.25, 0.10], [0.10, 0.16]])

    def __init__(self, stop_after: int | None = None) -> None:
        self.stop_after = stop_after
        self.batches: list[int] = []

    def log_likelihood(self, theta: FloatArray) -> FloatArray:
        """Return the log-likelihood (m,) of theta (m, 2)."""
        self.batches.append(len(theta))
        if self.stop_after is not None and len(self.batches) > self.stop_after:
            raise KeyboardInterrupt
        off = np.asarray(theta) - self.mean
        return np.asarray(-0.5 * (off * np.linalg.solve(self.covariance, off.T).T).sum(axis=1))

    def log_likelihood_and_gradient(self, theta: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return it with its gradient (m, 2)."""
        off = np.asarray(theta) - self.mean
        return self.log_likelihood(theta), -np.linalg.solve(self.covariance, off.T).T


def bell(stop_after: int | None = None, high: float = 4.0) -> Posterior:
    """Return a posterior whose moments are those of `Bell`: the flat prior is felt nowhere."""
    space = Space([Parameter("a", -4.0, high), Parameter("b", -4.0, high)])
    likelihood: Any = Bell(stop_after)
    return Posterior(space, likelihood)
