"""Methods linear in their coefficients, against least squares, scikit-learn and formulas."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.stats import multivariate_normal
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import HuberRegressor, LassoCV, RidgeCV
from sklearn.model_selection import KFold

import equatorium as eq
from equatorium.errors import InputError
from equatorium_regression.design import Design
from equatorium_regression.features import bumps


def runs(n=60, d=3, p=2, scatter=0.1, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, d)) * 10.0 ** np.arange(d) + 5.0
    Y = np.sin(X / 10.0 ** np.arange(d)) @ rng.normal(size=(d, p))
    return X, Y + scatter * rng.normal(size=(n, p))


def quadratic(X):
    """All monomials up to degree two, by hand."""
    X = X / np.abs(X).max(axis=0)
    pairs = [X[:, i] * X[:, j] for i in range(X.shape[1]) for j in range(i + 1)]
    return np.column_stack([np.ones(len(X)), X, *pairs])


def test_a_polynomial_is_least_squares_with_its_analytic_variance():
    X, Y = runs()
    new = X[:7] * 1.01
    both = quadratic(np.vstack([X, new]))
    A, A_new = both[: len(X)], both[len(X) :]
    coef, rss = np.linalg.lstsq(A, Y, rcond=None)[:2]
    prediction = eq.emulator("polynomial", degree=2, prior=False).fit(X, Y).predict_dist(new)
    assert_allclose(prediction.mean, A_new @ coef, rtol=1e-10, atol=1e-10)
    scatter = rss / (len(X) - A.shape[1])
    h = np.einsum("mk,kl,ml->m", A_new, np.linalg.inv(A.T @ A), A_new)
    assert_allclose(prediction.variance, scatter * (1 + h)[:, None], rtol=1e-8)
    residual = Y - A @ coef
    C = residual.T @ residual / (len(X) - A.shape[1])
    assert_allclose(prediction.cov().dense(), C * (1 + h)[:, None, None], rtol=1e-8)


def test_the_degree_is_that_of_the_truth():
    X = np.random.default_rng(1).random((80, 2))
    y = 1 + X[:, 0] ** 2 * X[:, 1] + 0.01 * np.random.default_rng(2).normal(size=80)
    model = eq.emulator("polynomial").fit(X, y)
    assert model.powers_.sum(axis=1).max() == 3


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("polynomial", {"degree": 2, "prior": False}),
        ("ridge", {"alpha": 0.05, "degree": 2}),
        ("basis", {"functions": "polynomial", "degree": 2, "precision": 0.7}),
    ],
)
@pytest.mark.parametrize("declared", [False, True])
def test_leave_one_out_is_brute_force(name, options, declared):
    """With features and weights held, the closed form is a refit without the run."""
    X, Y = runs(n=30, p=1)
    noise = 0.02 * np.random.default_rng(3).random(30) if declared else None
    model = eq.emulator(name, **options).fit(X, Y, noise=noise)
    features, alpha, y = model._features(X), model.alpha_[0], Y[:, 0]
    weight = np.ones(30) if noise is None else model.unit_[0] / (model.scatter_[0] + noise)
    got = model.loo()
    for i in range(30):
        keep = np.arange(30) != i
        # Ordinary least squares on rows that hold the penalty; the intercept has no such row.
        A = np.column_stack([np.ones(29), features[keep]]) * np.sqrt(weight[keep])[:, None]
        k = features.shape[1]
        rows = np.column_stack([np.zeros(k), np.sqrt(alpha) * np.eye(k)])
        both, zero = np.vstack([A, rows]), np.zeros(k)
        right = np.append(y[keep] * np.sqrt(weight[keep]), zero)
        coef = np.linalg.lstsq(both, right, rcond=None)[0]
        a = np.append(1.0, features[i])
        assert_allclose(got.mean[i, 0], a @ coef, rtol=1e-10, atol=1e-10)
        spread = a @ np.linalg.inv(both.T @ both) @ a
        expected = model.scatter_[0] + model.unit_[0] * spread
        assert_allclose(got.variance[i, 0], expected, rtol=1e-7)


def test_ridge_finds_the_penalty_of_scikit_learn():
    X, Y = runs(n=40, d=4, scatter=1.0)
    Z = (X - X.mean(axis=0)) / X.std(axis=0)
    model = eq.emulator("ridge").fit(X, Y)
    grid = np.geomspace(1e-8, 1e4, 37) * len(X)
    peer = RidgeCV(alphas=grid, alpha_per_target=True).fit(Z, Y)
    assert_allclose(model.alpha_, peer.alpha_)
    new = X[:5] + 0.3
    assert_allclose(model.predict(new), peer.predict((new - X.mean(0)) / X.std(0)), rtol=1e-10)
    assert np.ptp(Y @ [1.0, 0.0] - model.predict(X)[:, 0]) > 0


def test_the_intercept_is_exempt():
    X, Y = runs()
    for name, options in (("ridge", {"alpha": 1e9}), ("lasso", {"alpha": 1e9})):
        model = eq.emulator(name, **options).fit(X, Y + 100.0)
        assert_allclose(model.predict(X), np.broadcast_to(Y.mean(0) + 100.0, Y.shape), rtol=1e-6)


def test_lasso_is_scikit_learns_and_drops_what_says_nothing():
    rng = np.random.default_rng(4)
    X = rng.normal(size=(100, 20))
    y = 3 * X[:, 0] - 2 * X[:, 1] + 0.1 * rng.normal(size=100)
    model = eq.emulator("lasso").fit(X, y)
    Z = (X - X.mean(axis=0)) / X.std(axis=0)
    folds = KFold(5, shuffle=True, random_state=0)
    peer = LassoCV(cv=folds, max_iter=10_000).fit(Z, y / y.std())
    assert_allclose(model.predict(X), peer.predict(Z) * y.std(), rtol=1e-6)
    assert (model.coef_ == 0).sum() >= 8 and (model.coef_[:2] != 0).all()


def test_basis_without_a_prior_is_least_squares():
    x = np.linspace(0, 1, 40)[:, None]
    y = np.sin(6 * x[:, 0]) + 0.1 * np.random.default_rng(5).normal(size=40)
    model = eq.emulator("basis", n_functions=6, width=0.5, precision=0.0).fit(x, y)
    centres = np.linspace(-1, 1, 6)[:, None]
    A = np.column_stack([np.ones(40), bumps(2 * x - 1, centres, 0.5)])
    coef, rss = np.linalg.lstsq(A, y, rcond=None)[:2]
    assert_allclose(model.predict(x), A @ coef, atol=1e-10)
    h = np.einsum("mk,kl,ml->m", A, np.linalg.inv(A.T @ A), A)
    assert_allclose(model.predict_dist(x).variance[:, 0], rss / 33 * (1 + h), rtol=1e-8)


def test_basis_has_the_analytic_posterior_and_evidence():
    """Mean, variance and evidence by the multivariate normal of the data itself."""
    rng = np.random.default_rng(6)
    x = rng.random((25, 1))
    y = np.sin(6 * x[:, 0]) + 0.1 * rng.normal(size=25)
    model = eq.emulator("basis", n_functions=10, width=0.4).fit(x, y)
    alpha, scatter = model.alpha_[0], model.scatter_[0]
    features = model._features(x)
    new = rng.random((5, 1))
    both = np.vstack([features, model._features(new)])
    # The flat prior of the intercept: a variance that is nearly infinite.
    K = scatter * (both @ both.T / alpha + 1e7)
    S = K[:25, :25] + scatter * np.eye(25)
    mean = K[25:, :25] @ np.linalg.solve(S, y)
    variance = np.diag(K[25:, 25:] - K[25:, :25] @ np.linalg.solve(S, K[:25, 25:])) + scatter
    got = model.predict_dist(new)
    assert_allclose(got.mean[:, 0], mean, atol=1e-6)
    assert_allclose(got.variance[:, 0], variance, rtol=1e-4)

    design = Design(features, np.ones(25))

    def evidence(a):
        s2 = float(design.misfit(design.solve(y[:, None], a), a)[0]) / 24
        S = s2 * (features @ features.T / a + 1e7 + np.eye(25))
        return multivariate_normal(cov=S).logpdf(y - y.mean()) + 0.5 * np.log(s2)

    ours = design.evidence(y[:, None], np.array([0.1 * alpha, alpha, 10 * alpha]))
    theirs = [evidence(a) for a in (0.1 * alpha, alpha, 10 * alpha)]
    assert_allclose(np.diff(ours), np.diff(theirs), atol=1e-4)
    assert np.argmax(ours) == 1


def test_declared_noise_is_weighed_and_left_out():
    """Paule and Mandel's scatter is unbiased; without the weights it is not."""
    rng = np.random.default_rng(7)
    n = 2000
    X = rng.random((n, 2))
    noise = rng.choice([0.0, 1.0], n)
    y = X @ [1.0, -2.0] + np.sqrt(0.04 + noise) * rng.normal(size=n)
    for name in ("polynomial", "ridge", "basis"):
        options = {"degree": 1} if name == "polynomial" else {}
        model = eq.emulator(name, **options).fit(X, y, noise=noise)
        assert model.scatter_[0] == pytest.approx(0.04, abs=0.008)  # 4 sd of a variance of 1000
    model = eq.emulator("polynomial", degree=1)
    blind = model.fit(X, y).scatter_[0]
    assert blind > 0.4


