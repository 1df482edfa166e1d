"""Residual networks have as many parameters as published; one of a user's finds its place."""

import numpy as np
import pytest
import torch
from torch import nn

import equatorium as eq
from equatorium.errors import FileFormatError, InputError, StateError
from equatorium_nets.backbones import BACKBONES, register_backbone
from equatorium_nets.layers import network, shapes
from equatorium_nets.mlp import MLP
from equatorium_nets.resnet import ResNet, ResNetClassifier, residual_layers
from equatorium_nets.saliency import saliency


def count(blocks, outputs=1000):
    plan = network(residual_layers(64, blocks), (3, 224, 224), outputs)
    return sum(p.numel() for p in plan.parameters())


def test_the_parameters_are_as_many_as_published():
    # Of torchvision's resnet34 and resnet18: a group norm has as many as a batch norm.
    assert count((3, 4, 6, 3)) == 21_797_672
    assert count((2, 2, 2, 2)) == 11_689_512


def test_the_layers_and_maps_are_those_of_the_paper():
    text = residual_layers(64, (3, 4, 6, 3))
    maps = shapes(text, (3, 224, 224))
    assert [maps[i] for i in (0, 3, 7, 13, 16)] == [
        (64, 56, 56),
        (64, 56, 56),
        (128, 28, 28),
        (256, 14, 14),
        (512, 7, 7),
    ]
    layers = list(network(text, (3, 224, 224), 1000).modules())
    deep = [m for m in layers if isinstance(m, nn.Conv2d) and m.kernel_size != (1, 1)]
    assert len(deep) + sum(isinstance(m, nn.Linear) for m in layers) == 34


def test_a_spectrum_may_be_given():
    assert shapes(residual_layers(4, (1, 1)), (1, 64))[-2:] == [(8, 8), (8, 1)]


def test_where_bars_lie_is_seen():
    rng = np.random.default_rng(0)
    y = rng.integers(2, size=300)
    X = rng.normal(size=(300, 16, 16))
    X[np.arange(300), rng.integers(16, size=300)] += 3.0 * (y == 0)[:, None]
    X[np.arange(300), :, rng.integers(16, size=300)] += 3.0 * (y == 1)[:, None]
    layers = "residual(4) residual(8, 2) average"
    options = {"layers": layers, "shape": (1, 16, 16), "epochs": 12}
    model = ResNetClassifier(**options, learning_rate=0.01, random_state=0)
    model.fit(X[:200].reshape(200, -1), y[:200])
    assert (model.predict(X[200:].reshape(100, -1)) == y[200:]).mean() > 0.9


@pytest.mark.parametrize("options", [{"width": 0}, {"blocks": 3}, {"blocks": ()}, {"blocks": "34"}])
def test_wrong_sizes_are_named(options):
    with pytest.raises(InputError, match="width="):
        ResNet(**options, shape=(1, 8, 8)).fit(np.zeros((3, 64)), np.arange(3.0))


class Pretrained(nn.Module):
    """Stands for a network that somebody has trained: a batch norm with averages, fixed weights."""

    def __init__(self):
        super().__init__()
        self.first, self.norm = nn.Linear(3, 4), nn.BatchNorm1d(4)
        self.fixed = nn.Linear(4, 2)
        with torch.no_grad():
            for parameter in self.parameters():
                parameter.fill_(0.3)
            self.norm.running_mean.fill_(0.7)
        self.fixed.requires_grad_(False)

    def forward(self, x):
        return self.fixed(torch.tanh(self.norm(self.first(x))))


@pytest.fixture
def backbone():
    register_backbone("pretrained", Pretrained)
    yield
    BACKBONES.pop("pretrained", None)


