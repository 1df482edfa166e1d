"""Conformal: its intervals hold what they promise, its distribution is that of the formula."""

import re
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import stats
from sklearn.base import clone
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge
from sklearn.model_selection import GridSearchCV
from sklearn.neighbors import KNeighborsRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import PolynomialFeatures
from sklearn.svm import SVR
from sklearn.utils.estimator_checks import parametrize_with_checks

import equatorium as eq
from equatorium import Conformal, Diagonal, Emulator, Gaussian, Weighted, errors, registry
from equatorium.emulate.conformal import outwards
from equatorium.emulate.folds import deal
from equatorium.emulate.surrogate import Surrogate
from equatorium.history.implausibility import Implausibility


class Points(Emulator):
    """Ridge regression that says nothing of its errors."""

    capabilities = frozenset({"noise"})

    def __init__(self, *, alpha=1e-6):
        self.alpha = alpha

    def _fit(self, X, Y, noise):
        A = np.column_stack([np.ones(len(X)), X])
        weight = 1.0 if noise is None else 1 / (1 + noise.mean(axis=1, keepdims=True))
        left = (A * weight).T @ A + self.alpha * np.eye(A.shape[1])
        self.coef_ = np.linalg.solve(left, (A * weight).T @ Y)

    def _predict_dist(self, X):
        mean = np.column_stack([np.ones(len(X)), X]) @ self.coef_
        return Gaussian(mean, Diagonal(np.zeros(mean.shape)))


@pytest.fixture(autouse=True)
def own_names(monkeypatch):
    monkeypatch.setattr(registry._CATALOGUE, "_local", {})
    eq.register("emulator", Points)


def runs(n=60, p=2, seed=0, bend=0.0):
    """A line (and a bend), with skewed scatter that the outputs share in part."""
    rng = np.random.default_rng(seed)
    X = rng.uniform(-1, 1, size=(n, 2))
    common = rng.exponential(size=(n, 1)) - 1
    scatter = 0.3 * common + 0.1 * rng.standard_normal((n, p))
    return X, X[:, :1] + bend * X[:, 1:] ** 2 + np.arange(p) + scatter


@parametrize_with_checks(
    [Conformal(Points()), Conformal(Ridge()), Conformal(KNeighborsRegressor(1))]
)
def test_sklearn_checks(estimator, check):
    check(estimator)


def test_it_is_the_predictors_and_their_errors_on_unseen_runs():
    X, Y = runs(n=13)
    fold = deal(13, "test")
    values, residuals = [], np.empty_like(Y)
    query = X[:4] + 0.05
    for k in range(5):
        ridge = Ridge().fit(X[fold != k], Y[fold != k])
        residuals[fold == k] = Y[fold == k] - ridge.predict(X[fold == k])
        values.append(ridge.predict(query))
    moved = np.empty_like(residuals)
    for j in range(2):
        ranked = np.sort(residuals[:, j])
        outer = np.r_[ranked[0], ranked[:5], ranked[6], ranked[8:], ranked[-1]]
        moved[np.argsort(residuals[:, j]), j] = outer
    got = Conformal(Ridge()).fit(X, Y).predict_dist(query)
    expected = np.stack([values[fold[i]] + moved[i] for i in range(13)])
    assert isinstance(got, Weighted)
    assert_allclose(got.values, expected)
    assert_allclose(got.weights, 1 / 13)


@pytest.mark.parametrize("n", [7, 20, 39, 60])
def test_intervals_are_those_of_n_plus_one_exchangeable_values(n):
    """The textbook's ranks, floor(q (n + 1)) and ceil((1 - q) (n + 1)), or one further."""
    residuals = np.random.default_rng(n).standard_normal((n, 1))
    ranked = np.sort(residuals[:, 0])
    got = Weighted(outwards(residuals)[:, None])
    for q in np.linspace(1 / (n + 1), 0.45, 37) + 1e-9:
        low, high = int(q * (n + 1)), int(np.ceil((1 - q) * (n + 1)))
        if n * q > n / 2 - 1:  # at the median, which stays, there is no further rank
            continue
        assert ranked[max(low - 2, 0)] <= got.quantile(q)[0, 0] <= ranked[low - 1]
        assert ranked[high - 1] <= got.quantile(1 - q)[0, 0] <= ranked[min(high, n - 1)]


