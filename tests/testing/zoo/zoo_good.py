"""Good methods, one for each role and capability; the wrong ones each spoil one thing of these."""

import hashlib
from pathlib import Path

import numpy as np

from equatorium import (
    Classifier,
    Diagonal,
    Draws,
    Embedder,
    Emulator,
    Ensemble,
    Gaussian,
    Network,
    Observation,
    Outputs,
    Parameter,
    Sampler,
    Simulated,
    Simulator,
    Space,
    state_array,
)
from equatorium.checks import floats
from equatorium.errors import InputError
from equatorium.records.covariance import Dense
from equatorium.testing.reference import ReferencePCA, ReferenceRidge


def lines(X):
    return np.column_stack([np.ones(len(X)), X])


class Ridge(Emulator):
    """The emulator of the contract's own docstring."""

    capabilities = frozenset({"variance"})

    def __init__(self, *, alpha=1.0):
        self.alpha = alpha

    def _fit(self, X, Y, noise):
        A = np.column_stack([np.ones(len(X)), X])
        self.coef_ = np.linalg.solve(A.T @ A + self.alpha * np.eye(A.shape[1]), A.T @ Y)
        self.variance_ = np.mean((Y - A @ self.coef_) ** 2, axis=0)

    def _predict_dist(self, X):
        mean = np.column_stack([np.ones(len(X)), X]) @ self.coef_
        return Gaussian(mean, Diagonal(np.broadcast_to(self.variance_, mean.shape)))


class Weighted(ReferenceRidge):
    """Lines, with declared noise."""


class Able(Emulator):
    """Bayesian lines: everything in closed form."""

    capabilities = frozenset({"variance", "covariance", "joint", "gradient", "loo", "update"})

    def _fit(self, X, Y, noise):
        A = lines(X)
        self.X_, self.Y_ = X.copy(), Y.copy()
        self.V_ = np.linalg.inv(A.T @ A + 1e-9 * np.eye(A.shape[1]))
        self.coef_ = self.V_ @ A.T @ Y
        residual = Y - A @ self.coef_
        self.S_ = residual.T @ residual / len(X) + 1e-9 * np.eye(Y.shape[1])

    def _size(self, X):
        A = lines(X)
        return 1.0 + np.einsum("mi,ij,mj->m", A, self.V_, A)

    def _predict_dist(self, X):
        return Gaussian(lines(X) @ self.coef_, Dense(self._size(X)[:, None, None] * self.S_))

    def predict_joint(self, X, output):
        A = lines(X)
        return (np.eye(len(X)) + A @ self.V_ @ A.T) * self.S_[output, output]

    def predict_dist_vjp(self, X, mean_bar, cov_bar):
        slope = 2.0 * (lines(X) @ self.V_)[:, 1:]
        return mean_bar @ self.coef_[1:].T + (cov_bar * self.S_).sum((1, 2))[:, None] * slope

    def loo(self):
        A = lines(self.X_)
        h = np.einsum("mi,ij,mj->m", A, self.V_, A)[:, None]
        mean = self.Y_ - (self.Y_ - A @ self.coef_) / (1.0 - h)
        return Gaussian(mean, Diagonal(np.diag(self.S_) / (1.0 - h)))

    def update(self, X, y):
        return self.fit(np.vstack([self.X_, X]), np.vstack([self.Y_, y]))


class Patient(Ridge):
    """Takes the mean for what is missing."""

    capabilities = frozenset({"variance", "missing"})

    def _fit(self, X, Y, noise):
        self.middle_ = np.nanmean(X, axis=0)
        super()._fit(np.where(np.isnan(X), self.middle_, X), Y, noise)

    def _predict_dist(self, X):
        return super()._predict_dist(np.where(np.isnan(X), self.middle_, X))


class Card(Ridge):
    """Says that it can compute elsewhere."""

    capabilities = frozenset({"variance", "gpu"})

    def __init__(self, *, alpha=1.0, device="cpu"):
        self.alpha = alpha
        self.device = device


class Pair(Ensemble, Emulator):
    """Two lines, from the even and the odd runs."""

    capabilities = frozenset({"variance"})

    def _fit(self, X, Y, noise):
        halves = [slice(None)] * 2 if len(X) < 4 else [slice(0, None, 2), slice(1, None, 2)]
        self.members_ = [ReferenceRidge().fit(X[half], Y[half]) for half in halves]

    def predict_members(self, X):
        return np.stack([member.predict_dist(X).mean for member in self.members_])

    def _predict_dist(self, X):
        both = [member.predict_dist(X) for member in self.members_]
        variance = (both[0].variance + both[1].variance) / 2.0
        return Gaussian((both[0].mean + both[1].mean) / 2.0, Diagonal(variance))


