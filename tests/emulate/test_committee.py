"""Committee: what it mixes, with which weights, and what it says when members fail."""

import warnings

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import optimize, stats
from sklearn.base import clone
from sklearn.linear_model import Ridge
from sklearn.model_selection import GridSearchCV
from sklearn.utils.estimator_checks import parametrize_with_checks

import equatorium as eq
from equatorium import (
    Committee,
    Conformal,
    Dense,
    Diagonal,
    Embedded,
    Emulator,
    Gaussian,
    errors,
    registry,
)
from equatorium.emulate.folds import deal
from equatorium.emulate.stacking import held_out_scores, pruned_weights, stacking_weights
from equatorium.testing.reference import ReferencePCA


class Lines(Emulator):
    """Ridge regression on powers of the inputs, with a covariance between the outputs."""

    capabilities = frozenset({"variance", "covariance", "noise"})

    def __init__(self, *, degree=1, alpha=1e-6, column=None):
        self.degree = degree
        self.alpha = alpha
        self.column = column

    def _fit(self, X, Y, noise):
        A = self._powers(X)
        weight = 1.0 if noise is None else 1 / (1 + noise.mean(axis=1, keepdims=True))
        left = (A * weight).T @ A + self.alpha * np.eye(A.shape[1])
        self.coef_ = np.linalg.solve(left, (A * weight).T @ Y)
        residual = Y - A @ self.coef_
        own = 0.0 if noise is None else np.diag(noise.mean(axis=0))
        cov = residual.T @ residual / max(1, len(X) - A.shape[1]) - own
        self.cov_ = np.diag(np.maximum(np.diag(cov), 1e-6))

    def _predict_dist(self, X):
        return Gaussian(self._powers(X) @ self.coef_, Dense(self.cov_))

    def _powers(self, X):
        X = X if self.column is None else X[:, [self.column]]
        return np.hstack([np.ones((len(X), 1)), *(X**k for k in range(1, self.degree + 1))])


class Level(Emulator):
    """The mean of the runs; its covariance is stated to be diagonal."""

    def _fit(self, X, Y, noise):
        self.mean_, self.variance_ = Y.mean(axis=0), Y.var(axis=0) + 1e-6

    def _predict_dist(self, X):
        return Gaussian(np.tile(self.mean_, (len(X), 1)), Diagonal(self.variance_))


class Silent(Level):
    capabilities = frozenset()


class Broken(Level):
    def _fit(self, X, Y, noise):
        raise RuntimeError("the matrix is singular")


class Big(Level):
    """Works with as many runs as there are, but not with fewer."""

    def __init__(self, *, least=60):
        self.least = least

    def _fit(self, X, Y, noise):
        if len(X) < self.least:
            raise errors.InputError(f"Big needs {self.least} runs.")
        super()._fit(X, Y, noise)


@pytest.fixture(autouse=True)
def own_names(monkeypatch):
    monkeypatch.setattr(registry._CATALOGUE, "_local", {})
    for cls in (Lines, Level, Silent):
        eq.register("emulator", cls)
    eq.register("embedder", ReferencePCA, name="pca")


def runs(n=60, p=3, seed=0, scatter=0.1, bend=2.0):
    rng = np.random.default_rng(seed)
    X = rng.uniform(-1, 1, size=(n, 2))
    shape = np.linspace(0.5, 1.5, p)
    Y = (X[:, :1] + bend * X[:, 1:] ** 2) * shape
    return X, Y + scatter * rng.standard_normal((n, p))


@parametrize_with_checks(
    [
        Committee([Lines(), Level()]),
        Committee([Lines(), Lines(alpha=1.0)], rule="average"),
        Committee([Lines(), Lines(alpha=1.0)], rule="best"),
    ]
)
def test_sklearn_checks(estimator, check):
    check(estimator)


def peers(k=4, n=400, seed=3):
    """Log densities that normals of several widths and places give to values of a mixture."""
    rng = np.random.default_rng(seed)
    y = np.where(rng.random(n) < 0.7, rng.normal(0, 1, n), rng.normal(3, 0.5, n))
    places, widths = rng.normal(1, 1.5, k), rng.uniform(0.5, 2, k)
    return stats.norm.logpdf(y, places[:, None], widths[:, None])


