"""A fitted emulator with names and units: physical parameters in, named outputs out."""

from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
from sklearn.base import clone

from equatorium.checks import FloatArray, matrix
from equatorium.emulate.report import Report
from equatorium.errors import InputError, NotValidatedError, ShapeError
from equatorium.interfaces.emulator import Emulator
from equatorium.records.base import Record
from equatorium.records.outputs import Outputs
from equatorium.records.prediction import Prediction
from equatorium.records.runs import Runs
from equatorium.records.space import Space

__all__ = ["Surrogate", "require_variance"]


@dataclass(frozen=True, eq=False)
class Surrogate(Record):
    """What history matching, likelihoods and files exchange: an emulator that knows its names.

    The emulator sees the unit box of the scaled parameters; nobody else does.

    Parameters
    ----------
    space : Space
        The d parameters; outside its box nothing was learned, and nothing is predicted.
    outputs : Outputs
        The p outputs.
    emulator : Emulator
        Fitted on d inputs and p outputs.
    report : Report, optional
        How it did on runs that it had not seen.

    Examples
    --------
    >>> from equatorium.records.prediction import Gaussian
    >>> from equatorium.records.covariance import Diagonal
    >>> from equatorium.records.space import Parameter
    >>> class Mean(Emulator):
    ...     def _fit(self, X, Y, noise):
    ...         self.mean_, self.var_ = Y.mean(axis=0), Y.var(axis=0)
    ...
    ...     def _predict_dist(self, X):
    ...         return Gaussian(np.tile(self.mean_, (len(X), 1)), Diagonal(self.var_))
    >>> runs = Runs(Space([Parameter("a", 0, 2)]), Outputs(["y"]), [[0.0], [2.0]], [[1.0], [3.0]])
    >>> Surrogate.fitted(runs, Mean()).predict([[1.5]]).mean
    array([[2.]])
    """

    space: Space
    outputs: Outputs
    emulator: Emulator
    report: Report | None = None

    def __post_init__(self) -> None:
        for what, expected, found in (
            ("parameters", self.space.d, getattr(self.emulator, "n_features_in_", None)),
            ("outputs", self.outputs.p, getattr(self.emulator, "n_outputs_", None)),
        ):
            if found is None:
                raise InputError(
                    f"The {type(self.emulator).__name__} of a Surrogate must be fitted. "
                    "Surrogate.fitted(runs, emulator) does that."
                )
            if found != expected:
                raise ShapeError(
                    f"The {type(self.emulator).__name__} was fitted on {found} {what}, but the "
                    f"Surrogate is given {expected}."
                )
        if self.report is not None and tuple(self.report.names) != tuple(self.outputs.names):
            raise InputError("The report is about other outputs than those of the Surrogate.")

    @classmethod
    def fitted(cls, runs: Runs, emulator: Emulator, report: Report | None = None) -> Self:
        """Fit a clone of an emulator on the runs that succeeded.

        Parameters
        ----------
        runs : Runs
            Their declared noise is passed on to an emulator with the capability ``noise``.
        emulator : Emulator
            Not altered.
        report : Report, optional

        Raises
        ------
        InputError
            If no run succeeded, or the runs are not what the emulator can learn from.
        """
        good = runs.good
        if good.n == 0:
            raise InputError(
                f"None of the {runs.n} runs succeeded, so there is nothing to learn from. The "
                "first reason: " + (str(np.asarray(runs.status)[0]) if runs.n else "no runs.")
            )
        noise = good.noise if "noise" in emulator.capabilities_ else None
        inputs = np.clip(good.space.to_unit(good.X), 0.0, 1.0)
        fitted = clone(emulator).fit(inputs, good.Y, noise=noise)
        return cls(runs.space, runs.outputs, fitted, report)

    def predict(self, theta: Any) -> Prediction:
        """Predict the outputs at points: all that was learned, without declared noise.

        Parameters
        ----------
        theta : array_like, shape (m, d)
            Physical parameters, inside the box. (``space.array`` makes them from named columns.)

        Raises
        ------
        InputError
            If a point lies outside the box: an emulator that extrapolates is guessing.
        ShapeError
            If there are not d columns.
        """
        theta = self._points(theta)
        outside = int((~self.space.contains(theta)).sum())
        if outside:
            raise InputError(
                f"{self.space.outside(theta)}, the emulator's range; {outside} of {len(theta)} "
                "points lie outside. Select points with space.contains, or train on a wider space."
            )
        return self.emulator.predict_dist(np.clip(self.space.to_unit(theta), 0.0, 1.0))

    def with_report(self, report: Report) -> Self:
        """Attach the report of a validation."""
        return replace(self, report=report)

    def _points(self, theta: Any) -> FloatArray:
        shape = np.shape(theta)
        if len(shape) == 2 and shape[1] != self.space.d:
            raise ShapeError(
                f"theta has {shape[1]} columns, but this surrogate was fitted on {self.space.d} "
                f"parameters ({', '.join(self.space.names)})."
            )
        return matrix(theta, "theta", self.space.d)


def require_variance(surrogate: Surrogate) -> None:
    """Refuse a surrogate whose emulator states no variance.

    Raises
    ------
    NotValidatedError
        Naming the emulator and what to use instead.
    """
    emulator = surrogate.emulator
    if "variance" not in emulator.capabilities_:
        raise NotValidatedError(
            f"{type(emulator).__name__} predicts without a variance, so nobody can tell what it "
            "rules out. Use an emulator with the capability 'variance', such as trend-gp, or wrap "
            f"this one: equatorium.Conformal({type(emulator).__name__}(...))."
        )
