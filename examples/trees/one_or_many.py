"""One tree and many: what bagging and boosting make of the same noisy curve.

A tree changes with every sample. Bagging averages trees of bootstrap samples: members of variance
s^2 and correlation rho leave s^2 (rho + (1 - rho) / T). AdaBoost makes something of trees that are
too shallow: 300 of depth 4, each on the points that the others missed.
"""

import matplotlib.pyplot as plt
import numpy as np

import equatorium as eq

SETS, MOST = 12, 30


def truth(x):
    """Two waves, one six times as fast as the other."""
    return np.sin(x) + np.sin(6 * x)


def sample(rng, n=100):
    """Draw points along the curve, with noise."""
    x = np.sort(rng.uniform(0.0, 6.0, n))
    return x[:, None], truth(x) + rng.normal(0.0, 0.3, n)


rng = np.random.default_rng(1)
grid = np.linspace(0.05, 5.95, 400)[:, None]
X, y = sample(rng)

tree = eq.emulator("tree", max_depth=4, min_samples_leaf=1).fit(X, y)
bagging = eq.emulator("bagging", member=eq.emulator("tree", min_samples_leaf=2), random_state=0)
bagging.fit(X, y)
adaboost = eq.emulator("adaboost", n_estimators=300, random_state=0).fit(X, y)
for name, model in (("tree", tree), ("bagging", bagging), ("adaboost", adaboost)):
    rms = np.sqrt(np.mean((model.predict(grid) - truth(grid[:, 0])) ** 2))
    print(f"{name}: rms error {rms:.3f}")

# The same on other sets: how much the members differ, and their means.
members = []
for seed in range(SETS):
    other = eq.emulator("bagging", member=bagging.member, n_estimators=MOST, random_state=seed)
    members.append(other.fit(*sample(rng)).predict_members(grid)[..., 0])
members = np.array(members)  # (sets, T, points)
sizes = np.arange(1, MOST + 1)
means = members.cumsum(axis=1) / sizes[:, None]
variance = means.var(axis=0, ddof=1).mean(axis=1)
sigma2 = members.var(axis=0, ddof=1).mean()
off = members - members.mean(axis=0)
pairs = np.einsum("sit,skt->ik", off, off) / (SETS - 1) / len(grid)
rho = (pairs.sum() - np.trace(pairs)) / (MOST * (MOST - 1)) / sigma2
print(f"members: variance {sigma2:.3f}, correlation {rho:.2f}")
print(f"mean of {MOST}: variance {variance[-1]:.3f}, law {sigma2 * (rho + (1 - rho) / MOST):.3f}")

figure, axes = plt.subplots(1, 3, figsize=(11, 3.6), layout="constrained")
for one in axes[:2]:
    one.plot(grid, truth(grid), color="k", ls="--", lw=1, label="true")
    one.plot(X, y, ".", color="0.6", ms=3)
    one.set(xlabel="x", ylabel="y", ylim=(-2.6, 3.4))
axes[0].plot(grid, tree.predict(grid), color="C1", lw=1, label="one tree of depth 4")
axes[0].plot(grid, adaboost.predict(grid), color="C2", lw=1.4, label="AdaBoost of 300")
mean, std = bagging.predict(grid, return_std=True)
axes[1].plot(grid, bagging.predict_members(grid)[:8, :, 0].T, color="0.8", lw=0.6, zorder=0)
axes[1].plot(grid, mean, color="C0", lw=1.4, label="bagging of 30")
axes[1].fill_between(
    grid[:, 0], mean - std, mean + std, color="C0", alpha=0.25, lw=0, label="68 % of new points"
)
axes[2].plot(sizes, variance, "o", ms=3, color="C0", label=f"{SETS} training sets")
law = sigma2 * (rho + (1 - rho) / sizes)
axes[2].plot(
    sizes, law, color="k", lw=1, label=rf"$\sigma^2(\rho + (1 - \rho)/T)$, $\rho$={rho:.2f}"
)
axes[2].axhline(sigma2 * rho, color="0.6", ls=":", lw=1)
axes[2].set(xlabel="number of trees T", ylabel="variance of their mean", ylim=(0, None))
for one in axes:
    one.legend(frameon=False, fontsize=8, loc="upper right")
figure.savefig("one_or_many.png", dpi=120)
