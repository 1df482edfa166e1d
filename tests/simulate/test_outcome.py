"""Whatever a simulator does, its run has an outcome that can be kept."""

import json
import sys

import numpy as np
import pytest

from equatorium.interfaces.simulator import Simulated, Simulator
from equatorium.records.outputs import Outputs
from equatorium.records.space import Parameter, Space
from equatorium.simulate.outcome import WRONG_FORM, run_once

THETA = np.array([0.25, 0.5])


class Acting(Simulator):
    """Does what it is told."""

    name = "acting"
    space = Space([Parameter("a", 0, 1), Parameter("b", 0, 1)])
    outputs = Outputs(["x", "y"])

    def __init__(self, act):
        self.act = act

    def __call__(self, theta, *, rng):
        return self.act(theta, rng)


def outcome(act, seed=1, index=2):
    return run_once(Acting(act), THETA, seed, index)


@pytest.mark.parametrize(
    ("result", "variance", "info"),
    [
        ([1, 2], None, {}),
        (np.array([1.0, 2.0], dtype=np.float32), None, {}),
        (([1, 2], [0.5, 0]), [0.5, 0], {}),
        (Simulated([1, 2], [3, 4], {"steps": 7}), [3, 4], {"steps": 7}),
    ],
)
def test_every_form_of_result(result, variance, info):
    got = outcome(lambda theta, rng: result)
    assert (got.status, got.ok, got.info) == ("ok", True, info)
    np.testing.assert_array_equal(got.values, [1, 2])
    np.testing.assert_array_equal(got.variance, variance)
    assert got.wall >= 0 and got.time > 1.7e9


def test_random_numbers_depend_on_seed_and_place_alone():
    def draw(theta, rng):
        return rng.normal(size=2)

    expected = np.random.default_rng(np.random.SeedSequence(1, spawn_key=(2,))).normal(size=2)
    np.testing.assert_array_equal(outcome(draw).values, expected)
    assert not np.array_equal(outcome(draw, index=3).values, expected)
    assert not np.array_equal(outcome(draw, seed=2).values, expected)


@pytest.mark.parametrize(
    ("act", "kind", "reason"),
    [
        (lambda t, r: 1 / 0, "ZeroDivisionError", "ZeroDivisionError: division by zero"),
        (lambda t, r: sys.exit(3), "SystemExit", "SystemExit: 3"),
        (
            lambda t, r: [1, np.nan],
            "not finite",
            "the value of output 'y' is nan, and 1 of 2 are bad",
        ),
        (lambda t, r: [np.inf, 1], "not finite", "the value of output 'x' is inf"),
        (lambda t, r: ([1, 1], [1, -2]), "not finite", "the variance of output 'y' is -2.0"),
        (lambda t, r: [1, 2, 3], WRONG_FORM, "3 values, but declares 2 outputs"),
        (lambda t, r: ([1, 2], [1]), WRONG_FORM, "2 values but 1 variances"),
        (lambda t, r: None, WRONG_FORM, "acting returned None"),
        (lambda t, r: "12", WRONG_FORM, "acting returned '12'"),
        (lambda t, r: ([1, 2], [3, 4], {}, 5), WRONG_FORM, "acting returned"),
    ],
)
def test_failures_have_a_kind_and_a_reason(act, kind, reason):
    got = outcome(act)
    assert (got.ok, got.kind) == (False, kind)
    assert reason in got.reason and got.status == f"failed: {got.reason}"
    assert np.isnan(got.values).all() and got.values.shape == (2,)


def test_the_traceback_is_kept_and_the_reason_is_one_short_line():
    def explode(theta, rng):
        raise ValueError("first\nsecond " + "x" * 10_000)

    got = outcome(explode)
    assert "in explode" in got.info["traceback"]
    assert got.reason.startswith("ValueError: first second xxx") and len(got.reason) <= 500


def test_ctrl_c_is_not_a_failure():
    def interrupt(theta, rng):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        outcome(interrupt)


def test_what_the_simulator_tells_becomes_json():
    info = {"n": np.int64(3), "x": np.arange(2.0), "odd": {1, 2}, "deep": {"a": (1, None)}, (1,): 0}
    got = outcome(lambda theta, rng: Simulated([1, 2], info=info))
    assert got.info == {"n": 3, "x": [0.0, 1.0], "odd": "{1, 2}", "deep": {"a": [1, None]}}
    json.dumps(got.info)


def test_a_simulator_cannot_change_the_design():
    def spoil(theta, rng):
        theta[:] = 7
        return theta

    theta = THETA.copy()
    run_once(Acting(spoil), theta, 0, 0)
    np.testing.assert_array_equal(theta, THETA)
