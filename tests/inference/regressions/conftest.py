"""Simulation-based calibration by importance sampling: exact posteriors, no chains, seconds."""

from types import SimpleNamespace

import numpy as np
import pytest
from scipy import stats


def ranks(truths, simulate, log_likelihood, prior, rng):
    """Rank of each truth (d,) in its posterior, (mocks, d); weights of prior draws (s, d)."""
    found = []
    for truth in truths:
        data = simulate(truth, rng)
        logs = log_likelihood(data, prior)
        weights = np.exp(logs - logs.max())
        weights /= weights.sum()
        found.append(weights @ (prior < truth))
    return np.array(found)


def uniform_p(found):
    """p-values (d,) of uniformity, times d (Bonferroni)."""
    return np.array([stats.kstest(column, "uniform").pvalue for column in found.T]) * found.shape[1]


@pytest.fixture(scope="session")
def calibration():
    return SimpleNamespace(ranks=ranks, uniform_p=uniform_p)


# Hogg, Bovy & Lang 2010 (arXiv:1008.4686), table 1: x, y, sigma_y, sigma_x, rho_xy.
HOGG = """
201 592 61 9 -0.84  244 401 25 4 0.31  47 583 38 11 0.64  287 402 15 7 -0.27
203 495 21 5 -0.33  58 173 15 9 0.67  210 479 27 4 -0.02  202 504 14 4 -0.05
198 510 30 11 -0.84  158 416 16 7 -0.69  165 393 14 5 0.30  201 442 25 5 -0.46
157 317 52 5 -0.03  131 311 16 6 0.50  166 400 34 6 0.73  160 337 31 5 -0.52
186 423 42 9 0.90  125 334 26 8 0.40  218 533 16 6 -0.78  146 344 22 5 -0.56
"""


@pytest.fixture(scope="session")
def hogg():
    return np.array(HOGG.split(), dtype=float).reshape(20, 5).T