@pytest.mark.parametrize("seed", range(5))
def test_weights_are_those_of_a_general_optimiser(seed):
    scores = peers(seed=seed)
    density = np.exp(scores)
    found = optimize.minimize(
        lambda w: -np.mean(np.log(w @ density)),
        np.full(4, 0.25),
        jac=lambda w: -(density / (w @ density)).mean(axis=1),
        bounds=[(0, 1)] * 4,
        constraints={"type": "eq", "fun": lambda w: w.sum() - 1, "jac": lambda w: np.ones(4)},
        method="SLSQP",
        options={"ftol": 1e-12, "maxiter": 500},
    )
    weights = stacking_weights(scores)
    assert_allclose(weights, found.x, atol=0.01)
    assert np.mean(np.log(weights @ density)) > -found.fun - 1e-6


def test_weights_of_members_nearly_alike_are_as_good_as_promised():
    rng = np.random.default_rng(1)
    gaps = []
    for _ in range(5):
        scores = rng.normal(scale=0.003, size=(4, 60))
        density = np.exp(scores)
        got = stacking_weights(scores)
        # What is still to be gained is below max_k g_k - 1, whatever found the weights.
        gaps.append((density / (got @ density)).mean(axis=1).max() - 1)
    assert 1e-6 < max(gaps) < np.log(4) / 10_000
    even = (density / density.mean(axis=0)).mean(axis=1).max() - 1
    assert even > np.log(4) / 10_000  # equal weights are not good enough


def test_weights_find_a_known_mixture():
    rng = np.random.default_rng(5)
    n = 20_000
    first = rng.random(n) < 0.7
    y = np.where(first, rng.normal(0, 1, n), rng.normal(4, 1, n))
    scores = stats.norm.logpdf(y, np.array([[0.0], [4.0]]))
    # The share of the first is a binomial draw; the peaks hardly overlap.
    assert_allclose(stacking_weights(scores)[0], first.mean(), atol=0.01)


def test_small_weights_are_dropped_and_the_rest_weighed_anew():
    rng = np.random.default_rng(6)
    y = np.where(rng.random(5000) < 0.97, rng.normal(0, 1, 5000), rng.normal(6, 1, 5000))
    y[:2000] += 3.0
    scores = stats.norm.logpdf(y, np.array([[0.0], [3.0], [6.0]]))
    free, kept = stacking_weights(scores), pruned_weights(scores)
    assert 0 < free[2] < 0.05 and kept[2] == 0.0
    assert_allclose(kept[:2], stacking_weights(scores[:2]))
    # Twenty-five that are alike are worth 0.04 each: none is small.
    assert_allclose(pruned_weights(np.tile(scores[:1], (25, 1))), 0.04)


def test_scores_are_those_of_runs_left_out_with_their_noise():
    X, Y = runs()
    noise = np.random.default_rng(1).uniform(0.0, 0.2, Y.shape)
    fold = deal(len(X), "test")
    expected = np.empty_like(Y)
    for k in range(5):
        held = fold == k
        fitted = Lines().fit(X[~held], Y[~held], noise=noise[~held])
        got = fitted.predict_dist(X[held])
        sd = np.sqrt(got.variance + noise[held])
        expected[held] = stats.norm.logpdf(Y[held], got.mean, sd)
    assert_allclose(held_out_scores(Lines(), X, Y, noise, fold), expected, rtol=1e-8)
    model = Committee([Lines(), Lines(degree=2)]).fit(X, Y, noise=noise)
    assert_allclose(model.scores_[0], expected.mean(), rtol=1e-8)


