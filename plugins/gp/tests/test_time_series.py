"""Light curves and radial velocities: units, scikit-learn's numbers, real stars."""

import os
import re
import subprocess
import sys
from pathlib import Path

import gpytorch
import numpy as np
import pytest
from astropy.timeseries import LombScargle
from numpy.testing import assert_allclose
from scipy.stats import binom
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF, ConstantKernel, ExpSineSquared

import equatorium as eq
from equatorium_gp import kernels
from equatorium_gp.trend_gp import TrendGP

ROOT = Path(__file__).parents[3]
PERIOD, SHAPE, DECAY = 4.3, 0.8, 20.0
needs_data = pytest.mark.skipif("EQUATORIUM_DATA" not in os.environ, reason="no EQUATORIUM_DATA")


def quasi_periodic(width, period=PERIOD, shape=SHAPE, decay=DECAY):
    """GPyTorch's, in units of the series: its periodic length is the square of the usual one."""
    kernel = gpytorch.kernels.PeriodicKernel() * gpytorch.kernels.RBFKernel()
    kernel = kernel.double()
    kernel.kernels[0].period_length = period / width
    kernel.kernels[0].lengthscale = shape**2
    kernel.kernels[1].lengthscale = decay / width
    return kernel


def learned_period(model, width):
    """The period of a fitted model, in the units of time."""
    kernel = quasi_periodic(width)
    kernels.load(kernel, model.kernel_parameters_[0])
    return width * kernel.kernels[0].period_length.item()


def curve(n=150, seed=0):
    rng = np.random.default_rng(seed)
    t = np.sort(rng.uniform(0.0, 30.0, n))
    dy = rng.uniform(0.05, 0.2, n)
    y = np.sin(2 * np.pi * t / PERIOD) * (1 + 0.3 * np.sin(t / 9)) + 3.0
    return t, y + dy * rng.normal(size=n), dy


@pytest.mark.parametrize(("optimise", "rtol"), [(False, 1e-8), (True, 1e-5)])
def test_a_hundred_times_y_and_dy_is_a_hundred_times_mean_and_std(optimise, rtol):
    """At given kernel parameters to rounding; learned ones differ by where the search stops."""
    t, y, dy = curve()
    options = {"kernel": quasi_periodic(np.ptp(t)), "trend": "constant", "optimise": optimise}
    query = np.linspace(-1.0, 31.0, 60)[:, None]
    mean, std = TrendGP(**options).fit(t[:, None], y, noise=dy**2).predict(query, return_std=True)
    again = TrendGP(**options).fit(t[:, None], 100 * y, noise=(100 * dy) ** 2)
    found, spread = again.predict(query, return_std=True)
    assert_allclose(found, 100 * mean, rtol=rtol)
    assert_allclose(spread, 100 * std, rtol=rtol)
    # The twin: errors given instead of variances.
    wrong = TrendGP(**options).fit(t[:, None], 100 * y, noise=100 * dy)
    assert np.abs(wrong.predict(query, return_std=True)[1] / std / 100 - 1).max() > 0.01


def test_the_numbers_are_those_of_scikit_learn():
    """Mean, std and likelihood with ExpSineSquared * RBF at the same values, and dy**2 as alpha."""
    t, y, dy = curve()
    model = TrendGP(kernel=quasi_periodic(np.ptp(t)), trend="constant", optimise=False)
    model.fit(t[:, None], y, noise=dy**2)
    scale, nugget = model.signal_variance_[0], model.nugget_variance_[0]
    offset, n = model.coefficients_[0, 0], len(t)
    kernel = ConstantKernel(scale) * ExpSineSquared(SHAPE, PERIOD) * RBF(DECAY)
    peer = GaussianProcessRegressor(kernel, alpha=dy**2 + nugget, optimizer=None)
    peer.fit(t[:, None], y - offset)
    K = kernel(t[:, None]) + np.diag(dy**2 + nugget)
    ones = np.linalg.solve(K, np.ones(n))
    assert_allclose(offset, ones @ y / ones.sum(), rtol=1e-8)
    query = np.linspace(-1.0, 31.0, 60)[:, None]
    mean, std = model.predict(query, return_std=True)
    found, spread = peer.predict(query, return_std=True)
    assert_allclose(mean, offset + found, rtol=1e-8)
    # What not knowing the offset adds, and the nugget of a new value.
    trend = (1.0 - kernel(query, t[:, None]) @ ones) ** 2 / ones.sum()
    variance = (spread**2 + trend + nugget) * model.variance_factor_[0]
    assert_allclose(std, np.sqrt(variance), rtol=1e-8)
    # Restricted: the offset is integrated out.
    restricted = 0.5 * (np.log(2 * np.pi * n) - np.log(ones.sum()))
    expected = peer.log_marginal_likelihood_value_ + restricted
    assert_allclose(model.log_likelihood_, expected, rtol=1e-8)
    wrong = ConstantKernel(scale) * ExpSineSquared(SHAPE**2, PERIOD) * RBF(DECAY)
    twin = GaussianProcessRegressor(wrong, alpha=dy**2 + nugget, optimizer=None)
    value = twin.fit(t[:, None], y - offset).log_marginal_likelihood_value_ + restricted
    assert abs(value - expected) > 0.1


