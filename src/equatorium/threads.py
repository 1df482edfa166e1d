"""One thread where several would only wait for each other.

Threads of linear algebra wait by spinning. On small matrices they take longer to meet than one
takes for all of it: many times longer beside other work.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from threading import Lock
from typing import Any

LARGE = 1024  # rows of a matrix: below, what threads lose on a busy machine outweighs their gain
_HELD = Lock()


@contextmanager
def one_thread(rows: int = 0) -> Iterator[None]:
    """Hold linear algebra to one thread, unless matrices are large.

    BLAS is held for the whole process, by one thread of Python at a time, which alone knows what
    to give back: others, and what is nested, go on as they are.

    Parameters
    ----------
    rows : int
        Of the largest matrix. From 1024 on, the libraries choose.

    Examples
    --------
    >>> import numpy as np
    >>> with one_thread(rows=2):
    ...     np.linalg.inv(2 * np.eye(2))
    array([[0.5, 0. ],
           [0. , 0.5]])
    """
    if rows >= LARGE or not _HELD.acquire(blocking=False):
        yield
        return
    try:
        with _libraries(len(sys.modules)).limit(limits=1):
            yield
    finally:
        _HELD.release()


@lru_cache(maxsize=1)
def _libraries(modules: int) -> Any:
    """Find the libraries that are loaded, anew after imports only: to look takes milliseconds."""
    from threadpoolctl import ThreadpoolController  # type: ignore[import-untyped]

    return ThreadpoolController()