def test_it_is_the_mixture_of_its_members():
    X, Y = runs()
    model = Committee([Lines(), Level()]).fit(X, Y)
    a, b = (member.predict_dist(X) for member in model.members_)
    w, u = model.weights_
    got = model.predict_dist(X)
    assert_allclose(got.mean, w * a.mean + u * b.mean)
    y = Y[:, 1]
    density = w * stats.norm.pdf(y, a.mean[:, 1], a.std[:, 1])
    density += u * stats.norm.pdf(y, b.mean[:, 1], b.std[:, 1])
    assert_allclose(got.marginal(1).log_prob(y[:, None]), np.log(density))
    # The members' disagreement is in the Gaussian of the same moments.
    apart = a.mean - b.mean
    within = w * a.cov().dense() + u * b.cov().dense()
    between = w * u * apart[:, :, None] * apart[:, None, :]
    assert_allclose(got.gaussian().cov().dense(), within + between, atol=1e-12)
    draws = got.sample(20_000, rng=1)[:, 0]
    assert_allclose(np.cov(draws.T), (within + between)[0], atol=0.05)
    assert_array_equal(model.predict_members(X), np.stack([a.mean, b.mean]))


def test_rules():
    X, Y = runs(n=200)
    members = [Lines(), Lines(degree=2), Level()]
    stack = Committee(members).fit(X, Y)
    average = Committee(members, rule="average").fit(X, Y)
    best = Committee(members, rule="best").fit(X, Y)
    # The truth is a parabola: the second member knows, and the others are not needed.
    assert_array_equal(best.kept_, [1])
    assert_array_equal(stack.kept_, [1])
    assert np.argmax(stack.scores_) == 1 and np.isnan(average.scores_).all()
    assert_allclose(average.weights_, 1 / 3)
    alone = Lines(degree=2).fit(X, Y).predict_dist(X)
    assert_array_equal(best.predict_dist(X).mean, alone.mean)
    single = Committee([Lines()]).fit(X, Y)
    assert_array_equal(single.weights_, [1.0])
    twins = Committee([Lines(), Lines()]).fit(X, Y)
    assert_allclose(twins.weights_, 0.5)


@pytest.mark.parametrize("rule", ["stack", "reversed"])
def test_a_stack_beats_the_average_on_runs_that_nobody_saw(rule):
    """Paired over seeds; weights given to the wrong members must not."""
    gains = []
    for seed in range(12):
        X, Y = runs(n=40, seed=seed)
        fresh_X, fresh_Y = runs(n=200, seed=100 + seed)
        members = [Level(), Lines(degree=2, column=0), Lines(degree=2, column=1)]
        stack = Committee(members).fit(X, Y)
        average = Committee(members, rule="average").fit(X, Y)
        if rule == "reversed":
            weights = np.zeros(3)
            weights[stack.kept_] = stack.weights_
            weights = (1 - weights) / 2
            stack = clone(average).fit(X, Y)
            stack.weights_ = weights
        scores = [
            np.mean(
                [m.predict_dist(fresh_X).marginal(j).log_prob(fresh_Y[:, [j]]) for j in range(3)]
            )
            for m in (stack, average)
        ]
        gains.append(scores[0] - scores[1])
    error = np.std(gains, ddof=1) / np.sqrt(len(gains))
    assert (np.mean(gains) > 3 * error) == (rule == "stack")


def test_noise_is_no_part_of_the_prediction():
    X, Y = runs(n=400, scatter=0.1)
    noise = np.full(len(X), 0.25)
    noisy = Y + 0.5 * np.random.default_rng(4).standard_normal(Y.shape)
    model = Committee([Lines(degree=2), Lines(degree=3)]).fit(X, noisy, noise=noise)
    # The scatter of 0.1 is in the prediction, the declared 0.5 is not.
    assert_allclose(model.predict_dist(X).variance.mean(), 0.01, atol=0.02)
    with pytest.raises(errors.InputError, match="Committee makes no use of the noise"):
        Committee([Lines(), Level()]).fit(X, noisy, noise=noise)


def test_capabilities_are_those_of_the_members():
    assert Committee([Lines(), Lines()]).capabilities_ == {"variance", "covariance", "noise"}
    assert Committee([Lines(), Level()]).capabilities_ == {"variance"}
    assert Committee([Lines(), Silent()]).capabilities_ == set()
    model = Committee([Lines(degree=2), Level()], rule="best").fit(*runs())
    # The member that is left has more; declared noise would go to both again.
    assert model.capabilities_ == {"variance", "covariance"}


