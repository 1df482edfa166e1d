"""Designs are run in order, once, reproducibly; failures are kept; bad input is named."""

import threading
from concurrent.futures import BrokenExecutor, Executor, Future, ThreadPoolExecutor

import numpy as np
import pytest

from equatorium.errors import EquatoriumError, InputError, SimulatorError
from equatorium.interfaces.simulator import Simulated, Simulator
from equatorium.records.outputs import Outputs
from equatorium.records.space import Parameter, Space
from equatorium.simulate.design import latin_hypercube
from equatorium.simulate.execute import run_design
from equatorium.simulate.ledger import Ledger

SPACE = Space([Parameter("a", 0, 1), Parameter("b", 1, 100, scale="log")])


class Counting(Simulator):
    """Counts its runs, and does what ``misdeed`` says at given points."""

    name = "counting"
    outputs = Outputs(["x", "y"])

    def __init__(self, misdeed=None, space=SPACE):
        self.space = space
        self.misdeed = misdeed
        self.calls = []
        self._lock = threading.Lock()

    def __call__(self, theta, *, rng):
        with self._lock:
            self.calls.append(theta)
            count = len(self.calls)
        if self.misdeed is not None and (result := self.misdeed(count, theta)) is not None:
            return result
        values = np.array([theta.sum(), rng.normal()])
        return Simulated(values, variance=[theta[0], 0.0], info={"draw": int(rng.integers(1000))})


@pytest.fixture
def theta():
    return latin_hypercube(SPACE, 12, rng=0)


def run(simulator, theta, **options):
    options = {"executor": "serial", "progress": False, "seed": 5} | options
    return run_design(simulator, simulator.space, theta, **options)


def fail_at(*counts):
    def misdeed(count, theta):
        if count in counts:
            raise ValueError(f"no {count}")

    return misdeed


def test_runs_are_in_the_design_order_with_what_the_simulator_declares(theta):
    simulator = Counting()
    runs = run(simulator, theta)
    np.testing.assert_array_equal(runs.X, theta)
    np.testing.assert_array_equal(runs.Y[:, 0], theta.sum(axis=1))
    np.testing.assert_array_equal(runs.noise, np.column_stack([theta[:, 0], np.zeros(12)]))
    rngs = [np.random.default_rng(np.random.SeedSequence(5, spawn_key=(i,))) for i in range(12)]
    np.testing.assert_array_equal(runs.Y[:, 1], [rng.normal() for rng in rngs])
    assert [info["draw"] for info in runs.meta["info"]] == [int(r.integers(1000)) for r in rngs]
    assert runs.meta["simulator"]["name"] == "counting" and runs.meta["seed"] == 5
    assert runs.meta["simulator"]["identity"] == simulator.identity()
    assert len(runs.meta["wall"]) == 12


def test_points_may_come_by_name_and_may_be_none(theta):
    named = run(Counting(), {"b": theta[:, 1], "a": theta[:, 0]})
    np.testing.assert_array_equal(named.Y, run(Counting(), theta).Y)
    assert run(Counting(), theta[:0]).Y.shape == (0, 2)


def test_results_depend_neither_on_the_executor_nor_on_interruptions(theta, tmp_path):
    expected = run(Counting(), theta)
    with ThreadPoolExecutor(4) as executor:
        threads = run(Counting(), theta, executor=executor)

    def interrupt(count, _):
        if count == 5:
            raise KeyboardInterrupt

    first, second = Counting(interrupt), Counting()
    with pytest.raises(KeyboardInterrupt):
        run(first, theta, ledger=tmp_path / "study.h5")
    assert len(Ledger(tmp_path / "study.h5").records()) == 4
    resumed = run(second, theta, ledger=Ledger(tmp_path / "study.h5"))
    assert len(first.calls) == 5 and len(second.calls) == 8  # only the run in flight is repeated
    for runs in (threads, resumed):
        np.testing.assert_array_equal(runs.Y, expected.Y)
        np.testing.assert_array_equal(runs.noise, expected.noise)
        assert runs.meta["info"] == expected.meta["info"]


def test_finished_designs_are_looked_up(theta, tmp_path):
    path = tmp_path / "study.h5"
    first = run(Counting(fail_at(3)), theta, ledger=path)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["study.h5"]
    again = Counting()
    looked_up = run(again, theta, ledger=path)
    assert again.calls == []
    np.testing.assert_array_equal(looked_up.Y, first.Y)
    np.testing.assert_array_equal(looked_up.noise, first.noise)
    assert list(looked_up.status) == list(first.status)
    assert looked_up.meta == first.meta