def test_collinear_constant_and_copied_inputs_change_nothing():
    X, Y = runs(d=2)
    wide = np.column_stack([X, X[:, 0] * 2 - 1, np.full(len(X), 7.0), X[:, 1] * 1e9])
    for name, options in (("ridge", {"alpha": 1e-9}), ("polynomial", {"degree": 1})):
        plain = eq.emulator(name, **options).fit(X, Y).predict_dist(X)
        more = eq.emulator(name, **options).fit(wide, Y).predict_dist(wide)
        assert_allclose(more.mean, plain.mean, rtol=1e-5)
        assert_allclose(more.variance, plain.variance, rtol=1e-3)


def test_more_inputs_than_runs():
    X, Y = runs(n=15, d=2)
    X = np.column_stack([X, np.random.default_rng(8).normal(size=(15, 30))])
    for name in ("ridge", "lasso", "basis", "polynomial"):
        prediction = eq.emulator(name).fit(X, Y).predict_dist(X)
        assert np.isfinite(prediction.mean).all() and (prediction.variance > 0).all()
    with pytest.raises(InputError, match="33 terms, too many for 15 runs"):
        eq.emulator("polynomial", degree=1).fit(X, Y)
    with pytest.raises(InputError, match="n_samples=1"):
        eq.emulator("ridge").fit(X[:1], Y[:1])


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("polynomial", {"degree": 1.5}, "degree must be a whole number from 0"),
        ("ridge", {"alpha": -1.0}, "alpha must be a number from 0"),
        ("ridge", {"degree": 40}, "lower degree"),
        ("basis", {"functions": "wavelet"}, "functions must be one of"),
        ("basis", {"width": 0}, "width must be a number from 1e-100"),
        ("robust", {"method": "lms"}, "method must be one of"),
        ("robust", {"threshold": 0.5}, "threshold must be a number from 1 on, not 0.5"),
        ("robust", {"random_state": "a"}, "random_state must be a whole number"),
    ],
)
def test_options_that_make_no_sense(name, options, message):
    with pytest.raises(InputError, match=message):
        eq.emulator(name, **options).fit(*runs())


