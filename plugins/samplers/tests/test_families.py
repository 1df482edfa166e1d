"""hmc along the gradients of all families of likelihoods, against sums over a grid."""

import warnings

import numpy as np
import pytest

import equatorium as eq
from equatorium.errors import NotConvergedWarning

X = np.linspace(0.0, 1.0, 6)
MODEL = eq.ModelFunction(lambda a, b: a + b * X, jacobian=lambda a, b: (1.0, X))
SPACE = eq.Space([eq.Parameter("a", -3, 3), eq.Parameter("b", -3, 3)])
VALUES = np.array([0.3, 0.2, 0.9, 1.0, 1.1, 1.6])
COUNTS = np.array([2.0, 0.0, 3.0, 6.0, 4.0, 9.0])
DATA = {
    "measured": eq.Observation(VALUES, np.full(6, 0.4)),
    "limits": eq.Observation(VALUES, np.full(6, 0.4), limit=[0, -1, 0, 0, 1, 0]),
    "counts": eq.Observation(COUNTS, np.zeros(6)),
}
SHARED = eq.Dense(0.05 * np.eye(6) + 0.1)
LIKELIHOODS = {
    "limits": lambda: eq.GaussianLikelihood(MODEL, DATA["limits"]),
    "limits that share an error": lambda: eq.GaussianLikelihood(
        MODEL, DATA["limits"], extra=SHARED
    ),
    "student": lambda: eq.StudentLikelihood(MODEL, DATA["measured"], df=3, per_datum=True),
    "poisson": lambda: eq.PoissonLikelihood(MODEL, DATA["counts"], extra=eq.Diagonal(np.ones(6))),
    "binomial": lambda: eq.BinomialLikelihood(MODEL, DATA["counts"], trials=10, extra=SHARED),
}


@pytest.mark.parametrize("name", LIKELIHOODS)
def test_moments_are_those_of_a_sum_over_a_grid(name):
    posterior = eq.Posterior(SPACE, LIKELIHOODS[name]())
    hmc = eq.sampler("hmc", chains=8, warmup=100, until={}, max_steps=150)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotConvergedWarning)
        draws = hmc.run(posterior, rng=1, progress=False)
    axis = np.linspace(-3, 3, 61)
    grid = np.stack(np.meshgrid(axis, axis, indexing="ij"), axis=-1).reshape(-1, 2)
    weight = np.exp(posterior.log_prob(grid) - posterior.log_prob(grid).max())
    mean = np.average(grid, axis=0, weights=weight)
    std = np.sqrt(np.average((grid - mean) ** 2, axis=0, weights=weight))
    ess = np.array(list(draws.ess.values()))
    assert (ess > 500).all()
    assert (np.abs(draws.mean - mean) < 4.5 * std / np.sqrt(ess)).all()
    assert draws.std == pytest.approx(std, rel=4.5 / np.sqrt(2 * ess.min()) + 0.02)
    assert draws.meta["divergences"] == 0