@pytest.mark.parametrize("what", ["seed", "version", "theta", "order"])
def test_another_run_is_another_run(what, theta, tmp_path):
    run(Counting(), theta, ledger=tmp_path / "study.h5")
    simulator, options, points, expected = Counting(), {}, theta, 12
    if what == "seed":
        options = {"seed": 6}
    elif what == "version":
        simulator.version = "2"
    elif what == "theta":
        points, expected = theta.copy(), 1
        points[4, 1] = np.nextafter(points[4, 1], 2.0)
    else:
        points, expected = theta[[1, 0, *range(2, 12)]], 2
    run(simulator, points, ledger=tmp_path / "study.h5", **options)
    assert len(simulator.calls) == expected


def test_failed_runs_are_kept_with_their_reason_and_tried_again_on_request(theta, tmp_path):
    def misdeed(count, _):
        if count == 2:
            raise ValueError("no gas\nleft")
        return {5: [np.nan, 1.0], 7: [1.0, 2.0, 3.0]}.get(count)

    runs = run(Counting(misdeed), theta, ledger=tmp_path / "study.h5")
    assert list(np.flatnonzero(~runs.ok)) == [1, 4, 6]
    assert runs.status[1] == "failed: ValueError: no gas left"
    assert runs.status[4] == "failed: the value of output 'x' is nan, and 1 of 2 are bad"
    assert "3 values, but declares 2 outputs" in runs.status[6]
    assert np.isnan(runs.Y[~runs.ok]).all() and np.isfinite(runs.Y[runs.ok]).all()
    records = Ledger(tmp_path / "study.h5").records().values()
    traces = [r.info["traceback"] for r in records if "no gas" in r.status]
    assert len(records) == 12 and "in misdeed" in traces[0]

    mended = Counting()
    again = run(mended, theta, ledger=tmp_path / "study.h5", retry_failed=True)
    assert len(mended.calls) == 3 and again.ok.all()
    assert run(Counting(), theta, ledger=tmp_path / "study.h5").ok.all()


@pytest.mark.parametrize(
    ("misdeed", "tried", "message"),
    [
        (fail_at(*range(99)), 10, "All of the first 10 runs of simulator 'counting' failed.*no 1"),
        (lambda *_: [np.nan, 1.0], 10, "All of the first 10 runs.*output 'x' is nan"),
        (lambda *_: [1.0], 1, "The first run of simulator 'counting' failed.*declares 2 outputs"),
    ],
)
def test_a_simulator_that_never_works_is_stopped_and_forgotten(
    misdeed, tried, message, theta, tmp_path
):
    broken = Counting(misdeed)
    with pytest.raises(SimulatorError, match=message) as caught:
        run(broken, theta, ledger=tmp_path / "study.h5")
    assert f"a={theta[0, 0]:.6g}, b={theta[0, 1]:.6g}" in str(caught.value)
    assert len(broken.calls) == tried
    assert Ledger(tmp_path / "study.h5").records() == {}
    assert run(Counting(), theta, ledger=tmp_path / "study.h5").ok.all()


def test_different_failures_at_first_do_not_stop_a_design(theta, tmp_path):
    def misdeed(count, _):
        if count <= 11:
            raise (ValueError if count % 2 else TypeError)(str(count))

    runs = run(Counting(misdeed), theta, ledger=tmp_path / "study.h5")
    assert runs.ok.sum() == 1 and len(Ledger(tmp_path / "study.h5").records()) == 12


def test_a_small_design_that_fails_wholly_is_an_error(theta):
    with pytest.raises(SimulatorError, match=r"The first run.*no 1"):
        run(Counting(fail_at(1)), theta[:1])
    assert run(Counting(fail_at(1)), theta[:2]).ok.tolist() == [False, True]


