"""Edges: little data, constant columns, rare classes, wrong states, PyTorch's own generator."""

import re

import numpy as np
import pytest
import torch
from sklearn.exceptions import NotFittedError
from torch import nn

import equatorium as eq
import equatorium_nets.cnn as convolutional
from equatorium.errors import InputError, NotSavableError, ShapeError
from equatorium_nets.fitting import (
    example_shape,
    held_out,
    output_units,
    seeds_of,
    state_without_module,
)
from equatorium_nets.heads import best_temperature, best_widening
from equatorium_nets.layers import network
from equatorium_nets.members import Members
from equatorium_nets.mlp import MLP, MLPClassifier
from equatorium_nets.norms import group_norm
from equatorium_nets.resnet import ResNet
from equatorium_nets.rnn import RNN
from equatorium_nets.vae import VAE

TINY = {"layers": "dense(4) tanh", "n_members": 1, "epochs": 3, "random_state": 0}


def test_neither_fitting_nor_loading_moves_the_generator_of_pytorch(tmp_path):
    before = torch.random.get_rng_state()
    MLP(**TINY).fit([[0.0], [1.0], [2.0]], [0.0, 1.0, 2.0]).save(tmp_path / "net.h5")
    eq.load(tmp_path / "net.h5")
    assert before.equal(torch.random.get_rng_state())


@pytest.mark.parametrize("change", ["read-only", "reversed"])
def test_rows_may_lie_in_memory_as_they_like(change):
    X = np.random.default_rng(0).normal(size=(20, 2))
    model = MLP(**TINY).fit(X, X[:, 0])
    query = X[::-1] if change == "reversed" else X.copy()
    query.flags.writeable = False
    bars = np.ones((20, 1)), np.zeros((20, 1, 1))
    np.testing.assert_array_equal(model.predict(query), model.predict(query.copy()))
    np.testing.assert_array_equal(model.predict_members(query)[0, :, 0], model.predict(query))
    np.testing.assert_array_equal(
        model.predict_dist_vjp(query, *bars), model.predict_dist_vjp(query.copy(), *bars)
    )


def test_what_a_slope_is_multiplied_by_is_never_broadcast():
    X = np.random.default_rng(0).normal(size=(20, 2))
    model, classifier = MLP(**TINY).fit(X, X[:, 0]), MLPClassifier(**TINY).fit(X, X[:, 0] > 0)
    with pytest.raises(ShapeError, match=r"mean_bar must have shape \(20, 1\), not \(20,\)"):
        model.predict_dist_vjp(X, np.ones(20), np.zeros((20, 1, 1)))
    with pytest.raises(ShapeError, match="cov_bar must have shape"):
        model.predict_dist_vjp(X, np.ones((20, 1)), np.zeros((1, 1, 1)))
    with pytest.raises(ShapeError, match="proba_bar must have shape"):
        classifier.predict_proba_vjp(X, np.ones(2))


@pytest.mark.parametrize("kind", [MLP, MLPClassifier])
def test_a_fit_that_fails_leaves_nothing_that_looks_learned(kind):
    X = np.array([[0.0], [1.0], [2.0]])
    model = kind(**TINY).fit(X, [0, 1, 1])
    with pytest.raises(InputError, match="inconsistent"):
        model.fit(X, [0, 1])
    assert len(model.predict(X)) == 3  # of the fit before
    with pytest.raises(InputError, match="no layer"):
        model.set_params(layers="dance(3)").fit(X, [0, 1, 1])
    with pytest.raises(NotFittedError):
        model.predict(X)


def test_a_column_whose_squares_overflow_is_named():
    X = np.array([[0.0, 0.0], [1.0, 1e200], [2.0, 0.0]])
    with pytest.raises(InputError, match="column 1 of X is so large"):
        MLP(**{**TINY, "validation": 0.0}).fit(X, X[:, 0])


