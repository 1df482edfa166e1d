"""The whole chain recovers known truths; a posterior that is wrong fails the same test."""

import dataclasses

import numpy as np
import pytest
from benchmarks.truth_recovery import Mocks, Size, measure, setting, trained

ACTIVE = ("beta0_disc", "alpha_hot", "alpha_reheat", "alpha_cool")
OTHERS = (
    "nu0_sf",
    "P_sf",
    "beta_sf",
    "f_dyn",
    "tau_min_burst",
    "beta0_burst",
    "eps_edd",
    "f_smbh",
    "f_burst",
    "f_ellip",
    "f_stab",
    "V_cut",
    "z_cut",
    "p_yield",
    "eps_strip",
    "alpha_rp",
)
REDUCED = Size(runs=120, held_out=60, mocks=8, fixed=OTHERS, max_steps=200)


def judged(found, **limits):
    verdict = found.judge(**limits)
    assert verdict.passed, verdict.summary()
    # The same mocks with every posterior too narrow, and with the prior for a posterior.
    assert not found.judge(narrowed=0.6, **limits).passed
    prior = dataclasses.replace(found, shrinkage=np.ones_like(found.shrinkage))
    assert not prior.judge(**limits).passed


def test_four_parameters_are_recovered():
    problem = setting(REDUCED)
    assert problem.space.names == tuple(n for n in problem.simulator.space.names if n in ACTIVE)
    surrogate = trained(problem, REDUCED, None)
    found = measure(problem, surrogate, REDUCED, range(REDUCED.mocks))
    # Eight mocks, three parameters: the 99 % range of chi-square over 24, divided by 24.
    judged(found, mean_square=(0.41, 1.90))


@pytest.mark.slow
@pytest.mark.timeout(7200)
def test_twenty_parameters_are_recovered(tmp_path):
    size = Size()
    problem = setting(size)
    surrogate = trained(problem, size, tmp_path / "runs.h5")
    judged(measure(problem, surrogate, size, range(size.mocks)))


def test_parts_are_joined():
    one = Mocks(("a",), np.array([0.5]), np.ones((1, 1)), np.ones((1, 1)))
    assert Mocks.joined([one, one]).ranks.shape == (2,)
