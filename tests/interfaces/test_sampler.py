"""A sampler has options and a run; scikit-learn's clone and our registry take it as a method."""

import numpy as np
import pytest
from sklearn.base import clone

from equatorium import Sampler, registry


class Prior(Sampler):
    """Draws from the prior, whatever the posterior."""

    view = "cube"

    def __init__(self, *, steps=10):
        self.steps = steps

    def run(self, posterior, *, rng, starts=None, store=None, resume=True, progress=True):
        return np.random.default_rng(rng).uniform(size=(self.steps, posterior))


@pytest.fixture(autouse=True)
def own_names(monkeypatch):
    monkeypatch.setattr(registry._CATALOGUE, "_local", {})


def test_options_and_spec():
    assert clone(Prior(steps=3)).get_params() == {"steps": 3}
    assert Prior().capabilities_ == frozenset()
    registry.register("sampler", Prior, capabilities={"restart"})
    assert Prior().capabilities_ == {"restart"}
    spec = registry.to_spec(Prior(steps=4))
    assert spec == {"use": "local/prior", "options": {"steps": 4}}
    assert registry.from_spec("sampler", spec).run(2, rng=0).shape == (4, 2)
    assert Prior.conformance_options() == {}


def test_it_needs_run():
    with pytest.raises(TypeError, match="run"):
        Sampler()