def band(ranks, n, trials, seeds, probability=0.99):
    """Bounds of the hits in all seeds: each seed's are beta-binomial, and seeds independent."""
    single = stats.betabinom.pmf(np.arange(trials + 1), trials, ranks, n + 1 - ranks)
    total = np.ones(1)
    for _ in range(seeds):
        total = np.convolve(total, single)
    cdf = np.cumsum(total)
    tail = (1 - probability) / 2
    return np.searchsorted(cdf, tail), np.searchsorted(cdf, 1 - tail)


def hits(predictor, level, n, trials, seeds, in_sample=False):
    """How many fresh runs fall within the intervals."""
    count = 0
    for seed in range(seeds):
        X, Y = runs(n=n, p=1, seed=seed)
        fresh_X, fresh_Y = runs(n=trials, p=1, seed=10_000 + seed)
        if in_sample:  # the wrong twin: errors on runs that it has seen
            fitted = clone(predictor).fit(X, Y[:, 0])
            own = outwards(Y - fitted.predict(X)[:, None])
            got = Weighted(fitted.predict(fresh_X)[:, None] + own[:, None])
        else:
            got = Conformal(predictor).fit(X, Y).predict_dist(fresh_X)
        low, high = got.quantile([(1 - level) / 2, (1 + level) / 2])
        count += int(((fresh_Y >= low) & (fresh_Y <= high)).sum())
    return count


LEVELS = [0.5, 0.9]


def stars(n, each, seed):
    """Several spectra of every star, close together in X: what is odd of a star they all share."""
    rng = np.random.default_rng(seed)
    star = np.repeat(np.arange(n), each)
    X = rng.uniform(-1, 1, (n, 2))[star] + 1e-3 * rng.standard_normal((n * each, 2))
    return X, X[:, 0] + 0.3 * rng.standard_normal(n)[star], star


@pytest.mark.parametrize("level", LEVELS)
def test_intervals_hold_new_groups_if_told_of_groups(level):
    n, each, trials, seeds = 50, 4, 40, 40
    q = (1 - level) / 2
    ranks = int(np.ceil((1 - q) * (n + 1))) - int(q * (n + 1))
    low, high = band(ranks, n, trials, seeds)
    count = {True: 0, False: 0}
    for seed in range(seeds):
        X, y, star = stars(n, each, seed)
        fresh, truth, _ = stars(trials, 1, 10_000 + seed)
        for told in count:
            model = Conformal(KNeighborsRegressor(3 * each)).fit(
                X, y, groups=star if told else None
            )
            below, above = model.predict_dist(fresh).quantile([q, 1 - q])[..., 0]
            count[told] += int(((below <= truth) & (truth <= above)).sum())
    assert low <= count[True] <= high
    assert count[False] < low  # the wrong twin has seen the stars whose errors it counts


def test_groups_that_are_none():
    X, y, star = stars(6, 3, 0)
    model = Conformal(Ridge()).fit(X, y, groups=star)
    for k in range(5):
        assert len(set(star[deal(18, "a test", star) == k])) in (1, 2)
    assert model.fold_.max() == 4
    with pytest.raises(errors.ShapeError, match=r"each of 18 rows, not \(3,\)"):
        Conformal(Ridge()).fit(X, y, groups=star[:3])
    with pytest.raises(errors.InputError, match="at least 2 groups of runs, but there is 1"):
        Conformal(Ridge()).fit(X, y, groups=np.zeros(18))


@pytest.mark.parametrize("level", LEVELS)
def test_intervals_cover_as_they_claim(level):
    n, trials, seeds = 50, 40, 60
    q = (1 - level) / 2
    # Neither n q nor (n + 1) q is whole, so that these are the ranks and none further.
    ranks = int(np.ceil((1 - q) * (n + 1))) - int(q * (n + 1))
    low, high = band(ranks, n, trials, seeds)
    assert low <= hits(LinearRegression(), level, n, trials, seeds) <= high


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("in_sample", [False, True])
def test_one_that_learns_by_heart_is_not_believed(level, in_sample):
    """A nearest neighbour has no error where it has seen; on unseen runs it is not too sure."""
    n, trials, seeds = 50, 40, 25
    ranks = int(level * (n + 1))
    low, _ = band(ranks, n, trials, seeds)
    found = hits(KNeighborsRegressor(1), level, n, trials, seeds, in_sample)
    assert (found >= low) == (not in_sample)


