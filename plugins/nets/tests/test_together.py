"""What networks can, they can together: series in files, heads of thinned networks, backbones."""

import h5py
import numpy as np
import pytest
import torch
from torch import nn

import equatorium as eq
from equatorium.errors import InputError, NotFiniteError
from equatorium_nets import checkpoint, training
from equatorium_nets import examples as home
from equatorium_nets.backbones import register_backbone
from equatorium_nets.mlp import MLP
from equatorium_nets.rnn import RNN
from equatorium_nets.saliency import saliency
from equatorium_nets.vae import VAE

HOW = {"n_members": 2, "epochs": 4, "batch_size": 32, "random_state": 0}


def series(n):
    """Make rows (n, 8 * 2) of times and values with gaps, padding at the end, and their mean."""
    rng = np.random.default_rng(0)
    x = np.stack([rng.exponential(size=(n, 8)).cumsum(axis=1), rng.normal(size=(n, 8))], axis=-1)
    x[rng.random((n, 8)) < 0.2, 1] = np.nan
    x[::3, 6:] = np.nan
    return x.reshape(n, -1), np.nan_to_num(x[..., 1]).mean(axis=1)


class Centred(nn.Module):
    """A user's module with dropout and averages of its own, and parameters that stay."""

    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(2, 6), nn.BatchNorm1d(6), nn.Dropout(0.5))
        with torch.no_grad():
            self.layers[0].weight.copy_(torch.arange(12.0).reshape(6, 2) / 6 - 1)
            self.layers[0].bias.zero_()
        self.layers[0].requires_grad_(False)

    def forward(self, x):
        """Map (examples, 2) to (examples, 6)."""
        return self.layers(x)


@pytest.fixture
def backbone():
    register_backbone("centred", Centred)


@pytest.fixture
def interrupted(monkeypatch):
    """Let a training write after every epoch, and break in the third."""
    monkeypatch.setattr(checkpoint, "_SHARE", 1e9)
    step, count = training._Run._step, iter(range(7))

    def broken(self, *args):
        if next(count, None) is None:
            monkeypatch.setattr(training._Run, "_step", step)
            raise RuntimeError("the power is gone")
        return step(self, *args)

    return lambda: monkeypatch.setattr(training._Run, "_step", broken)


def resumed(model, path, X, y, interrupt):
    """Return the model after it was interrupted and went on."""
    model = model.set_params(checkpoint=str(path))
    interrupt()
    with pytest.raises(RuntimeError, match="power"):
        model.fit(X, y)
    return model.fit(X, y)


def test_series_with_gaps_are_read_from_a_file(tmp_path, monkeypatch):
    monkeypatch.setattr(home, "_PIECE", 16 * 25)
    X, y = series(90)
    how = {**HOW, "shape": (8, 2), "layers": "gru(6)"}
    plain = RNN(**how).fit(X, y)
    with h5py.File(tmp_path / "series.h5", "w") as file:
        stored = RNN(**how).fit(file.create_dataset("X", data=X), y)
        np.testing.assert_allclose(stored.x_scale_, plain.x_scale_, rtol=1e-12)
        np.testing.assert_allclose(stored.x_center_, plain.x_center_, rtol=1e-12)
        assert np.isfinite(stored.predict(X)).all()
        with pytest.raises(NotFiniteError, match="NaN or infinity"):
            MLP(**HOW, layers="dense(3)").fit(file["X"], y)
        file["X"][4, 1] = np.inf
        with pytest.raises(NotFiniteError, match="row 4"):
            RNN(**how).fit(file["X"], y)


def test_series_are_trained_against_attacks_with_errors_and_resumed(tmp_path, interrupted):
    X, y = series(90)
    how = {**HOW, "shape": (8, 2), "layers": "gru(6) dropout(0.2)"}
    model = RNN(**how, adversarial=0.2, augment={"errors": 1.0}, head="quantile", parts=5)
    ivar = np.tile([0.0, 25.0], 8)  # times are exact
    whole = model.fit(X, y, ivar=ivar)
    kept = {name: w.copy() for name, w in whole.weights_.items()}
    model = model.set_params(checkpoint=str(tmp_path / "training.h5"))
    interrupted()
    with pytest.raises(RuntimeError, match="power"):
        model.fit(X, y, ivar=ivar)
    model.fit(X, y, ivar=ivar)
    assert all(kept[name].tobytes() == w.tobytes() for name, w in model.weights_.items())


