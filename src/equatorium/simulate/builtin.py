"""A simulator that needs nothing: flow through a borehole, for examples and tests."""

import numpy as np

from equatorium.checks import FloatArray, Rng
from equatorium.interfaces.simulator import Simulator
from equatorium.records.outputs import Outputs
from equatorium.records.space import Parameter, Space


class Borehole(Simulator):
    r"""Water flow between two aquifers through a borehole, a standard test of emulators.

    .. math:: f = \frac{2\pi T_u (H_u - H_l)}{\ln(r/r_w)
        \left(1 + \frac{2 L T_u}{\ln(r/r_w)\, r_w^2 K_w} + \frac{T_u}{T_l}\right)}

    with eight parameters, uniform in their ranges, and one output, in m^3/yr.

    References
    ----------
    Morris, Mitchell & Ylvisaker (1993), Technometrics 35, 243, doi:10.1080/00401706.1993.10485320.

    Examples
    --------
    >>> simulator = Borehole()
    >>> simulator(simulator.space.defaults, rng=None).round(3).tolist()
    [70.873]
    """

    name = "borehole"
    version = "1"
    outputs = Outputs(["flow"], label="flow", unit="m3 / yr")

    def __init__(self) -> None:
        self.space = Space(
            [
                Parameter(
                    "r_w", 0.05, 0.15, unit="m", label="$r_w$", description="borehole radius"
                ),
                Parameter("r", 100, 50_000, unit="m", label="$r$", description="influence radius"),
                _transmissivity("T_u", 63_070, 115_600, "upper"),
                _head("H_u", 990, 1110, "upper"),
                _transmissivity("T_l", 63.1, 116, "lower"),
                _head("H_l", 700, 820, "lower"),
                Parameter("L", 1120, 1680, unit="m", label="$L$", description="borehole length"),
                Parameter(
                    "K_w",
                    9855,
                    12_045,
                    unit="m / yr",
                    label="$K_w$",
                    description="hydraulic conductivity of the borehole",
                ),
            ]
        )

    def __call__(self, theta: FloatArray, *, rng: Rng) -> FloatArray:
        """Return the flow, shape (1,); nothing is random."""
        r_w, r, T_u, H_u, T_l, H_l, L, K_w = theta
        log = np.log(r / r_w)
        leak = 2 * L * T_u / (log * r_w**2 * K_w)
        return np.array([2 * np.pi * T_u * (H_u - H_l) / (log * (1 + leak + T_u / T_l))])


def _transmissivity(name: str, low: float, high: float, aquifer: str) -> Parameter:
    return Parameter(
        name,
        low,
        high,
        unit="m2 / yr",
        label=f"${name}$",
        description=f"transmissivity of the {aquifer} aquifer",
    )


def _head(name: str, low: float, high: float, aquifer: str) -> Parameter:
    return Parameter(
        name,
        low,
        high,
        unit="m",
        label=f"${name}$",
        description=f"potentiometric head of the {aquifer} aquifer",
    )
