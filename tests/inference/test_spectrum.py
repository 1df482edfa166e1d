"""One spectrum of thousands of pixels: nothing of the size of a pixel matrix per point."""

import time
import tracemalloc

import numpy as np
import pytest
from scipy import stats

import equatorium as eq
from equatorium.interfaces.emulator import Emulator
from equatorium.records.covariance import Dense, Diagonal, LowRank


class Spectra(Emulator):
    """Linear in k basis spectra whose amplitudes are uncertain, as an embedded emulator gives."""

    def __init__(self, k=8):
        self.k = k

    def _fit(self, X, Y, noise):
        self.coef_ = np.linalg.lstsq(np.column_stack([np.ones(len(X)), X]), Y, rcond=None)[0]
        x = np.linspace(0, 1, Y.shape[1])
        self.basis_ = np.cos(np.pi * np.outer(x, np.arange(self.k)))

    def _predict_dist(self, X):
        mean = np.column_stack([np.ones(len(X)), X]) @ self.coef_
        factor = self.basis_ * (0.01 + 0.02 * X[:, :1, None])
        variance = np.full(mean.shape, 1e-4)
        return eq.Gaussian(mean, LowRank(variance, factor))


def spectrum(q, k=8, **options):
    rng = np.random.default_rng(0)
    space = eq.Space([eq.Parameter("teff", 0, 1), eq.Parameter("logg", 0, 1)])
    outputs = eq.Outputs([f"pixel{i}" for i in range(q)])
    X = rng.random((20, 2))
    A = rng.standard_normal((2, q))
    surrogate = eq.Surrogate.fitted(eq.Runs(space, outputs, X, X @ A), Spectra(k))
    y = [0.4, 0.6] @ A + 0.1 * rng.standard_normal(q)
    observation = eq.Observation(y, rng.uniform(0.05, 0.15, q), names=outputs.names)
    likelihood = eq.GaussianLikelihood(surrogate, observation, override="exact", **options)
    return likelihood, space.sample(64, 1)


@pytest.mark.parametrize("family", [eq.GaussianLikelihood, eq.StudentLikelihood])
def test_the_low_rank_path_gives_the_dense_numbers(family):
    gauss, theta = spectrum(q=60)
    likelihood = gauss
    if family is eq.StudentLikelihood:
        likelihood = family(gauss.surrogate, gauss.observation, override="exact", df=4)
    own = likelihood.predict(theta)
    expected = []
    for mean, S in zip(own.mean, own.cov().dense(), strict=True):
        S = S + likelihood.constant.dense()
        if family is eq.GaussianLikelihood:
            expected.append(
                stats.multivariate_normal(mean, S).logpdf(likelihood.observation.values)
            )
        else:
            expected.append(stats.multivariate_t(mean, S, 4).logpdf(likelihood.observation.values))
    assert likelihood.log_likelihood(theta) == pytest.approx(expected, rel=1e-10)


def forbid(*args, **kwargs):
    raise AssertionError("a matrix of pixels by pixels was asked for")


def test_thousands_of_pixels_need_no_matrix_of_pixels(monkeypatch):
    likelihood, theta = spectrum(q=4000, free={"jitter": "s"})
    assert isinstance(likelihood.constant, Diagonal)
    theta = np.column_stack([theta, np.full(64, 0.05)])
    for cls in (Dense, LowRank, Diagonal):
        monkeypatch.setattr(cls, "dense", forbid)
    monkeypatch.setattr(Dense, "__init__", forbid)
    started = time.perf_counter()
    tracemalloc.start()
    values = likelihood.log_likelihood(theta)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    print(f"{time.perf_counter() - started:.3f} s, {peak / 2**20:.0f} MiB")
    assert np.isfinite(values).all()
    # m q k numbers a few times over; one matrix of pixels a point would be 64 * 122 MiB.
    assert peak < 10 * 64 * 4000 * 8 * 8 < 64 * 4000**2 * 8 / 20


def test_limits_among_thousands_of_pixels_need_none_either(monkeypatch):
    likelihood, theta = spectrum(q=2000)
    limit = np.zeros(2000, dtype=int)
    limit[[5, 900, 1500]] = -1
    seen = eq.Observation(
        likelihood.observation.values,
        likelihood.observation.covariance,
        names=likelihood.observation.names,
        limit=limit,
    )
    likelihood = eq.GaussianLikelihood(likelihood.surrogate, seen, override="exact")
    whole = LowRank.dense

    def small(self):
        assert self.p <= 3
        return whole(self)

    monkeypatch.setattr(LowRank, "dense", small)
    assert np.isfinite(likelihood.log_likelihood(theta)).all()
