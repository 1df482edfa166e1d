"""Networks where runs are many: as the mean of a residual process."""

import numpy as np
import pytest

import equatorium as eq


def steep(X):
    """Return a step that bends, and a wave."""
    return np.tanh(8 * (X[:, 0] - 0.5 - 0.2 * X[:, 1])) + np.sin(3 * X[:, 2]) * X[:, 3]


@pytest.mark.slow
def test_a_process_on_the_residuals_of_a_network_of_ten_thousand_runs():
    rng = np.random.default_rng(0)
    X, new = rng.random((10_000, 5)), rng.random((1000, 5))
    y = steep(X) + 0.05 * rng.normal(size=10_000)
    how = {"layers": "dense(64) silu dense(64) silu", "epochs": 10, "batch_size": 128}
    mean = eq.network("mlp", n_members=1, random_state=0, **how)
    few = {"n_inducing": 60, "n_subset": 300, "evaluations": 4}
    residual = eq.emulator("sparse-gp", random_state=0, **few)
    both = eq.emulator("residual-gp", mean=mean, residual=residual, folds=2).fit(X, y)
    prediction = both.predict_dist(new)
    error = prediction.mean[:, 0] - steep(new)
    alone = np.sqrt(np.mean((mean.fit(X, y).predict(new) - steep(new)) ** 2))
    rms = np.sqrt(np.mean(error**2))
    print(f"rms error {rms:.4f}, of the network alone {alone:.4f}")
    assert rms < 1.1 * alone and rms < 0.05
    noisy = error + 0.05 * rng.normal(size=1000)
    assert 0.6 < np.mean(noisy**2 / prediction.variance[:, 0]) < 1.6