def test_spaces_with_fixed_tied_and_reordered_parameters(theta):
    simulator = Counting()
    fixed = SPACE.fix(a=0.5)
    runs = run_design(simulator, fixed, theta[:3, 1:], executor="serial", progress=False)
    np.testing.assert_array_equal(simulator.calls, np.column_stack([[0.5] * 3, theta[:3, 1]]))
    assert runs.space.names == ("b",)
    told = Space(SPACE.parameters, {"b2": "b", "tau": "2 * pi", "k": 3.0, "ratio": "a / b"})
    run_design(simulator, told, theta[:3], executor="serial", progress=False)
    np.testing.assert_array_equal(simulator.calls[3:], theta[:3])
    del simulator.calls[3:]
    turned = Space(SPACE.parameters[::-1])
    run_design(simulator, turned, theta[:3, ::-1], executor="serial", progress=False)
    np.testing.assert_array_equal(simulator.calls[3:], theta[:3])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"space": Space([Parameter("a", 0, 1), Parameter("B", 1, 2)])},
            "simulator has no parameter 'B'. Did you mean 'b'",
        ),
        ({"space": Space([Parameter("a", 0, 1)])}, "theta must have 1 columns"),
        ({"theta": [[0.5, 50.0], [0.5, 101.0]]}, "1 of 2 points.*point 1 has b = 101.*widen"),
        ({"theta": [[0.5, np.nan]]}, "theta must be finite"),
        ({"seed": -1}, "seed must be"),
        ({"seed": 1.5}, "seed must be"),
        ({"workers": 0, "executor": None}, "workers must be"),
        ({"executor": "slurm"}, "executor must be None, 'serial' or.*'slurm'"),
        ({"simulator": np.sum}, "needs a Simulator.*eq.wrap"),
    ],
)
def test_bad_input_is_named(changes, message, theta):
    fine = {"simulator": Counting(), "space": SPACE, "theta": theta, "executor": "serial"}
    with pytest.raises(InputError, match=f"(?i){message}"):
        run_design(**fine | changes)


def test_two_processes_cannot_write_one_study(theta, tmp_path):
    simulator = Counting()
    with (
        Ledger(tmp_path / "study.h5"),
        pytest.raises(EquatoriumError, match="is being written by"),
    ):
        run(simulator, theta, ledger=tmp_path / "study.h5")
    assert simulator.calls == []


def test_the_bar_shows_name_and_failures_and_can_be_off(theta, capsys):
    run(Counting(fail_at(2, 3)), theta, progress=True)
    shown = capsys.readouterr()
    assert "counting: 100%" in shown.err and "12/12" in shown.err and "2 failed" in shown.err
    run(Counting(), theta, progress=False)
    assert shown.out == "" and capsys.readouterr() == ("", "")


class Fallible(Executor):
    """Runs at once, but loses some calls with an error of its own."""

    def __init__(self, lose):
        self.lose, self.n, self.running = lose, 0, 0

    def submit(self, fn, /, *args):
        future = Future()
        self.n += 1
        if (error := self.lose(self.n, args)) is not None:
            future.set_exception(error)
        else:
            future.set_result(fn(*args))
        return future


def test_what_an_executor_loses_is_tried_once_more(theta):
    def once(n, _):
        return RuntimeError("worker lost") if n in (3, 4) else None

    executor = Fallible(once)
    runs = run(Counting(), theta, executor=executor)
    assert runs.ok.all() and executor.n == 14
    np.testing.assert_array_equal(runs.Y, run(Counting(), theta).Y)

    executor = Fallible(lambda n, args: RuntimeError("out of memory") if args[-1] == 6 else None)
    runs = run(Counting(), theta, executor=executor)
    assert list(np.flatnonzero(~runs.ok)) == [6] and executor.n == 13
    assert runs.status[6] == "failed: out of memory"


def test_an_executor_that_loses_everything_is_an_error(theta):
    executor = Fallible(lambda *_: TypeError("cannot send a lock"))
    with pytest.raises(SimulatorError, match=r"first 12 runs.*cannot send a lock"):
        run(Counting(), theta, executor=executor)


def test_a_broken_executor_is_an_error_and_finished_runs_stay(theta, tmp_path):
    class Breaking(Fallible):
        """Answers the first calls only."""

    executor = Breaking(lambda n, _: BrokenExecutor("a child ended") if n > 4 else None)
    with pytest.raises(SimulatorError, match=r"executor is broken .a child ended.*start again"):
        run(Counting(), theta, executor=executor, ledger=tmp_path / "study.h5")
    rest = Counting()
    assert run(rest, theta, ledger=tmp_path / "study.h5").ok.all()
    assert len(rest.calls) == 8
