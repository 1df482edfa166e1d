import numpy as np
import pytest

from equatorium.emulate.surrogate import Surrogate
from equatorium.errors import InputError
from equatorium.history.sensitivity import rank_active, sobol_indices_of
from equatorium.interfaces.emulator import Emulator
from equatorium.records.covariance import Diagonal
from equatorium.records.outputs import Outputs
from equatorium.records.prediction import Gaussian
from equatorium.records.runs import Runs
from equatorium.records.space import Parameter, Space


class Ishigami(Emulator):
    """sin x1 + 7 sin^2 x2 + 0.1 x3^4 sin x1 over [-pi, pi]^3, and a constant."""

    def _fit(self, X, Y, noise):
        self.n_ = len(X)

    def _predict_dist(self, X):
        x = np.pi * (2 * X - 1)
        y = np.sin(x[:, 0]) * (1 + 0.1 * x[:, 2] ** 4) + 7 * np.sin(x[:, 1]) ** 2
        mean = np.column_stack([y, np.full(len(X), 3.0), x[:, 2]])
        return Gaussian(mean, Diagonal(np.ones_like(mean)))


@pytest.fixture(scope="module")
def surrogate():
    space = Space([Parameter(name, -np.pi, np.pi) for name in ("x1", "x2", "x3")])
    outputs = Outputs(["ishigami", "constant", "x3"])
    X = space.sample(5, 0)
    return Surrogate.fitted(Runs(space, outputs, X, np.zeros((5, 3))), Ishigami())


def test_the_indices_are_those_of_the_analysis(surrogate):
    # Ishigami & Homma 1990, a = 7, b = 0.1.
    v1, v2, v13 = (1 + 0.1 * np.pi**4 / 5) ** 2 / 2, 49 / 8, 0.01 * np.pi**8 * 8 / 225
    v = v1 + v2 + v13
    found = sobol_indices_of(surrogate, 4096, 0)
    for values, error, truth in (
        (found.first, found.first_error, np.array([v1, v2, 0]) / v),
        (found.total, found.total_error, np.array([v1 + v13, v2, v13]) / v),
    ):
        np.testing.assert_allclose(values[0], truth, atol=0.02)
        assert (np.abs(values[0] - truth) < 4 * error[0] + 1e-3).all()
    np.testing.assert_allclose(found.first[2], [0, 0, 1], atol=0.02)
    assert found.variance[0] == pytest.approx(v, rel=0.1)


def test_an_output_that_does_not_vary_has_none(surrogate):
    found = sobol_indices_of(surrogate, 64, 0)
    assert np.isnan(found.first[1]).all()
    assert np.isfinite(found.total[[0, 2]]).all()


def test_parameters_are_ranked_by_what_they_take_part_in(surrogate):
    # Mean total index over the two that vary: x3 (0.24 + 1) / 2, x1 0.56 / 2, x2 0.44 / 2.
    assert rank_active(surrogate, 512) == ("x3", "x1", "x2")


def test_the_number_of_points_is_a_power_of_two(surrogate):
    for n in (1000, 1, 2.0):
        with pytest.raises(InputError, match="power of two"):
            sobol_indices_of(surrogate, n)


def test_what_a_parameter_owes_to_its_bounds_counts_as_theirs():
    """x3 = x1 + q (1 - x1), q uniform: Var E[x3 | x1] = Var E[x3 | q] = 1/48 of 11/18 - 9/16."""
    names = {"x1": "", "x2": "", "x3": "x1"}
    space = Space([Parameter(name, 0, 1, above=above) for name, above in names.items()])
    runs = Runs(
        space, Outputs(["ishigami", "constant", "x3"]), space.sample(5, 0), np.zeros((5, 3))
    )
    found = sobol_indices_of(Surrogate.fitted(runs, Ishigami()), 4096, 0)
    np.testing.assert_allclose(found.first[2], [3 / 7, 0, 3 / 7], atol=0.01)
    np.testing.assert_allclose(found.total[2], [4 / 7, 0, 4 / 7], atol=0.01)