class Net(Network, Ridge):
    """Lines that pretend to have been trained."""

    def __init__(self, *, alpha=1.0, device="cpu"):
        self.alpha = alpha
        self.device = device

    def _fit(self, X, Y, noise):
        super()._fit(X, Y, noise)
        self.history_ = {"loss": np.array([3.0, 2.0, 2.5])}

    def to_device(self, device):
        return self


class Centroid(Classifier):
    """The nearest mean."""

    def _fit(self, X, codes):
        self.centre_ = np.stack([X[codes == c].mean(axis=0) for c in range(len(self.classes_))])

    def _predict_proba(self, X):
        d2 = ((X[:, None] - self.centre_) ** 2).sum(axis=2)
        P = np.exp(-0.5 * (d2 - d2.min(axis=1, keepdims=True)))
        return P / P.sum(axis=1, keepdims=True)

    def set_state(self, state):
        if state:
            c = len(state_array(state, "classes_", (None,), kinds="UOifb"))
            state_array(state, "centre_", (c, state.get("n_features_in_")))
        return super().set_state(state)


class Axes(ReferencePCA):
    """Principal components, with errors and gaps, and back."""


class OneWay(Embedder):
    """Principal components, and no way back."""

    def _fit(self, X, ivar):
        self.mean_ = X.mean(axis=0)
        self.axes_ = np.linalg.svd(X - self.mean_, full_matrices=False)[2][:2]

    def _transform(self, X, ivar):
        return (X - self.mean_) @ self.axes_.T

    def set_state(self, state):
        if state:
            state_array(state, "mean_", (state.get("n_features_in_"),))
            state_array(state, "axes_", (None, state.get("n_features_in_")))
        return super().set_state(state)


class Line(Simulator):
    """A line with noise."""

    name = "line"
    version = "1"
    capabilities = frozenset({"noise"})
    observations = {"lines": "zoo_good:observed"}  # noqa: RUF012

    def __init__(self, *, slope=2.0, deep=False):
        self.slope = float(slope)
        self.options = {"slope": self.slope, "deep": deep}
        self.space = Space([Parameter("a", 0.0, 1.0), Parameter("b", 0.0, 1.0)])
        self.outputs = Outputs(["low", "high"], {"x": [0.0, 1.0]})

    def __call__(self, theta, *, rng):
        a, b = theta
        own = 0.1 * rng.normal(size=2)
        return Simulated(a + b * self.slope * np.arange(2.0) + own, np.full(2, 0.01), {"n": 2})


def observed():
    return Observation([1.0], [0.1], coords={"x": [0.5]})


class Sieve(Sampler):
    """Prior draws, kept by their likelihood; blocks of the work are stored as they are done."""

    capabilities = frozenset({"restart", "vectorised"})
    view = "box"
    blocks, block = 12, 5000

    def __init__(self, *, keep=800):
        self.keep = keep

    def run(self, posterior, *, rng, starts=None, store=None, resume=True, progress=True):
        self._look_at(starts, posterior)
        seed = self._seed(rng, store)
        theta, score = [], []
        for i in range(self.blocks):
            points = posterior.space.sample(self.block, np.random.default_rng([seed, i]))
            theta.append(points)
            score.append(self._stored(store, i, lambda p=points: self._scores(posterior, p)))
        theta, score = np.concatenate(theta), np.concatenate(score)
        weight = np.exp(score - score.max())
        rng = np.random.default_rng([seed, 999])
        chosen = theta[rng.choice(len(theta), self.keep, p=weight / weight.sum())]
        return self._draws(posterior, chosen)

    def _draws(self, posterior, chosen):
        samples = chosen.reshape(4, -1, 8, posterior.d)
        log_prob = self._log_prob(posterior, chosen).reshape(samples.shape[:-1])
        return Draws(posterior.names, samples, log_prob, posterior.space)

    def _log_prob(self, posterior, theta):
        return posterior.log_prob(theta)

    def _scores(self, posterior, points):
        return posterior.log_likelihood(points)

    def _look_at(self, starts, posterior):
        if starts is not None:
            starts = floats(starts, "starts")
            if starts.shape[1:] != (posterior.d,) or not np.isfinite(starts).all():
                raise InputError(f"starts of shape {starts.shape} are of no use.")

    def _seed(self, rng, store):
        seed = int(np.random.default_rng(rng).integers(2**31))
        return int(self._stored(store, "seed", lambda: np.array(seed)))

    def _stored(self, store, name, make):
        if store is None:
            return make()
        path = Path(f"{store}-{hashlib.md5(str(name).encode()).hexdigest()}.npy")
        if not path.exists():
            np.save(path, make())
        return np.load(path)


GOOD = {
    "emulator": [Ridge, Weighted, Able, Patient, Card],
    "classifier": [Centroid],
    "embedder": [Axes, OneWay],
    "ensemble": [Pair],
    "network": [Net],
    "simulator": [Line],
    "sampler": [Sieve],
}