def test_a_cpu_may_have_a_number_and_an_option_is_text():
    X = np.array([[0.0], [1.0], [2.0]])
    model = MLP(**TINY, device="cpu:0").fit(X, X[:, 0]).to_device("cpu:0")
    np.testing.assert_array_equal(model.predict(X), MLP(**TINY).fit(X, X[:, 0]).predict(X))
    with pytest.raises(InputError, match="is no device"):
        MLP(**TINY, device=torch.device("cpu")).fit(X, X[:, 0])


def test_a_single_quantile_is_no_distribution():
    with pytest.raises(InputError, match="parts must be a whole number from 2"):
        MLP(head="quantile", parts=1, **TINY).fit([[0.0], [1.0]], [0.0, 1.0])


@pytest.mark.parametrize("head", ["mse", "gaussian", "mixture", "quantile", "flow"])
@pytest.mark.parametrize("n", [1, 2, 9])
def test_a_constant_output_of_few_runs_is_predicted(head, n):
    X = np.linspace(0.0, 1.0, n)[:, None]
    got = MLP(head=head, **TINY).fit(X, np.full(n, 0.1)).predict_dist(np.array([[0.3]]))
    assert np.isfinite(got.mean).all() and np.isfinite(got.variance).all()
    assert abs(got.mean[0, 0] - 0.1) < 1.5  # no unit is left but 1


def test_a_constant_input_may_change_later():
    rng = np.random.default_rng(0)
    X = np.column_stack([rng.random(30), np.full(30, 0.1)])  # its mean is not quite 0.1
    model = MLP(**{**TINY, "layers": "dense(4) linear"}).fit(X, X[:, 0])
    assert model.x_scale_[1] == 1.0
    near, far = model.predict([[0.5, 0.1], [0.5, 0.2]])
    assert abs(far - near) < 1.0


def test_a_wild_run_of_large_noise_sets_no_units():
    rng = np.random.default_rng(1)
    Y = rng.normal(3.0, 2.0, (200, 1))
    noise = np.full((200, 1), 1e-4)
    Y[0], noise[0] = 1e9, 1e20
    center, spread = output_units(Y, noise)
    assert abs(center[0] - 3.0) < 0.5
    assert 1.6 < spread[0] < 2.4
    assert output_units(Y)[1][0] > 1e6


def test_noise_beyond_all_measure_is_ignored():
    X = np.linspace(-1.0, 1.0, 40)[:, None]
    noise = np.full(40, 1e-4)
    noise[3] = 1e60
    got = MLP(**TINY).fit(X, X[:, 0], noise=noise).predict_dist(X)
    assert np.isfinite(got.mean).all()


def test_squares_without_held_out_runs_have_the_width_of_residuals():
    rng = np.random.default_rng(0)
    X = rng.uniform(-1.0, 1.0, (300, 1))
    y = 5.0 * X[:, 0] + 0.2 * rng.normal(size=300)
    how = {"layers": "", "validation": 0.0, "n_members": 1, "epochs": 40, "learning_rate": 0.05}
    std = MLP(head="mse", **how, random_state=0).fit(X, y).predict_dist(X[:1]).std
    assert 0.18 < std[0, 0] < 0.25


def test_no_class_is_held_out_as_a_whole():
    codes = np.array([0] * 30 + [1, 2])
    for seed in range(20):
        fit, held = held_out(32, 0.3, np.random.default_rng(seed), codes)
        assert set(codes[fit]) == {0, 1, 2}
        assert sorted([*fit, *held]) == list(range(32))


def test_one_class_is_certain():
    model = MLPClassifier(**TINY).fit(np.zeros((5, 2)), ["star"] * 5)
    assert model.predict_proba([[1.0, 2.0]]).tolist() == [[1.0]]


