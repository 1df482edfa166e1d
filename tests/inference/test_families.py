"""Each likelihood is the law of data drawn as it says: scores of mean zero, uniform ranks.

Every case has a wrong twin (a term dropped) that the same tests must find.
"""

import numpy as np
import pytest
from scipy import stats

import equatorium as eq

GRID = np.linspace(-2.0, 2.0, 161)[:, None]
N = 300
OUT = ("y0", "y1", "y2")


class Setting:
    """One parameter, three outputs; the emulator knows less and less as the parameter grows."""

    def __init__(self, tools):
        self.space = eq.Space([eq.Parameter("a", -2, 2)])
        X = np.linspace(-2, 2, 12)[:, None]
        Y = X @ [[0.7, 1.0, -0.5]] + [0.5, 0.0, 0.8]
        emulator = tools.Linear(0.02, slope=4.0)
        self.surrogate = eq.Surrogate.fitted(eq.Runs(self.space, eq.Outputs(OUT), X, Y), emulator)
        self.rng = np.random.default_rng(5)
        self.truth = self.space.sample(N, self.rng)
        self.own = self.surrogate.predict(self.truth)
        self.nature = self.own.sample(1, self.rng)[0]  # what the simulator would give

    def likelihood(self, family, y, errors, limit=None, **options):
        seen = eq.Observation(y, np.full(3, errors), names=OUT, limit=limit)
        return family(self.surrogate, seen, override="exact by construction", **options)


def gaussian(setting):
    y = setting.nature + 0.3 * setting.rng.standard_normal((N, 3))
    return lambda i: setting.likelihood(eq.GaussianLikelihood, y[i], 0.3)


def student(setting):
    """The law of the multivariate t: one chi-squared for errors and emulator together."""
    shared = np.sqrt(5 / setting.rng.chisquare(5, (N, 1)))
    off = setting.nature - setting.own.mean + 0.3 * setting.rng.standard_normal((N, 3))
    y = setting.own.mean + shared * off
    return lambda i: setting.likelihood(eq.StudentLikelihood, y[i], 0.3, df=5)


def counted(setting):
    y = setting.rng.poisson(6 * np.exp(setting.nature))
    return lambda i: setting.likelihood(eq.PoissonLikelihood, y[i], 0.0, exposure=6)


def succeeded(setting):
    y = setting.rng.binomial(20, 1 / (1 + np.exp(-setting.nature)))
    return lambda i: setting.likelihood(eq.BinomialLikelihood, y[i], 0.0, trials=20)


def censored(setting):
    y = setting.nature + 0.3 * setting.rng.standard_normal((N, 3))
    limit = np.where(y < 0.4, -1, 0)
    seen = np.where(limit, 0.4, y)
    return lambda i: setting.likelihood(eq.GaussianLikelihood, seen[i], 0.3, limit[i])


CASES = {f.__name__: f for f in (gaussian, student, counted, succeeded, censored)}


# -- wrong twins ---------------------------------------------------------------------------


def without_logdet(likelihood, theta):
    total = likelihood.constant + likelihood.predict(theta).covariance
    return likelihood.log_likelihood(theta) + 0.5 * total.logdet()


def without_emulator(likelihood, theta):
    likelihood.emulator_covariance = False
    values = likelihood.log_likelihood(theta)
    likelihood.emulator_covariance = True
    return values


def limits_taken_for_data(likelihood, theta):
    seen = likelihood.observation
    plain = eq.Observation(seen.values, seen.covariance, names=OUT)
    likelihood = eq.GaussianLikelihood(likelihood.surrogate, plain, override="exact")
    return likelihood.log_likelihood(theta)


def right(likelihood, theta):
    return likelihood.log_likelihood(theta)


TWINS = {
    "gaussian": [without_logdet, without_emulator],
    "student": [without_logdet],  # heavy tails forgive the other
    "counted": [without_emulator],
    "succeeded": [without_emulator],
    "censored": [without_emulator, limits_taken_for_data],
}


def rank_of(values, truth):
    """Posterior probability below the truth, under the flat prior."""
    weight = np.exp(values - values.max())
    below = np.concatenate([[0.0], np.cumsum((weight[1:] + weight[:-1]) / 2)])
    return np.interp(truth, GRID[:, 0], below / below[-1])


def p_value(make, evaluate, truth):
    """Ranks on one side (bias), and ranks too near the middle or the ends (width)."""
    ranks = np.array([rank_of(evaluate(make(i), GRID), truth[i, 0]) for i in range(N)])
    both = (ranks, np.abs(2 * ranks - 1))
    return min(1.0, 2 * min(stats.kstest(r, "uniform").pvalue for r in both))


@pytest.mark.parametrize("name", CASES)
def test_ranks_are_uniform_and_those_of_a_wrong_twin_are_not(tools, name):
    setting = Setting(tools)
    make = CASES[name](setting)
    assert p_value(make, right, setting.truth) > 0.01
    for twin in TWINS[name]:
        found = p_value(make, twin, setting.truth)
        assert found < 1e-3, twin.__name__


@pytest.mark.parametrize("name", CASES)
def test_scores_have_mean_zero(tools, name):
    setting = Setting(tools)
    make = CASES[name](setting)
    inner = np.flatnonzero(np.abs(setting.truth[:, 0]) < 1.99)

    def z(evaluate):
        scores = []
        for i in inner:
            up, down = evaluate(make(i), setting.truth[i] + [[1e-4], [-1e-4]])
            scores.append((up - down) / 2e-4)
        return np.mean(scores) / (np.std(scores) / np.sqrt(len(scores)))

    assert abs(z(right)) < 3
    if without_logdet in TWINS[name]:
        assert abs(z(without_logdet)) > 5
