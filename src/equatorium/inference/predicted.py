"""Data as a model would give them at points of its parameters, stage by stage."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from equatorium.checks import FloatArray, Rng, generator
from equatorium.errors import InputError
from equatorium.inference.data_parts import datum_labels
from equatorium.inference.likelihood_base import Likelihood
from equatorium.inference.stages import all_stages
from equatorium.inference.text_table import aligned
from equatorium.records.observation import Observation


@dataclass(frozen=True, eq=False)
class Predictive:
    """Draws of the q data from a predictive distribution, each (n, q), in the data's own units.

    Of counts all but the last are the numbers to expect. What would have been measured is drawn in
    place of upper (<) and lower (>) limits, too.

    Attributes
    ----------
    theta : array, shape (n, d)
        The draws of the parameters.
    mean : array
        The emulator's mean at each.
    model : array
        What the simulator would give: the mean plus the emulator's uncertainty (and the variance
        that all runs share).
    reality : array
        The model plus the discrepancy: what the model says about the sky.
    replicated : array
        Reality as it is measured, with errors: data sets to compare the observed one with.
    observation : Observation
        The observed one.
    kind : {"prior", "posterior"}
        Where the parameters come from.
    notice : str
        What a reader of text or figure must know, such as that draws have not converged.
    """

    theta: FloatArray
    mean: FloatArray
    model: FloatArray
    reality: FloatArray
    replicated: FloatArray
    observation: Observation
    kind: str
    notice: str = ""

    @property
    def below(self) -> FloatArray:
        """Share of replicated data below the observed, for each datum (q,)."""
        return np.asarray(np.mean(self.replicated < self.observation.values, axis=0))

    def summary(self) -> str:
        """Lay out each datum beside what is predicted for it."""
        rows = [["datum", "observed", "5 %", "50 %", "95 %", "below"]]
        limit = self.observation.limit or (0,) * self.observation.q
        columns = np.quantile(self.replicated, [0.05, 0.5, 0.95], axis=0)
        numbers = np.vstack([self.observation.values, columns]).T
        for name, (observed, *values), share, side in zip(
            datum_labels(self.observation), numbers, self.below, limit, strict=True
        ):
            seen = ("", ">", "<")[side] + f"{observed:.4g}"
            rows.append([name, seen, *(f"{value:.4g}" for value in values), f"{share:.3f}"])
        lines = [f"{self.kind.capitalize()} predictive of the data, {len(self.theta)} draws"]
        lines += [*aligned(rows), *([self.notice] if self.notice else [])]
        return "\n".join(lines)


def predict_data(
    theta: FloatArray, likelihood: Any, rng: Rng = None, *, kind: str, notice: str = ""
) -> Predictive:
    """Predict the data at points theta (n, d), the likelihood's own parameters.

    Raises
    ------
    InputError
        If the likelihood does not know how its data come about.
    """
    if not isinstance(likelihood, Likelihood):
        raise InputError(
            "Only a likelihood of one Observation, such as GaussianLikelihood, knows how its data "
            f"come about; {type(likelihood).__name__} does not."
        )
    rng = generator(rng)
    made = [
        all_stages(likelihood, theta[start : start + likelihood.chunk], rng)
        for start in range(0, len(theta), likelihood.chunk)
    ]
    mean, model, reality, data = (np.concatenate(stage) for stage in zip(*made, strict=True))
    return Predictive(theta, mean, model, reality, data, likelihood.observation, kind, notice)