def test_skewness_and_correlation_of_the_errors_are_kept():
    X, Y = runs(n=180, p=3)
    got = Conformal(LinearRegression()).fit(X, Y).predict_dist(X[:1])
    values = got.values[:, 0]
    assert stats.skew(values[:, 0]) > 1.0
    # The common part has variance 0.09, the single ones 0.01.
    assert_allclose(np.corrcoef(values.T)[0, 1], 0.9, atol=0.06)


def test_declared_noise_is_taken_off():
    X, Y = runs(n=2000)
    noise = np.full(Y.shape, 0.5)
    noisy = Y + np.sqrt(0.5) * np.random.default_rng(4).standard_normal(Y.shape)
    alone = Conformal(Points()).fit(X, Y).predict_dist(X[:5])
    without = Conformal(Points()).fit(X, noisy, noise=noise).predict_dist(X[:5])
    double = Conformal(Points()).fit(X, noisy).predict_dist(X[:5])
    # 200 residuals are kept: a tenth in the standard deviation is two of its errors.
    assert_allclose(without.std, alone.std, rtol=0.25)
    assert (double.std > 2 * alone.std).all()
    assert_allclose(without.with_noise(noise[:5]).variance, double.variance, rtol=0.25)
    # All scatter is noise: what is left is what so many residuals cannot exclude.
    exact = X[:, :1] + np.sqrt(0.5) * np.random.default_rng(5).standard_normal((2000, 1))
    least = Conformal(Points()).fit(X, exact, noise=noise[:, 0]).predict_dist(X[:1])
    assert 0.5 * np.sqrt(2 / 2000) * 0.7 < least.variance[0, 0] < 0.1
    zero = Conformal(Points()).fit(X, Y, noise=np.zeros(len(X)))
    assert_array_equal(zero.predict_dist(X[:5]).values, alone.values)


@pytest.mark.parametrize("uneven", [False, True])
def test_noise_does_not_hide_the_correlation_of_outputs(uneven):
    X, Y = runs(n=4000, p=3)
    rng = np.random.default_rng(6)
    noise = np.full(Y.shape, 0.1) * (rng.uniform(0.0, 2.0, Y.shape) if uneven else 1.0)
    noisy = Y + np.sqrt(noise) * rng.standard_normal(Y.shape)

    def correlation(**given):
        S = Conformal(Points()).fit(X, noisy, **given).predict_dist(X[:1]).cov().dense()[0]
        return (S / np.sqrt(np.outer(np.diag(S), np.diag(S))))[np.triu_indices(3, 1)]

    # The common part has variance 0.09, the single ones 0.01. Products of two outputs of variance
    # 0.2 know 0.9 to sqrt((0.2**2 + 0.09**2) / 4000) / 0.1 = 0.035, the 200 residuals to 0.013.
    assert_allclose(correlation(noise=noise), 0.9, atol=0.13)
    # Drawn in, each output on its own, they would be as correlated as with all their noise.
    assert_allclose(correlation(), 0.45, atol=0.15)


def test_an_output_without_errors_and_noise_is_no_obstacle():
    X, Y = runs(n=40, p=3)
    Y[:, 1] = 1.0
    noise = np.full(Y.shape, 0.1) * [1.0, 0.0, 1.0]
    got = Conformal(Points(alpha=0.0)).fit(X, Y, noise=noise).predict_dist(X)
    assert np.isfinite(got.values).all() and got.std[:, 1].max() < 1e-9
    # More outputs than runs: their correlation matrix has no inverse.
    X, Y = runs(n=12, p=30)
    got = Conformal(Points()).fit(X, Y, noise=np.full(Y.shape, 0.05)).predict_dist(X)
    assert np.isfinite(got.values).all() and got.std.min() > 0


def test_noise_of_each_run_is_taken_off_by_its_size():
    """Half of the runs are as good as exact: their errors are the prediction's."""
    rng = np.random.default_rng(3)
    X = rng.uniform(-1, 1, (400, 2))
    noise = np.where(np.arange(400) % 2, 25.0, 1e-6)
    Y = X[:, :1] + 0.2 * rng.standard_normal((400, 1))
    Y[:, 0] += np.sqrt(noise) * rng.standard_normal(400)
    got = Conformal(Points()).fit(X, Y, noise=noise).predict_dist(X[:5])
    # The variance of 200 good residuals is known to a tenth, and the predictors err a little.
    assert_allclose(got.variance, 0.04, rtol=0.3)
    # Taken off as their mean, the noise of the others would hide the scatter.
    assert noise.mean() > 0.04 * 300


