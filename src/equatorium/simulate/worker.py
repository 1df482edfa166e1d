"""What a worker process does: take calls from its pipe until the pipe or the parent is gone.

A worker uses one BLAS thread, leaves Ctrl-C to its parent, and ends with it, even by kill -9. This
module imports the standard library only: it is read before the BLAS settings are made.
"""

import contextlib
import multiprocessing
import os
import signal
import sys
import threading
import time
import traceback
from multiprocessing.connection import Connection

PATIENCE = 5.0  # seconds between asking a process to end and making it
UNGUARDED = 97  # exit code: reading the main script has started the runs again
_THREAD_SETTINGS = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "NUMEXPR_NUM_THREADS",
)


class _Stop(BaseException):
    """The parent wants this process to end: unwinds the simulator, so that it can clean up."""


def _stop(*_: object) -> None:
    raise _Stop


def serve(pipe: Connection) -> None:
    """Take the resident, answer None or what is wrong with it, then do one call after another."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _stop)
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    threading.Thread(target=_end_with_parent, daemon=True).start()
    with contextlib.suppress(_Stop, EOFError, OSError):
        _limit_threads()
        try:
            resident = pipe.recv()
        except Exception as error:
            pipe.send(f"a worker process cannot load it ({type(error).__name__}: {error})")
            return
        pipe.send(None)
        while True:
            function, args, kwargs = pipe.recv()
            try:
                answer = (True, function(resident, *args, **kwargs))
            except Exception as error:
                answer = (False, RuntimeError(f"{type(error).__name__}: {error}"))
            pipe.send(answer)


def _limit_threads() -> None:
    """Use one BLAS thread, unless the user's environment says otherwise."""
    loaded = "numpy" in sys.modules and "OMP_NUM_THREADS" not in os.environ
    for name in _THREAD_SETTINGS:
        os.environ.setdefault(name, "1")
    if loaded:  # by the main script; BLAS has read its settings already
        import threadpoolctl  # type: ignore[import-untyped]

        threadpoolctl.threadpool_limits(1)


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(PATIENCE)
        os._exit(1)


def leave_if_reread() -> None:
    """End this process quietly if it is a worker that is only reading the main script."""
    for frame, _ in traceback.walk_stack(sys._getframe()):
        if frame.f_globals.get("__name__") == "__mp_main__" and frame.f_code.co_name == "<module>":
            os._exit(UNGUARDED)
