"""Batch norms are PyTorch's, of every member, and their averages go where the weights go."""

import numpy as np
import pytest
import torch
from torch import nn

import equatorium as eq
from equatorium.errors import InputError, StateError
from equatorium_nets import checkpoint, training
from equatorium_nets.batch_norms import BatchNorm
from equatorium_nets.layers import network
from equatorium_nets.members import Members
from equatorium_nets.mlp import MLP
from equatorium_nets.resnet import ResNet, residual_layers
from equatorium_nets.vae import VAE

RNG = np.random.default_rng(0)
DENSE = "dense(6) batch-norm tanh"
MAPS = "conv(4, 3) batch-norm relu pool(2) flatten batch-norm dense(3) batch-norm"
DEEP = residual_layers(4, (1, 1), batch=True)
HOW = {"layers": DENSE, "n_members": 2, "epochs": 6, "batch_size": 16, "random_state": 0}


def of_pytorch(module):
    """Put PyTorch's own batch norms in place of ours."""
    for name, part in list(module.named_modules()):
        if isinstance(part, BatchNorm):
            norm = nn.SyncBatchNorm(len(part.weight))  # of any number of dimensions
            norm.forward = lambda x, n=norm: nn.BatchNorm2d.forward(n, x)
            norm._check_input_dim = lambda x: None
            module.set_submodule(name, norm)
    return module


@pytest.mark.parametrize(
    ("layers", "shape"),
    [
        (DENSE, (3,)),  # stacked
        (MAPS, (1, 8, 8)),  # in groups
        (MAPS.replace("flatten ", "flatten tanh "), (2, 30)),
        (MAPS, (1, 40, 40)),  # in turn
        (DEEP, (1, 16, 16)),
        ("gru(4) batch-norm", (5, 2)),  # mapped
    ],
)
def test_members_at_once_learn_and_keep_what_pytorchs_do(layers, shape):
    members = Members.drawn(layers, shape, 2, [4, 5, 6]).double()
    before = {name: w.detach().clone() for name, w in members.named().items()}
    batches = torch.from_numpy(RNG.normal(2.0, 3.0, size=(3, 3, 7, np.prod(shape))))
    members.train()
    for x in batches:
        out = members(x)
    out.square().sum().backward()
    members.eval()
    judged = members(batches[0])
    for k in range(3):
        alone = of_pytorch(network(layers, shape, 2)).to_empty(device="cpu").double()
        alone.load_state_dict({n: w[k] for n, w in before.items()}, strict=False)
        for x in batches:
            found = alone(x[k].reshape(7, *shape))
        np.testing.assert_allclose(out[k].detach(), found.detach(), rtol=1e-9, atol=1e-11)
        found.square().sum().backward()
        own = dict(alone.named_parameters()) | dict(alone.named_buffers())
        for name, w in members.named().items():
            np.testing.assert_allclose(w[k].detach(), own[name].detach(), rtol=1e-10, atol=1e-12)
            if w.requires_grad:
                grad = own[name].grad
                np.testing.assert_allclose(w.grad[k], grad, rtol=1e-8, atol=1e-9)
        alone.eval()
        right = alone(batches[0, k].reshape(7, *shape))
        np.testing.assert_allclose(judged[k].detach(), right.detach(), rtol=1e-9, atol=1e-11)


def rows(n=70):
    X = RNG.normal(size=(n, 3))
    return X, np.sin(X[:, 0]) + X[:, 1]


def test_a_row_is_judged_by_itself_and_a_file_holds_the_averages(tmp_path):
    X, y = rows()
    model = MLP(**HOW).fit(X, y)
    assert (abs(model.weights_["1.running_mean"]) > 0.01).any()
    alone = model.predict_dist(X[:1])
    np.testing.assert_allclose(alone.mean, model.predict_dist(X).mean[:1], atol=1e-12)
    model.save(tmp_path / "net.h5")
    assert eq.load(tmp_path / "net.h5").predict(X).tobytes() == model.predict(X).tobytes()
    state = model.get_state()
    state["weights_"]["1.running_var"][0, 0] = -1.0
    with pytest.raises(StateError, match="running_var"):
        MLP(**HOW).set_state(state)


def test_a_member_is_what_it_is_alone():
    X, y = rows()
    how = {**HOW, "layers": "dense(6) tanh batch-norm"}  # of a bias before it only rounding is seen
    together = MLP(**how).fit(X, y).weights_
    alone = MLP(**{**how, "n_members": 1}).fit(X, y).weights_
    for name, w in alone.items():
        np.testing.assert_allclose(together[name][:1], w, rtol=1e-4, atol=1e-5)


def test_an_interrupted_training_ends_as_another(tmp_path, monkeypatch):
    monkeypatch.setattr(checkpoint, "_SHARE", 1e9)
    X, y = rows()
    whole = MLP(**HOW, adversarial=0.1).fit(X, y).weights_
    model = MLP(**HOW, adversarial=0.1, checkpoint=str(tmp_path / "training.h5"))
    step, count = training._Run._step, iter(range(10))

    def broken(self, *args):
        if next(count, None) is None:
            raise RuntimeError("power cut")
        return step(self, *args)

    monkeypatch.setattr(training._Run, "_step", broken)
    with pytest.raises(RuntimeError, match="power cut"):
        model.fit(X, y)
    count = iter(range(16))  # the steps of the four epochs that are left: from the start it breaks
    found = model.fit(X, y).weights_
    assert all(found[name].tobytes() == w.tobytes() for name, w in whole.items())


def test_a_last_batch_of_one_is_judged_by_the_averages():
    X, y = rows(33)
    model = MLP(**{**HOW, "validation": 0.0}).fit(X, y)
    assert np.isfinite(model.predict(X)).all()
    norm = BatchNorm(3).train()
    x = torch.tensor([[3.0, -1.0, 0.5]])
    torch.testing.assert_close(norm(x), x / np.sqrt(1 + 1e-5))
    assert norm.running_mean.eq(0).all()


def test_a_residual_network_as_published_learns():
    plan = network(residual_layers(64, (3, 4, 6, 3), batch=True), (3, 224, 224), 1000)
    assert sum(p.numel() for p in plan.parameters()) == 21_797_672  # torchvision's resnet34
    assert sum(isinstance(part, BatchNorm) for part in plan.modules()) == 36  # and of its norms
    y = RNG.integers(2, size=120).astype(float)
    X = RNG.normal(size=(120, 16, 16)) + 1.5 * y[:, None, None] * np.sin(np.arange(16))
    how = {"layers": residual_layers(4, (1, 1), batch=True), "shape": (1, 16, 16), "epochs": 12}
    model = ResNet(**how, learning_rate=0.01, random_state=0).fit(X[:80].reshape(80, -1), y[:80])
    assert np.corrcoef(model.predict(X[80:].reshape(40, -1)), y[80:])[0, 1] > 0.8


def test_what_cannot_have_batch_norms_says_so():
    X, y = rows()
    with pytest.raises(InputError, match="batch norms"):
        MLP(**HOW, optimiser="lbfgs", head="mse").fit(X, y)
    with pytest.raises(InputError, match="batch norms"):
        VAE(1, encoder=DENSE, epochs=1).fit(X)