def test_noise_reaches_a_predictor_that_can_use_it():
    X, Y = runs()
    noise = np.linspace(0.0, 2.0, len(X))
    model = Conformal(Points()).fit(X, Y, noise=noise)
    fold = deal(len(X), "test")
    expected = Points().fit(X[fold != 2], Y[fold != 2], noise=noise[fold != 2])
    assert_array_equal(model.predictors_[2].coef_, expected.coef_)


def test_it_works_wherever_a_variance_is_asked_for():
    """A posterior on a grid, by the emulated and by the exact likelihood; history matching."""
    space = eq.Space([eq.Parameter("a", -1, 1), eq.Parameter("b", -1, 1)])
    outputs = eq.Outputs(["u", "v", "w"])

    def simulate(theta):
        a, b = theta.T
        return np.column_stack([a + 0.3 * b**2, b - 0.2 * a * b, a + b])

    rng = np.random.default_rng(2)
    X = rng.uniform(-1, 1, (80, 2))
    runs_ = eq.Runs(space, outputs, X, simulate(X))
    cubic = make_pipeline(PolynomialFeatures(3), Ridge(1e-6))
    emulator = Conformal(cubic)
    fresh = rng.uniform(-1, 1, (60, 2))
    surrogate = Surrogate.fitted(runs_, emulator)
    report = eq.holdout_report(surrogate, eq.Runs(space, outputs, fresh, simulate(fresh)))
    assert report.skill.min() > 0.99
    surrogate = surrogate.with_report(report)
    observed = simulate(np.array([[0.3, -0.4]]))[0]
    data = eq.Observation(observed, np.full(3, 0.1), names=outputs.names)
    likelihood = eq.GaussianLikelihood(surrogate, data, override="the residuals are tiny")
    axis = np.linspace(-1, 1, 41)
    grid = np.stack(np.meshgrid(axis, axis), axis=-1).reshape(-1, 2)
    exact = -0.5 * np.sum(((simulate(grid) - observed) / 0.1) ** 2, axis=1)
    for j in range(2):
        moments = []
        for log in (exact, likelihood.log_likelihood(grid)):
            w = np.exp(log - log.max())
            mean = np.average(grid[:, j], weights=w)
            moments.append((mean, np.sqrt(np.average((grid[:, j] - mean) ** 2, weights=w))))
        assert abs(moments[0][0] - moments[1][0]) < 0.05 * moments[0][1]
        assert_allclose(moments[0][1], moments[1][1], rtol=0.05)
    far = Implausibility(surrogate, data)(np.array([[0.3, -0.4], [-0.9, 0.9]]))
    assert far[0].max() < 1.0 and far[1].max() > 5.0


def test_by_name_and_nested_parameters():
    X, Y = runs(bend=2.0)
    model = eq.emulator("conformal", predictor={"use": "points", "options": {"alpha": 0.1}})
    expected = Conformal(Points(alpha=0.1)).fit(X, Y).predict(X)
    assert_array_equal(model.fit(X, Y).predict(X), expected)
    assert_array_equal(Conformal("points").fit(X, Y[:, 0]).predict(X).shape, (60,))
    assert Conformal(Points()).capabilities_ == {"variance", "covariance", "noise"}
    pipeline = make_pipeline(PolynomialFeatures(1), Ridge())
    grid = {"predictor__polynomialfeatures__degree": [1, 2]}
    found = GridSearchCV(Conformal(pipeline), grid, cv=3).fit(X, Y)
    assert list(found.best_params_.values()) == [2]


def test_it_is_saved_if_its_predictor_has_a_name(tmp_path):
    X, Y = runs(n=300)
    model = Conformal(Points()).fit(X, Y)
    assert model.residuals_.shape == (200, 2)
    model.save(tmp_path / "m.h5")
    back = eq.load(tmp_path / "m.h5")
    assert_array_equal(back.predict_dist(X).values, model.predict_dist(X).values)
    with pytest.raises(errors.NotSavableError, match=r"Ridge is not registered.*no method") as told:
        Conformal(Ridge()).fit(X, Y).save(tmp_path / "n.h5")
    assert "equatorium.register" not in str(told.value)  # it would be refused


