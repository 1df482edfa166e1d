"""Supernova feedback: gas that forms stars drives more gas out of the galaxy.

References
----------
Cole et al. 2000, MNRAS 319, 168, doi:10.1046/j.1365-8711.2000.03879.x (instantaneous recycling).
Bower et al. 2006, MNRAS 370, 645, doi:10.1111/j.1365-2966.2006.10519.x (return of the gas).
"""

from typing import NamedTuple

import numpy as np

from equatorium_galaxies.arrays import FloatArray
from equatorium_galaxies.constants import RECYCLED_FRACTION

__all__ = ["LOCKED", "Consumption", "consume", "loading", "returned_fraction"]

LOCKED = 1.0 - RECYCLED_FRACTION
"""Share of a forming population that stays in stars, 1 - R."""


def loading(beta0: float, alpha_hot: float, velocity: FloatArray) -> FloatArray:
    """Mass of gas blown out per mass of stars formed, beta = beta_0 (V_SN / 200 km/s)^-alpha_hot.

    Examples
    --------
    >>> loading(11.16, 3.2, np.array([200.0, 425.0])).round(2)
    array([11.16,  1.  ])
    """
    return np.asarray(beta0 * (velocity / 200.0) ** -alpha_hot)


def returned_fraction(alpha_reheat: float, dynamical_time: FloatArray, step: float) -> FloatArray:
    """Fraction of the ejected gas back in the halo after a sub-step, 1 - exp(-alpha dt / t_dyn)."""
    return -np.expm1(-alpha_reheat * step / dynamical_time)


class Consumption(NamedTuple):
    """Gas left over, stars formed and metals that left the gas in a sub-step [Msun]."""

    gas: FloatArray
    gas_z: FloatArray
    formed: FloatArray
    removed_z: FloatArray


def consume(
    gas: FloatArray,
    gas_z: FloatArray,
    inflow: FloatArray | float,
    inflow_z: FloatArray | float,
    rate: FloatArray,
    outflow: FloatArray,
    p_yield: float,
    step: float,
) -> Consumption:
    """Form stars from gas for a sub-step, with a steady inflow, recycling and outflow.

    Solves dM/dt = inflow/dt - (1 - R + beta) psi, psi = rate * M, exactly:
    M' = M e + inflow E with e = exp(-x), E = (1 - e) / x, x = (1 - R + beta) rate dt; what is gone
    was divided between stars and outflow as (1 - R) : beta. Metals follow, with the inflow's and
    the yield of the stars formed. Gas is conserved and never negative, however long the step.

    Parameters
    ----------
    gas, gas_z : (n,) arrays
        Gas and its metals [Msun].
    inflow, inflow_z : (n,) arrays or 0
        Gas and metals that arrive during the step [Msun].
    rate : (n,) array
        Star formation rate over gas mass [1/Gyr].
    outflow : (n,) array
        Mass loading beta.
    p_yield : float
        Metals made per mass of stars formed.
    step : float
        Length of the sub-step [Gyr].

    Examples
    --------
    >>> one = np.ones(1)
    >>> after = consume(one, 0 * one, 0.0, 0.0, one, 0 * one, 0.02, 1.0)
    >>> bool(np.isclose(after.gas[0] + LOCKED * after.formed[0], 1.0))
    True
    """
    share = LOCKED + outflow
    x = share * rate * step
    lost = -np.expm1(-x)  # not 1 - exp(-x), which cancels and makes gas negative
    # E -> 1 for x -> 0, where the quotient is 0/0; rounding may not lift it above 1.
    kept_inflow = np.minimum(lost / np.maximum(x, 1e-300), 1.0)
    kept_inflow = np.where(x > 1e-300, kept_inflow, 1.0)
    removed = gas * lost + inflow * (1.0 - kept_inflow)
    formed = removed / share
    source_z = inflow_z + p_yield * formed
    return Consumption(
        gas=gas - gas * lost + inflow * kept_inflow,
        gas_z=gas_z - gas_z * lost + source_z * kept_inflow,
        formed=formed,
        removed_z=gas_z * lost + source_z * (1.0 - kept_inflow),
    )
