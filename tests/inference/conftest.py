"""A linear-Gaussian problem: fast, with a posterior that is known in closed form."""

from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from equatorium.emulate.surrogate import Surrogate
from equatorium.inference.draws import Draws
from equatorium.inference.likelihood import GaussianLikelihood
from equatorium.inference.posterior import Posterior
from equatorium.interfaces.emulator import Emulator
from equatorium.records.covariance import Dense, Diagonal
from equatorium.records.discrepancy import Discrepancy
from equatorium.records.observation import Observation
from equatorium.records.outputs import Outputs
from equatorium.records.prediction import Gaussian
from equatorium.records.runs import Runs
from equatorium.records.space import Parameter, Space


class Linear(Emulator):
    """Least squares with a stated covariance; `slope` lets it grow along the first input."""

    def __init__(self, covariance=0.01, slope=0.0, dense=False):
        self.covariance = covariance
        self.slope = slope
        self.dense = dense

    def _fit(self, X, Y, noise):
        self.coef_ = np.linalg.lstsq(np.column_stack([np.ones(len(X)), X]), Y, rcond=None)[0]

    def _predict_dist(self, X):
        mean = np.column_stack([np.ones(len(X)), X]) @ self.coef_
        variance = np.tile((self.covariance * np.exp(self.slope * X[:, :1])), mean.shape[1])
        if not self.dense:
            return Gaussian(mean, Diagonal(variance))
        p = mean.shape[1]
        correlation = 0.5 ** np.abs(np.subtract.outer(np.arange(p), np.arange(p)))
        return Gaussian(mean, Dense(variance[:, :, None] * correlation))


class Silent(Linear):
    """The same, admitting that it knows no variance."""

    capabilities = frozenset()


@dataclass
class Problem:
    """y = A theta + noise of covariance S; flat prior, wide enough to be felt nowhere."""

    space: Space
    A: Any
    likelihood: GaussianLikelihood
    posterior: Posterior
    S: Any
    mean: Any
    covariance: Any


def build(d=3, q=5, edge=9.0, emulator=None, seed=0, error=0.5, **options):
    rng = np.random.default_rng(seed)
    space = Space([Parameter(f"x{j}", -edge, edge) for j in range(d)])
    A = rng.standard_normal((q, d))
    outputs = Outputs([f"y{i}" for i in range(q)])
    X = space.from_unit(rng.random((10 * d, d)))
    emulator = Linear() if emulator is None else emulator
    surrogate = Surrogate.fitted(Runs(space, outputs, X, X @ A.T), emulator)
    truth = rng.uniform(-0.8, 0.8, d)
    y = A @ truth + error * rng.standard_normal(q)
    observation = Observation(y, np.full(q, error), names=outputs.names)
    options.setdefault("override", "exact by construction")
    likelihood = GaussianLikelihood(
        surrogate, observation, Discrepancy(0.2, diagonal=True), **options
    )
    S = (error**2 + 0.2**2 + 0.01) * np.eye(q)
    covariance = np.linalg.pinv(A.T @ np.linalg.solve(S, A))
    mean = covariance @ A.T @ np.linalg.solve(S, y)
    return Problem(space, A, likelihood, Posterior(space, likelihood), S, mean, covariance)


def exact_draws(problem, seed=0, steps=100, mean=None, covariance=None):
    """Independent draws from a problem's posterior, or from another Gaussian over its space."""
    mean = problem.mean if mean is None else mean
    covariance = problem.covariance if covariance is None else covariance
    x = np.random.default_rng(seed).multivariate_normal(mean, covariance, size=(4, steps, 16))
    return Draws(problem.space.names, x, np.zeros(x.shape[:-1]), problem.space)


def central_differences(function, x, step=1e-6):
    """Slope (m, d) of a function x (m, d) -> (m,)."""
    shifts = step * np.eye(x.shape[1])
    return np.stack([function(x + s) - function(x - s) for s in shifts], axis=1) / (2 * step)


@pytest.fixture(scope="session")
def differences():
    """Central differences of a function of points."""
    return central_differences


@pytest.fixture(scope="session")
def tools():
    """What the test files build problems from."""
    return SimpleNamespace(
        build=build, Linear=Linear, Silent=Silent, Problem=Problem, exact_draws=exact_draws
    )


@pytest.fixture
def problem():
    """Three parameters, five data."""
    return build()