def test_a_study_says_before_any_run_that_it_cannot_keep_its_emulator(tmp_path):
    space = eq.Space([eq.Parameter("a", -1, 1)])
    simulator = eq.wrap(lambda a: a, space, eq.Outputs(["u"]), version="1")
    data = eq.Observation([0.3], [0.1], names=["u"])
    with pytest.raises(errors.NotSavableError, match="Ridge is not registered"):
        eq.Study(simulator, data, emulator=Conformal(Ridge()), store=tmp_path / "study.h5")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("n", [2, 3, 5])
def test_few_runs(n):
    X, Y = runs(n=n)
    got = Conformal(Points()).fit(X, Y).predict_dist(X)
    assert got.values.shape == (n, n, 2) and np.isfinite(got.std).all()
    with pytest.raises(errors.InputError, match=r"KNeighborsRegressor.* on \d of \d runs"):
        Conformal(KNeighborsRegressor(n)).fit(X, Y)


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (Conformal(None), "needs an emulator, its name, or a regressor .*, but predictor is None"),
        (Conformal(Ridge), "predictor is <class"),
        (Conformal(LogisticRegression()), "predictor is LogisticRegression"),
        (Conformal(SVR()), r"SVR\(\) on unseen runs.*should be a 1d array"),
    ],
)
def test_what_is_no_predictor(model, message):
    with pytest.raises(errors.InputError, match=message):
        model.fit(*runs())


def test_one_run_is_too_few():
    with pytest.raises(errors.InputError, match="Conformal needs at least 2 runs"):
        Conformal(Points()).fit(*runs(n=1))


def test_a_damaged_state_is_refused():
    fitted = Conformal(Points()).fit(*runs())
    state = fitted.get_state()
    other = Points().fit(*runs(p=3))
    for name, value in {
        "predictors_": [other] * 5,
        "residuals_": np.full((60, 2), np.nan),
        "fold_": np.full(60, 5),
    }.items():
        with pytest.raises(errors.StateError, match=name):
            clone(fitted).set_state({**state, name: value})
    for predictors in ([], None, [object()] * 5):
        with pytest.raises(errors.StateError, match="predictors_"):
            clone(fitted).set_state({**state, "predictors_": predictors})


def test_the_example_of_the_page_works():
    text = (Path(__file__).parents[2] / "docs" / "composition.md").read_text()
    names = {}
    exec(re.search(r"<!-- example -->\s*```python\n(.*?)```", text, re.S).group(1), names)
    # A parabola: neighbours know less.
    assert_array_equal(names["committee"].kept_, [0])
    assert names["std"].max() < 0.01


class Odd(Ridge):
    """A regressor of scikit-learn whose answers are no points."""

    def __init__(self, how="fine"):
        super().__init__()
        self.how = how

    def predict(self, X):
        points = super().predict(X)
        if self.how == "raises":
            raise RuntimeError("not today")
        how = {"turned": points.T, "complex": points + 1j, "nan": np.nan * points}
        return how.get(self.how, points)


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ("turned", r"prediction of Odd must have shape \(4, 2\), not \(2, 4\)"),
        ("complex", "prediction of Odd must hold real numbers"),
        ("nan", "prediction of Odd must be finite"),
        ("raises", "not today"),
    ],
)
def test_a_predictor_whose_answers_are_no_points_is_named(how, message):
    X, Y = runs(20)
    Conformal(Odd()).fit(X, Y)
    with pytest.raises(errors.InputError, match=rf"(?s)errors of Odd\(how=.*{message}"):
        Conformal(Odd(how)).fit(X, Y)


def test_few_residuals_have_the_quantiles_of_all():
    """Of 200 residuals at random, the 5 % point of 5000 is known to 0.1; so kept, to 0.03."""
    rng = np.random.default_rng(0)
    X = rng.random((5000, 1))
    errors = rng.standard_normal((5000, 2)) @ np.array([[1.0, 0.8], [0.0, 0.6]])
    errors -= errors.mean(axis=0)
    model = Conformal(LinearRegression()).fit(X, X + errors)
    kept = model.residuals_
    for q in (0.05, 0.16, 0.5, 0.84, 0.95):
        all_of_them = np.quantile(errors, q, axis=0)
        assert np.quantile(kept, q, axis=0) == pytest.approx(all_of_them, abs=0.03)
    assert np.corrcoef(kept.T)[0, 1] == pytest.approx(0.8, abs=0.08)
