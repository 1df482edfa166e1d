"""kill -9 again and again: each leaves a readable file, and the end is that of a run without."""

import os
import signal
import subprocess
import sys
import time
import warnings
from pathlib import Path

import numpy as np
import pytest

import equatorium as eq
from equatorium.errors import NotConvergedWarning
from equatorium.hdf5 import opened

OPTIONS = {
    "emcee": {"walkers": 16},
    "batched-ensemble": {"walkers": 16},
    "hmc": {"chains": 4, "warmup": 60},
}


class Slow:
    """A normal whose every call takes a while."""

    def __init__(self, wait=0.0):
        self.wait = wait

    def log_likelihood(self, theta):
        time.sleep(self.wait)
        return -0.5 * np.square(theta).sum(axis=1)

    def log_likelihood_and_gradient(self, theta):
        return self.log_likelihood(theta), -theta


def run(name, steps, wait=0.0, **how):
    space = eq.Space([eq.Parameter(f"x{j}", -5, 5) for j in range(3)])
    options = {**OPTIONS[name], "until": {}, "max_steps": steps, "checkpoint_every": 0.0}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotConvergedWarning)
        posterior = eq.Posterior(space, Slow(wait))
        return eq.sampler(name, **options).run(posterior, rng=3, progress=False, **how)


def stored(store):
    """Steps in the file, through the reader that checks all of it."""
    if not store.exists():
        return 0
    with opened(store) as file:
        return eq.Chains.read(file, {"ensembles": 4}).iteration


# Everything is loaded once; each line then starts a process of its own.
CODE = """
import os, sys
sys.path.insert(0, {folder!r})
import test_kill
test_kill.run({name!r}, 20)
for line in sys.stdin:
    child = os.fork()
    if not child:
        test_kill.run({name!r}, {steps}, wait=0.002, store={store!r})
        os._exit(0)
    print(child, flush=True)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


def killed(starter, store, writing):
    """Start, wait for some progress, kill: at any moment, or while a checkpoint is written."""
    before = stored(store)
    starter.stdin.write("go\n")
    starter.stdin.flush()
    child = int(starter.stdout.readline())
    try:
        deadline = time.monotonic() + 120
        while stored(store) < before + 10 and time.monotonic() < deadline:
            time.sleep(0.02)
        left = len(list(store.parent.iterdir()))  # killed ones leave their temporary files
        deadline = time.monotonic() + 1.0
        while writing and len(list(store.parent.iterdir())) <= left:
            if time.monotonic() > deadline:
                break
            time.sleep(0.0005)
        time.sleep(0.0 if writing else np.random.default_rng(before).uniform(0, 0.1))
    finally:
        os.kill(child, signal.SIGKILL)
    return int(starter.stdout.readline())


@pytest.mark.parametrize(
    ("name", "kills"),
    [
        ("batched-ensemble", 2),
        ("hmc", 2),
        *(pytest.param(name, 20, marks=pytest.mark.slow) for name in OPTIONS),
    ],
)
def test_killed_runs_end_as_uninterrupted_ones(tmp_path, name, kills):
    steps, store = 400 * kills, tmp_path / "c.h5"
    code = CODE.format(folder=str(Path(__file__).parent), name=name, steps=steps, store=str(store))
    kept = [0]
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as starter:
        for k in range(kills):
            assert killed(starter, store, writing=k % 2 == 1) == -signal.SIGKILL
            kept.append(stored(store))
    assert (np.diff(kept) >= 10).all()
    assert kept[-1] < steps
    again, whole = run(name, steps, store=store), run(name, steps)
    assert np.array_equal(again.samples, whole.samples)
    assert np.array_equal(again.log_prob, whole.log_prob)
    assert again.meta == whole.meta
