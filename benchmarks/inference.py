"""What a posterior costs: our samplers beside plain emcee, on the same emulator outputs.

    python -m benchmarks.inference [--quick | --part N] [--json FILE]

The target is shaped like the calibration of a galaxy-formation model: 20 parameters in a box, 6
outputs that respond to 8 of them, mildly nonlinearly, so that directions are tightly constrained,
loosely, and (12 parameters) not at all. The outputs are given by a formula in place of an emulator,
so that what is measured is the samplers; each pays for the same likelihood.

Plain emcee is what its documentation shows: 64 walkers from the prior, in the box, the default
stretch move, its HDFBackend; with ``vectorize=True``, for without it it is far slower.

The effective size is counted alike for all, with no model of the chains: R ensembles (or runs) that
know nothing of each other have means that scatter with variance B, draws within have variance W;
R W / B, by the means over the parameters of B / W, and for the worst parameter. Evaluations are
those of what is kept, the second half of each chain; of nested sampling and sequential Monte Carlo
all. The seconds include what is thrown away only in the last column: from nothing to the end.
"""

import argparse
import json
import tempfile
import time
import warnings
from pathlib import Path

import numpy as np

import equatorium as eq
from equatorium.errors import NotConvergedWarning

D, ACTIVE, P = 20, 8, 6


class Formula(eq.Emulator):
    """Outputs by a formula, with a small variance; nothing is learned. Knows its gradient."""

    capabilities = frozenset({"variance", "gradient"})

    def _fit(self, X, Y, noise):
        rng = np.random.default_rng(7)
        self.linear_, self.wave_ = rng.standard_normal((2, ACTIVE, P))

    def _predict_dist(self, X):
        x = 2 * X[:, :ACTIVE] - 1
        mean = x @ self.linear_ + 0.3 * np.sin(2 * x @ self.wave_)
        return eq.Gaussian(mean, eq.Diagonal(np.full_like(mean, 0.03**2)))

    def predict_dist_vjp(self, X, mean_bar, cov_bar):
        x = 2 * X[:, :ACTIVE] - 1
        gradient = np.zeros_like(X)
        bent = 0.6 * mean_bar * np.cos(2 * x @ self.wave_)
        gradient[:, :ACTIVE] = 2 * (mean_bar @ self.linear_.T + bent @ self.wave_.T)
        return gradient


def galaxy_shaped():
    """Return the posterior; data of sd 0.15 at a point off the centre."""
    space = eq.Space([eq.Parameter(f"u{j}", 0, 1) for j in range(D)])
    outputs = eq.Outputs([f"y{i}" for i in range(P)])
    X = np.random.default_rng(0).random((8, D))
    surrogate = eq.Surrogate.fitted(eq.Runs(space, outputs, X, np.zeros((8, P))), Formula())
    truth = np.where(np.arange(D) % 2, 0.45, 0.6)
    y = surrogate.predict(truth[None]).mean[0]
    observation = eq.Observation(y, np.full(P, 0.15), names=outputs.names)
    likelihood = eq.GaussianLikelihood(
        surrogate, observation, eq.Discrepancy.none(), override="exact by construction"
    )
    return Counted(space, likelihood)


class Counted(eq.Posterior):
    """Counts the points at which the likelihood or its gradient is asked for, and the calls."""

    points = calls = 0

    def log_likelihood(self, theta):
        self.points, self.calls = self.points + len(theta), self.calls + 1
        return super().log_likelihood(theta)

    def log_likelihood_and_gradient(self, theta):
        self.points, self.calls = self.points + len(theta), self.calls + 1
        return super().log_likelihood_and_gradient(theta)


def effective(x):
    """Effective size of x (ensemble, draw, d): by the mean parameter, and for the worst."""
    ratio = x.mean(axis=1).var(axis=0, ddof=1) / x.var(axis=1).mean(axis=0)
    return len(x) / ratio.mean(), len(x) / ratio.max()


