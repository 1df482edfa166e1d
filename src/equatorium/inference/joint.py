"""Several data sets at once, each with the parameters that it needs."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from equatorium.checks import FloatArray, Rng, generator, matrix, vector
from equatorium.errors import InputError
from equatorium.inference.gradient import why_no_gradient
from equatorium.inference.mock_data import why_no_data
from equatorium.inference.pointwise import pointwise_log_likelihood
from equatorium.records.outputs import unique_names


class JointLikelihood:
    r"""Product of the likelihoods of independent data sets, :math:`\sum_k \log L_k(\theta_k)`.

    The data sets (redshifts, instruments, kinds of data) share parameters of the same name. What
    only one of them has, such as an instrument's jitter, has a name of its own. Data that one
    emulator predicts together belong into one Observation instead, since its errors in them are
    correlated; here the parts' errors are taken as independent.

    Parameters
    ----------
    parts : mapping of str to likelihood
        Anything with ``log_likelihood`` and ``names``, the parameters it takes.

    Raises
    ------
    InputError
        If there is no part, or one does not say which parameters it takes.

    Attributes
    ----------
    names : tuple of str
        All parameters, in the order in which the parts name them first.

    Examples
    --------
    >>> from equatorium.inference.likelihood import GaussianLikelihood
    >>> from equatorium.inference.model_function import ModelFunction
    >>> from equatorium.records.observation import Observation
    >>> near = GaussianLikelihood(ModelFunction(lambda a: a), Observation([1.0], [0.1]))
    >>> far = GaussianLikelihood(ModelFunction(lambda a, b: a * b), Observation([2.0], [0.1]))
    >>> JointLikelihood({"near": near, "far": far}).names
    ('a', 'b')
    """

    def __init__(self, parts: Mapping[str, Any]) -> None:
        if not isinstance(parts, Mapping) or not parts:
            raise InputError(
                "A JointLikelihood is made of named likelihoods, such as {'z=0': ..., 'z=1': ...}, "
                f"but it is given {parts!r:.80}."
            )
        for name, part in parts.items():
            if not (hasattr(part, "log_likelihood") and hasattr(part, "names")):
                raise InputError(
                    f"The part {name!r} of a JointLikelihood must have log_likelihood and names, "
                    f"the parameters it takes, but it is {part!r:.80}."
                )
        self.parts = dict(parts)
        every = [name for part in self.parts.values() for name in part.names]
        self.names = unique_names(dict.fromkeys(every), "parameters")
        self._columns = {
            name: [self.names.index(own) for own in part.names] for name, part in self.parts.items()
        }

    @property
    def emulator_covariance(self) -> bool:
        """Whether every part counts its emulator's covariance."""
        return all(getattr(part, "emulator_covariance", True) for part in self.parts.values())

    @property
    def override(self) -> str:
        """Why emulators that did not pass their validation judge; empty if all passed."""
        reasons = {name: getattr(part, "override", "") for name, part in self.parts.items()}
        return "; ".join(f"{name}: {reason}" for name, reason in reasons.items() if reason)

    @property
    def q(self) -> int:
        """Number of data of all parts."""
        return sum(int(part.q) for part in self.parts.values())

    def log_likelihood(self, theta: Any) -> FloatArray:
        """Log-likelihood (m,) of points theta (m, d), one column for each of `names`."""
        return np.asarray(sum(self.each(theta).values()))

    def each(self, theta: Any) -> dict[str, FloatArray]:
        """Log-likelihoods (m,) of the single parts."""
        theta = self._points(theta)
        return {
            name: np.asarray(part.log_likelihood(theta[:, self._columns[name]]))
            for name, part in self.parts.items()
        }

    def pointwise(self, theta: Any) -> FloatArray:
        """Log-density (m, q) of each datum given the others of its part, part after part."""
        theta = self._points(theta)
        return np.concatenate(
            [
                pointwise_log_likelihood(part, theta[:, self._columns[name]])
                for name, part in self.parts.items()
            ],
            axis=1,
        )

    def log_likelihood_and_gradient(self, theta: Any) -> tuple[FloatArray, FloatArray]:
        """Log-likelihood (m,) of points theta (m, d) and its gradient (m, d).

        Raises
        ------
        InputError
            If a part has none; `why_no_gradient` says why.
        """
        if reason := self.why_no_gradient():
            raise InputError(f"This likelihood has no gradient: {reason}.")
        theta = self._points(theta)
        values, gradient = np.zeros(len(theta)), np.zeros(theta.shape)
        for name, part in self.parts.items():
            columns = self._columns[name]
            own, slope = part.log_likelihood_and_gradient(theta[:, columns])
            values += own
            gradient[:, columns] += slope
        return values, gradient

    def why_no_gradient(self) -> str:
        """Say which parts have no gradient, and why; nothing if all have one."""
        return "; ".join(
            f"part {name!r}: {reason}"
            for name, part in self.parts.items()
            if (reason := why_no_gradient(part))
        )

    def simulate(self, theta: Any, rng: Rng = None) -> FloatArray:
        """Draw data of all parts, one after the other, at a point theta (d,).

        Raises
        ------
        InputError
            If a part does not say how its data come about.
        """
        self._require_data()
        theta = vector(theta, f"theta ({', '.join(self.names)})", len(self.names))
        rng = generator(rng)
        return np.concatenate(
            [part.simulate(theta[self._columns[k]], rng) for k, part in self.parts.items()]
        )

    def with_data(self, values: Any) -> "JointLikelihood":
        """Give the likelihood of other data of all parts, one after the other."""
        self._require_data()
        ends = np.cumsum([part.q for part in self.parts.values()])
        values = vector(values, "data", self.q)
        pieces = np.split(values, ends[:-1])
        return JointLikelihood(
            {
                name: part.with_data(piece)
                for (name, part), piece in zip(self.parts.items(), pieces, strict=True)
            }
        )

    def budget(self, theta: Any) -> dict[str, dict[str, float]]:
        """Shares of the variance of each part that can tell, see `Likelihood.budget`."""
        theta = self._points(theta)
        return {
            name: part.budget(theta[:, self._columns[name]])
            for name, part in self.parts.items()
            if hasattr(part, "budget")
        }

    def why_no_data(self) -> str:
        """Say of which parts no data can be drawn, and why; nothing if they can of all."""
        return "; ".join(
            f"part {name!r}: {reason}"
            for name, part in self.parts.items()
            if (reason := why_no_data(part, ("simulate", "with_data", "q")))
        )

    def _require_data(self) -> None:
        if reason := self.why_no_data():
            raise InputError(f"No data can be drawn from this likelihood: {reason}.")

    def _points(self, theta: Any) -> FloatArray:
        return matrix(theta, f"theta ({', '.join(self.names)})", len(self.names))
