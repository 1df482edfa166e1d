"""Counts against scipy's Poisson and binomial, integrals against brute force."""

import numpy as np
import pytest
from scipy import integrate, stats
from scipy.special import expit

import equatorium as eq
from equatorium.errors import InputError, ShapeError
from equatorium.records.covariance import Dense, Diagonal, LowRank

N = np.array([3.0, 0.0, 12.0, 250.0])
MODEL = eq.ModelFunction(
    lambda a, b: a + b * np.arange(4.0), jacobian=lambda a, b: (1.0, np.arange(4.0))
)
SEEN = eq.Observation(N, np.zeros(4))
THETA = np.column_stack([np.linspace(-2.0, 3.0, 6), np.linspace(2.5, -1.0, 6)])


def poisson(**options):
    return eq.PoissonLikelihood(MODEL, SEEN, exposure=[1.0, 2.0, 0.5, 3.0], **options)


def binomial(**options):
    return eq.BinomialLikelihood(MODEL, SEEN, trials=[5, 4, 30, 260], **options)


def density(family):
    """p(n | f) of datum i by scipy."""
    if family is poisson:
        exposure = [1.0, 2.0, 0.5, 3.0]
        return lambda i, f: stats.poisson(exposure[i] * np.exp(f)).logpmf(N[i])
    trials = [5, 4, 30, 260]
    return lambda i, f: stats.binom(trials[i], expit(f)).logpmf(N[i])


@pytest.mark.parametrize("family", [poisson, binomial])
def test_a_sure_model_gives_the_probability_of_the_counts(family):
    logpmf = density(family)
    expected = [sum(logpmf(i, f) for i, f in enumerate(mean)) for mean in MODEL(THETA)]
    assert family().log_likelihood(THETA) == pytest.approx(expected, rel=1e-10)


def test_rates_in_dex():
    tens = eq.PoissonLikelihood(MODEL, SEEN, exposure=0.1, base=10)
    expected = [stats.poisson(0.1 * 10**f).logpmf(N).sum() for f in MODEL(THETA)]
    assert tens.log_likelihood(THETA) == pytest.approx(expected, rel=1e-10)


@pytest.mark.parametrize("family", [poisson, binomial])
@pytest.mark.parametrize("sd", [0.01, 0.1, 0.5, 2.0])
def test_uncertainty_is_integrated_out_datum_by_datum(family, sd):
    """Adaptive integration of scipy; counts of 250 with sd = 2 need the nodes about the peak."""
    logpmf = density(family)
    likelihood = family(extra=Diagonal(np.full(4, sd**2)))
    found = likelihood.log_likelihood(THETA[1:5])
    for mean, value in zip(MODEL(THETA[1:5]), found, strict=True):
        total = 0.0
        for i, mu in enumerate(mean):
            grid = mu + np.linspace(-14 * sd - 6, 14 * sd + 6, 20_001)
            logs = logpmf(i, grid) + stats.norm(mu, sd).logpdf(grid)
            top = logs.max()
            total += top + np.log(integrate.simpson(np.exp(logs - top), x=grid))
        assert value == pytest.approx(total, abs=2e-4)


@pytest.mark.parametrize("family", [poisson, binomial])
def test_diagonal_written_as_dense_is_laplace_and_close(family):
    """Laplace's approximation of the same integral: off by less than 0.1, not by rounding."""
    sure = family(extra=Diagonal(np.full(4, 0.04))).log_likelihood(THETA[1:5])
    laplace = family(extra=Dense(0.04 * np.eye(4))).log_likelihood(THETA[1:5])
    assert 1e-8 < np.abs(sure - laplace).max() < 0.05


