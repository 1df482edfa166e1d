"""The figures of the dwarf galaxies: slopes found and true; one galaxy and its posterior."""

import matplotlib.pyplot as plt
import numpy as np


def all_slopes(panels):
    """Draw slopes at the half-light radius: title -> true ones (n,), quantiles (3, n), b (n,)."""
    figure, axes = plt.subplots(
        1, len(panels), figsize=(11, 3.9), layout="constrained", sharex=True, sharey=True
    )
    how = {"cmap": "coolwarm", "vmin": -1, "vmax": 1, "edgecolors": "0.3", "linewidths": 0.4}
    for axis, (title, (true, found, b)) in zip(axes, panels.items(), strict=True):
        error = np.abs(found[[0, 2]] - found[1])
        axis.errorbar(true, found[1], error, fmt="none", ecolor="0.75", lw=0.6, zorder=1)
        dots = axis.scatter(true, found[1], 12, b, **how)
        axis.axline((-1.2, -1.2), slope=1, color="k", lw=1)
        axis.set(xlabel="true slope at the half-light radius", title=title)
    axes[0].set_ylabel("slope by the network, 68 %")
    figure.colorbar(dots, label="anisotropy $b$ far out")
    return figure


def one_galaxy(R, v, image, network, chain, true, where):
    """Draw the stars over their image, and what network and MCMC say of both slopes."""
    figure, axes = plt.subplots(1, 3, figsize=(11, 3.4), layout="constrained")
    axes[0].imshow(image.T**2, origin="lower", extent=(-2, 1, 0, 60), aspect="auto")
    axes[0].plot(np.log10(R), np.abs(v), ".", color="w", ms=1.5, alpha=0.6)
    axes[0].set(xlabel=r"$\log_{10}\, R/{\rm kpc}$", ylabel="|velocity| [km/s]")
    axes[0].set(title=f"{len(R)} stars", xlim=(-2, 1), ylim=(0, 40))
    grid = np.linspace(-1.6, 0.0, 300)
    same = network.predict_dist(np.repeat(image.reshape(1, -1), len(grid), axis=0))
    for j, axis in enumerate(axes[1:]):
        density = np.exp(same.marginal(j).log_prob(grid[:, None]))
        axis.plot(grid, density, color="C0", label="network")
        axis.hist(chain[:, j], 40, density=True, color="0.8", label="Jeans equation, MCMC")
        axis.axvline(true[j], color="k", ls="--", lw=1, label="truth")
        axis.set(xlabel=f"slope at {where[j]}", ylabel="density", xlim=(-1.6, 0.0))
    axes[1].legend(frameon=False, fontsize=9, loc="upper left")
    return figure
