"""Heads that give values: quantiles in order, flows with a density, votes that are Dirichlet."""

import builtins

import numpy as np
import pytest
import torch
from scipy.stats import dirichlet, dirichlet_multinomial, gamma, norm
from sklearn.metrics import mean_pinball_loss

import equatorium as eq
from equatorium.errors import InputError, PluginLoadError, StateError
from equatorium_nets import flow
from equatorium_nets.mlp import MLP
from equatorium_nets.sampled import SAMPLED, best_stretch, pinball, quantiles

RNG = np.random.default_rng(8)
NONE = np.zeros((2, 0))


def test_quantiles_are_in_order_and_start_as_those_of_a_normal_distribution():
    wild = quantiles(torch.tensor(20.0 * RNG.normal(size=(9, 14))), 2, 7)
    assert (wild.diff(dim=-2) >= 0).all()
    start = quantiles(torch.zeros(1, 9, dtype=torch.float64), 1, 9)[0, :, 0]
    np.testing.assert_allclose(start, norm.ppf((np.arange(9) + 0.5) / 9), atol=1e-12)


def test_the_pinball_loss_is_that_of_scikit_learn():
    out, y = RNG.normal(size=(6, 10)), RNG.normal(size=(6, 2))
    Q = quantiles(torch.tensor(out), 2, 5).numpy()
    levels = (np.arange(5) + 0.5) / 5
    each = [
        [mean_pinball_loss(y[:, j], Q[:, i, j], alpha=a) for i, a in enumerate(levels)]
        for j in range(2)
    ]
    got = pinball(torch.tensor(out), torch.tensor(y), None, 5).mean().item()
    assert got == pytest.approx(2.0 * np.mean(each, axis=1).sum(), rel=1e-12)


def test_values_of_quantiles_go_together_as_told():
    F = np.array([[np.sqrt(0.8)], [-np.sqrt(0.8)]])
    out = torch.zeros(5, 1, 2 * 39, dtype=torch.float64)
    told, untold = (SAMPLED["quantile"].values(out, 2, 39, f)[:, 0] for f in (F, NONE))
    assert np.corrcoef(told.T)[0, 1] == pytest.approx(-0.8, abs=0.06)
    assert abs(np.corrcoef(untold.T)[0, 1]) < 0.06
    np.testing.assert_array_equal(np.sort(told[:39, 0]), np.sort(untold[:39, 1]))


@pytest.mark.parametrize("p", [1, 2])
def test_a_flow_is_a_density_and_its_draws_follow_it(p):
    parts = 2
    out = torch.tensor(0.3 * RNG.normal(size=(1, flow.numbers(p, parts))))
    axis = np.linspace(-12.0, 12.0, 100_001 if p == 1 else 301)
    grid = np.stack(np.meshgrid(*[axis] * p, indexing="ij"), axis=-1).reshape(-1, p)
    log = -flow.loss(out.expand(len(grid), -1), torch.tensor(grid), None, parts)
    chance = log.exp().numpy() * (axis[1] - axis[0]) ** p
    assert chance.sum() == pytest.approx(1.0, abs=2e-3)
    draws = SAMPLED["flow"].values(out[None], p, parts, NONE)[:, 0]
    mean = chance @ grid
    width = np.sqrt(chance @ (grid - mean) ** 2)
    assert (np.abs(draws.mean(axis=0) - mean) < 0.1 * width).all()
    np.testing.assert_allclose(draws.std(axis=0), width, rtol=0.2)
    if p == 1:  # the draws are the quantiles themselves
        below = np.interp(draws[:, 0], grid[:, 0], chance.cumsum())
        np.testing.assert_allclose(below, (np.arange(64) + 0.5) / 64, atol=1e-3)


def test_the_way_back_of_a_flow_is_its_inverse():
    out = torch.tensor(RNG.normal(size=(50, flow.numbers(3, 2))))
    z = torch.tensor(RNG.normal(size=(50, 3)))
    y = flow.backward(out, z, 2)
    for shift, A, spline in flow._layers(out, 3, 2):
        y = spline((A @ (y - shift)[..., None])[..., 0])
    np.testing.assert_allclose(y, z, atol=1e-9)


def test_the_loss_of_votes_is_the_dirichlet_multinomial():
    votes = np.array([[3, 0, 1], [7, 2, 11], [0, 0, 5]])
    n = votes.sum(axis=1)
    out = RNG.normal(size=(2, 3, 3))
    noise = torch.tensor(np.tile(0.25 / n[:, None], 3))
    got = SAMPLED["votes"].loss(torch.tensor(out), torch.tensor(votes / n[:, None]), noise, 1)
    truth = [
        [dirichlet_multinomial.logpmf(k, np.exp(a), k.sum()) for a in out[:, i]]
        for i, k in enumerate(votes)
    ]
    # What no weight changes is left out: differences are the same.
    np.testing.assert_allclose(got[1] - got[0], np.diff(-np.array(truth), axis=1)[:, 0], atol=1e-9)