def test_weights_of_classes_that_are_numbers_come_back_from_a_file(tmp_path):
    X, y = np.linspace(-1, 1, 30)[:, None], np.arange(30) % 3
    of_class = {0: 1.0, 1: 5.0, 2: 0.5}
    model = MLPClassifier(**TINY, class_weight=list(of_class.items())).fit(X, y)
    model.save(tmp_path / "net.h5")
    found = eq.load(tmp_path / "net.h5").predict_proba(X)
    np.testing.assert_array_equal(found, model.predict_proba(X))
    same = MLPClassifier(**TINY, class_weight=of_class).fit(X, y).predict_proba(X)
    np.testing.assert_array_equal(found, same)
    for wrong in ([1.0, 5.0, 0.5], [(0, 1.0), (0, 5.0)]):
        with pytest.raises(InputError, match="in pairs"):
            MLPClassifier(**TINY, class_weight=wrong).fit(X, y)


def test_a_class_weight_of_no_class_is_refused():
    X, y = np.arange(6.0)[:, None], ["a", "b"] * 3
    with pytest.raises(InputError, match="'c'"):
        MLPClassifier(**TINY, class_weight={"a": 1.0, "c": 2.0}).fit(X, y)
    MLPClassifier(**TINY, class_weight={"a": 1.0, "b": 1.0, "c": 2.0}).fit(X, y)  # a fold without c
    with pytest.raises(InputError, match="number from 0"):
        MLPClassifier(**TINY, class_weight={"a": -1.0}).fit(X, y)


def test_images_of_odd_size_and_a_last_batch_of_one():
    X = np.random.default_rng(0).normal(size=(34, 2 * 7 * 5))
    layers = "conv(4, 3, 1, 1) norm relu pool(2)"
    options = {**TINY, "layers": layers, "shape": (2, 7, 5), "validation": 0.0, "batch_size": 33}
    model = convolutional.CNN(**options).fit(X, X[:, 0])
    one = model.predict_dist(X[:1])
    np.testing.assert_allclose(one.mean, model.predict_dist(X).mean[:1], atol=1e-12)


def test_many_rows_go_through_in_blocks():
    members = Members.drawn("dense(3) tanh", (2**18,), 1, [0, 1]).to(torch.float64)
    assert members.rows == 2
    X = np.random.default_rng(0).normal(size=(3, 2**18))
    whole = members.shared(members.tensor(X)).detach().numpy()
    np.testing.assert_allclose(members.predict(X), whole, atol=1e-12)


