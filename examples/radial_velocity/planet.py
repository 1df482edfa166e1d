"""51 Pegasi b: a Keplerian orbit, jitter, and correlated noise of the star, fitted together.

The velocities are those of the star whose planet was found first (Mayor & Queloz 1995,
doi:10.1038/378355a0), if the folder EQUATORIUM_DATA has them (time_series/51peg_rv.dat);
otherwise they are generated, and the figure says so.
"""

import os
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from astropy.timeseries import LombScargle
from orbit import radial_velocity

import equatorium as eq

path = Path(os.environ.get("EQUATORIUM_DATA", "")) / "time_series/51peg_rv.dat"
if path.exists():
    source, (t, v, v_err) = "51 Pegasi, observed", np.loadtxt(path).T
else:
    source, rng = "generated, like 51 Pegasi", np.random.default_rng(1)
    t = np.sort(rng.integers(2, 36, 80) + rng.uniform(0.6, 0.9, 80))
    v_err = rng.uniform(2.5, 6.5, 80)
    v = radial_velocity(t, 4.231, 56.0, 1.0, 0.05, 0.05, 0.0) + 1.2 * v_err * rng.normal(size=80)
t = t - t.mean()

# A likelihood has a maximum near every alias of a period: the periodogram says where to look.
frequency, power = LombScargle(t, v, v_err).autopower(minimum_frequency=0.1, maximum_frequency=0.9)
P, K = 1 / frequency[power.argmax()], np.ptp(v) / 2
orbit = eq.Curve(
    radial_velocity,
    [
        eq.Parameter("period", 0.95 * P, 1.05 * P, unit="d", label="$P$"),
        eq.Parameter("amplitude", 0.3 * K, 3 * K, prior="loguniform", unit="m/s", label="$K$"),
        eq.Parameter("longitude", -np.pi, np.pi, unit="rad", label=r"$\lambda_0$"),
        eq.Parameter("ecos", -0.7, 0.7, label=r"$\sqrt{e}\,\cos\omega$"),
        eq.Parameter("esin", -0.7, 0.7, label=r"$\sqrt{e}\,\sin\omega$"),
        eq.Parameter("offset", -K, K, unit="m/s", label=r"$\gamma$"),
    ],
    {"eccentricity": "ecos**2 + esin**2"},
)
model = eq.CorrelatedNoise(t, v, v_err, orbit, kernel="matern32")
# The star is old and quiet. A longer or stronger memory could not be told from the offset.
space = model.space.replace("noise_std", prior="halfnormal(5)", unit="m/s")
space = space.replace("noise_time", high=10.0, unit="d").replace("jitter", unit="m/s")
model = model.with_space(space)

posterior = eq.Posterior(model.space, model)
starts = eq.annealed_starts(posterior, rng=1)  # no chain is stuck on a minor summit
sampler = eq.sampler("emcee", walkers=40, until={"rhat": 1.02, "ess": 200})
draws = sampler.run(posterior, rng=1, starts=starts, progress=False)
print(source)
print(draws.summary())
period = draws["period"]
print(f"period: {period.mean():.4f} +- {period.std():.4f} d")
print(f"eccentricity: below {np.quantile(model.values(draws)['eccentricity'], 0.95):.3f} (95 %)")

some = draws.thinned(200)
best = {name: np.median(draws[name]) for name in draws.names}
noise, _ = model.noise(some, t)
corrected = v - noise.mean(axis=0)
columns = {p.name: model.values(some)[p.name][:, None] for p in orbit.parameters}
phase = t / best["period"] % 1
grid = np.linspace(0, 1, 200)
# Each draw has a period of its own: its curve is drawn over its own phase.
curves = radial_velocity(grid * columns["period"], **columns) - columns["offset"]
residual = corrected - radial_velocity(t, **columns).mean(axis=0)

figure, (top, bottom) = plt.subplots(
    2, 1, figsize=(6.4, 5.2), sharex=True, height_ratios=(3, 1), layout="constrained"
)
low, high = np.quantile(curves, [0.025, 0.975], axis=0)
error = np.hypot(v_err, best["jitter"])
top.fill_between(grid, low, high, color="C0", alpha=0.4, lw=0, label="Keplerian, 95 %")
top.errorbar(phase, corrected - best["offset"], error, fmt="k.", ms=4, lw=0.8, label=source)
top.set_ylabel("velocity less offset and\ncorrelated noise [m/s]")
top.legend(frameon=False, ncols=2, loc="upper center")
top.margins(y=0.2)
bottom.axhline(0, color="C0", lw=1)
bottom.errorbar(phase, residual, error, fmt="k.", ms=4, lw=0.8)
bottom.set(xlabel=f"phase, period {best['period']:.4f} d", ylabel="residual [m/s]", xlim=(0, 1))
figure.savefig("velocity.png", dpi=120)
figure = eq.plots.corner(draws, ["period", "amplitude", "ecos", "esin", "jitter", "noise_std"])
figure.savefig("corner.png", dpi=120)
