"""Emulators that are exact, so that regions and their volumes are known in closed form."""

from types import SimpleNamespace

import numpy as np
import pytest

from equatorium.emulate.surrogate import Surrogate
from equatorium.emulate.validate import Report, holdout_report
from equatorium.history.implausibility import Implausibility
from equatorium.history.region import Wave
from equatorium.interfaces.emulator import Emulator
from equatorium.records.covariance import Dense, Diagonal
from equatorium.records.observation import Observation
from equatorium.records.outputs import Outputs
from equatorium.records.prediction import Gaussian
from equatorium.records.runs import Runs
from equatorium.records.space import Parameter, Space


class Affine(Emulator):
    """y = A u with a stated standard deviation; u in the unit box. It learns nothing."""

    def __init__(self, A=((1.0,),), std=0.05, correlation=0.0):
        self.A = A
        self.std = std
        self.correlation = correlation

    def _fit(self, X, Y, noise):
        self.n_seen_ = len(X)

    def _predict_dist(self, X):
        mean = X @ np.asarray(self.A).T
        if not self.correlation:
            return Gaussian(mean, Diagonal(np.full(mean.shape, self.std**2)))
        p = mean.shape[1]
        C = np.full((p, p), self.correlation) + (1 - self.correlation) * np.eye(p)
        return Gaussian(mean, Dense(np.broadcast_to(self.std**2 * C, (len(X), p, p))))


class Silent(Affine):
    capabilities = frozenset()


def unit_space(d):
    return Space([Parameter(f"x{j}", 0.0, 1.0) for j in range(d)])


def surrogate_of(emulator, space, n=40, report=True):
    """Runs that scatter about the emulator as it says; a report of as many others."""
    rng = np.random.default_rng(7)
    A = np.asarray(emulator.A)
    outputs = Outputs([f"y{i}" for i in range(len(A))])

    def runs(n):
        X = space.sample(n, rng)
        Y = space.to_unit(X) @ A.T
        return Runs(space, outputs, X, Y + emulator.std * rng.standard_normal(Y.shape))

    surrogate = Surrogate.fitted(runs(n), emulator)
    return surrogate.with_report(holdout_report(surrogate, runs(60))) if report else surrogate


def selecting(indices, d):
    """The coordinates at `indices` as outputs."""
    return np.eye(d)[list(indices)].tolist()


def make_wave(space, A, values, *, error=0.05, std=0.05, cutoff=3.0, rule="maximum", **options):
    surrogate = surrogate_of(Affine(A, std), space)
    names = surrogate.outputs.names
    observation = Observation(values, np.full(len(names), error), names=names)
    return Wave(Implausibility(surrogate, observation, **options), rule, cutoff)


@pytest.fixture
def tools():
    return SimpleNamespace(
        Affine=Affine,
        Silent=Silent,
        Report=Report,
        unit_space=unit_space,
        surrogate_of=surrogate_of,
        selecting=selecting,
        make_wave=make_wave,
    )
