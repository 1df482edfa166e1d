"""Observed emission lines of an HII region against a grid of photoionisation models.

The grid and the dereddened fluxes are those of NebulaBayes (Thomas et al. 2018, ApJ 856, 89,
doi:10.3847/1538-4357/aab3db), found by EQUATORIUM_DATA; without them a made-up grid stands in.
"""

import os
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

import equatorium as eq
from equatorium.inference.predictive import posterior_predictive

FOLDER = os.environ.get("EQUATORIUM_DATA", Path(__file__).resolve().parents[3] / "shared/data")
GRID = Path(FOLDER) / "simulations" / "nebula_hii_grid.npz"
LINES = ["OII3726_29", "OIII5007", "OI6300", "Halpha", "NII6583", "SII6716", "SII6731"]
FLUX = np.array([8.151, 1.999, 0.09562, 13.21, 5.116, 1.377, 1.249])
ERROR = np.array([0.09008, 0.01888, 0.00222, 0.07635, 0.03159, 0.00999, 0.00923])
HBETA, HBETA_ERROR = 4.634, 0.04013

space = eq.Space(
    [
        eq.Parameter("log_U", -4.0, -2.0, label=r"$\log U$"),
        eq.Parameter("log_P", 4.2, 8.6, label=r"$\log P/k$", unit="dex(K / cm3)"),
        eq.Parameter("log_OH", 7.061, 9.304, label=r"$12 + \log\,$O/H"),
    ]
)


def photoionisation_grid():
    """Log fluxes of the grid's models, which are relative to Hbeta, where no line is masked."""
    file = np.load(GRID)
    columns = [list(file["ynames"]).index(line) for line in LINES]
    ratios = np.log10(file["Y"][:, columns].astype(float))
    X = np.clip(file["X"].astype(float), space.low, space.high)  # they are in single precision
    whole = np.isfinite(ratios).all(axis=1)
    return X[whole], ratios[whole], np.log10(FLUX / HBETA)


def stand_in():
    """A quadratic and numerical noise for each line; an observation of known parameters."""
    rng = np.random.default_rng(0)
    weights = rng.standard_normal((10, len(LINES))) * np.repeat([0.3, 0.8, 0.3], [1, 3, 6])[:, None]

    def ratios(theta):
        u = 2 * space.to_unit(theta) - 1
        squares = [u[:, i] * u[:, j] for i in range(3) for j in range(i, 3)]
        return np.column_stack([np.ones(len(u)), u, *squares]) @ weights

    X = space.sample(350, 1)
    seen = ratios(np.array([[-2.8, 6.3, 8.7]]))[0] + 0.03 * rng.standard_normal(len(LINES))
    return X, ratios(X) + 0.005 * rng.standard_normal((len(X), len(LINES))), seen


real = GRID.exists()
source = "photoionisation grid of NebulaBayes" if real else "made-up grid (no EQUATORIUM_DATA)"
X, Y, ratios = photoionisation_grid() if real else stand_in()
runs = eq.Runs(space, eq.Outputs(LINES, label="log flux / Hbeta", unit="dex"), X, Y)
order = np.random.default_rng(0).permutation(runs.n)
train, held = runs.subset(order[200:700]), runs.subset(order[:200])
surrogate = eq.Surrogate.fitted(train, eq.emulator("trend-gp", kernel="matern52", random_state=0))
surrogate = surrogate.with_report(eq.holdout_report(surrogate, held))
print(f"{train.n} models of the {source}\n{surrogate.report.summary()}")

# Errors of the lines are independent; that of Hbeta, by which all are divided, is shared.
own, shared = ERROR / FLUX / np.log(10), np.full((len(LINES), 1), HBETA_ERROR / HBETA / np.log(10))
observation = eq.Observation(ratios, eq.LowRank(own**2, shared), names=LINES, unit="dex")
# How far the grid may be from a real nebula is not known: the scatter is a parameter as well.
likelihood = eq.GaussianLikelihood(surrogate, observation, free={"std": "scatter"})
scatter = eq.Parameter("scatter", 0.01, 0.5, "log", unit="dex", label=r"$\sigma$")
posterior = eq.Posterior(eq.Space([*space.parameters, scatter]), likelihood)
sampler = eq.sampler("emcee", walkers=32, until={"rhat": 1.01, "ess": 1000 if real else 400})
draws = sampler.run(posterior, rng=1, progress=False)
print(draws.summary())
print({name: round(share, 4) for name, share in likelihood.budget(draws.thinned(500)).items()})
print("nearest model of the grid:", X[np.argmin(np.square(Y - ratios).sum(axis=1))].round(3))

corner = eq.plots.corner(draws)
corner.text(0.36, 0.9, f"HII region; {source}", fontsize=11)
corner.savefig("hii_region_corner.png", dpi=120)
predicted = posterior_predictive(draws, likelihood, n=2000, rng=2)
bars = (
    (predicted.replicated, 9, "0.82", "predicted, with scatter"),
    (predicted.mean, 4, "C0", "predicted by the grid"),
)
at = range(len(LINES))
figure, axes = plt.subplots(2, sharex=True, figsize=(7.5, 5.4), layout="constrained")
for panel, zero in zip(axes, (0.0, ratios), strict=True):
    for values, width, color, label in bars:
        low, high = np.quantile(values, [0.16, 0.84], axis=0) - zero
        panel.vlines(at, low, high, color=color, lw=width, label=label)
    panel.errorbar(at, ratios - zero, observation.errors, fmt="k.", capsize=3, label="observed")
axes[0].set(title=f"HII region; {source}; 68 % intervals", ylabel=r"$\log F/F_{\rm H\beta}$ [dex]")
axes[1].set(ylabel="predicted - observed [dex]")
axes[1].set_xticks(at, LINES, rotation=30)
axes[0].legend(frameon=False, fontsize=9)
figure.savefig("hii_region_lines.png", dpi=120)
