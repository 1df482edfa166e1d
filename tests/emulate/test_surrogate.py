import numpy as np
import pytest

import equatorium as eq
from equatorium import storage
from equatorium.emulate.surrogate import Surrogate, require_variance
from equatorium.errors import InputError, NotValidatedError, ShapeError, StateError
from equatorium.interfaces.emulator import Emulator
from equatorium.records.covariance import Diagonal
from equatorium.records.outputs import Outputs
from equatorium.records.prediction import Gaussian
from equatorium.records.runs import Runs
from equatorium.records.space import Parameter, Space

SPACE = Space([Parameter("a", 0.0, 4.0), Parameter("b", 1.0, 100.0, scale="log")])
OUTPUTS = Outputs(["sum", "difference"])


class Plane(Emulator):
    """Least squares on [1, X]; remembers what it was given."""

    def __init__(self, variance=0.25):
        self.variance = variance

    def _fit(self, X, Y, noise):
        self.coef_ = np.linalg.lstsq(np.column_stack([np.ones(len(X)), X]), Y, rcond=None)[0]
        self.seen_ = X
        self.noise_ = np.zeros(0) if noise is None else noise

    def _predict_dist(self, X):
        mean = np.column_stack([np.ones(len(X)), X]) @ self.coef_
        return Gaussian(mean, Diagonal(np.full(mean.shape, self.variance)))


class Noisy(Plane):
    capabilities = frozenset({"variance", "noise"})


class Silent(Plane):
    capabilities = frozenset()


def plane(theta):
    u = np.column_stack([theta[:, 0] / 4, np.log10(theta[:, 1]) / 2])
    return np.column_stack([u.sum(axis=1), u[:, 0] - u[:, 1]])


def make_runs(n=20, failed=0, noise=None):
    theta = SPACE.sample(n, 0)
    Y = plane(theta)
    status = ["ok"] * n
    for i in range(failed):
        Y[i], status[i] = np.nan, "failed: diverged"
    noise = None if noise is None else np.where(np.isnan(Y), np.nan, noise)
    return Runs(SPACE, OUTPUTS, theta, Y, noise=noise, status=status)


def test_predicts_physical_points_that_the_emulator_sees_in_the_unit_box():
    surrogate = Surrogate.fitted(make_runs(), Plane())
    theta = SPACE.sample(50, 1)
    prediction = surrogate.predict(theta)
    np.testing.assert_allclose(prediction.mean, plane(theta), atol=1e-12)
    np.testing.assert_allclose(prediction.variance, 0.25)
    np.testing.assert_allclose(surrogate.emulator.seen_, SPACE.to_unit(make_runs().X), atol=1e-12)


def test_failed_runs_are_not_learned_from():
    surrogate = Surrogate.fitted(make_runs(20, failed=3), Plane())
    assert len(surrogate.emulator.seen_) == 17


def test_only_an_emulator_that_can_use_it_is_given_the_noise():
    runs = make_runs(noise=0.04)
    assert Surrogate.fitted(runs, Plane()).emulator.noise_.size == 0
    np.testing.assert_array_equal(Surrogate.fitted(runs, Noisy()).emulator.noise_, 0.04)


def test_the_emulator_given_is_not_altered():
    emulator = Plane()
    Surrogate.fitted(make_runs(), emulator)
    assert not hasattr(emulator, "coef_")


def test_the_edges_of_the_box_are_inside():
    surrogate = Surrogate.fitted(make_runs(), Plane())
    corners = np.array([[0.0, 1.0], [4.0, 100.0]])
    np.testing.assert_allclose(surrogate.predict(corners).mean, plane(corners), atol=1e-12)


def test_outside_the_box_nothing_is_predicted_and_the_parameter_is_named():
    surrogate = Surrogate.fitted(make_runs(), Plane())
    with pytest.raises(InputError, match=r"Point 1 has b = 101, outside \[1, 100\], .*; 1 of 2"):
        surrogate.predict([[1.0, 2.0], [1.0, 101.0]])


@pytest.mark.parametrize(
    ("theta", "error", "match"),
    [
        ([[1.0, 2.0, 3.0]], ShapeError, r"3 columns.*2 parameters \(a, b\)"),
        ([1.0, 2.0], ShapeError, "2-D"),
        ([[np.nan, 2.0]], InputError, "finite"),
    ],
)
def test_wrong_points_are_refused(theta, error, match):
    surrogate = Surrogate.fitted(make_runs(), Plane())
    with pytest.raises(error, match=match):
        surrogate.predict(theta)


def test_without_a_good_run_there_is_nothing_to_learn():
    with pytest.raises(InputError, match=r"None of the 4 runs.*failed: diverged"):
        Surrogate.fitted(make_runs(4, failed=4), Plane())


def test_parts_that_do_not_belong_together_are_refused():
    fitted = Surrogate.fitted(make_runs(), Plane()).emulator
    with pytest.raises(ShapeError, match=r"fitted on 2 outputs.*given 1"):
        Surrogate(SPACE, Outputs(["sum"]), fitted)
    with pytest.raises(ShapeError, match=r"fitted on 2 parameters.*given 1"):
        Surrogate(SPACE.fix(a=1.0), OUTPUTS, fitted)
    with pytest.raises(InputError, match="must be fitted"):
        Surrogate(SPACE, OUTPUTS, Plane())


def test_an_emulator_without_variance_predicts_but_may_not_judge():
    surrogate = Surrogate.fitted(make_runs(), Silent())
    assert surrogate.predict([[1.0, 2.0]]).mean.shape == (1, 2)
    with pytest.raises(NotValidatedError, match=r"Silent.*without a variance.*trend-gp"):
        require_variance(surrogate)
    require_variance(Surrogate.fitted(make_runs(), Plane()))


def test_the_state_gives_back_the_same_surrogate():
    surrogate = Surrogate.fitted(make_runs(), Plane())
    again = Surrogate.from_state(surrogate.get_state())
    theta = SPACE.sample(5, 2)
    np.testing.assert_array_equal(again.predict(theta).mean, surrogate.predict(theta).mean)
    with pytest.raises(StateError, match="Surrogate"):
        Surrogate.from_state({**surrogate.get_state(), "emulator": 3})
    with pytest.raises(StateError, match="outputs"):
        Surrogate.from_state({k: v for k, v in surrogate.get_state().items() if k != "outputs"})


def test_a_file_gives_back_the_same_numbers(tmp_path):
    eq.register("emulator", Plane, name="test-plane")
    surrogate = Surrogate.fitted(make_runs(), Plane())
    storage.save(tmp_path / "surrogate.h5", surrogate)
    again = storage.load(tmp_path / "surrogate.h5")
    theta = SPACE.sample(5, 2)
    np.testing.assert_array_equal(again.predict(theta).mean, surrogate.predict(theta).mean)
    assert again.space == SPACE
    assert again.report is None
