"""batched-ensemble: the distribution of emcee, and exact resumption."""

from importlib.metadata import version

import numpy as np
import pytest

from equatorium import registry
from equatorium.errors import InputError
from equatorium.inference.batched import BatchedEnsemble
from equatorium.inference.moves import Together, differential
from equatorium.inference.posterior import Posterior
from equatorium.inference.sampling import Emcee
from equatorium.records.space import Parameter, Space

FEW = {"walkers": 16, "until": {}, "max_steps": 100}


class Bent:
    """A banana in two of three parameters; may stop on the way."""

    def __init__(self, after=None):
        self.after, self.batches = after, []

    def log_likelihood(self, theta):
        self.batches.append(len(theta))
        if self.after is not None and len(self.batches) > self.after:
            raise KeyboardInterrupt
        a, b, c = theta.T
        return -0.5 * (a**2 + (b - a**2 + 1) ** 2 / 0.25 + (c - 0.5 * a) ** 2)


def bent(after=None):
    return Posterior(Space([Parameter(name, -8, 8) for name in "abc"]), Bent(after))


def run(sampler, posterior, **how):
    return sampler.run(posterior, **{"rng": 5, "progress": False, **how})


@pytest.mark.filterwarnings("ignore::equatorium.errors.NotConvergedWarning")
class TestShort:
    def test_each_half_step_asks_once_for_all_ensembles(self):
        posterior = bent()
        run(BatchedEnsemble(walkers=256, until={}, max_steps=50), posterior)
        batches = np.array(posterior.likelihood.batches[-100:])
        # A proposal outside the box is never asked for.
        assert (batches <= 4 * 128).all()
        assert np.median(batches) > 4 * 100

    @pytest.mark.parametrize("after", [20, 150])
    @pytest.mark.parametrize("thin", [1, 3])
    def test_a_resumed_run_equals_an_uninterrupted_one(self, tmp_path, after, thin):
        sampler = BatchedEnsemble(**FEW, thin=thin)
        whole = run(sampler, counted := bent())
        with pytest.raises(KeyboardInterrupt):
            run(sampler, bent(after), store=tmp_path / "c.h5")
        again = run(sampler, resumed := bent(), store=tmp_path / "c.h5", rng=99)
        assert np.array_equal(whole.samples, again.samples)
        assert np.array_equal(whole.log_prob, again.log_prob)
        assert len(resumed.likelihood.batches) < len(counted.likelihood.batches) - after + 20

    @pytest.mark.skipif(version("emcee") != "3.1.6", reason="the order of emcee 3.1.6's draws")
    def test_it_makes_the_very_chains_of_emcee(self, tmp_path):
        ours, theirs = (run(kind(**FEW, thin=3), bent()) for kind in (BatchedEnsemble, Emcee))
        assert np.array_equal(ours.samples, theirs.samples)
        assert np.array_equal(ours.log_prob, theirs.log_prob)
        # so that one may go on with the chains of the other
        with pytest.raises(KeyboardInterrupt):
            run(BatchedEnsemble(**FEW, thin=3), bent(after=100), store=tmp_path / "c.h5")
        mixed = run(Emcee(**FEW, thin=3), bent(), store=tmp_path / "c.h5")
        assert np.array_equal(mixed.samples, theirs.samples)


@pytest.mark.filterwarnings("ignore::equatorium.errors.NotConvergedWarning")
def test_it_agrees_with_emcee():
    ours, theirs = (
        run(kind(walkers=32, until={}, max_steps=1200), bent(), rng=rng)
        for kind, rng in ((BatchedEnsemble, 1), (Emcee, 2))
    )
    for of in (np.asarray, np.square):
        a, b = of(ours.flat), of(theirs.flat)
        # Squares mix more slowly than what ESS is of: half of it is counted.
        error = np.sqrt(
            a.var(axis=0) / (min(ours.ess.values()) / 2)
            + b.var(axis=0) / (min(theirs.ess.values()) / 2)
        )
        assert (np.abs(a.mean(axis=0) - b.mean(axis=0)) < 4 * error).all()
    # In closed form: b is a^2 - 1 plus noise.
    assert abs(ours["b"].mean()) < 0.2
    assert ours["b"].var() == pytest.approx(2.25, rel=0.25)


def test_a_step_moves_in_place_and_says_who_moved():
    random = np.random.RandomState(0)
    x = random.randn(2 * 16, 3)
    before, log_prob = x.copy(), -0.5 * np.square(x).sum(axis=1)
    move = Together(differential, 2, 2)
    moved = move.step(x, log_prob, lambda x: -0.5 * np.square(x).sum(axis=1), random)
    assert ((x != before).any(axis=1) == moved).all()
    assert 0 < moved.sum() < len(x)
    assert log_prob == pytest.approx(-0.5 * np.square(x).sum(axis=1))


def test_options_that_cannot_be_used():
    with pytest.raises(InputError, match="even"):
        run(BatchedEnsemble(walkers=15), bent())


def test_it_is_registered():
    assert isinstance(registry.create("sampler", "batched-ensemble"), BatchedEnsemble)
