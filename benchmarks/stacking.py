"""How a committee's members should be scored: each output on its own, or all jointly.

    python -m benchmarks.stacking [--quick]

Problem P1_200 (30 correlated outputs, 20 parameters, 200 runs; 500 test points). Four members are
weighed by the pooled log density of single held-out values (the rule of `Committee`), by the joint
density of all outputs, equally, and with weights of their own for each output. Scores are log
densities per output on the test points: of the mixture, and of the Gaussian of its moments, which
is what likelihoods use. Needs the plugins `gp` and `example`.
"""

import argparse

import numpy as np
from scipy.special import logsumexp
from sklearn.base import clone

import equatorium as eq
from benchmarks.gp import problems
from equatorium.emulate.folds import deal
from equatorium.emulate.stacking import pruned_weights


def members():
    """Two that are good, one that is not, and one whose covariance has a low rank."""
    yield eq.emulator("trend-gp", trend="linear")
    yield eq.emulator("trend-gp", trend="constant")
    yield eq.emulator("rbf")
    yield eq.emulator("conformal", predictor="rbf")


def densities(prediction, Y):
    """Log densities of single outputs (m, p), and of all jointly (m,), as a Gaussian."""
    gaussian = prediction.gaussian()
    square = (Y - gaussian.mean) ** 2 / gaussian.variance
    single = -0.5 * (square + np.log(2 * np.pi * gaussian.variance))
    # A covariance of low rank has no density; the least that gives it one.
    return single, gaussian.with_noise(1e-10 * gaussian.variance.mean()).log_prob(Y)


def measure(seed):
    """Print the scores of every way of weighing."""
    data = problems().load("P1_200", seed)
    X, Y, Xt, Yt = data["X"], data["Y"], data["Xt"][:500], data["Yt"][:500]
    p, fold = Y.shape[1], deal(len(X), "A benchmark")
    held, fresh = [], []
    for member in members():
        parts = np.empty_like(Y), np.empty(len(Y))
        for k in range(5):
            fitted = clone(member).fit(X[fold != k], Y[fold != k])
            found = densities(fitted.predict_dist(X[fold == k]), Y[fold == k])
            for part, values in zip(parts, found, strict=True):
                part[fold == k] = values
        held.append(parts)
        fresh.append(member.fit(X, Y).predict_dist(Xt).gaussian())
    single, joint = (np.array(part) for part in zip(*held, strict=True))
    tests = [densities(gaussian, Yt) for gaussian in fresh]
    single_t, joint_t = (np.array(part) for part in zip(*tests, strict=True))
    ways = {
        "pooled": pruned_weights(single.reshape(len(single), -1)),
        "joint": pruned_weights(joint),
        "equal": np.full(len(single), 1 / len(single)),
    }
    print(f"seed {seed}: members, joint {np.round(joint_t.mean(axis=1) / p, 2)}")
    for name, w in ways.items():
        kept = np.flatnonzero(w)
        mixture = eq.Mixture(
            w[kept], np.stack([fresh[i].mean for i in kept]), [fresh[i].covariance for i in kept]
        )
        _, moments = densities(mixture, Yt)
        print(
            f"  {name:6s} weights {np.round(w, 2)}: single "
            f"{logsumexp(single_t, axis=0, b=w[:, None, None]).mean():.3f}, joint "
            f"{logsumexp(joint_t, axis=0, b=w[:, None]).mean() / p:.3f}, joint as a Gaussian "
            f"{moments.mean() / p:.3f}"
        )
    own = np.stack([pruned_weights(single[:, :, j]) for j in range(p)], axis=1)
    each = logsumexp(single_t, axis=0, b=own[:, None]).mean()
    print(f"  one weight an output: single {each:.3f}", flush=True)


def main():
    """Measure four seeds, or one."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one seed")
    options, _ = parser.parse_known_args()
    for seed in (2,) if options.quick else (2, 3, 4, 5):
        measure(seed)


if __name__ == "__main__":
    main()
