"""The model as a simulator: contract, pool of forests, shared covariance, bad input."""

import json
import pickle

import numpy as np
import pytest

import equatorium as eq
from equatorium.errors import EquatoriumError, InputError
from equatorium_galaxies.outputs import run
from equatorium_galaxies.parameters import Parameters
from equatorium_galaxies.pool import forest_of
from equatorium_galaxies.simulator import GalaxyFormation

SMALL = {"scale": 0.02, "mass_floor": 1e12}


@pytest.fixture(scope="module")
def simulator():
    return GalaxyFormation(forests=4, seed=100, **SMALL)


def test_outputs_are_named_bins(simulator):
    outputs = simulator.outputs
    assert outputs.p == 80 and outputs.names[0] == "phi_z0.0_m8.1"
    i = outputs.index("phi_z0.5_m9.1")
    assert outputs.coords["z"][i] == 0.5 and outputs.coords["log_mstar"][i] == 9.1
    assert len(outputs.select(z=1.5, log_mstar=(8.6, 11.4))) == 14


def test_a_run(simulator):
    result = simulator.evaluate(simulator.space.defaults, rng=3)
    assert result.values.shape == result.variance.shape == (80,)
    assert np.all(result.values >= -6) and np.all(result.variance > 0)
    assert result.info["forest"] in range(100, 104)


def test_the_generator_picks_the_forest(simulator):
    theta = simulator.space.defaults
    runs = [simulator(theta, rng=seed) for seed in range(14)]
    seen = {r.info["forest"] for r in runs}
    assert seen == {100, 101, 102, 103}
    # The same forest gives the same bits, whichever generator picked it.
    for forest in seen:
        same = [r.values.tobytes() for r in runs if r.info["forest"] == forest]
        assert len(set(same)) == 1
    assert len({r.values.tobytes() for r in runs}) == 4
    one = simulator(theta, rng=np.random.default_rng(5))
    assert one.values.tobytes() == simulator(theta, rng=5).values.tobytes()


def test_pools_start_at_their_seed():
    fixed = GalaxyFormation(forests=1, seed=102, **SMALL)
    pooled = GalaxyFormation(forests=4, seed=100, **SMALL)
    theta = fixed.space.defaults
    found = fixed(theta, rng=0)
    assert found.info["forest"] == 102 and found.variance is None
    same = next(r for s in range(50) if (r := pooled(theta, rng=s)).info["forest"] == 102)
    assert same.values.tobytes() == found.values.tobytes()


def test_one_forest_declares_a_covariance_and_a_pool_none(simulator):
    assert simulator.covariance is None
    fixed = GalaxyFormation(forests=1, seed=100, **SMALL)
    covariance = fixed.covariance
    assert covariance.p == 80
    matrix = covariance.dense()
    assert np.linalg.eigvalsh(matrix).min() > 0
    # It is what runs quote on average over eight forests, of which the own one is the first.
    quoted = [
        run(forest_of(seed, **SMALL), Parameters()).mass_functions.log_covariance
        for seed in range(100, 108)
    ]
    np.testing.assert_allclose(matrix, np.mean(quoted, axis=0), rtol=1e-12)
    assert GalaxyFormation(forests=1, seed=100, **SMALL).covariance.dense().tobytes() == (
        matrix.tobytes()
    )


def test_options_are_json_and_make_the_identity(simulator):
    assert json.loads(json.dumps(dict(simulator.options))) == dict(simulator.options)
    same = GalaxyFormation(forests=4, seed=100, scatter=[0.1, 0.04], **SMALL)
    assert same.identity() == simulator.identity()
    for change in ({"seed": 101}, {"forests": 5}, {"substeps": 3}, {"scatter": (0.1, 0.0)}):
        other = GalaxyFormation(**{**dict(simulator.options), **change})
        assert other.identity() != simulator.identity(), change
    assert GalaxyFormation(**dict(simulator.options)).identity() == simulator.identity()


def test_options_change_the_result():
    theta = GalaxyFormation(**SMALL).space.defaults
    base = GalaxyFormation(forests=1, seed=100, **SMALL)(theta, rng=0).values
    for change in ({"substeps": 6}, {"scatter": (0.2, 0.04)}, {"mass_floor": 5e11}):
        options = {"forests": 1, "seed": 100, **SMALL, **change}
        assert not np.array_equal(GalaxyFormation(**options)(theta, rng=0).values, base), change


def test_a_worker_process_can_receive_it(simulator):
    copy = pickle.loads(pickle.dumps(simulator))
    theta = simulator.space.defaults
    assert copy(theta, rng=1).values.tobytes() == simulator(theta, rng=1).values.tobytes()
    assert copy.identity() == simulator.identity()


def test_the_observed_mass_functions_match_the_outputs(simulator):
    module, _, name = simulator.observations["stellar-mass-functions"].partition(":")
    observation = getattr(__import__(module, fromlist=[name]), name)()
    response = observation.match(simulator.outputs)
    assert response.shape == (observation.q, 80)
    names = [simulator.outputs.names[i] for i in response.argmax(axis=1)]
    assert names == list(observation.names)
    np.testing.assert_allclose(response.sum(axis=1), 1.0)


def test_found_by_its_name():
    simulator = eq.simulator("galaxy-formation", scale=0.05, scatter=[0.1, 0.0])
    assert isinstance(simulator, GalaxyFormation) and simulator.options["scale"] == 0.05
    assert simulator.options["forests"] == 16 and simulator.options["mass_floor"] == 1e10


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"scale": "fine"}, "scale must be a number, but it is 'fine'"),
        ({"scale": 0}, "scale must be between"),
        ({"scale": float("nan")}, "scale must be between"),
        ({"mass_floor": 10.0}, "mass_floor must be between 1e.08"),
        ({"forests": 0}, "forests must be between 1"),
        ({"forests": True}, "forests must be between"),
        ({"seed": 1.5}, "seed must be a whole number"),
        ({"seed": -1}, "seed must be between 0"),
        ({"substeps": 0}, "substeps must be between 1"),
        ({"scatter": 0.1}, "scatter must be two numbers"),
        ({"scatter": (0.0, 0.04)}, "scatter at z = 0 must be between"),
    ],
)
def test_bad_options_are_named(options, message):
    with pytest.raises(InputError, match=message):
        GalaxyFormation(**options)


def test_bad_points_are_refused(simulator):
    theta = simulator.space.defaults.copy()
    with pytest.raises(EquatoriumError, match="20"):
        simulator(theta[:5], rng=0)
    theta[3] = np.nan
    with pytest.raises(InputError, match="finite"):
        simulator(theta, rng=0)