HOGG = """
201 592 61  244 401 25  47 583 38  287 402 15  203 495 21  58 173 15  210 479 27  202 504 14
198 510 30  158 416 16  165 393 14  201 442 25  157 317 52  131 311 16  166 400 34  160 337 31
186 423 42  125 334 26  218 533 16  146 344 22
"""


@pytest.mark.parametrize(
    ("method", "low", "high"),
    [("huber", 1.5, 2.3), ("theil-sen", 1.7, 2.3), ("ransac", 2.12, 2.36)],
)
def test_robust_lines_through_hoggs_points(method, low, high):
    """Hogg, Bovy & Lang 2010: slope 2.24 by the 16 good points, 1.08 by least squares on all 20."""
    x, y, error = np.array(HOGG.split(), dtype=float).reshape(20, 3).T
    model = eq.emulator("robust", method=method).fit(x[:, None], y, noise=error**2)
    slope = model.line()[1][0, 0]
    wrong = np.polyfit(x, y, 1, w=1 / error)[0]
    assert low < slope < high and wrong < 1.2
    assert not model.inlier_[2]
    if method == "ransac":
        assert not model.inlier_[1:4].any()


def test_huber_is_scikit_learns():
    X, Y = runs(d=2, p=1)
    Z = (X - X.mean(0)) / X.std(0)
    y = Y[:, 0]
    size = 1.4826 * np.median(np.abs(y - np.median(y)))
    peer = HuberRegressor(alpha=0.0, max_iter=1000).fit(Z, (y - np.median(y)) / size)
    model = eq.emulator("robust").fit(X, y)
    assert_allclose(model.predict(X), peer.predict(Z) * size + np.median(y), rtol=1e-3, atol=1e-4)


