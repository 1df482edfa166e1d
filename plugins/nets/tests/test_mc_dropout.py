"""Dropout that stays on: a sample of thinned networks, each the same for all rows."""

import numpy as np
import pytest
import torch

import equatorium as eq
from equatorium.errors import InputError
from equatorium_nets.mc_dropout import Passes
from equatorium_nets.mdn import MDN
from equatorium_nets.members import Members
from equatorium_nets.mlp import MLP, MLPClassifier

LAYERS = "dense(8) tanh dropout(0.5)"
HOW = {"layers": LAYERS, "n_members": 2, "epochs": 30, "random_state": 0}


def data():
    X = np.random.default_rng(0).uniform(-1.0, 1.0, (120, 2))
    return X, X[:, 0] ** 2 + X[:, 1]


def test_a_pass_is_the_network_without_the_units_it_drops():
    members = Members.drawn(LAYERS, (2,), 1, [0, 1]).double()
    passes = Passes.of(members, LAYERS, 1, 3).double().eval()
    x = torch.randn(5, 2, dtype=torch.float64)
    masks = passes._plan[0][2].masks
    assert set(masks.unique().tolist()) == {0.0, 2.0}
    got = passes.shared(x)
    weights = members.named()
    for k in range(2):
        hidden = torch.tanh(x @ weights["0.weight"][k].T + weights["0.bias"][k])
        for j in range(3):
            truth = (hidden * masks[j]) @ weights["3.weight"][k].T + weights["3.bias"][k]
            assert torch.allclose(got[3 * k + j], truth)


def test_convolutions_can_be_thinned_too():
    layers = "conv(4, 3) relu dropout(0.3) flatten dropout(0.2) dense(5)"
    members = Members.drawn(layers, (1, 6, 6), 2, [0, 1, 2])
    passes = Passes.of(members, layers, 2, 4).eval()
    x = torch.randn(7, 36)
    out = passes.shared(x)
    assert out.shape == (12, 7, 2)
    assert torch.allclose(passes.shared(x[2:3]), out[:, 2:3], atol=1e-6)


def test_the_answer_is_wider_than_without_and_the_same_in_every_call(tmp_path):
    X, y = data()
    plain, thinned = MLP(**HOW).fit(X, y), MLP(**HOW, mc_dropout=20).fit(X, y)
    assert all((plain.weights_[k] == thinned.weights_[k]).all() for k in plain.weights_)
    assert thinned.module_.shared(torch.from_numpy(X)).shape[0] == 40
    first = thinned.predict_dist(X)
    np.testing.assert_array_equal(first.std, thinned.predict_dist(X).std)
    np.testing.assert_allclose(first.std[3:4], thinned.predict_dist(X[3:4]).std, rtol=1e-10)
    # The passes of each member disagree, in units of the outputs' spread; one network cannot.
    passes = thinned.module_.predict(X)[..., 1].reshape(2, 20, len(X))  # means
    assert (np.median(passes.std(axis=1), axis=1) > 0.1).all()
    assert thinned.predict_members(X).shape == (2, len(X), 1)
    each = np.mean([one.predict(X) for one in thinned.members_], axis=0)
    np.testing.assert_allclose(each, thinned.predict(X), atol=1e-12)
    thinned.save(tmp_path / "net.h5")
    assert eq.load(tmp_path / "net.h5").predict_dist(X).std.tobytes() == first.std.tobytes()


def test_the_slope_is_that_of_finite_differences():
    X, y = data()
    model = MLP(**HOW, mc_dropout=5).fit(X, y)
    x, step = X[:3], 1e-5
    slope = model.predict_dist_vjp(x, np.ones((3, 1)), np.ones((3, 1, 1)))
    for j in range(2):
        ends = []
        for sign in (1, -1):
            moved = x.copy()
            moved[:, j] += sign * step
            found = model.predict_dist(moved)
            ends.append(found.mean[:, 0] + found.variance[:, 0])
        np.testing.assert_allclose(slope[:, j], (ends[0] - ends[1]) / (2 * step), atol=1e-6)


def test_mixtures_and_classes_have_passes():
    X, y = data()
    assert MDN(**HOW, mc_dropout=4).fit(X, y).predict_dist(X).mean.shape == (120, 1)
    model = MLPClassifier(**HOW, mc_dropout=4).fit(X, y > 0)
    each = model.predict_members(X)
    assert each.shape == (2, 120, 2)
    np.testing.assert_allclose(each.mean(axis=0), model.predict_proba(X), atol=1e-12)


def test_no_layers_that_drop_units_are_named():
    X, y = data()
    with pytest.raises(InputError, match="write dropout"):
        MLP(layers="dense(3) tanh", epochs=1, mc_dropout=3).fit(X, y)
    with pytest.raises(InputError, match="mc_dropout"):
        MLP(layers=LAYERS, epochs=1, mc_dropout=-1).fit(X, y)