def test_draws_of_votes_have_the_moments_of_dirichlet():
    alpha = np.array([0.7, 2.0, 6.0])
    draws = SAMPLED["votes"].values(torch.tensor(np.log(alpha)).expand(4, 1, 3), 3, 1, NONE)[:, 0]
    np.testing.assert_allclose(draws.sum(axis=1), 1.0, atol=1e-12)
    np.testing.assert_allclose(draws.mean(axis=0), dirichlet.mean(alpha), atol=0.01)
    np.testing.assert_allclose(draws.var(axis=0), dirichlet.var(alpha), rtol=0.15)


def test_values_half_as_wide_as_the_truth_are_stretched():
    y = RNG.normal(size=(3000, 2))
    values = 0.5 * norm.ppf((np.arange(40) + 0.5) / 40)[:, None, None] * np.ones((1, 3000, 2))
    np.testing.assert_allclose(best_stretch(values, y), 4.0, rtol=0.2)
    np.testing.assert_allclose(best_stretch(2.0 * values, y), 1.0, rtol=0.2)


def skewed(n, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.uniform(0.0, 1.0, (n, 1))
    return X, X[:, 0] + (0.1 + 0.3 * X[:, 0]) * (rng.gamma(2.0, size=n) - 2.0)


@pytest.mark.parametrize("head", ["quantile", "flow"])
def test_skewed_scatter_is_learned_and_comes_back_from_a_file(head, tmp_path):
    X, y = skewed(600)
    options = {"layers": "dense(16) tanh", "n_members": 2, "epochs": 30, "learning_rate": 0.01}
    model = MLP(head=head, **options, random_state=0).fit(X, y)
    at = np.array([[0.2], [0.8]])
    got = model.predict_dist(at).quantile([0.1, 0.5, 0.9])[..., 0]
    truth = at[:, 0] + (0.1 + 0.3 * at[:, 0]) * (gamma(2).ppf([[0.1], [0.5], [0.9]]) - 2.0)
    np.testing.assert_allclose(got, truth, atol=0.15)
    np.testing.assert_allclose(
        model.predict_members(at).mean(axis=0), model.predict_dist(at).mean, atol=1e-12
    )
    model.save(tmp_path / "net.h5")
    again = eq.load(tmp_path / "net.h5")
    assert again.predict_dist(X).values.tobytes() == model.predict_dist(X).values.tobytes()
    with pytest.raises(StateError):
        again.set_state({**model.get_state(), "widening_": np.zeros(1)})
    assert not {"noise", "gradient"} & model.capabilities_
    with pytest.raises(InputError, match="makes no use of the noise"):
        MLP(head=head).fit(X, y, noise=np.ones(600))
    with pytest.raises(InputError, match="knows no slope"):
        model.predict_dist_vjp(at, np.ones((2, 1)), np.ones((2, 1, 1)))


@pytest.mark.slow
@pytest.mark.parametrize("head", ["quantile", "flow"])
def test_skewed_scatter_has_the_smaller_crps_and_a_gaussian_does_not(head):
    X, y = skewed(3000)
    options = {"layers": "dense(32) tanh", "n_members": 2, "epochs": 60, "random_state": 0}
    scores = []
    for kind in (head, "gaussian"):
        got = MLP(head=kind, **options).fit(X[:2000], y[:2000]).predict_dist(X[2000:])
        Q = got.quantile((np.arange(99) + 0.5) / 99)[..., 0]
        above, level = y[2000:] - Q, ((np.arange(99) + 0.5) / 99)[:, None]
        scores.append(2.0 * np.maximum(level * above, (level - 1.0) * above).mean(axis=0))
    gain = scores[1] - scores[0]
    assert gain.mean() > 2.0 * gain.std() / np.sqrt(len(gain))


def test_shares_of_votes_are_learned_without_the_scatter_of_few_votes():
    rng = np.random.default_rng(0)
    X = rng.uniform(-1.0, 1.0, (500, 1))
    share = 1.0 / (1.0 + np.exp(-2.0 * X[:, 0]))
    N = rng.integers(5, 40, 500)
    yes = rng.binomial(N, share) / N
    options = {"layers": "dense(16) tanh", "n_members": 2, "epochs": 30, "learning_rate": 0.01}
    model = MLP(head="votes", **options, random_state=0)
    Y = np.column_stack([yes, 1.0 - yes])
    told = model.fit(X, Y, noise=0.25 / N).predict_dist(X)
    np.testing.assert_allclose(told.mean.sum(axis=1), 1.0, atol=1e-12)
    assert np.sqrt(np.mean((told.mean[:, 0] - share) ** 2)) < 0.05
    untold = model.fit(X, Y).predict_dist(X)
    scatter = np.sqrt(np.mean((yes - share) ** 2))  # of the votes themselves
    assert np.median(told.std) < 0.6 * scatter < np.median(untold.std)
    for wrong in (yes, 2.0 * Y, Y - 0.5):
        with pytest.raises(InputError, match="shares of one"):
            model.fit(X, wrong)


def test_a_flow_without_zuko_names_what_to_install(monkeypatch):
    found = builtins.__import__

    def without(name, *rest, **more):
        if name.startswith("zuko"):
            raise ImportError(name)
        return found(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(PluginLoadError, match=r"equatorium-nets\[flow\]"):
        MLP(head="flow").fit([[0.0], [1.0]], [0.0, 1.0])