@pytest.mark.parametrize("family", [poisson, binomial])
def test_correlated_uncertainty_against_a_grid(family):
    """All data share one error of 0.4: the integral is one over that error."""
    logpmf = density(family)
    factor = np.full((4, 1), 0.4)
    low = family(extra=LowRank(np.full(4, 1e-10), factor)).log_likelihood(THETA[2:4])
    dense = family(extra=Dense(factor @ factor.T + 1e-10 * np.eye(4))).log_likelihood(THETA[2:4])
    assert low == pytest.approx(dense, abs=1e-5)
    grid = np.linspace(-8, 8, 8001)
    for mean, value in zip(MODEL(THETA[2:4]), low, strict=True):
        logs = sum(logpmf(i, mu + 0.4 * grid) for i, mu in enumerate(mean))
        logs = logs + stats.norm.logpdf(grid)
        exact = logs.max() + np.log(np.trapezoid(np.exp(logs - logs.max()), grid))
        assert value == pytest.approx(exact, abs=0.02)
        # The wrong twin takes them as independent, as if each datum had an error of its own.
        apart = family(extra=Diagonal(np.full(4, 0.16))).log_likelihood(THETA[2:4])
    assert np.abs(apart - low).max() > 0.5


def test_the_emulator_s_variance_is_integrated(tools):
    problem = tools.build(emulator=tools.Linear(0.2))
    surrogate = problem.likelihood.surrogate
    seen = eq.Observation([1, 0, 3, 2, 1], np.zeros(5), names=surrogate.outputs.names)
    theta = 0.05 * problem.space.sample(4, 0)
    found = eq.PoissonLikelihood(surrogate, seen, override="exact").log_likelihood(theta)
    f = surrogate.predict(theta).mean + np.sqrt(0.2) * np.random.default_rng(0).standard_normal(
        (200_000, 1, 5)
    )
    expected = np.log(np.exp(stats.poisson(np.exp(f)).logpmf(seen.values)).mean(axis=0)).sum(axis=1)
    assert found == pytest.approx(expected, abs=0.02)
    exact = eq.PoissonLikelihood(surrogate, seen, override="exact", emulator_covariance=False)
    assert np.abs(exact.log_likelihood(theta) - expected).min() > 0.02


def test_free_scatter_of_the_latent_is_the_discrepancy_of_counts():
    likelihood = poisson(discrepancy=eq.Discrepancy(diagonal=True), free={"std": "scatter"})
    theta = np.column_stack([THETA[1:5], [0.1, 0.2, 0.5, 1.0]])
    expected = [
        poisson(extra=Diagonal(np.full(4, s**2))).log_likelihood([t])[0]
        for t, s in zip(THETA[1:5], theta[:, 2], strict=True)
    ]
    assert likelihood.log_likelihood(theta) == pytest.approx(expected, rel=1e-10)


LATENTS = {
    "sure": Diagonal(np.zeros(4)),
    "independent": Diagonal(np.array([0.01, 0.5, 0.1, 0.2])),
    "correlated": Dense(0.3 * np.eye(4) + 0.2),
}


@pytest.mark.parametrize("family", [poisson, binomial])
@pytest.mark.parametrize("latent", LATENTS)
def test_the_gradient_is_that_of_the_number(family, latent, differences):
    """By the model's parameters, and by a free scatter, which moves the covariance."""
    one = eq.Discrepancy(diagonal=True)
    for options in ({}, {"discrepancy": one, "free": {"std": "scatter"}}):
        likelihood = family(extra=LATENTS[latent], **options)
        theta = np.column_stack([THETA, np.linspace(0.1, 0.6, 6)])[1:5, : len(likelihood.names)]
        values, gradient = likelihood.log_likelihood_and_gradient(theta)
        assert values == pytest.approx(likelihood.log_likelihood(theta), rel=1e-10)
        true = differences(likelihood.log_likelihood, theta)
        assert gradient == pytest.approx(true, rel=1e-5, abs=1e-5 * np.abs(true).max())


@pytest.mark.parametrize("correlated", [True, False])
def test_the_gradient_through_an_emulator(correlated, differences):
    pytest.importorskip("equatorium_gp")
    space = eq.Space([eq.Parameter("a", -1, 1), eq.Parameter("b", 1, 9, "log")])
    theta = space.sample(25, 0)
    Y = np.stack([np.sin(2 * theta[:, 0]), 2 + theta[:, 0], np.log(theta[:, 1])], axis=1)
    Y += 0.2 * np.random.default_rng(3).standard_normal(Y.shape)
    runs = eq.Runs(space, eq.Outputs(["y0", "y1", "y2"]), theta, Y)
    emulator = eq.emulator("trend-gp", output_correlation=correlated, random_state=0)
    surrogate = eq.Surrogate.fitted(runs, emulator)
    seen = eq.Observation([3, 20, 0], np.zeros(3), names=runs.outputs.names)
    likelihood = eq.PoissonLikelihood(surrogate, seen, override="test", exposure=2.0)
    x = space.from_unit(np.random.default_rng(1).uniform(0.1, 0.9, (5, 2)))
    _, gradient = likelihood.log_likelihood_and_gradient(x)
    true = differences(likelihood.log_likelihood, x)
    assert gradient == pytest.approx(true, rel=1e-4, abs=1e-5 * np.abs(true).max())


