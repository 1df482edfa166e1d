"""On a GPU networks learn what they learn on the CPU, and files go from one to the other."""

import numpy as np
import pytest
import torch

import equatorium as eq

DEVICE = "cuda"
pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device"),
]
RNG = np.random.default_rng(0)
HOW = {"n_members": 2, "epochs": 4, "learning_rate": 1e-2, "random_state": 0}
# Name -> options, columns of X. No dropout: each device has a generator of its own.
KINDS = {
    "mlp": ({"layers": "dense(32) silu dense(32) silu"}, 5),
    "mdn": ({"layers": "dense(32) silu batch-norm"}, 5),
    "cnn": (
        {"layers": "conv(8, 3, 1, 1) norm relu pool(2) flatten dense(16) relu", "shape": (1, 8, 8)},
        64,
    ),
    "rnn": ({"layers": "gru(8)", "shape": (10, 2)}, 20),
    "resnet": ({"width": 8, "blocks": (1, 1), "shape": (1, 16, 16)}, 256),
}


@pytest.fixture(params=KINDS)
def kind(request):
    """Give name and options of a method, and examples of it."""
    options, d = KINDS[request.param]
    X = RNG.normal(size=(300, d))
    if request.param == "rnn":
        X[:, ::2] = np.sort(X[:, ::2], axis=1)  # times
        X[:20, 15:] = np.nan
    y = np.nan_to_num(X[:, 1::2]).mean(axis=1) * np.sqrt(d) + 0.1 * RNG.normal(size=300)
    return request.param, {**HOW, **options}, X, y


@pytest.fixture(autouse=True)
def whole(monkeypatch):
    """Let convolutions on the GPU hold 24 bits, as on the CPU: PyTorch lets them hold 11."""
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", False)


def apart(one, other):
    """Return the root mean square of a difference."""
    return np.sqrt(np.mean((one - other) ** 2))


def test_it_learns_there_what_it_learns_here(kind):
    """As if rounding were all that differs: by little of what the training changed."""
    name, how, X, y = kind
    here = eq.network(name, **how).fit(X, y)
    there = eq.network(name, **how, device=DEVICE).fit(X, y)
    assert there.module_.device.type == DEVICE
    start = eq.network(name, **{**how, "epochs": 1, "learning_rate": 1e-9}).fit(X, y)
    found = here.predict(X)
    assert apart(there.predict(X), found) < 0.01 * apart(start.predict(X), found)
    np.testing.assert_allclose(there.history_["loss"], here.history_["loss"], atol=1e-3)


def test_a_file_gives_the_same_on_either(kind, tmp_path):
    name, how, X, y = kind
    for device, other in (("cpu", DEVICE), (DEVICE, "cpu")):
        model = eq.network(name, **how, device=device).fit(X, y)
        model.save(tmp_path / f"{device}.h5")
        moved = eq.load(tmp_path / f"{device}.h5").to_device(other)
        assert moved.module_.device.type == torch.device(other).type
        one, two = model.predict_dist(X), moved.predict_dist(X)
        np.testing.assert_allclose(two.mean, one.mean, rtol=1e-8, atol=1e-8)
        np.testing.assert_allclose(two.variance, one.variance, rtol=1e-8, atol=1e-8)


def test_dropout_and_attacks_there_repeat():
    X = RNG.normal(size=(300, 5))
    how = {**HOW, "layers": "dense(32) relu dropout(0.3)", "adversarial": 0.2, "device": DEVICE}
    one, two, other = (
        eq.network("mlp", **{**how, "random_state": seed}).fit(X, X[:, 0]).predict(X)
        for seed in (0, 0, 1)
    )
    assert apart(one, two) < 0.01 * apart(one, other)


def test_an_autoencoder_finds_there_the_coordinates_that_it_finds_here(tmp_path):
    t = RNG.uniform(-1, 1, 300)
    X = np.outer(t, np.linspace(-1, 1, 12)) + np.sin(3 * t)[:, None] * np.linspace(0, 1, 12)
    X += 0.02 * RNG.normal(size=X.shape)
    how = {"n_components": 1, "learning_rate": 1e-2, "random_state": 0}
    here = eq.embedder("vae", epochs=5, **how).fit(X)
    there = eq.embedder("vae", epochs=5, device=DEVICE, **how).fit(X)
    start = eq.embedder("vae", epochs=1, **{**how, "learning_rate": 1e-9}).fit(X)
    back, moved, first = (m.inverse_transform(m.transform(X)) for m in (here, there, start))
    assert apart(moved, back) < 0.01 * apart(first, back)
    here.save(tmp_path / "vae.h5")
    loaded = eq.load(tmp_path / "vae.h5").to_device(DEVICE)
    np.testing.assert_allclose(loaded.transform(X), here.transform(X), rtol=1e-6, atol=1e-6)
