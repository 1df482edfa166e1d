"""Data that several files of tests learn from."""

import numpy as np
import pytest


@pytest.fixture
def runs():
    def made(n=300, seed=0, missing=False):
        """A curve and a line whose scatter grows with the first input; the third says nothing."""
        rng = np.random.default_rng(seed)
        X = rng.random((n, 3))
        scatter = (0.05 + 0.3 * X[:, 0])[:, None]
        Y = np.stack([np.sin(5 * X[:, 0]) + X[:, 1], 2 * X[:, 1] - X[:, 0]], axis=1)
        Y = Y + scatter * rng.normal(size=Y.shape)
        if missing:
            X[rng.random(X.shape) < 0.1] = np.nan
        return X, Y

    return made


@pytest.fixture
def clouds():
    def made(n=400, seed=0, width=1.5):
        """Three overlapping clouds of points."""
        rng = np.random.default_rng(seed)
        codes = rng.integers(3, size=n)
        centres = np.array([[0.0, 0.0], [3.0, 0.0], [0.0, 3.0]])
        return centres[codes] + width * rng.normal(size=(n, 2)), np.array(["a", "b", "c"])[codes]

    return made
