"""The mixin of methods that have members, in front of a role."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from equatorium import Diagonal, Emulator, Ensemble, Gaussian, registry


class Bagged(Ensemble, Emulator):
    """Means of resamples."""

    def __init__(self, *, n_members=50, random_state=0):
        self.n_members = n_members
        self.random_state = random_state

    def _fit(self, X, Y, noise):
        rng = np.random.default_rng(self.random_state)
        picks = rng.integers(len(Y), size=(self.n_members, len(Y)))
        self.members_ = list(Y[picks].mean(axis=1))

    def predict_members(self, X):
        return np.stack(
            [np.broadcast_to(member, (len(X), member.size)) for member in self.members_]
        )

    def _predict_dist(self, X):
        return Gaussian(self.predict_members(X).mean(axis=0), Diagonal(self.member_spread(X) ** 2))


def test_members_spread_like_the_error_of_the_mean():
    y = np.random.default_rng(1).normal(size=(400, 1))
    model = Bagged(n_members=2000).fit(np.zeros((400, 1)), y)
    spread = model.member_spread(np.zeros((3, 1)))
    assert spread.shape == (3, 1)
    # The bootstrap's standard error is sd / sqrt(n); 2000 members know it to 1.6 %.
    assert_allclose(spread, y.std() / 20, rtol=0.07)
    assert model.predict_members(np.zeros((3, 1))).shape == (2000, 3, 1)


def test_both_roles(monkeypatch):
    monkeypatch.setattr(registry._CATALOGUE, "_local", {})
    entry = registry.register("ensemble", Bagged, roles=("emulator",))
    assert entry.roles == ("ensemble", "emulator")
    assert isinstance(registry.emulator("bagged", n_members=3), Bagged)
    assert isinstance(registry.ensemble("bagged"), Bagged)


def test_it_needs_predict_members():
    class Half(Ensemble):
        pass

    with pytest.raises(TypeError, match="predict_members"):
        Half()
