"""Levels of fidelity: the algebra against brute force, the gain, the calibration, files."""

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.linalg import helmert
from scipy.stats import binom, multivariate_normal, norm, wilcoxon

import equatorium as eq
from equatorium.errors import InputError, StateError
from equatorium_gp.autoregression import SCALES, Numbers, Runs, Step, _likelihoods
from equatorium_gp.multifidelity_gp import MultifidelityGP
from equatorium_gp.trend_gp import TrendGP


def high(x):
    """The function of Forrester, Sobester & Keane 2007, doi:10.1098/rspa.2007.1900."""
    return (6 * x - 2) ** 2 * np.sin(12 * x - 4)


def low(x):
    return 0.5 * high(x) + 10 * (x - 0.5) - 5


LOW, HIGH = np.linspace(0.0, 1.0, 11), np.array([0.0, 0.4, 0.6, 1.0])
GRID = np.linspace(0.0, 1.0, 101)


def levels(*points):
    """X with the level as its last column."""
    return np.vstack(
        [np.column_stack([x, np.full(len(x), float(t))]) for t, x in enumerate(points)]
    )


def rms(values):
    return np.sqrt(np.mean(np.square(values)))


def test_forrester_is_found_and_a_low_level_that_knows_nothing_does_not_help():
    X, y = levels(LOW, HIGH), np.r_[low(LOW), high(HIGH)]
    model = MultifidelityGP(kernel="rbf").fit(X, y)
    mean, std = model.predict(levels([], GRID), return_std=True)
    few = TrendGP().fit(HIGH[:, None], high(HIGH)).predict(GRID[:, None])
    assert rms(mean - high(GRID)) < 0.2 * min(rms(few - high(GRID)), rms(low(GRID) - high(GRID)))
    assert (np.abs(mean - high(GRID)) < 4 * std + 1e-6).all()
    # The twin: the low level's values at the wrong places, so that it knows nothing of the high.
    wrong = np.random.default_rng(0).permutation(low(LOW))
    blind = MultifidelityGP(kernel="rbf").fit(X, np.r_[wrong, high(HIGH)])
    assert rms(blind.predict(levels([], GRID)) - high(GRID)) > 0.5 * rms(few - high(GRID))


def brute(step, kernel, X, lower):
    """Condition one joint Gaussian, its offset and factor two components of it."""
    runs, of = step.runs, step.numbers
    n, both = len(runs.X), np.vstack([runs.X, X])
    slope = np.vstack([runs.slope, lower - runs.center])
    means, variances = [], []
    for j in range(runs.Y.shape[1]):
        C = of.scale[j] * (kernel(both, both, of.length) + of.nugget * np.eye(len(both)))
        C += of.tau**2 * np.outer(slope[:, j], slope[:, j]) + 1e5
        C[:n, :n] += np.diag(runs.noise[:, j])
        gain = np.linalg.solve(C[:n, :n], C[:n, n:]).T
        means.append(lower[:, j] + gain @ (runs.Y - runs.lower)[:, j])
        variances.append(np.diag(C[n:, n:] - gain @ C[:n, n:]))
    return np.transpose(means), np.transpose(variances)


def rbf(A, B, length):
    return np.exp(-0.5 * np.square(A[:, None] - B).sum(axis=2) / length**2)


def test_one_step_is_the_conditional_of_a_joint_gaussian():
    rng = np.random.default_rng(1)
    X, new = rng.random((6, 2)), rng.random((9, 2))
    runs = Runs(X, *rng.random((3, 6, 3)), np.zeros((3, 6, 6)), np.ones(3))
    step = Step(runs, rbf, Numbers(0.7, 0.01, 0.8, np.array([0.5, 1.0, 2.0])))
    lower = rng.random((9, 3))
    mean, variance = step.predict(new, lower)
    expected_mean, expected_variance = brute(step, rbf, new, lower)
    assert_allclose(mean, expected_mean, rtol=1e-4)
    assert_allclose(variance, expected_variance, rtol=1e-3)
    # The twin, with lengths a tenth longer, is not.
    twin = Step(runs, rbf, Numbers(0.77, 0.01, 0.8, np.array([0.5, 1.0, 2.0])))
    assert np.abs(twin.predict(new, lower)[0] - expected_mean).max() > 0.01
    # rho: what one unit of the level below adds to the mean; its variance likewise.
    one = np.vstack([runs.center, runs.center + 1.0])
    at = np.repeat(new[:1], 2, axis=0)
    assert_allclose(np.diff(step.predict(at, one)[0], axis=0)[0], step.rho)
    two = np.vstack([runs.center - 1.0, runs.center, runs.center + 1.0])
    spread = step.predict(np.repeat(new[:1], 3, axis=0), two)[1]
    assert_allclose(0.5 * (spread[0] - 2 * spread[1] + spread[2]), step.rho_variance, rtol=1e-6)