def test_a_member_that_fails_is_left_out_with_a_warning():
    X, Y = runs()
    with pytest.warns(UserWarning, match=r"member 1, Broken.*the matrix is singular"):
        model = Committee([Lines(), Broken(), Level()], rule="average").fit(X, Y)
    assert_array_equal(model.kept_, [0, 2])
    # One that fails without a fold fails, although it could learn from all runs.
    with pytest.warns(UserWarning, match="member 0, Big.*needs 60 runs"):
        model = Committee([Big(), Lines()]).fit(X, Y)
    assert_array_equal(model.kept_, [1])
    assert np.isnan(model.scores_[0]) and np.isfinite(model.scores_[1])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        both = Committee([Big(), Lines()], rule="average").fit(X, Y)
    assert_array_equal(both.kept_, [0, 1])
    with pytest.raises(errors.InputError, match=r"No member .* on 60 runs.*member 1.*singular"):
        Committee([Broken(), Broken()]).fit(X, Y)


@pytest.mark.parametrize("n", [2, 3, 5])
def test_few_runs(n):
    X, Y = runs(n=n)
    model = Committee([Lines(), Level()]).fit(X, Y)
    assert np.isfinite(model.predict_dist(X).variance).all()


def test_constant_outputs_and_sure_members_have_finite_scores():
    X, Y = runs()
    Y[:, 0] = 7.0
    model = Committee([Lines(), Level()]).fit(X, Y)
    assert np.isfinite(model.scores_).all()


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (Committee([]), "needs a list of emulators, but members is \\[\\]"),
        (Committee(Lines()), "needs a list of emulators"),
        (Committee("lines"), "needs a list of emulators, but members is 'lines'"),
        (Committee([Lines(), Ridge()]), "Member 1 .* must be an emulator, but it is Ridge"),
        (Committee([ReferencePCA(), Lines()]), "Member 0 .* must be an emulator"),
        (Committee([Lines(), Silent()]), "Member 1 .*Silent.* without a variance.*Conformal"),
        (Committee([Lines()], rule="stak"), "rule must be one of .* Did you mean 'stack'"),
    ],
)
def test_what_is_no_committee(model, message):
    with pytest.raises(errors.InputError, match=message):
        model.fit(*runs())


def test_one_run_is_too_few():
    X, Y = runs(n=1)
    with pytest.raises(errors.InputError, match="rule 'stack' needs at least 2 runs"):
        Committee([Level(), Lines()]).fit(X, Y)


def test_parameters_of_members():
    model = Committee([Lines(), "level", Level()])
    assert model.get_params()["members__0__degree"] == 1
    assert not any(key.startswith("members__1") for key in model.get_params())
    copy = clone(model).set_params(members__0__degree=2, members__2=Lines(), members__2__alpha=3.0)
    assert copy.members[0].degree == 2 and model.members[0].degree == 1
    assert copy.members[2].alpha == 3.0 and isinstance(model.members[2], Level)
    for key in ("members__7", "members__1__alpha", "members__x__alpha"):
        with pytest.raises(ValueError, match=f"Invalid parameter '{key}' for a Committee"):
            clone(model).set_params(**{key: 1})
    with pytest.raises(ValueError, match="Invalid parameter 'alfa'"):
        clone(model).set_params(members__0__alfa=1)
    grid = {"members__0__degree": [1, 2], "rule": ["stack", "best"]}
    X, Y = runs()
    found = GridSearchCV(Committee([Lines(), Level()]), grid, cv=3).fit(X, Y[:, 0])
    assert found.best_params_["members__0__degree"] == 2


NESTED = [
    Committee([Lines(), {"use": "lines", "options": {"degree": 2}}, "level"], rule="average"),
    Committee([Committee([Lines(), Level()], rule="average"), Lines(degree=2)], rule="average"),
    Committee([Embedded(ReferencePCA(), Lines()), Conformal(Silent())], rule="average"),
    Embedded(ReferencePCA(), Committee([Lines(), Lines(degree=2)])),
    Embedded("local/pca", Conformal(Committee([Lines(), Level()]))),
]