@pytest.mark.parametrize(
    ("layers", "shape"),
    [
        (
            "conv(4, 3, 1, 1) norm relu pool(2) conv(8, 3) leaky flatten dense(5) norm tanh",
            (2, 8, 8),
        ),
        ("conv(4, 5, 2) norm silu pool(3, 2, 1) conv(6, 3) average", (1, 40)),
        ("conv(4, 3) average(2) flatten flatten dense(3)", (1, 6, 6)),
        ("conv(4, 3, 2) relu flatten", (1, 40, 40)),  # too large for groups
        # Poolings before what falls, and before what does not.
        ("conv(4, 3) leaky(-1) pool(2) conv(4, 2) norm relu tanh pool(2) leaky", (2, 9, 9)),
        ("conv(16, 3, 1, 1) norm logistic pool(2, 1, 1)", (1, 6, 6)),
    ],
)
def test_convolutions_of_all_members_at_once_are_those_of_each(layers, shape):
    rng = np.random.default_rng(0)
    x = torch.from_numpy(rng.normal(size=(3, 5, np.prod(shape))))
    members = Members.drawn(layers, shape, 2, [4, 5, 6]).double()
    out = members(x)
    out.square().sum().backward()
    for k, weights in enumerate(zip(*members.weights, strict=True)):
        plain = network(layers, shape, 2).to_empty(device="cpu").double()
        plain.load_state_dict(dict(zip(members.names, weights, strict=True)))
        alone = plain(x[k].reshape(5, *shape))
        np.testing.assert_allclose(out[k].detach(), alone.detach(), rtol=1e-10, atol=1e-12)
        alone.square().sum().backward()
        for together, own in zip(members.weights, plain.parameters(), strict=True):
            np.testing.assert_allclose(together.grad[k], own.grad, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("groups", [1, 4, 12])
def test_a_norm_of_few_channels_is_that_of_pytorch(groups):
    rng = np.random.default_rng(0)
    x, slope = torch.from_numpy(rng.normal(3.0, 1.0, size=(2, 5, 12, 4, 3)))
    x = x.to(memory_format=torch.channels_last).requires_grad_()
    of = [x, *(torch.from_numpy(rng.normal(size=12)).requires_grad_() for _ in range(2))]
    both = [f(x, groups, *of[1:], 0.1) for f in (group_norm, nn.functional.group_norm)]
    assert ("ChannelsLast" in type(both[0].grad_fn).__name__) == (groups > 1)
    pairs = [both, *zip(*(torch.autograd.grad(y, of, slope) for y in both), strict=True)]
    for found, right in pairs:
        np.testing.assert_allclose(found.detach(), right.detach(), atol=1e-11)


def test_a_norm_of_few_channels_is_as_exact_as_pytorchs():
    rng = np.random.default_rng(0)
    x = torch.from_numpy(rng.normal(30.0, 1.0, size=(50, 4, 8, 8)))
    x = x.to(memory_format=torch.channels_last)
    one, zero = torch.ones(4), torch.zeros(4)
    truth = nn.functional.group_norm(x, 2, one.double(), zero.double())
    errors = [
        float((f(x.float(), 2, one, zero, 1e-5) - truth).abs().max())
        for f in (group_norm, nn.functional.group_norm)
    ]
    assert errors[0] < 2 * errors[1] + 1e-6


def test_a_huge_network_is_not_built_to_be_measured():
    layers = "dense(1000000) relu dense(1000000)"  # four terabytes
    assert all(p.is_meta for p in network(layers, (2,), 1).parameters())


@pytest.mark.parametrize(
    ("layers", "shape"),
    [("dense(inf)", (3,)), ("dense(1e300)", (3,)), ("leaky(nan)", (3,)), ("norm", (1,))],
)
def test_numbers_that_are_none_are_refused(layers, shape):
    with pytest.raises(InputError):
        network(layers, shape, 1)


def test_a_norm_of_small_maps_leaves_something():
    plan = network("conv(8, 3) norm", (1, 3, 3), 2)
    assert plan[1].num_groups == 1  # eight groups would hold one number each
    assert network("conv(32, 3) norm", (1, 20, 20), 2)[1].num_groups == 8


@pytest.mark.parametrize("shape", [5, "12", (0, 2), (3,), (1, 1, 1, 2), None])
def test_shapes_that_are_none(shape):
    if shape is None:
        assert example_shape(None, 2) == (2,)
        return
    with pytest.raises(InputError):
        example_shape(shape, 2)


def test_a_part_of_no_weight_spoils_no_widening():
    mean = np.array([0.0, 1e9]).reshape(2, 1, 1) * np.ones((2, 50, 1))
    weight = np.array([[1.0], [0.0]]) * np.ones((2, 50))
    y = np.random.default_rng(0).normal(size=(50, 1))
    zero = np.zeros((50, 1))
    got = best_widening(weight, mean, np.ones((2, 50, 1)), y, zero)
    alone = best_widening(weight[:1], mean[:1], np.ones((1, 50, 1)), y, zero)
    np.testing.assert_array_equal(got, alone)


@pytest.mark.parametrize("head", [["mse"], 3, "flows"])
def test_a_head_that_is_none_is_refused(head):
    with pytest.raises(InputError, match="there is no head"):
        MLP(**TINY, head=head).fit([[0.0], [1.0]], [0.0, 1.0])


def test_a_classifier_is_calibrated_on_labels_as_its_loss_weighs_them():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(400, 1))
    y = (X[:, 0] + rng.normal(size=400) > 1.2).astype(int)
    model = MLPClassifier(**TINY, class_weight="balanced").fit(X, y)
    *_, split = seeds_of(0, 1)
    _, held = held_out(400, model.validation, split, y)
    out, weight = model.module_.predict(model._scaled(X[held])), 200 / np.bincount(y)
    assert model.temperature_ == best_temperature(out, y[held], weight)
    assert model.temperature_ != best_temperature(out, y[held])