def test_slopes_of_series_are_finite_differences_and_nothing_where_nothing_was_seen():
    X, y = series(60)
    model = RNN(**HOW, shape=(8, 2), layers="gru(6)").fit(X, y)
    slope = saliency(model, X[:4])
    assert (slope[np.isnan(X[:4])] == 0).all()
    j = 3  # the second value
    step = np.zeros(16)
    step[j] = 1e-5
    both = model.predict(X[1:2] + step) - model.predict(X[1:2] - step)
    np.testing.assert_allclose(slope[1, j], both[0] / 2e-5, rtol=1e-5)


@pytest.mark.parametrize("head", ["mse", "mixture", "quantile", "flow", "votes"])
def test_every_head_answers_by_thinned_networks(tmp_path, head):
    if head == "flow":
        pytest.importorskip("zuko")
    rng = np.random.default_rng(1)
    X = rng.normal(size=(80, 2))
    share = 1 / (1 + np.exp(-X[:, :1]))
    Y = np.hstack([share, 1 - share]) if head == "votes" else X @ [[1.0, 0.5], [0.0, 1.0]]
    how = {**HOW, "layers": "dense(8) tanh dropout(0.3)", "head": head, "mc_dropout": 3}
    model = MLP(**how).fit(X, Y)
    each = model.predict_members(X)
    assert each.shape == (2, 80, 2)
    np.testing.assert_allclose(each.mean(axis=0), model.predict(X), atol=1e-9)
    assert np.abs(each - MLP(**{**how, "mc_dropout": 0}).fit(X, Y).predict_members(X)).max() > 1e-4
    eq.save(tmp_path / "model.h5", model)
    np.testing.assert_array_equal(eq.load(tmp_path / "model.h5").predict(X), model.predict(X))


def test_a_backbone_is_resumed_and_thinned_only_where_layers_say_so(
    backbone, tmp_path, interrupted
):
    X = np.random.default_rng(2).normal(size=(90, 2))
    y = X[:, 0] * X[:, 1]
    how = {**HOW, "layers": "centred dropout(0.3) dense(4) tanh"}
    whole = MLP(**how).fit(X, y)
    again = resumed(MLP(**how), tmp_path / "training.h5", X, y, interrupted)
    assert all(w.tobytes() == again.weights_[name].tobytes() for name, w in whole.weights_.items())
    frozen = whole.weights_["0.module.layers.0.weight"]
    np.testing.assert_array_equal(
        frozen[0], np.arange(12.0, dtype=np.float32).reshape(6, 2) / 6 - 1
    )
    thinned = whole.set_params(mc_dropout=3).fit(X, y)
    assert [name for name, _ in thinned.module_._plan[0].named_buffers() if "masks" in name] == [
        "1.masks"
    ]


def test_a_width_that_nothing_learns_is_that_of_residuals_of_a_file(tmp_path):
    rng = np.random.default_rng(3)
    X = rng.normal(size=(300, 2))
    y = X[:, 0] + 0.3 * rng.normal(size=300)
    how = {**HOW, "epochs": 30, "layers": "dense(4) tanh", "learning_rate": 0.02}
    with h5py.File(tmp_path / "x.h5", "w") as file:
        model = MLP(**how, head="mse", validation=0.0).fit(file.create_dataset("X", data=X), y)
    assert 0.2 < np.sqrt(model.predict_dist(X).variance.mean()) < 0.45


def test_an_autoencoder_holds_no_backbone(backbone):
    with pytest.raises(InputError, match="no backbone"):
        VAE(1, encoder="dense(2) centred", epochs=1).fit(
            np.random.default_rng(0).normal(size=(9, 3))
        )
