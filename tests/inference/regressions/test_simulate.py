"""Ready models draw data from their own law: ranks by importance sampling, and wrong twins."""

import numpy as np
import pytest

import equatorium as eq
from equatorium.errors import InputError, ShapeError

T = np.sort(np.random.default_rng(3).uniform(0, 10, 12))
Y = 1.0 + 0.3 * T + 0.3 * np.random.default_rng(4).standard_normal(12)
MODELS = {
    "outliers": lambda: eq.OutlierMixture(T, Y, 0.3),
    "noise": lambda: eq.CorrelatedNoise(T, Y, 0.2),
    "linmix": lambda: eq.LinMix(T, Y, np.full((12, 2), 0.3)),
}
# Priors that are not much wider than posteriors: draws of them serve as the posterior's.
NARROW = {
    "level": {"low": 2.0, "high": 3.0, "prior": None},
    "slope": {"low": 0.2, "high": 0.5, "prior": None},
    "outlier_mean": {"low": 2.0, "high": 4.0},
    "mean_1": {"low": 3.0, "high": 4.0, "prior": None, "above": ""},
    "mean_2": {"low": 6.0, "high": 7.0, "prior": None, "above": ""},
}


def narrow(name):
    model = MODELS[name]()
    space = model.space
    for parameter in set(NARROW) & set(space.names):
        space = space.replace(parameter, **NARROW[parameter])
    return model.with_space(space)


@pytest.mark.parametrize("name", MODELS)
def test_ranks_are_uniform_and_those_of_a_wrong_twin_are_not(name, calibration):
    rng = np.random.default_rng(0)
    model = narrow(name)
    truths, prior = model.space.sample(100, rng), model.space.sample(3000, rng)

    def evaluate(data, theta):
        return model.with_data(data).log_likelihood(theta)

    def scattered(theta, rng):
        data = model.simulate(theta, rng)
        return data + 2.0 * rng.standard_normal(len(data))

    found = calibration.ranks(truths, model.simulate, evaluate, prior, rng)
    assert calibration.uniform_p(found).min() > 0.01
    wrong = calibration.ranks(truths, scattered, evaluate, prior, rng)
    assert calibration.uniform_p(wrong).min() < 1e-3


@pytest.mark.parametrize("name", MODELS)
def test_other_data_change_nothing_else(name):
    model = MODELS[name]()
    data = model.simulate(model.space.sample(1, 0)[0], 1)
    other = model.with_data(data)
    assert data.shape == (model.q,)
    assert other.space == model.space
    assert np.array_equal(model.y, Y)
    theta = model.space.sample(3, 0)
    assert not np.allclose(other.log_likelihood(theta), model.log_likelihood(theta))
    with pytest.raises(ShapeError):
        model.with_data(data[1:])


def test_upper_limits_cannot_be_drawn():
    model = eq.LinMix(T, Y, np.full((12, 2), 0.3), limit=Y > 2)
    with pytest.raises(InputError, match="upper limits"):
        model.simulate(model.space.sample(1, 0)[0])


@pytest.mark.parametrize("theta", ["abc", 1.0, [1.0, 2.0], np.zeros((1, 5))])
def test_points_that_are_none_are_refused(theta):
    with pytest.raises(InputError, match="theta must"):
        MODELS["outliers"]().simulate(theta)