def test_two_levels_that_are_not_nested_are_one_gaussian_process():
    """Cokriging with noisy runs below and a known rho, against all runs conditioned on at once."""
    rng = np.random.default_rng(3)
    x, r, new = rng.random((12, 2)), rng.random((5, 2)), rng.random((7, 2))
    z, y, rho, noise = rng.normal(size=12), rng.normal(size=5), 1.7, 0.2
    points = np.concatenate([x, r, new])
    both = np.repeat([1.0, rho, rho], [12, 5, 7])
    C = np.outer(both, both) * rbf(points, points, 0.5)
    C[12:, 12:] += 0.3 * rbf(points[12:], points[12:], 0.9) + 1e6  # the offset
    C[:17, :17] += np.diag(np.repeat([noise, 0.0], [12, 5]))
    gain = np.linalg.solve(C[:17, :17], C[:17, 17:]).T
    expected = gain @ np.r_[z, y], C[17:, 17:] - gain @ C[:17, 17:]

    below, k = np.concatenate([new, r]), rbf(np.concatenate([new, r]), x, 0.5)
    gain = np.linalg.solve(rbf(x, x, 0.5) + noise * np.eye(12), k.T).T
    mean, error = rho * (gain @ z)[:, None], (rbf(below, below, 0.5) - gain @ k.T)[None]
    runs = Runs(r, y[:, None], np.zeros((5, 1)), mean[7:], error[:, 7:, 7:], np.array([rho]))
    numbers = Numbers(0.9, 1e-300, 1e-9, np.array([0.3]))
    found = Step(runs, rbf, numbers).joint(new, mean[:7], error)
    assert_allclose(found[0][:, 0], expected[0], atol=2e-4)
    assert_allclose(found[1][0], expected[1], atol=2e-4)
    # The twin: errors of single runs as if they knew nothing of each other and of new points.
    apart = replace(runs, error=error[:, 7:, 7:] * np.eye(5))
    _, wide = Step(apart, rbf, numbers).joint(new, mean[:7], error * np.eye(12))
    assert (np.diagonal(wide[0]) > 1.1 * np.diagonal(expected[1])).any()


def test_the_restricted_likelihood_is_that_of_contrasts():
    """Against scipy, with an orthonormal basis of another making."""
    rng = np.random.default_rng(2)
    error = np.stack([rbf(*[rng.random((7, 3))] * 2, 0.5) for _ in range(2)])
    runs = Runs(rng.random((7, 2)), *rng.random((3, 7, 2)), error, np.array([0.5, 1.5]))
    K, unit = rbf(runs.X, runs.X, 0.7), np.array([0.5, 2.0])
    found = _likelihoods(runs, K, 0.01, 0.8, unit)
    Q = helmert(7)
    for j in range(2):
        z, a = Q @ (runs.Y - runs.lower)[:, j], Q @ runs.slope[:, j]
        for scale, value in zip(SCALES * unit[j], found[j], strict=True):
            own = np.diag(runs.noise[:, j]) + runs.factor[j] ** 2 * error[j]
            V = Q @ (scale * (K + 0.01 * np.eye(7)) + own) @ Q.T
            log = multivariate_normal.logpdf(z, cov=V + 0.64 * np.outer(a, a))
            assert_allclose(value - 3 * np.log(2 * np.pi), log, rtol=1e-10)


