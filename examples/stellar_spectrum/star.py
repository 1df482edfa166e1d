"""Teff, log g and [Fe/H] of an observed star, and its velocity, from a library of observed stars.

The library is MILES (Sanchez-Blazquez et al. 2006, doi:10.1111/j.1365-2966.2006.10699.x; labels by
Cenarro et al. 2007, doi:10.1111/j.1365-2966.2006.11196.x), found by EQUATORIUM_DATA; without it
spectra are made up. One star is left out, moved by 150 km/s, and given to the fit.
"""

import os
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

import equatorium as eq

FOLDER = os.environ.get("EQUATORIUM_DATA", Path(__file__).resolve().parents[3] / "shared/data")
MILES = Path(FOLDER) / "spectra" / "miles_stars.npz"
VELOCITY, ERROR = 150.0, 0.005

space = eq.Space(
    [
        eq.Parameter("teff", 4000, 8000, "log", unit="K", label=r"$T_{\rm eff}$"),
        eq.Parameter("logg", 0.0, 5.5, unit="dex", label=r"$\log g$"),
        eq.Parameter("feh", -2.6, 0.6, unit="dex", label="[Fe/H]"),
    ]
)


def library():
    """Labels (n, 3) and spectra of the stars of MILES that lie inside the space."""
    file = np.load(MILES)
    labels = np.column_stack([file["teff"], file["logg"], file["feh"]]).astype(float)
    inside = space.contains(np.nan_to_num(labels, nan=-9.0))
    spectra = eq.Spectra(file["wave"], file["flux"], medium="air", names=file["name"])
    return labels[inside], spectra[inside].select(4800, 5600)


def made_up():
    """Blackbodies with lines that answer to all labels, and an abundance that is none of them."""
    rng, wave = np.random.default_rng(0), np.arange(4800.0, 5600.0, 3.0)
    labels = space.sample(150, 1)
    centres = rng.uniform(4820, 5580, 40)
    slope = rng.normal([-1.0, 0.0, 0.8], [0.9, 0.3, 0.8], (40, 3))
    strength = rng.uniform(0.1, 0.5, 40) * np.exp((space.to_unit(labels) - 0.5) @ slope.T)
    strength[:, ::5] *= np.exp(0.1 * rng.standard_normal((150, 1)))
    lines = np.exp(-0.5 * ((wave - centres[:, None]) / 5) ** 2)
    planck = 1 / np.expm1(1.4388e8 / wave / labels[:, :1]) * (wave / 5200) ** -5.0
    flux = planck / planck.mean(axis=1, keepdims=True) * np.exp(-strength @ lines)
    noise = 0.003 * rng.standard_normal(flux.shape)
    return labels, eq.Spectra(wave, flux + noise, names=[f"s{i}" for i in range(150)])


real = MILES.exists()
source = "MILES" if real else "made-up stars (no EQUATORIUM_DATA)"
labels, spectra = library() if real else made_up()
wave = spectra.wavelength
grid = eq.log_wavelengths(wave[1], wave[-2], 299792.458 * np.log(wave[-1] / wave[0]) / wave.size)
stars = spectra.resampled(grid, sharp=True)
order = np.random.default_rng(3).permutation(stars.n)
star, held, train = order[0], order[:30], order[30:]
runs = eq.Runs(space, stars.outputs, labels, stars.flux)
emulator = eq.Embedded(
    eq.embedder("pca", n_components=12), eq.emulator("trend-gp", kernel="matern52", random_state=0)
)
surrogate = eq.Surrogate.fitted(runs.subset(train), emulator)
report = eq.holdout_report(surrogate, runs.subset(held))
surrogate = surrogate.with_report(report)
print(f"{train.size} stars of {source}; pixels: median R2 {np.median(report.r2):.3f}", end=", ")
print(f"95 % intervals of {held.size} other stars hold {100 * report.pooled_coverage(0.95):.1f} %")

# The star as a telescope sees it: receding, on its own pixels, with a continuum of its own.
moved = spectra[star].rest_frame(velocity=-VELOCITY).select(grid[8], grid[-9])
noise = ERROR * np.random.default_rng(4).standard_normal(moved.p)
flux = moved.flux[0] * (1 + 0.05 * np.linspace(-1, 1, moved.p) ** 2) + noise
seen = eq.Spectra.measured(moved.wavelength, flux, np.full(moved.p, ERROR)).observation()
operators = [eq.RadialVelocity(), eq.FreeContinuum(degree=3, std=0.1)]
model = eq.SpectralModel(surrogate, seen.coords["wavelength"], operators, margin=300)
likelihood = eq.GaussianLikelihood(model, seen)
v = eq.Parameter("v", -300, 300, unit="km/s", label="$v$")
posterior = eq.Posterior(eq.Space([*space.parameters, v]), likelihood)
sampler = eq.sampler("emcee", walkers=16, until={"rhat": 1.05, "ess": 150})
draws = sampler.run(posterior, rng=1, progress=False)
print(draws.summary())
print(f"catalogue of {spectra.names[star]}:", *labels[star].round(3), f"moved by {VELOCITY} km/s")

# Without the free continuum: what the library says of stars with these labels.
plain = eq.SpectralModel(surrogate, model.wavelength, operators[:1], margin=300)
predicted = plain.predict(draws.thinned(50))
middle, spread = predicted.mean.mean(axis=0), predicted.std.mean(axis=0)
figure, axes = plt.subplots(
    2, sharex=True, figsize=(8, 5), height_ratios=[2, 1], layout="constrained"
)
for panel, zero in zip(axes, (0.0, middle), strict=True):
    low, high = middle - spread - zero, middle + spread - zero
    panel.fill_between(model.wavelength, low, high, color="C0", alpha=0.4, label="predicted, 68 %")
    panel.plot(model.wavelength, seen.values - zero, "k-", lw=0.7, label="observed")
axes[0].set(title=f"{spectra.names[star]}; {source}", ylabel="relative flux density")
axes[0].legend(frameon=False)
axes[1].set(xlabel=r"wavelength [$\AA$]", ylabel="observed - predicted")
figure.savefig("star.png", dpi=120)
