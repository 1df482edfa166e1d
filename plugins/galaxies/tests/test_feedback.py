"""The gas equations against an ODE solver, and their limits."""

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from equatorium_galaxies.feedback import LOCKED, consume, loading, returned_fraction

ONE = np.ones(1)


@pytest.mark.parametrize("outflow", [0.0, 0.7, 30.0])
def test_gas_stars_and_metals_by_integration(outflow):
    gas, gas_z, inflow, inflow_z, rate, p_yield, step = 2.0, 0.03, 1.5, 0.01, 0.9, 0.03, 0.8

    def change(_, y):
        m, z, _ = y
        psi = rate * m
        return [
            inflow / step - (LOCKED + outflow) * psi,
            # The yield enters at the mean rate, as the closed form has it.
            source / step - (LOCKED + outflow) * rate * z,
            psi,
        ]

    source = inflow_z  # first without the yield, to learn how many stars form
    first = solve_ivp(change, (0, step), [gas, gas_z, 0], rtol=1e-10, atol=1e-12).y[:, -1]
    source = inflow_z + p_yield * first[2]
    exact = solve_ivp(change, (0, step), [gas, gas_z, 0], rtol=1e-10, atol=1e-12).y[:, -1]
    found = consume(
        gas * ONE, gas_z * ONE, inflow, inflow_z, rate * ONE, outflow * ONE, p_yield, step
    )
    assert found.gas[0] == pytest.approx(exact[0], rel=1e-7)
    assert found.gas_z[0] == pytest.approx(exact[1], rel=1e-7)
    assert found.formed[0] == pytest.approx(exact[2], rel=1e-7)


@pytest.mark.parametrize("x", [0.0, 1e-320, 1e-17, 1e-9, 1e-3, 1.0, 1e3, 1e9])
def test_conserving_and_positive_for_any_step(x):
    n = 200
    rng = np.random.default_rng(5)
    gas, inflow = rng.lognormal(0, 5, n), rng.lognormal(0, 5, n)
    gas_z, inflow_z, outflow = 0.02 * gas, 0.01 * inflow, rng.lognormal(0, 3, n)
    rate = np.full(n, x)
    found = consume(gas, gas_z, inflow, inflow_z, rate, outflow, 0.03, 1.0)
    whole = found.gas + (LOCKED + outflow) * found.formed
    np.testing.assert_allclose(whole, gas + inflow, rtol=1e-12)
    metals = found.gas_z + found.removed_z
    np.testing.assert_allclose(metals, gas_z + inflow_z + 0.03 * found.formed, rtol=1e-12)
    for part in found:
        assert np.all(np.isfinite(part)) and np.all(part >= 0)


def test_loading():
    # 11.16 = (425 / 200)^3.2: GALFORM's default is 1 at 425 km/s.
    assert loading(11.16, 3.2, np.array([425.0]))[0] == pytest.approx(1.0, abs=2e-3)
    v = np.array([50.0, 100.0, 200.0, 400.0])
    assert np.all(np.diff(loading(11.16, 3.2, v)) < 0)
    assert loading(7.0, 1.3, np.array([200.0]))[0] == 7.0


def test_returned_fraction():
    np.testing.assert_allclose(returned_fraction(1.2, np.array([2.0]), 0.5), 1 - np.exp(-0.3))
    assert returned_fraction(1.2, np.array([1e-9]), 0.5)[0] == 1.0
