"""A noisy quasi-periodic light curve with a gap: its period, its trend, and the gap filled.

The curve is generated, so that what is found can be compared with what is true.
"""

import gpytorch
import matplotlib.pyplot as plt
import numpy as np
import torch
from astropy.timeseries import LombScargle

import equatorium as eq
from equatorium_gp.kernels import load

PERIOD, SLOPE = 4.3, 0.05  # days; magnitudes a day


def truth(t):
    """A spotted star: two harmonics, whose strength wanders, and a slow drift."""
    wave = 0.5 * np.sin(2 * np.pi * t / PERIOD) * (1 + 0.3 * np.sin(t / 9))
    return wave + 0.2 * np.cos(4 * np.pi * t / PERIOD + 0.5) + SLOPE * t


def quasi_periodic(period, decay, width):
    """A period, and over how long the curve forgets its shape; `width` is that of the series."""
    kernel = gpytorch.kernels.PeriodicKernel() * gpytorch.kernels.RBFKernel()
    kernel.kernels[0].period_length = period / width  # emulators scale inputs to the unit box
    kernel.kernels[0].lengthscale = 1.0
    kernel.kernels[1].lengthscale = decay / width
    return kernel.double()


rng = np.random.default_rng(0)
t = np.sort(rng.uniform(0.0, 60.0, 600))
t = t[(t < 30.0) | (t > 36.0)]  # the gap
dy = rng.uniform(0.03, 0.15, len(t))
y = truth(t) + dy * rng.normal(size=len(t))

# A likelihood has a maximum near every multiple of a period: the periodogram says where to start.
flat = y - np.polyval(np.polyfit(t, y, 1), t)
frequency, power = LombScargle(t, flat, dy).autopower(maximum_frequency=2.0)
start = 1.0 / frequency[power.argmax()]

width = np.ptp(t)
kernel = quasi_periodic(start, 20.0, width)
model = eq.emulator("trend-gp", kernel=kernel, trend="linear", n_subset=len(t))
model.fit(t[:, None], y, noise=dy**2)

learned = quasi_periodic(start, 20.0, width)
load(learned, model.kernel_parameters_[0])
period = width * learned.kernels[0].period_length.item()
# Terms are Legendre polynomials of time scaled to [-1, 1], by generalised least squares.
slope = model.coefficients_[1, 0] * 2.0 / width
x = torch.from_numpy((t[:, None] - t[0]) / width)
K = model.signal_variance_ * learned(x).to_dense().detach().numpy()
K += np.diag(dy**2 + model.nugget_variance_)
H = np.column_stack([np.ones_like(t), t])
error = np.sqrt(np.linalg.inv(H.T @ np.linalg.solve(K, H))[1, 1])
print(f"period: {start:.3f} d at the start, {period:.3f} d learned, {PERIOD} d true")
print(f"trend: {slope:.4f} +- {error:.4f} mag/d, {SLOPE} mag/d true")

grid = np.linspace(-2.0, 64.0, 800)
mean, std = model.predict(grid[:, None], return_std=True)
gap = (grid > 30.0) & (grid < 36.0)
z = (truth(grid) - mean)[gap] / std[gap]
print(f"in the gap: rms error {np.std(z * std[gap]):.3f} mag, {np.mean(std[gap]):.3f} predicted")

figure, axes = plt.subplots(figsize=(9, 3.6), layout="constrained")
axes.axvspan(30.0, 36.0, color="0.93", lw=0)
axes.errorbar(t, y, dy, fmt=".", ms=3, lw=0.5, color="0.55", label="observed")
axes.plot(grid, truth(grid), color="k", lw=1, ls="--", label="true")
axes.plot(grid, mean, color="C0", lw=1.2, label="trend-gp")
axes.fill_between(grid, mean - 2 * std, mean + 2 * std, color="C0", alpha=0.35, lw=0)
axes.set(xlabel="time [d]", ylabel="magnitude", xlim=(grid[0], grid[-1]))
axes.invert_yaxis()
axes.legend(ncols=3, loc="lower left", frameon=False)
figure.savefig("time_series.png", dpi=120)
