"""The borehole against the same physics written another way: three resistances in series."""

import numpy as np
import pytest

from equatorium.simulate.builtin import Borehole

RANGES = {
    "r_w": (0.05, 0.15),
    "r": (100, 50_000),
    "T_u": (63_070, 115_600),
    "H_u": (990, 1110),
    "T_l": (63.1, 116),
    "H_l": (700, 820),
    "L": (1120, 1680),
    "K_w": (9855, 12_045),
}


def test_ranges_are_those_of_the_paper():
    space = Borehole().space
    assert {p.name: (p.low, p.high) for p in space.parameters} == RANGES
    assert all(p.scale == "linear" and p.unit for p in space.parameters)


@pytest.mark.parametrize("seed", range(5))
def test_flow_is_the_head_over_the_resistances(seed):
    simulator = Borehole()
    theta = simulator.space.sample(1, seed)[0]
    r_w, r, T_u, H_u, T_l, H_l, L, K_w = theta
    upper = np.log(r / r_w) / (2 * np.pi * T_u)  # Thiem, radial flow to the borehole
    lower = np.log(r / r_w) / (2 * np.pi * T_l)
    pipe = L / (K_w * np.pi * r_w**2)  # Darcy, along the borehole
    flow = simulator.evaluate(theta, rng=0).values
    np.testing.assert_allclose(flow, [(H_u - H_l) / (upper + pipe + lower)], rtol=1e-12)
