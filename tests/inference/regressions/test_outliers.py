"""The outlier mixture: published numbers, scipy, and calibration that a plain fit fails."""

import numpy as np
import pytest
from scipy import stats

import equatorium as eq
from equatorium.errors import InputError, ShapeError


@pytest.fixture(scope="module")
def fitted(hogg):
    x, y, y_err = hogg[:3]
    model = eq.OutlierMixture(x, y, y_err)
    posterior = eq.Posterior(model.space, model)
    starts = eq.annealed_starts(posterior, rng=1)
    sampler = eq.sampler("emcee", walkers=32, until={"rhat": 1.01, "ess": 1000})
    return model, sampler.run(posterior, rng=1, starts=starts, progress=False)


def half_width(values):
    low, high = np.quantile(values, [0.16, 0.84])
    return (high - low) / 2


def test_all_twenty_points_give_the_published_line(fitted):
    model, draws = fitted
    assert draws.converged
    # Slope 2.24 +- 0.12, intercept 35 +- 19; their Fig. 1 has 2.24 +- 0.11, 34 +- 18 by least
    # squares through the 16 good ones. Few draws far away make medians and quantiles the measure.
    values = model.values(draws)
    assert np.median(values["slope"]) == pytest.approx(2.24, abs=0.03)
    assert half_width(values["slope"]) == pytest.approx(0.12, abs=0.01)
    assert np.median(values["intercept"]) == pytest.approx(35, abs=4)
    assert half_width(values["intercept"]) == pytest.approx(19, abs=1)


def test_least_squares_through_all_is_far_off(hogg):
    x, y, y_err = hogg[:3]
    slope, intercept = np.polyfit(x, y, 1, w=1 / y_err)
    assert (slope, intercept) == pytest.approx((1.08, 213), abs=0.5)  # their Fig. 2


def test_the_three_outliers_are_found(fitted):
    model, draws = fitted
    probability = model.outlier_probability(draws)
    assert (probability[1:4] > 0.99).all()
    assert (np.delete(probability, [1, 2, 3]) < 0.4).all()


def test_it_is_the_mixture_of_two_normals(hogg):
    x, y, y_err = hogg[:3]
    model = eq.OutlierMixture(x, y, y_err)
    theta = model.space.sample(7, 1)
    v = {name: value[:, None] for name, value in model.values(theta).items()}
    good = stats.norm(v["intercept"] + v["slope"] * x, y_err).pdf(y)
    bad = stats.norm(v["outlier_mean"], np.hypot(v["outlier_std"], y_err)).pdf(y)
    f = v["outlier_fraction"]
    expected = np.log((1 - f) * good + f * bad)
    assert model.pointwise(theta) == pytest.approx(expected, rel=1e-10)
    assert model.log_likelihood(theta) == pytest.approx(expected.sum(axis=1), rel=1e-10)
    p = (f * bad / ((1 - f) * good + f * bad)).mean(axis=0)
    assert model.outlier_probability(theta) == pytest.approx(p, rel=1e-9)


def test_without_outliers_it_is_least_squares():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(30, 2))
    y = 1 + x @ [2.0, -1.0] + 0.1 * rng.normal(size=30)
    model = eq.OutlierMixture(x, y, 0.1)
    model = model.with_space(
        model.space.fix(outlier_fraction=0.0, outlier_mean=0.0, outlier_std=10.0)
    )
    assert model.space.names == ("level", "slope_1", "slope_2")
    coefficients = np.linalg.lstsq(np.column_stack([np.ones(30), x - x.mean(0)]), y)[0]
    best = model.log_likelihood(coefficients[None])[0]
    residual = y - coefficients[0] - (x - x.mean(0)) @ coefficients[1:]
    assert best == pytest.approx(stats.norm(0, 0.1).logpdf(residual).sum())
    shifted = coefficients + 0.02 * rng.normal(size=(50, 3))
    assert (model.log_likelihood(shifted) < best).all()


def test_ranks_are_uniform_unless_outliers_are_ignored(calibration):
    rng = np.random.default_rng(3)
    x, error = np.linspace(-1, 1, 12), 0.5

    def draw(n):
        line = rng.normal(size=(n, 2))
        fraction, mean, std = rng.uniform(0, 0.5, n), rng.normal(0, 2, n), rng.uniform(2, 6, n)
        return np.column_stack([line, fraction, mean, std])

    def simulate(truth, rng):
        level, slope, fraction, mean, std = truth
        good = level + slope * x
        bad = mean + std * rng.normal(size=x.size)
        return np.where(rng.random(x.size) < fraction, bad, good) + error * rng.normal(size=x.size)

    def right(y, theta):
        return eq.OutlierMixture(x, y, error).log_likelihood(theta)

    def wrong(y, theta):
        return stats.norm(theta[:, :1] + theta[:, 1:2] * x, error).logpdf(y).sum(axis=1)

    truths, prior = draw(150), draw(6000)
    ranks = calibration.ranks(truths, simulate, right, prior, rng)
    assert calibration.uniform_p(ranks).min() > 0.01
    ranks = calibration.ranks(truths, simulate, wrong, prior, rng)
    assert calibration.uniform_p(ranks)[:2].max() < 1e-4