def test_a_tenth_of_wild_runs_leaves_the_scatter_as_it_is():
    rng = np.random.default_rng(9)
    X = rng.random((400, 2))
    y = X @ [1.0, 2.0] + 0.1 * rng.normal(size=400)
    y[::10] += 50.0
    for method in ("huber", "theil-sen", "ransac"):
        model = eq.emulator("robust", method=method).fit(X, y)
        assert_allclose(model.line()[1][:, 0], [1.0, 2.0], atol=0.15)
        assert np.sqrt(model.scatter_[0]) == pytest.approx(0.1, rel=0.35)
        assert not model.inlier_[::10].any()
    assert np.sqrt(eq.emulator("polynomial", degree=1).fit(X, y).scatter_[0]) > 10


@pytest.mark.parametrize(("name", "options"), [("lasso", {"alpha": 0.1}), ("robust", {})])
def test_outputs_do_not_lend_each_other_their_errors(name, options):
    """Lasso keeps other features, and robust other runs, for each output."""
    rng = np.random.default_rng(10)
    X = rng.normal(size=(60, 4))
    Y = X[:, :2] + 0.3 * rng.normal(size=(60, 2))
    Y[::7, 1] += 100.0
    both = eq.emulator(name, **options).fit(X, Y).predict_dist(X[:5])
    for j in (0, 1):
        one = eq.emulator(name, **options).fit(X, Y[:, j]).predict_dist(X[:5])
        assert_allclose(both.variance[:, j], one.variance[:, 0], rtol=1e-9)


def test_wild_runs_far_away_do_not_widen_a_robust_line():
    """Its error is that of least squares on the good runs, about their mean."""
    rng = np.random.default_rng(11)
    x = np.append(rng.random(20), np.full(5, 30.0))[:, None]
    y = np.append(x[:20, 0] + 0.1 * rng.normal(size=20), 300 * rng.normal(size=5))
    wild = eq.emulator("robust", method="ransac").fit(x, y)
    good = eq.emulator("polynomial", degree=1, prior=False).fit(x[:20], y[:20])
    new = np.array([[0.1], [0.5]])
    ours, theirs = (m.predict_dist(new).variance / m.scatter_ - 1 for m in (wild, good))
    assert_allclose(ours, theirs, rtol=1e-6)


def test_what_passes_through_all_runs_is_not_certain():
    rng = np.random.default_rng(3)
    X = rng.normal(size=(10, 50))
    y = X[:, :3] @ [3.0, 2.0, 1.0]
    assert (eq.emulator("lasso").fit(X, y).predict_dist(X).variance > 0).all()
    exact = [("lasso", {"alpha": 1e-9}), ("ridge", {"alpha": 0}), ("basis", {"precision": 0})]
    for name, options in exact:
        for noise in (None, np.full(10, 0.01)):
            with pytest.raises(InputError, match="passes through all 10 runs"):
                eq.emulator(name, **options).fit(X, y, noise=noise)


def test_units_do_not_matter():
    X, Y = runs()
    for name in ("polynomial", "ridge", "lasso", "basis", "robust"):
        plain = eq.emulator(name).fit(X, Y).predict_dist(X).cov().dense()
        for unit in (1e-90, 1e90):
            other = eq.emulator(name).fit(X, Y * unit).predict_dist(X).cov().dense()
            assert_allclose(other / unit**2, plain, rtol=1e-3, atol=1e-9)


def test_outputs_without_scatter_have_flat_slopes():
    X, _ = runs()
    model = eq.emulator("ridge").fit(X, np.ones(len(X)))
    bars = np.ones((len(X), 1)), np.ones((len(X), 1, 1))
    assert_allclose(model.predict_dist_vjp(X, *bars), 0.0, atol=1e-12)


def test_questions_that_make_no_sense():
    model = eq.emulator("ridge")
    for ask in (model.loo, model.line):
        with pytest.raises(NotFittedError):
            ask()
    X, Y = runs()
    model.fit(X, Y)
    for output in (2, -1, "a"):
        with pytest.raises(InputError, match="whole number from 0 to 1"):
            model.predict_joint(X, output)