def test_the_example_finds_period_and_trend_and_fills_the_gap(tmp_path):
    path = ROOT / "examples" / "time_series" / "light_curve.py"
    assert len(path.read_text().splitlines()) <= 100
    result = subprocess.run(
        [sys.executable, "-W", "error::UserWarning", str(path)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        env=os.environ | {"MPLBACKEND": "agg"},
        check=False,
        timeout=300,
    )
    assert result.returncode == 0, result.stderr[-3000:]
    numbers = [float(x) for x in re.findall(r"\d+\.\d+", result.stdout)]
    _, period, true_period, slope, its_error, true_slope, error, predicted = numbers
    assert abs(period - true_period) < 0.02
    assert abs(slope - true_slope) < 3 * its_error < 0.06
    assert 0.3 < error / predicted < 2.0
    assert (tmp_path / "time_series.png").stat().st_size > 20_000


def data(name):
    return Path(os.environ["EQUATORIUM_DATA"]) / "time_series" / name


@pytest.mark.realdata
@needs_data
def test_the_planet_of_51_pegasi():
    """83 velocities: 4.2308 d (Mayor & Queloz 1995, doi:10.1038/378355a0), from a periodogram."""
    t, velocity, error = np.loadtxt(data("51peg_rv.dat")).T
    frequency, power = LombScargle(t, velocity, error).autopower(
        minimum_frequency=0.02, maximum_frequency=0.9
    )
    start, width = 1.0 / frequency[power.argmax()], np.ptp(t)
    kernel = quasi_periodic(width, start, 1.0, width)
    model = TrendGP(kernel=kernel, trend="constant").fit(t[:, None], velocity, noise=error**2)
    period = learned_period(model, width)
    assert abs(period - 4.2308) < 0.01
    assert abs(start - 4.2308) > 0.03  # the periodogram alone is farther away
    loo = model.loo()
    inside = np.abs(velocity - loo.mean[:, 0]) < 1.96 * np.sqrt(loo.variance[:, 0] + error**2)
    least, most = binom.interval(0.99, len(t), 0.95)
    assert least <= inside.sum() <= most


@pytest.mark.realdata
@needs_data
def test_twelve_gaps_in_a_kepler_light_curve_of_2260_points():
    """KIC 1430163, 58 days, gaps of half a day: what is said of the error in them is true."""
    with np.load(data("kepler_kic1430163.npz")) as file:
        t, flux, error = (file[name][:2500] for name in ("time", "flux", "err"))
    starts = np.linspace(t[0] + 3.0, t[-1] - 4.0, 12)
    gap = ((t[:, None] > starts) & (t[:, None] < starts + 0.5)).any(axis=1)
    options = {"trend": "constant", "full_evaluations": 0, "random_state": 0}
    model = eq.emulator("trend-gp", kernel="matern32", **options)
    model.fit(t[~gap][:, None], flux[~gap], noise=error[~gap] ** 2)
    assert len(model.X_) == 2260
    mean, std = model.predict(t[gap][:, None], return_std=True)
    square = (mean - flux[gap]) ** 2
    line = np.interp(t[gap], t[~gap], flux[~gap])
    assert square.mean() < 1.5 * np.mean((line - flux[gap]) ** 2)
    assert 0.5 < np.mean(square / (std**2 + error[gap] ** 2)) < 1.8
    assert np.mean(square / error[gap] ** 2) > 5.0  # the twin: as sure as an exposure
