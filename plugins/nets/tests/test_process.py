"""A training in a process with others: threads, PyTorch's generator, its defaults."""

import os
import signal
from concurrent.futures import ThreadPoolExecutor
from threading import Event

import numpy as np
import pytest
import torch
from torch import nn

from equatorium import load
from equatorium_nets.backbones import register_backbone
from equatorium_nets.layers import network
from equatorium_nets.mlp import MLP
from equatorium_nets.process import borrowed, is_light
from equatorium_nets.rnn import RNN
from equatorium_nets.vae import VAE

X = np.random.default_rng(0).normal(size=(40, 2))
TINY = {"layers": "dense(8) tanh dropout(0.2)", "n_members": 2, "epochs": 6}


def trained(seed):
    return MLP(**TINY, random_state=seed).fit(X, X[:, 0]).predict(X)


def test_trainings_in_threads_end_as_they_do_alone():
    alone = [trained(seed) for seed in range(4)]
    before = torch.get_rng_state()
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(trained, range(4)))
    np.testing.assert_array_equal(found, alone)
    assert before.equal(torch.get_rng_state())


@pytest.mark.parametrize(
    "weights",
    [
        lambda: MLP(**TINY, random_state=0).fit(X, X[:, 0]).weights_,
        lambda: (
            RNN(layers="gru(4)", epochs=1, n_members=1, random_state=0).fit(X, X[:, 0]).weights_
        ),
        lambda: VAE(1, encoder="dense(4) tanh", epochs=2, random_state=0).fit(X).weights_,
    ],
    ids=["mlp", "rnn", "vae"],
)
def test_a_seed_gives_the_same_weights_whatever_the_defaults_of_pytorch(weights):
    expected = weights()
    torch.set_default_dtype(torch.float64)
    try:
        with torch.no_grad():
            found = weights()
    finally:
        torch.set_default_dtype(torch.float32)
    assert all(found[name].dtype == np.float32 for name in found)
    for name in found:
        np.testing.assert_array_equal(found[name], expected[name])


def test_slopes_are_found_where_gradients_are_off():
    model = MLP(**TINY, random_state=0).fit(X, X[:, 0])
    bars = np.ones((40, 1)), np.zeros((40, 1, 1))
    with torch.no_grad():
        found = model.predict_dist_vjp(X, *bars)
    np.testing.assert_array_equal(found, model.predict_dist_vjp(X, *bars))


def test_small_steps_take_one_thread_and_give_the_others_back():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        with borrowed("cpu", light=True):
            assert torch.get_num_threads() == 1
        with borrowed("cpu"):
            assert torch.get_num_threads() == 2
        with pytest.raises(ValueError, match="stopped"), borrowed("cpu", light=True):
            raise ValueError("stopped")
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


def test_where_openmp_is_held_to_one_thread_nothing_else_is():
    """The fit of few rows holds it: BLAS, and threads that begin later, must not keep to that."""
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        trained(0)
        with ThreadPoolExecutor(1) as pool:
            assert pool.submit(torch.get_num_threads).result() == 2
    finally:
        torch.set_num_threads(before)


def test_operations_are_counted_while_no_other_thread_trains():
    """The counter hooks into all modules of the process: gradients of others would fail."""
    with ThreadPoolExecutor(1) as pool:
        with borrowed("cpu"):
            found = pool.submit(is_light, network("dense(4)", (2,), 1), (2,), 8)
            with pytest.raises(TimeoutError):
                found.result(timeout=0.3)
        assert found.result()


@pytest.mark.parametrize(
    "kind", [lambda: MLP(**TINY), lambda: VAE(1, epochs=1)], ids=["mlp", "vae"]
)
def test_a_training_on_the_cpu_seeds_no_other_device(kind, monkeypatch):
    seeds = []
    monkeypatch.setattr(torch.cuda, "manual_seed_all", seeds.append)
    torch.manual_seed(torch.initial_seed())
    assert len(seeds) == 1  # what it would have done
    kind().fit(X, X[:, 0])
    assert len(seeds) == 1


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_on_a_cuda_device_members_answer_and_its_generator_stays_as_it_was():
    before = torch.cuda.get_rng_state()
    model = MLP(**TINY, device="cuda", random_state=0).fit(X, X[:, 0])
    assert before.equal(torch.cuda.get_rng_state())
    mean = model.predict_members(X).mean(axis=0)[:, 0]
    np.testing.assert_allclose(mean, model.predict(X), atol=1e-12)


def test_what_is_light():
    """Two products of 1000 x 1000 for 100 rows are 4e8 operations, of 10 x 10 nothing."""
    assert is_light(network("dense(10) relu", (10,), 10), (10,), 100)
    assert not is_light(network("dense(1000) relu", (1000,), 1000), (1000,), 100)
    assert is_light(network("gru(1000)", (50, 20), 1), (50, 20), 1000)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*multi-threaded:DeprecationWarning")
def test_a_child_of_a_process_in_which_a_thread_trains_has_its_turn():
    with ThreadPoolExecutor(1) as pool:
        begun, done = Event(), Event()

        def train():
            with borrowed("cpu"):
                begun.set()
                done.wait(60)

        pool.submit(train)
        begun.wait(60)
        if (child := os.fork()) == 0:
            signal.signal(signal.SIGALRM, signal.SIG_DFL)
            signal.alarm(20)  # ends one that waits for ever
            with borrowed("cpu"):
                os._exit(0)
        status = os.waitpid(child, 0)[1]
        done.set()
    assert status == 0


class Drawn(nn.Module):
    """A user's module that draws its weights when it is made."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(2, 4)

    def forward(self, x):
        return torch.tanh(self.layer(x))


def test_a_module_of_a_user_is_drawn_by_the_seed_and_leaves_the_generator_alone(tmp_path):
    register_backbone("drawn-here", Drawn)
    found = []
    for seed in (1, 2):
        torch.manual_seed(seed)
        before = torch.get_rng_state()
        model = MLP(**{**TINY, "layers": "drawn-here dropout(0.2)"}, random_state=0)
        model.fit(X, X[:, 0]).save(tmp_path / "net.h5")
        found.append(load(tmp_path / "net.h5").predict(X))
        assert before.equal(torch.get_rng_state())
    np.testing.assert_array_equal(*found)


def test_modules_of_a_user_and_the_last_layer_start_from_numbers_of_their_own():
    register_backbone("square-here", lambda: nn.Linear(2, 2))
    model = MLP(**{**TINY, "layers": "square-here square-here", "n_members": 2}, random_state=0)
    model.set_params(epochs=1, learning_rate=1e-9).fit(X, np.c_[X, X][:, :2])
    first, _, second, _, last, _ = (w.detach().numpy() for w in model.module_.weights)
    for one, other in ((first, second), (first, last[:, :2]), (first, first[::-1])):
        assert np.abs(one - other).max() > 1e-3
