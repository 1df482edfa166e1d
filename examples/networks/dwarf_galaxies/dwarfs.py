"""Slopes of dark halos from the stars of dwarf galaxies, by a convolutional network.

python dwarfs.py [mocks to learn from] [galaxies by MCMC]  ->  the numbers, dwarfs.png, one.png

As in Exposito-Marquez et al. 2023, MNRAS 519, 4384 (doi:10.1093/mnras/stac3799), a kernel estimate
of the stars' (R, velocity) is an image, of which a convolutional mixture density network makes the
distribution of the slope. Their second image, of (x, y), says no more than R of a sphere; words and
sizes of the network are ours. Slopes are those at 150 pc, and at the half-light radius.
"""

import sys
import time

import numpy as np
from galaxy import ISOTROPIC, SPACE, images, observed, slopes
from jeans import sampled_slopes
from pictures import all_slopes, one_galaxy
from scipy import stats

import equatorium as eq

LEARN = int(sys.argv[1]) if len(sys.argv) > 1 else 20_000
CHAINS = int(sys.argv[2]) if len(sys.argv) > 2 else 20
MOCKS, WHERE = 400, ("150 pc", "the half-light radius")
LAYERS = "conv(16, 4, 2, 1) relu conv(32, 4, 2, 1) relu flatten dense(64) relu"


def mocks(space, n, seed):
    """Return galaxies (n, 5) drawn from the prior, their stars, images and slopes."""
    rng = np.random.default_rng(seed)
    theta = space.complete(space.sample(n, rng))
    stars = observed(theta, rng)
    return theta, stars, images(*stars), slopes(theta)


def learned(space):
    """Return a network that has seen galaxies of a space."""
    size = min(LEARN, 1000)  # at once, lest the stars take all the memory
    parts = (mocks(space, size, 10 + k)[2:] for k in range(LEARN // size))
    X, y = map(np.concatenate, zip(*parts, strict=True))
    start = time.process_time()
    how = {"layers": LAYERS, "shape": (1, 24, 24), "head": "mixture", "n_members": 1}
    how |= {"batch_size": 64, "learning_rate": 2e-3, "epochs": 20, "random_state": 0}
    network = eq.network("cnn", **how).fit(X, y)
    print(f"trained on {len(X)} mocks: {time.process_time() - start:.0f} s of one core")
    return network


def judged(name, network, X, y):
    """Print how often slopes are found; return their quantiles (3, n, 2)."""
    found = network.predict_dist(X).quantile([0.16, 0.5, 0.84])
    least, most = stats.binom.interval(0.99, len(y), 0.68) / np.float64(len(y))
    inside = ((found[0] < y) & (y < found[2])).mean(axis=0)
    for j, where in enumerate(WHERE):
        off = np.abs(found[1, :, j] - y[:, j])
        print(
            f"{name}, {where}: within 0.1 {np.mean(off < 0.1):.3f}, within 0.3 "
            f"{np.mean(off < 0.3):.3f}, rms error {np.sqrt(np.mean(off**2)):.3f}, "
            f"68 % intervals hold {inside[j]:.3f} (99 % band {least:.3f} to {most:.3f})"
        )
    return found


round_ones, any_ones = mocks(ISOTROPIC, MOCKS, 2), mocks(SPACE, MOCKS, 3)
of_round, of_any = learned(ISOTROPIC), learned(SPACE)
panels = {
    "isotropic": (round_ones, judged("isotropic", of_round, *round_ones[2:])),
    "anisotropic": (any_ones, judged("anisotropic", of_any, *any_ones[2:])),
    "anisotropic, taken as isotropic": (any_ones, judged("misled", of_round, *any_ones[2:])),
}

start = time.process_time()
R, v = round_ones[1]
chains = [sampled_slopes(R[i], v[i], i) for i in range(CHAINS)]
print(f"{CHAINS} galaxies by MCMC: {time.process_time() - start:.0f} s of one core")
by_mcmc = np.array([np.quantile(c, [0.16, 0.5, 0.84], axis=0) for c in chains])
by_network = panels["isotropic"][1][:, :CHAINS].swapaxes(0, 1)
ratio = (by_network[:, 2] - by_network[:, 0]) / (by_mcmc[:, 2] - by_mcmc[:, 0])
apart = (by_network[:, 1] - by_mcmc[:, 1]) / (by_mcmc[:, 2] - by_mcmc[:, 0]) * 2
for j, where in enumerate(WHERE):
    near = np.mean(np.abs(np.log(ratio[:, j])) < np.log(1.2))
    print(
        f"{where}: width over that of MCMC, median {np.median(ratio[:, j]):.2f}, from "
        f"{ratio[:, j].min():.2f} to {ratio[:, j].max():.2f}, {near:.2f} of them within a factor "
        "1.2; medians differ by "
        f"{np.sqrt(np.mean(apart[:, j] ** 2)):.2f} sigma (rms); "
        f"MCMC within 0.1 {np.mean(abs(by_mcmc[:, 1, j] - round_ones[3][:CHAINS, j]) < 0.1):.2f}"
    )

best = {
    title: (y[:, 1], found[..., 1], theta[:, 4])
    for title, ((theta, _, _, y), found) in panels.items()
}
all_slopes(best).savefig("dwarfs.png", dpi=120)
first = (R[0], v[0], round_ones[2][0].reshape(24, 24), of_round)
one_galaxy(*first, chains[0], round_ones[3][0], WHERE).savefig("one.png", dpi=120)
