"""Worker processes: who dies, dies alone; who is interrupted leaves nothing behind."""

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from equatorium.interfaces.wrapped import wrap
from equatorium.records.outputs import Outputs
from equatorium.records.space import Parameter, Space
from equatorium.simulate.execute import run_design
from equatorium.simulate.ledger import Ledger
from equatorium.simulate.workers import WorkerDiedError, WorkerPool, WorkerStartError, processors

SPACE = Space([Parameter("a", 0, 100)])
OUTPUTS = Outputs(["x", "y"])

MODULE = """
import os, signal, time
from pathlib import Path

FOLDER = Path(__file__).parent


def perilous(a, rng):
    if a == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    if a == 5:
        raise ValueError("five")
    threads = int(os.environ["OMP_NUM_THREADS"])
    return [a + rng.random(), os.getpid() if a == 1 else threads]


def forks(a):
    if os.fork() == 0:
        time.sleep(20)
        os._exit(0)
    os.kill(os.getpid(), signal.SIGKILL)


def slow(a):
    (FOLDER / f"pid-{os.getpid()}").touch()
    with (FOLDER / "calls").open("a") as file:
        file.write(f"{a:g}\\n")
    time.sleep(60 if a == 99 else 0.05)
    return [a, 1.0]
"""


@pytest.fixture
def module(tmp_path, monkeypatch):
    (tmp_path / "simulators_of_test.py").write_text(MODULE)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "simulators_of_test", raising=False)
    import simulators_of_test

    return simulators_of_test


def alive(pid):
    try:
        os.kill(pid, 0)
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (ProcessLookupError, FileNotFoundError):
        return False
    return state != "Z"


def eventually(condition, seconds=20):
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.05)
    return condition()


def test_workers_that_die_cost_their_run_only(module, monkeypatch, tmp_path):
    """Run 3 ends its process twice, run 5 raises: all others are as in one process."""
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    simulator = wrap(module.perilous, SPACE, OUTPUTS)
    theta = np.arange(8.0)[:, None]
    runs = run_design(
        simulator, SPACE, theta, workers=2, seed=3, progress=False, ledger=tmp_path / "s.h5"
    )
    assert list(np.flatnonzero(~runs.ok)) == [3, 5]
    assert runs.status[3].startswith(
        "failed: the worker process was ended by the signal SIGKILL, often for want of memory"
    )
    assert runs.status[5] == "failed: ValueError: five"
    for i in (0, 1, 2, 4, 6, 7):
        rng = np.random.default_rng(np.random.SeedSequence(3, spawn_key=(i,)))
        assert runs.Y[i, 0] == i + rng.random()
    assert runs.Y[0, 1] == 1  # one BLAS thread
    assert runs.Y[1, 1] != os.getpid() and not alive(int(runs.Y[1, 1]))
    assert "OMP_NUM_THREADS" not in os.environ
    assert len(Ledger(tmp_path / "s.h5").records()) == 8


SCRIPT = """
import signal
signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored where tests run in background
import sys
from pathlib import Path
folder = Path(sys.argv[1])
sys.path.insert(0, str(folder))
import numpy as np
import simulators_of_test
from equatorium.interfaces.wrapped import wrap
from equatorium.records.outputs import Outputs
from equatorium.records.space import Parameter, Space
from equatorium.simulate.execute import run_design

space = Space([Parameter("a", 0, 100)])
simulator = wrap(simulators_of_test.slow, space, Outputs(["x", "y"]))
theta = np.array([*map(float, range(40)), 99.0, 98.0])[:, None]
runs = run_design(simulator, space, theta, workers=2, ledger=folder / "study.h5", progress=False)
print(runs.ok.sum())
"""


