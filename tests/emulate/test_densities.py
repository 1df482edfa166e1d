"""Densities on a grid: N(z) and its loss by closed forms, files of qp by its own reading."""

import sys

import numpy as np
import pytest
from scipy import stats

import equatorium as eq
from equatorium.errors import InputError, PluginLoadError, ShapeError

EDGES = np.linspace(-8, 8, 801)


def gaussians(m=200, width=0.5):
    rng = np.random.default_rng(0)
    mean = rng.normal(size=(m, 1))
    y = mean[:, 0] + 0.5 * rng.normal(size=m)
    return eq.Gaussian(mean, eq.Diagonal(np.full((m, 1), width**2))), y


def test_the_loss_of_gaussians_is_its_closed_form():
    prediction, y = gaussians()
    density = eq.binned_density(prediction, EDGES)
    square = 1 / (2 * 0.5 * np.sqrt(np.pi))
    expected = square - 2 * stats.norm.pdf(y, prediction.mean[:, 0], 0.5).mean()
    assert eq.cde_loss(density, y, EDGES) == pytest.approx(expected, abs=0.01)
    for wrong in (0.3, 1.0):
        worse = eq.binned_density(gaussians(width=wrong)[0], EDGES)
        assert eq.cde_loss(worse, y, EDGES) > eq.cde_loss(density, y, EDGES) + 0.02


def test_the_stack_is_the_distribution_of_true_values():
    prediction, _ = gaussians(8000)
    stack = eq.stacked_density(prediction, EDGES)
    middle = (EDGES[1:] + EDGES[:-1]) / 2
    expected = stats.norm.pdf(middle, 0, np.sqrt(1.25))
    np.testing.assert_allclose(stack, expected, atol=0.015)
    assert stack.sum() * (EDGES[1] - EDGES[0]) == pytest.approx(1)
    only = eq.stacked_density(prediction, EDGES, weights=np.arange(8000) == 7)
    np.testing.assert_allclose(only, eq.binned_density(prediction, EDGES)[7])


def test_a_stack_knows_less_than_its_members():
    prediction, y = gaussians(2000)
    each = eq.cde_loss(eq.binned_density(prediction, EDGES), y, EDGES)
    together = eq.cde_loss(eq.stacked_density(prediction, EDGES), y, EDGES)
    assert each < together < 0
    assert eq.cde_loss(np.zeros(800), y, EDGES) == 0
    assert eq.cde_loss(eq.stacked_density(prediction, EDGES), y + 100, EDGES) > 0  # all outside


def test_draws_and_one_of_several_outputs():
    rng = np.random.default_rng(0)
    draws = eq.Weighted(rng.normal([0, 5], 1, size=(3000, 2, 2)))
    density = eq.binned_density(draws, [4, 5, 6], output=1)
    np.testing.assert_allclose(density, 0.3413, atol=0.03)


def test_qp_reads_what_it_is_handed():
    qp = pytest.importorskip("qp")
    prediction, _ = gaussians(5)
    x = np.linspace(-3, 3, 7)
    exact = eq.to_qp(prediction)
    assert exact.npdf == 5 and isinstance(exact, qp.Ensemble)
    np.testing.assert_allclose(exact.pdf(x), stats.norm.pdf(x, prediction.mean, 0.5), rtol=1e-9)
    two = eq.Mixture(
        [0.3, 0.7], np.stack([prediction.mean + 1, prediction.mean]), [eq.Diagonal([1.0])] * 2
    )
    np.testing.assert_allclose(
        eq.to_qp(two).cdf(x),
        np.stack([two.cdf(np.full((5, 1), t))[:, 0] for t in x], axis=1),
        rtol=1e-6,
    )
    draws = eq.Weighted(prediction.sample(500, 0))
    binned = eq.to_qp(draws, EDGES[::10])
    at = EDGES[::10][40]
    np.testing.assert_allclose(
        binned.cdf(at)[:, 0], draws.cdf(np.full((5, 1), at))[:, 0], atol=1e-6
    )
    with pytest.raises(InputError, match="give its edges"):
        eq.to_qp(draws)
    with pytest.raises(InputError, match="widen the edges"):
        eq.to_qp(draws, [100, 101])
    with pytest.raises(InputError, match="no width"):
        eq.to_qp(eq.Gaussian([[0.0]], eq.Diagonal([[0.0]])))


def test_without_qp_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "qp", None)
    with pytest.raises(PluginLoadError, match=r"equatorium\[rail\]"):
        eq.to_qp(gaussians(2)[0])


def test_what_cannot_be_is_refused():
    prediction, y = gaussians(3)
    with pytest.raises(InputError, match="increasing"):
        eq.binned_density(prediction, [1, 0])
    with pytest.raises(InputError, match="Prediction of numbers"):
        eq.binned_density(eq.Categorical([[1.0]], ["a"]), EDGES)
    with pytest.raises(ShapeError, match=r"\(3, 800\) or \(800,\)"):
        eq.cde_loss(np.zeros((2, 800)), y, EDGES)


def test_values_at_edges_fall_into_the_bins_of_their_densities():
    """Rounded redshifts: draws and truths lie on the edges, the lowest one among them."""
    edges = np.arange(5.0)
    truth = np.array([0.0, 1.0, 2.0, 4.0])
    density = eq.binned_density(eq.Weighted(truth[None, :, None]), edges)
    np.testing.assert_array_equal(density.sum(axis=1), 1)
    assert eq.cde_loss(density, truth, edges) == 1 - 2  # all in the bin that was predicted


def test_weights_and_densities_that_are_none_are_refused():
    for weights in (np.zeros(200), -np.ones(200)):
        with pytest.raises(InputError, match="weights must not be negative"):
            eq.stacked_density(gaussians()[0], [0, 1], weights=weights)
    for odd in ([["a"]], [[np.nan]]):
        with pytest.raises(InputError, match="density must"):
            eq.cde_loss(odd, [0.5], [0, 1])
