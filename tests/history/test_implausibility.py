import numpy as np
import pytest

from equatorium.emulate.surrogate import Surrogate
from equatorium.errors import InputError, NotValidatedError, ShapeError
from equatorium.history.implausibility import Implausibility, nth_maximum
from equatorium.records.covariance import Dense, Diagonal
from equatorium.records.discrepancy import Discrepancy
from equatorium.records.observation import Observation
from equatorium.records.outputs import Outputs
from equatorium.records.runs import Runs

A = [[1.0, 0.0], [1.0, 1.0], [0.5, -2.0]]


@pytest.fixture
def space(tools):
    return tools.unit_space(2)


def test_it_is_the_distance_over_the_root_of_all_variances(tools, space):
    surrogate = tools.surrogate_of(tools.Affine(A, 0.2), space)
    observation = Observation([0.3, 1.0], [0.1, 0.4], names=["y2", "y0"])
    discrepancy = Discrepancy(0.3, diagonal=True)
    extra = Diagonal([0.01, 0.02, 0.03])
    found = Implausibility(surrogate, observation, discrepancy, extra)
    theta = space.sample(100, 0)
    predicted = theta @ np.array(A).T
    first = np.abs(0.3 - predicted[:, 2]) / np.sqrt(0.2**2 + 0.1**2 + 0.3**2 + 0.03)
    second = np.abs(1.0 - predicted[:, 0]) / np.sqrt(0.2**2 + 0.4**2 + 0.3**2 + 0.01)
    np.testing.assert_allclose(found(theta), np.column_stack([first, second]))


@pytest.mark.parametrize("correlation", [0.0, 0.6])
def test_interpolated_data_see_the_covariance_between_outputs(tools, space, correlation):
    emulator = tools.Affine(A, 0.2, correlation)
    X = space.sample(10, 0)
    outputs = Outputs(["a", "b", "c"], {"mass": [9.0, 10.0, 11.0]})
    surrogate = Surrogate.fitted(Runs(space, outputs, X, X @ np.array(A).T), emulator)
    observation = Observation([0.5, 0.2], [0.1, 0.1], {"mass": [9.25, 10.5]})
    found = Implausibility(surrogate, observation)
    R = np.array([[0.75, 0.25, 0.0], [0.0, 0.5, 0.5]])
    C = 0.04 * (correlation + (1 - correlation) * np.eye(3))
    V = R @ C @ R.T + 0.01 * np.eye(2)
    theta = space.sample(7, 1)
    off = np.abs(observation.values - theta @ np.array(A).T @ R.T)
    np.testing.assert_allclose(found(theta), off / np.sqrt(np.diagonal(V)))
    np.testing.assert_allclose(found.total_covariance(theta).dense(), np.tile(V, (7, 1, 1)))
    np.testing.assert_array_equal(found.used, [0, 1, 2])


def test_only_the_variances_of_a_correlated_discrepancy_count(tools, space):
    X = space.sample(10, 0)
    outputs = Outputs(["a", "b", "c"], {"mass": [9.0, 10.0, 11.0]})
    runs = Runs(space, outputs, X, X @ np.array(A).T)
    surrogate = Surrogate.fitted(runs, tools.Affine(A, 0.2))
    observation = Observation([0.5, 0.2, 0.1], [0.1, 0.1, 0.1], {"mass": [9.0, 10.0, 11.0]})
    theta = space.sample(7, 1)
    long, short = (
        Implausibility(surrogate, observation, Discrepancy(0.3, length={"mass": length}))
        for length in (5.0, 1e-3)
    )
    np.testing.assert_allclose(long(theta), short(theta))
    assert long.total_covariance(theta).dense()[0, 0, 1] > 0.05


def test_data_that_are_not_kept_do_not_count_but_shape_the_discrepancy(tools, space):
    X = space.sample(10, 0)
    outputs = Outputs(["a", "b", "c"], {"mass": [9.0, 10.0, 11.0]})
    runs = Runs(space, outputs, X, X @ np.array(A).T)
    surrogate = Surrogate.fitted(runs, tools.Affine(A, 0.2))
    observation = Observation([0.5, 0.2, -3.0], [0.1, 0.1, 0.1], {"mass": [9.0, 10.0, 11.0]})
    discrepancy = Discrepancy(shift={"mass": 0.1})
    whole = Implausibility(surrogate, observation, discrepancy)
    part = Implausibility(surrogate, observation, discrepancy, kept=[2, 0])
    theta = space.sample(7, 1)
    assert part.q == 2
    np.testing.assert_array_equal(part(theta), whole(theta)[:, [0, 2]])
    assert "mass = 11" in part.describe(1)
    for kept in ([], [3], [-1]):
        with pytest.raises(InputError, match="kept"):
            Implausibility(surrogate, observation, kept=kept)


def test_many_points_are_predicted_in_chunks(tools, space, monkeypatch):
    wave = tools.make_wave(space, A, [0.3, 1.0, 0.0])
    theta = space.sample(5000, 0)
    whole = wave.implausibility(theta)
    monkeypatch.setattr("equatorium.history.implausibility._CHUNK", 7)
    np.testing.assert_array_equal(wave.implausibility(theta[:100]), whole[:100])


def test_without_any_error_a_miss_is_infinitely_implausible(tools, space):
    surrogate = tools.surrogate_of(tools.Affine(A, 0.0), space, report=False)
    observation = Observation([0.5, 1.0, 0.0], [0.0, 0.1, 0.1], names=surrogate.outputs.names)
    found = Implausibility(surrogate, observation)([[0.5, 0.5], [0.4, 0.5]])
    np.testing.assert_allclose(found[:, 0], [0.0, np.inf])


def test_an_emulator_without_variance_is_refused(tools, space):
    surrogate = tools.surrogate_of(tools.Silent(A, 0.2), space)
    observation = Observation([0.5], [0.1], names=["y0"])
    with pytest.raises(NotValidatedError, match="without a variance"):
        Implausibility(surrogate, observation)


def test_a_covariance_over_something_else_is_refused(tools, space):
    surrogate = tools.surrogate_of(tools.Affine(A, 0.2), space)
    observation = Observation([0.5], [0.1], names=["y0"])
    with pytest.raises(ShapeError, match=r"over the 3 outputs.*over 1"):
        Implausibility(surrogate, observation, extra=Dense([[1.0]]))


def test_the_nth_maximum_is_that_of_sorting():
    rng = np.random.default_rng(0)
    values = rng.random((50, 6))
    for rank in (1, 2, 3, 6):
        np.testing.assert_array_equal(nth_maximum(values, rank), np.sort(values, axis=1)[:, -rank])
    for rank in (0, 7, 1.5, True):
        with pytest.raises(InputError, match="rank"):
            nth_maximum(values, rank)
