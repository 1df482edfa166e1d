r"""How far a prediction is from the data, in units of everything that is uncertain about it.

.. math::
   I_i(\theta) = \frac{|y_i - R_i\,\mu(\theta)|}{\sqrt{V_i(\theta)}}, \qquad
   V(\theta) = \Sigma_{obs} + \Sigma_{disc} + R\,(\Sigma_{sim} + \Sigma_{em}(\theta))\,R^T

For an upper or lower limit only a prediction on the wrong side of it counts. A point with a small I
may be good or merely unknown; one with a large I is bad, whatever the
simulator would say there.

References
----------
Craig, Goldstein, Seheult & Smith 1997, doi:10.1007/978-1-4612-2290-3_2;
Vernon, Goldstein & Bower 2010, Bayesian Analysis 5, 619, doi:10.1214/10-BA524
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from equatorium.checks import FloatArray, matrix
from equatorium.emulate.surrogate import Surrogate, require_variance
from equatorium.errors import InputError, ShapeError
from equatorium.records.base import Record
from equatorium.records.covariance import Covariance
from equatorium.records.discrepancy import Discrepancy
from equatorium.records.observation import Observation

__all__ = ["Implausibility", "nth_maximum"]

_CHUNK = 512  # points predicted at once: their covariances still fit into the cache


@dataclass(frozen=True, eq=False)
class Implausibility(Record):
    """Implausibility of parameters, datum by datum.

    Parameters
    ----------
    surrogate : Surrogate
        Its emulator must state a variance.
    observation : Observation
        The data, with measurement errors only.
    discrepancy : Discrepancy, optional
        What the model is allowed to miss; none by default.
    extra : Covariance, optional
        Variance over the p outputs that all runs of the simulator share.
    kept : sequence of int, optional
        The data that count; all by default. The discrepancy is that of all data nevertheless.

    Raises
    ------
    NotValidatedError
        If the emulator states no variance.
    ShapeError
        If `extra` is not over the surrogate's outputs.
    InputError
        If the observation does not match the outputs, or no datum is kept.
    """

    surrogate: Surrogate
    observation: Observation
    discrepancy: Discrepancy | None = None
    extra: Covariance | None = None
    kept: Sequence[int] | None = None

    def __post_init__(self) -> None:
        require_variance(self.surrogate)
        if self.discrepancy is None:
            object.__setattr__(self, "discrepancy", Discrepancy.none())
        if self.extra is not None and (
            self.extra.batch or self.extra.p != self.surrogate.outputs.p
        ):
            raise ShapeError(
                f"extra must be one covariance over the {self.surrogate.outputs.p} outputs of the "
                f"surrogate, but it is over {self.extra.p}."
            )
        if self.kept is not None:
            kept = tuple(sorted({int(i) for i in self.kept}))
            if not kept or kept[0] < 0 or kept[-1] >= self.observation.q:
                raise InputError(
                    f"kept must name at least one of the data 0 to {self.observation.q - 1}, but "
                    f"it is {self.kept!r}."
                )
            object.__setattr__(self, "kept", kept)
        _ = self.response  # an observation that does not match is refused here, not in use

    @property
    def q(self) -> int:
        """Number of data that count."""
        return len(self.data)

    @property
    def data(self) -> npt.NDArray[np.intp]:
        """Which data of the observation count, shape (q,)."""
        return np.arange(self.observation.q) if self.kept is None else np.array(self.kept)

    @cached_property
    def response(self) -> FloatArray:
        """What the q data are of the p outputs, shape (q, p)."""
        return self.observation.match(self.surrogate.outputs)[self.data]

    @property
    def used(self) -> npt.NDArray[np.intp]:
        """Which outputs the data see."""
        return np.flatnonzero((self.response != 0).any(axis=0))

    @cached_property
    def constant(self) -> Covariance:
        """What does not depend on the parameters: observation, discrepancy, `extra`; (q, q)."""
        total = self.observation.covariance
        if self.discrepancy is not None:
            total = total + self.discrepancy.covariance(self.observation)
        total = total.marginal(self.data)
        return total if self.extra is None else total + self.extra.project(self.response)

    def describe(self, i: int) -> str:
        """Say which datum the i-th of the q is."""
        return self.observation.describe(int(self.data[i]))

    def __call__(self, theta: Any) -> FloatArray:
        """Implausibilities of points.

        Parameters
        ----------
        theta : array_like, shape (m, d)
            Physical parameters, inside the box.

        Returns
        -------
        array, shape (m, q)
        """
        theta = matrix(theta, "theta", self.surrogate.space.d)
        out = np.empty((len(theta), self.q))
        for start in range(0, len(theta), _CHUNK):
            part = slice(start, start + _CHUNK)
            out[part] = self._evaluate(theta[part])
        return out

    def total_covariance(self, theta: Any) -> Covariance:
        """Return V of points theta (m, d): batch (m,), over the q data."""
        return self.constant + self.surrogate.predict(theta).project(self.response).cov()

    def _evaluate(self, theta: FloatArray) -> FloatArray:
        prediction = self.surrogate.predict(theta)
        columns = self._selection
        if columns is None:
            projected = prediction.project(self.response)
            mean, variance = projected.mean, projected.variance
        else:  # by far the most frequent case, and nothing needs to be multiplied
            mean, variance = prediction.mean[:, columns], prediction.variance[:, columns]
        off = self._off(self.observation.values[self.data] - mean)
        variance = variance + self.constant.diagonal()
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(off > 0, off / np.sqrt(variance), 0.0)

    def _off(self, residual: FloatArray) -> FloatArray:
        """How far off predictions are (m, q); on the allowed side of a limit not at all."""
        if self.observation.limit is None:
            return np.abs(residual)
        limit = np.array(self.observation.limit)[self.data]
        return np.where(limit == 0, np.abs(residual), np.maximum(limit * residual, 0.0))

    @cached_property
    def _selection(self) -> npt.NDArray[np.intp] | None:
        """Which output each datum is, if each is just one."""
        R = self.response
        single = (np.count_nonzero(R, axis=1) == 1).all() and (R.max(axis=1) == 1).all()
        return np.argmax(R, axis=1) if single else None


def nth_maximum(implausibility: Any, rank: int = 1) -> FloatArray:
    """Return the rank-th largest of each row, (m, q) to (m,); rank 1 is the maximum.

    The second or third maximum forgives as many data whose emulators may be wrong.

    >>> nth_maximum([[1.0, 5.0, 3.0]], rank=2)
    array([3.])
    """
    values = matrix(implausibility, "implausibility")
    q = values.shape[1]
    if isinstance(rank, bool) or not isinstance(rank, int | np.integer) or not 1 <= rank <= q:
        raise InputError(f"rank must be a whole number from 1 (maximum) to {q}, not {rank!r}.")
    return np.asarray(np.partition(values, q - rank, axis=1)[:, q - rank])
