"""Data as they would come from known parameters, and likelihoods of them.

**The convention for likelihoods.** One that mocks can be made for has the methods
``simulate(theta (d,), rng) -> y``, data drawn from the likelihood itself (theta its own ``names``,
if it has any), and ``with_data(y) -> likelihood``, the same for other data. Those of one data set
that a model predicts, `Likelihood`, take what the true simulator gives in the emulator's place,
``simulate(theta, rng, clean)``. If whether there are data to draw depends on what the likelihood
holds, it also has a method ``why_no_data() -> str``, empty if there are.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from equatorium.checks import FloatArray, floats
from equatorium.errors import InputError, SimulatorError
from equatorium.inference.data_parts import taken
from equatorium.inference.likelihood_base import Likelihood
from equatorium.interfaces.simulator import Simulator
from equatorium.records.space import Space


def require_data(likelihood: Any, simulator: Simulator | None = None) -> None:
    """Refuse a likelihood that no data can be made for.

    Raises
    ------
    InputError
        Saying what is missing.
    """
    kind = type(likelihood).__name__
    if reason := why_no_data(likelihood):
        raise InputError(f"No data can be drawn from this likelihood: {reason}.")
    if simulator is not None and not isinstance(likelihood, Likelihood):
        raise InputError(
            "What a simulator gives becomes data for a likelihood of one Observation, such as "
            f"GaussianLikelihood, but not for {kind}. Leave simulator out."
        )


def why_no_data(likelihood: Any, wanted: Sequence[str] = ("simulate", "with_data")) -> str:
    """Say why no data can be drawn from a likelihood; nothing if they can."""
    if missing := [name for name in wanted if not hasattr(likelihood, name)]:
        return (
            f"{type(likelihood).__name__} has no {' and no '.join(missing)} "
            "(see equatorium.inference.mock_data)"
        )
    return str(likelihood.why_no_data()) if hasattr(likelihood, "why_no_data") else ""


def simulated_data(
    likelihood: Any,
    theta: FloatArray,
    rng: np.random.Generator,
    simulator: Simulator | None = None,
    space: Space | None = None,
) -> FloatArray:
    """Draw data (q,) at free parameters theta (d,).

    Parameters
    ----------
    likelihood : Likelihood, or another that keeps the convention above
    theta : array, shape (d,)
    rng : numpy.random.Generator
    simulator : Simulator, optional
        Gives the clean data; else the likelihood's emulator does, with a draw of its errors and of
        the variance that all runs share.
    space : Space, optional
        What `theta` are the free parameters of; without, they are the likelihood's own. Needed with
        a simulator.

    Raises
    ------
    SimulatorError
        If the simulator gives something that is not finite.
    """
    own = theta if space is None else taken(theta[None], space.names, space, likelihood)[0]
    if simulator is None or space is None:
        return floats(likelihood.simulate(own, rng), "simulated data")
    values = simulator.evaluate(complete_for(simulator, space, theta), rng=rng).values
    clean = likelihood.observation.match(simulator.outputs) @ values
    if not np.isfinite(clean).all():
        raise SimulatorError(f"{simulator.name} gave {values} at {theta}: no data can be made.")
    return floats(likelihood.simulate(own, rng, clean), "simulated data")


def complete_for(simulator: Simulator, space: Space, theta: FloatArray) -> FloatArray:
    """All parameters (D,) in the simulator's order, from the free ones of a space (d,)."""
    given, wanted = space.all_names, simulator.space.all_names
    missing = [name for name in wanted if name not in given]
    if missing:
        raise InputError(
            f"The simulator {simulator.name!r} needs the parameters {', '.join(missing)}, which "
            f"the posterior's space does not have. Use the space of the runs."
        )
    full = space.complete(theta[None])[0]
    return np.asarray(full[_places(wanted, given)])


def _places(names: Sequence[str], among: Sequence[str]) -> list[int]:
    return [among.index(name) for name in names]