def plain(posterior, ensembles, steps, timed, folder):
    """Plain emcee: mixing from many chains in memory, seconds a step from one with HDFBackend."""
    import emcee

    def sampler(seed, backend=None):
        made = emcee.EnsembleSampler(64, D, posterior.log_prob, vectorize=True, backend=backend)
        made._random.seed(seed)
        return made

    rng = np.random.default_rng(0)
    kept = []
    for seed in range(ensembles):
        one = sampler(seed)
        one.run_mcmc(rng.random((64, D)), steps)
        kept.append(one.get_chain(discard=steps // 2, flat=True))
    kept = np.stack(kept)
    backend = emcee.backends.HDFBackend(Path(folder) / "plain.h5")
    start = time.perf_counter(), time.process_time()
    sampler(99, backend).run_mcmc(rng.random((64, D)), timed)
    wall, cpu = time.perf_counter() - start[0], time.process_time() - start[1]
    evaluations = kept.shape[0] * kept.shape[1]
    return report("plain emcee", kept, evaluations, (wall / timed / 64, cpu / timed / 64), 2.0)


def chains(name, posterior, repeats, folder, **options):
    """Measure ours by chains: `repeats` times its own number of ensembles."""
    kept, wall, cpu, kept_points, points = [], 0.0, 0.0, 0, 0
    for seed in range(repeats):
        before, start = posterior.points, (time.perf_counter(), time.process_time())
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", NotConvergedWarning)
            draws = eq.sampler(name, until={}, **options).run(
                posterior,
                rng=seed,
                progress=False,
                store=Path(folder) / f"{len(list(Path(folder).iterdir()))}.h5",
            )
        wall, cpu = wall + time.perf_counter() - start[0], cpu + time.process_time() - start[1]
        points += posterior.points - before
        kept_points += draws.meta.get("gradients") or (posterior.points - before) / 2
        kept.append(draws.samples.reshape(len(draws.samples), -1, D))
    kept = np.concatenate(kept)
    who = f"{name}, {options}" if name == "batched-ensemble" else name
    return report(who, kept, kept_points, (wall / points, cpu / points), points / kept_points)


def runs(name, posterior, folder, **options):
    """Measure ours by independent runs."""
    before, start = posterior.points, (time.perf_counter(), time.process_time())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotConvergedWarning)
        draws = eq.sampler(name, **options).run(
            posterior, rng=0, progress=False, store=Path(folder) / f"{name}.h5"
        )
    points = posterior.points - before
    wall, cpu = time.perf_counter() - start[0], time.process_time() - start[1]
    row = report(name, draws.samples[:, :, 0], points, (wall / points, cpu / points), 1.0)
    return {**row, "log-evidence": draws.meta["log_evidence"]} | {
        "evidence error": draws.meta["log_evidence_error"]
    }


def report(name, kept, evaluations, seconds, whole):
    """Return one row; `whole` is all evaluations over those of what is kept."""
    size, worst = effective(kept)
    wall, cpu = seconds
    row = {
        "sampler": name,
        "ensembles": len(kept),
        "ESS": size,
        "evaluations / ESS": evaluations / size,
        "worst": evaluations / worst,
        "us / evaluation": 1e6 * cpu,
        "ESS / CPU s": size / (cpu * evaluations),
        "ESS / s": size / (wall * evaluations),
        "ESS / CPU s, whole": size / (cpu * evaluations * whole),
    }
    cells = (f"{v:.4g}" if isinstance(v, float) else str(v) for v in row.values())
    print(" | ".join(cells), flush=True)
    return row


def checkpoints(posterior, folder, steps):
    """Return the CPU seconds of batched-ensemble with checkpoints over those in memory."""
    options = {"until": {}, "max_steps": steps, "checkpoint_every": 10.0}
    taken = {}
    for how in ("memory", "file") * 2:
        store = None if how == "memory" else Path(folder) / "overhead.h5"
        start = time.process_time()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", NotConvergedWarning)
            eq.sampler("batched-ensemble", **options).run(
                posterior, rng=0, store=store, resume=False, progress=False
            )
        taken.setdefault(how, []).append(time.process_time() - start)
    return min(taken["file"]) / min(taken["memory"])


def main():
    """Measure all, or a tenth of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a tenth: numbers mean little")
    parser.add_argument("--part", type=int, default=1, help="one N-th of all steps")
    parser.add_argument("--json", type=Path, help="write the numbers here too")
    options, _ = parser.parse_known_args()
    part = 10 if options.quick else options.part
    posterior = galaxy_shaped()
    with tempfile.TemporaryDirectory() as folder:
        print(
            "sampler | ensembles | ESS | evaluations / ESS | worst | us / evaluation | "
            "ESS / CPU s | ESS / s | ESS / CPU s, whole"
        )
        rows = [
            plain(posterior, 8, 4000 // part, 400 // part, folder),
            chains("batched-ensemble", posterior, 2, folder, max_steps=4000 // part),
            chains("emcee", posterior, 2, folder, max_steps=4000 // part),
            chains("hmc", posterior, 2, folder, max_steps=max(100, 400 // part), warmup=400),
        ]
        overhead = checkpoints(posterior, folder, 3000 // part)
        print(f"checkpoints: {overhead:.2f} of the CPU time in memory", flush=True)
        rows += [
            chains("batched-ensemble", posterior, 2, folder, walkers=256, max_steps=2000 // part),
            runs("pocomc", posterior, folder, runs=4),
            runs("dynesty", posterior, folder, live=500 // part, runs=4),
        ]
    base = rows[0]
    for row in rows[1:]:
        fewer = base["evaluations / ESS"] / row["evaluations / ESS"]
        more = row["ESS / CPU s"] / base["ESS / CPU s"]
        wall = row["ESS / s"] / base["ESS / s"]
        print(
            f"{row['sampler']}: {fewer:.1f} times fewer evaluations, {more:.0f} times more "
            f"effective samples per CPU second, {wall:.0f} per second"
        )
    if options.json:
        options.json.write_text(json.dumps({"rows": rows, "checkpoints": overhead}, indent=1))


if __name__ == "__main__":
    main()
