"""Whether outputs are better emulated together or apart, by their joint leave-one-out score."""

import copy
from typing import Any

import numpy as np

from equatorium import Diagonal, Gaussian

MOST_APART = 12  # outputs up to which kernels apart are tried
BETTER_APART = 0.02  # joint log score an output that these must gain,
OVERFITTED = 2.0  # and so much for each kernel parameter a run: measured, benchmarks/RESULTS.md


def least_gain(n: int, d: int) -> float:
    """Leave-one-out log score an output that kernels apart must gain to be taken.

    The score does not see that kernels were learned from the same n runs; each output's own has d
    length-scales more.
    """
    return BETTER_APART + OVERFITTED * d / n


def better_of_both(model: Any, few: int) -> Any:
    """Fit copies of a `TrendGP` that knows its runs, on so many of them; return the better one.

    Of fewer than all, with the active inputs and the trend that it has chosen for all.
    """
    rows = np.sort(np.random.default_rng(model.random_state).permutation(len(model.X_))[:few])
    best, most = None, -np.inf
    for sharing in ("components", "each"):
        twin = copy.copy(model)
        twin.X_, twin.Y_ = model.X_[rows], model.Y_[rows]
        twin.noise_ = model.noise_[rows] if len(model.noise_) else model.noise_
        if few < len(model.X_):
            twin.active, twin.trend = model.active_.tolist(), model.trend_
        twin._fit_as(sharing, runs=len(model.X_))
        twin._finish()
        score = _score(twin)
        if score > most + least_gain(few, len(twin.active_)):
            best, most = twin, score
    return best


def _score(model: Any) -> float:
    """Joint log density of the runs, each predicted from all others, an output."""
    left_out = model.loo()
    if len(model.noise_):
        total = left_out.covariance + Diagonal(model.noise_)
        left_out = Gaussian(left_out.mean, total)
    return float(left_out.log_prob(model.Y_).mean()) / model.n_outputs_
