"""Small matrices are held to one thread, large ones are not, and what was before comes back."""

import threading
from contextlib import contextmanager

import numpy as np
import pytest
from threadpoolctl import threadpool_info, threadpool_limits

import equatorium as eq
from equatorium.threads import LARGE


def threads():
    return {library["filepath"]: library["num_threads"] for library in threadpool_info()}


@pytest.fixture(autouse=True)
def two():
    with threadpool_limits(2):
        yield


def test_one_thread_for_small_matrices_only():
    before = threads()
    assert 2 in before.values()
    with eq.one_thread(rows=LARGE):
        assert threads() == before
    with pytest.raises(KeyError), eq.one_thread(rows=LARGE - 1):
        assert set(threads().values()) == {1}
        raise KeyError
    assert threads() == before


@pytest.mark.parametrize(("rows", "expected"), [(30, {1}), (LARGE, {2})])
def test_a_fit_of_few_rows_takes_one(rows, expected):
    seen = set()

    class Asking(eq.Emulator):
        def _fit(self, X, Y, noise):
            seen.update(threads().values())
            self.mean_ = Y.mean(axis=0)

        def _predict_dist(self, X):
            return eq.Gaussian(np.tile(self.mean_, (len(X), 1)), eq.Diagonal(np.ones((len(X), 1))))

    before = set(threads().values())
    X = np.random.default_rng(0).random((rows, 2))
    Asking().fit(X, X.sum(axis=1)).predict(X[:3])
    assert seen == (expected if expected == {1} else before)
    assert set(threads().values()) == before


def test_threads_of_python_that_overlap_give_back_what_was_before(monkeypatch):
    class Library:
        threads = 2

        @contextmanager
        def limit(self, limits):
            before, self.threads = self.threads, limits
            yield
            self.threads = before

    library, inside, go = Library(), threading.Event(), threading.Event()
    monkeypatch.setattr("equatorium.threads._libraries", lambda modules: library)

    def other():
        inside.wait()
        with eq.one_thread():
            go.set()
            main.join()

    def one():
        with eq.one_thread():
            inside.set()
            go.wait()
            assert library.threads == 1

    main, second = threading.Thread(target=one), threading.Thread(target=other)
    for thread in (main, second):
        thread.start()
    second.join()
    assert library.threads == 2
