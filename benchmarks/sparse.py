"""Many runs: sparse-gp on 1e5 runs, and beside GPyTorch's variational process on 1e4.

    python -m benchmarks.sparse [--quick]

The borehole function of eight inputs with noise of a tenth of its spread, which no one declares;
5000 new values with noise of their own. Each method runs in a process of its own, for its memory.
GPyTorch's SVGP learns inducing inputs, ARD Matern 5/2, constant mean and noise in float32 by Adam
(0.01, batches of 1024), from inducing inputs drawn among the runs.
"""

import argparse
import json
import resource
import subprocess
import sys
import time

import numpy as np

import equatorium as eq

NEW = 5000


def problem(n):
    """Runs and new points in the unit box, with noise; and the new points' true values."""
    simulator = eq.simulator("borehole")
    rng = np.random.default_rng(n)
    U = rng.random((n + NEW, 8))
    truth = np.array([simulator(u, rng=None)[0] for u in simulator.space.from_unit(U)])
    y = truth + 0.1 * truth.std() * rng.normal(size=len(truth))
    return U[:n], y[:n], U[n:], y[n:], truth[n:]


def sparse(X, y, new, inducing, trend="auto", kernel="auto"):
    model = eq.emulator(
        "sparse-gp", n_inducing=inducing, random_state=0, trend=trend, kernel=kernel
    )
    start = time.process_time()
    model.fit(X, y)
    fitted = time.process_time() - start
    mean, std = model.predict(new, return_std=True)
    return fitted, mean, std


def svgp(X, y, new, inducing, epochs=30):
    import gpytorch
    import torch

    class Process(gpytorch.models.ApproximateGP):
        def __init__(self, points):
            q = gpytorch.variational.CholeskyVariationalDistribution(len(points))
            super().__init__(
                gpytorch.variational.VariationalStrategy(
                    self, points, q, learn_inducing_locations=True
                )
            )
            self.mean_module = gpytorch.means.ConstantMean()
            self.covar_module = gpytorch.kernels.ScaleKernel(
                gpytorch.kernels.MaternKernel(nu=2.5, ard_num_dims=points.shape[1])
            )

        def forward(self, x):
            return gpytorch.distributions.MultivariateNormal(
                self.mean_module(x), self.covar_module(x)
            )

    torch.manual_seed(0)
    start = time.process_time()
    x, center, spread = torch.tensor(X, dtype=torch.float32), y.mean(), y.std()
    z = torch.tensor((y - center) / spread, dtype=torch.float32)
    model = Process(x[torch.randperm(len(x))[:inducing]].clone())
    likelihood = gpytorch.likelihoods.GaussianLikelihood()
    bound = gpytorch.mlls.VariationalELBO(likelihood, model, num_data=len(x))
    adam = torch.optim.Adam([*model.parameters(), *likelihood.parameters()], lr=0.01)
    for _ in range(epochs):
        for rows in torch.randperm(len(x)).split(1024):
            adam.zero_grad()
            loss = -bound(model(x[rows]), z[rows])
            loss.backward()
            adam.step()
    fitted = time.process_time() - start
    model.eval()
    likelihood.eval()
    with torch.no_grad():
        found = likelihood(model(torch.tensor(new, dtype=torch.float32)))
    mean, std = found.mean.double().numpy(), found.variance.double().sqrt().numpy()
    return fitted, center + spread * mean, spread * std


def measured(method, n, inducing, options):
    """Measure one method in this process."""
    X, y, new, seen, truth = problem(n)
    fitted, mean, std = {"sparse-gp": sparse, "SVGP": svgp}[method](X, y, new, inducing, **options)
    z2 = ((seen - mean) / std) ** 2
    return {
        "fit": fitted,
        "memory": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20,
        "error": float(np.sqrt(((truth - mean) ** 2).mean()) / truth.std()),
        "density": float(-0.5 * (np.log(2 * np.pi * (std / truth.std()) ** 2) + z2).mean()),
        "z2": float(z2.mean()),
        "inside": float((z2 < 3.8415).mean()),
    }


def main():
    """Measure all, each in a process of its own."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="2000 runs, 50 inducing points")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    options, _ = parser.parse_known_args()
    if options.one:
        print(json.dumps(measured(*json.loads(options.one))))
        return
    plain = {"trend": "constant"}
    rows = [
        ("sparse-gp", 10_000, 200, plain),
        ("SVGP", 10_000, 200, {"epochs": 30}),
        ("SVGP", 10_000, 200, {"epochs": 100}),
        ("sparse-gp", 10_000, 200, {}),
        ("sparse-gp", 10_000, 500, {}),
        ("sparse-gp", 10_000, 500, {"kernel": "scale(matern52) + scale(rbf)"}),
        ("sparse-gp", 100_000, 500, {}),
    ]
    if options.quick:
        rows = [("sparse-gp", 2000, 50, {}), ("SVGP", 2000, 50, {"epochs": 5})]
    print("method | runs | inducing | options | fit CPU s | GiB | NRMSE | density | z2 | in 95 %")
    for row in rows:
        command = [sys.executable, "-m", "benchmarks.sparse", "--one", json.dumps(row)]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
        v = json.loads(done.stdout.strip().splitlines()[-1])
        told = ", ".join(f"{a} {b}" for a, b in row[3].items())
        print(
            f"{row[0]} | {row[1]} | {row[2]} | {told} | {v['fit']:.1f} | {v['memory']:.2f} | "
            f"{v['error']:.4f} | {v['density']:.3f} | {v['z2']:.2f} | {v['inside']:.3f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