@pytest.mark.parametrize("kernel", ["auto", "matern52", "rbf"])
@pytest.mark.parametrize("n", [8, 20])
def test_nested_levels_without_noise_are_learned(kernel, n):
    """The factor's variance may be 1e17 times that of what is left: it must not hide that."""
    rng = np.random.default_rng(0)
    cheap, new = rng.random((30, 2)), rng.random((50, 2))

    def f(x):
        return np.sin(3 * x[:, 0]) + x[:, 1] ** 2

    def g(x):
        return 1.3 * f(x) + 0.2 + 0.1 * x[:, 0]

    model = MultifidelityGP(kernel=kernel)
    model.fit(levels(cheap, cheap[:n]), np.r_[f(cheap), g(cheap[:n])])
    mean, std = model.predict(levels(new[:0], new), return_std=True)
    assert rms(mean - g(new)) < 0.03 * g(new).std()
    assert (np.abs(mean - g(new)) < 5 * std).all()


def known_levels(seed):
    """Draws of two levels in one input: rho 1.3, a smoother difference; 12 and 5 runs, 3 new."""
    rng = np.random.default_rng(seed)
    x = np.r_[np.linspace(0, 1, 12), rng.random(5), [0.15, 0.5, 0.85]][:, None]
    root = [np.linalg.cholesky(rbf(x, x, h) + 1e-9 * np.eye(20)) for h in (0.2, 0.5)]
    z = root[0] @ rng.normal(size=20)
    y = 1.3 * z + 0.4 * root[1] @ rng.normal(size=20) + 2.0
    return levels(x[:12, 0], x[12:17, 0]), np.r_[z[:12], y[12:17]], x[17:, 0], y[17:]


def test_calibrated_on_known_levels_and_the_wrong_twin_is_not():
    """95 % of 120 values lie within 1.96 sd, and not within half of it."""
    inside = {1.0: 0, 0.5: 0}
    for seed in range(40):
        X, y, new, truth = known_levels(seed)
        model = MultifidelityGP(kernel="rbf", trend="constant").fit(X, y)
        mean, std = model.predict(levels([], new), return_std=True)
        for factor in inside:
            inside[factor] += int((np.abs(truth - mean) < 1.959964 * factor * std).sum())
    least, most = binom.interval(0.99, 120, 0.95)
    assert least <= inside[1.0] <= most
    assert not least <= inside[0.5] <= most


def noisy_levels(seed):
    """Draws of two levels that are not nested, the lower one noisy: 25 and 8 runs, 2 new."""
    rng = np.random.default_rng(seed)
    x = np.r_[np.linspace(0, 1, 25), rng.random(8), [0.3, 0.7]][:, None]
    root = [np.linalg.cholesky(rbf(x, x, h) + 1e-9 * np.eye(35)) for h in (0.2, 0.5)]
    z = root[0] @ rng.normal(size=35)
    y = 1.3 * z + 0.2 * root[1] @ rng.normal(size=35) + 2.0
    noise = np.repeat([0.3**2, 0.0], [25, 8])
    seen = np.r_[z[:25], y[25:33]] + np.sqrt(noise) * rng.normal(size=33)
    return levels(x[:25, 0], x[25:33, 0]), seen, noise, x[33:, 0], y[33:]


def log_density(model, new, truth):
    mean, std = model.predict(levels([], new), return_std=True)
    return norm.logpdf(truth, mean, std).mean()


def test_noisy_levels_that_are_not_nested_are_calibrated():
    """95 % intervals hold, and the twin, too wide as it counts an error twice, is mostly worse.

    It takes the errors of single runs, and of new points, as if they were independent.
    """
    inside, gains = 0, []
    for seed in range(24):
        X, y, noise, new, truth = noisy_levels(seed)
        model = MultifidelityGP(kernel="rbf", trend="constant").fit(X, y, noise=noise)
        mean, std = model.predict(levels([], new), return_std=True)
        inside += int((np.abs(truth - mean) < 1.959964 * std).sum())
        (step,) = model._steps
        runs = replace(step.runs, error=step.runs.error * np.eye(8))
        twin = Step(runs, model._covariance, step.numbers)
        twin.apart = False
        own = log_density(model, new, truth)
        model._steps = [twin]
        gains.append(own - log_density(model, new, truth))
    least, most = binom.interval(0.99, 48, 0.95)
    assert least <= inside <= most
    assert wilcoxon(gains, alternative="greater").pvalue < 0.01


