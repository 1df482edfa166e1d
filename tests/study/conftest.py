"""A small calibration problem with a known answer, fast enough to run whole in every test."""

import numpy as np
import pytest

import equatorium as eq

TRUTH = {"slope": 0.3, "offset": 1.2, "scale": 2.0}


class Line(eq.Simulator):
    """y(x) = offset + slope x + 0.1 log10(scale): linear in the inputs that emulators see."""

    name = "line"
    version = "1"

    def __init__(self, version="1", fails=0):
        self.version = version
        self.options = {"fails": fails}
        self.fails = fails
        self.calls = 0
        self.space = eq.Space(
            [
                eq.Parameter("slope", -1.0, 1.0),
                eq.Parameter("offset", 0.0, 3.0, unit="dex"),
                eq.Parameter("scale", 0.1, 10.0, scale="log", unit="kpc"),
            ]
        )
        x = np.linspace(0.0, 1.0, 5)
        self.outputs = eq.Outputs([f"y{i}" for i in range(5)], coords={"x": x}, unit="dex")

    def __call__(self, theta, *, rng):
        self.calls += 1
        if self.calls <= self.fails:
            raise ValueError("the solver did not converge")
        slope, offset, scale = theta
        return offset + slope * self.outputs.coords["x"] + 0.1 * np.log10(scale)


@pytest.fixture(scope="session")
def line():
    return Line


@pytest.fixture(scope="session")
def observed():
    x = np.linspace(0.1, 0.9, 4)
    values = TRUTH["offset"] + TRUTH["slope"] * x + 0.1 * np.log10(TRUTH["scale"])
    return eq.Observation(values, np.full(4, 0.1), coords={"x": x}, unit="dex")


@pytest.fixture(scope="session")
def polynomial():
    """Return the exact emulator of `Line`."""
    return lambda: eq.emulator("trend-gp", trend="linear")