@pytest.mark.parametrize(
    ("made", "change"),
    [
        (lambda: MLP(**TINY), {"n_members": 7}),
        (lambda: MLP(**TINY), {"layers": "dense(3) tanh"}),
        (lambda: MLP(**TINY), {"head": "mse"}),
        (lambda: ResNet(**{**TINY, "layers": None}, shape=(1, 2), width=2), {"width": 3}),
        (lambda: VAE(1, encoder="dense(3) tanh", epochs=1, random_state=0), {"n_components": 2}),
    ],
)
def test_what_was_changed_after_the_fit_is_not_saved(made, change, tmp_path):
    X = np.random.default_rng(0).normal(size=(20, 2))
    model = made().fit(X, X[:, 0])
    (name,) = change
    before, path = getattr(model, name), tmp_path / "net.h5"
    with pytest.raises(NotSavableError, match=f"{name} was {re.escape(repr(before))}"):
        model.set_params(**change).save(path)
    model.set_params(**{name: before}, epochs=9).save(path)
    assert eq.load(path).epochs == 9
    model.set_params(**change).fit(X, X[:, 0]).save(path)
    assert getattr(eq.load(path), name) == change[name]


def test_a_norm_of_single_pixels_is_left_to_pytorch():
    """Two numbers of a group may be nearly equal, and a sum of squares loses what differs."""
    x = torch.from_numpy(np.random.default_rng(0).normal(100.0, 1.0, size=(200, 8, 1, 1))).float()
    x = x.to(memory_format=torch.channels_last)
    given = 4, torch.ones(8), torch.zeros(8), 1e-5
    assert group_norm(x, *given).equal(nn.functional.group_norm(x, *given))


@pytest.mark.parametrize("written", [[1, 2, 2], np.array([1, 2, 2]), (1, 2, np.int64(2))])
def test_the_same_numbers_written_otherwise_are_no_change(written, tmp_path):
    X = np.random.default_rng(0).normal(size=(9, 4))
    how = {**TINY, "layers": "conv(2, 2)"}
    model = convolutional.CNN(**how, shape=(1, 2, 2)).fit(X, X[:, 0])
    if not isinstance(written, np.ndarray):
        model.set_params(shape=written).save(tmp_path / "net.h5")
        np.testing.assert_array_equal(eq.load(tmp_path / "net.h5").predict(X), model.predict(X))
    assert state_without_module(model.set_params(shape=written), vars(model))
    with pytest.raises(NotSavableError, match=r"shape was \[1, 2, 2\] .* is \[2, 2, 1\]"):
        model.set_params(shape=(2, 2, 1)).save(tmp_path / "net.h5")


def test_images_that_are_not_flat_are_told_how_to_be():
    X = np.zeros((6, 5, 4))
    for kind in (convolutional.CNN, RNN):
        with pytest.raises(ShapeError, match=r"X.reshape\(6, -1\) and, in the constructor, shape="):
            kind(**TINY).fit(X, np.zeros(6))
    with pytest.raises(InputError, match=r"Give shape=\(channels, length\)"):
        convolutional.CNN(**{**TINY, "layers": "conv(2, 3)"}).fit(X.reshape(6, -1), np.zeros(6))


def test_networks_that_are_not_there_yet_have_no_members_and_no_device():
    with pytest.raises(NotFittedError):
        MLP(**TINY).to_device("cpu")
    with pytest.raises(NotFittedError):
        print(MLP(**TINY).members_)
    for ask in (lambda: VAE().to_device("cpu"), lambda: VAE().sample(1), lambda: VAE().scatter):
        with pytest.raises(NotFittedError):
            ask()