def test_kill_nine_and_ctrl_c_lose_the_runs_in_flight_only(module, tmp_path):
    """One study: killed, then interrupted, then finished; no worker survives, no run is lost.

    The script has no main guard, and needs none.
    """
    (tmp_path / "script.py").write_text(SCRIPT)
    calls = tmp_path / "calls"

    def start():
        return subprocess.Popen(
            [sys.executable, str(tmp_path / "script.py"), str(tmp_path)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def done():
        return calls.read_text().split() if calls.exists() else []

    def workers():
        return [int(path.name.removeprefix("pid-")) for path in tmp_path.glob("pid-*")]

    def nobody_left():
        return not any(map(alive, workers()))

    process = start()
    # On a busy machine one worker may have done eight runs before the other begins.
    assert eventually(lambda: len(done()) >= 8 and len(workers()) == 2, 60)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert eventually(nobody_left)
    before = len(done())
    assert len(Ledger(tmp_path / "study.h5").records()) >= before - 2 - 2

    process = start()
    assert eventually(lambda: "99" in done() and "98" in done(), 60)  # 99 sleeps for a minute
    time.sleep(0.5)
    started = time.monotonic()
    os.killpg(process.pid, signal.SIGINT)  # what a terminal does on Ctrl-C
    out, err = process.communicate(timeout=50)
    assert time.monotonic() - started < 30  # it would be a minute
    assert out == "" and err.count("KeyboardInterrupt") == 1 and process.returncode != 0
    assert nobody_left()
    assert len(Ledger(tmp_path / "study.h5").records()) == 41

    simulator = wrap(module.slow, SPACE, OUTPUTS)
    theta = np.arange(40.0)[:, None]
    runs = run_design(
        simulator, SPACE, theta, ledger=tmp_path / "study.h5", executor="serial", progress=False
    )
    np.testing.assert_array_equal(runs.Y[:, 0], theta[:, 0])
    # Twice at most: two in flight when killed, and two whose answers were on their way.
    assert sum(float(a) < 40 for a in done()) <= 40 + 4


MAIN = """
import numpy as np
from equatorium.interfaces.wrapped import wrap
from equatorium.records.outputs import Outputs
from equatorium.records.space import Parameter, Space
from equatorium.simulate.execute import run_design

def model(a):
    return [a, 2 * a]

{guard}
    space = Space([Parameter("a", 0, 1)])
    simulator = wrap(model, space, Outputs(["x", "y"]))
    runs = run_design(simulator, space, np.array([[0.5]]), workers=2, progress=False)
    print(runs.Y.tolist())
"""


@pytest.mark.parametrize(
    ("guard", "warns"),
    [
        ("if True:", "Put that part of the script under `if __name__"),
        ("if __name__ == '__main__':", ""),
    ],
    ids=["unguarded", "guarded"],
)
def test_a_simulator_of_the_main_script(guard, warns, tmp_path):
    (tmp_path / "script.py").write_text(MAIN.format(guard=guard))
    out = subprocess.run(
        [sys.executable, str(tmp_path / "script.py")], capture_output=True, text=True, check=True
    )
    assert out.stdout == "[[0.5, 1.0]]\n"
    assert warns in out.stderr and ("UserWarning" in out.stderr) == bool(warns)


@pytest.mark.parametrize("how", ["lambda", "interactive", "missing"])
def test_what_cannot_be_sent_runs_here_with_one_warning(how, module, tmp_path):
    if how == "interactive":
        code = MAIN.format(guard="if True:").replace('"y"]))', '"y"]), version="1")')
        out = subprocess.run(
            [sys.executable], input=code, capture_output=True, text=True, check=True
        )
        assert out.stdout == "[[0.5, 1.0]]\n"
        assert out.stderr.count("interactive session") == 1
        return
    if how == "lambda":
        simulator, reason = wrap(lambda a: [a, 2 * a], SPACE, OUTPUTS), "cannot be sent to other"
    else:
        simulator, reason = wrap(module.slow, SPACE, OUTPUTS), "cannot load it .ModuleNotFound"
        (tmp_path / "simulators_of_test.py").unlink()
    with pytest.warns(UserWarning, match=f"one after another in this process.*{reason}") as caught:
        runs = run_design(simulator, SPACE, [[3.0]], workers=2, progress=False)
    assert len(caught) == 1 and runs.ok.all()
    np.testing.assert_array_equal(runs.Y[:, 0], [3])


def test_the_pool_is_an_executor():
    """Its resident comes first; exceptions come back; after the end it refuses calls."""
    with WorkerPool(10, 2) as pool:
        assert [pool.submit(divmod, k).result() for k in (3, 4)] == [(3, 1), (2, 2)]
        with pytest.raises(RuntimeError, match="ZeroDivisionError"):
            pool.submit(divmod, 0).result()
        assert isinstance(pool.submit(lambda: None).exception(), Exception)
        assert pool.submit(pow, 2).result() == 100
    with pytest.raises(RuntimeError, match="shut down"):
        pool.submit(pow, 2)


def test_leaving_a_pool_waits_for_the_calls_submitted_before():
    with WorkerPool(10, 2) as pool:
        calls = [pool.submit(divmod, k) for k in (3, 4, 5)]
    assert [call.result(timeout=0) for call in calls] == [(3, 1), (2, 2), (2, 0)]


def test_each_death_is_explained_and_the_next_call_gets_a_new_worker():
    with WorkerPool(9, 1) as pool:
        calls = [pool.submit(f) for f in (signal.raise_signal, os._exit, os.getpgid, hex)]
        with pytest.raises(WorkerDiedError, match="ended by the signal SIGKILL"):
            calls[0].result()
        with pytest.raises(WorkerDiedError, match="ended with exit code 9"):
            calls[1].result()
        assert calls[3].result() == "0x9"


def test_a_death_by_a_signal_without_a_name_is_answered():
    """Real-time signals have none; an answer that fails would leave its call waiting for ever."""
    number = signal.SIGRTMIN + 1
    with WorkerPool(number, 1) as pool:
        call = pool.submit(signal.raise_signal)
        with pytest.raises(WorkerDiedError, match=f"ended by the signal {number}$"):
            call.result(timeout=30)


def test_a_process_that_cannot_start_is_no_lost_run(monkeypatch):
    """Then runs are done in this process; a run counted as lost would be marked as failed."""

    def refused(self):
        raise OSError(11, "Resource temporarily unavailable")

    monkeypatch.setattr(multiprocessing.get_context("spawn").Process, "start", refused)
    simulator = wrap(lambda a: [a, 1.0], SPACE, OUTPUTS)
    monkeypatch.setattr("equatorium.simulate.workers._encoded", lambda resident: b"")
    with pytest.warns(UserWarning, match="none could be started .*temporarily unavailable"):
        runs = run_design(simulator, SPACE, [[3.0], [4.0]], workers=2, progress=False)
    assert runs.ok.all()


def test_the_main_script_is_hidden_from_workers_only():
    from multiprocessing import spawn

    from equatorium.simulate import workers

    with workers._main_script_unread():
        other, ours = (spawn.get_preparation_data(name) for name in ("other", workers._NAME))
    assert {key for key in other if key not in ours} == {
        key for key in spawn.get_preparation_data("other") if key.startswith("init_main")
    }


def test_a_death_is_seen_although_a_forked_child_holds_the_pipe_open(module):
    with WorkerPool(0, 1) as pool, pytest.raises(WorkerDiedError, match="SIGKILL"):
        pool.submit(module.forks).result(timeout=10)


def test_terminating_ends_calls_and_processes_at_once():
    pool = WorkerPool(60, 2)
    calls = [pool.submit(time.sleep) for _ in range(5)]
    assert eventually(lambda: len(multiprocessing.active_children()) == 2)
    start = time.monotonic()
    pool.terminate()
    assert time.monotonic() - start < 4
    assert multiprocessing.active_children() == []
    assert all(call.done() for call in calls)
    assert sum(call.cancelled() for call in calls) >= 3


def test_what_cannot_be_sent_is_told_at_once():
    with pytest.raises(WorkerStartError, match="cannot be sent"):
        WorkerPool(lambda: None, 1)


def test_processors_are_those_that_may_be_used():
    assert 1 <= processors() <= os.cpu_count()
