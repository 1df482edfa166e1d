"""A training that is killed goes on as if nothing had been; one stopped keeps its weights."""

import os
import signal
import subprocess
import sys

import numpy as np
import pytest

from equatorium.errors import FileFormatError, InputError
from equatorium_nets import checkpoint, training
from equatorium_nets.mlp import MLP, MLPClassifier

# All that draws random numbers: dropout, noise, orders, two members that stop at different times.
HOW = {
    "layers": "dense(8) tanh dropout(0.2) dense(8) tanh",
    "n_members": 2,
    "epochs": 9,
    "batch_size": 16,
    "augment": {"noise": 0.1},
    "adversarial": 0.05,
    "patience": 3,
    "random_state": 3,
}


def data():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(80, 2))
    return X, X[:, 0] * X[:, 1]


@pytest.fixture
def always(monkeypatch):
    monkeypatch.setattr(checkpoint, "_SHARE", 1e9)


def same(one, other):
    assert list(one.weights_) == list(other.weights_)
    assert all(one.weights_[k].tobytes() == other.weights_[k].tobytes() for k in one.weights_)
    assert one.history_["loss"].tobytes() == other.history_["loss"].tobytes()
    assert one.widening_.tobytes() == other.widening_.tobytes()


def stop_after(monkeypatch, steps, error):
    """Let the training break in the middle of an epoch."""
    step, count = training._Run._step, iter(range(steps))

    def broken(self, *args):
        if next(count, None) is None:
            raise error
        return step(self, *args)

    monkeypatch.setattr(training._Run, "_step", broken)


def test_a_training_that_was_killed_ends_with_the_weights_of_one_that_was_not(tmp_path):
    path = str(tmp_path / "training.h5")
    code = f"""
import os, signal
from equatorium_nets import checkpoint, training
from equatorium_nets.mlp import MLP
import importlib.util
spec = importlib.util.spec_from_file_location("here", {__file__!r})
here = importlib.util.module_from_spec(spec)
spec.loader.exec_module(here)
checkpoint._SHARE = 1e9
step, count = training._Run._step, []
def killed(self, *args):
    count.append(1)
    if len(count) == 23:  # five steps an epoch
        os.kill(os.getpid(), signal.SIGKILL)
    return step(self, *args)
training._Run._step = killed
MLP(**here.HOW, checkpoint={path!r}).fit(*here.data())
"""
    child = subprocess.run([sys.executable, "-c", code], env=os.environ, check=False)
    assert child.returncode == -signal.SIGKILL
    assert checkpoint.load(path)["training"]["epoch"] == 4
    whole = MLP(**HOW).fit(*data())
    same(MLP(**HOW, checkpoint=path).fit(*data()), whole)
    same(MLP(**HOW, checkpoint=path).fit(*data()), whole)  # nothing is left to be done
    assert [p.name for p in tmp_path.iterdir()] == ["training.h5"]


def test_it_goes_on_from_every_epoch(tmp_path, monkeypatch, always):
    X, y = data()
    whole = MLP(**HOW).fit(X, y)
    for epochs in (1, 4):
        path = str(tmp_path / f"{epochs}.h5")
        with monkeypatch.context() as patch:
            stop_after(patch, 5 * epochs + 2, RuntimeError("power cut"))
            with pytest.raises(RuntimeError, match="power cut"):
                MLP(**HOW, checkpoint=path).fit(X, y)
        same(MLP(**HOW, checkpoint=path).fit(X, y), whole)


def test_a_checkpoint_of_another_training_is_refused(tmp_path, always):
    X, y = data()
    path = str(tmp_path / "training.h5")
    MLP(**HOW, checkpoint=path).fit(X, y)
    cases = [
        ({"decay": 0.5}, X, y, None, "decay"),
        ({"random_state": 4}, X, y, None, "random_state"),
        ({"epochs": 99}, X, y, None, "epochs"),
        ({}, X + 1e-9, y, None, "inputs"),
        ({}, X, y + 1.0, None, "answers"),
        ({}, X, y, np.ones(2), "input errors"),
    ]
    for change, inputs, answers, ivar, says in cases:
        model = MLP(**{**HOW, **change}, checkpoint=path)
        with pytest.raises(InputError, match=f"with other .*{says}"):
            model.fit(inputs, answers, ivar=ivar)
    with pytest.raises(InputError, match=r"other .*method"):
        MLPClassifier(**HOW, checkpoint=path).fit(X, y > 0)


def test_a_file_that_is_none_is_refused_and_kept(tmp_path):
    X, y = data()
    path = tmp_path / "notes.h5"
    path.write_text("not a checkpoint")
    with pytest.raises(FileFormatError):
        MLP(**HOW, checkpoint=str(path)).fit(X, y)
    assert path.read_text() == "not a checkpoint"
    MLP(**{**HOW, "epochs": 1}).fit(X, y).save(tmp_path / "model.h5")
    with pytest.raises(InputError, match="holds no training"):
        MLP(**HOW, checkpoint=str(tmp_path / "model.h5")).fit(X, y)
    with pytest.raises(InputError, match="random_state"):
        MLP(**{**HOW, "random_state": None}, checkpoint=str(tmp_path / "new.h5")).fit(X, y)


@pytest.mark.parametrize("validation", [0.15, 0.0])
def test_ctrl_c_keeps_the_epochs_that_were_done(monkeypatch, validation):
    X, y = data()
    how = {**HOW, "validation": validation, "patience": None, "schedule": "constant"}
    steps = -(-int(80 * (1 - validation)) // 16)
    with monkeypatch.context() as patch:
        stop_after(patch, 4 * steps + 2, KeyboardInterrupt)
        with pytest.warns(UserWarning, match="stopped after 4 of 9 epochs"):
            stopped = MLP(**how).fit(X, y)
    same(stopped, MLP(**{**how, "epochs": 4}).fit(X, y))


def test_ctrl_c_before_the_first_epoch_is_done_ends_all(monkeypatch):
    stop_after(monkeypatch, 2, KeyboardInterrupt)
    with pytest.raises(KeyboardInterrupt):
        MLP(**HOW).fit(*data())
