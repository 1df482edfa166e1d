"""Keeping an executor busy: start runs, hand on their outcomes, retry lost ones, stop cleanly."""

import contextlib
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Future, wait

from equatorium.errors import EquatoriumError, SimulatorError
from equatorium.simulate.collect import Collector
from equatorium.simulate.outcome import LOST, Outcome, failed
from equatorium.simulate.workers import WorkerStartError

Submit = Callable[[int], Future[Outcome]]


def drive_runs(todo: Iterable[int], submit: Submit, ahead: int, collector: Collector) -> None:
    """Run everything, never more than ``ahead`` runs at once.

    Parameters
    ----------
    todo : iterable of int
        The runs.
    submit : callable
        Starts a run, and gives its future.
    ahead : int
        How many runs may have been started and not finished.
    collector : Collector
        Takes the outcomes. A run whose process died is tried once more when all others are done,
        with nothing beside it; if that fails, too, it has failed.

    Raises
    ------
    KeyboardInterrupt
        After the finished runs have been handed over, and the others cancelled.
    SimulatorError
        When the collector sees no hope, or the executor is broken for good.
    """
    waiting, again = deque(todo), deque[int]()
    tried: set[int] = set()
    flying: dict[Future[Outcome], int] = {}
    try:
        while waiting or again or flying:
            while waiting and len(flying) < ahead:
                i = waiting.popleft()
                flying[submit(i)] = i
            if not flying:
                i = again.popleft()
                flying[submit(i)] = i
            # With a time limit, Ctrl-C is heard on all systems.
            done = wait(flying, timeout=1.0, return_when=FIRST_COMPLETED).done
            batch = [(flying[future], _outcome(future, collector.p)) for future in done]
            lost = [(i, o) for i, o in batch if o.kind == LOST and i not in tried]
            collector.add([(i, o) for i, o in batch if o.kind != LOST or i in tried])
            collector.note_lost(lost)
            for future in done:
                del flying[future]
            tried.update(i for i, _ in lost)
            again.extend(i for i, _ in lost)
        collector.finish()
    except EquatoriumError:
        raise
    except BrokenExecutor as error:
        _keep_finished(flying, collector)
        raise SimulatorError(
            f"the executor is broken ({error}). The runs that were finished are kept if there is "
            "a ledger; make a new executor and start again, or leave executor out: the default "
            "survives workers that die"
        ) from error
    except BaseException:
        _keep_finished(flying, collector)
        raise
    finally:
        for future in flying:
            future.cancel()


def _outcome(future: Future[Outcome], p: int) -> Outcome:
    """Give what came of a call; a problem of the executor is one, too, unless it is final."""
    error = future.exception()
    if error is None:
        return future.result()
    if isinstance(error, WorkerStartError | BrokenExecutor):
        raise error
    return failed(p, LOST, str(error) or type(error).__name__)


def _keep_finished(flying: Mapping[Future[Outcome], int], collector: Collector) -> None:
    """Record the runs that ended while the interruption came."""
    finished = [
        (i, future.result())
        for future, i in flying.items()
        if future.done() and not future.cancelled() and future.exception() is None
    ]
    with contextlib.suppress(EquatoriumError):
        collector.add(finished)
