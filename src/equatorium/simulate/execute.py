"""Running a design: on any executor, recorded as it goes, resumed where it stopped.

A run is known by a hash of the simulator's identity, all its parameters, the seed and its place in
the design, and takes its random numbers from the seed and its place. So the results depend neither
on the order of the runs, nor on the executor, nor on how often the work was interrupted.
"""

import contextlib
import hashlib
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, Future
from pathlib import Path
from typing import Any, Literal

import numpy as np

from equatorium.checks import FloatArray
from equatorium.errors import InputError, did_you_mean
from equatorium.interfaces.simulator import Simulator
from equatorium.records.runs import Runs
from equatorium.records.space import Space
from equatorium.simulate.collect import Collector, progress_bar, recalled
from equatorium.simulate.drive import drive_runs
from equatorium.simulate.ledger import Ledger
from equatorium.simulate.outcome import Outcome, run_once
from equatorium.simulate.worker import leave_if_reread
from equatorium.simulate.workers import WorkerPool, WorkerStartError, processors

_AHEAD = 1000  # runs handed to an executor whose size is not known


def run_design(
    simulator: Simulator,
    space: Space,
    theta: Any,
    *,
    ledger: Ledger | str | Path | None = None,
    executor: Executor | Literal["serial"] | None = None,
    workers: int | None = None,
    seed: int = 0,
    progress: bool = True,
    retry_failed: bool = False,
) -> Runs:
    """Run a simulator at the points of a design.

    Ctrl-C, or the death of this process, loses the runs in flight only: started again with the same
    ledger, the same call does what is missing. A run that fails (it raises, or returns something
    that is not finite) is kept with its reason, and NaN for its outputs.

    Parameters
    ----------
    simulator : Simulator
        What to run.
    space : Space
        Its parameters, perhaps with other ranges or fixed values than its own.
    theta : (n, d) array, table or mapping
        Free parameters of each run.
    ledger : Ledger or path, optional
        Where runs are recorded, and looked up first.
    executor : concurrent.futures.Executor or "serial", optional
        Where to run. By default local processes with one BLAS thread each; a process that dies
        costs one run, which is tried once more, alone.
    workers : int, optional
        How many local processes; by default one for each processor. 1 means this process.
    seed : int
        Seed of the runs' random numbers.
    progress : bool
        Show a progress bar on stderr.
    retry_failed : bool
        Run again what has failed before.

    Returns
    -------
    Runs
        In the order of the design. Its ``meta`` tells the simulator, the seed, and for each run the
        seconds it took and what the simulator told beside its outputs.

    Raises
    ------
    InputError
        When the points lie outside the space, or the space is not this simulator's.
    SimulatorError
        When the first runs all fail in the same way, or the executor breaks.

    Examples
    --------
    >>> from equatorium.simulate.builtin import Borehole
    >>> from equatorium.simulate.design import latin_hypercube
    >>> simulator = Borehole()
    >>> theta = latin_hypercube(simulator.space, 4, rng=1)
    >>> runs = run_design(simulator, simulator.space, theta, executor="serial", progress=False)
    >>> runs.Y.shape, int(runs.ok.sum())
    ((4, 1), 4)
    """
    leave_if_reread()
    theta = space.array(theta)
    points = _complete(simulator, space, theta)
    keys = [run_key(simulator, point, seed, i) for i, point in enumerate(points)]
    book = ledger if isinstance(ledger, Ledger | None) else Ledger(ledger)
    known = {} if book is None else book.records()
    outcomes = {
        i: recalled(known[key])
        for i, key in enumerate(keys)
        if key in known and (known[key].ok or not retry_failed)
    }
    todo = [i for i in range(len(points)) if i not in outcomes]
    if todo:
        with (
            contextlib.nullcontext() if book is None else book,
            progress_bar(simulator.name, len(points), len(outcomes), progress) as bar,
        ):
            collector = Collector(simulator, points, keys, outcomes, book, bar)
            _run_all(simulator, points, seed, todo, collector, executor, workers)
            if book is not None:
                book.fold()
    return _as_runs(simulator, space, theta, seed, [outcomes[i] for i in range(len(points))])


def run_key(simulator: Simulator, theta: FloatArray, seed: int, index: int) -> str:
    """Return the hexadecimal key of a run: a hash of all that determines its result.

    Raises
    ------
    InputError
        When the seed is not a non-negative whole number.
    """
    if isinstance(seed, bool) or not isinstance(seed, int | np.integer) or seed < 0:
        raise InputError(f"seed must be a non-negative whole number, but it is {seed!r}")
    head = f"{simulator.identity()} {int(seed)} {index} ".encode()
    # Adding zero makes one number of 0.0 and -0.0.
    numbers = (np.asarray(theta, dtype="<f8") + 0.0).tobytes()
    return hashlib.blake2b(head + numbers, digest_size=16).hexdigest()


