"""What all ready models have in common: a space of their own, and batches that fit into memory."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from copy import copy
from typing import Any, Self

import numpy as np

from equatorium.checks import FloatArray, Rng, generator, instance, vector
from equatorium.errors import InputError, did_you_mean
from equatorium.inference.draws import Draws
from equatorium.records.space import Space

Values = dict[str, FloatArray]

_HELD = 2**21  # numbers that a batch of points may hold in one array


class ReadyModel(ABC):
    """A likelihood that knows its parameters: ``Posterior(model.space, model)`` is complete.

    Attributes
    ----------
    space : Space
        Parameters with their priors.
    names : tuple of str
        Parameters that the likelihood needs; the space may hold others.
    """

    names: tuple[str, ...]
    _size: int  # of the largest array for one point of the parameter space

    def __init__(self, space: Space) -> None:
        self.space = space
        self.names = tuple(name for name in space.all_names if name not in space.derived_names)

    def with_space(self, space: Space) -> Self:
        """Give the same model over another space: other priors, fixed or tied parameters.

        Raises
        ------
        InputError
            If the space lacks a parameter.
        """
        instance(space, Space, "space")
        for name in self.names:
            if name not in space.all_names:
                raise InputError(
                    f"The model needs a parameter {name!r}, which the space has not (it has "
                    f"{', '.join(space.all_names)}). Start from model.space, and use its fix and "
                    f"replace.{did_you_mean(name, space.all_names)}"
                )
        other = copy(self)
        other.space = space
        other.names = space.names  # its points are those of its own space
        return other

    def values(self, draws: Any) -> Values:
        """Values (s,) of all parameters by name, fixed and derived ones too.

        Parameters
        ----------
        draws : Draws or array, shape (s, d)
        """
        columns = self.space.complete(all_draws(draws)).T
        return dict(zip(self.space.all_names, columns, strict=True))

    def log_likelihood(self, theta: Any) -> FloatArray:
        """Log-likelihood (m,) of points theta (m, d) of the space; NaN where it has no value."""
        return self._batched(self._log_likelihood, theta)

    @abstractmethod
    def _log_likelihood(self, values: Values) -> FloatArray:
        """Log-likelihood (m,) of the values of all parameters, each (m, 1)."""

    def _batched(self, function: Callable[[Values], FloatArray], theta: Any) -> FloatArray:
        columns = self.space.complete(theta).T[:, :, None]
        chunk = max(1, _HELD // self._size)
        parts = []
        for start in range(0, columns.shape[1], chunk):
            values = dict(zip(self.space.all_names, columns[:, start : start + chunk], strict=True))
            parts.append(function(values))
        return np.concatenate(parts) if parts else function(self._nothing())

    def _at(self, theta: Any) -> Values:
        """Values (1, 1) of all parameters at one point theta (d,) of the space."""
        columns = self.space.complete(vector(theta, "theta")[None]).T[:, :, None]
        return dict(zip(self.space.all_names, columns, strict=True))

    def _nothing(self) -> Values:
        return {name: np.empty((0, 1)) for name in self.space.all_names}


def all_draws(draws: Any) -> Any:
    """Take all draws (s, d) of a Draws; an array is passed through."""
    return draws.flat if isinstance(draws, Draws) else draws


class CurveModel(ReadyModel):
    """A ready model of n measured y about a curve: it says how they come about.

    Attributes
    ----------
    y : array, shape (n,)
    """

    y: FloatArray

    @property
    def q(self) -> int:
        """Number of data."""
        return len(self.y)

    def simulate(self, theta: Any, rng: Rng = None) -> FloatArray:
        """Draw data (n,) at one point theta (d,)."""
        return self._drawn(self._at(theta), generator(rng))

    def with_data(self, y: Any) -> Self:
        """Give the same model, its priors included, of other data (n,)."""
        other = copy(self)
        other.y = vector(y, "y", self.q)
        return other

    @abstractmethod
    def _drawn(self, values: Values, rng: np.random.Generator) -> FloatArray:
        """Draw data (n,) at values (1, 1) of the parameters."""


class PointwiseModel(ReadyModel):
    """A ready model whose n data are independent, given the parameters."""

    def pointwise(self, theta: Any) -> FloatArray:
        """Log-likelihood of each datum (m, n) at points theta (m, d), as cross-validation wants."""
        return self._batched(self._each, theta)

    @abstractmethod
    def _each(self, values: Values) -> FloatArray:
        """Log-likelihood of each datum, (m, n)."""

    def _log_likelihood(self, values: Values) -> FloatArray:
        return np.asarray(self._each(values).sum(axis=1))
