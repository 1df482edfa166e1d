"""A network in place of a Gaussian process: a Study with it finds a known posterior."""

import warnings

import numpy as np
import pytest

import equatorium as eq
from equatorium.errors import NotConvergedWarning
from equatorium_nets.mlp import MLP

X = np.linspace(0.0, 1.0, 5)


def line(slope, offset):
    """Return a straight line: linear in the parameters, so that its posterior is a normal."""
    return offset + slope * X


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    space = eq.Space([eq.Parameter("slope", -1.0, 1.0), eq.Parameter("offset", 0.0, 3.0)])
    outputs = eq.Outputs([f"y{i}" for i in range(5)], coords={"x": X})
    simulator = eq.wrap(line, space, outputs, version="1")
    observed = eq.Observation(1.2 + 0.3 * X, np.full(5, 0.1), coords={"x": X})
    network = MLP(layers="dense(16) tanh", n_members=2, epochs=150, batch_size=16, random_state=0)
    store = tmp_path_factory.mktemp("study") / "study.h5"
    made = eq.Study(simulator, observed, emulator=network, store=store, seed=1, progress=False)
    made.history_match(1, runs=80, particles=300, executor="serial")
    return made


def test_the_posterior_is_the_analytic_one(study):
    if "hmc" not in {name for entry in eq.methods("sampler") for name in entry.names}:
        pytest.skip("equatorium-samplers is not installed")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotConvergedWarning)
        draws = study.sample("hmc", chains=8, warmup=40, max_steps=60, until={})
    design = np.stack([X, np.ones(5)], axis=1)
    std = np.sqrt(np.diag(np.linalg.inv(design.T @ design / 0.1**2)))
    np.testing.assert_allclose(draws.std, std, rtol=0.25)
    assert (np.abs(draws.mean - [0.3, 1.2]) < 0.5 * std).all()
    assert draws.meta["divergences"] == 0