def _complete(simulator: Simulator, space: Space, theta: FloatArray) -> FloatArray:
    """Check the points, and give all parameters (n, D) in the simulator's order."""
    if not isinstance(simulator, Simulator):
        raise InputError(
            f"run_design needs a Simulator, not a {type(simulator).__name__}; "
            "eq.wrap(function, space, outputs) makes one of a function"
        )
    given, wanted = space.all_names, simulator.space.all_names
    # What a space fixes or derives under a name of its own is there to be reported.
    unknown = {p.name for p in space.declared} - {*wanted}
    for name in sorted(unknown | ({*wanted} - {*given})):
        lacking = "space" if name in wanted else "simulator"
        hint = did_you_mean(name, given if name in wanted else wanted)
        raise InputError(
            f"the {lacking} has no parameter {name!r}.{hint} The space must have the parameters of "
            f"simulator {simulator.name!r}: {', '.join(wanted)} (space.fix gives one a fixed value)"
        )
    outside = int((~space.contains(theta)).sum())
    if outside:
        raise InputError(
            f"{outside} of {len(theta)} points lie outside the space. {space.outside(theta)}. "
            "Widen the space, or leave these points out"
        )
    return space.complete(theta)[:, [given.index(name) for name in wanted]]


class _InProcess(Executor):
    """Do every call at once, here."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        future.set_result(fn(*args, **kwargs))
        return future


def _run_all(
    simulator: Simulator,
    points: FloatArray,
    seed: int,
    todo: Sequence[int],
    collector: Collector,
    executor: Executor | str | None,
    workers: int | None,
) -> None:
    """Choose where to run, and run."""
    if executor is None and workers != 1:
        try:
            with _pool(simulator, workers, len(todo)) as (pool, size):
                drive_runs(
                    todo, lambda i: pool.submit(run_once, points[i], seed, i), size, collector
                )
            return
        except WorkerStartError as error:
            warnings.warn(
                f"The runs of {simulator.name!r} are done one after another in this process, "
                f"because no worker process could be used for it: {error}.",
                stacklevel=3,
            )
    left = [i for i in todo if i not in collector.outcomes]
    chosen: Any
    if executor is None or executor == "serial":
        chosen, ahead = _InProcess(), 1
    elif hasattr(executor, "submit"):
        chosen, ahead = executor, _AHEAD
    else:
        raise InputError(
            f"executor must be None, 'serial' or a concurrent.futures.Executor, not {executor!r}"
        )
    drive_runs(
        left, lambda i: chosen.submit(run_once, simulator, points[i], seed, i), ahead, collector
    )


@contextlib.contextmanager
def _pool(simulator: Simulator, workers: int | None, n: int) -> Iterator[tuple[WorkerPool, int]]:
    """Give a pool of local processes and its size; they are gone afterwards, whatever happens."""
    size = processors() if workers is None else workers
    if isinstance(size, bool) or not isinstance(size, int | np.integer) or size < 1:
        raise InputError(f"workers must be a positive whole number, but it is {workers!r}")
    pool = WorkerPool(simulator, min(int(size), n))
    try:
        yield pool, min(int(size), n)
        pool.shutdown()
    finally:
        pool.terminate()


def _as_runs(
    simulator: Simulator,
    space: Space,
    theta: FloatArray,
    seed: int,
    outcomes: Sequence[Outcome],
) -> Runs:
    p = simulator.outputs.p
    noise = None
    if any(outcome.variance is not None for outcome in outcomes):
        zero = np.zeros(p)
        noise = np.array([zero if o.variance is None else o.variance for o in outcomes])
    return Runs(
        space,
        simulator.outputs,
        theta,
        np.array([outcome.values for outcome in outcomes]).reshape(-1, p),
        noise=noise,
        status=[outcome.status for outcome in outcomes],
        meta={
            "simulator": {
                "name": simulator.name,
                "version": simulator.version,
                "identity": simulator.identity(),
            },
            "seed": int(seed),
            "wall": [outcome.wall for outcome in outcomes],
            # The ledger keeps the tracebacks of failed runs.
            "info": [outcome.info if outcome.ok else {} for outcome in outcomes],
        },
    )
