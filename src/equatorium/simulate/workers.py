"""A pool of local processes in which a worker that dies costs its own run and no other.

Each worker is one fresh (spawned) process with its own pipe and one call at a time, so it is always
known which call killed it, and with which signal; the next call gets a new worker.
"""

import contextlib
import multiprocessing
import os
import queue
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future
from multiprocessing import spawn
from multiprocessing.connection import Connection
from multiprocessing.reduction import ForkingPickler
from pathlib import Path
from typing import Any

from equatorium.simulate.worker import PATIENCE, UNGUARDED, serve

_NAME = "equatorium-worker"
_START_LOCK = threading.Lock()

GUARD_ADVICE = (
    "the simulator is defined in the main script, which every worker has to read, and which starts "
    "the runs at its top level. Put that part of the script under `if __name__ == '__main__':`, or "
    "move the simulator to a module of its own"
)


class WorkerStartError(Exception):
    """A worker could not get ready for its first call; others would not either."""


class WorkerDiedError(Exception):
    """A worker's process ended during a call."""


class WorkerPool(Executor):
    """Run calls ``function(resident, *args)`` in local processes.

    Parameters
    ----------
    resident : object
        Sent once to each worker; the first argument of every call.
    workers : int
        Number of processes. They start with the first calls.

    Raises
    ------
    WorkerStartError
        When `resident` cannot be sent to other processes.
    """

    def __init__(self, resident: Any, workers: int) -> None:
        self._message = _encoded(resident)
        self._calls: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._processes: set[Any] = set()
        self._stopping = self._ended = False
        self._threads = [
            threading.Thread(target=self._serve, name=f"{_NAME}-{k}", daemon=True)
            for k in range(workers)
        ]
        for thread in self._threads:
            thread.start()

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Schedule ``fn(resident, *args, **kwargs)``.

        The future raises `WorkerDiedError` if the worker's process ends, `WorkerStartError` if no
        worker can start.
        """
        if self._stopping:
            raise RuntimeError("the pool has been shut down")
        future: Future[Any] = Future()
        self._calls.put((future, (fn, args, kwargs)))
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """End the workers after the calls submitted so far."""
        self._stopping = True
        if cancel_futures:
            with contextlib.suppress(queue.Empty):
                while True:
                    if (call := self._calls.get_nowait()) is not None:
                        call[0].cancel()
        for _ in self._threads:
            self._calls.put(None)
        if wait:
            for thread in self._threads:
                thread.join()

    def terminate(self) -> None:
        """End the workers now, in the middle of their calls, and wait until they are gone."""
        self._ended = True
        self.shutdown(wait=False, cancel_futures=True)
        deadline = time.monotonic() + PATIENCE
        for end in ("terminate", "kill"):
            with _START_LOCK:  # none is starting now, and none will: see `_start`
                for process in tuple(self._processes):
                    getattr(process, end)()
            for thread in self._threads:
                thread.join(max(0.0, deadline - time.monotonic()))
            deadline += PATIENCE

    # -- one thread for each worker ----------------------------------------------------------

    def _serve(self) -> None:
        if hasattr(signal, "pthread_sigmask"):
            # Inherited by the worker: it must not see a Ctrl-C before it can ignore it.
            signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        process, pipe = None, None
        while (call := self._calls.get()) is not None:
            future, request = call
            if not future.set_running_or_notify_cancel():
                continue
            try:
                if pipe is None:
                    process, pipe = self._start()
                pipe.send(request)
                fine, answer = _receive(process, pipe)
            except (EOFError, OSError):
                reason = self._bury(process, pipe)
                process, pipe = None, None
                future.set_exception(WorkerDiedError(f"the worker process {reason}"))
            except Exception as error:
                future.set_exception(error)
            else:
                (future.set_result if fine else future.set_exception)(answer)
        self._bury(process, pipe)

    def _start(self) -> tuple[Any, Connection]:
        """Start a process and wait until it holds the resident."""
        needs_main = b"__main__" in self._message
        try:
            mine, theirs = multiprocessing.Pipe()
            process = multiprocessing.get_context("spawn").Process(
                target=serve, args=(theirs,), name=_NAME
            )
            with _START_LOCK:
                if self._ended:
                    raise WorkerStartError("the pool has been terminated")
                with contextlib.nullcontext() if needs_main else _main_script_unread():
                    process.start()
                self._processes.add(process)
        except OSError as error:  # too little memory, too many processes or open files
            raise WorkerStartError(f"none could be started ({error})") from error
        theirs.close()
        try:
            mine.send_bytes(self._message)
            problem = _receive(process, mine)
        except (EOFError, OSError):
            reason = self._bury(process, mine)
            problem = GUARD_ADVICE if process.exitcode == UNGUARDED else f"it {reason}"
        if problem is not None:
            self._bury(process, mine)
            raise WorkerStartError(problem)
        return process, mine

    def _bury(self, process: Any, pipe: Connection | None) -> str:
        """Wait for the end of a process whose pipe is closed, and tell how it ended."""
        if process is None or pipe is None:
            return ""
        pipe.close()
        process.join(PATIENCE)
        if process.exitcode is None:
            process.kill()
            process.join()
        self._processes.discard(process)
        return describe_exit(process.exitcode)


def _receive(process: Any, pipe: Connection) -> Any:
    """Wait for a message; EOFError if the process ends without one.

    The end of the pipe is no sure sign of that: a child that the simulator has forked may outlive
    the worker, and holds its end of the pipe open.
    """
    while not pipe.poll(1.0):
        if process.exitcode is not None and not pipe.poll():
            raise EOFError
    return pipe.recv()


def describe_exit(code: int | None) -> str:
    """Tell how a process ended; never fails, because a call waits for the answer."""
    if code is None:
        return "is gone"
    if code >= 0:
        return f"ended with exit code {code}"
    try:
        name = signal.Signals(-code).name
    except ValueError:  # most real-time signals have no name
        name = str(-code)
    hint = ", often for want of memory" if name == "SIGKILL" else ""
    return f"was ended by the signal {name}{hint}"


def processors() -> int:
    """Count the processors that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _encoded(resident: Any) -> bytes:
    try:
        message = bytes(ForkingPickler.dumps(resident))
    except Exception as error:
        raise WorkerStartError(
            f"it cannot be sent to other processes ({type(error).__name__}: {error}). Define its "
            "functions and classes at the top level of a module"
        ) from error
    if b"__main__" in message and not _main_script_exists():
        raise WorkerStartError(
            "it is defined in an interactive session, which other processes cannot read. "
            "Move its functions and classes to a module (a .py file) and import them"
        )
    return message


def _main_script_exists() -> bool:
    main = sys.modules["__main__"]
    if getattr(main, "__spec__", None) is not None:
        return True
    path = getattr(main, "__file__", None)
    return path is not None and Path(path).is_file()


@contextlib.contextmanager
def _main_script_unread() -> Iterator[None]:
    """Let a spawned process start without reading the main script, as it does by default.

    A simulator that lives in a module needs none of it: so scripts need no main guard, and workers
    start sooner. Other processes, which a thread of the user's may start meanwhile, read it.
    """
    original = spawn.get_preparation_data

    def reduced(name: str) -> dict[str, Any]:
        data = original(name)
        ours = name == _NAME
        return {key: data[key] for key in data if not (ours and key.startswith("init_main"))}

    spawn.get_preparation_data = reduced
    try:
        yield
    finally:
        spawn.get_preparation_data = original