def outputs(x):
    return np.column_stack([np.sin(6 * x), np.sin(6 * x) + x, np.cos(6 * x)])


def three_levels():
    rng = np.random.default_rng(2)
    points = [np.linspace(0, 1, 20), rng.random(8), rng.random(4)]
    Y = np.vstack([(1 + 0.1 * t) * outputs(x) + 0.2 * t * (1 + x[:, None])
                   for t, x in enumerate(points)])  # fmt: skip
    return levels(*points), Y, 1.2 * outputs(GRID) + 0.4 * (1 + GRID[:, None])


def test_three_levels_are_not_nested_and_their_outputs_correlated(tmp_path):
    X, Y, truth = three_levels()
    model = MultifidelityGP().fit(X, Y)
    top = np.column_stack([GRID, np.full(101, 2.0)])
    prediction = model.predict_dist(top)
    assert rms(prediction.mean - truth) < 0.1 * truth.std()
    covariance = prediction.cov().dense()
    assert_allclose(np.diagonal(covariance, axis1=1, axis2=2), prediction.variance)
    assert np.linalg.eigvalsh(covariance).min() > 0
    assert np.abs(covariance[:, 0, 1]).max() > 0
    # A query may ask for several levels at once, wherever their column is.
    front = MultifidelityGP(level_column=0).fit(X[:, ::-1], Y)
    mixed = np.vstack([top[:5], X[:5], X[-13:-8]])
    assert_allclose(front.predict(mixed[:, ::-1]), model.predict(mixed), atol=1e-8)
    assert_allclose(model.predict(mixed)[:5], prediction.mean[:5], atol=1e-10)
    assert_allclose(model.predict(X[:5]), model.base_.predict(X[:5, :1]), atol=1e-10)
    alone = MultifidelityGP(output_correlation=False).fit(X, Y).predict_dist(mixed)
    assert isinstance(alone.cov(), eq.Diagonal)
    model.save(tmp_path / "levels.h5")
    again = eq.load(tmp_path / "levels.h5").predict_dist(mixed)
    assert_array_equal(again.mean, model.predict_dist(mixed).mean)
    assert_array_equal(again.variance, model.predict_dist(mixed).variance)


def test_units_of_outputs_do_not_matter():
    X, Y, _ = three_levels()
    top = np.column_stack([GRID, np.full(101, 2.0)])
    one = MultifidelityGP().fit(X, Y).predict_dist(top)
    two = MultifidelityGP().fit(X, 1e4 * Y).predict_dist(top)
    assert_allclose(two.mean, 1e4 * one.mean, rtol=1e-4, atol=1.0)
    assert_allclose(two.std, 1e4 * one.std, rtol=0.05)


def test_a_lowest_level_that_is_constant_takes_no_error_from_the_next():
    x = np.linspace(0.0, 1.0, 9)
    model = MultifidelityGP().fit(levels(LOW, x), np.r_[np.full(len(LOW), 3.0), high(x)])
    new = np.linspace(0.03, 0.97, 40)
    mean, std = model.predict(levels([], new), return_std=True)
    assert (np.abs(mean - high(new)) < 5 * std).all()
    assert np.median(std) < np.ptp(high(x))


def test_declared_noise_is_weighed_and_left_out():
    """A useless run of declared variance 1e4 moves nothing; noise is no part of the variance."""
    X, y = levels(LOW, np.linspace(0, 1, 8)), np.r_[low(LOW), high(np.linspace(0, 1, 8))]
    clean = MultifidelityGP(kernel="rbf").fit(X, y).predict(levels([], GRID))
    wild, noise = np.r_[y, 500.0], np.r_[np.zeros(len(y)), 1e6]
    more = np.vstack([X, [[0.47, 1.0]]])
    told = MultifidelityGP(kernel="rbf").fit(more, wild, noise=noise)
    assert rms(told.predict(levels([], GRID)) - clean) < 0.1 * clean.std()
    untold = MultifidelityGP(kernel="rbf").fit(more, wild)
    assert rms(untold.predict(levels([], GRID)) - clean) > clean.std()
    assert told.predict_dist(np.array([[0.47, 1.0]])).std[0, 0] < 100.0


