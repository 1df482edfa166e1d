"""Components: a map there and back, uncorrelated scores, noise that stays diagonal, odd outputs."""

import numpy as np
from numpy.testing import assert_allclose

from equatorium_gp.components import LEADING, Components


def outputs(n=200, p=5, seed=0):
    rng = np.random.default_rng(seed)
    return 3.0 + rng.normal(size=(n, p)) @ rng.normal(size=(p, p)) * np.arange(1, p + 1)


def test_there_and_back():
    Y = outputs()
    found = Components.of(Y, None, rotate=True)
    scores = (Y - found.center) @ found.unmixing
    assert_allclose(found.center + scores @ found.mixing, Y, rtol=1e-10)
    assert_allclose(scores.T @ scores / len(Y), np.eye(5), atol=1e-10)


def test_noise_and_outputs_are_both_diagonal_in_the_components():
    Y = outputs()
    noise = np.broadcast_to(np.array([0.1, 1.0, 0.5, 0.2, 2.0]), Y.shape)
    found = Components.of(Y, noise, rotate=True)
    U = found.unmixing
    carried = U.T @ np.diag(noise[0]) @ U
    assert_allclose(carried, np.diag(np.diag(carried)), atol=1e-4)  # LEAST_NOISE is added
    assert_allclose(found.noise(noise)[0], np.diag(carried))
    scores = (Y - found.center) @ U
    assert_allclose(scores.T @ scores / len(Y), np.eye(5), atol=1e-10)
    assert (np.diff(np.diag(carried)) > 0).all()  # the most of signal over noise comes first


def test_the_leading_group_holds_its_share():
    rng = np.random.default_rng(1)
    Y = rng.normal(size=(500, 6)) * 1e-3
    Y[:, :3] += rng.normal(size=(500, 1))
    found = Components.of(Y, None, rotate=True)
    share = np.square(found.mixing / Y.std(axis=0)).sum(axis=1)
    leading = share[found.group == 0].sum() / share.sum()
    assert leading >= LEADING > leading - share[found.group == 0][-1] / share.sum()
    assert set(found.group) == {0, 1}


def test_constant_and_repeated_outputs_have_no_component():
    Y = outputs()
    odd = np.column_stack([Y, np.full(len(Y), 7.0), 2.0 * Y[:, 0]])
    found = Components.of(odd, None, rotate=True)
    assert found.mixing.shape == (5, 7)
    scores = (odd - found.center) @ found.unmixing
    assert_allclose(found.center + scores @ found.mixing, odd, rtol=1e-9)


def test_few_runs_or_no_rotation_leave_outputs_as_they_are():
    for Y, rotate in ((outputs(n=14), True), (outputs(), False), (outputs(p=1), True)):
        found = Components.of(Y, None, rotate=rotate)
        assert_allclose(found.mixing, np.diag(Y.std(axis=0)))
        assert (found.group == 0).all()