def test_a_pretrained_network_starts_with_its_weights_and_keeps_its_averages(backbone, tmp_path):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(50, 3))
    how = {"layers": "pretrained relu", "epochs": 3, "n_members": 2, "random_state": 0}
    model = MLP(**how).fit(X, X[:, 0])
    start = MLP(**{**how, "learning_rate": 0.0}).fit(X, X[:, 0]).weights_
    learned = model.weights_
    assert (start["0.module.first.weight"] == np.float32(0.3)).all()
    assert not (learned["0.module.first.weight"] == np.float32(0.3)).all()
    assert (learned["0.module.fixed.weight"] == np.float32(0.3)).all()
    assert (learned["0.module.norm.running_mean"] == np.float32(0.7)).all()
    one = model.predict_dist(X[:1]).mean
    np.testing.assert_allclose(one, model.predict_dist(X).mean[:1], atol=1e-12)
    model.save(tmp_path / "net.h5")
    again = eq.load(tmp_path / "net.h5")
    assert again.predict(X).tobytes() == model.predict(X).tobytes()
    BACKBONES.pop("pretrained")
    with pytest.raises((InputError, StateError, FileFormatError), match="pretrained"):
        eq.load(tmp_path / "net.h5")


def test_plain_pytorch_says_the_same(backbone):
    X = np.random.default_rng(0).normal(size=(20, 3))
    model = MLP(layers="pretrained", epochs=1, n_members=1, learning_rate=0.0).fit(X, X[:, 0])
    last = {k.removeprefix("1."): v[0] for k, v in model.weights_.items() if k.startswith("1.")}
    with torch.no_grad():
        inner = Pretrained().eval().double()(torch.tensor(model._scaled(X)))
        out = inner @ torch.tensor(last["weight"]).double().T + torch.tensor(last["bias"])
    mean = model.y_center_ + model.y_scale_ * out[:, 1:2].numpy()
    np.testing.assert_allclose(model.predict_dist(X).mean, mean, atol=1e-7)


@pytest.mark.parametrize(
    ("name", "make"), [("Net", Pretrained), ("dense", Pretrained), ("mine", 3), (3, Pretrained)]
)
def test_wrong_backbones_are_refused(name, make):
    with pytest.raises(InputError):
        register_backbone(name, make)


def test_what_gives_no_module_is_named(backbone):
    register_backbone("pretrained", lambda: 3)
    with pytest.raises(InputError, match=r"torch\.nn\.Module, not int"):
        network("pretrained", (3,), 1)
    register_backbone("pretrained", Pretrained)
    with pytest.raises(InputError, match="takes no numbers"):
        network("pretrained(3)", (3,), 1)
    with pytest.raises(InputError, match="does not fit"):
        network("pretrained", (5,), 1)


def test_a_module_that_a_user_keeps_stays_as_it_is(backbone):
    kept = Pretrained()
    before = {name: w.clone() for name, w in kept.state_dict().items()}
    register_backbone("pretrained", lambda: kept)
    X = np.random.default_rng(0).normal(size=(20, 3))
    how = {"layers": "pretrained relu", "epochs": 2, "n_members": 2, "random_state": 0}
    found = MLP(**how).fit(X, X[:, 0]).predict(X)
    assert kept.training and all(w.equal(kept.state_dict()[n]) for n, w in before.items())
    np.testing.assert_array_equal(found, MLP(**how).fit(X, X[:, 0]).predict(X))


class Hasty(nn.Module):
    """Changes in place what it is given."""

    def __init__(self, in_place):
        super().__init__()
        self.cut, self.last = nn.ReLU(inplace=in_place), nn.Linear(3, 2)
        with torch.no_grad():
            self.last.weight.copy_(torch.arange(6.0).reshape(2, 3) / 6)
            self.last.bias.zero_()

    def forward(self, x):
        return self.last(self.cut(x.mul_(2.0) if self.cut.inplace else 2.0 * x))


@pytest.mark.parametrize("layers", ["pretrained", "dense(3) tanh pretrained relu"])
def test_a_module_that_begins_in_place_learns_what_another_does(backbone, layers):
    X = np.random.default_rng(0).normal(size=(40, 3))
    how = {"layers": layers, "epochs": 2, "n_members": 2, "random_state": 0, "adversarial": 0.1}
    found = []
    for in_place in (True, False):
        register_backbone("pretrained", lambda in_place=in_place: Hasty(in_place))
        model = MLP(**how).fit(X, X[:, 0])
        found.append([model.predict(X), saliency(model, X[:5])])
    for a, b in zip(*found, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-7)