def test_one_level_is_trend_gp():
    X = np.random.default_rng(0).random((30, 2))
    y = np.sin(5 * X[:, 0]) + X[:, 1]
    model = MultifidelityGP(level_column=None).fit(X, y)
    assert_array_equal(model.predict(X[:7]), TrendGP().fit(X, y).predict(X[:7]))


@pytest.mark.parametrize(
    ("options", "change", "words"),
    [
        ({}, 0.5, "whole number from 0, but one is 0.5"),
        ({}, 2.0, "level 1 of 2 has 0 runs"),
        ({"level_column": 5}, 0.0, "level_column=5"),
        ({"kernel": 3}, 0.0, "kernel=3"),
    ],
)
def test_what_is_wrong_is_named(options, change, words):
    X = np.column_stack([LOW, np.r_[np.zeros(9), change, change]])
    with pytest.raises(InputError, match=words):
        MultifidelityGP(**options).fit(X, LOW)


def test_unknown_levels_and_foreign_states_are_refused():
    model = MultifidelityGP().fit(levels(LOW, HIGH), np.r_[low(LOW), high(HIGH)])
    with pytest.raises(InputError, match="asks for level 2"):
        model.predict([[0.5, 2.0]])
    for name, value in [
        ("base_", None),
        ("tau_", np.zeros(1)),
        ("rho_", np.ones((2, 1))),
        ("noise_", -model.noise_ - 1),
    ]:
        with pytest.raises(StateError, match=name):
            model.set_state({**model.get_state(), name: value})
    singular = {"X_": np.zeros_like(model.X_), "nugget_": np.full(1, 1e-300)}
    with pytest.raises(StateError, match="cannot be solved"):
        MultifidelityGP().set_state(
            {**model.get_state(), **singular, "lower_variance_": np.zeros_like(model.Y_)}
        )


@pytest.mark.realdata
@pytest.mark.skipif("EQUATORIUM_DATA" not in os.environ, reason="EQUATORIUM_DATA is not set")
def test_power_spectra_of_three_dear_runs():
    """50 cheap and 3 dear simulations (Ho, Bird & Shelton 2022): each dear one from two others."""
    folder = Path(os.environ["EQUATORIUM_DATA"]) / "simulations"
    with np.load(folder / "multifidelity_power_spectrum.npz") as data:
        X = [data[f"train_input_fidelity_{t}"] for t in (0, 1)]
        Y = [data[f"train_output_fidelity_{t}"] for t in (0, 1)]
    errors = {"levels": [], "low": [], "high": []}
    z2 = []
    for i in range(3):
        rest = np.arange(3) != i
        both = levels(X[0], X[1][rest])
        model = MultifidelityGP().fit(both, np.vstack([Y[0], Y[1][rest]]))
        found = model.predict_dist(levels(X[0][:0], X[1][[i]]))
        means = {
            "levels": found.mean,
            "low": TrendGP().fit(X[0], Y[0]).predict(X[1][[i]]),
            "high": TrendGP().fit(X[1][rest], Y[1][rest]).predict(X[1][[i]]),
        }
        for name, mean in means.items():
            errors[name].append(np.abs(10 ** (mean - Y[1][[i]]) - 1).mean())
        z2.append(np.mean((found.mean - Y[1][[i]]) ** 2 / found.variance))
    mean = {name: np.mean(values) for name, values in errors.items()}
    assert mean["levels"] < 0.03
    assert mean["levels"] < 0.4 * min(mean["low"], mean["high"])
    assert all(a < min(b, c) for a, b, c in zip(*errors.values(), strict=True))
    assert max(z2) < 4.0
