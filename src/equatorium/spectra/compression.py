r"""A spectrum reduced to its components, without loss for the parameters of an embedded emulator.

Where the emulator says :math:`y \sim N(c + J z,\; T)` with components z of its own prediction, the
data enter the likelihood of the parameters through their weighted projection alone,

.. math:: \hat z = C\, J^T D^{-1} (y - c), \qquad C = (J^T D^{-1} J)^{-1}, \qquad
          D = \Sigma_{obs} + T,

so that :math:`\log L(\theta)` is, up to a constant, that of :math:`\hat z` with the covariance C
beside the emulator's: k numbers in place of thousands, every step of a chain. It holds for a linear
embedder (pca, hmf) and a fixed instrument.

References
----------
Tegmark, Taylor & Heavens 1997, ApJ 480, 22, doi:10.1086/303939
"""

from dataclasses import dataclass

import numpy as np

from equatorium.checks import instance
from equatorium.emulate.compose import Embedded
from equatorium.emulate.surrogate import Surrogate
from equatorium.errors import InputError
from equatorium.records.covariance import Dense, Diagonal
from equatorium.records.observation import Observation
from equatorium.records.outputs import Outputs


@dataclass(frozen=True, eq=False)
class Compressed:
    """What a likelihood needs, over k components.

    Attributes
    ----------
    surrogate : Surrogate
        Of the components.
    observation : Observation
        The components of the data, with their errors.
    chi2 : float
        Of what no components can describe,
    dof : int
        and the number of its degrees of freedom: a spectrum unlike all that the embedder has seen
        shows here, not in the likelihood.
    """

    surrogate: Surrogate
    observation: Observation
    chi2: float
    dof: int


def compressed(surrogate: Surrogate, observation: Observation) -> Compressed:
    """Reduce a surrogate with an `Embedded` emulator, and data of its outputs, to components.

    Raises
    ------
    InputError
        If the emulator is not embedded, or its embedder not linear, or there are fewer data than
        components.
    """
    instance(surrogate, Surrogate, "surrogate")
    instance(observation, Observation, "observation")
    emulator = surrogate.emulator
    if not isinstance(emulator, Embedded) or emulator.on != "y":
        raise InputError(
            "Only an emulator of components, Embedded(embedder, emulator), can be compressed, but "
            f"this is a {type(emulator).__name__}."
        )
    k = emulator.emulator_.n_outputs_
    centre = emulator.embedder_.inverse_transform(np.zeros((1, k)))
    J = (emulator.embedder_.inverse_transform(np.eye(k)) - centre).T
    again = emulator.embedder_.inverse_transform(-2 * np.eye(k)) - centre
    if not np.allclose(again.T, -2 * J, atol=1e-8 * np.abs(J).max()):
        raise InputError(
            f"{type(emulator.embedder_).__name__} is not linear, so that no projection keeps all "
            "that data say. Use the whole likelihood."
        )
    R = observation.match(surrogate.outputs)
    J, residual = R @ J, observation.values - (R @ centre[0])
    if observation.q < k:
        raise InputError(f"{observation.q} data are fewer than the {k} components.")
    D = observation.covariance + Diagonal(emulator.truncation_).project(R)
    weighed = D.solve(J.T).T
    C = np.linalg.inv(J.T @ weighed)
    C = 0.5 * (C + C.T)
    z = C @ (weighed.T @ residual)
    names = [f"component{i}" for i in range(k)]
    rest = float(D.mahalanobis(residual - J @ z))
    reduced = Surrogate(surrogate.space, Outputs(names), emulator.emulator_)
    return Compressed(reduced, Observation(z, Dense(C), names=names), rest, observation.q - k)
