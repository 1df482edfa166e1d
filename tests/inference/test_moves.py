"""Moves must leave the target unchanged: the variance of a standard normal is one."""

from importlib.metadata import version

import numpy as np
import pytest

from equatorium.inference.moves import default_moves, snooker_proposal

D = 10


def normal(x):
    return -0.5 * np.sum(x**2, axis=1)


def mean_square(moves, walkers=64, steps=1000, seed=3):
    """Mean of x^2 over all dimensions with its standard error from batches of steps."""
    import emcee

    sampler = emcee.EnsembleSampler(walkers, D, normal, moves=moves, vectorize=True)
    sampler._random.seed(seed)
    start = np.random.default_rng(seed).standard_normal((walkers, D))
    sampler.run_mcmc(start, steps, skip_initial_state_check=True)
    x2 = (sampler.get_chain(discard=steps // 5) ** 2).mean(axis=(1, 2))
    batches = x2.reshape(8, -1).mean(axis=1)
    return batches.mean(), batches.std(ddof=1) / np.sqrt(8)


def snooker(proposal):
    from emcee.moves import RedBlueMove

    class Move(RedBlueMove):
        def get_proposal(self, s, c, random):
            return proposal(s, c, random)

    return [(Move(nsplits=4), 1.0)]


@pytest.mark.parametrize("walkers", [64, 256])
def test_default_moves_keep_a_standard_normal(walkers):
    value, error = mean_square(default_moves(walkers), walkers, steps=700)
    assert error < 0.04
    assert abs(value - 1) < 4.5 * error


def test_snooker_alone_keeps_a_standard_normal():
    value, error = mean_square(snooker(snooker_proposal))
    assert error < 0.04
    assert abs(value - 1) < 4.5 * error


def test_snooker_without_its_factor_does_not():
    def wrong(s, c, random):
        proposal, factor = snooker_proposal(s, c, random)
        return proposal, np.zeros_like(factor)

    value, error = mean_square(snooker(wrong), steps=400)
    assert abs(value - 1) > 10 * error


@pytest.mark.skipif(version("emcee") != "3.1.6", reason="measured with emcee 3.1.6")
def test_the_snooker_of_emcee_is_too_narrow():
    """Why we have our own; if this fails for a newer emcee, use emcee's."""
    from emcee.moves import DESnookerMove

    value, _ = mean_square([(DESnookerMove(), 1.0)], steps=250)
    assert value < 0.75


def test_snooker_moves_along_the_line_to_another_walker():
    rng = np.random.default_rng(0)
    s, c = rng.standard_normal((6, 4)), [rng.standard_normal((1, 4)) for _ in range(3)]
    proposal, factor = snooker_proposal(s, c, np.random.RandomState(1))
    for x, new, f in zip(s, proposal, factor, strict=True):
        fits = []
        for k in range(3):
            z, (z1, z2) = c[k][0], [c[j][0] for j in range(3) if j != k]
            e = (x - z) / np.linalg.norm(x - z)
            for step in (e * (e @ (z1 - z2)), e * (e @ (z2 - z1))):
                ratio = np.linalg.norm(x + 1.7 * step - z) / np.linalg.norm(x - z)
                fits.append(np.allclose(new, x + 1.7 * step) and np.isclose(f, 3 * np.log(ratio)))
        assert sum(fits) == 1


def test_a_walker_on_top_of_another_stays():
    point = np.ones((1, 3))
    proposal, factor = snooker_proposal(point, [point, point, point], np.random.RandomState(0))
    assert np.array_equal(proposal, point)
    assert factor.tolist() == [0.0]