def test_hopeless_points_are_finite_and_low():
    far = poisson(extra=Diagonal(np.full(4, 0.01))).log_likelihood([[-60.0, 0.0], [30.0, 0.0]])
    assert np.isfinite(far).all()
    assert (far < -1000).all()
    dense = poisson(extra=Dense(0.01 * np.eye(4))).log_likelihood([[-60.0, 0.0], [12.0, 0.0]])
    assert np.isfinite(dense).all()


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: eq.PoissonLikelihood(MODEL, eq.Observation(N, N)), InputError, "errors of zero"),
        (
            lambda: eq.PoissonLikelihood(MODEL, eq.Observation(N + 0.5, 0 * N)),
            InputError,
            r"Datum 0 is 3\.5, but PoissonLikelihood needs whole",
        ),
        (lambda: eq.PoissonLikelihood(MODEL, SEEN, exposure=0), ShapeError, "exposure"),
        (lambda: eq.PoissonLikelihood(MODEL, SEEN, exposure=[1, 2]), ShapeError, "4 data"),
        (lambda: eq.PoissonLikelihood(MODEL, SEEN, base=1), InputError, "base"),
        (lambda: eq.BinomialLikelihood(MODEL, SEEN, trials=100), InputError, "successes"),
        (
            lambda: eq.PoissonLikelihood(MODEL, SEEN, eq.Discrepancy(fraction=0.1, diagonal=True)),
            InputError,
            "latent",
        ),
        (lambda: poisson(free={"fraction": "f"}), InputError, "latent"),
        (lambda: poisson(free={"jitter": "f"}), InputError, "jitter"),
    ],
)
def test_what_is_no_count_is_refused(make, error, message):
    with pytest.raises(error, match=message):
        make()


@pytest.mark.parametrize(
    ("family", "values", "message"),
    [
        (poisson, N + 0.5, r"Datum 0 is 3\.5, but PoissonLikelihood needs whole"),
        (binomial, -N, "Datum 0 is -3, but BinomialLikelihood needs whole"),
        (binomial, N + 4, "Datum 0 is 7 successes, but there are 5 trials"),
    ],
)
def test_other_data_are_counts_too(family, values, message):
    with pytest.raises(InputError, match=message):
        family().with_data(values)


@pytest.mark.parametrize("base", [np.e, 10.0])
def test_counting_has_its_share_of_the_budget(base, tools):
    """Of log-normal rates, whose variance is small: the variance of counts is m + m^2 s^2."""
    surrogate = tools.build(emulator=tools.Linear(1e-4)).likelihood.surrogate
    seen = eq.Observation([1, 0, 3, 2, 1], np.zeros(5), names=surrogate.outputs.names)
    shared = Diagonal(np.full(5, 4e-4))
    found = eq.PoissonLikelihood(
        surrogate, seen, extra=shared, exposure=1e3, base=base, override="exact"
    )
    theta = np.array([[0.1, 0.2, 0.0]])
    m, unit = found.expected(found.predict(theta).mean)[0], np.log(base)
    parts = {"emulator": m**2 * unit**2 * 1e-4, "simulator": m**2 * unit**2 * 4e-4}
    total = sum(part.sum() for part in parts.values()) + m.sum()
    expected = {name: part.sum() / total for name, part in parts.items()}
    expected |= {"observation": m.sum() / total, "discrepancy": 0.0}
    assert found.budget(theta) == pytest.approx(expected)
    assert min(expected["emulator"], expected["observation"]) > 0.01
    assert poisson().budget(THETA)["observation"] == 1.0
