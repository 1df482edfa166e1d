"""Moves must leave the target unchanged: the variance of a standard normal is one."""

from importlib.metadata import version

import numpy as np
import pytest

from equatorium.inference.moves import Together, default_moves, differential, snooker

D = 10


def normal(x):
    return -0.5 * np.sum(x**2, axis=1)


def chain_of(moves, walkers=64, steps=1000, seed=3):
    """Sample a standard normal of D dimensions; drop a fifth."""
    import emcee

    sampler = emcee.EnsembleSampler(walkers, D, normal, moves=moves, vectorize=True)
    sampler._random.seed(seed)
    start = np.random.default_rng(seed).standard_normal((walkers, D))
    sampler.run_mcmc(start, steps, skip_initial_state_check=True)
    return sampler.get_chain(discard=steps // 5)


def mean_square(*args, **options):
    """Mean of x^2 over all dimensions with its standard error from batches of steps."""
    x2 = (chain_of(*args, **options) ** 2).mean(axis=(1, 2))
    batches = x2.reshape(8, -1).mean(axis=1)
    return batches.mean(), batches.std(ddof=1) / np.sqrt(8)


def alone(proposal, ensembles=1, parts=4):
    return [(Together(proposal, ensembles, parts), 1.0)]


@pytest.mark.parametrize(("ensembles", "walkers"), [(1, 64), (4, 32), (1, 256)])
def test_default_moves_keep_a_standard_normal(ensembles, walkers):
    value, error = mean_square(default_moves(ensembles, walkers), ensembles * walkers, steps=700)
    assert error < 0.04
    assert abs(value - 1) < 4.5 * error


@pytest.mark.parametrize(("proposal", "parts"), [(differential, 2), (snooker, 4)])
def test_each_move_alone_keeps_a_standard_normal(proposal, parts):
    value, error = mean_square(alone(proposal, 2, parts))
    assert error < 0.06
    assert abs(value - 1) < 4.5 * error


def test_snooker_without_its_factor_does_not():
    def wrong(s, others, random):
        proposal, factor = snooker(s, others, random)
        return proposal, np.zeros_like(factor)

    value, error = mean_square(alone(wrong), steps=400)
    assert abs(value - 1) > 10 * error


def test_differential_evolution_needs_as_many_steps_as_emcees():
    """The same proposal, so the same autocorrelation."""
    from emcee.autocorr import integrated_time
    from emcee.moves import DEMove

    ours, theirs = (
        np.mean(integrated_time(chain_of(moves, steps=4000), quiet=True))
        for moves in (alone(differential, 1, 2), [(DEMove(), 1.0)])
    )
    assert 0.85 < ours / theirs < 1.18


def test_ensembles_do_not_see_each_other():
    """Walkers of one ensemble that coincide stay, whatever the others do."""
    x = np.zeros((40, D))
    x[20:] = np.random.default_rng(0).standard_normal((20, D))
    import emcee

    for move, _ in default_moves(2, 20):
        sampler = emcee.EnsembleSampler(40, D, normal, moves=move, vectorize=True)
        sampler._random.seed(0)
        sampler.run_mcmc(x, 30, skip_initial_state_check=True)
        last = sampler.get_last_sample().coords
        assert np.array_equal(last[:20], x[:20])
        assert (last[20:] != x[20:]).any(axis=1).sum() > 15


@pytest.mark.skipif(version("emcee") != "3.1.6", reason="measured with emcee 3.1.6")
def test_the_snooker_of_emcee_is_too_narrow():
    """Why we have our own; if this fails for a newer emcee, use emcee's."""
    from emcee.moves import DESnookerMove

    value, _ = mean_square([(DESnookerMove(), 1.0)], steps=250)
    assert value < 0.75


def test_snooker_moves_along_the_line_to_another_walker():
    rng = np.random.default_rng(0)
    s, c = rng.standard_normal((2, 6, 4)), [rng.standard_normal((2, 1, 4)) for _ in range(3)]
    proposals, factors = snooker(s, c, np.random.RandomState(1))
    for ensemble in range(2):
        for x, new, f in zip(s[ensemble], proposals[ensemble], factors[ensemble], strict=True):
            fits = []
            for k in range(3):
                z, (z1, z2) = c[k][ensemble, 0], [c[j][ensemble, 0] for j in range(3) if j != k]
                e = (x - z) / np.linalg.norm(x - z)
                for step in (e * (e @ (z1 - z2)), e * (e @ (z2 - z1))):
                    ratio = np.linalg.norm(x + 1.7 * step - z) / np.linalg.norm(x - z)
                    fits.append(
                        np.allclose(new, x + 1.7 * step) and np.isclose(f, 3 * np.log(ratio))
                    )
            assert sum(fits) == 1


def test_differential_evolution_uses_two_different_walkers():
    rng = np.random.default_rng(0)
    s, c = np.zeros((2, 50, 4)), [rng.standard_normal((2, 3, 4))]
    proposal, factor = differential(s, c, np.random.RandomState(1), 1.0)
    assert not factor.any()
    for ensemble in range(2):
        steps = c[0][ensemble][:, None] - c[0][ensemble]
        steps = steps[~np.eye(3, dtype=bool)]
        near = np.linalg.norm(proposal[ensemble][:, None] - steps, axis=2) < 1e-3
        assert near.any(axis=1).all()
        assert near.any(axis=0).all()


def test_a_walker_on_top_of_another_stays():
    point = np.ones((1, 1, 3))
    proposal, factor = snooker(point, [point, point, point], np.random.RandomState(0))
    assert np.array_equal(proposal, point)
    assert factor.tolist() == [[0.0]]