@pytest.mark.parametrize("model", NESTED, ids=str)
def test_nested_composites_are_saved_bit_for_bit(tmp_path, model):
    X, Y = runs(p=5)
    model = clone(model).fit(X, Y)
    model.save(tmp_path / "m.h5")
    back = eq.load(tmp_path / "m.h5")
    got, expected = back.predict_dist(X), model.predict_dist(X)
    assert type(got) is type(expected) and back.capabilities_ == model.capabilities_
    assert_array_equal(got.mean, expected.mean)
    assert_array_equal(got.cov().dense(), expected.cov().dense())
    again = clone(back).fit(X, Y)
    assert_array_equal(again.predict_dist(X).mean, expected.mean)


def test_a_committee_of_committees_is_taken_apart():
    X, Y = runs()
    inner = Committee([Lines(), Level()], rule="average")
    outer = Committee([inner, Lines(degree=2)], rule="average").fit(X, Y)
    flat = Committee([Lines(), Level(), Lines(degree=2)], rule="average").fit(X, Y)
    flat.weights_ = np.array([0.25, 0.25, 0.5])
    got, expected = outer.predict_dist(X), flat.predict_dist(X)
    assert_allclose(got.log_prob(Y), expected.log_prob(Y))


def test_by_name():
    model = eq.emulator("committee", members=["lines", {"use": "level"}], rule="average")
    assert_allclose(model.fit(*runs()).weights_, 0.5)
    assert isinstance(eq.ensemble("committee", members=["lines"]), Committee)
    spec = registry.to_spec(Committee([Lines(degree=2), "level"]))
    assert spec["options"]["members"][0]["options"]["degree"] == 2
    again = registry.from_spec("emulator", spec)
    assert again.members[0].degree == 2 and again.members[1] == "level"


def test_a_damaged_state_is_refused():
    fitted = Committee([Lines(), Level()], rule="average").fit(*runs())
    state = fitted.get_state()
    other = Lines().fit(*runs(p=2))
    for name, value in {
        "members_": [fitted.members_[0], other],
        "weights_": np.array([0.5, 0.6]),
        "kept_": np.array([0, 2]),
        "scores_": None,
    }.items():
        with pytest.raises(errors.StateError, match=name):
            clone(fitted).set_state({**state, name: value})
    for members in ([], None, [Ridge(), Ridge()]):
        with pytest.raises(errors.StateError, match="members_"):
            clone(fitted).set_state({**state, "members_": members})
    with pytest.raises(errors.StateError, match="weights_"):
        clone(fitted).set_state({**state, "weights_": np.array([1.5, -0.5])})


def test_a_committee_of_itself_is_refused():
    committee, conformal = Committee([Lines()]), Conformal(Lines())
    committee.members = ["conformal", [conformal]]
    conformal.predictor = committee
    for loop in (committee, conformal):
        with pytest.raises(errors.InputError, match="is a part of itself"):
            loop.fit(np.eye(3), np.arange(3.0))
        with pytest.raises(errors.NotSavableError, match="nested too deeply, or in itself"):
            registry.to_spec(Committee([loop]))
    shared = Lines()
    assert Committee([shared, shared]).capabilities_  # the same twice is no loop


def test_a_written_form_without_an_end_is_refused():
    endless = {"use": "conformal", "options": {}}
    endless["options"]["predictor"] = endless
    with pytest.raises(errors.ConfigurationError, match="nested too deeply"):
        registry.from_spec("emulator", endless)


def test_members_that_are_too_far_off_to_be_scored():
    class Off(Level):
        """Far off."""

        def _predict_dist(self, X):
            told = super()._predict_dist(X)
            return Gaussian(told.mean + 1e200, Diagonal(told.variance))

    X = np.linspace(0, 1, 10)[:, None]
    with pytest.warns(UserWarning, match="member 1, Off.* no double holds"):
        assert Committee([Lines(), Off()]).fit(X, X).kept_.tolist() == [0]
    with pytest.raises(errors.InputError, match="so far off on unseen runs"):
        Committee([Off(), Off()]).fit(X, X)


def test_a_class_instead_of_an_object_has_no_parameters():
    assert set(Committee([Lines]).get_params()) == {"members", "rule"}
    with pytest.raises(errors.InputError, match=r"Member 0 .* must be an emulator"):
        Committee([Lines]).fit(np.eye(3), np.arange(3.0))
    with pytest.raises(errors.InputError, match="with 0 members"):
        Committee(None).set_params(members__0=Lines())
