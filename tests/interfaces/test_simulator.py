"""Simulators: their identity, what they may return, and functions made into one."""

import functools
import importlib
import multiprocessing
import os
import pickle
import sys
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from types import MappingProxyType

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from equatorium import Outputs, Parameter, Simulated, Simulator, Space, errors, wrap

SPACE = Space([Parameter("a", 0, 1), Parameter("b", 0, 2)], {"c": 3.0})
OUTPUTS = Outputs(["sum", "product"])


def algebra(a, b, c):
    return [a + b + c, a * b * c]


def noisy(a, b, c, rng):
    return np.array([a, b]) + rng.normal(size=2)


def of_array(theta):
    return theta[:2]


def anything(**values):
    return [values["a"], values["c"]]


class Scaled(Simulator):
    name = "scaled"
    space = SPACE
    outputs = OUTPUTS

    def __init__(self, *, scale=1.0):
        self.scale = scale
        self.options = {"scale": scale}

    def __call__(self, theta, *, rng):
        return self.scale * theta[:2]


@pytest.mark.parametrize(
    ("simulator", "expected"),
    [
        (wrap(algebra, SPACE, OUTPUTS), [6.0, 6.0]),
        (wrap(of_array, SPACE, OUTPUTS, as_array=True), [1.0, 2.0]),
        (wrap(anything, SPACE, OUTPUTS), [1.0, 3.0]),
        (wrap(functools.partial(algebra, c=3.0), SPACE, OUTPUTS), [6.0, 6.0]),
        (Scaled(scale=2.0), [2.0, 4.0]),
    ],
)
def test_a_run(simulator, expected):
    assert_array_equal(simulator.evaluate([1.0, 2.0, 3.0]).values, expected)


def test_a_function_gets_a_generator_if_it_takes_one():
    simulator = wrap(noisy, SPACE, OUTPUTS)
    expected = np.array([1.0, 2.0]) + np.random.default_rng(7).normal(size=2)
    assert_array_equal(simulator.evaluate([1, 2, 3], rng=7).values, expected)


@pytest.mark.parametrize(
    ("result", "values", "variance"),
    [
        ([1, 2], [1.0, 2.0], None),
        (([1, 2], [0.1, 0.2]), [1.0, 2.0], [0.1, 0.2]),
        (Simulated([1, 2], [0.5, 0.5], {"steps": 3}), [1.0, 2.0], [0.5, 0.5]),
        ([np.nan, 1.0], [np.nan, 1.0], None),
    ],
)
def test_forms_of_a_result(result, values, variance):
    answer = Scaled().judge(result)
    assert_array_equal(answer.values, values)
    assert answer.variance is None if variance is None else (answer.variance == variance).all()


@pytest.mark.parametrize(
    ("result", "message"),
    [
        ([1.0], "returned 1 values, but declares 2 outputs"),
        ((1.0, 2.0), r"A tuple is read as \(values, variance\)"),
        (3.0, "returned 1 values"),
        (np.ones((2, 2)), r"1-D, not of shape \(2, 2\)"),
        (([1, 2], [1.0]), "2 values but 1 variances"),
        ("text", "scaled returned 'text'"),
        (None, "scaled returned None: a run gave nothing"),
        (([1, 2], [1, 2], {}, 4), "scaled returned"),
    ],
)
def test_results_of_a_wrong_form(result, message):
    with pytest.raises(errors.SimulatorError, match=message):
        Scaled().judge(result)


def test_a_scalar_serves_one_output():
    simulator = wrap(abs, Space([Parameter("x", 0, 1)]), Outputs(["y"]), version="1", as_array=True)
    assert simulator.evaluate([-2.0]).values.tolist() == [2.0]


def test_wrong_number_of_parameters():
    with pytest.raises(errors.SimulatorError, match=r"takes 3 parameters \(a, b, c\).*\(2,\)"):
        Scaled().evaluate([1.0, 2.0])


def test_the_identity_is_what_decides_the_result():
    base = Scaled().identity()
    assert Scaled().identity() == base and len(base) == 16
    assert Scaled(scale=2.0).identity() != base
    later = Scaled()
    later.version = "2"
    assert later.identity() != base
    wrapped = [
        wrap(algebra, SPACE, OUTPUTS),
        wrap(algebra, SPACE, OUTPUTS, version="1"),
        wrap(anything, SPACE, OUTPUTS, version="1"),
        wrap(anything, SPACE, OUTPUTS, version="1", name="another"),
        wrap(functools.partial(algebra, c=3.0), SPACE, OUTPUTS, version="1"),
        wrap(functools.partial(algebra, c=4.0), SPACE, OUTPUTS, version="1"),
    ]
    assert len({simulator.identity() for simulator in wrapped}) == len(wrapped)
    # Other ranges leave finished runs valid; another parameter does not.
    assert wrap(algebra, SPACE.replace("a", high=0.5), OUTPUTS).identity() == wrapped[0].identity()
    more = Space([Parameter("a", 0, 1), Parameter("c", 0, 2), Parameter("b", 0, 1)])
    assert wrap(algebra, more, OUTPUTS).identity() != wrapped[0].identity()


def test_the_identity_follows_the_source(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    seen = []
    for text in ("def f(a, b, c):\n    return a\n", "def f(a, b, c):\n    return a + 1\n") * 2:
        (tmp_path / "edited_model.py").write_text(text)
        monkeypatch.delitem(sys.modules, "edited_model", raising=False)
        importlib.invalidate_caches()
        seen.append(wrap(importlib.import_module("edited_model").f, SPACE, OUTPUTS).identity())
    assert seen[0] == seen[2] != seen[1] == seen[3]


def test_options_must_be_json():
    simulator = Scaled(scale=np.ones(2))
    with pytest.raises(errors.SimulatorError, match="options of scaled must be JSON"):
        simulator.identity()


@pytest.mark.parametrize(
    ("function", "options", "message"),
    [
        (lambda a, bb, c: a, {}, "cannot be called.*'bb'. Did you mean 'bb'"),
        (algebra, {"as_array": True}, "missing a required argument"),
        (abs, {"as_array": True}, "give wrap a version='1'"),
        (3.0, {}, "wrap needs a function, not 3.0"),
    ],
)
def test_what_cannot_be_wrapped(function, options, message):
    with pytest.raises(errors.InputError, match=message):
        wrap(function, SPACE, OUTPUTS, **options)


def test_a_wrapped_function_goes_to_spawned_workers(tmp_path, monkeypatch):
    # The worker imports the function by its module's name.
    (tmp_path / "my_model.py").write_text("def f(a, b, c):\n    return [a + b, c]\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path)]))
    import my_model

    simulator = wrap(my_model.f, SPACE, OUTPUTS)
    again = pickle.loads(pickle.dumps(simulator))
    assert again.identity() == simulator.identity()
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        result = pool.submit(simulator.evaluate, [1.0, 2.0, 3.0]).result()
    assert_array_equal(result.values, [3.0, 3.0])


def test_an_abstract_simulator_cannot_be_made():
    with pytest.raises(TypeError, match="__call__"):
        Simulator()


def test_observations_come_along_by_name():
    class Bringing(Simulator):
        name = "bringing"
        observations = MappingProxyType({"counts": "collections:Counter"})

        def __call__(self, theta, *, rng):
            return theta

    assert Bringing().observed("counts") == Counter()
    with pytest.raises(errors.UnknownNameError, match="Did you mean 'counts'"):
        Bringing().observed("count")
