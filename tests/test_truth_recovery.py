"""The whole chain recovers known truths; a posterior that is wrong fails the same test."""

import numpy as np
import pytest
from benchmarks.truth_recovery import (
    Mocks,
    Size,
    measure,
    measure_in_waves,
    prior_runs,
    setting,
    trained,
)

import equatorium as eq

ACTIVE = ("alpha_hot", "beta0_disc", "alpha_reheat", "alpha_cool")
# Three autocorrelation times are enough for a mean and a deviation.
REDUCED = Size(runs=180, held_out=60, mocks=8, walkers=16, max_steps=400, scale=0.2)


def judged(found, **limits):
    verdict = found.judge(**limits)
    assert verdict.passed, verdict.summary()
    assert any("too narrow" in reason for reason in found.narrowed(0.6).judge(**limits).reasons)
    assert any("too little" in reason for reason in found.ignorant().judge(**limits).reasons)


def reduced():
    names = eq.simulator("galaxy-formation").space.names
    fixed = tuple(name for name in names if name not in ACTIVE)
    return Size(**{**vars(REDUCED), "fixed": fixed})


@pytest.mark.timeout(900)
def test_four_parameters_are_recovered():
    size = reduced()
    problem = setting(size)
    assert set(problem.space.names) == set(ACTIVE)
    surrogate = trained(*prior_runs(problem, size, None))
    judged(measure(problem, surrogate, size, range(size.mocks)))


@pytest.mark.slow
@pytest.mark.timeout(7200)
def test_twenty_parameters_are_recovered(tmp_path):
    size = Size()
    problem = setting(size)
    runs, held = prior_runs(problem, size, tmp_path / "runs.h5")
    judged(measure(problem, trained(runs, held), size, range(size.mocks)))
    waves, rejected = measure_in_waves(problem, size, runs, held, tmp_path / "runs.h5")
    # Six waves that each reject the truth with a probability of 1 %: two do once in 700 times.
    assert np.sum(rejected) < 2
    assert np.isfinite(waves.errors).all()


def test_parts_are_joined():
    one = Mocks(("a",), np.array([[0.5]]), np.array([0.5]), np.ones((1, 1)), np.ones((1, 1)))
    assert Mocks.joined([one, one]).ranks.shape == (2,)