def test_a_curve_of_the_user(hogg):
    x, y, y_err = hogg[:3]
    parameters = [eq.Parameter("a", 1, 1000, "log"), eq.Parameter("b", 0, 2)]
    model = eq.OutlierMixture(x, y, y_err, eq.Curve(lambda x, a, b: a * (x / 200) ** b, parameters))
    theta = model.space.sample(3, 0)
    theta[:, 2] = 0.0  # no outliers
    expected = stats.norm(theta[:, :1] * (x / 200) ** theta[:, 1:2], y_err).logpdf(y).sum(axis=1)
    assert model.log_likelihood(theta) == pytest.approx(expected)


def test_bad_input_is_named(hogg):
    x, y, y_err = hogg[:3]
    with pytest.raises(InputError, match="y_err must be positive"):
        eq.OutlierMixture(x, y, -y_err)
    with pytest.raises(ShapeError, match="x has 19, y has 20"):
        eq.OutlierMixture(x[1:], y, y_err)
    with pytest.raises(InputError, match="x must vary"):
        eq.OutlierMixture(np.ones(20), y, y_err)
    with pytest.raises(InputError, match="y must vary"):
        eq.OutlierMixture(x, np.ones(20), y_err)
    with pytest.raises(InputError, match="curve must be of the type Curve"):
        eq.OutlierMixture(x, y, y_err, np.polyval)
    with pytest.raises(InputError, match="function must be callable"):
        eq.Curve(3, [])
    turned = eq.Curve(lambda x, a: (a * x).T, [eq.Parameter("a", 0, 1)])
    model = eq.OutlierMixture(x, y, y_err, turned)
    with pytest.raises(ShapeError, match=r"must give shape \(3, 20\)"):
        model.log_likelihood(model.space.sample(3, 0))
    with pytest.raises(InputError, match="needs a parameter 'a'"):
        model.with_space(eq.Space([eq.Parameter("b", 0, 1)]))


def test_batches_change_nothing(hogg, monkeypatch):
    from equatorium.inference.regressions import ready

    model = eq.OutlierMixture(*hogg[:3])
    theta = model.space.sample(11, 0)
    whole = model.log_likelihood(theta)
    monkeypatch.setattr(ready, "_HELD", 80)
    assert model.log_likelihood(theta) == pytest.approx(whole, rel=1e-12)
    assert model.log_likelihood(np.empty((0, 5))).shape == (0,)


def test_a_model_of_another_space_takes_the_points_of_that_space():
    """Fixed, tied or in another order: the posterior is the one of the model by its names."""
    rng = np.random.default_rng(0)
    x = np.linspace(0, 10, 25)
    model = eq.OutlierMixture(x, 1 + 2 * x + 0.5 * rng.standard_normal(25), 0.5)
    turned = eq.Space(model.space.declared[::-1], {"intercept": model.space.fixed["intercept"]})
    for space in (turned, model.space.fix(outlier_fraction=0.1)):
        own = model.with_space(space)
        theta = space.sample(5, 1)
        expected = eq.Posterior(space, model).log_likelihood(theta)
        np.testing.assert_allclose(eq.Posterior(own.space, own).log_likelihood(theta), expected)
        joint = eq.Posterior(own.space, eq.JointLikelihood({"line": own}))
        np.testing.assert_allclose(joint.log_likelihood(theta), expected)


def test_each_point_can_be_left_out():
    rng = np.random.default_rng(0)
    x = np.linspace(0, 10, 25)
    model = eq.OutlierMixture(x, 1 + 2 * x + 0.5 * rng.standard_normal(25), 0.5)
    samples = model.space.sample(2000, 2).reshape(4, 100, 5, -1)
    log_prob = model.log_likelihood(samples.reshape(2000, -1)).reshape(4, 100, 5)
    left_out = eq.leave_one_out(eq.Draws(model.space.names, samples, log_prob, model.space), model)
    assert left_out.pareto_k.shape == (25,)
