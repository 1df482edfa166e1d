"""tinygp: constant times an anisotropic Matern-5/2 and a jitter, by L-BFGS, one for each output.

The distance must be named: the one that comes with its Matern kernels is L1, with which they are no
covariance functions beyond one input.
"""

import os

os.environ["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false"

import jax
import jax.flatten_util
import jax.numpy as jnp
import numpy as np
from harness import run
from scipy.optimize import minimize
from tinygp import GaussianProcess, kernels, transforms

jax.config.update("jax_enable_x64", True)


def build(theta, X):
    matern = kernels.Matern52(distance=kernels.distance.L2Distance())
    base = transforms.Linear(jnp.exp(-theta["log_scale"]), matern)
    kernel = jnp.exp(2 * theta["log_amplitude"]) * base
    return GaussianProcess(kernel, X, diag=jnp.exp(theta["log_jitter"]), mean=theta["mean"])


def fit(X, Y):
    centre, scale, d = Y.mean(axis=0), Y.std(axis=0), X.shape[1]
    start = {
        "log_scale": jnp.zeros(d),
        "log_amplitude": jnp.zeros(()),
        "log_jitter": jnp.array(np.log(1e-4)),
        "mean": jnp.zeros(()),
    }
    flat, unravel = jax.flatten_util.ravel_pytree(start)

    @jax.jit
    @jax.value_and_grad
    def loss(theta, y):
        return -build(unravel(theta), X).log_probability(y)

    @jax.jit
    def conditioned(theta, y, Xt):
        found = build(unravel(theta), X).condition(y, Xt).gp
        return found.loc, found.variance

    Z = (Y - centre) / scale
    # Beyond these the factorisation breaks; tinygp then gives NaN.
    low, high = (
        jax.flatten_util.ravel_pytree(
            {name: value + start[name] * 0 for name, value in ends.items()}
        )[0]
        for ends in (
            {"log_scale": -5.0, "log_amplitude": -5.0, "log_jitter": np.log(1e-7), "mean": -9.0},
            {"log_scale": 4.0, "log_amplitude": 3.0, "log_jitter": 2.0, "mean": 9.0},
        )
    )
    bounds = np.column_stack([low, high])

    def objective(theta, y):
        value, gradient = (np.asarray(part, float) for part in loss(theta, y))
        return (value, gradient) if np.isfinite(value) else (1e10, np.zeros(len(theta)))

    thetas = [
        minimize(objective, flat, (y,), jac=True, method="L-BFGS-B", bounds=bounds).x for y in Z.T
    ]

    def predict(Xt):
        # In parts: the covariance of all points at once would not fit in memory.
        parts = [Xt[i : i + 1000] for i in range(0, len(Xt), 1000)]
        found = [
            np.concatenate([np.array(conditioned(t, y, part)) for part in parts], axis=1)
            for t, y in zip(thetas, Z.T, strict=True)
        ]
        mean, variance = np.array(found).transpose(1, 2, 0)
        return mean * scale + centre, np.sqrt(np.maximum(variance, 0)) * scale

    return predict


run(fit)
