r"""All of a likelihood's covariance but the emulator's, with scales that may be free.

.. math:: \Sigma(\phi) = \Sigma_{obs} + \Sigma_{disc} + \Sigma_{sim} + \sum_k \phi_k^2 K_k

A free scale :math:`\phi_k` is a parameter of the posterior: a standard deviation, or a fraction.
"""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from equatorium.checks import FloatArray, instance
from equatorium.errors import InputError, did_you_mean
from equatorium.records.covariance import Covariance, Diagonal
from equatorium.records.discrepancy import Discrepancy
from equatorium.records.observation import Observation
from equatorium.records.outputs import unique_names

SCALES = {"jitter": "observation", "std": "discrepancy", "fraction": "discrepancy"}


class ErrorModel:
    """Covariances over the q data, constant ones and those with a free scale.

    Parameters
    ----------
    observation : Observation
    discrepancy : Discrepancy
    simulator : Covariance or None
        Variance over the data that all runs of the simulator share.
    free : mapping of str to str
        From a scale to the name of the parameter that it is: ``"jitter"`` (standard deviation of
        further independent noise, in the data's unit), ``"std"`` or ``"fraction"`` (those of the
        discrepancy, correlated as it says).

    Attributes
    ----------
    parts : dict of Covariance
        The constant ones: observation, discrepancy and, if there is one, simulator.
    constant : Covariance
        Their sum.
    names : tuple of str
        Parameters that are free scales.
    """

    def __init__(
        self,
        observation: Observation,
        discrepancy: Discrepancy,
        simulator: Covariance | None,
        free: Mapping[str, str],
    ) -> None:
        instance(free, Mapping, "free")
        for scale in free:
            if scale not in SCALES:
                raise InputError(
                    f"There is no scale {scale!r} to set free; there are {', '.join(SCALES)}."
                    f"{did_you_mean(scale, SCALES)}"
                )
            if getattr(discrepancy, scale, 0):
                raise InputError(
                    f"The {scale} of the discrepancy is the number "
                    f"{getattr(discrepancy, scale):.6g}, and the free parameter {free[scale]!r} "
                    f"too. Leave {scale} out of the Discrepancy."
                )
        self.parts = {
            "observation": observation.covariance,
            "discrepancy": discrepancy.covariance(observation),
        }
        if simulator is not None:
            self.parts["simulator"] = simulator
        self.constant: Covariance = self.parts["observation"] + self.parts["discrepancy"]
        if simulator is not None:
            self.constant = self.constant + simulator
        self.names = unique_names(free.values(), "free scales")
        self._units = [(SCALES[s], _unit(s, observation, discrepancy)) for s in free]

    def at(self, scales: FloatArray) -> dict[str, Covariance]:
        """Parts at free scales (m, k)."""
        parts = dict(self.parts)
        for (part, _), free in zip(self._units, self._free(scales), strict=True):
            parts[part] = parts[part] + free
        return parts

    def total(self, scales: FloatArray) -> Covariance:
        """Sum of all parts at free scales (m, k)."""
        total = self.constant
        for free in self._free(scales):
            total = total + free
        return total

    def gradient(self, scales: FloatArray, cov: FloatArray) -> FloatArray:
        """Gradient (m, k) by the scales of what has the slope `cov` (m, q, q)."""
        result = np.empty(scales.shape)
        for k, (_, unit) in enumerate(self._units):
            if isinstance(unit, Diagonal):
                slope = np.einsum("mii,i->m", cov, unit.variance)
            else:
                slope = np.einsum("mij,ij->m", cov, unit.dense())
            result[:, k] = 2 * scales[:, k] * slope
        return result

    def _free(self, scales: FloatArray) -> list[Covariance]:
        wide = [np.repeat(scale[:, None], self.constant.p, axis=1) for scale in scales.T]
        return [unit.scaled(s) for (_, unit), s in zip(self._units, wide, strict=True)]


def _unit(scale: str, observation: Observation, discrepancy: Discrepancy) -> Covariance:
    """Covariance K of a scale of one."""
    if scale == "jitter":
        return Diagonal(np.ones(observation.q))
    one = (1.0, 0.0) if scale == "std" else (0.0, 1.0)
    alone = replace(discrepancy, std=one[0], fraction=one[1], shift={})
    return alone.covariance(observation)
